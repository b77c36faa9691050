//! Images as sets of precomputed vectors, and their captions.
//!
//! The layout is that of the published region features: `<split>_ims.npy` `[images, regions, dim]`, `<split>_caps.txt` with one caption a
//! line, five consecutive lines an image, and a vocabulary.

mod check;
mod error;
mod features;
mod feed;
mod precomputed;
mod regions;
mod section;

pub use check::{PairReport, SplitReport, check};
pub use error::PairError;
pub use features::Features;
pub use feed::{PairBatch, PairFeed};
pub use precomputed::Precomputed;
pub use regions::{Stacked, stack};
pub use section::{PairSection, Part};
