//! SVG to pixels.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Draws a document on white, as large as fits and in the middle, and writes it as PNG of 8-bit RGB.
pub fn png(svg: &str, size: u32) -> Result<Vec<u8>, String> {
    let tree = Tree::from_str(svg, &Options::default()).map_err(|e| e.to_string())?;
    let mut pixels = Pixmap::new(size, size).ok_or("no room for the picture")?;
    pixels.fill(Color::WHITE);
    let (width, height) = (tree.size().width(), tree.size().height());
    let side = size as f32;
    let scale = side / width.max(height);
    let place = Transform::from_scale(scale, scale)
        .post_translate((side - width * scale) / 2.0, (side - height * scale) / 2.0);
    resvg::render(&tree, place, &mut pixels.as_mut());
    // Nothing shines through white: the fourth number of each pixel is 255.
    let rgb: Vec<u8> = pixels
        .data()
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size, size);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&rgb))
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_stands_in_the_middle_of_white() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4\" height=\"2\" viewBox=\"0 0 4 2\">\
                   <rect width=\"4\" height=\"2\" fill=\"#f00\"/></svg>";
        let bytes = png(svg, 16).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let at = |x: usize, y: usize| &pixels[3 * (16 * y + x)..][..3];
        assert_eq!(at(8, 1), [255, 255, 255]);
        assert_eq!(at(8, 8), [255, 0, 0]);
        assert_eq!(at(8, 14), [255, 255, 255]);
    }
}
