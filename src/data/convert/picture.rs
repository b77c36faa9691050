//! The bytes of a row's picture as they are written.

use std::io::Cursor;

use image::ImageFormat;

use super::{Pictures, Prepare};
use crate::data::error::DataError;
use crate::data::image::{DecodeOptions, ImageError, Picture, Resizer, decode_into, ops};
use crate::data::table::Item;

/// An encoded picture.
pub(super) struct Encoded {
    pub bytes: Vec<u8>,
    /// By its content.
    pub extension: &'static str,
}

/// What a thread keeps from picture to picture.
#[derive(Default)]
pub(super) struct Worker {
    picture: Picture,
    inner: Picture,
    out: Picture,
    resizer: Resizer,
}

/// The picture of a row, as it is or prepared.
pub(super) fn make(item: &Item, pictures: &Pictures, worker: &mut Worker) -> Result<Encoded, DataError> {
    let bytes = item.image.read()?;
    let name = item.image.name();
    let Pictures::Prepare(prepare) = pictures else {
        let extension = extension(&bytes).ok_or_else(|| DataError::Picture {
            source: ImageError::UnknownFormat {
                name: name.into_owned(),
                detail: "its first bytes are those of no picture".into(),
            },
        })?;
        return Ok(Encoded {
            bytes: bytes.into(),
            extension,
        });
    };
    prepared(&bytes, &name, item.bbox, prepare, worker).map_err(|source| DataError::Picture { source })
}

fn prepared(
    bytes: &[u8],
    name: &str,
    bbox: Option<[f32; 4]>,
    prepare: &Prepare,
    worker: &mut Worker,
) -> Result<Encoded, ImageError> {
    decode_into(bytes, name, bbox, &DecodeOptions::default(), &mut worker.picture)?;
    ops::letterbox(
        &mut worker.resizer,
        &worker.picture,
        prepare.height,
        prepare.width,
        [255; 3],
        prepare.filter,
        false,
        &mut worker.inner,
        &mut worker.out,
    )?;
    let (width, height) = (prepare.width as u32, prepare.height as u32);
    let mut encoded = Vec::new();
    let written =
        match prepare.quality {
            Some(quality) => image::codecs::jpeg::JpegEncoder::new_with_quality(&mut encoded, quality)
                .encode(&worker.out.pixels, width, height, image::ExtendedColorType::Rgb8),
            None => image::write_buffer_with_format(
                &mut Cursor::new(&mut encoded),
                &worker.out.pixels,
                width,
                height,
                image::ExtendedColorType::Rgb8,
                ImageFormat::Png,
            ),
        };
    written.map_err(|error| ImageError::Broken {
        name: name.to_owned(),
        detail: format!("it cannot be written anew: {error}"),
    })?;
    Ok(Encoded {
        bytes: encoded,
        extension: prepare.extension(),
    })
}

impl Prepare {
    pub(super) fn extension(&self) -> &'static str {
        if self.quality.is_some() { "jpg" } else { "png" }
    }
}

/// The usual extension of what the bytes are.
pub(super) fn extension(bytes: &[u8]) -> Option<&'static str> {
    Some(match image::guess_format(bytes).ok()? {
        ImageFormat::Jpeg => "jpg",
        ImageFormat::Png => "png",
        ImageFormat::WebP => "webp",
        ImageFormat::Gif => "gif",
        ImageFormat::Bmp => "bmp",
        ImageFormat::Tiff => "tiff",
        _ => return None,
    })
}
