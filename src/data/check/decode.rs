//! One image: whether it can be decoded, how large it is, and what its pixels look like from afar.

use std::fs;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use image::{ImageDecoder, ImageFormat, ImageReader, RgbImage, imageops};

use super::Image;
use super::report::Kind;
use crate::data::image::{DecodeOptions, ImageError, Limits, decode};
use crate::data::table::{ImageRef, Table};

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 30;
/// How much of a file a fast check reads: enough for the header, even behind an EXIF block with a thumbnail.
const HEAD: u64 = 256 << 10;

/// The pixels of a row's box (or of its whole image), from afar.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crop {
    /// Of size and pixels.
    pub hash: [u8; 16],
    /// 16×16 grey levels.
    pub thumbnail: Box<[u8; 256]>,
}

/// What was seen of an image.
#[derive(Default)]
pub(super) struct Seen {
    pub faults: Vec<(Kind, String)>,
    /// One for each row; empty where nothing could be decoded.
    pub crops: Vec<Option<Crop>>,
}

/// Looks at an image; `fast` reads no more than its head.
pub(super) fn examine(table: &Table, image: &Image, fast: bool) -> Seen {
    let mut seen = Seen::default();
    let Some(&first) = image.rows.first() else {
        return seen;
    };
    let name = table.image_name(&table.items[first]).into_owned();
    let mut opened =
        load(image.source, if fast { HEAD } else { MAX_FILE }).and_then(|bytes| open(&bytes, fast));
    if fast && matches!(opened, Err((Kind::Broken, _))) {
        // Some formats keep their header at the end of the file.
        opened = load(image.source, MAX_FILE).and_then(|bytes| open(&bytes, fast));
    }
    let opened = match opened {
        Ok(opened) => opened,
        Err((kind, message)) => {
            let separator = if message.is_empty() { "" } else { ": " };
            seen.faults.push((kind, format!("{name}{separator}{message}")));
            return seen;
        }
    };
    if let Some(stated) = extension_format(&name)
        && stated != opened.format
    {
        let format = format!("{:?}", opened.format).to_uppercase();
        seen.faults
            .push((Kind::WrongExtension, format!("{name} is a {format}")));
    }
    for &row in &image.rows {
        let item = &table.items[row];
        let area = match item.bbox {
            None => Some([0, 0, opened.width, opened.height]),
            Some(sides) => {
                let area = inside(sides, opened.width, opened.height);
                let [x1, y1, x2, y2] = sides;
                let beyond = x1 < 0.0 || y1 < 0.0 || x2 > opened.width as f32 || y2 > opened.height as f32;
                let kind = match area {
                    None => Some(Kind::BoxOutside),
                    Some(_) if beyond => Some(Kind::BoxBeyondEdge),
                    Some(_) => None,
                };
                if let Some(kind) = kind {
                    let size = format!("{} x {}", opened.width, opened.height);
                    seen.faults.push((
                        kind,
                        format!(
                            "{}: box {x1},{y1} to {x2},{y2} of {name}, which is {size}",
                            item.id
                        ),
                    ));
                }
                area
            }
        };
        seen.crops.push(match (&opened.pixels, area) {
            (Some(pixels), Some(area)) => Some(from_afar(pixels, area)),
            _ => None,
        });
    }
    seen
}

/// The first bytes of an image, or (what is wrong, in which words).
fn load(source: &ImageRef, limit: u64) -> Result<Bytes, (Kind, String)> {
    let bytes = match source {
        ImageRef::Memory { bytes, .. } => bytes.clone(),
        ImageRef::Slice {
            archive,
            offset,
            length,
            ..
        } => {
            if *length > MAX_FILE {
                return Err((Kind::TooLarge, format!("{length} bytes; the limit is {MAX_FILE}")));
            }
            crate::files::read_part(archive, *offset, (*length).min(limit))
                .map_err(|error| (Kind::Missing, error.to_string()))?
                .into()
        }
        ImageRef::Drawn(drawn) => drawn.png().map_err(|error| (Kind::Broken, error.to_string()))?,
        ImageRef::File(path) => {
            let missing = |error: std::io::Error| match error.kind() {
                std::io::ErrorKind::NotFound => (Kind::Missing, String::new()),
                _ => (Kind::Missing, error.to_string()),
            };
            // Before it is opened: a pipe would be waited for.
            let about = fs::metadata(path).map_err(missing)?;
            if !about.is_file() {
                return Err((Kind::Missing, "is not a file".into()));
            }
            if about.len() > MAX_FILE {
                return Err((
                    Kind::TooLarge,
                    format!("{} bytes; the limit is {MAX_FILE}", about.len()),
                ));
            }
            let mut bytes = Vec::new();
            let file = fs::File::open(path).map_err(missing)?;
            file.take(limit).read_to_end(&mut bytes).map_err(missing)?;
            bytes.into()
        }
    };
    if bytes.is_empty() {
        return Err((Kind::Empty, String::new()));
    }
    Ok(bytes)
}

struct Opened {
    format: ImageFormat,
    width: u32,
    height: u32,
    pixels: Option<RgbImage>,
}

/// The header, and unless `fast` the pixels as training decodes them. Bytes are not trusted: a panic in a decoder is a broken
/// image, not the end of the check.
fn open(bytes: &[u8], fast: bool) -> Result<Opened, (Kind, String)> {
    let header = catch_unwind(AssertUnwindSafe(|| header(bytes)));
    let mut opened =
        header.unwrap_or_else(|_| Err((Kind::Broken, "the decoder stopped unexpectedly".into())))?;
    if !fast {
        let options = DecodeOptions {
            exif: false,
            limits: Limits::default(),
        };
        let picture = decode(bytes, "", None, &options).map_err(|error| match error {
            ImageError::TooLarge { limit, .. } => {
                (Kind::TooLarge, format!("it is past the limit of {limit}"))
            }
            ImageError::Broken { detail, .. } | ImageError::UnknownFormat { detail, .. } => {
                (Kind::Broken, detail)
            }
            other => (Kind::Broken, other.to_string()),
        })?;
        let (width, height) = (picture.width as u32, picture.height as u32);
        opened.pixels = RgbImage::from_raw(width, height, picture.pixels);
    }
    Ok(opened)
}

fn header(bytes: &[u8]) -> Result<Opened, (Kind, String)> {
    let broken = |error: image::ImageError| (Kind::Broken, error.to_string());
    let limits = Limits::default();
    let format = image::guess_format(bytes).map_err(|_| (Kind::Broken, unknown(bytes)))?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // The size is compared below, with words that say how large it is.
    let mut memory = image::Limits::no_limits();
    memory.max_alloc = Some(limits.max_bytes);
    reader.limits(memory);
    let (width, height) = reader.into_decoder().map_err(broken)?.dimensions();
    if width.max(height) > limits.max_side || u64::from(width) * u64::from(height) > limits.max_pixels {
        let limit = format!(
            "{} a side and {} million in all",
            limits.max_side,
            limits.max_pixels / 1_000_000
        );
        return Err((
            Kind::TooLarge,
            format!("{width} x {height} pixels; the limit is {limit}"),
        ));
    }
    if width == 0 || height == 0 {
        return Err((Kind::Broken, format!("it is {width} x {height} pixels")));
    }
    Ok(Opened {
        format,
        width,
        height,
        pixels: None,
    })
}

fn unknown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(64)];
    let lower = String::from_utf8_lossy(start).trim_start().to_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return "it is a web page: the download failed".into();
    }
    if lower.starts_with("<svg") || lower.starts_with("<?xml") {
        return "it is a drawing (SVG), not pixels".into();
    }
    match bytes.get(4..12) {
        Some(b"ftypavif" | b"ftypavis") => "it is an AVIF, which is not supported".into(),
        Some(b"ftypheic" | b"ftypheix" | b"ftypmif1") => "it is a HEIC, which is not supported".into(),
        _ => {
            let hex: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("its format is not known (it starts with {})", hex.join(" "))
        }
    }
}

fn extension_format(name: &str) -> Option<ImageFormat> {
    ImageFormat::from_path(Path::new(name)).ok()
}

/// The whole pixels of a box that are inside an image: x, y, width, height.
fn inside([x1, y1, x2, y2]: [f32; 4], width: u32, height: u32) -> Option<[u32; 4]> {
    let clip = |value: f32, side: u32| value.round_ties_even().clamp(0.0, side as f32) as u32;
    let (left, right) = (clip(x1, width), clip(x2, width));
    let (top, bottom) = (clip(y1, height), clip(y2, height));
    (left < right && top < bottom).then(|| [left, top, right - left, bottom - top])
}

fn from_afar(pixels: &RgbImage, [x, y, width, height]: [u32; 4]) -> Crop {
    let view = imageops::crop_imm(pixels, x, y, width, height);
    let mut hash = blake3::Hasher::new();
    hash.update(&width.to_le_bytes());
    hash.update(&height.to_le_bytes());
    let row_bytes = pixels.width() as usize * 3;
    for row in y as usize..(y + height) as usize {
        let start = row * row_bytes + x as usize * 3;
        hash.update(&pixels.as_raw()[start..start + width as usize * 3]);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    // Areas are averaged, so that another size or quality of the same picture gives nearly the same levels.
    let small: RgbImage = imageops::thumbnail(&*view, 16, 16);
    let mut thumbnail = Box::new([0u8; 256]);
    for (level, pixel) in thumbnail.iter_mut().zip(small.pixels()) {
        let [red, green, blue] = pixel.0.map(u32::from);
        *level = ((299 * red + 587 * green + 114 * blue) / 1000) as u8;
    }
    Crop {
        hash: short,
        thumbnail,
    }
}
