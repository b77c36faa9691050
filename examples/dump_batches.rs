//! Writes the training batches of a recipe, to the bit as `tailor train` sees them, so that another framework can train on the same.
//!
//! ```text
//! cargo run --release --example dump_batches -- RECIPE FOLDER [KEY=VALUE …]
//! ```
//!
//! FOLDER gets `epoch-NNN.safetensors` for each epoch of the recipe, with `pixels` f32 `[batches, batch, 3, height, width]` (normalised RGB),
//! `labels` i32 `[batches, batch]` and `real` u8 `[batches, batch]` (0: padding); `eval.safetensors` with `queries.pixels` `[items, 3, height, width]`,
//! `queries.labels` `[items]`, `gallery.pixels`, `gallery.labels`; and `recipe.json`, the recipe with every setting applied.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::TensorData;
use tailor::backbones::weights;
use tailor::data::feed::{Feed, Job};
use tailor::data::image_feed::ImageFeed;
use tailor::data::sampler::SamplerSection;
use tailor::data::section::DataSection;
use tailor::data::transform::Pipeline;
use tailor::data::{self, Table};
use tailor::recipe::Recipe;
use tailor::train::TrainError;
use tailor::train::retrieval::EvalSection;
use tailor::train::settings::TrainSection;

fn main() -> miette::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [recipe, folder, sets @ ..] = args.as_slice() else {
        miette::bail!("give a recipe and a folder: dump_batches RECIPE FOLDER [KEY=VALUE …]");
    };
    Ok(dump(
        &Recipe::load(recipe, sets).map_err(tailor::Error::from)?,
        Path::new(folder),
    )?)
}

fn dump(recipe: &Recipe, folder: &Path) -> tailor::Result<()> {
    let mut reader = recipe.reader();
    let section: Option<DataSection> = reader.section_required("data");
    let train: Option<TrainSection> = reader.section_required("train");
    let eval: Option<EvalSection> = reader.section("eval");
    reader.skip_rest();
    reader.finish()?;
    let (section, train) = (section.expect("it is required"), train.expect("it is required"));
    let split = eval.unwrap_or_default().split.into();

    let table = Arc::new(data::open(&section.dataset)?);
    let feed = |rows: Vec<usize>, sampler: SamplerSection, ops: &[_]| -> tailor::Result<ImageFeed> {
        let pipeline = Pipeline::new(ops.to_vec())?;
        Ok(ImageFeed::new(
            table.clone(),
            rows,
            sampler,
            pipeline,
            section.decode,
            train.seed,
        ))
    };
    let training = feed(table.train(), section.sampler.clone(), &section.train_transform)?;
    for epoch in 0..train.epochs {
        let path = folder.join(format!("epoch-{epoch:03}.safetensors"));
        write(path, Stack::of(&training, epoch)?.batches())?;
    }
    let mut both = BTreeMap::new();
    for (name, rows) in [
        ("queries.", table.queries_of(split)),
        ("gallery.", table.gallery_of(split)),
    ] {
        let labels = numbers(&table, &rows);
        let items = feed(
            rows,
            SamplerSection::Sequential { batch: 64 },
            &section.eval_transform,
        )?;
        both.extend(Stack::of(&items, 0)?.items(name, labels));
    }
    write(folder.join("eval.safetensors"), both)?;
    let text = recipe.to_json().to_string();
    tailor::files::write_whole(&folder.join("recipe.json"), |file| {
        file.write_all(text.as_bytes())
    })?;
    Ok(())
}

/// The label of each row as its place among all labels of the table.
fn numbers(table: &Table, rows: &[usize]) -> Vec<i32> {
    let classes = table.classes(&(0..table.items.len()).collect::<Vec<_>>());
    let number = |&row: &usize| {
        classes
            .index(&table.items[row].label)
            .expect("the label is the table's")
    };
    rows.iter().map(|row| number(row) as i32).collect()
}

/// The batches of an epoch, one after another.
#[derive(Default)]
struct Stack {
    batches: usize,
    shape: [usize; 4],
    pixels: Vec<f32>,
    labels: Vec<i32>,
    real: Vec<u8>,
}

type Tensors = BTreeMap<String, TensorData>;

impl Stack {
    fn of(feed: &ImageFeed, epoch: u64) -> Result<Self, TrainError> {
        let mut all = Self::default();
        let mut scratch = Default::default();
        for batch in 0..feed.batches(epoch)? {
            let host = feed.load(Job { epoch, batch }, &mut scratch)?;
            all.batches += 1;
            all.shape = host.shape;
            all.pixels.extend(host.pixels);
            all.labels.extend(host.labels);
            all.real.extend(host.real.into_iter().map(u8::from));
        }
        Ok(all)
    }

    fn batches(self) -> Tensors {
        let [batch, channels, height, width] = self.shape;
        let count = self.batches;
        BTreeMap::from([
            (
                "pixels".into(),
                TensorData::new(self.pixels, [count, batch, channels, height, width]),
            ),
            ("labels".into(), TensorData::new(self.labels, [count, batch])),
            ("real".into(), TensorData::new(self.real, [count, batch])),
        ])
    }

    /// Without the padding of the last batch.
    fn items(mut self, prefix: &str, labels: Vec<i32>) -> Tensors {
        let [_, channels, height, width] = self.shape;
        self.pixels.truncate(labels.len() * channels * height * width);
        let count = labels.len();
        BTreeMap::from([
            (
                format!("{prefix}pixels"),
                TensorData::new(self.pixels, [count, channels, height, width]),
            ),
            (format!("{prefix}labels"), TensorData::new(labels, [count])),
        ])
    }
}

fn write(path: PathBuf, tensors: Tensors) -> tailor::Result<()> {
    weights::write(&path, &tensors, &BTreeMap::new())?;
    println!("{}", path.display());
    Ok(())
}
