//! Whether a list of operations gives images of one size, found out before the first image is read.

use super::{EraseFill, Op, TransformError};
use crate::data::image::resize::MAX_SIDE;

/// What is known of the picture between two operations.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// As the file has it.
    Any,
    /// At least this on either side.
    Short(usize),
    /// Height, width.
    Fixed([usize; 2]),
}

pub(super) struct Checked {
    pub output: [usize; 2],
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

pub(super) fn check(ops: &[Op]) -> Result<Checked, TransformError> {
    let mut shape = Shape::Any;
    let mut normal: Option<([f32; 3], [f32; 3])> = None;
    for (index, op) in ops.iter().enumerate() {
        parameters(index, op)?;
        let order = |problem: String, remedy: &str| TransformError::Order {
            index,
            op: op.name(),
            problem,
            remedy: remedy.to_owned(),
        };
        if normal.is_some() && !matches!(op, Op::RandomErase { .. } | Op::Normalize { .. }) {
            return Err(order(
                "comes after `normalize`".to_owned(),
                "move it before `normalize`; only `random_erase` may follow",
            ));
        }
        match *op {
            Op::Resize { height, width, .. }
            | Op::Letterbox { height, width, .. }
            | Op::CenterCrop { height, width }
            | Op::RandomResizedCrop { height, width, .. } => shape = Shape::Fixed([height, width]),
            Op::ResizeShort { size, max_size, .. } => {
                shape = match (shape, max_size) {
                    (Shape::Fixed([h, w]), _) => {
                        Shape::Fixed(crate::data::image::ops::short_side_size(h, w, size, max_size))
                    }
                    (_, None) => Shape::Short(size),
                    (_, Some(_)) => Shape::Any,
                }
            }
            Op::Pad { pixels, .. } => {
                shape = match shape {
                    Shape::Any => Shape::Short(2 * pixels + 1),
                    Shape::Short(side) => Shape::Short(side + 2 * pixels),
                    Shape::Fixed([h, w]) => Shape::Fixed([h + 2 * pixels, w + 2 * pixels]),
                }
            }
            Op::RandomCrop { height, width } => {
                let [h, w] = match shape {
                    Shape::Any => [1, 1],
                    Shape::Short(side) => [side, side],
                    Shape::Fixed(size) => size,
                };
                if h < height || w < width {
                    return Err(order(
                        format!(
                            "takes {height}×{width} (height × width) from a picture that may be as small as {h}×{w}"
                        ),
                        "put `resize`, `resize_short` or `pad` before it, so that the picture is large enough",
                    ));
                }
                shape = Shape::Fixed([height, width]);
            }
            Op::Normalize { mean, std } => {
                if normal.is_some() {
                    return Err(order("stands a second time".to_owned(), "keep one `normalize`"));
                }
                normal = Some((mean, std));
            }
            Op::RandomErase { .. } => {
                if normal.is_none() {
                    return Err(order(
                        "comes before `normalize`".to_owned(),
                        "move it after `normalize`: its fill is in normalised space",
                    ));
                }
            }
            Op::Flip { .. } | Op::ColorJitter { .. } | Op::Grayscale { .. } | Op::GaussianBlur { .. } => {}
        }
    }
    let Some((mean, std)) = normal else {
        return Err(TransformError::Whole {
            problem: "has no `normalize`".to_owned(),
            remedy:
                "end it with { op = \"normalize\" } and the mean and std that the backbone was trained with"
                    .to_owned(),
        });
    };
    let Shape::Fixed(output) = shape else {
        return Err(TransformError::Whole {
            problem: "gives images of different sizes, which make no batch".to_owned(),
            remedy: "add `resize`, `letterbox`, `center_crop`, `random_crop` or `random_resized_crop` before `normalize`".to_owned(),
        });
    };
    Ok(Checked { output, mean, std })
}

fn parameters(index: usize, op: &Op) -> Result<(), TransformError> {
    let wrong = |field: &'static str, problem: String, remedy: String| TransformError::Parameter {
        index,
        op: op.name(),
        field,
        problem,
        remedy,
    };
    let side = |field, value: usize| {
        if (1..=MAX_SIDE).contains(&value) {
            return Ok(());
        }
        Err(wrong(
            field,
            format!("is {value}"),
            format!("give 1 to {MAX_SIDE} pixels"),
        ))
    };
    let chance = |value: f64| {
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        Err(wrong(
            "p",
            format!("is {value}"),
            "give a probability from 0 to 1".to_owned(),
        ))
    };
    // Ascending, within [least, most].
    let range = |field, [low, high]: [f64; 2], least: f64, most: f64| {
        if low.is_finite() && high.is_finite() && least <= low && low <= high && high <= most {
            return Ok(());
        }
        let limit = if most.is_finite() {
            format!(" and at most {most}")
        } else {
            String::new()
        };
        Err(wrong(
            field,
            format!("is [{low}, {high}]"),
            format!("give two ascending numbers, at least {least}{limit}"),
        ))
    };
    let tiny = f64::MIN_POSITIVE;
    match *op {
        Op::Resize { height, width, .. }
        | Op::Letterbox { height, width, .. }
        | Op::CenterCrop { height, width }
        | Op::RandomCrop { height, width } => {
            side("height", height)?;
            side("width", width)
        }
        Op::ResizeShort { size, max_size, .. } => {
            side("size", size)?;
            match max_size {
                Some(limit) if limit <= size || limit > MAX_SIDE => Err(wrong(
                    "max_size",
                    format!("is {limit}, with `size` {size}"),
                    format!("give more than `size` and at most {MAX_SIDE}, or leave it out"),
                )),
                _ => Ok(()),
            }
        }
        Op::RandomResizedCrop {
            height,
            width,
            scale,
            ratio,
            ..
        } => {
            side("height", height)?;
            side("width", width)?;
            range("scale", scale, tiny, 1.0)?;
            range("ratio", ratio, tiny, f64::INFINITY)
        }
        Op::Pad { pixels, .. } => side("pixels", pixels),
        Op::Flip { p } | Op::Grayscale { p } => chance(p),
        Op::ColorJitter {
            brightness,
            contrast,
            saturation,
            hue,
        } => {
            for (field, amount, most) in [
                ("brightness", brightness, f64::INFINITY),
                ("contrast", contrast, f64::INFINITY),
                ("saturation", saturation, f64::INFINITY),
                ("hue", hue, 0.5),
            ] {
                if !(amount.is_finite() && (0.0..=most).contains(&amount)) {
                    let limit = if most.is_finite() { "0 to 0.5" } else { "0 or more" };
                    return Err(wrong(
                        field,
                        format!("is {amount}"),
                        format!("give {limit}; 0 leaves it alone"),
                    ));
                }
            }
            Ok(())
        }
        Op::GaussianBlur { p, sigma } => {
            chance(p)?;
            range("sigma", sigma, 0.0, 1000.0)
        }
        Op::Normalize { mean, std } => {
            if mean.iter().any(|v| !v.is_finite()) {
                return Err(wrong(
                    "mean",
                    format!("is {mean:?}"),
                    "give three finite numbers".to_owned(),
                ));
            }
            if std.iter().any(|&v| !v.is_finite() || v <= 0.0) {
                return Err(wrong(
                    "std",
                    format!("is {std:?}"),
                    "give three numbers above 0".to_owned(),
                ));
            }
            Ok(())
        }
        Op::RandomErase {
            p,
            area,
            aspect,
            tries,
            fill,
        } => {
            chance(p)?;
            range("area", area, tiny, 1.0)?;
            range("aspect", aspect, tiny, f64::INFINITY)?;
            if tries == 0 {
                return Err(wrong(
                    "tries",
                    "is 0".to_owned(),
                    "give 1 or more, or p = 0 to erase nothing".to_owned(),
                ));
            }
            if matches!(fill, EraseFill::Value(v) if v.iter().any(|v| !v.is_finite())) {
                return Err(wrong(
                    "fill",
                    "is not finite".to_owned(),
                    "give three finite numbers".to_owned(),
                ));
            }
            Ok(())
        }
    }
}
