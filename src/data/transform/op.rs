//! The operations and their parameters, as recipes write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IMAGENET_MEAN, IMAGENET_STD};
use crate::data::image::Filter;

/// One step of a pipeline. In a recipe: `{ op = "resize", height = 256, width = 128 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// To exactly this size; the aspect is not kept.
    Resize {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
        /// Kernel.
        #[serde(default)]
        filter: Filter,
    },
    /// The short side to `size`, the long one to `int(size · long / short)`.
    ResizeShort {
        /// Pixels.
        size: usize,
        /// Kernel.
        #[serde(default)]
        filter: Filter,
        /// The long side's limit; where it binds, the short side ends up below `size`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_size: Option<usize>,
    },
    /// Shrunk to fit with the aspect kept, centred on one colour.
    Letterbox {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
        /// RGB; white unless said otherwise.
        #[serde(default = "white")]
        fill: [u8; 3],
        /// Kernel.
        #[serde(default)]
        filter: Filter,
        /// Also enlarge smaller pictures.
        #[serde(default)]
        enlarge: bool,
    },
    /// The window at the centre, offset rounded half to even; what is missing is black.
    CenterCrop {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// Left and right swapped, with probability p.
    Flip {
        /// Probability.
        p: f64,
    },
    /// A frame of one colour.
    Pad {
        /// On each side.
        pixels: usize,
        /// RGB; black unless said otherwise.
        #[serde(default)]
        fill: [u8; 3],
    },
    /// A window at a uniformly random place.
    RandomCrop {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// A window of random area and aspect, resized. Ten tries, then the centre with the aspect clamped.
    RandomResizedCrop {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
        /// Share of the area, uniform.
        #[serde(default = "crop_scale")]
        scale: [f64; 2],
        /// Width by height, uniform in its logarithm.
        #[serde(default = "crop_ratio")]
        ratio: [f64; 2],
        /// Kernel.
        #[serde(default)]
        filter: Filter,
    },
    /// Brightness, contrast, saturation and hue in random order; each amount a gives a factor uniform in [max(0, 1 − a), 1 + a], hue one in [−a, a].
    ColorJitter {
        /// Amount; 0 leaves it alone.
        #[serde(default)]
        brightness: f64,
        /// Amount; 0 leaves it alone.
        #[serde(default)]
        contrast: f64,
        /// Amount; 0 leaves it alone.
        #[serde(default)]
        saturation: f64,
        /// At most 0.5; 0 leaves it alone.
        #[serde(default)]
        hue: f64,
    },
    /// Three times the luma, with probability p.
    Grayscale {
        /// Probability.
        p: f64,
    },
    /// `PIL.ImageFilter.GaussianBlur`, with probability p.
    GaussianBlur {
        /// Probability.
        p: f64,
        /// Range of the standard deviation in pixels, uniform.
        sigma: [f64; 2],
    },
    /// u8 `[h, w, 3]` → f32 `[3, h, w]`: `(x / 255 − mean) / std`. Exactly once.
    Normalize {
        /// Per channel, of values in 0..1.
        #[serde(default = "imagenet_mean")]
        mean: [f32; 3],
        /// Per channel.
        #[serde(default = "imagenet_std")]
        std: [f32; 3],
    },
    /// Random erasing (arXiv 1708.04896) after normalisation, with probability p: up to `tries` boxes, the first that fits is filled.
    RandomErase {
        /// Probability.
        p: f64,
        /// Share of the area, uniform.
        #[serde(default = "erase_area")]
        area: [f64; 2],
        /// Height by width, uniform.
        #[serde(default = "erase_aspect")]
        aspect: [f64; 2],
        /// Boxes drawn before giving up.
        #[serde(default = "erase_tries")]
        tries: usize,
        /// What the box is filled with, in normalised space.
        #[serde(default)]
        fill: EraseFill,
    },
}

/// What an erased box holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EraseFill {
    /// By name.
    Named(NamedFill),
    /// One value per channel, in normalised space.
    Value([f32; 3]),
}

/// The fills that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedFill {
    /// The numbers of `normalize.mean`, put into normalised space as they are: about +0.45, not grey. What the ReID baselines do.
    Mean,
    /// 0: the mean colour.
    Zero,
    /// Standard normal, drawn for each value.
    Noise,
}

impl Default for EraseFill {
    fn default() -> Self {
        Self::Named(NamedFill::Mean)
    }
}

impl Op {
    /// Its name in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Resize { .. } => "resize",
            Self::ResizeShort { .. } => "resize_short",
            Self::Letterbox { .. } => "letterbox",
            Self::CenterCrop { .. } => "center_crop",
            Self::Flip { .. } => "flip",
            Self::Pad { .. } => "pad",
            Self::RandomCrop { .. } => "random_crop",
            Self::RandomResizedCrop { .. } => "random_resized_crop",
            Self::ColorJitter { .. } => "color_jitter",
            Self::Grayscale { .. } => "grayscale",
            Self::GaussianBlur { .. } => "gaussian_blur",
            Self::Normalize { .. } => "normalize",
            Self::RandomErase { .. } => "random_erase",
        }
    }

    /// Whether it draws random numbers.
    pub fn is_random(&self) -> bool {
        matches!(
            self,
            Self::Flip { .. }
                | Self::RandomCrop { .. }
                | Self::RandomResizedCrop { .. }
                | Self::ColorJitter { .. }
                | Self::Grayscale { .. }
                | Self::GaussianBlur { .. }
                | Self::RandomErase { .. }
        )
    }
}

fn white() -> [u8; 3] {
    [255; 3]
}

fn crop_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn crop_ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

fn imagenet_mean() -> [f32; 3] {
    IMAGENET_MEAN
}

fn imagenet_std() -> [f32; 3] {
    IMAGENET_STD
}

fn erase_area() -> [f64; 2] {
    [0.02, 0.4]
}

fn erase_aspect() -> [f64; 2] {
    [0.3, 1.0 / 0.3]
}

fn erase_tries() -> usize {
    100
}
