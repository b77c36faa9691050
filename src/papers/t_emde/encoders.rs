//! Regions and words to vectors of length 1 in one joint space (the host models' encoders).

use crate::nn::{BiGru, BiGruConfig, Draw, Lengths, ParamInfo, unit};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};

/// Settings of both encoders.
#[derive(Config, Debug)]
pub struct EncoderConfig {
    /// Length of a region's features.
    #[config(default = 2048)]
    pub image_dim: usize,
    /// Words of the vocabulary.
    pub words: usize,
    /// Length of a word's vector.
    #[config(default = 300)]
    pub word_dim: usize,
    /// Length of the joint space's vectors, D.
    #[config(default = 1024)]
    pub dim: usize,
    /// Dropout of the embedded words.
    #[config(default = 0.4)]
    pub dropout: f64,
}

/// `V = unit(I · W + b)`: no activation, no dropout, features taken as they are.
#[derive(Module, Debug)]
pub struct ImageEncoder {
    /// Image features to the joint space.
    pub fc: Linear,
}

impl ImageEncoder {
    /// `[images, regions, image dim]` → `[images, regions, dim]`.
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        unit(self.fc.forward(features), 2)
    }
}

/// Embedded words through a bidirectional GRU, the mean of both directions, of length 1.
#[derive(Module, Debug)]
pub struct TextEncoder {
    /// The words' vectors.
    pub embed: Embedding,
    /// Both directions.
    pub cap_rnn: BiGru,
    dropout: Dropout,
}

impl TextEncoder {
    /// Word ids `[captions, tokens]` → `[captions, tokens, dim]`, zero behind each caption's end.
    pub fn forward(&self, ids: Tensor<2, Int>, lengths: &Lengths) -> Tensor<3> {
        let device = ids.device();
        let words = self.dropout.forward(self.embed.forward(ids));
        let [forward, backward] = self.cap_rnn.forward(words, lengths);
        let joint = unit((forward + backward) / 2.0, 2);
        joint * lengths.mask(&device).unsqueeze_dim::<3>(2)
    }
}

impl EncoderConfig {
    /// The image encoder.
    pub fn image(&self, device: &Device) -> ImageEncoder {
        ImageEncoder {
            fc: LinearConfig::new(self.image_dim, self.dim).init(device),
        }
    }

    /// The text encoder.
    pub fn text(&self, device: &Device) -> TextEncoder {
        TextEncoder {
            embed: EmbeddingConfig::new(self.words, self.word_dim).init(device),
            cap_rnn: BiGruConfig::new(self.word_dim, self.dim).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }
}

/// How the reference code draws its weights: linear layers Xavier uniform with bias 0, words uniform in ±0.1, the GRU in ±1/√hidden.
/// [`GlobalKind::draw`](super::GlobalKind::draw) adds T-EMDE.
pub fn draw(info: &ParamInfo) -> Option<Draw> {
    match (info.container, info.name) {
        ("Linear", "bias") => Some(Draw::Constant(0.0)),
        ("Linear", "weight") => Some(Draw::Uniform {
            bound: (6.0 / (info.shape[0] + info.shape[1]) as f64).sqrt(),
        }),
        ("Embedding", _) => Some(Draw::Uniform { bound: 0.1 }),
        ("BiGru", _) => Some(Draw::Uniform {
            bound: (3.0 / info.shape[0] as f64).sqrt(),
        }),
        _ => None,
    }
}
