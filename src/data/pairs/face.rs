//! What a person knows the images of a split by: a name, and the picture where there is one.

use super::PairSection;
use super::precomputed::PER_IMAGE;
use crate::data::datasets::expand_path;
use crate::data::{DataError, ImageRef};
use std::path::{Component, Path, PathBuf};

/// An image as a person knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Face {
    /// Its id; its number where the data names none.
    pub id: String,
    /// What else is known: label, category.
    pub lines: Vec<String>,
    /// The picture; none where only its features are at hand.
    pub picture: Option<ImageRef>,
    /// The part of it that is meant.
    pub bbox: Option<[f32; 4]>,
}

/// The images of a split, in order, and what a reader should know of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faces {
    /// One for each image.
    pub all: Vec<Face>,
    /// What is missing.
    pub notes: Vec<String>,
}

/// What a picture's file may be called beside its id itself.
const ENDINGS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "JPG"];

impl PairSection {
    /// The folder of the pictures, where the recipe names one.
    pub fn pictures(&self) -> Result<Option<PathBuf>, DataError> {
        let Some(text) = &self.pictures else {
            return Ok(None);
        };
        let folder = expand_path("pictures", text)?;
        match folder.is_dir() {
            true => Ok(Some(folder)),
            false => Err(DataError::Setting {
                key: "pictures",
                message: format!("{} is no folder", folder.display()),
                remedy: "name the folder whose files are called as the lines of <split>_ids.txt (ID.jpg or ID.png), or remove the key: \
                         pictures are only looked at"
                    .into(),
            }),
        }
    }

    /// The first `images` images of a split, whose features' file has so many rows, `repeats` of them an image: by the lines of
    /// `<split>_ids.txt`, else by their numbers.
    pub fn faces(&self, split: &str, images: usize, rows: usize, repeats: usize) -> Result<Faces, DataError> {
        let path = self.root()?.join(format!("{split}_ids.txt"));
        let mut notes = Vec::new();
        let whole = rows / repeats.max(1);
        let ids = std::fs::read_to_string(&path).ok().and_then(|text| {
            let lines: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
            // A line an image, or a caption (a row of the arrays that repeat images).
            let each = [1, PER_IMAGE]
                .into_iter()
                .find(|each| whole * each == lines.len());
            if each.is_none() {
                notes.push(format!(
                    "{} has {} lines for {whole} images: they are called by their numbers.",
                    path.display(),
                    lines.len()
                ));
            }
            Some(
                lines
                    .into_iter()
                    .step_by(each?)
                    .take(images)
                    .collect::<Vec<String>>(),
            )
        });
        let ids = ids.unwrap_or_else(|| (0..images).map(|image| image.to_string()).collect());
        let folder = self.pictures()?;
        let all: Vec<Face> = ids
            .into_iter()
            .map(|id| Face {
                picture: folder
                    .as_deref()
                    .and_then(|folder| find(folder, &id))
                    .map(ImageRef::File),
                id,
                ..Face::default()
            })
            .collect();
        if let (Some(folder), Some(first)) = (&folder, all.iter().find(|face| face.picture.is_none())) {
            let missing = all.iter().filter(|face| face.picture.is_none()).count();
            notes.push(format!(
                "{missing} of {images} images have no picture in {}: of the first, {}.jpg was looked for.",
                folder.display(),
                first.id
            ));
        }
        Ok(Faces { all, notes })
    }
}

/// The picture of an id: a file of that name, with an ending of pictures, or numbered as MSCOCO's files are. Never outside of the folder.
fn find(folder: &Path, id: &str) -> Option<PathBuf> {
    let inside = |name: &str| {
        let plain = Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let path = folder.join(name);
        (plain && !name.is_empty() && path.is_file()).then_some(path)
    };
    let ending = || {
        ENDINGS
            .iter()
            .find_map(|ending| inside(&format!("{id}.{ending}")))
    };
    let numbered = || {
        id.parse::<u64>().ok()?;
        ["", "COCO_val2014_", "COCO_train2014_"]
            .iter()
            .find_map(|before| inside(&format!("{before}{id:0>12}.jpg")))
    };
    inside(id).or_else(ending).or_else(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(folder: &Path, pictures: Option<&str>) -> PairSection {
        let mut text = format!(
            "root = {:?}\nvocabulary = \"v\"\nbatch = 2\n",
            folder.to_str().unwrap()
        );
        if let Some(pictures) = pictures {
            text.push_str(&format!(
                "pictures = {:?}\n",
                folder.join(pictures).to_str().unwrap()
            ));
        }
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn images_are_called_by_their_ids_and_shown_by_their_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let ids = |faces: &Faces| faces.all.iter().map(|face| face.id.clone()).collect::<Vec<_>>();
        let bare = section(folder.path(), None);
        assert_eq!(ids(&bare.faces("test", 3, 3, 1).unwrap()), ["0", "1", "2"]);
        write("test_ids.txt", "a\n17\n../secret\n");
        write("secret.jpg", "");
        write("p/a.png", "");
        write("p/COCO_val2014_000000000017.jpg", "");
        let faces = section(folder.path(), Some("p")).faces("test", 3, 3, 1).unwrap();
        assert_eq!(ids(&faces), ["a", "17", "../secret"]);
        let found: Vec<bool> = faces.all.iter().map(|face| face.picture.is_some()).collect();
        assert_eq!(found, [true, true, false]);
        assert!(faces.notes[0].contains("1 of 3 images"), "{:?}", faces.notes);
        // A line for each of five repeated rows.
        write("dev_ids.txt", "a\na\na\na\na\nb\nb\nb\nb\nb\n");
        assert_eq!(ids(&bare.faces("dev", 2, 10, 5).unwrap()), ["a", "b"]);
        assert_eq!(ids(&bare.faces("dev", 2, 2, 1).unwrap()), ["a", "b"]);
        // Of a split that is cut off, the first.
        assert_eq!(ids(&bare.faces("dev", 1, 2, 1).unwrap()), ["a"]);
        let odd = bare.faces("test", 4, 4, 1).unwrap();
        assert_eq!(ids(&odd), ["0", "1", "2", "3"]);
        assert!(odd.notes[0].contains("3 lines for 4 images"), "{:?}", odd.notes);
        let error = section(folder.path(), Some("nowhere")).faces("test", 3, 3, 1);
        assert!(error.unwrap_err().to_string().contains("no folder"));
    }
}
