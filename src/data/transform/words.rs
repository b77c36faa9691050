//! A deterministic pipeline in words: what whoever prepares pictures elsewhere has to do, to the rounding.

use super::Op;
use crate::data::image::Filter;

/// The order of everything, from a file to the network's input: one sentence a step.
pub(super) fn steps(ops: &[Op], exif: bool) -> Vec<String> {
    let turned = match exif {
        true => "turn it upright as its EXIF orientation says (PIL.ImageOps.exif_transpose)",
        false => "do not apply its EXIF orientation",
    };
    let decode = format!(
        "decode to 8-bit RGB, channels in the order red, green, blue; {turned}; grey is copied to all three channels, alpha is \
         dropped, no colour profile is applied; where the data has a box, cut it out"
    );
    std::iter::once(decode).chain(ops.iter().map(step)).collect()
}

fn step(op: &Op) -> String {
    match op {
        Op::Resize {
            height,
            width,
            filter,
        } => format!(
            "resize to height {height}, width {width}, whatever the aspect; {}",
            resampling(*filter)
        ),
        Op::ResizeShort {
            size,
            filter,
            max_size,
        } => {
            let limit = match max_size {
                Some(max) => format!(
                    "; where that passes {max}, the long side is {max} and the short one floor({max} * {size} / long)"
                ),
                None => String::new(),
            };
            format!(
                "resize the short side to {size} and the long one to floor({size} * long / short){limit}; {}",
                resampling(*filter)
            )
        }
        Op::Letterbox {
            height,
            width,
            fill,
            filter,
            enlarge,
        } => {
            let smaller = match enlarge {
                true => "smaller pictures are enlarged",
                false => "a picture that fits already keeps its size",
            };
            format!(
                "letterbox into height {height}, width {width}: scale with the aspect kept until one side fills its own, the other \
                 rounded down or up to the whole number whose aspect is nearer the picture's (down where both are equally near; \
                 at least 1; the rule of PIL.Image.thumbnail), {smaller}; {}; then paste on a ground of RGB {fill:?} at left = \
                 floor((width - new width) / 2), top = floor((height - new height) / 2)",
                resampling(*filter)
            )
        }
        Op::CenterCrop { height, width } => format!(
            "take the window of height {height}, width {width} at the centre: its left and top are half the surplus, rounded half \
             to even; a side that is too short is first padded with black, the smaller half at the left or top"
        ),
        Op::Pad { pixels, fill } => {
            format!("put a frame of {pixels} pixels of RGB {fill:?} around it")
        }
        Op::Normalize { mean, std } => format!(
            "normalise in 32-bit floats: first x / 255, then minus the mean {mean:?}, then divided by the deviation {std:?}, each \
             of red, green, blue; lay out as [3, height, width], channels first"
        ),
        random => format!("{} (random: of training alone)", random.name()),
    }
}

/// The kernel and how it is applied.
fn resampling(filter: Filter) -> String {
    let (name, kernel) = match filter {
        Filter::Nearest => {
            return "nearest: the pixel under the centre, no antialiasing (PIL NEAREST)".into();
        }
        Filter::Box => ("box", "the mean, support 0.5 (PIL BOX)"),
        Filter::Bilinear => ("bilinear", "a triangle, support 1 (PIL BILINEAR)"),
        Filter::Bicubic => ("bicubic", "Keys' cubic with a = -0.5, support 2 (PIL BICUBIC)"),
        Filter::Lanczos => ("lanczos", "a sinc windowed by a sinc, support 3 (PIL LANCZOS)"),
    };
    format!(
        "{name}: {kernel}, antialias on: where it shrinks, the support is widened by the scale; horizontal pass first, then \
         vertical, each rounded to 8 bits, as Pillow up to 11 does it (torchvision on PIL images, or antialias=True)"
    )
}
