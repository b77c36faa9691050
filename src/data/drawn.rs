//! Pictures that exist nowhere before they are asked for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::image::Picture;
use crate::files::FileError;

/// Draws pictures by number.
pub trait Artist: fmt::Debug + Send + Sync {
    /// The generator, its version and everything that its pictures depend on besides their number: two artists of one identity draw
    /// the same.
    fn identity(&self) -> String;

    /// Draws a picture, using its memory again.
    fn draw(&self, number: u64, picture: &mut Picture);
}

/// A picture that an artist draws.
#[derive(Clone, Debug)]
pub struct Drawn {
    artist: Arc<dyn Artist>,
    number: u64,
    name: String,
}

impl Drawn {
    /// Picture `number` of an artist, called `name` in errors and reports.
    pub fn new(artist: Arc<dyn Artist>, number: u64, name: impl Into<String>) -> Self {
        Self {
            artist,
            number,
            name: name.into(),
        }
    }

    /// What errors and reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it depends on: the artist's identity and its number.
    pub fn identity(&self) -> (String, u64) {
        (self.artist.identity(), self.number)
    }

    /// Draws it.
    pub fn draw(&self, picture: &mut Picture) {
        self.artist.draw(self.number, picture);
    }

    /// As a PNG, without loss: for what reads encoded pictures only.
    pub fn png(&self) -> Result<Bytes, FileError> {
        let mut picture = Picture::default();
        self.draw(&mut picture);
        png(&picture)
            .map(Bytes::from)
            .map_err(|error| FileError::new("encode", &self.name, error))
    }
}

impl PartialEq for Drawn {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
            && (Arc::ptr_eq(&self.artist, &other.artist) || self.artist.identity() == other.artist.identity())
    }
}

impl Eq for Drawn {}

impl Hash for Drawn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// A picture as the bytes of a PNG.
pub fn png(picture: &Picture) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&picture.pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::image::{DecodeOptions, decode};

    /// Squares of a colour that is their number.
    #[derive(Debug)]
    pub(crate) struct Squares(pub &'static str);

    impl Artist for Squares {
        fn identity(&self) -> String {
            self.0.into()
        }

        fn draw(&self, number: u64, picture: &mut Picture) {
            picture.reshape(6, 6);
            picture.fill([number as u8, 7, 9]);
        }
    }

    #[test]
    fn a_drawing_is_what_its_artist_and_its_number_are() {
        let new = |identity, number| Drawn::new(Arc::new(Squares(identity)), number, "a");
        assert_eq!(new("x", 1), new("x", 1));
        assert_ne!(new("x", 1), new("x", 2));
        assert_ne!(new("x", 1), new("y", 1));
    }

    #[test]
    fn its_png_holds_the_same_pixels() {
        let drawn = Drawn::new(Arc::new(Squares("x")), 200, "a");
        let mut picture = Picture::default();
        drawn.draw(&mut picture);
        let read = decode(&drawn.png().unwrap(), "a", None, &DecodeOptions::default()).unwrap();
        assert_eq!(read, picture);
    }
}
