//! `tailor data`: what a data set holds, what is wrong with it, and other forms of it.

mod convert;
mod init;
mod regions;
mod vocabulary;

mod wardrobe;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::CliError;
use super::check::DataOf;
use crate::data::check::{CheckOptions, check};
use crate::data::native::ReadOptions;
use crate::data::pairs::PairSection;
use crate::data::{DataError, DatasetSection, Layout, Table, open};
use crate::recipe::{Recipe, RecipeError};

/// `tailor data …`
#[derive(Debug, Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: DataVerb,
}

/// The verbs of `tailor data`.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Look at every image and at the splits; say what is wrong, all at once.
    Check(CheckArgs),
    /// Write a data set of any layout as a table or as tar shards, or region features as an array.
    Convert(convert::ConvertArgs),
    /// Look at a folder or a table and write a first recipe for it.
    Init(init::InitArgs),
    /// Number the words of captions.
    Vocabulary(vocabulary::VocabularyArgs),
    /// Draw our own garments into files for use elsewhere, or onto a contact sheet.
    Wardrobe(wardrobe::WardrobeArgs),
}

/// `tailor data check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which data.
    #[command(flatten)]
    pub source: Source,
    /// Changes to the recipe, as in `tailor train`.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with_all = ["table", "folder", "market1501", "dukemtmc_reid", "deepfashion_inshop", "deepfashion_c2s", "street2shop", "sop", "shards", "furniture"])]
    pub sets: Vec<String>,
    /// What a table's image paths are relative to, if not its own folder.
    #[arg(long, conflicts_with_all = ["recipe", "folder", "market1501", "dukemtmc_reid", "deepfashion_inshop", "deepfashion_c2s", "street2shop", "sop", "shards", "furniture"])]
    pub root: Option<PathBuf>,
    /// Classes may stand in both the train and the test split (category retrieval).
    #[arg(long)]
    pub closed_set: bool,
    /// Only read the head of each image: no broken pixels, no duplicates.
    #[arg(long)]
    pub fast: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The data to check: a recipe's, or data by its layout.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// A recipe, by name or path; or a folder or a table, whose layout is then found out.
    pub recipe: Option<String>,
    /// A native table: .csv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// An image folder: `class/image` or `split/class/image`.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Market-1501 as published.
    #[arg(long, value_name = "DIR")]
    pub market1501: Option<PathBuf>,
    /// DukeMTMC-reID as published.
    #[arg(long, value_name = "DIR")]
    pub dukemtmc_reid: Option<PathBuf>,
    /// DeepFashion In-shop as published.
    #[arg(long, value_name = "DIR")]
    pub deepfashion_inshop: Option<PathBuf>,
    /// DeepFashion Consumer-to-Shop as published.
    #[arg(long, value_name = "DIR")]
    pub deepfashion_c2s: Option<PathBuf>,
    /// Exact Street2Shop as published.
    #[arg(long, value_name = "DIR")]
    pub street2shop: Option<PathBuf>,
    /// Stanford Online Products as published.
    #[arg(long, value_name = "DIR")]
    pub sop: Option<PathBuf>,
    /// Tar shards: a folder, a file or a pattern.
    #[arg(long, value_name = "SHARDS")]
    pub shards: Option<String>,
    /// The catalogue inside the binary.
    #[arg(long)]
    pub furniture: bool,
}

impl Source {
    /// The layouts whose reader needs a folder alone.
    fn published(&self) -> Option<(Layout, &PathBuf)> {
        [
            (Layout::DeepFashionInShop, &self.deepfashion_inshop),
            (Layout::DeepFashionC2s, &self.deepfashion_c2s),
            (Layout::Street2Shop, &self.street2shop),
            (Layout::Sop, &self.sop),
        ]
        .into_iter()
        .find_map(|(layout, folder)| Some((layout, folder.as_ref()?)))
    }
}

/// Runs a verb. `recipe` reads the data section of a recipe with its changes.
///
/// A check that found errors prints its report and then fails with [`DataError::CheckFailed`], so that the exit status says so.
pub fn run(
    args: &DataArgs,
    recipe: impl FnOnce(&str, &[String]) -> crate::Result<DataOf>,
) -> crate::Result<()> {
    match &args.verb {
        DataVerb::Check(args) => run_check(args, recipe),
        DataVerb::Convert(args) => convert::run(args),
        DataVerb::Init(args) => init::run(args),
        DataVerb::Vocabulary(args) => vocabulary::run(args),
        DataVerb::Wardrobe(args) => wardrobe::run(args),
    }
}

fn run_check(
    args: &CheckArgs,
    recipe: impl FnOnce(&str, &[String]) -> crate::Result<DataOf>,
) -> crate::Result<()> {
    let (table, told) = match read(args, recipe)? {
        Read::Table(table, told) => (table, told),
        Read::Pairs(section) => return check_pairs(&section, args),
    };
    let options = CheckOptions {
        fast: args.fast,
        closed_set: args.closed_set.then_some(true).or(told.closed_set),
        ..told
    };
    let report = check(&table, &options);
    if args.json {
        super::print(&format!("{}\n", serde_json::json!(report)))?;
    } else {
        super::print(&format!("{report}\n"))?;
    }
    match report.errors {
        0 => Ok(()),
        errors => Err(DataError::CheckFailed { errors }.into()),
    }
}

/// The data of rooms that learn from images and captions.
fn check_pairs(section: &PairSection, args: &CheckArgs) -> crate::Result<()> {
    let report = crate::data::pairs::check(section, args.fast)?;
    match args.json {
        true => super::print(&format!("{}\n", serde_json::json!(report)))?,
        false => super::print(&format!("{report}\n"))?,
    }
    match report.errors.len() {
        0 => Ok(()),
        errors => Err(DataError::CheckFailed { errors }.into()),
    }
}

/// What was named.
enum Read {
    /// A table, and what its recipe says of it.
    Table(Table, CheckOptions),
    /// Images with captions.
    Pairs(PairSection),
}

fn read(
    args: &CheckArgs,
    recipe: impl FnOnce(&str, &[String]) -> crate::Result<DataOf>,
) -> crate::Result<Read> {
    use crate::data::datasets;
    let source = &args.source;
    let table = if let Some(path) = &source.table {
        let options = ReadOptions {
            root: args.root.clone(),
            allow_outside: false,
        };
        crate::data::native::read(path, &options)?
    } else if let Some(root) = &source.folder {
        let options = datasets::FolderOptions {
            closed_set: args.closed_set,
            ..datasets::FolderOptions::default()
        };
        datasets::folder(root, &options)?
    } else if let Some(root) = &source.market1501 {
        datasets::market1501(root)?
    } else if let Some(root) = &source.dukemtmc_reid {
        datasets::dukemtmc_reid(root)?
    } else if let Some((layout, folder)) = source.published() {
        let mut section = DatasetSection::new(layout);
        section.root = Some(folder.to_string_lossy().into_owned());
        open(&section)?
    } else if let Some(shards) = &source.shards {
        crate::data::shards::read(shards)?
    } else if let Some(place) = data_at(args) {
        let mut section = init::look::section(place)?;
        section.closed_set = args.closed_set;
        open(&section)?
    } else if let Some(name) = &source.recipe {
        let (section, captions) = match recipe(name, &args.sets).map_err(no_data)? {
            DataOf::Pictures(section) => (section, false),
            DataOf::Captioned(section) => (section, true),
            DataOf::Pairs(section) => return Ok(Read::Pairs(section)),
        };
        let told = CheckOptions {
            closed_set: Some(section.closed_set),
            captions,
            ..CheckOptions::default()
        };
        return Ok(Read::Table(open(&section)?, told));
    } else {
        open(&DatasetSection::new(Layout::Furniture))?
    };
    Ok(Read::Table(table, CheckOptions::default()))
}

/// A recipe was only one of the things that could have been named.
fn no_data(error: crate::Error) -> crate::Error {
    match error {
        crate::Error::Recipe(RecipeError::NotFound { name, help }) => CliError::NoData { name, help }.into(),
        other => other,
    }
}

/// The folder or the table that was named where a recipe could stand.
fn data_at(args: &CheckArgs) -> Option<&Path> {
    let name = args.source.recipe.as_deref().filter(|_| args.sets.is_empty())?;
    let place = Path::new(name);
    let is_data = place.is_dir() || (place.is_file() && crate::data::native::is_table(place));
    (is_data && Recipe::built_in().all(|known| known != name)).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        data: DataArgs,
    }

    fn go(words: &[&str]) -> crate::Result<()> {
        let cli = Cli::try_parse_from([&["data"], words].concat()).unwrap();
        run(&cli.data, |name, sets| {
            let mut section = DatasetSection::new(Layout::Folder);
            section.root = Some(format!("/nowhere/{name}/{}", sets.join("+")));
            Err(open(&section).unwrap_err().into())
        })
    }

    #[test]
    fn the_source_is_one_of_many() {
        let parse = |words: &[&str]| Cli::try_parse_from([&["data", "check"], words].concat());
        assert!(parse(&[]).is_err());
        assert!(parse(&["ctl", "--table", "a.csv"]).is_err());
        assert!(parse(&["--folder", "a", "--market1501", "b"]).is_err());
        assert!(parse(&["--folder", "a", "--root", "b"]).is_err());
        assert!(parse(&["--sop", "a", "--street2shop", "b"]).is_err());
        assert!(parse(&["--shards", "a-{0..1}.tar", "--fast"]).is_ok());
        assert!(parse(&["--table", "a.csv", "--root", "b", "--json", "--fast"]).is_ok());
        assert!(parse(&["ctl", "--set", "data.root=b"]).is_ok());
    }

    #[test]
    fn errors_in_the_data_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        std::fs::write(&table, "image,label\ngone.jpg,1\n").unwrap();
        let error = go(&["check", "--table", table.to_str().unwrap()])
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the data has 1 error");
        let error = go(&["check", "some-recipe", "--set", "a=1"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/some-recipe/a=1"), "{error}");
    }

    #[test]
    fn a_folder_stands_where_a_recipe_could() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        std::fs::write(&table, "image,label\ngone.jpg,1\n").unwrap();
        for place in [table.as_path(), folder.path()] {
            let error = go(&["check", place.to_str().unwrap()]).unwrap_err();
            assert_eq!(error.to_string(), "the data has 1 error");
        }
        let error = go(&["check", "nowhere.csv"]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/nowhere.csv"), "{error}");
    }

    #[test]
    fn sound_data_passes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.png", "a/2.png", "b/1.png", "b/2.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let level = name
                .bytes()
                .fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
            image::RgbImage::from_pixel(4, 4, image::Rgb([level, 9, 9]))
                .save(path)
                .unwrap();
        }
        for extra in [&[][..], &["--json"], &["--fast"]] {
            go(&[&["check", "--folder", folder.path().to_str().unwrap()], extra].concat()).unwrap();
        }
    }
}
