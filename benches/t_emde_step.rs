//! The training step and the scoring of the cross-modal matchers on the CPU:
//! `cargo bench --bench t_emde_step -- [--steps 3] [--batch 128] [--score 100x500 | --curve] [HEAD:GLOBAL …]`, HEAD being `saf` or
//! `sgr`, GLOBAL `self_attention` (the host's), `mean` or `t_emde`.
//!
//! The counterpart of scripts/bench/t_emde.py, which does the same with the hosts' released code: encoders, all pairs of a batch,
//! hardest negatives, gradients clipped at 2, Adam; 36 random regions of 2048, captions of 8 to 21 words, evenly spread. `--score`
//! times encoded images against encoded captions instead, in evaluation, and says on stderr how long their global vectors took before.
//! `--curve` times one set of 36 to 4,096 tokens through T-EMDE and through multi-head self-attention. Prints one JSON object per configuration: milliseconds
//! as median, least and greatest after one step that is not counted, and the most memory that the process had, in MiB (Linux).

use burn::module::Module;
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::time::Instant;
use tailor::losses::HardestHinge;
use tailor::nn::{Draw, Lengths, TEmdeConfig, initialise, unit};
use tailor::papers::t_emde::{
    EncoderConfig, GlobalKind, Head, ImageEncoder, Similarity, SimilarityConfig, TextEncoder, hard_pairs,
};
use tailor::random::stream;
use tailor::train::grads;
use tailor::train::optim::{Groups, Optimizer, OptimizerSection};

const WORDS: usize = 8481;
const REGIONS: usize = 36;
const FEATURES: usize = 2048;
const DEFAULT: [&str; 2] = ["saf:self_attention", "sgr:self_attention"];

#[derive(Module, Debug)]
struct Net {
    image: ImageEncoder,
    text: TextEncoder,
    similarity: Similarity,
}

impl Net {
    fn new(configuration: &str, device: &Device) -> Option<Self> {
        let (head, global) = configuration.split_once(':')?;
        let head = match head {
            "saf" => Head::Saf,
            "sgr" => Head::Sgr { steps: 3 },
            _ => return None,
        };
        let global = match global {
            "self_attention" => GlobalKind::SelfAttention {
                regions: REGIONS,
                dropout: 0.4,
            },
            "mean" => GlobalKind::Mean,
            "t_emde" => GlobalKind::TEmde {
                layer: TEmdeConfig::new(1024),
                share: true,
            },
            _ => return None,
        };
        let encoders = EncoderConfig::new(WORDS);
        let net = Self {
            image: encoders.image(device),
            text: encoders.text(device),
            similarity: SimilarityConfig::new(1024, global.clone(), head).init(device),
        };
        Some(initialise(net, 1, |info| global.draw(info)))
    }
}

/// Descending, from 21 to 8.
fn lengths(captions: usize) -> Vec<usize> {
    (0..captions)
        .rev()
        .map(|caption| 8 + 14 * caption / captions)
        .collect()
}

struct Batch {
    features: TensorData,
    ids: TensorData,
    lengths: Lengths,
}

impl Batch {
    fn new(images: usize, captions: usize) -> Self {
        let mut random = stream(1, "bench pairs", &[]);
        let features: Vec<f32> = (0..images * REGIONS * FEATURES)
            .map(|_| random.normal() as f32)
            .collect();
        let lengths = lengths(captions);
        let longest = lengths[0];
        let ids: Vec<i32> = (0..captions * longest)
            .map(|at| match at % longest < lengths[at / longest] {
                true => 4 + random.below(WORDS - 4) as i32,
                false => 0,
            })
            .collect();
        Self {
            features: TensorData::new(features, [images, REGIONS, FEATURES]),
            ids: TensorData::new(ids, [captions, longest]),
            lengths: Lengths::new(lengths, longest),
        }
    }

    fn on(&self, device: &Device) -> (Tensor<3>, Tensor<2, Int>) {
        (
            Tensor::from_data(self.features.clone(), device),
            Tensor::from_data(self.ids.clone(), device),
        )
    }
}

/// The most memory that this process had, in MiB; Linux alone says.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn report(
    what: &str,
    shape: [usize; 2],
    mut times: Vec<f64>,
    value: f32,
) -> Result<(), Box<dyn std::error::Error>> {
    times.sort_by(f64::total_cmp);
    let tenth = |ms: f64| (ms * 10.0).round() / 10.0;
    println!(
        "{}",
        serde_json::json!({
            "what": what, "images": shape[0], "captions": shape[1],
            "threads": std::thread::available_parallelism()?.get(),
            "ms": tenth(times[times.len() / 2]), "least": tenth(times[0]), "greatest": tenth(times[times.len() - 1]),
            "peak_mib": most_memory(), "value": value,
        })
    );
    Ok(())
}

fn train(configuration: &str, batch: usize, steps: usize) -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex().autodiff();
    let mut net =
        Net::new(configuration, &device).ok_or_else(|| format!("`{configuration}` is not HEAD:GLOBAL"))?;
    let section: OptimizerSection =
        serde_json::from_value(serde_json::json!({ "kind": "adam", "lr": 2e-4 }))?;
    let mut optimizer = Optimizer::new(Groups::new(&section, "")?);
    let data = Batch::new(batch, batch);
    let hinge = HardestHinge::new(0.2);
    let (mut times, mut last) = (Vec::new(), 0.0);
    for step in 0..=steps {
        let start = Instant::now();
        let mut lap = Laps::new();
        let (features, ids) = data.on(&device);
        let regions = net.image.forward(features);
        lap.over("image");
        let words = net.text.forward(ids, &data.lengths);
        lap.over("text");
        let images = net.similarity.images(regions);
        let captions = net.similarity.captions(words, data.lengths.clone());
        lap.over("global");
        let loss = hard_pairs::loss(&net.similarity, &images, &captions, &hinge, None);
        last = loss.clone().into_scalar();
        lap.over("pairs");
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        drop((images, captions));
        lap.over("backward");
        let (grads, _) = grads::clip(&net, grads, 2.0);
        net = optimizer.step(net, grads, &[2e-4]);
        lap.over("update");
        if step > 0 {
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            lap.print();
        }
    }
    report(configuration, [batch, batch], times, last)
}

/// Where a step's time goes, on stderr where `LAPS` is set.
struct Laps(Option<(Instant, String)>);

impl Laps {
    fn new() -> Self {
        Self(std::env::var_os("LAPS").map(|_| (Instant::now(), String::new())))
    }

    fn over(&mut self, what: &str) {
        if let Some((start, text)) = &mut self.0 {
            text.push_str(&format!(
                "{what} {:.0} ms, ",
                start.elapsed().as_secs_f64() * 1000.0
            ));
            *start = Instant::now();
        }
    }

    fn print(self) {
        if let Some((_, text)) = self.0 {
            eprintln!("{text}");
        }
    }
}

fn score(
    configuration: &str,
    [images, captions]: [usize; 2],
    steps: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let net =
        Net::new(configuration, &device).ok_or_else(|| format!("`{configuration}` is not HEAD:GLOBAL"))?;
    let data = Batch::new(images, captions);
    let (features, ids) = data.on(&device);
    let (regions, words) = (net.image.forward(features), net.text.forward(ids, &data.lengths));
    let global = || {
        let images = net.similarity.images(regions.clone());
        (
            images,
            net.similarity.captions(words.clone(), data.lengths.clone()),
        )
    };
    let (encoded_images, encoded_captions) = global();
    let start = Instant::now();
    global();
    let global_ms = start.elapsed().as_secs_f64() * 1000.0;
    eprintln!("{configuration}: global vectors of {images} images and {captions} captions {global_ms:.1} ms");
    let (mut times, mut last) = (Vec::new(), 0.0);
    for step in 0..=steps {
        let start = Instant::now();
        last = sigmoid(net.similarity.all(&encoded_images, &encoded_captions))
            .mean()
            .into_scalar();
        if step > 0 {
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    report(&format!("score {configuration}"), [images, captions], times, last)
}

/// Linear against quadratic: one set of tokens of 1,024 through T-EMDE, and through self-attention of 8 heads and the mean.
fn curve(steps: usize) {
    let device = Device::flex();
    let sketch = initialise(TEmdeConfig::new(1024).init(&device), 1, |info| {
        (info.name == "weight").then_some(Draw::Normal { std: 1.0 })
    });
    let attention: MultiHeadAttention = MultiHeadAttentionConfig::new(1024, 8).init(&device);
    for tokens in [36, 64, 128, 256, 512, 1024, 2048, 4096] {
        let mut random = stream(1, "bench tokens", &[]);
        let values: Vec<f32> = (0..tokens * 1024).map(|_| random.normal() as f32).collect();
        let x = unit(
            Tensor::<3>::from_data(TensorData::new(values, [1, tokens, 1024]), &device),
            2,
        );
        let mask = Tensor::<2>::ones([1, tokens], &device);
        let time = |work: &dyn Fn() -> Tensor<2>| {
            let mut times: Vec<f64> = (0..=steps)
                .map(|_| {
                    let start = Instant::now();
                    let _ = work().into_data();
                    start.elapsed().as_secs_f64() * 1000.0
                })
                .skip(1)
                .collect();
            times.sort_by(f64::total_cmp);
            (times[times.len() / 2] * 1000.0).round() / 1000.0
        };
        let t_emde = time(&|| sketch.forward(x.clone(), mask.clone()));
        let mha = time(&|| {
            attention
                .forward(MhaInput::self_attn(x.clone()))
                .context
                .mean_dim(1)
                .reshape([1, 1024])
        });
        println!(
            "{}",
            serde_json::json!({ "tokens": tokens, "t_emde_ms": t_emde, "self_attention_ms": mha })
        );
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut steps, mut batch, mut scored) = (3, 128, None);
    let mut configurations = Vec::new();
    let mut args = std::env::args().skip(1);
    let number = |text: Option<String>, name: &str| {
        let found = text.and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
        found.ok_or_else(|| format!("{name} needs a number"))
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // What `cargo bench` adds.
            "--bench" => {}
            "--steps" => steps = number(args.next(), "--steps")?,
            "--batch" => batch = number(args.next(), "--batch")?,
            "--curve" => {
                curve(steps);
                return Ok(());
            }
            "--score" => {
                let text = args.next().unwrap_or_default();
                let (images, captions) = text.split_once('x').ok_or("--score needs IMAGESxCAPTIONS")?;
                scored = Some([images, captions].map(|n| number(Some(n.to_owned()), "--score")));
            }
            text => configurations.push(text.to_owned()),
        }
    }
    if configurations.is_empty() {
        configurations = DEFAULT.map(str::to_owned).to_vec();
    }
    for configuration in &configurations {
        match &scored {
            Some([images, captions]) => score(configuration, [images.clone()?, captions.clone()?], steps)?,
            None => train(configuration, batch, steps)?,
        }
    }
    Ok(())
}
