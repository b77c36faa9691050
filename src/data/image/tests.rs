use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;

use super::blur::BlurScratch;
use super::*;

#[derive(Deserialize)]
struct Fixture {
    resize: Vec<ResizeCase>,
    adjust: Vec<AdjustCase>,
    files: Vec<FileCase>,
}

#[derive(Deserialize)]
struct ResizeCase {
    seed: u32,
    height: usize,
    width: usize,
    filter: Filter,
    to_height: usize,
    to_width: usize,
    rgb: String,
}

#[derive(Deserialize)]
struct AdjustCase {
    seed: u32,
    height: usize,
    width: usize,
    name: String,
    factor: f64,
    rgb: String,
}

#[derive(Deserialize)]
struct FileCase {
    name: String,
    file: String,
    height: usize,
    width: usize,
    rgb: String,
}

fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/resize.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn base64(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap()
}

/// The pictures of scripts/reference/resize.py.
pub(crate) fn noise(seed: u32, height: usize, width: usize) -> Picture {
    let mut picture = Picture::filled(width, height, [0; 3]);
    let mut state = seed;
    for value in &mut picture.pixels {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 24) as u8;
    }
    if seed.is_multiple_of(2) {
        for y in 0..height {
            for x in 0..width {
                for c in 0..3 {
                    let value = &mut picture.pixels[(y * width + x) * 3 + c];
                    let ramp = (x * 255 / (width - 1).max(1) + y * 255 / (height - 1).max(1)) / 2 + 20 * c;
                    *value = ((ramp + usize::from(*value) / 8) % 256) as u8;
                }
            }
        }
    }
    picture
}

/// Largest difference and share of equal values.
fn compare(found: &[u8], wanted: &[u8]) -> (u8, f64) {
    assert_eq!(found.len(), wanted.len());
    let largest = found
        .iter()
        .zip(wanted)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap_or(0);
    let equal = found.iter().zip(wanted).filter(|(a, b)| a == b).count();
    (largest, equal as f64 / found.len() as f64)
}

#[test]
fn resize_equals_pillow_within_one_level() {
    let mut resizer = Resizer::default();
    let mut out = Picture::default();
    let (mut equal, mut count) = (0.0, 0.0);
    for case in fixture().resize {
        let picture = noise(case.seed, case.height, case.width);
        resizer
            .resize(&picture, case.to_height, case.to_width, case.filter, &mut out)
            .unwrap();
        let wanted = base64(&case.rgb);
        let (largest, share) = compare(&out.pixels, &wanted);
        let what = format!(
            "{}×{} to {}×{} {:?}",
            case.width, case.height, case.to_width, case.to_height, case.filter
        );
        assert!(largest <= 1, "{what}: off by {largest}");
        if case.filter == Filter::Nearest {
            assert_eq!(largest, 0, "{what}");
        }
        equal += share * wanted.len() as f64;
        count += wanted.len() as f64;
    }
    println!(
        "{:.2} % of {count} values are equal to Pillow's, the rest is off by 1",
        100.0 * equal / count
    );
    assert!(equal / count > 0.9);
}

#[test]
fn resize_of_the_spec_cards_picture() {
    let card = |x: usize, y: usize| ((37 * x + 91 * y + 13 * x * y) % 256) as u8;
    let mut resizer = Resizer::default();
    let mut check = |size: usize, height: usize, width: usize, filter, wanted: &[u8]| {
        let mut picture = Picture::filled(size, size, [0; 3]);
        for (i, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
            pixel.fill(card(i % size, i / size));
        }
        let mut out = Picture::default();
        resizer.resize(&picture, height, width, filter, &mut out).unwrap();
        let found: Vec<u8> = out.pixels.iter().step_by(3).copied().take(wanted.len()).collect();
        assert!(compare(&found, wanted).0 <= 1, "{found:?} is not {wanted:?}");
    };
    check(
        8,
        3,
        3,
        Filter::Bilinear,
        &[118, 139, 133, 126, 144, 131, 126, 158, 151],
    );
    check(
        8,
        3,
        5,
        Filter::Bilinear,
        &[
            101, 134, 139, 144, 121, 121, 127, 156, 134, 129, 127, 119, 175, 157, 148,
        ],
    );
    check(
        8,
        3,
        3,
        Filter::Bicubic,
        &[114, 141, 132, 124, 145, 128, 123, 162, 154],
    );
    check(4, 6, 6, Filter::Bilinear, &[0, 19, 43, 68, 93, 111]);
}

#[test]
fn a_part_is_resized_as_if_it_were_cropped_first() {
    let picture = noise(3, 20, 30);
    let (mut resizer, mut cropped, mut wanted, mut found) = (
        Resizer::default(),
        Picture::default(),
        Picture::default(),
        Picture::default(),
    );
    ops::window(&picture, 4, 5, 17, 11, [0; 3], &mut cropped);
    for filter in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic] {
        resizer.resize(&cropped, 6, 25, filter, &mut wanted).unwrap();
        resizer
            .resize_part(&picture, [4, 5, 17, 11], 6, 25, filter, &mut found)
            .unwrap();
        assert_eq!(found, wanted);
    }
    assert!(
        resizer
            .resize_part(&picture, [4, 5, 27, 11], 6, 25, Filter::Box, &mut found)
            .is_err()
    );
    assert!(resizer.resize(&picture, 0, 25, Filter::Box, &mut found).is_err());
}

#[test]
fn colours_and_blurs_equal_pillow_within_one_level() {
    for case in fixture().adjust {
        let mut picture = noise(case.seed, case.height, case.width);
        let factor = case.factor as f32;
        match case.name.as_str() {
            "grayscale" => colour::grayscale(&mut picture),
            "brightness" => colour::brightness(&mut picture, factor),
            "contrast" => colour::contrast(&mut picture, factor),
            "saturation" => colour::saturation(&mut picture, factor),
            "hue" => colour::hue(&mut picture, case.factor),
            "blur" => blur::gaussian(&mut picture, factor, &mut BlurScratch::default()),
            other => panic!("unknown case {other}"),
        }
        let (largest, share) = compare(&picture.pixels, &base64(&case.rgb));
        assert!(largest <= 1, "{} {}: off by {largest}", case.name, case.factor);
        assert!(share > 0.99, "{} {}: {share} equal", case.name, case.factor);
    }
}

#[test]
fn files_of_every_kind_decode_as_in_pillow() {
    for case in fixture().files {
        let picture = decode(&base64(&case.file), &case.name, None, &DecodeOptions::default()).unwrap();
        assert_eq!(
            [picture.height, picture.width],
            [case.height, case.width],
            "{}",
            case.name
        );
        let (largest, share) = compare(&picture.pixels, &base64(&case.rgb));
        println!(
            "{}: off by at most {largest}, {:.1} % equal",
            case.name,
            100.0 * share
        );
        // The standard leaves the inverse DCT and chroma upsampling to the decoder.
        let allowed = if case.name.ends_with(".jpg") { 6 } else { 0 };
        assert!(largest <= allowed, "{}: off by {largest}", case.name);
    }
}

#[test]
fn exif_orientation_is_applied_only_when_asked() {
    let case = fixture()
        .files
        .into_iter()
        .find(|c| c.name == "turned.jpg")
        .unwrap();
    let plain = decode(&base64(&case.file), "a", None, &DecodeOptions::default()).unwrap();
    let options = DecodeOptions {
        exif: true,
        ..Default::default()
    };
    let turned = decode(&base64(&case.file), "a", None, &options).unwrap();
    assert_eq!([turned.width, turned.height], [plain.height, plain.width]);
    // Orientation 6: turn clockwise, so that the left column becomes the top row.
    assert_eq!(turned.pixel(0, 0), plain.pixel(0, plain.height - 1));
    assert_eq!(turned.pixel(turned.width - 1, 0), plain.pixel(0, 0));
}

#[test]
fn orientations_are_what_exif_says() {
    // A 2 × 3 picture, named by its pixels:  a b / c d / e f.
    let letters = |text: &str, width: usize| {
        let pixels = text.bytes().flat_map(|b| [b; 3]).collect::<Vec<u8>>();
        Picture {
            width,
            height: text.len() / width,
            pixels,
        }
    };
    for (orientation, wanted, width) in [
        (1, "abcdef", 2),
        (2, "badcfe", 2),
        (3, "fedcba", 2),
        (4, "efcdab", 2),
        (5, "acebdf", 3),
        (6, "ecafdb", 3),
        (7, "fdbeca", 3),
        (8, "bdface", 3),
    ] {
        let mut picture = letters("abcdef", 2);
        ops::orient(&mut picture, orientation);
        assert_eq!(picture, letters(wanted, width), "orientation {orientation}");
    }
}

fn png(picture: &Picture) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::write_buffer_with_format(
        &mut Cursor::new(&mut bytes),
        &picture.pixels,
        picture.width as u32,
        picture.height as u32,
        image::ExtendedColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .unwrap();
    bytes
}

pub(crate) fn jpeg(picture: &Picture, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder
        .encode(
            &picture.pixels,
            picture.width as u32,
            picture.height as u32,
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    bytes
}

#[test]
fn limits_hold_before_pixels_are_read() {
    // A header that announces 60,000 × 60,000 pixels and holds none.
    let mut bytes = png(&noise(1, 4, 4));
    bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    let error = decode(&bytes, "bomb.png", None, &DecodeOptions::default()).unwrap_err();
    assert!(
        matches!(error, ImageError::TooLarge { width: 60_000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("bomb.png"));

    let bytes = png(&noise(1, 40, 50));
    for (limits, word) in [
        (
            Limits {
                max_side: 49,
                ..Default::default()
            },
            "49 pixels a side",
        ),
        (
            Limits {
                max_pixels: 1_999,
                ..Default::default()
            },
            "1999 pixels",
        ),
        (
            Limits {
                max_bytes: 11_999,
                ..Default::default()
            },
            "11999 bytes",
        ),
    ] {
        let options = DecodeOptions { exif: false, limits };
        let words = decode(&bytes, "a", None, &options).unwrap_err().to_string();
        assert!(words.contains(word), "{words}");
    }
    assert!(
        decode(
            &bytes,
            "a",
            None,
            &DecodeOptions {
                exif: false,
                limits: Limits {
                    max_side: 50,
                    max_pixels: 2_000,
                    max_bytes: 1 << 20
                }
            }
        )
        .is_ok()
    );
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn what_is_no_image_is_named() {
    let fail = |bytes: &[u8]| decode(bytes, "shop/1.jpg", None, &DecodeOptions::default()).unwrap_err();
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"<html>404</html>", "text"),
        (&[0, 1, 2, 3], "00 01 02 03"),
    ] {
        let words = fail(bytes).to_string();
        assert!(words.contains("shop/1.jpg") && words.contains(word), "{words}");
    }
    let whole = jpeg(&noise(2, 60, 80), 90);
    for part in [whole.len() - 2, whole.len() / 2, 700, 20, 3] {
        let error = fail(&whole[..part]);
        assert!(
            matches!(error, ImageError::Broken { .. }),
            "{part} bytes: {error}"
        );
    }
    let whole = png(&noise(2, 60, 80));
    for part in [whole.len() / 2, 40, 9] {
        assert!(matches!(fail(&whole[..part]), ImageError::Broken { .. }));
    }
}

#[test]
fn damaged_files_never_panic() {
    let mut stream = crate::random::stream(5, "test", &[]);
    for case in fixture().files {
        let whole = base64(&case.file);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..1 + stream.below(6) {
                let at = stream.below(bytes.len());
                bytes[at] = stream.bits() as u8;
            }
            bytes.truncate(1 + stream.below(bytes.len()));
            let options = DecodeOptions {
                exif: true,
                limits: Limits {
                    max_bytes: 1 << 24,
                    ..Default::default()
                },
            };
            if let Ok(picture) = decode(&bytes, "a", None, &options) {
                assert_eq!(picture.pixels.len(), picture.width * picture.height * 3);
            }
        }
    }
}

#[test]
fn boxes_are_rounded_and_clipped_as_stated() {
    let picture = noise(1, 6, 8);
    let bytes = png(&picture);
    let cut = |bounds| decode(&bytes, "a", Some(bounds), &DecodeOptions::default());
    let part = cut([0.5, 1.5, 3.5, 20.0]).unwrap();
    // Half to even: 0.5 → 0, 1.5 → 2, 3.5 → 4; 20 is clipped to 6.
    assert_eq!([part.width, part.height], [4, 4]);
    assert_eq!(part.pixel(0, 0), picture.pixel(0, 2));
    assert_eq!(part.pixel(3, 3), picture.pixel(3, 5));
    assert_eq!(cut([-9.0, -9.0, 99.0, 99.0]).unwrap(), picture);
    for empty in [
        [3.0, 0.0, 3.0, 6.0],
        [5.0, 0.0, 2.0, 6.0],
        [8.0, 0.0, 12.0, 6.0],
        [f32::NAN, 0.0, 3.0, 3.0],
    ] {
        let error = cut(empty).unwrap_err();
        assert!(matches!(error, ImageError::EmptyBox { .. }), "{error}");
    }
}

#[test]
fn torchvision_sizes_and_offsets() {
    assert_eq!(ops::short_side_size(480, 640, 256, None), [256, 341]);
    assert_eq!(ops::short_side_size(500, 333, 256, None), [384, 256]);
    assert_eq!(ops::short_side_size(480, 640, 256, Some(300)), [225, 300]);
    for (outer, inner, wanted) in [
        (341, 224, 58),
        (257, 224, 16),
        (259, 224, 18),
        (225, 224, 0),
        (227, 224, 2),
        (224, 224, 0),
    ] {
        assert_eq!(ops::centre_offset(outer, inner), wanted, "{outer} → {inner}");
    }
}

#[test]
fn letterbox_pads_and_centre_crop_keep_the_middle() {
    let mut resizer = Resizer::default();
    let (mut inner, mut out) = (Picture::default(), Picture::default());
    let picture = noise(1, 2, 3);
    ops::letterbox(
        &mut resizer,
        &picture,
        5,
        6,
        [255; 3],
        Filter::Bilinear,
        false,
        &mut inner,
        &mut out,
    )
    .unwrap();
    // Not enlarged: 3 × 2 in 6 × 5, margins 1 at the left and top.
    assert_eq!(out.pixel(1, 1), picture.pixel(0, 0));
    assert_eq!(out.pixel(3, 2), picture.pixel(2, 1));
    assert_eq!([out.pixel(0, 0), out.pixel(4, 1), out.pixel(1, 3)], [[255; 3]; 3]);
    assert_eq!(ops::letterbox_size(2, 3, 5, 6, true), [4, 6]);
    assert_eq!(ops::letterbox_size(400, 300, 320, 320, false), [320, 240]);
    assert_eq!(ops::letterbox_size(1, 10_000, 320, 320, false), [1, 320]);

    ops::pad(&picture, 2, [9, 8, 7], &mut out);
    assert_eq!([out.width, out.height], [7, 6]);
    assert_eq!(
        [out.pixel(0, 0), out.pixel(2, 2)],
        [[9, 8, 7], picture.pixel(0, 0)]
    );

    let picture = noise(1, 5, 7);
    ops::centre_crop(&picture, 2, 4, &mut out);
    // (5 − 2) / 2 = 1.5 → 2; (7 − 4) / 2 = 1.5 → 2.
    assert_eq!(out.pixel(0, 0), picture.pixel(2, 2));
    ops::centre_crop(&picture, 8, 2, &mut out);
    assert_eq!([out.pixel(0, 0), out.pixel(0, 1)], [[0; 3], picture.pixel(2, 0)]);
}

#[derive(Deserialize)]
struct LetterboxFixture {
    cases: Vec<LetterboxCase>,
    sizes: Vec<[usize; 6]>,
}

#[derive(Deserialize)]
struct LetterboxCase {
    seed: u32,
    height: usize,
    width: usize,
    #[serde(rename = "box")]
    bounds: Option<[usize; 4]>,
    filter: Filter,
    to_height: usize,
    to_width: usize,
    rgb: String,
}

#[test]
fn boxes_in_letterboxes_equal_pillow_within_one_level() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/letterbox.json");
    let fixture: LetterboxFixture = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut resizer = Resizer::default();
    let (mut inner, mut out) = (Picture::default(), Picture::default());
    for case in fixture.cases {
        let mut picture = noise(case.seed, case.height, case.width);
        if let Some([x1, y1, x2, y2]) = case.bounds {
            ops::crop_in_place(&mut picture, x1, y1, x2 - x1, y2 - y1);
        }
        let (height, width, white) = (case.to_height, case.to_width, [255; 3]);
        ops::letterbox(
            &mut resizer,
            &picture,
            height,
            width,
            white,
            case.filter,
            false,
            &mut inner,
            &mut out,
        )
        .unwrap();
        let (largest, _) = compare(&out.pixels, &base64(&case.rgb));
        assert!(
            largest <= 1,
            "seed {} {:?}: off by {largest}",
            case.seed,
            case.filter
        );
    }
    for [height, width, to_height, to_width, new_height, new_width] in fixture.sizes {
        assert_eq!(
            ops::letterbox_size(height, width, to_height, to_width, false),
            [new_height, new_width],
            "{width}×{height} in {to_width}×{to_height}"
        );
    }
}

#[test]
fn a_flip_undoes_itself() {
    let picture = noise(1, 3, 4);
    let mut flipped = picture.clone();
    ops::flip(&mut flipped);
    assert_eq!(flipped.pixel(0, 1), picture.pixel(3, 1));
    assert_eq!(flipped.pixel(1, 2), picture.pixel(2, 2));
    ops::flip(&mut flipped);
    assert_eq!(flipped, picture);
}

#[test]
fn baseline_files_in_several_scans_are_told_by_their_headers() {
    use super::decode::{JpegLayout, jpeg_layout};
    let file = |frame: u8, luma: u8, in_scan: u8| {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, frame, 0, 17, 8, 0, 16, 0, 16, 3];
        bytes.extend([1, luma, 0, 2, 0x11, 1, 3, 0x11, 1]);
        bytes.extend([0xFF, 0xDA, 0, 6 + 2 * in_scan, in_scan]);
        bytes.extend(vec![0; usize::from(in_scan) * 2 + 3]);
        bytes.extend([0xFF, 0xD9]);
        jpeg_layout(&bytes)
    };
    // Baseline, halved chroma, one channel in the first scan; then one thing after the other is otherwise.
    assert_eq!(file(0xC0, 0x22, 1), JpegLayout::SeparateScans);
    assert_eq!(file(0xC0, 0x22, 3), JpegLayout::Usual);
    assert_eq!(file(0xC0, 0x11, 1), JpegLayout::Usual);
    assert_eq!(file(0xC2, 0x22, 1), JpegLayout::Usual);
    assert_eq!(jpeg_layout(&[0xFF, 0xD8, 0xFF, 0xDA, 0, 8, 1]), JpegLayout::Cut);
}
