//! Any folder of pictures, at any depth, without classes: what is embedded and searched, not trained on.

use std::path::Path;

use super::listing::{list, note_unread, require_folder};
use crate::data::error::DataError;
use crate::data::table::{ImageRef, Item, Split, Table};

/// Folders within folders: links may lead in circles.
const DEPTH: usize = 32;

/// Every picture under a folder, sorted by path. Ids are paths below the root with `/`; labels are the folders that pictures
/// stand in, empty for the root itself. All rows are gallery rows of the test split.
pub fn read(root: &Path) -> Result<Table, DataError> {
    require_folder(root)?;
    let mut items = Vec::new();
    let mut unread = Vec::new();
    let mut open = vec![(root.to_path_buf(), String::new(), 0)];
    while let Some((folder, below, depth)) = open.pop() {
        let listing = list(&folder)?;
        for path in listing.images {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            items.push(item(path, format!("{below}{name}"), &below));
        }
        unread.extend(listing.others);
        if depth < DEPTH {
            let inner = listing
                .folders
                .into_iter()
                .map(|name| (folder.join(&name), format!("{below}{name}/"), depth + 1));
            open.extend(inner);
        }
    }
    if items.is_empty() {
        return Err(DataError::Layout {
            dataset: "a folder of pictures",
            root: root.to_path_buf(),
            expected: "pictures (.jpg, .png, .webp, .bmp, .gif or .tiff), at any depth".into(),
            found: list(root)?.found(),
            remedy: "name the folder that the pictures are in".into(),
        });
    }
    items.sort_by(|a: &Item, b: &Item| a.id.cmp(&b.id));
    let name = root.file_name().map_or_else(
        || root.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let mut table = Table::new(name, Some(root), items);
    unread.sort();
    table.notes.extend(note_unread(root, &unread));
    Ok(table)
}

/// Single pictures, in the order given; ids are the paths as they are given.
pub fn files(paths: &[std::path::PathBuf]) -> Table {
    let items = paths
        .iter()
        .map(|path| item(path.clone(), path.to_string_lossy().into_owned(), ""))
        .collect();
    Table::new("pictures", None, items)
}

fn item(path: std::path::PathBuf, id: String, below: &str) -> Item {
    Item {
        id,
        image: ImageRef::File(path),
        label: below.trim_end_matches('/').into(),
        category: None,
        text: None,
        split: Split::Test,
        is_query: false,
        is_gallery: true,
        camera: None,
        domain: None,
        bbox: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_all_depths_are_found_and_links_in_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            "b.jpg",
            "a/deep/c.PNG",
            "a/d.webp",
            "a/notes.txt",
            ".hidden/e.jpg",
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let table = read(root).unwrap();
        let rows: Vec<(&str, &str)> = table
            .items
            .iter()
            .map(|item| (item.id.as_str(), item.label.as_str()))
            .collect();
        assert_eq!(
            rows,
            [("a/d.webp", "a"), ("a/deep/c.PNG", "a/deep"), ("b.jpg", "")]
        );
        assert!(table.notes[0].contains("notes.txt"), "{:?}", table.notes);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root, root.join("a/again")).unwrap();
            assert!(read(root).unwrap().items.len() >= 3);
        }
        std::fs::create_dir(root.join("empty")).unwrap();
        let error = read(&root.join("empty")).unwrap_err().to_string();
        assert!(error.contains("expected pictures"), "{error}");
        assert!(read(&root.join("b.jpg")).is_err());
        assert!(read(&root.join("nowhere")).is_err());
    }
}
