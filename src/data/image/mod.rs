//! Pictures in host memory: decoded from untrusted bytes ([`mod@decode`]), resized as Pillow resizes ([`resize`]) and edited
//! as torchvision edits PIL images ([`ops`], [`colour`], [`blur`]).

pub mod blur;
pub mod colour;
pub mod decode;
pub mod ops;
pub mod resize;

pub use decode::{DecodeOptions, Limits, crop_to, decode, decode_into, dimensions};
pub use resize::{Filter, Resizer};

/// An RGB picture: 8 bits per channel, rows from the top, `pixels[(y * width + x) * 3 + channel]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 3]`, row-major.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        let mut picture = Self::default();
        picture.reshape(width, height);
        picture.fill(colour);
        picture
    }

    /// Paints every pixel.
    pub fn fill(&mut self, colour: [u8; 3]) {
        if colour[0] == colour[1] && colour[1] == colour[2] {
            self.pixels.fill(colour[0]);
        } else {
            for pixel in self.pixels.chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// Gives the picture a new size and keeps its memory; what the pixels then hold is unspecified.
    pub fn reshape(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.pixels.resize(width * height * 3, 0);
    }

    /// Takes over another picture's size and pixels, keeping its own memory.
    pub fn copy_from(&mut self, other: &Self) {
        self.reshape(other.width, other.height);
        self.pixels.copy_from_slice(&other.pixels);
    }

    /// The bytes of one row.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width * 3..(y + 1) * self.width * 3]
    }

    /// One pixel.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImageError {
    /// The bytes are of no known format.
    #[error("{name}: not an image that this program can read ({detail})")]
    #[diagnostic(help(
        "JPEG, PNG, WebP, BMP, GIF and TIFF are read, whatever the file is called; convert the image to one of them or remove the row"
    ))]
    UnknownFormat {
        /// The file, or the place in an archive.
        name: String,
        /// What the first bytes look like.
        detail: String,
    },
    /// The header announces more than the limits allow.
    #[error("{name}: the image is {width}×{height} pixels, which is past the limit of {limit}")]
    #[diagnostic(help(
        "shrink the image, or raise `max_side`, `max_pixels` or `max_bytes` in the data section's image limits if the file is to be trusted"
    ))]
    TooLarge {
        /// The file, or the place in an archive.
        name: String,
        /// Pixels per row, from the header.
        width: u32,
        /// Rows, from the header.
        height: u32,
        /// The limit in words.
        limit: String,
    },
    /// The decoder gave up.
    #[error("{name}: the image cannot be decoded: {detail}")]
    #[diagnostic(help(
        "the file is damaged or incomplete: fetch it again, or remove its row from the table"
    ))]
    Broken {
        /// The file, or the place in an archive.
        name: String,
        /// The decoder's own words.
        detail: String,
    },
    /// A JPEG that the decoder would get wrong.
    #[error(
        "{name}: a baseline JPEG with subsampled chroma and one scan for each channel, which the decoder gets wrong"
    )]
    #[diagnostic(help(
        "write it anew without loss: `jpegtran -copy all -outfile NEW OLD`, or with any image editor"
    ))]
    SeparateScans {
        /// The file, or the place in an archive.
        name: String,
    },
    /// The crop box holds no pixel.
    #[error("{name}: the box x1={}, y1={}, x2={}, y2={} holds no pixel of a {width}×{height} image", bounds[0], bounds[1], bounds[2], bounds[3])]
    #[diagnostic(help(
        "boxes are corners in pixels, x1 < x2 and y1 < y2, not x, y, width, height; correct the row's x1, y1, x2, y2 or leave them empty"
    ))]
    EmptyBox {
        /// The file, or the place in an archive.
        name: String,
        /// x1, y1, x2, y2 as given.
        bounds: [f32; 4],
        /// Width of the image.
        width: usize,
        /// Height of the image.
        height: usize,
    },
    /// A size that no picture can have.
    #[error("cannot {action} a {width}×{height} picture: {detail}")]
    #[diagnostic(help("widths and heights must be at least 1 and at most {}", resize::MAX_SIDE))]
    Size {
        /// What was asked for.
        action: &'static str,
        /// Width of the picture at hand.
        width: usize,
        /// Height of the picture at hand.
        height: usize,
        /// What is wrong with it.
        detail: String,
    },
}

#[cfg(test)]
pub(crate) mod tests;
