//! The layout that person re-identification sets share: three folders, and the identity and camera in each file's name.

use std::path::{Path, PathBuf};

use regex::Regex;

use super::listing::{list, note_unread, require_folder};
use crate::data::error::{DataError, Problem, Problems};
use crate::data::table::{ImageRef, Item, Split, Table, counted};

/// What differs between the sets.
pub(super) struct Rules {
    /// As errors name it.
    pub dataset: &'static str,
    /// Whether identity −1 is a detection that is neither right nor wrong and takes no part.
    pub junk: bool,
    /// A name as it should be.
    pub example: &'static str,
}

const FOLDERS: [&str; 3] = ["bounding_box_train", "query", "bounding_box_test"];

pub(super) fn read(root: &Path, rules: &Rules) -> Result<Table, DataError> {
    require_folder(root)?;
    let top = list(root)?;
    if FOLDERS
        .iter()
        .any(|folder| !top.folders.iter().any(|found| found == folder))
    {
        let inner = top
            .folders
            .iter()
            .find(|name| root.join(name).join(FOLDERS[0]).is_dir());
        return Err(DataError::Layout {
            dataset: rules.dataset,
            root: root.into(),
            expected: "the folders bounding_box_train/, query/ and bounding_box_test/".into(),
            found: top.found(),
            remedy: match inner {
                Some(name) => format!("set data.root to {}", root.join(name).display()),
                None => "set data.root to the folder that the archive of the data set unpacks to".into(),
            },
        });
    }
    let pattern = Regex::new(r"^(-?\d+)_c(\d+)").expect("a constant pattern");
    let mut items = Vec::new();
    let mut problems = Problems::default();
    let mut unread: Vec<PathBuf> = Vec::new();
    let mut junk = 0usize;
    for (folder, split, is_query, is_gallery) in [
        (FOLDERS[0], Split::Train, false, false),
        (FOLDERS[1], Split::Test, true, false),
        (FOLDERS[2], Split::Test, false, true),
    ] {
        let listing = list(&root.join(folder))?;
        unread.extend(listing.others);
        unread.extend(listing.folders.iter().map(|name| root.join(folder).join(name)));
        let before = items.len();
        for path in listing.images {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let parsed = pattern
                .captures(&name)
                .and_then(|parts| Some((parts[1].to_string(), parts[2].parse().ok()?)));
            let Some((label, camera)) = parsed else {
                problems.push(Problem {
                    place: format!("{folder}/{name}"),
                    column: None,
                    value: None,
                    message: "does not begin with an identity and a camera".into(),
                    remedy: format!(
                        "name images as in {}, or move others out of the folder",
                        rules.example
                    ),
                });
                continue;
            };
            if rules.junk && label == "-1" {
                junk += 1;
                continue;
            }
            items.push(Item {
                id: format!("{folder}/{name}"),
                image: ImageRef::File(path),
                label,
                category: None,
                text: None,
                split,
                is_query,
                is_gallery,
                camera: Some(camera),
                domain: None,
                bbox: None,
            });
        }
        if items.len() == before && problems.count() == 0 {
            return Err(DataError::Layout {
                dataset: rules.dataset,
                root: root.join(folder),
                expected: format!("images such as {}", rules.example),
                found: list(&root.join(folder))?.found(),
                remedy: "unpack the archive of the data set again".into(),
            });
        }
    }
    problems.into_result(root)?;
    let mut table = Table::new(rules.dataset, Some(root), items);
    if junk > 0 {
        let junk = counted(
            junk,
            "junk detection (identity -1) was",
            "junk detections (identity -1) were",
        );
        table.notes.push(format!("{junk} dropped, as the protocol says"));
    }
    let distractors = table
        .items
        .iter()
        .filter(|item| rules.junk && item.label == "0000")
        .count();
    if distractors > 0 {
        let distractors = counted(
            distractors,
            "gallery image is a distractor",
            "gallery images are distractors",
        );
        table
            .notes
            .push(format!("{distractors} (identity 0000): no query has it"));
    }
    table.notes.extend(note_unread(root, &unread));
    Ok(table)
}
