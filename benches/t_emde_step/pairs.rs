//! Training steps, and the scoring of many images and captions.

use crate::measure::{Laps, Measured, Times, wait};
use crate::net::{Configuration, Net, features, ids, lengths};
use burn::optim::GradientsParams;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use tailor::losses::HardestHinge;
use tailor::nn::Lengths;
use tailor::papers::t_emde::{EncodedCaptions, EncodedImages, hard_pairs};
use tailor::train::grads;
use tailor::train::optim::{Groups, Optimizer, OptimizerSection};

/// Images and captions of a block, as the released evaluation scores them.
const BLOCK: usize = 100;

pub fn train(
    configuration: &Configuration,
    device: &Device,
    batch: usize,
    [warmup, steps]: [usize; 2],
) -> Result<(), Box<dyn std::error::Error>> {
    let device = device.clone().autodiff();
    let mut net = Net::new(configuration, &device);
    let section: OptimizerSection =
        serde_json::from_value(serde_json::json!({ "kind": "adam", "lr": 2e-4 }))?;
    let mut optimizer = Optimizer::new(Groups::new(&section, "")?);
    let lengths = lengths(batch);
    let regions = features(batch, 0, &device);
    let (ids, read) = ids(&lengths, 0, &device);
    let hinge = HardestHinge::new(0.2);
    let (mut times, mut last) = (Times::default(), 0.0);
    for step in 0..warmup + steps {
        times.start();
        let mut lap = Laps::new();
        let seen = net.image.forward(regions.clone());
        lap.over("image");
        let words = net.text.forward(ids.clone(), &read);
        lap.over("text");
        let images = net.similarity.images(seen);
        let captions = net.similarity.captions(words, read.clone());
        lap.over("global");
        let loss = hard_pairs::loss(&net.similarity, &images, &captions, &hinge, None);
        last = loss.clone().into_scalar();
        lap.over("pairs");
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        drop((images, captions));
        lap.over("backward");
        let (grads, _) = grads::clip(&net, grads, 2.0);
        net = optimizer.step(net, grads, &[2e-4]);
        wait(&device);
        lap.over("update");
        times.stop(step >= warmup);
        lap.print();
    }
    Measured {
        what: configuration.name.clone(),
        shape: [batch, batch],
        times,
        gflop: configuration.training(batch, &lengths),
        blocks: [1, 1],
        device: &device.inner(),
        value: last,
    }
    .print();
    Ok(())
}

/// Which blocks are timed: `wanted` of `all`, evenly spread, since captions grow shorter from the first to the last.
fn spread(all: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(all);
    (0..wanted).map(|at| (2 * at + 1) * all / (2 * wanted)).collect()
}

/// Encoded images and captions in blocks.
struct Blocks {
    regions: Vec<Tensor<3>>,
    words: Vec<(Tensor<3>, Lengths)>,
}

impl Blocks {
    fn new(net: &Net, images: usize, lengths: &[usize], device: &Device) -> Self {
        let seen = |start: usize| {
            let features = features(BLOCK.min(images - start), start as u64, device);
            net.image.forward(features)
        };
        let read = |(at, lengths): (usize, &[usize])| {
            let (ids, lengths) = ids(lengths, at as u64, device);
            (net.text.forward(ids, &lengths), lengths)
        };
        Self {
            regions: (0..images).step_by(BLOCK).map(seen).collect(),
            words: lengths.chunks(BLOCK).enumerate().map(read).collect(),
        }
    }

    fn images(&self, net: &Net, block: usize) -> EncodedImages {
        net.similarity.images(self.regions[block].clone())
    }

    fn captions(&self, net: &Net, block: usize) -> EncodedCaptions {
        let (words, lengths) = &self.words[block];
        net.similarity.captions(words.clone(), lengths.clone())
    }

    fn pairs(&self) -> usize {
        self.regions.len() * self.words.len()
    }
}

/// Scores images with captions. Those are encoded, with their global vectors where they are not `anew`: computed in every block, as the
/// released evaluation does.
pub fn score(
    configurations: &[Configuration],
    device: &Device,
    [images, captions]: [usize; 2],
    [warmup, steps]: [usize; 2],
    wanted: usize,
    anew: bool,
) {
    let lengths = lengths(captions);
    let nets: Vec<_> = configurations.iter().map(|one| Net::new(one, device)).collect();
    // The encoders are drawn alike in all.
    let Some(blocks) = nets.first().map(|net| Blocks::new(net, images, &lengths, device)) else {
        return;
    };
    let timed = spread(blocks.pairs(), wanted);
    let mut measured: Vec<_> = nets.iter().map(|_| (Times::default(), 0.0f32)).collect();
    // One run of each in turn, so that a busy hour hurts all alike.
    for step in 0..warmup + steps {
        for (net, (times, last)) in nets.iter().zip(&mut measured) {
            let whole = (!anew).then(|| {
                (
                    (0..blocks.regions.len())
                        .map(|at| blocks.images(net, at))
                        .collect::<Vec<_>>(),
                    (0..blocks.words.len())
                        .map(|at| blocks.captions(net, at))
                        .collect::<Vec<_>>(),
                )
            });
            wait(device);
            times.start();
            let mut sum = 0.0;
            for at in &timed {
                let (image, caption) = (at % blocks.regions.len(), at / blocks.regions.len());
                let logits = match &whole {
                    Some((images, captions)) => net.similarity.all(&images[image], &captions[caption]),
                    None => net
                        .similarity
                        .all(&blocks.images(net, image), &blocks.captions(net, caption)),
                };
                sum += sigmoid(logits).mean().into_scalar::<f32>();
            }
            times.stop(step >= warmup);
            *last = sum / timed.len() as f32;
        }
    }
    for (configuration, (times, value)) in configurations.iter().zip(measured) {
        Measured {
            what: format!(
                "{} {}",
                if anew { "latency" } else { "score" },
                configuration.name
            ),
            shape: [images, captions],
            times,
            gflop: configuration.scoring(images, &lengths),
            blocks: [timed.len(), blocks.pairs()],
            device,
            value,
        }
        .print();
    }
}
