//! What is in a folder: sorted by name, so that no result depends on the file system.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data::table::counted;
use crate::files::FileError;

/// Extensions of the formats that are decoded.
const EXTENSIONS: [&str; 10] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff",
];

/// A folder's entries, each kind sorted by name.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub folders: Vec<String>,
    /// Files that are images by their name.
    pub images: Vec<PathBuf>,
    /// Other files, but for the hidden ones and those that file managers leave.
    pub others: Vec<PathBuf>,
}

pub(super) fn list(folder: &Path) -> Result<Listing, FileError> {
    let fail = |error| FileError::new("list the folder", folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    let mut listing = Listing::default();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.')
            || ["thumbs.db", "desktop.ini", "__macosx"].contains(&name.to_lowercase().as_str())
        {
            continue;
        }
        // A link counts as what it points to; a broken one as a file that `check` will find missing.
        if path.is_dir() {
            listing.folders.push(name);
            continue;
        }
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        match EXTENSIONS.contains(&extension.as_str()) {
            true => listing.images.push(path),
            false => listing.others.push(path),
        }
    }
    Ok(listing)
}

impl Listing {
    /// The first entries, for an error that says what was found.
    pub fn found(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .folders
            .iter()
            .take(8)
            .map(|name| format!("{name}/"))
            .collect();
        if self.folders.len() > 8 {
            found.push(format!("{} more folders", self.folders.len() - 8));
        }
        if !self.images.is_empty() {
            found.push(counted(self.images.len(), "image", "images"));
        }
        if !self.others.is_empty() {
            found.push(counted(self.others.len(), "other file", "other files"));
        }
        found
    }
}

/// Files that were not read, as one note.
pub(super) fn note_unread(root: &Path, unread: &[PathBuf]) -> Option<String> {
    if unread.is_empty() {
        return None;
    }
    let names = unread.iter().take(5).map(|path| {
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        match sniffed(path) {
            Some(kind) => format!("{name} (a {kind} by its content: give it that extension)"),
            None => name,
        }
    });
    let names: Vec<String> = names.collect();
    let more = if unread.len() > 5 { ", …" } else { "" };
    let what = counted(
        unread.len(),
        "entry that is no image was",
        "entries that are no images were",
    );
    Some(format!("{what} not read: {}{more}", names.join(", ")))
}

/// The format that a file's first bytes say, where its name says none.
fn sniffed(path: &Path) -> Option<&'static str> {
    use std::io::Read;
    let mut start = Vec::new();
    fs::File::open(path).ok()?.take(32).read_to_end(&mut start).ok()?;
    Some(match image::guess_format(&start).ok()? {
        image::ImageFormat::Jpeg => "JPEG",
        image::ImageFormat::Png => "PNG",
        image::ImageFormat::WebP => "WebP",
        image::ImageFormat::Gif => "GIF",
        image::ImageFormat::Bmp => "BMP",
        image::ImageFormat::Tiff => "TIFF",
        _ => return None,
    })
}

/// `root` as a folder, or what is wrong with it.
pub(super) fn require_folder(root: &Path) -> Result<(), FileError> {
    let kind = fs::metadata(root).map_err(|error| FileError::new("list the folder", root, error))?;
    match kind.is_dir() {
        true => Ok(()),
        false => Err(FileError::new(
            "list the folder",
            root,
            std::io::ErrorKind::NotADirectory.into(),
        )),
    }
}
