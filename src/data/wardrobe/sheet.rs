//! Contact sheets.

use crate::data::image::Picture;

/// Pictures of one size side by side on white, `columns` a row.
pub fn sheet(pictures: &[Picture], columns: usize) -> Picture {
    const GAP: usize = 4;
    let Some(first) = pictures.first() else {
        return Picture::default();
    };
    let (w, h, columns) = (first.width, first.height, columns.max(1));
    let rows = pictures.len().div_ceil(columns);
    let mut sheet = Picture::filled(columns * (w + GAP) + GAP, rows * (h + GAP) + GAP, [255; 3]);
    for (i, picture) in pictures.iter().enumerate() {
        let (left, top) = (GAP + i % columns * (w + GAP), GAP + i / columns * (h + GAP));
        for y in 0..picture.height.min(h) {
            let count = picture.width.min(w) * 3;
            let at = ((top + y) * sheet.width + left) * 3;
            sheet.pixels[at..at + count].copy_from_slice(&picture.row(y)[..count]);
        }
    }
    sheet
}
