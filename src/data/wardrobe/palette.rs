//! Named dyes: what a title calls a colour, and what it looks like.

use crate::random::Stream;

/// The names and their sRGB levels.
const PALETTE: [(&str, [u8; 3]); 26] = [
    ("black", [30, 30, 33]),
    ("charcoal", [72, 75, 80]),
    ("grey", [136, 138, 142]),
    ("silver", [196, 199, 203]),
    ("white", [243, 243, 240]),
    ("cream", [240, 229, 202]),
    ("beige", [212, 190, 155]),
    ("camel", [188, 139, 84]),
    ("brown", [105, 69, 45]),
    ("burgundy", [112, 26, 45]),
    ("red", [202, 38, 44]),
    ("coral", [243, 121, 98]),
    ("orange", [236, 128, 34]),
    ("mustard", [212, 164, 38]),
    ("yellow", [246, 216, 74]),
    ("olive", [110, 112, 56]),
    ("green", [42, 126, 68]),
    ("mint", [160, 218, 190]),
    ("teal", [24, 122, 130]),
    ("sky blue", [136, 190, 232]),
    ("blue", [42, 92, 190]),
    ("navy", [30, 42, 86]),
    ("purple", [104, 56, 140]),
    ("lavender", [188, 170, 222]),
    ("pink", [242, 178, 196]),
    ("fuchsia", [214, 44, 128]),
];

/// Leather is not mint; these are what shoes, bags and belts are usually made of.
const LEATHER: [&str; 10] = [
    "black", "brown", "camel", "white", "burgundy", "navy", "beige", "red", "grey", "olive",
];

/// The blues and greys of denim.
const DENIM: [(&str, [u8; 3]); 6] = [
    ("light blue", [142, 176, 210]),
    ("mid blue", [84, 122, 172]),
    ("dark blue", [44, 66, 112]),
    ("indigo", [52, 54, 104]),
    ("black", [42, 43, 48]),
    ("grey", [122, 127, 134]),
];

/// A colour of one product: near the one that its name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dye {
    /// As a title says it.
    pub name: &'static str,
    /// sRGB levels, 0 to 255.
    pub rgb: [u8; 3],
}

impl Dye {
    /// Any colour of the palette.
    pub(super) fn any(stream: &mut Stream) -> Self {
        Self::near(PALETTE[stream.below(PALETTE.len())], stream)
    }

    /// A colour of leather.
    pub(super) fn leather(stream: &mut Stream) -> Self {
        let name = LEATHER[stream.below(LEATHER.len())];
        let found = PALETTE.iter().find(|(n, _)| *n == name).copied();
        Self::near(found.unwrap_or(PALETTE[0]), stream)
    }

    /// A colour of denim.
    pub(super) fn denim(stream: &mut Stream) -> Self {
        Self::near(DENIM[stream.below(DENIM.len())], stream)
    }

    /// Another colour of the palette, told apart from `other` by eye.
    pub(super) fn beside(other: Dye, stream: &mut Stream) -> Self {
        // Black, grey, white and cream go with everything.
        let neutral = stream.chance(0.4);
        for _ in 0..32 {
            let at = match neutral {
                true => [0, 4, 5, 21][stream.below(4)],
                false => stream.below(PALETTE.len()),
            };
            let dye = Self::near(PALETTE[at], stream);
            if dye.name != other.name && distance(dye.rgb, other.rgb) > 110 {
                return dye;
            }
        }
        let dark = luma(other.rgb) < 128.0;
        Self::near(PALETTE[if dark { 4 } else { 0 }], stream)
    }

    /// The same name, another vat: the small differences between products of one colour.
    pub(super) fn again(self, stream: &mut Stream) -> Self {
        Self::near((self.name, self.rgb), stream)
    }

    fn near((name, rgb): (&'static str, [u8; 3]), stream: &mut Stream) -> Self {
        let lightness = stream.between(-9.0, 9.0) as f32;
        let mut jittered = [0; 3];
        for (to, from) in jittered.iter_mut().zip(rgb) {
            let level = f32::from(from) + lightness + stream.between(-7.0, 7.0) as f32;
            *to = level.clamp(6.0, 249.0) as u8;
        }
        Self { name, rgb: jittered }
    }
}

/// Brightness of sRGB levels, 0 to 255.
pub(super) fn luma(rgb: [u8; 3]) -> f32 {
    0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
}

fn distance(a: [u8; 3], b: [u8; 3]) -> i32 {
    (0..3).map(|i| (i32::from(a[i]) - i32::from(b[i])).abs()).sum()
}

/// Levels multiplied by `factor`, kept in range.
pub(super) fn scaled(rgb: [u8; 3], factor: f32) -> [u8; 3] {
    rgb.map(|level| (f32::from(level) * factor).clamp(0.0, 255.0) as u8)
}

/// From `a` (0) to `b` (1).
pub(super) fn mixed(a: [u8; 3], b: [u8; 3], share: f32) -> [u8; 3] {
    let mut mixed = [0; 3];
    for i in 0..3 {
        mixed[i] = (f32::from(a[i]) + (f32::from(b[i]) - f32::from(a[i])) * share).clamp(0.0, 255.0) as u8;
    }
    mixed
}
