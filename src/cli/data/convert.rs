//! `tailor data convert`: a published layout as a native table or as tar shards, region features as an array.

use std::path::{Path, PathBuf};

use clap::Args;

use super::regions::{self, Regions};
use crate::cli::{CliError, say};
use crate::data::convert::{Options, Pictures, Prepare, convert};
use crate::data::image::Filter;
use crate::data::{DataError, DatasetSection, Layout, open};

/// `tailor data convert`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tailor data convert market1501 /data/Market-1501 /data/Market-1501/table.csv
  tailor data convert street2shop /data/street2shop prepared.parquet --prepare 320 --set missing=skip
  tailor data convert sop /data/Stanford_Online_Products shards/sop.tar --shuffle 0
  tailor data convert regions karpathy_train/ f30k/train_ims.npy --ids f30k/train_ids.txt

regions: tab-separated files with a line image_id, image_w, image_h, num_boxes, boxes, features for each image, the last two base64 of
float32; of two lines of one image the later counts. OUT is the array <split>_ims.npy that pairs are trained on.")]
pub struct ConvertArgs {
    /// How the data set is laid out, as in `data.dataset`; or `regions`.
    #[arg(value_parser = form)]
    layout: Form,
    /// Its folder; the file (or folder of files) for `regions`, the file for `table`, the folder or pattern for `shards`, `-` for `furniture` and `wardrobe`.
    dir: String,
    /// What to write: .npy for `regions`; else .csv, .jsonl, .parquet, or .tar for shards (`NAME.tar` makes NAME-000000.tar, NAME-000001.tar, …).
    out: PathBuf,
    /// Copy the pictures beside the table, into NAME_images.
    #[arg(long, conflicts_with = "prepare")]
    copy: bool,
    /// Write the pictures anew: cut out by their boxes, shrunk to fit, centred on white. `320`, or `256x128` (height x width).
    #[arg(long, value_name = "SIZE", value_parser = size)]
    prepare: Option<[usize; 2]>,
    /// Of prepared JPEGs.
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100), requires = "prepare")]
    quality: u8,
    /// Prepare PNGs, which lose nothing.
    #[arg(long, requires = "prepare", conflicts_with = "quality")]
    png: bool,
    /// Megabytes (2^20 bytes) of a shard at most.
    #[arg(long, default_value_t = 256, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    shard_size: u64,
    /// Write the rows of shards in an order drawn from this seed: rows of one class often stand together.
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// regions: the images' ids in the order of the array, one a line; without it, the order of the files, and the ids are written
    /// beside.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Overwrite what is there.
    #[arg(long)]
    force: bool,
    /// A key of [data] that says how the layout is read: `--set missing=skip`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A data set of pictures.
    Pictures(Layout),
    /// Region features.
    Regions,
}

fn form(name: &str) -> Result<Form, String> {
    if name == "regions" {
        return Ok(Form::Regions);
    }
    Layout::ALL
        .into_iter()
        .find(|layout| layout.name() == name)
        .map(Form::Pictures)
        .ok_or_else(|| {
            let names: Vec<&str> = Layout::ALL.iter().map(|layout| layout.name()).collect();
            format!("the layouts are {}, and regions", names.join(", "))
        })
}

/// Options that the form has no use for are refused: they would be taken for granted.
fn check(args: &ConvertArgs) -> crate::Result<()> {
    let refuse = |option, format: String, formats| -> crate::Result<()> {
        Err(CliError::Useless {
            option,
            format,
            formats,
        }
        .into())
    };
    match args.layout {
        Form::Pictures(layout) if args.ids.is_some() => refuse("--ids", layout.name().into(), "regions"),
        Form::Pictures(_) => Ok(()),
        Form::Regions => {
            let given = [
                ("--copy", args.copy),
                ("--prepare", args.prepare.is_some()),
                ("--shuffle", args.shuffle.is_some()),
                ("--set", !args.sets.is_empty()),
            ];
            match given.iter().find(|(_, given)| *given) {
                Some((option, _)) => refuse(option, "regions".into(), "data sets of pictures"),
                None => Ok(()),
            }
        }
    }
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| text.trim().parse::<usize>().ok().filter(|&side| side > 0);
    let sides = match text.split_once(['x', 'X', '×']) {
        Some((height, width)) => side(height).zip(side(width)),
        None => side(text).map(|side| (side, side)),
    };
    let (height, width) = sides.ok_or("write 320, or 256x128 for a height of 256 and a width of 128")?;
    Ok([height, width])
}

/// The data section that the arguments say.
fn section(layout: Layout, dir: &str, sets: &[String]) -> Result<DatasetSection, DataError> {
    let mut table = toml::Table::new();
    table.insert("dataset".into(), layout.name().into());
    let key = match layout {
        Layout::Furniture | Layout::Wardrobe => None,
        Layout::Table => Some("table"),
        Layout::Shards => Some("shards"),
        _ => Some("root"),
    };
    if let Some(key) = key {
        table.insert(key.into(), dir.into());
    }
    let refuse = |message: String| DataError::Format {
        path: "--set".into(),
        message,
        remedy: format!(
            "the keys of data sets are {}; write --set missing=skip",
            DatasetSection::KEYS.join(", ")
        ),
    };
    for set in sets {
        let (key, text) = set
            .split_once('=')
            .ok_or_else(|| refuse(format!("{set:?} is not KEY=VALUE")))?;
        let key = key.trim().strip_prefix("data.").unwrap_or(key.trim());
        // A value that is no TOML is a text without its quotation marks.
        let value = toml::from_str::<toml::Table>(&format!("value = {text}"))
            .ok()
            .and_then(|mut parsed| parsed.remove("value"))
            .unwrap_or_else(|| text.into());
        table.insert(key.into(), value);
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| refuse(error.message().to_string()))
}

/// Runs the verb.
pub fn run(args: &ConvertArgs) -> crate::Result<()> {
    check(args)?;
    let layout = match args.layout {
        Form::Pictures(layout) => layout,
        Form::Regions => {
            return regions::run(&Regions {
                tsv: Path::new(&args.dir),
                out: &args.out,
                ids: args.ids.as_deref(),
                force: args.force,
                json: args.json,
            });
        }
    };
    let section = section(layout, &args.dir, &args.sets)?;
    let table = open(&section)?;
    say!("{}", table.summary());
    crate::data::check::refuse(&table, true)?;
    let pictures = match args.prepare {
        _ if args.copy => Pictures::Copy,
        Some([height, width]) => Pictures::Prepare(Prepare {
            height,
            width,
            filter: Filter::Lanczos,
            quality: (!args.png).then_some(args.quality),
        }),
        None => Pictures::Refer,
    };
    let options = Options {
        pictures,
        shard_bytes: args.shard_size << 20,
        shuffle: args.shuffle,
        force: args.force,
        workers: std::thread::available_parallelism().map_or(1, usize::from).min(8),
    };
    let bar = crate::cli::bar("pictures", table.items.len());
    let converted = convert(&table, &args.out, &options, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if args.json {
        return crate::cli::print(&format!("{}\n", serde_json::json!(converted)));
    }
    let mut text = format!("{} rows in {}", converted.rows, names(&converted.files));
    if converted.pictures > 0 {
        text.push_str(&format!(", {} pictures", converted.pictures));
    }
    if converted.found > 0 {
        text.push_str(&format!(", {} of them found from before", converted.found));
    }
    for note in &converted.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    crate::cli::print(&format!("{text}\n"))
}

fn names(files: &[PathBuf]) -> String {
    match files {
        [] => "no file".into(),
        [only] => only.display().to_string(),
        [first, .., last] => format!("{} to {}", first.display(), last.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_layouts_are_read() {
        assert_eq!(size("320"), Ok([320, 320]));
        assert_eq!(size("256x128"), Ok([256, 128]));
        for wrong in ["", "0", "a", "1x", "-3x4"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(form("street2shop"), Ok(Form::Pictures(Layout::Street2Shop)));
        assert_eq!(form("regions"), Ok(Form::Regions));
        assert!(form("coco").unwrap_err().contains("deepfashion-c2s"));
    }

    #[test]
    fn settings_are_those_of_the_data_section() {
        let sets = ["missing=skip", "data.categories=[\"bags\"]", "box_margin=0.1"].map(String::from);
        let read = section(Layout::Street2Shop, "/data/s", &sets).unwrap();
        assert_eq!(read.root.as_deref(), Some("/data/s"));
        assert_eq!(read.missing, crate::data::datasets::Missing::Skip);
        assert_eq!(read.categories.as_deref(), Some(&["bags".to_string()][..]));
        assert_eq!(
            section(Layout::Table, "t.csv", &[]).unwrap().table.as_deref(),
            Some("t.csv")
        );
        for wrong in ["roots=1", "missing", "missing=perhaps"] {
            let error = section(Layout::Sop, "d", &[wrong.into()]).unwrap_err();
            let help = miette::Diagnostic::help(&error).unwrap().to_string();
            assert!(
                error.to_string().starts_with("--set: ") && help.contains("missing"),
                "{error}"
            );
        }
    }
}
