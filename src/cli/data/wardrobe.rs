//! `tailor data wardrobe`: our own garments as files, or as a contact sheet.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, ValueEnum};

use crate::cli::{CliError, bar, say};
use crate::data::datasets::{Boxes, WardrobeOptions, wardrobe};
use crate::data::drawn::{Drawn, png};
use crate::data::image::Picture;
use crate::data::{DataError, ImageRef, Table};
use crate::files::{FileError, write_whole};

/// `tailor data wardrobe`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tailor data wardrobe garments --products 2000 --size 256\n  tailor data wardrobe garments.png --sheet --products 8"
)]
pub struct WardrobeArgs {
    /// The folder to make (`items.csv` and `images/`), or with --sheet the PNG.
    pub out: PathBuf,
    /// Products in all.
    #[arg(long, default_value_t = 600)]
    pub products: u64,
    /// Studio views of each.
    #[arg(long, default_value_t = 3)]
    pub studio: u64,
    /// Street views of each.
    #[arg(long, default_value_t = 3)]
    pub street: u64,
    /// Pixels a side.
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// Draws the products.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Products of one design.
    #[arg(long, default_value_t = 2)]
    pub siblings: u64,
    /// The share of the products to train on.
    #[arg(long, default_value_t = 0.5)]
    pub train_fraction: f64,
    /// How images are written.
    #[arg(long, value_enum, default_value_t = Format::Jpg)]
    pub format: Format,
    /// Write one PNG instead: a row for each product, its views side by side.
    #[arg(long)]
    pub sheet: bool,
    /// Overwrite what is there.
    #[arg(long)]
    pub force: bool,
}

/// How images are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JPEG of quality 92.
    Jpg,
    /// PNG: the pixels that training on `dataset = "wardrobe"` sees.
    Png,
}

/// Runs the verb.
pub fn run(args: &WardrobeArgs) -> crate::Result<()> {
    let options = WardrobeOptions {
        products: args.products,
        studio: args.studio,
        street: args.street,
        size: args.size,
        seed: args.seed,
        siblings: args.siblings,
        boxes: Boxes::All,
    };
    let mut table = wardrobe(&options, Some(args.train_fraction))?;
    let index = args.out.join("items.csv");
    let result = if args.sheet { &args.out } else { &index };
    if result.exists() && !args.force {
        return Err(CliError::Exists(result.clone()).into());
    }
    match args.sheet {
        true => contact_sheet(&table, (args.studio + args.street) as usize, &args.out)?,
        false => {
            write_images(&mut table, &args.out, args.format)?;
            // Last, so that a table names only what is there.
            crate::data::native::write(&table, &index)?;
        }
    }
    say!("{}", table.summary());
    crate::cli::print(&format!("{}\n", result.display()))
}

fn drawings(table: &Table) -> Vec<Drawn> {
    let drawn = |image: &ImageRef| match image {
        ImageRef::Drawn(drawn) => Some(drawn.clone()),
        _ => None,
    };
    table.items.iter().filter_map(|item| drawn(&item.image)).collect()
}

fn contact_sheet(table: &Table, columns: usize, path: &Path) -> Result<(), DataError> {
    // A sheet that no viewer opens helps nobody.
    const MOST: usize = 4096;
    let drawings = drawings(table);
    if drawings.len() > MOST {
        return Err(DataError::Setting {
            key: "wardrobe",
            message: format!(
                "a sheet of {} pictures is past the limit of {MOST}",
                drawings.len()
            ),
            remedy: "ask for fewer with --products, --studio or --street".into(),
        });
    }
    let mut pictures = Vec::new();
    for drawn in drawings {
        let mut picture = Picture::default();
        drawn.draw(&mut picture);
        pictures.push(picture);
    }
    let sheet = crate::data::wardrobe::sheet(&pictures, columns);
    let bytes = png(&sheet).map_err(|error| FileError::new("encode", path, error))?;
    Ok(write_whole(path, |to| std::io::Write::write_all(to, &bytes))?)
}

/// Draws every picture into a file of its own, on all cores; the rows then name the files.
fn write_images(table: &mut Table, out: &Path, format: Format) -> Result<(), DataError> {
    let extension = match format {
        Format::Jpg => "jpg",
        Format::Png => "png",
    };
    let drawings = drawings(table);
    let paths: Vec<PathBuf> = table
        .items
        .iter()
        .map(|item| {
            let view = item
                .id
                .strip_prefix(&format!("{}-", item.label))
                .unwrap_or(&item.id);
            out.join("images")
                .join(&item.label)
                .join(format!("{view}.{extension}"))
        })
        .collect();
    let bar = bar("draw", drawings.len());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<(), FileError> {
        let mut picture = Picture::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(drawn), Some(path)) = (drawings.get(at), paths.get(at)) else {
                return Ok(());
            };
            drawn.draw(&mut picture);
            let bytes = match format {
                Format::Png => png(&picture),
                Format::Jpg => jpeg(&picture),
            };
            let bytes = bytes.map_err(|error| FileError::new("encode", path, error))?;
            if let Some(folder) = path.parent() {
                crate::files::create_folder(folder)?;
            }
            // Not synced one by one: the table that names them is written after all of them.
            std::fs::write(path, bytes).map_err(|error| FileError::new("write", path, error))?;
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    bar.finish_and_clear();
    let items = std::mem::take(&mut table.items);
    let items = items.into_iter().zip(paths).map(|(mut item, path)| {
        item.image = ImageRef::File(path);
        item
    });
    let extra = std::mem::take(&mut table.extra);
    *table = Table::new("wardrobe", Some(out), items.collect());
    table.extra = extra;
    Ok(())
}

fn jpeg(picture: &Picture) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 92)
        .encode(&picture.pixels, width, height, image::ExtendedColorType::Rgb8)
        .map_err(std::io::Error::other)?;
    Ok(bytes)
}
