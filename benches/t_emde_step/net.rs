//! The networks, their input, and how much there is to multiply.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use tailor::nn::{Lengths, TEmdeConfig, initialise};
use tailor::papers::t_emde::{
    EncoderConfig, GlobalKind, Head, ImageEncoder, Similarity, SimilarityConfig, TextEncoder,
};
use tailor::random::stream;

const WORDS: usize = 8481;
const WORD: usize = 300;
const REGIONS: usize = 36;
const FEATURES: usize = 2048;
const DIM: usize = 1024;
const OUT: usize = 256;
const SGR_STEPS: usize = 3;

/// `HEAD:GLOBAL` in words.
#[derive(Clone)]
pub struct Configuration {
    pub name: String,
    head: Head,
    global: GlobalKind,
}

impl Configuration {
    pub fn new(name: &str) -> Option<Self> {
        let (head, global) = name.split_once(':')?;
        let head = match head {
            "saf" => Head::Saf,
            "sgr" => Head::Sgr { steps: SGR_STEPS },
            _ => return None,
        };
        let global = match global {
            "self_attention" => GlobalKind::SelfAttention {
                regions: REGIONS,
                dropout: 0.4,
            },
            "mean" => GlobalKind::Mean,
            "t_emde" => GlobalKind::TEmde {
                layer: TEmdeConfig::new(DIM),
                share: true,
            },
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            head,
            global,
        })
    }

    /// GFLOP of the matrix products of encoders and global modules, once forwards, and of what is done with pairs.
    fn forwards(&self, images: usize, lengths: &[usize]) -> [f64; 3] {
        let tokens: usize = lengths.iter().sum();
        let image = images * REGIONS * FEATURES * DIM;
        let text = 2 * tokens * 3 * DIM * (WORD + DIM);
        let vectors = images * REGIONS + tokens;
        let global = match &self.global {
            GlobalKind::SelfAttention { .. } => (vectors + images + lengths.len()) * DIM * DIM,
            GlobalKind::Mean => 0,
            GlobalKind::TEmde { layer, .. } => {
                vectors * layer.partitions * layer.bits * (DIM + (1 << layer.bits))
            }
        };
        let rows = images * tokens;
        let local = rows * (DIM * OUT + 2 * REGIONS * DIM) + images * lengths.len() * DIM * OUT;
        let reasoning = |length: usize| {
            let nodes = 1 + length;
            let step = |asking: usize| 2 * asking * OUT * (OUT + nodes);
            (SGR_STEPS - 1) * step(nodes) + step(1)
        };
        let head = match self.head {
            Head::Saf => rows * 2 * OUT,
            Head::Sgr { .. } => images * lengths.iter().map(|&length| reasoning(length)).sum::<usize>(),
        };
        [image, text + global, local + head].map(|count| 2e-9 * count as f64)
    }

    /// GFLOP of scoring encoded images and captions.
    pub fn scoring(&self, images: usize, lengths: &[usize]) -> f64 {
        self.forwards(images, lengths)[2]
    }

    /// GFLOP of a training step: forwards, and twice as much backwards, but that nothing asks for the features' gradient, and that
    /// graph reasoning differentiates no more than three pairs of each caption. What is computed again for the gradient is not counted.
    pub fn training(&self, batch: usize, lengths: &[usize]) -> f64 {
        let [image, rest, pairs] = self.forwards(batch, lengths);
        let again = match self.head {
            Head::Saf => 2.0,
            Head::Sgr { .. } => 3.0 * (3.0 / batch as f64).min(1.0),
        };
        2.0 * image + 3.0 * rest + (1.0 + again) * pairs
    }
}

#[derive(Module, Debug)]
pub struct Net {
    pub image: ImageEncoder,
    pub text: TextEncoder,
    pub similarity: Similarity,
}

impl Net {
    pub fn new(configuration: &Configuration, device: &Device) -> Self {
        let encoders = EncoderConfig::new(WORDS);
        let Configuration { head, global, .. } = configuration;
        let net = Self {
            image: encoders.image(device),
            text: encoders.text(device),
            similarity: SimilarityConfig::new(DIM, global.clone(), *head).init(device),
        };
        initialise(net, 1, |info| global.draw(info))
    }
}

/// Descending, from 21 to 8.
pub fn lengths(captions: usize) -> Vec<usize> {
    (0..captions)
        .rev()
        .map(|caption| 8 + 14 * caption / captions)
        .collect()
}

/// Random region features, `[images, 36, 2048]`.
pub fn features(images: usize, seed: u64, device: &Device) -> Tensor<3> {
    let mut random = stream(1, "bench regions", &[seed]);
    let shape = [images, REGIONS, FEATURES];
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| random.normal() as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Random words of captions of those lengths, padded to the longest.
pub fn ids(lengths: &[usize], seed: u64, device: &Device) -> (Tensor<2, Int>, Lengths) {
    let mut random = stream(1, "bench words", &[seed]);
    let longest = lengths.iter().copied().max().unwrap_or(1);
    let ids: Vec<i32> = (0..lengths.len() * longest)
        .map(|at| match at % longest < lengths[at / longest] {
            true => 4 + random.below(WORDS - 4) as i32,
            false => 0,
        })
        .collect();
    let ids = Tensor::from_data(TensorData::new(ids, [lengths.len(), longest]), device);
    (ids, Lengths::new(lengths.to_vec(), longest))
}
