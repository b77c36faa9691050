//! One picture through a pipeline.

use super::{EraseFill, NamedFill, Op, Pipeline, TransformError, draw};
use crate::data::image::blur::{self, BlurScratch};
use crate::data::image::{ImageError, Picture, Resizer, colour, ops};
use crate::random::Stream;

/// Memory that a worker keeps between pictures.
#[derive(Debug, Default)]
pub struct Scratch {
    front: Picture,
    back: Picture,
    inner: Picture,
    resizer: Resizer,
    blur: BlurScratch,
}

impl Pipeline {
    /// Writes `[3, height, width]` to `out`, whose length must be that. Takes no memory per pixel once `scratch` has seen pictures of the size.
    pub fn apply(
        &self,
        picture: &Picture,
        stream: &mut Stream,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), TransformError> {
        let [height, width] = self.output;
        if out.len() != 3 * height * width {
            return Err(TransformError::Buffer {
                found: out.len(),
                wanted: 3 * height * width,
            });
        }
        // Whether the current picture is `scratch.front`; before the first change it is `picture`.
        let mut loaded = false;
        for (index, op) in self.ops.iter().enumerate() {
            match op {
                Op::Normalize { .. } => {
                    let current = if loaded { &scratch.front } else { picture };
                    self.normalise(current, out)
                        .map_err(|source| TransformError::Picture {
                            index,
                            op: op.name(),
                            source,
                        })?;
                }
                Op::RandomErase {
                    p,
                    area,
                    aspect,
                    tries,
                    fill,
                } => {
                    if stream.chance(*p)
                        && let Some(area) = draw::erase_box(height, width, *area, *aspect, *tries, stream)
                    {
                        self.erase(area, *fill, stream, out);
                    }
                }
                _ => {
                    let changed = step(op, picture, loaded, stream, scratch).map_err(|source| {
                        TransformError::Picture {
                            index,
                            op: op.name(),
                            source,
                        }
                    })?;
                    loaded |= changed;
                }
            }
        }
        Ok(())
    }

    /// [`apply`](Self::apply) to a new buffer, for one image at a time.
    pub fn apply_vec(&self, picture: &Picture, stream: &mut Stream) -> Result<Vec<f32>, TransformError> {
        let [height, width] = self.output;
        let mut out = vec![0.0; 3 * height * width];
        self.apply(picture, stream, &mut Scratch::default(), &mut out)?;
        Ok(out)
    }

    fn normalise(&self, picture: &Picture, out: &mut [f32]) -> Result<(), ImageError> {
        let [height, width] = self.output;
        if [picture.height, picture.width] != [height, width] || picture.pixels.len() != out.len() {
            return Err(ImageError::Size {
                action: "normalise",
                width: picture.width,
                height: picture.height,
                detail: format!("the pipeline makes {width}×{height}"),
            });
        }
        let (red, rest) = out.split_at_mut(height * width);
        let (green, blue) = rest.split_at_mut(height * width);
        let channels = red.iter_mut().zip(green).zip(blue);
        for (pixel, ((r, g), b)) in picture.pixels.chunks_exact(3).zip(channels) {
            *r = self.table[0][usize::from(pixel[0])];
            *g = self.table[1][usize::from(pixel[1])];
            *b = self.table[2][usize::from(pixel[2])];
        }
        Ok(())
    }

    fn erase(&self, [left, top, w, h]: [usize; 4], fill: EraseFill, stream: &mut Stream, out: &mut [f32]) {
        let [height, width] = self.output;
        let value = match fill {
            EraseFill::Named(NamedFill::Mean) => Some(self.mean),
            EraseFill::Named(NamedFill::Zero) => Some([0.0; 3]),
            EraseFill::Named(NamedFill::Noise) => None,
            EraseFill::Value(value) => Some(value),
        };
        for channel in 0..3 {
            for y in top..top + h {
                let start = (channel * height + y) * width + left;
                let line = &mut out[start..start + w];
                match value {
                    Some(value) => line.fill(value[channel]),
                    None => line.iter_mut().for_each(|v| *v = stream.normal() as f32),
                }
            }
        }
    }
}

/// One operation on 8-bit pixels; true if `scratch.front` now holds the picture.
fn step(
    op: &Op,
    picture: &Picture,
    loaded: bool,
    stream: &mut Stream,
    scratch: &mut Scratch,
) -> Result<bool, ImageError> {
    let Scratch {
        front,
        back,
        inner,
        resizer,
        blur: blur_scratch,
    } = scratch;
    // Those that change pixels in place need the picture in `front`; the others read it where it is and write to `back`.
    if !loaded && in_place(op) {
        front.copy_from(picture);
    }
    let from = if loaded { &*front } else { picture };
    match *op {
        Op::Resize {
            height,
            width,
            filter,
        } => resizer.resize(from, height, width, filter, back)?,
        Op::ResizeShort {
            size,
            filter,
            max_size,
        } => {
            let [height, width] = ops::short_side_size(from.height, from.width, size, max_size);
            resizer.resize(from, height, width, filter, back)?;
        }
        Op::Letterbox {
            height,
            width,
            fill,
            filter,
            enlarge,
        } => ops::letterbox(resizer, from, height, width, fill, filter, enlarge, inner, back)?,
        Op::CenterCrop { height, width } => ops::centre_crop(from, height, width, back),
        Op::Pad { pixels, fill } => ops::pad(from, pixels, fill, back),
        Op::RandomCrop { height, width } => {
            if from.height < height || from.width < width {
                return Err(ImageError::Size {
                    action: "crop",
                    width: from.width,
                    height: from.height,
                    detail: format!("the window is {width}×{height}"),
                });
            }
            let top = stream.below(from.height - height + 1);
            let left = stream.below(from.width - width + 1);
            ops::window(from, left as isize, top as isize, width, height, [0; 3], back);
        }
        Op::RandomResizedCrop {
            height,
            width,
            scale,
            ratio,
            filter,
        } => {
            let part = draw::random_resized_crop_box(from.height, from.width, scale, ratio, stream);
            resizer.resize_part(from, part, height, width, filter, back)?;
        }
        Op::Flip { p } => {
            if stream.chance(p) {
                ops::flip(front);
            }
        }
        Op::ColorJitter {
            brightness,
            contrast,
            saturation,
            hue,
        } => {
            let (order, factors) = draw::colour_factors([brightness, contrast, saturation, hue], stream);
            for which in order {
                match (which, factors[which]) {
                    (_, None) => {}
                    (0, Some(factor)) => colour::brightness(front, factor as f32),
                    (1, Some(factor)) => colour::contrast(front, factor as f32),
                    (2, Some(factor)) => colour::saturation(front, factor as f32),
                    (_, Some(factor)) => colour::hue(front, factor),
                }
            }
        }
        Op::Grayscale { p } => {
            if stream.chance(p) {
                colour::grayscale(front);
            }
        }
        Op::GaussianBlur { p, sigma } => {
            if stream.chance(p) {
                blur::gaussian(front, stream.between(sigma[0], sigma[1]) as f32, blur_scratch);
            }
        }
        Op::Normalize { .. } | Op::RandomErase { .. } => return Ok(false),
    }
    if !in_place(op) {
        std::mem::swap(front, back);
    }
    Ok(true)
}

fn in_place(op: &Op) -> bool {
    matches!(
        op,
        Op::Flip { .. } | Op::ColorJitter { .. } | Op::Grayscale { .. } | Op::GaussianBlur { .. }
    )
}
