//! Geometry on pictures that moves pixels and computes none: crop, pad, flip, turn, letterbox.

use super::{Filter, ImageError, Picture, Resizer};

/// Offset of a centred window of `inner` in `outer` pixels: Python's `round((outer − inner) / 2)`, half to even.
/// Negative where the window is the larger one.
pub fn centre_offset(outer: usize, inner: usize) -> isize {
    let twice = outer as isize - inner as isize;
    let floor = twice.div_euclid(2);
    // A half goes to the even neighbour.
    if twice.rem_euclid(2) == 1 && floor.rem_euclid(2) == 1 {
        floor + 1
    } else {
        floor
    }
}

/// Height and width after torchvision's `Resize(size, max_size)`: the short side becomes `size`, the long one
/// `int(size · long / short)`; where that is past `max_size`, it becomes `max_size` and the short one shrinks with it.
pub fn short_side_size(height: usize, width: usize, size: usize, max_size: Option<usize>) -> [usize; 2] {
    let (short, long) = (height.min(width).max(1), height.max(width));
    let mut new_short = size;
    let mut new_long = size * long / short;
    if let Some(limit) = max_size
        && new_long > limit
    {
        new_short = (limit * new_short / new_long).max(1);
        new_long = limit;
    }
    if width <= height {
        [new_long, new_short]
    } else {
        [new_short, new_long]
    }
}

/// Copies a window; what lies outside the picture is `fill`. `left` and `top` may be negative.
pub fn window(
    from: &Picture,
    left: isize,
    top: isize,
    width: usize,
    height: usize,
    fill: [u8; 3],
    to: &mut Picture,
) {
    to.reshape(width, height);
    let inside =
        left >= 0 && top >= 0 && left as usize + width <= from.width && top as usize + height <= from.height;
    if !inside {
        to.fill(fill);
    }
    let first = left.max(0);
    let last = (left + width as isize).min(from.width as isize);
    if first >= last {
        return;
    }
    let bytes = (last - first) as usize * 3;
    for y in 0..height {
        let source = top + y as isize;
        if source < 0 || source >= from.height as isize {
            continue;
        }
        let source = (source as usize * from.width + first as usize) * 3;
        let target = (y * width + (first - left) as usize) * 3;
        to.pixels[target..target + bytes].copy_from_slice(&from.pixels[source..source + bytes]);
    }
}

/// Keeps a window that lies inside the picture.
pub fn crop_in_place(picture: &mut Picture, left: usize, top: usize, width: usize, height: usize) {
    assert!(
        left + width <= picture.width && top + height <= picture.height,
        "the window lies inside"
    );
    for y in 0..height {
        let source = ((top + y) * picture.width + left) * 3;
        picture
            .pixels
            .copy_within(source..source + width * 3, y * width * 3);
    }
    picture.reshape(width, height);
}

/// torchvision's `CenterCrop`: sides that are too short are first padded with black (the smaller half at the left and top),
/// then the centred window is taken.
pub fn centre_crop(from: &Picture, height: usize, width: usize, to: &mut Picture) {
    let offset = |outer: usize, inner: usize| {
        if inner > outer {
            -(((inner - outer) / 2) as isize)
        } else {
            centre_offset(outer, inner)
        }
    };
    window(
        from,
        offset(from.width, width),
        offset(from.height, height),
        width,
        height,
        [0; 3],
        to,
    );
}

/// A frame of `by` pixels on every side.
pub fn pad(from: &Picture, by: usize, fill: [u8; 3], to: &mut Picture) {
    let shift = -(by as isize);
    window(
        from,
        shift,
        shift,
        from.width + 2 * by,
        from.height + 2 * by,
        fill,
        to,
    );
}

/// Mirrors left and right.
pub fn flip(picture: &mut Picture) {
    let row = picture.width * 3;
    if row == 0 {
        return;
    }
    for line in picture.pixels.chunks_exact_mut(row) {
        let (mut left, mut right) = (0, row - 3);
        while left < right {
            for channel in 0..3 {
                line.swap(left + channel, right + channel);
            }
            left += 3;
            right -= 3;
        }
    }
}

/// Undoes an EXIF orientation (1 to 8; anything else changes nothing).
pub fn orient(picture: &mut Picture, orientation: u8) {
    if !(2..=8).contains(&orientation) {
        return;
    }
    let (width, height) = (picture.width, picture.height);
    let turned = orientation >= 5;
    let mut upright = Picture::default();
    if turned {
        upright.reshape(height, width);
    } else {
        upright.reshape(width, height);
    }
    let (new_width, new_height) = (upright.width, upright.height);
    for y in 0..new_height {
        for x in 0..new_width {
            let (from_x, from_y) = match orientation {
                2 => (width - 1 - x, y),
                3 => (width - 1 - x, height - 1 - y),
                4 => (x, height - 1 - y),
                5 => (y, x),
                6 => (y, height - 1 - x),
                7 => (width - 1 - y, height - 1 - x),
                _ => (width - 1 - y, x),
            };
            let at = (y * new_width + x) * 3;
            upright.pixels[at..at + 3].copy_from_slice(&picture.pixel(from_x, from_y));
        }
    }
    *picture = upright;
}

/// Shrinks the picture to fit `height` × `width` with its aspect kept (never enlarges it unless `enlarge`) and centres it on `fill`.
///
/// Sizes are those of `PIL.Image.thumbnail` ([`letterbox_size`]); the margins are `margin / 2` at the left and top. `thumbnail` itself
/// averages whole pixels before it shrinks by 4 and more, which this does not: it is the exact kernel at every scale.
#[allow(clippy::too_many_arguments)]
pub fn letterbox(
    resizer: &mut Resizer,
    from: &Picture,
    height: usize,
    width: usize,
    fill: [u8; 3],
    filter: Filter,
    enlarge: bool,
    scratch: &mut Picture,
    to: &mut Picture,
) -> Result<(), ImageError> {
    let [new_height, new_width] = letterbox_size(from.height, from.width, height, width, enlarge);
    let inner = if [new_height, new_width] == [from.height, from.width] {
        from
    } else {
        resizer.resize(from, new_height, new_width, filter, scratch)?;
        scratch
    };
    let left = -(((width - new_width) / 2) as isize);
    let top = -(((height - new_height) / 2) as isize);
    window(inner, left, top, width, height, fill, to);
    Ok(())
}

/// Height and width of the picture inside its letterbox. One side fills its own; the other is rounded down or up, whichever is
/// nearer in aspect, and is at least 1: the rule of `PIL.Image.thumbnail`. Nothing is enlarged unless `enlarge`.
pub fn letterbox_size(
    height: usize,
    width: usize,
    into_height: usize,
    into_width: usize,
    enlarge: bool,
) -> [usize; 2] {
    if !enlarge && height <= into_height && width <= into_width {
        return [height, width];
    }
    let aspect = width as f64 / height as f64;
    // Of the whole numbers around a side, the one whose aspect is off by less; the lower one of equals.
    let rounded = |side: f64, off: &dyn Fn(f64) -> f64| {
        let (low, high) = (side.floor(), side.ceil());
        let nearer = if off(high) < off(low) { high } else { low };
        (nearer as usize).max(1)
    };
    let [new_height, new_width] = if into_width as f64 / into_height as f64 >= aspect {
        let off = |side: f64| (aspect - side / into_height as f64).abs();
        [into_height, rounded(into_height as f64 * aspect, &off)]
    } else {
        let off = |side: f64| match side == 0.0 {
            true => 0.0,
            false => (aspect - into_width as f64 / side).abs(),
        };
        [rounded(into_width as f64 / aspect, &off), into_width]
    };
    [new_height.min(into_height), new_width.min(into_width)]
}
