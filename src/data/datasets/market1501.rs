//! Market-1501 (Zheng et al., ICCV 2015), as its archive unpacks: `bounding_box_train/` (12,936 images of 751 people),
//! `query/` (3,368 of 750) and `bounding_box_test/` (19,732), named `PPPP_cCsS_FFFFFF_BB.jpg`: person, camera 1–6,
//! sequence, frame, detection.
//!
//! Person `-1` is junk: dropped, with a count in the notes (15,913 gallery images stay). Person `0000` is a distractor:
//! it stays in the gallery under the label `0000`, which no query has, so that it can only be a wrong answer. It is not one
//! person: do not build a centroid of it (the protocol with cameras does not, since it has no query).

use std::path::Path;

use super::pedestrians::{self, Rules};
use crate::data::error::DataError;
use crate::data::table::Table;

/// Reads the folder that holds `bounding_box_train`, `query` and `bounding_box_test`.
pub fn read(root: &Path) -> Result<Table, DataError> {
    let rules = Rules {
        dataset: "market1501",
        junk: true,
        example: "0002_c1s1_000451_03.jpg",
    };
    pedestrians::read(root, &rules)
}
