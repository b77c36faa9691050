//! Images per second of one core: decoding, resizing, and whole pipelines (of the centroid triplet loss and of fine-tuning), on synthetic
//! 500 × 375 JPEGs, or on the first JPEGs below the folder `TAILOR_BENCH_PICTURES`.
//!
//! `cargo bench --bench loader` leaves the JPEGs in `target/bench-images`; `scripts/bench/loader.py` then measures Pillow and torchvision on
//! the same files and prints both.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tailor::data::image::{DecodeOptions, Filter, Picture, Resizer, decode_into};
use tailor::data::transform::{IMAGENET_MEAN, IMAGENET_STD, Op, Pipeline, Scratch};
use tailor::random;

const COUNT: u64 = 16;

/// Of a folder's pictures, this many, evenly spread.
const OF_FOLDER: usize = 64;

/// Soft blobs and a few hard edges with some grain: about as hard to decode as a product photo.
fn picture(index: u64) -> Picture {
    let mut stream = random::stream(1, "bench", &[index]);
    let mut picture = Picture::filled(500, 375, [0; 3]);
    let waves: Vec<[f64; 4]> = (0..9)
        .map(|_| {
            [
                stream.between(-0.05, 0.05),
                stream.between(-0.05, 0.05),
                stream.between(0.0, 6.3),
                stream.between(20.0, 45.0),
            ]
        })
        .collect();
    let (left, top) = (stream.below(250), stream.below(180));
    for y in 0..375 {
        for x in 0..500 {
            let edge = if (left..left + 200).contains(&x) && (top..top + 150).contains(&y) {
                60.0
            } else {
                0.0
            };
            for channel in 0..3 {
                let soft: f64 = waves[channel * 3..channel * 3 + 3]
                    .iter()
                    .map(|w| w[3] * (w[0] * x as f64 + w[1] * y as f64 + w[2]).sin())
                    .sum();
                let value = 120.0 + soft + edge + stream.between(-8.0, 8.0);
                picture.pixels[(y * 500 + x) * 3 + channel] = value as u8;
            }
        }
    }
    picture
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of pictures");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        match path.is_dir() {
            true => below(&path, found),
            false if path.extension().is_some_and(|e| e == "jpg") => found.push(path),
            false => {}
        }
    }
}

fn jpegs() -> Vec<Vec<u8>> {
    let folder = Path::new("target/bench-images");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).expect("a folder for the images");
    if let Some(pictures) = std::env::var_os("TAILOR_BENCH_PICTURES") {
        let mut found = Vec::new();
        below(Path::new(&pictures), &mut found);
        found.sort();
        let every = (found.len() / OF_FOLDER).max(1);
        let chosen = found.iter().step_by(every).take(OF_FOLDER);
        return chosen
            .enumerate()
            .map(|(index, path)| {
                let bytes = std::fs::read(path).expect("a picture");
                std::fs::write(folder.join(format!("{index:02}.jpg")), &bytes).expect("room for an image");
                bytes
            })
            .collect();
    }
    (0..COUNT)
        .map(|index| {
            let picture = picture(index);
            let mut bytes = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90)
                .encode(&picture.pixels, 500, 375, image::ExtendedColorType::Rgb8)
                .expect("an RGB picture");
            std::fs::write(folder.join(format!("{index:02}.jpg")), &bytes).expect("room for an image");
            bytes
        })
        .collect()
}

fn training() -> Pipeline {
    Pipeline::new(vec![
        Op::Resize {
            height: 256,
            width: 128,
            filter: Filter::Bilinear,
        },
        Op::Flip { p: 0.5 },
        Op::Pad {
            pixels: 10,
            fill: [0; 3],
        },
        Op::RandomCrop {
            height: 256,
            width: 128,
        },
        Op::Normalize {
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        },
        Op::RandomErase {
            p: 0.5,
            area: [0.02, 0.4],
            aspect: [0.3, 1.0 / 0.3],
            tries: 100,
            fill: Default::default(),
        },
    ])
    .expect("a valid pipeline")
}

/// Of `recipes/finetune-clothing.toml`.
fn fine_tuning() -> Pipeline {
    Pipeline::new(vec![
        Op::RandomResizedCrop {
            height: 144,
            width: 144,
            scale: [0.5, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            filter: Filter::Bicubic,
        },
        Op::Flip { p: 0.5 },
        Op::ColorJitter {
            brightness: 0.2,
            contrast: 0.2,
            saturation: 0.2,
            hue: 0.0,
        },
        Op::Normalize {
            mean: [0.5; 3],
            std: [0.5; 3],
        },
    ])
    .expect("a valid pipeline")
}

fn loader(c: &mut Criterion) {
    let files = jpegs();
    let options = DecodeOptions::default();
    let mut decoded = Picture::default();
    let pictures: Vec<Picture> = files
        .iter()
        .map(|bytes| {
            decode_into(bytes, "bench", None, &options, &mut decoded).expect("a valid JPEG");
            decoded.clone()
        })
        .collect();

    let mut group = c.benchmark_group("loader");
    group.throughput(Throughput::Elements(files.len() as u64));
    group.bench_function("decode", |b| {
        b.iter(|| {
            for bytes in &files {
                decode_into(black_box(bytes), "bench", None, &options, &mut decoded).expect("a valid JPEG");
            }
        });
    });
    let (mut resizer, mut small) = (Resizer::default(), Picture::default());
    for (name, height, width, filter) in [
        ("resize_256x128_bilinear", 256, 128, Filter::Bilinear),
        ("resize_224x224_bicubic", 224, 224, Filter::Bicubic),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                for picture in &pictures {
                    resizer
                        .resize(black_box(picture), height, width, filter, &mut small)
                        .expect("valid sizes");
                }
            });
        });
    }
    let mut scratch = Scratch::default();
    for (name, pipeline) in [("pipeline", training()), ("pipeline_finetune", fine_tuning())] {
        let [height, width] = pipeline.output();
        let mut out = vec![0.0; 3 * height * width];
        group.bench_function(name, |b| {
            let mut epoch = 0;
            b.iter(|| {
                epoch += 1;
                for (row, bytes) in files.iter().enumerate() {
                    decode_into(bytes, "bench", None, &options, &mut decoded).expect("a valid JPEG");
                    let mut stream = random::stream(1, "augment", &[epoch, row as u64]);
                    pipeline
                        .apply(&decoded, &mut stream, &mut scratch, &mut out)
                        .expect("a valid pipeline");
                    black_box(&out);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, loader);
criterion_main!(benches);
