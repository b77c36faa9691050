//! The random parameters of the operations, apart from what is done with them.

use crate::random::Stream;

/// torchvision's `RandomResizedCrop.get_params`: left, top, width, height.
pub fn random_resized_crop_box(
    height: usize,
    width: usize,
    scale: [f64; 2],
    ratio: [f64; 2],
    stream: &mut Stream,
) -> [usize; 4] {
    let area = (height * width) as f64;
    for _ in 0..10 {
        let target = area * stream.between(scale[0], scale[1]);
        let aspect = stream.between(ratio[0].ln(), ratio[1].ln()).exp();
        let w = (target * aspect).sqrt().round_ties_even() as usize;
        let h = (target / aspect).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = stream.below(height - h + 1);
            let left = stream.below(width - w + 1);
            return [left, top, w, h];
        }
    }
    let aspect = width as f64 / height as f64;
    let (w, h) = if aspect < ratio[0] {
        (width, (width as f64 / ratio[0]).round_ties_even() as usize)
    } else if aspect > ratio[1] {
        ((height as f64 * ratio[1]).round_ties_even() as usize, height)
    } else {
        (width, height)
    };
    let (w, h) = (w.clamp(1, width), h.clamp(1, height));
    [(width - w) / 2, (height - h) / 2, w, h]
}

/// The box of random erasing: left, top, width, height; `None` where no try fits.
///
/// Area uniform in `area` · H·W, aspect (height by width) uniform in `aspect`; h = round(√(area·aspect)), w = round(√(area/aspect)), half to even;
/// the box fits if w < W and h < H.
pub fn erase_box(
    height: usize,
    width: usize,
    area: [f64; 2],
    aspect: [f64; 2],
    tries: usize,
    stream: &mut Stream,
) -> Option<[usize; 4]> {
    for _ in 0..tries {
        let target = (height * width) as f64 * stream.between(area[0], area[1]);
        let ratio = stream.between(aspect[0], aspect[1]);
        let h = (target * ratio).sqrt().round_ties_even() as usize;
        let w = (target / ratio).sqrt().round_ties_even() as usize;
        if w < width && h < height {
            let top = stream.below(height - h + 1);
            let left = stream.below(width - w + 1);
            return Some([left, top, w, h]);
        }
    }
    None
}

/// The order of brightness (0), contrast (1), saturation (2) and hue (3), and the factor of each; `None` where its amount is 0.
pub fn colour_factors(amounts: [f64; 4], stream: &mut Stream) -> ([usize; 4], [Option<f64>; 4]) {
    let mut order = [0, 1, 2, 3];
    stream.shuffle(&mut order);
    let factors = std::array::from_fn(|i| {
        let amount = amounts[i];
        let low = if i == 3 { -amount } else { (1.0 - amount).max(0.0) };
        let high = if i == 3 { amount } else { 1.0 + amount };
        (amount > 0.0).then(|| stream.between(low, high))
    });
    (order, factors)
}
