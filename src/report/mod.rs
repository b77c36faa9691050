//! What a person looks at after a run: the table beside the paper ([`figures`]) and the page with curves and pictures ([`page`]).

pub mod chart;
pub mod curves;
pub mod figures;
pub mod frame;
pub mod heat;
pub mod html;
pub mod matches;
pub mod page;
pub mod showcase;
pub mod thumbs;
mod toml;

pub use matches::Matches;
pub use page::{Matched, Page};
pub use showcase::Showcase;
