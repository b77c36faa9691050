//! Untrusted bytes → RGB pixels, as `PIL.Image.open(file).convert("RGB")` gives them.
//!
//! - The format is told by the content, never by the file's name.
//! - Size limits are checked on the header, before memory for pixels is taken.
//! - Palettes are looked up, grey is copied to the three channels, 16-bit samples keep their high byte (for 16-bit
//!   grey Pillow cuts off at 255 instead, which leaves a white picture). **Alpha is dropped,
//!   not blended**: a transparent pixel shows the colour stored under it, as Pillow's `convert("RGB")` does.
//! - CMYK and YCCK JPEGs become RGB by `(255 − ink)·(255 − black)/255`; no colour profile is applied.
//! - EXIF orientation is *not* applied unless asked for: `PIL.Image.open` does not apply it either, and the published
//!   figures were made that way.
//!
//! From decoded pixels on everything equals Pillow within one level. JPEG decoders differ among each other by a few levels
//! (inverse DCT and chroma upsampling are not pinned by the standard).

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageReader};
use serde::{Deserialize, Serialize};

use super::{ImageError, Picture, ops};

/// How large an image may be before it is refused unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest side in pixels.
    pub max_side: u32,
    /// Width × height.
    pub max_pixels: u64,
    /// Bytes that the decoder may take, its output among them.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_side: 16_384,
            max_pixels: 200_000_000,
            max_bytes: 2 << 30,
        }
    }
}

/// How bytes become pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeOptions {
    /// Turn the picture upright as its EXIF orientation says. Off by default, as in `PIL.Image.open`.
    pub exif: bool,
    /// What is refused.
    pub limits: Limits,
}

/// Decodes an image; `name` is only for errors. With `crop` (corners x1, y1, x2, y2 in pixels of the picture as returned
/// without it) only that part is kept: corners are rounded half to even as `PIL.Image.crop` rounds them, then clipped to the picture.
pub fn decode(
    bytes: &[u8],
    name: &str,
    crop: Option<[f32; 4]>,
    options: &DecodeOptions,
) -> Result<Picture, ImageError> {
    let mut picture = Picture::default();
    decode_into(bytes, name, crop, options, &mut picture)?;
    Ok(picture)
}

/// [`decode`] into a picture whose memory is used again.
pub fn decode_into(
    bytes: &[u8],
    name: &str,
    crop: Option<[f32; 4]>,
    options: &DecodeOptions,
    picture: &mut Picture,
) -> Result<(), ImageError> {
    // The decoders are safe code fed with bytes that anyone may have written: a panic in one is a broken image, not the end of a run.
    catch_unwind(AssertUnwindSafe(|| read(bytes, name, options, picture))).unwrap_or_else(|panic| {
        Err(ImageError::Broken {
            name: name.to_owned(),
            detail: format!(
                "the decoder stopped unexpectedly ({})",
                crate::data::loader::panic_words(&*panic)
            ),
        })
    })?;
    crop_to(picture, name, crop)
}

/// Keeps the part of a picture within a box (corners x1, y1, x2, y2 in pixels, rounded half to even and clipped), or all of it.
pub fn crop_to(picture: &mut Picture, name: &str, crop: Option<[f32; 4]>) -> Result<(), ImageError> {
    match crop {
        None => Ok(()),
        Some(bounds) => {
            let [left, top, width, height] =
                crop_box(bounds, picture.width, picture.height).ok_or_else(|| ImageError::EmptyBox {
                    name: name.to_owned(),
                    bounds,
                    width: picture.width,
                    height: picture.height,
                })?;
            ops::crop_in_place(picture, left, top, width, height);
            Ok(())
        }
    }
}

/// Width and height of the image of a stream, from its head alone; none where that is no image's.
pub fn dimensions(stream: impl std::io::BufRead + std::io::Seek) -> Option<[u32; 2]> {
    let read = || {
        let reader = ImageReader::new(stream).with_guessed_format().ok()?;
        let (width, height) = reader.into_dimensions().ok()?;
        Some([width, height])
    };
    // As with pixels, a panic of a decoder is a broken image.
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

fn read(bytes: &[u8], name: &str, options: &DecodeOptions, picture: &mut Picture) -> Result<(), ImageError> {
    let broken = |error: image::ImageError| ImageError::Broken {
        name: name.to_owned(),
        detail: error.to_string(),
    };
    let limits = options.limits;
    let format = image::guess_format(bytes).map_err(|_| ImageError::UnknownFormat {
        name: name.to_owned(),
        detail: first_bytes(bytes),
    })?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut of_decoder = image::Limits::no_limits();
    of_decoder.max_alloc = Some(limits.max_bytes);
    reader.limits(of_decoder);
    let mut decoder = reader.into_decoder().map_err(|error| match error {
        image::ImageError::Unsupported(error) => ImageError::UnknownFormat {
            name: name.to_owned(),
            detail: error.to_string(),
        },
        error => broken(error),
    })?;

    let (width, height) = decoder.dimensions();
    let too_large = |limit: String| ImageError::TooLarge {
        name: name.to_owned(),
        width,
        height,
        limit,
    };
    if width.max(height) > limits.max_side {
        return Err(too_large(format!("{} pixels a side", limits.max_side)));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(too_large(format!("{} pixels", limits.max_pixels)));
    }
    // The decoder's samples and our RGB copy of them.
    let wanted = decoder.total_bytes().saturating_add(pixels * 3);
    if wanted > limits.max_bytes {
        return Err(too_large(format!(
            "{} bytes of memory ({wanted} needed)",
            limits.max_bytes
        )));
    }
    if format == image::ImageFormat::Jpeg {
        match jpeg_layout(bytes) {
            JpegLayout::Usual => {}
            JpegLayout::Cut => {
                return Err(ImageError::Broken {
                    name: name.to_owned(),
                    detail: "the JPEG ends before its end-of-image marker".to_owned(),
                });
            }
            JpegLayout::SeparateScans => {
                return Err(ImageError::SeparateScans {
                    name: name.to_owned(),
                });
            }
        }
    }

    let orientation = if options.exif {
        decoder.orientation().map_err(broken)?
    } else {
        Orientation::NoTransforms
    };
    let colour = decoder.color_type();
    picture.reshape(width as usize, height as usize);
    if colour == ColorType::Rgb8 {
        decoder.read_image(&mut picture.pixels).map_err(broken)?;
    } else {
        let mut samples = vec![0; decoder.total_bytes() as usize];
        decoder.read_image(&mut samples).map_err(broken)?;
        to_rgb(&samples, colour, &mut picture.pixels).ok_or_else(|| ImageError::Broken {
            name: name.to_owned(),
            detail: format!("samples of type {colour:?} are not supported"),
        })?;
    }
    ops::orient(picture, orientation.to_exif());
    Ok(())
}

/// Samples of any colour type → RGB8. 16-bit samples are in native byte order.
fn to_rgb(samples: &[u8], colour: ColorType, rgb: &mut [u8]) -> Option<()> {
    let high = |pair: &[u8]| (u16::from_ne_bytes([pair[0], pair[1]]) >> 8) as u8;
    let unit = |four: &[u8]| {
        let value = f32::from_ne_bytes([four[0], four[1], four[2], four[3]]);
        // `as` saturates, and turns NaN into 0.
        (value * 255.0 + 0.5) as u8
    };
    let step = usize::from(colour.bytes_per_pixel());
    for (to, from) in rgb.chunks_exact_mut(3).zip(samples.chunks_exact(step)) {
        let pixel = match colour {
            ColorType::L8 | ColorType::La8 => [from[0]; 3],
            ColorType::Rgb8 | ColorType::Rgba8 => [from[0], from[1], from[2]],
            ColorType::L16 | ColorType::La16 => [high(from); 3],
            ColorType::Rgb16 | ColorType::Rgba16 => [high(from), high(&from[2..]), high(&from[4..])],
            ColorType::Rgb32F | ColorType::Rgba32F => [unit(from), unit(&from[4..]), unit(&from[8..])],
            _ => return None,
        };
        to.copy_from_slice(&pixel);
    }
    Some(())
}

/// What is looked at in a JPEG before it is decoded.
#[derive(Debug, PartialEq)]
pub(super) enum JpegLayout {
    /// Nothing that the decoder would get wrong.
    Usual,
    /// No scan is followed by an end-of-image marker. The decoder paints what is missing grey and says nothing, which is how
    /// half-downloaded catalogues go unnoticed; Pillow refuses such files.
    Cut,
    /// Baseline, chroma at less than full resolution, and a scan for each channel (what jpeg-encoder writes with fitted Huffman
    /// tables): zune-jpeg 0.5.15 makes green stripes of it and says nothing. Progressive files have such scans too, rightly read.
    SeparateScans,
}

pub(super) fn jpeg_layout(bytes: &[u8]) -> JpegLayout {
    let mut at = 2;
    // Channels of a baseline file some of which are at less than full resolution.
    let mut subsampled = None;
    // Segments up to the first scan: an EXIF thumbnail in one of them has an end marker of its own.
    while let Some(&[0xFF, marker]) = bytes.get(at..at + 2) {
        match marker {
            0xDA => {
                let in_scan = bytes.get(at + 4);
                return match bytes[at..].windows(2).any(|pair| pair == [0xFF, 0xD9]) {
                    false => JpegLayout::Cut,
                    true if subsampled.is_some() && in_scan < subsampled => JpegLayout::SeparateScans,
                    true => JpegLayout::Usual,
                };
            }
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else {
                    return JpegLayout::Cut;
                };
                // Sequential frames: precision, height, width, then three bytes a channel, the second of them its sampling.
                if let (0xC0 | 0xC1, Some(frame)) = (marker, bytes.get(at + 9..)) {
                    let sampling = frame
                        .get(1..)
                        .unwrap_or_default()
                        .chunks(3)
                        .take(frame.first().map_or(0, |&n| n.into()));
                    let mut sampling = sampling.filter_map(|channel| channel.get(1));
                    let luma = sampling.next();
                    subsampled = sampling.any(|s| Some(s) != luma).then(|| frame.first()).flatten();
                }
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    // Not laid out as expected: the decoder shall judge.
    match at < bytes.len() {
        true => JpegLayout::Usual,
        false => JpegLayout::Cut,
    }
}

/// Left, top, width, height of the part of a box that lies in the picture; `None` where no pixel does.
fn crop_box(bounds: [f32; 4], width: usize, height: usize) -> Option<[usize; 4]> {
    if bounds.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let clip = |value: f32, side: usize| (value.round_ties_even().max(0.0) as usize).min(side);
    let (left, top) = (clip(bounds[0], width), clip(bounds[1], height));
    let (right, bottom) = (clip(bounds[2], width), clip(bounds[3], height));
    (left < right && top < bottom).then(|| [left, top, right - left, bottom - top])
}

fn first_bytes(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".to_owned();
    }
    let start: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let looks_like_text = bytes
        .iter()
        .take(64)
        .all(|&b| b == b'\t' || b == b'\n' || b == b'\r' || (b' '..0x7F).contains(&b));
    let kind = if looks_like_text {
        ", which is text, perhaps an error page"
    } else {
        ""
    };
    format!("it starts with {}{kind}", start.join(" "))
}
