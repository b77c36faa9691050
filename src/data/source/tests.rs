use std::io;

use super::*;
use crate::data::image::tests::{jpeg, noise};
use crate::data::loader::Loader;
use crate::data::sampler::{Cursor, SamplerSection, Slot};
use crate::data::transform::Op;

fn read(row: usize) -> Result<Encoded<'static>, io::Error> {
    if row == 9 {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    let bytes = if row == 8 {
        b"nothing".to_vec()
    } else {
        jpeg(&noise(row as u32, 20, 14 + row), 90)
    };
    Ok(Encoded {
        bytes: Cow::Owned(bytes),
        name: Cow::Owned(format!("{row}.jpg")),
        crop: None,
    })
}

fn source() -> ImageSource<fn(usize) -> Result<Encoded<'static>, io::Error>> {
    let ops = vec![
        Op::Resize {
            height: 8,
            width: 6,
            filter: Default::default(),
        },
        Op::Flip { p: 0.5 },
        Op::Pad {
            pixels: 1,
            fill: [0; 3],
        },
        Op::RandomCrop { height: 8, width: 6 },
        Op::Normalize {
            mean: [0.5; 3],
            std: [0.5; 3],
        },
    ];
    ImageSource {
        images: read,
        labels: vec![0, 0, 1, 1, 2, 2, 3, 3, 4, 5],
        pipeline: Pipeline::new(ops).unwrap(),
        decode: DecodeOptions::default(),
        seed: 3,
    }
}

fn job(epoch: u64, rows: &[(usize, bool)]) -> BatchJob {
    BatchJob {
        cursor: Cursor { epoch, batch: 0 },
        batches: 1,
        slots: rows.iter().map(|&(row, real)| Slot { row, real }).collect(),
    }
}

#[test]
fn a_batch_holds_images_labels_and_blanks() {
    let (source, mut worker) = (source(), ImageWorker::default());
    let batch = source
        .batch(&mut worker, &job(0, &[(4, true), (1, true), (0, false)]))
        .unwrap();
    assert_eq!(batch.shape, [3, 3, 8, 6]);
    assert_eq!((batch.labels, batch.rows), (vec![2, 0, 0], vec![4, 1, 0]));
    assert_eq!(batch.real, [true, true, false]);
    let size = 3 * 8 * 6;
    assert!(batch.pixels[2 * size..].iter().all(|&v| v == 0.0));
    assert!(batch.pixels[..2 * size].iter().any(|&v| v != 0.0));
}

#[test]
fn augmentation_depends_on_epoch_and_row_not_on_the_place() {
    let (source, mut worker) = (source(), ImageWorker::default());
    let size = 3 * 8 * 6;
    let mut make =
        |epoch, rows: &[(usize, bool)]| source.batch(&mut worker, &job(epoch, rows)).unwrap().pixels;
    let one = make(0, &[(4, true), (1, true)]);
    let other = make(0, &[(1, true), (4, true)]);
    assert_eq!(one[..size], other[size..]);
    let epochs: Vec<Vec<f32>> = (0..6).map(|epoch| make(epoch, &[(4, true)])).collect();
    assert!(epochs.iter().any(|e| *e != epochs[0]));
    // A row that a batch repeats is augmented anew each time.
    let again = make(0, &[(4, true); 6]);
    assert_eq!(again[..size], one[..size]);
    assert!(again.chunks(size).any(|copy| copy != &again[..size]));
}

#[test]
fn errors_name_the_file_or_the_row() {
    let (source, mut worker) = (source(), ImageWorker::default());
    let mut words = |row| {
        let error = source
            .batch(&mut worker, &job(0, &[(0, true), (row, true)]))
            .unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        (error.to_string(), cause.unwrap_or_default())
    };
    let (broken, why) = words(8);
    assert_eq!(broken, "the picture of row 9 cannot be used");
    assert!(why.contains("8.jpg"), "{why}");
    assert_eq!(words(9).0, "the picture of row 10 cannot be used");
    assert!(words(10).0.contains("10 rows"));
}

#[test]
fn a_run_is_the_same_with_one_thread_and_with_four() {
    let labels: Vec<i32> = source().labels[..8].to_vec();
    let section = SamplerSection::Pk {
        classes: 2,
        per_class: 2,
        small_classes: Default::default(),
        remainder: Default::default(),
        drop_singletons: true,
    };
    let run = |workers| {
        let source = source();
        let jobs = section
            .walk(5, labels.clone(), Cursor::default())
            .unwrap()
            .take(12);
        let make = move |worker: &mut ImageWorker, job: BatchJob| source.batch(worker, &job);
        let loader = Loader::spawn(workers, 3, jobs, ImageWorker::default, make).unwrap();
        loader.map(Result::unwrap).collect::<Vec<ImageBatch>>()
    };
    let one = run(1);
    assert_eq!(one.len(), 12);
    assert!(one == run(4));
}
