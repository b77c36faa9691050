//! Contact sheets, for a person to look at.

use crate::catalogue::{Library, Product};
use crate::random::stream;
use crate::{Options, Rendered};

/// Two columns of 20 products: the library's icon, then every view.
pub fn sheet(
    mut libraries: Vec<Library>,
    products: &[Product],
    rendered: &[Rendered],
    options: &Options,
) -> Result<image::RgbImage, String> {
    let mut chosen: Vec<usize> = (0..products.len()).collect();
    stream(options.sheet_seed, "sheet", "").shuffle(&mut chosen);
    chosen.truncate(40);
    let size = options.size as u32;
    let across = (options.views + options.street_views + 1) as u32;
    let mut sheet = image::RgbImage::from_pixel(2 * across * size + 8, 20 * size, image::Rgb([128, 0, 128]));
    for (i, &p) in chosen.iter().enumerate() {
        println!(
            "sheet row {} {}: {}",
            i % 20 + 1,
            if i < 20 { "left" } else { "right" },
            products[p].label
        );
        let (left, top) = ((i / 20) as u32 * (across * size + 8), (i % 20) as u32 * size);
        let icon = libraries[products[p].shelf].read(&products[p].icon)?;
        let icon = image::load_from_memory(&icon)
            .map_err(|e| e.to_string())?
            .into_rgba8();
        let icon = image::imageops::resize(&icon, size, size, image::imageops::FilterType::Triangle);
        for (x, y, pixel) in icon.enumerate_pixels() {
            let a = u32::from(pixel[3]);
            let over = |c: usize| ((u32::from(pixel[c]) * a + 235 * (255 - a)) / 255) as u8;
            sheet.put_pixel(left + x, top + y, image::Rgb([over(0), over(1), over(2)]));
        }
        for (n, shot) in rendered[p].shots.iter().enumerate() {
            for (k, rgb) in shot.rgb.chunks_exact(3).enumerate() {
                let (x, y) = (k as u32 % size, k as u32 / size);
                sheet.put_pixel(
                    left + (n as u32 + 1) * size + x,
                    top + y,
                    image::Rgb([rgb[0], rgb[1], rgb[2]]),
                );
            }
        }
    }
    Ok(sheet)
}
