//! `tailor codes`: regions of items by density-dependent hashing, and sketches of sets of them.

use super::near::near_ids;
use super::{CliError, say};
use crate::export::codes::{ItemCodes, read_codes, write_codes};
use crate::export::embeddings::{write_ids, write_npy};
use crate::export::gallery::{Format, Gallery};
use crate::files::read_text;
use crate::papers::emde::{Bias, Bits, Codes, Dlsh, DlshConfig, EmdeError};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// `tailor codes …`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor embed first --images catalogue/ --out catalogue.parquet
  tailor codes fit catalogue.parquet --depth 10 --width 128 --hash dlsh.safetensors --out codes.json
  tailor codes encode new.parquet --hash dlsh.safetensors --out new.json
  tailor codes sketch codes.json --hash dlsh.safetensors --sets baskets.jsonl --normalise l2 --out baskets.npy

A line of --sets: {\"id\": \"basket 7\", \"items\": [\"shoe 1\", \"hat 3\"], \"weights\": [1, 2]}. With \"seconds\" in the place of \"weights\",
the seconds between each item and the one before, it is a history that fades: alpha^(rate * seconds).")]
pub struct CodesArgs {
    #[command(subcommand)]
    verb: CodesVerb,
}

#[derive(Debug, clap::Subcommand)]
enum CodesVerb {
    /// Put hyperplanes where the vectors are dense, and write each item's regions.
    Fit(FitArgs),
    /// Write the regions of further vectors of the same model.
    Encode(EncodeArgs),
    /// Count sets of items in their regions.
    Sketch(SketchArgs),
}

#[derive(Debug, clap::Args)]
struct FitArgs {
    /// What `tailor embed` wrote, or another tool: .parquet or .npy.
    vectors: PathBuf,
    /// Partitions of the space.
    #[arg(long, default_value_t = 10)]
    depth: usize,
    /// Regions of each: a power of two, or with --sixteen any number.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Where hyperplanes stand.
    #[arg(long, value_enum, default_value_t)]
    bias: Bias,
    /// The released code's way: sixteen hyperplanes a partition, modulo the width.
    #[arg(long)]
    sixteen: bool,
    /// Of the hyperplanes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the hyperplanes go: .safetensors.
    #[arg(long, value_name = "FILE")]
    hash: PathBuf,
    /// Where the items' regions go: .json.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct EncodeArgs {
    /// What `tailor embed` wrote, or another tool: .parquet or .npy.
    vectors: PathBuf,
    /// What `tailor codes fit` wrote.
    #[arg(long, value_name = "FILE")]
    hash: PathBuf,
    /// Where the items' regions go: .json.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct SketchArgs {
    /// Items' regions: .json. Several modalities of the same items stand side by side.
    #[arg(required = true)]
    codes: Vec<PathBuf>,
    /// What `tailor codes fit` wrote: one for each file of codes, in their order. It says how many regions a partition has.
    #[arg(long, value_name = "FILE")]
    hash: Vec<PathBuf>,
    /// Regions of a partition, as the codes were fitted. Without this and --hash: the smallest power of two above the highest region.
    #[arg(long, conflicts_with = "hash")]
    width: Option<usize>,
    /// Sets of items, one JSON object a line.
    #[arg(long, value_name = "FILE.jsonl")]
    sets: PathBuf,
    /// What each partition's counts are divided by.
    #[arg(long, value_enum, default_value_t)]
    normalise: Normalise,
    /// Of what remains after 1 / rate seconds, in histories.
    #[arg(long, default_value_t = 0.9)]
    alpha: f32,
    /// How fast histories fade.
    #[arg(long, default_value_t = 0.01)]
    rate: f32,
    /// Where the sketches go, `[sets, partitions * width]`: .npy; their ids beside it as .txt.
    #[arg(long, value_name = "FILE.npy")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Normalise {
    /// Nothing: counts.
    #[default]
    None,
    /// Their length: what a network takes in.
    L2,
    /// Their sum: shares.
    L1,
}

/// A line of `--sets`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    id: Option<String>,
    items: Vec<String>,
    weights: Option<Vec<f32>>,
    seconds: Option<Vec<f32>>,
}

/// Sets that cannot be sketched.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SetsError {
    /// A line that is no set of known items.
    #[error("{}, line {line}: {problem}", path.display())]
    #[diagnostic(help("{remedy}"))]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Hyperplanes of other codes, or regions that no hyperplanes gave.
    #[error("{}: {problem}", path.display())]
    #[diagnostic(help("{remedy}"))]
    Width {
        /// The file of codes.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Modalities of other items.
    #[error("{} lacks `{id}`, which {} has", path.display(), other.display())]
    #[diagnostic(help(
        "codes that stand side by side are of the same items: give each item a code in every file"
    ))]
    Modality {
        /// The file.
        path: PathBuf,
        /// The item.
        id: String,
        /// The first file.
        other: PathBuf,
    },
    /// Nothing to do.
    #[error("{} has no set", .0.display())]
    #[diagnostic(help("write one JSON object a line: {{\"id\": \"basket 7\", \"items\": [\"shoe 1\"]}}"))]
    Empty(PathBuf),
}

/// Runs the verb.
pub fn run(args: CodesArgs) -> crate::Result<()> {
    match args.verb {
        CodesVerb::Fit(args) => fit(&args),
        CodesVerb::Encode(args) => encode(&args),
        CodesVerb::Sketch(args) => sketch(&args),
    }
}

fn fit(args: &FitArgs) -> crate::Result<()> {
    refuse([&args.hash, &args.out], &args.vectors, args.force)?;
    let config = DlshConfig {
        depth: args.depth,
        width: args.width,
        bias: args.bias,
        bits: if args.sixteen { Bits::Sixteen } else { Bits::Direct },
        seed: args.seed,
    };
    let gallery = Gallery::read(&args.vectors)?;
    let dlsh = Dlsh::fit(&gallery.vectors, gallery.dimensions, &config)?;
    let codes = dlsh.codes(&gallery.vectors)?;
    write_codes(&args.out, &gallery.ids, &codes, args.depth)?;
    dlsh.write(&args.hash)?;
    say!("hash     {}", args.hash.display());
    told(&args.out, &codes, args.depth, args.width);
    Ok(())
}

fn encode(args: &EncodeArgs) -> crate::Result<()> {
    refuse([&args.out], &args.vectors, args.force)?;
    let dlsh = Dlsh::read(&args.hash)?;
    let gallery = Gallery::read(&args.vectors)?;
    if gallery.dimensions != dlsh.dim() {
        return Err(EmdeError::Dimensions {
            found: gallery.dimensions,
            expected: dlsh.dim(),
        }
        .into());
    }
    let codes = dlsh.codes(&gallery.vectors)?;
    write_codes(&args.out, &gallery.ids, &codes, dlsh.depth())?;
    told(&args.out, &codes, dlsh.depth(), dlsh.width());
    Ok(())
}

/// Where the codes are, and how evenly they fill the regions.
fn told(out: &Path, codes: &[u32], depth: usize, width: usize) {
    let items = codes.len() / depth;
    let mut counts = vec![0usize; depth * width];
    for (at, code) in codes.iter().enumerate() {
        counts[at % depth * width + *code as usize] += 1;
    }
    let filled = counts.iter().filter(|count| **count > 0).count();
    let fullest = counts.iter().max().copied().unwrap_or(0);
    say!(
        "codes    {}: {items} items, {depth} partitions of {width} regions, {:.0} % of them in use, at most {fullest} items in one",
        out.display(),
        100.0 * filled as f64 / counts.len() as f64
    );
}

fn sketch(args: &SketchArgs) -> crate::Result<()> {
    let ids_file = args.out.with_extension("txt");
    refuse([&args.out, &ids_file], &args.sets, args.force)?;
    let all: Vec<ItemCodes> = args
        .codes
        .iter()
        .map(|path| read_codes(path))
        .collect::<Result<_, _>>()?;
    let width = width(args, &all)?;
    let mut all = all.into_iter();
    let first = all.next().expect("one file of codes is the least");
    let index: HashMap<&str, usize> = first
        .ids
        .iter()
        .enumerate()
        .map(|(at, id)| (id.as_str(), at))
        .collect();
    let mut codes = Codes::new(first.codes.clone(), first.depth, width)?;
    for (other, path) in all.zip(&args.codes[1..]) {
        let other = aligned(&first, other, path, &args.codes[0])?;
        codes = codes.beside(&Codes::new(other.codes, other.depth, width)?)?;
    }
    let (mut values, mut ids, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for (at, line) in read_text(&args.sets)?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let fault = |problem: String, remedy: &str| SetsError::Line {
            path: args.sets.clone(),
            line: at + 1,
            problem,
            remedy: remedy.into(),
        };
        let set: Set = serde_json::from_str(line).map_err(|error| {
            fault(
                error.to_string(),
                "a line is {\"id\": \"basket 7\", \"items\": [\"shoe 1\", \"hat 3\"], \"weights\": [1, 2]}",
            )
        })?;
        let numbers = match (&set.weights, &set.seconds) {
            (Some(_), Some(_)) => {
                return Err(fault(
                    "it has weights and seconds".into(),
                    "a set has weights, a history has seconds: leave one of them out",
                )
                .into());
            }
            (Some(numbers), None) | (None, Some(numbers)) => numbers.clone(),
            (None, None) => vec![1.0; set.items.len()],
        };
        if numbers.len() != set.items.len() {
            return Err(fault(
                format!("{} numbers for {} items", numbers.len(), set.items.len()),
                "give one number for each item",
            )
            .into());
        }
        if set.items.is_empty() {
            empty.push(at + 1);
        }
        let mut items = Vec::with_capacity(set.items.len());
        for (item, number) in set.items.iter().zip(numbers) {
            match index.get(item.as_str()) {
                Some(&known) => items.push((known, number)),
                None => {
                    return Err(fault(
                        format!("`{item}` has no code"),
                        &format!(
                            "encode it first (`tailor codes encode`), or leave it out; {}",
                            near_ids(item, first.ids.iter().map(String::as_str))
                        ),
                    )
                    .into());
                }
            }
        }
        let mut sketch = match set.seconds {
            Some(_) => codes.history(&items, args.alpha, args.rate),
            None => codes.sketch(&items),
        }
        .map_err(|error| {
            fault(
                error.to_string(),
                "weights and seconds are 0 or more, alpha is from 0 to 1",
            )
        })?;
        match args.normalise {
            Normalise::None => {}
            Normalise::L2 => sketch.normalise_l2(),
            Normalise::L1 => sketch.normalise_l1(),
        }
        values.extend_from_slice(sketch.values());
        ids.push(set.id.unwrap_or_else(|| (at + 1).to_string()));
    }
    if ids.is_empty() {
        return Err(SetsError::Empty(args.sets.clone()).into());
    }
    match empty[..] {
        [] => {}
        [line] => say!(
            "note     {}: line {line} has no item: its sketch is all zeros",
            args.sets.display()
        ),
        [line, ..] => say!(
            "note     {}: line {line} and {} more have no item: their sketches are all zeros",
            args.sets.display(),
            empty.len() - 1
        ),
    }
    write_ids(&ids_file, &ids)?;
    write_npy(&args.out, &values, [ids.len(), codes.depth() * width])?;
    say!(
        "sketches {}: {} sets, {} partitions of {} regions",
        args.out.display(),
        ids.len(),
        codes.depth(),
        width
    );
    Ok(())
}

/// The most regions that are guessed of a partition.
const GUESSED: usize = 1 << 16;

/// W: as the hyperplanes have it, as it was given, or what the regions in use suggest.
fn width(args: &SketchArgs, all: &[ItemCodes]) -> crate::Result<usize> {
    let highest = |codes: &ItemCodes| codes.codes.iter().max().map_or(0, |code| *code as usize);
    if !args.hash.is_empty() {
        if args.hash.len() != all.len() {
            return Err(SetsError::Width {
                path: args.codes[0].clone(),
                problem: format!("{} files of codes, {} of hyperplanes", all.len(), args.hash.len()),
                remedy: "give --hash FILE once for each file of codes, in their order",
            }
            .into());
        }
        let mut widths = Vec::with_capacity(all.len());
        for ((path, hash), codes) in args.codes.iter().zip(&args.hash).zip(all) {
            let dlsh = Dlsh::read(hash)?;
            let (depth, width) = (dlsh.depth(), dlsh.width());
            let problem = match (codes.depth == depth, highest(codes) < width) {
                (true, true) if width == *widths.first().unwrap_or(&width) => {
                    widths.push(width);
                    continue;
                }
                (true, true) => format!(
                    "its partitions have {width} regions, those of {} have {}",
                    args.codes[0].display(),
                    widths[0]
                ),
                (false, _) => format!(
                    "items have {} regions each, and {} has {depth} partitions",
                    codes.depth,
                    hash.display()
                ),
                (true, false) => format!(
                    "an item lies in region {}, and partitions of {} have {width}",
                    highest(codes),
                    hash.display()
                ),
            };
            return Err(SetsError::Width {
                path: path.clone(),
                problem,
                remedy: "give the hyperplanes that these codes were made with; modalities that stand side by side have one width",
            }
            .into());
        }
        return Ok(widths[0]);
    }
    if let Some(width) = args.width {
        for (path, codes) in args.codes.iter().zip(all) {
            let highest = highest(codes);
            if highest < width / 2 {
                say!(
                    "note     {}: no item lies above region {highest}: was the width really {width}?",
                    path.display()
                );
            }
        }
        return Ok(width);
    }
    let (path, highest) = args
        .codes
        .iter()
        .zip(all.iter().map(highest))
        .max_by_key(|(_, highest)| *highest)
        .expect("one file of codes is the least");
    if highest >= GUESSED {
        return Err(SetsError::Width {
            path: path.clone(),
            problem: format!("an item lies in region {highest}: that many are not guessed"),
            remedy: "say how many regions a partition has: --hash FILE, or --width",
        }
        .into());
    }
    let width = (highest + 1).next_power_of_two().max(2);
    say!(
        "width    {width}: the smallest power of two above region {highest}, the highest in use; --hash FILE would say it for certain"
    );
    Ok(width)
}

/// A modality's codes in the order of the first one's items.
fn aligned(first: &ItemCodes, other: ItemCodes, path: &Path, before: &Path) -> Result<ItemCodes, SetsError> {
    let places: HashMap<&str, usize> = other
        .ids
        .iter()
        .enumerate()
        .map(|(at, id)| (id.as_str(), at))
        .collect();
    let mut codes = Vec::with_capacity(first.ids.len() * other.depth);
    for id in &first.ids {
        match places.get(id.as_str()) {
            Some(at) => codes.extend_from_slice(&other.codes[at * other.depth..][..other.depth]),
            None => {
                return Err(SetsError::Modality {
                    path: path.into(),
                    id: id.clone(),
                    other: before.into(),
                });
            }
        }
    }
    Ok(ItemCodes {
        ids: first.ids.clone(),
        codes,
        depth: other.depth,
    })
}

/// Before anything is computed: nothing is written over what is read, or over what is there.
fn refuse<'a>(
    files: impl IntoIterator<Item = &'a PathBuf>,
    input: &Path,
    force: bool,
) -> Result<(), CliError> {
    // An array's ids and card stand beside it under its name.
    let read = Format::of(input).map_or_else(|_| vec![input.to_path_buf()], |format| format.files(input));
    for file in files {
        if read.contains(file) {
            return Err(CliError::Input(file.clone()));
        }
        if file.exists() && !force {
            return Err(CliError::Exists(file.clone()));
        }
    }
    Ok(())
}
