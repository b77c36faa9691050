//! Cross-modal matchers with the trainable density estimator: T-EMDE (Rychalska, Wieczorek, Dąbrowski, arXiv 2105.04242) in SAF and
//! SGR (Diao, Zhang, Ma, Lu, "Similarity Reasoning and Filtration for Image-Text Matching", AAAI 2021, and its released code).
//!
//! A pair scorer: there is no embedding of an item; every image is compared with every caption.
//!
//! | what | where | source |
//! |---|---|---|
//! | image and text encoders | [`encoders`] | the host's code |
//! | similarity of words and attended regions | [`local`] | the host's code |
//! | global vectors: gated self-attention, mean, T-EMDE | [`global`] | the host's code; the layer is [`crate::nn::TEmde`] |
//! | attention filtration | [`saf`] | the host's code |
//! | graph reasoning | [`sgr`] | the host's code |
//! | an exact step with a graph of the hardest pairs alone | [`hard_pairs`] | ours |
//! | why a pair scores as it does | [`Similarity::explain`] | ours, of the parts above |
//! | the model, its loss and what follows from the first batch | [`system`] | the host's code; the offsets are ours |
//! | the loss | [`crate::losses::HardestHinge`] | the host's code |
//!
//! **What is published and what is not.** The host models are those of their released code. Of T-EMDE itself only the abstract and the
//! tables of results could be read: the layer (its equations, sizes, scale and initialisation) is a reconstruction, marked as one
//! wherever it appears.

pub mod encoders;
mod explain;
pub mod global;
pub mod hard_pairs;
pub mod local;
mod released;
pub mod saf;
mod settings;
pub mod sgr;
pub mod similarity;
pub mod system;

pub use encoders::{EncoderConfig, ImageEncoder, TextEncoder};
pub use global::{Global, GlobalKind};
pub use settings::{LossSection, Matching, ModelSection};
pub use similarity::{
    EncodedCaptions, EncodedImages, Head, RELEASED_NAMES, Similarity, SimilarityConfig, released_name,
};
pub use system::Matcher;

#[cfg(test)]
mod tests;
