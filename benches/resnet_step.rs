//! A trunk's training step on the CPU: `cargo bench --bench resnet_step -- [--steps 5] [NET:BATCH:HEIGHTxWIDTH:LAST_STRIDE …]`, NET being
//! a ResNet's depth or the name of another network (`mobilenet-v2`, `efficientnet-lite0`), which has no last stride: write 2.
//!
//! The counterpart of scripts/bench/resnet_step.py, which does the same with PyTorch: the network with a BNNeck and a classifier
//! of 751 identities, identity loss and batch-hard triplet loss, Adam; random images on hand, 4 of each identity. Prints one
//! JSON object per configuration; scripts/bench/run.sh runs both in turn. `cpu` is the processor time of a step over all
//! threads, divided by their number; it is counted in hundredths of a second, so take enough steps.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use std::time::Instant;
use tailor::backbones::trunk::{Trunk, TrunkConfig};
use tailor::losses::{BatchHardTriplet, LabelSmoothing, Margin};
use tailor::nn::{IdentityHead, IdentityHeadConfig, initialise};
use tailor::random::stream;
use tailor::train::optim::{Groups, Optimizer, OptimizerSection};

const IDENTITIES: usize = 751;
const DEFAULT: [&str; 2] = ["18:32:64x64:1", "50:8:256x128:1"];

#[derive(Module, Debug)]
struct Net {
    trunk: Trunk,
    head: IdentityHead,
}

/// `18:32:64x64:1`
struct Configuration {
    net: String,
    batch: usize,
    size: [usize; 2],
    last_stride: usize,
}

impl Configuration {
    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [net, batch, size, last_stride] = parts[..] else {
            return None;
        };
        let (height, width) = size.split_once('x')?;
        Some(Self {
            net: net.to_owned(),
            batch: batch.parse().ok()?,
            size: [height.parse().ok()?, width.parse().ok()?],
            last_stride: last_stride.parse().ok()?,
        })
    }
}

/// Seconds of processor time of this process, all threads; Linux alone says.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in parentheses: state is field 3, user and system time are 14 and 15, in hundredths.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

fn measure(configuration: &Configuration, steps: usize) -> Result<(), Box<dyn std::error::Error>> {
    let Configuration {
        net: ref name,
        batch,
        size: [height, width],
        last_stride,
    } = *configuration;
    let device = Device::flex().autodiff();
    let config: TrunkConfig = serde_json::from_value(match name.parse::<u64>() {
        Ok(depth) => serde_json::json!({ "depth": depth, "last_stride": last_stride }),
        Err(_) => serde_json::json!({ "kind": name }),
    })?;
    let net = Net {
        trunk: config.init(&device),
        head: IdentityHeadConfig {
            dim: config.feature_dim(),
            classes: IDENTITIES,
            centers: false,
        }
        .init(&device),
    };
    let mut net = initialise(net, 1, |info| {
        IdentityHead::draw(info).or_else(|| Trunk::draw(info))
    });
    let section: OptimizerSection = serde_json::from_value(serde_json::json!({
        "kind": "adam", "lr": 3.5e-4, "weight_decay": 5e-4
    }))?;
    let mut optimizer = Optimizer::new(Groups::new(&section, "")?);
    let mut random = stream(1, "bench images", &[]);
    let pixels: Vec<f32> = (0..batch * 3 * height * width)
        .map(|_| random.normal() as f32)
        .collect();
    let pixels = TensorData::new(pixels, [batch, 3, height, width]);
    let labels: Vec<i32> = (0..batch as i32).map(|row| row / 4).collect();
    let identity = LabelSmoothing { epsilon: 0.1 };
    let triplet = BatchHardTriplet::new(Margin::Hard(0.3));
    let (mut times, mut last) = (Vec::new(), 0.0f32);
    let mut start_cpu = processor_seconds();
    for step in 0..steps + 2 {
        if step == 2 {
            start_cpu = processor_seconds();
        }
        let start = Instant::now();
        let x = Tensor::<4>::from_data(pixels.clone(), &device);
        let labels = Tensor::from_data(TensorData::new(labels.clone(), [batch]), &device);
        let real = Tensor::from_data(TensorData::new(vec![true; batch], [batch]), &device);
        let features = net.trunk.forward(x);
        let logits = net.head.logits(features.clone());
        let loss =
            identity.forward(logits, labels.clone(), real.clone()) + triplet.forward(features, labels, real);
        last = loss.clone().into_scalar();
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        net = optimizer.step(net, grads, &[3.5e-4]);
        if step >= 2 {
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let threads = std::thread::available_parallelism()?.get();
    let cpu = processor_seconds()
        .zip(start_cpu)
        .map(|(end, start)| ((end - start) * 1e4 / (steps * threads) as f64).round() / 10.0);
    times.sort_by(f64::total_cmp);
    let tenth = |ms: f64| (ms * 10.0).round() / 10.0;
    println!(
        "{}",
        serde_json::json!({
            "net": name, "batch": batch, "height": height, "width": width, "last_stride": last_stride,
            "threads": threads, "ms": tenth(times[times.len() / 2]), "least": tenth(times[0]),
            "greatest": tenth(times[times.len() - 1]), "cpu": cpu, "loss": last,
        })
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut steps = 5;
    let mut configurations = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // What `cargo bench` adds.
            "--bench" => {}
            "--steps" => {
                steps = args
                    .next()
                    .and_then(|n| n.parse().ok())
                    .filter(|n| *n > 0)
                    .ok_or("--steps needs a number")?
            }
            text => configurations.push(
                Configuration::read(text)
                    .ok_or_else(|| format!("`{text}` is not NET:BATCH:HEIGHTxWIDTH:LAST_STRIDE"))?,
            ),
        }
    }
    if configurations.is_empty() {
        configurations = DEFAULT
            .iter()
            .filter_map(|text| Configuration::read(text))
            .collect();
    }
    configurations
        .iter()
        .try_for_each(|configuration| measure(configuration, steps))
}
