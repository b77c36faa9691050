//! DukeMTMC-reID (Zheng et al., ICCV 2017): the folders of Market-1501, images named `0001_c2_f0046182.jpg` (person, camera
//! 1–8, frame); 16,522 train images of 702 people, 2,228 queries of 702, and 17,661 gallery images of 1,110, of whom 408
//! are distractors with identities of their own. Its owners withdrew it: the reader is for those who have it.

use std::path::Path;

use super::pedestrians::{self, Rules};
use crate::data::error::DataError;
use crate::data::table::Table;

/// Reads the folder that holds `bounding_box_train`, `query` and `bounding_box_test`.
pub fn read(root: &Path) -> Result<Table, DataError> {
    let rules = Rules {
        dataset: "dukemtmc-reid",
        junk: false,
        example: "0001_c2_f0046182.jpg",
    };
    pedestrians::read(root, &rules)
}
