//! TensorBoard's projector: vectors that can be turned and searched there, each drawn as its picture.
//!
//! Four files in the folder of a run's events: `projector_config.pbtxt` names the others, `tensors.tsv` has the vectors
//! (L2-normalised, so that its distances go with our cosines), `metadata.tsv` what is known of each, `sprite.png` their
//! pictures in rows of one square after the other.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::data::image::{DecodeOptions, Filter, Picture, Resizer, decode};
use crate::data::{Item, Table};
use crate::files::{FileError, write_whole};
use crate::random;
use crate::search::embeddings::normalise;

/// The most points: TensorBoard's page takes no more comfortably.
pub const MOST: usize = 10_000;
/// A sprite's longest side in pixels; browsers take no larger texture.
const SPRITE: usize = 8192;
/// A picture's side in pixels, where so many fit.
const SIDE: usize = 64;

/// Vectors to show.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// The data they are of.
    pub table: &'a Table,
    /// The row of each.
    pub rows: &'a [usize],
    /// What each is: `query`, `gallery`.
    pub sides: &'a [&'a str],
    /// `[rows, dimensions]`.
    pub vectors: &'a [f32],
    /// Length of one.
    pub dimensions: usize,
    /// How pictures are read.
    pub decode: DecodeOptions,
}

/// Writes at most `count` points, drawn by the seed where there are more, into a folder. Gives the configuration's path. A
/// picture that cannot be read is a grey square.
///
/// # Panics
/// If rows, sides and vectors are not of one number.
pub fn write(folder: &Path, points: Points<'_>, count: usize, seed: u64) -> Result<PathBuf, FileError> {
    let Points {
        table,
        rows,
        sides,
        vectors,
        dimensions,
        ..
    } = points;
    assert!(
        rows.len() == sides.len() && rows.len() * dimensions == vectors.len(),
        "a row, a side and a vector for each point"
    );
    let mut chosen: Vec<usize> = (0..rows.len()).collect();
    random::stream(seed, "projector points", &[]).shuffle(&mut chosen);
    chosen.truncate(count.min(MOST));
    chosen.sort_unstable();

    write_whole(&folder.join("tensors.tsv"), |file| {
        for &at in &chosen {
            let mut vector = vectors[at * dimensions..][..dimensions].to_vec();
            normalise(&mut vector, dimensions);
            for (dimension, value) in vector.iter().enumerate() {
                let tab = if dimension == 0 { "" } else { "\t" };
                write!(file, "{tab}{value:.6}")?;
            }
            writeln!(file)?;
        }
        Ok(())
    })?;
    let items: Vec<(&Item, &str)> = chosen
        .iter()
        .map(|&at| (&table.items[rows[at]], sides[at]))
        .collect();
    write_metadata(&folder.join("metadata.tsv"), &items)?;
    let side = write_sprite(&folder.join("sprite.png"), &items, points.decode)?;
    let path = folder.join("projector_config.pbtxt");
    let name = table
        .name
        .replace(|c: char| !c.is_alphanumeric() && c != '-' && c != '_', "-");
    write_whole(&path, |file| {
        write!(
            file,
            "embeddings {{\n  tensor_name: \"{name}\"\n  tensor_shape: {}\n  tensor_shape: {dimensions}\n  \
             tensor_path: \"tensors.tsv\"\n  metadata_path: \"metadata.tsv\"\n  sprite {{\n    \
             image_path: \"sprite.png\"\n    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n}}\n",
            chosen.len()
        )
    })?;
    Ok(path)
}

/// A head and a line for each point; columns that nothing is known of are left out.
fn write_metadata(path: &Path, items: &[(&Item, &str)]) -> Result<(), FileError> {
    type Cell = fn(&Item) -> Option<String>;
    let known: [(&str, Cell); 6] = [
        ("label", |item| Some(item.label.clone())),
        ("category", |item| item.category.clone()),
        ("domain", |item| item.domain.clone()),
        ("camera", |item| item.camera.map(|camera| camera.to_string())),
        ("text", |item| item.text.clone()),
        ("id", |item| Some(item.id.clone())),
    ];
    let known: Vec<_> = known
        .into_iter()
        .filter(|(_, cell)| items.iter().any(|(item, _)| cell(item).is_some()))
        .collect();
    // One point a line, one column a tab.
    let clean = |text: String| text.replace(|c: char| c.is_control(), " ");
    write_whole(path, |file| {
        let heads: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        writeln!(file, "{}\tside", heads.join("\t"))?;
        for (item, side) in items {
            for (_, cell) in &known {
                write!(file, "{}\t", clean(cell(item).unwrap_or_default()))?;
            }
            writeln!(file, "{side}")?;
        }
        Ok(())
    })
}

/// Pictures on white squares, row by row. Gives the side of a square.
fn write_sprite(path: &Path, items: &[(&Item, &str)], options: DecodeOptions) -> Result<usize, FileError> {
    let columns = (1..).find(|n| n * n >= items.len().max(1)).unwrap_or(1);
    let side = SIDE.min(SPRITE / columns).max(1);
    let rows = items.len().max(1).div_ceil(columns);
    let mut sprite = Picture::filled(columns * side, rows * side, [255; 3]);
    let mut resizer = Resizer::default();
    for (at, (item, _)) in items.iter().enumerate() {
        let small = square(item, side, options, &mut resizer)
            .unwrap_or_else(|| Picture::filled(side, side, [160; 3]));
        let (top, left) = (at / columns * side, at % columns * side);
        for y in 0..side {
            let to = ((top + y) * sprite.width + left) * 3;
            sprite.pixels[to..to + side * 3].copy_from_slice(small.row(y));
        }
    }
    write_whole(path, |file| {
        use image::ImageEncoder;
        image::codecs::png::PngEncoder::new(file)
            .write_image(
                &sprite.pixels,
                sprite.width as u32,
                sprite.height as u32,
                image::ExtendedColorType::Rgb8,
            )
            .map_err(std::io::Error::other)
    })?;
    Ok(side)
}

/// The whole picture in the middle of a white square.
fn square(item: &Item, side: usize, options: DecodeOptions, resizer: &mut Resizer) -> Option<Picture> {
    let bytes = item.image.read().ok()?;
    let picture = decode(&bytes, &item.image.name(), item.bbox, &options).ok()?;
    let longer = picture.width.max(picture.height).max(1);
    let scaled = |length: usize| ((length * side + longer / 2) / longer).clamp(1, side);
    let (height, width) = (scaled(picture.height), scaled(picture.width));
    let mut small = Picture::default();
    resizer
        .resize(&picture, height, width, Filter::Bilinear, &mut small)
        .ok()?;
    let mut square = Picture::filled(side, side, [255; 3]);
    let (top, left) = ((side - height) / 2, (side - width) / 2);
    for y in 0..height {
        let to = ((top + y) * side + left) * 3;
        square.pixels[to..to + width * 3].copy_from_slice(small.row(y));
    }
    Some(square)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageRef, Split};
    use std::io::Cursor;

    fn table(count: usize) -> Table {
        let item = |at: usize| {
            let pixels = image::RgbImage::from_pixel(20, 10, image::Rgb([200, at as u8, 0]));
            let mut bytes = Cursor::new(Vec::new());
            pixels.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            Item {
                id: format!("id {at}\twith a tab"),
                image: match at {
                    1 => ImageRef::File("no/such/file.png".into()),
                    _ => ImageRef::Memory {
                        bytes: bytes.into_inner().into(),
                        name: at.to_string(),
                    },
                },
                label: format!("l{at}"),
                category: (at == 0).then(|| "chair".into()),
                text: None,
                split: Split::Test,
                is_query: true,
                is_gallery: true,
                camera: None,
                domain: None,
                bbox: None,
            }
        };
        Table::new("a \"table\"", None, (0..count).map(item).collect())
    }

    #[test]
    fn the_four_files_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let table = table(5);
        let vectors: Vec<f32> = (0..10).map(|at| at as f32).collect();
        let points = Points {
            table: &table,
            rows: &[0, 1, 2, 3, 4],
            sides: &["query", "query", "gallery", "gallery", "gallery"],
            vectors: &vectors,
            dimensions: 2,
            decode: DecodeOptions::default(),
        };
        let config = std::fs::read_to_string(write(folder.path(), points, 100, 0).unwrap()).unwrap();
        assert!(
            config.contains("tensor_name: \"a--table-\"\n  tensor_shape: 5\n  tensor_shape: 2\n"),
            "{config}"
        );
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let tensors = read("tensors.tsv");
        assert_eq!(tensors.lines().next(), Some("0.000000\t1.000000"));
        assert_eq!(tensors.lines().nth(1), Some("0.554700\t0.832050"));
        let metadata = read("metadata.tsv");
        let lines: Vec<&str> = metadata.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "label\tcategory\tid\tside");
        assert_eq!(lines[1], "l0\tchair\tid 0 with a tab\tquery");
        assert_eq!(lines[5], "l4\t\tid 4 with a tab\tgallery");
        // Three columns, two rows; the second picture is missing.
        let sprite = image::open(folder.path().join("sprite.png")).unwrap().to_rgb8();
        assert_eq!(sprite.dimensions(), (192, 128));
        assert_eq!(sprite.get_pixel(32, 32).0, [200, 0, 0]);
        assert_eq!(sprite.get_pixel(32, 4).0, [255, 255, 255]);
        assert_eq!(sprite.get_pixel(64 + 32, 32).0, [160, 160, 160]);
        assert_eq!(sprite.get_pixel(32, 64 + 32).0, [200, 3, 0]);

        // Fewer points: the same ones each time.
        write(folder.path(), points, 2, 7).unwrap();
        let first = read("tensors.tsv");
        assert_eq!(first.lines().count(), 2);
        write(folder.path(), points, 2, 7).unwrap();
        assert_eq!(read("tensors.tsv"), first);
    }
}
