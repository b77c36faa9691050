//! EMDE: Dąbrowski, Rychalska, Daniluk, Basaj, Gołuchowski, Bąbel, Michałowski, Jakubowski, "An efficient manifold density estimator
//! for all recommendation systems", ICONIP 2021, arXiv 2006.01894: its hashing and its sketches, on their own.
//!
//! The claim: a set of embeddings (a basket, a history, the pictures of a look, the words of a sentence) is described by how many of
//! its members lie in each region of the space, for several partitions of the space at once. Such a sketch has a fixed size whatever
//! the set's, sketches add up, and those of several modalities stand side by side.
//!
//! | what | where |
//! |---|---|
//! | partitions whose hyperplanes stand where the data is dense | [`Dlsh`] |
//! | the regions of items, `[items, depth]`, of one modality or several | [`Codes`] |
//! | sums of items, with weights or with decay over time; rows of length or sum 1 | [`Sketch`] |
//! | the same with regions that train: T-EMDE | [`crate::nn::TEmde`]; [`Dlsh::layer`] starts one from fitted hyperplanes |
//!
//! From the authors' code; the paper itself could not be read. Of its variants the later one is the default (hyperplanes at the median;
//! log₂(width) of them a partition), and the first release's is an option ([`Bias::Quantile`], [`Bits::Sixteen`]). Nothing here has
//! gradients. The network between two sketches, and the decoders, belong to the recommender.
//!
//! ```
//! use tailor::papers::emde::{Codes, Dlsh, DlshConfig};
//!
//! // Six products in two dimensions.
//! let vectors = [0.1, 0.9, 0.2, 0.8, 0.9, 0.1, 0.8, 0.3, 0.5, 0.5, 0.4, 0.6f32];
//! let dlsh = Dlsh::fit(&vectors, 2, &DlshConfig { depth: 3, width: 4, ..DlshConfig::default() })?;
//! let codes = Codes::new(dlsh.codes(&vectors)?, 3, 4)?;
//! let (mut basket, more) = (codes.sketch(&[(0, 1.0), (2, 1.0)])?, codes.sketch(&[(5, 2.0)])?);
//! basket.add(&more)?;
//! assert!(basket.rows().all(|row| row.iter().sum::<f32>() == 4.0));
//! basket.normalise_l2();
//! assert_eq!(basket.values().len(), 3 * 4);
//! # Ok::<(), tailor::papers::emde::EmdeError>(())
//! ```

mod codes;
mod dlsh;
mod error;
mod sketch;
#[cfg(test)]
mod tests;

pub use codes::Codes;
pub use dlsh::{Bias, Bits, Dlsh, DlshConfig};
pub use error::EmdeError;
pub use sketch::Sketch;
