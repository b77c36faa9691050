//! Images as sets of precomputed vectors, and their captions.
//!
//! The layout is that of the published region features: `<split>_ims.npy` `[images, regions, dim]`, `<split>_caps.txt` with one caption a
//! line, five consecutive lines an image, and a vocabulary. A table of pictures with texts is the other source: its features are
//! computed by [`crate::train::grid`], its captions follow from its columns.

mod captions;
mod check;
mod error;
mod face;
mod features;
mod feed;
mod precomputed;
mod regions;
mod section;
mod truth;

pub use captions::{Captioned, Pictures, Template, templates};
pub use check::{PairReport, SplitReport, check};
pub use error::PairError;
pub use face::{Face, Faces};
pub use features::{Features, npy_header};
pub use feed::{PairBatch, PairFeed};
pub use precomputed::{Precomputed, Standard};
pub use regions::{Stacked, stack};
pub use section::{PairSection, Part};
pub use truth::Truth;
