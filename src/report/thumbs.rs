//! Small pictures inside the page: JPEG data URIs within a total size.

use std::collections::HashMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::data::image::{DecodeOptions, Filter, Picture, Resizer, decode};
use crate::data::{ImageRef, Item};

/// A picture's name and its box.
type Source = (String, Option<[u32; 4]>);

/// Makes small pictures until a page has enough of them.
#[derive(Debug)]
pub struct Thumbs {
    side: usize,
    budget: usize,
    decode: DecodeOptions,
    resizer: Resizer,
    made: HashMap<Source, Result<Thumb, String>>,
    used: usize,
}

/// A small picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumb {
    /// `data:image/jpeg;base64,…`
    pub uri: String,
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Width and height of the picture that it was made from, as it was cut out.
    pub of: [usize; 2],
}

impl Thumbs {
    /// Pictures whose longer side has at most `side` pixels, of at most `budget` bytes in the page together.
    pub fn new(side: usize, budget: usize, decode: DecodeOptions) -> Self {
        Self {
            side,
            budget,
            decode,
            resizer: Resizer::default(),
            made: HashMap::new(),
            used: 0,
        }
    }

    /// An item's picture, cut to its box. The error says in a few words why there is none.
    pub fn item(&mut self, item: &Item) -> Result<Thumb, String> {
        self.picture(&item.image, item.bbox)
    }

    /// A picture. The error says in a few words why there is none.
    pub fn picture(&mut self, image: &ImageRef, bounds: Option<[f32; 4]>) -> Result<Thumb, String> {
        let key = (image.name().into_owned(), bounds.map(|b| b.map(f32::to_bits)));
        let thumb = match self.made.get(&key) {
            Some(made) => made.clone(),
            None => {
                let made = self.make(image, bounds);
                self.made.insert(key, made.clone());
                made
            }
        }?;
        if self.used + thumb.uri.len() > self.budget {
            return Err("left out: the page is full".into());
        }
        self.used += thumb.uri.len();
        Ok(thumb)
    }

    fn make(&mut self, image: &ImageRef, bounds: Option<[f32; 4]>) -> Result<Thumb, String> {
        // Paths come from files: what is no plain file may have no end.
        if matches!(image, ImageRef::File(path) if !path.is_file()) {
            return Err("the file cannot be read".into());
        }
        let bytes = image.read().map_err(|_| "the file cannot be read".to_string())?;
        let picture = decode(&bytes, &image.name(), bounds, &self.decode)
            .map_err(|_| "the picture cannot be decoded".to_string())?;
        let small = shrink(&mut self.resizer, &picture, self.side).map_err(|error| error.to_string())?;
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80)
            .encode(
                &small.pixels,
                small.width as u32,
                small.height as u32,
                image::ExtendedColorType::Rgb8,
            )
            .map_err(|error| error.to_string())?;
        Ok(Thumb {
            uri: format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(&jpeg)),
            width: small.width,
            height: small.height,
            of: [picture.width, picture.height],
        })
    }
}

/// A picture whose longer side has at most `side` pixels, its proportions kept; a smaller one stays as it is.
pub fn shrink(
    resizer: &mut Resizer,
    picture: &Picture,
    side: usize,
) -> Result<Picture, crate::data::image::ImageError> {
    let longer = picture.width.max(picture.height);
    if longer <= side {
        return Ok(picture.clone());
    }
    let scaled = |length: usize| ((length * side + longer / 2) / longer).max(1);
    let mut small = Picture::default();
    resizer.resize(
        picture,
        scaled(picture.height),
        scaled(picture.width),
        Filter::Bilinear,
        &mut small,
    )?;
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn memory(width: u32, height: u32) -> ImageRef {
        let pixels = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 90]));
        let mut bytes = Cursor::new(Vec::new());
        pixels.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        ImageRef::Memory {
            bytes: bytes.into_inner().into(),
            name: format!("{width}x{height}.png"),
        }
    }

    #[test]
    fn pictures_shrink_and_keep_their_proportions() {
        let mut thumbs = Thumbs::new(100, usize::MAX, DecodeOptions::default());
        let thumb = thumbs.picture(&memory(400, 200), None).unwrap();
        assert_eq!((thumb.width, thumb.height), (100, 50));
        assert!(
            thumb.uri.starts_with("data:image/jpeg;base64,/9j/"),
            "{}",
            thumb.uri
        );
        // A long strip keeps at least one row, and a small picture stays as it is.
        let thin = thumbs.picture(&memory(400, 1), None).unwrap();
        assert_eq!((thin.width, thin.height), (100, 1));
        let small = thumbs.picture(&memory(8, 6), None).unwrap();
        assert_eq!((small.width, small.height), (8, 6));
        let part = thumbs
            .picture(&memory(400, 200), Some([0.0, 0.0, 50.0, 60.0]))
            .unwrap();
        assert_eq!((part.width, part.height), (50, 60));
    }

    #[test]
    fn a_full_page_takes_no_more_and_a_broken_picture_says_so() {
        let mut thumbs = Thumbs::new(100, usize::MAX, DecodeOptions::default());
        let size = thumbs.picture(&memory(64, 64), None).unwrap().uri.len();
        let mut thumbs = Thumbs::new(100, 2 * size, DecodeOptions::default());
        assert!(thumbs.picture(&memory(64, 64), None).is_ok());
        assert!(thumbs.picture(&memory(64, 64), None).is_ok());
        assert_eq!(
            thumbs.picture(&memory(64, 64), None).unwrap_err(),
            "left out: the page is full"
        );
        let missing = ImageRef::File("no/such/picture.jpg".into());
        assert_eq!(
            thumbs.picture(&missing, None).unwrap_err(),
            "the file cannot be read"
        );
        let broken = ImageRef::Memory {
            bytes: vec![1, 2, 3].into(),
            name: "x".into(),
        };
        assert_eq!(
            thumbs.picture(&broken, None).unwrap_err(),
            "the picture cannot be decoded"
        );
    }
}
