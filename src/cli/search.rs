//! `tailor search`: the nearest of a gallery for pictures that are given.

mod page;

use super::embed::{Trained, own_table};
use super::eval::{self, Target};
use super::session::{ImageVerb, for_embedding};
use super::{RUNS, say};
use crate::data::datasets::pictures;
use crate::data::image::dimensions;
use crate::data::native::{self, ReadOptions, is_table};
use crate::data::{ImageRef, Item, Table};
use crate::device::{self, Choice, Device};
use crate::export::gallery::Gallery;
use crate::files;
use crate::papers::ImagePaper;
use crate::recipe::Recipe;
use crate::report::html::shorten;
use crate::search::rank::grouped;
use crate::search::{self, Embeddings, Expansion, Hit, Rerank, Reranked, Scorer, Similarity, top_k};
use serde_json::json;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Finds the nearest of a gallery for pictures that are given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor embed first --images catalogue/ --out catalogue.parquet
  tailor search first --query photo.jpg --gallery catalogue.parquet
  tailor search first --query photos/ --gallery catalogue.parquet --k 20 --page found.html

Scores are cosines; after --rerank they are distances with a minus sign, from -1 to 0. Higher is nearer.")]
pub struct SearchArgs {
    /// A run's folder or name: the one that the gallery was embedded with.
    run: String,
    /// A picture, a folder of pictures, or a table (.csv, .jsonl, .parquet). Many times.
    #[arg(long, value_name = "PATH", required = true)]
    query: Vec<PathBuf>,
    /// What `tailor embed` wrote: .parquet or .npy.
    #[arg(long, value_name = "FILE")]
    gallery: PathBuf,
    /// How many to find for each query.
    #[arg(long, short, default_value_t = 10)]
    k: usize,
    /// Print what was found as JSON on stdout.
    #[arg(long)]
    json: bool,
    /// Write a page with the pictures.
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
    /// Re-rank by k-reciprocal neighbours: `--rerank`, or `--rerank=K1,K2,LAMBDA` (20,6,0.3).
    #[arg(long, value_name = "K1,K2,LAMBDA", num_args = 0..=1, require_equals = true, default_missing_value = "20,6,0.3")]
    rerank: Option<Rerank>,
    /// Expand queries: `--qe`, or `--qe=N,ALPHA` (5,3): the N nearest, weighted by their cosine to the power ALPHA.
    #[arg(long, value_name = "N,ALPHA", num_args = 0..=1, require_equals = true, default_missing_value = "5,3")]
    qe: Option<Expansion>,
    /// Search although the gallery was embedded by another model.
    #[arg(long)]
    force: bool,
    /// best, last, ema or a file; without it, ema where the run keeps it, else last.
    #[arg(long)]
    weights: Option<String>,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set data.root=/elsewhere`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The folder that runs are looked for in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// A search that makes no sense.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum QueryError {
    /// Nothing is to be found.
    #[error("--k 0 finds nothing")]
    #[diagnostic(help("give the number of items to find for each query, such as --k 10"))]
    Nothing,
    /// Something else than a picture is given to search with.
    #[error("{} is no picture that can be read", .0.display())]
    #[diagnostic(help(
        "give --query a picture (.jpg, .png, .webp, .bmp, .gif or .tiff), a folder of pictures, or a table of them (.csv, .jsonl or \
         .parquet)"
    ))]
    Picture(PathBuf),
    /// A gallery of another model.
    #[error("{} cannot be searched with this run: {problem}", path.display())]
    #[diagnostic(help(
        "embed the gallery with this run (`tailor embed`), search it with the run that made it, or choose its weights with \
         --weights; --force searches all the same"
    ))]
    Model {
        /// The gallery.
        path: PathBuf,
        /// How the two differ.
        problem: String,
    },
    /// Vectors of another width.
    #[error("{} holds vectors of {found} dimensions, this run's have {expected}", path.display())]
    #[diagnostic(help(
        "embed the gallery with this run (`tailor embed`), or search it with the run that made it"
    ))]
    Dimensions {
        /// The gallery.
        path: PathBuf,
        /// Of the gallery.
        found: usize,
        /// Of the model.
        expected: usize,
    },
}

/// Runs the verb.
pub fn run(args: SearchArgs) -> crate::Result<()> {
    if args.k == 0 {
        return Err(QueryError::Nothing.into());
    }
    // What is cheap to refuse is refused before a model is loaded.
    let gallery = Gallery::read(&args.gallery)?;
    let queries = queries(&args.query)?;
    let target = eval::target(&args.run, args.weights.as_deref(), &args.sets, &args.runs)?;
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    let recipe = target.recipe.clone();
    let device = device.device;
    for_embedding(
        &recipe,
        "search",
        Searching {
            args,
            target,
            gallery,
            queries,
            device,
        },
    )
}

/// The pictures of files, folders and tables, in their order.
fn queries(paths: &[PathBuf]) -> crate::Result<Table> {
    let mut all = pictures::files(&[]);
    for path in paths {
        if path.is_dir() {
            let folder = pictures::read(path)?;
            for note in &folder.notes {
                say!("note     {note}");
            }
            all.items.extend(named(folder));
        } else if is_table(path) {
            all.items
                .extend(named(native::read(path, &ReadOptions::default())?));
        } else {
            let file = File::open(path).map_err(|error| files::FileError::new("read", path, error))?;
            if dimensions(BufReader::new(file)).is_none() {
                return Err(QueryError::Picture(path.clone()).into());
            }
            all.items
                .extend(pictures::files(std::slice::from_ref(path)).items);
        }
    }
    Ok(all)
}

/// Pictures of several places are told apart by their files.
fn named(table: Table) -> impl Iterator<Item = Item> {
    table.items.into_iter().map(|mut item| {
        item.id = item.image.name().into_owned();
        item
    })
}

struct Searching {
    args: SearchArgs,
    target: Target,
    gallery: Gallery,
    queries: Table,
    device: Device,
}

impl ImageVerb for Searching {
    type Output = ();

    fn on<P: ImagePaper>(self) -> crate::Result<()> {
        let Self {
            args,
            target,
            gallery,
            queries,
            device,
        } = self;
        let recipe = target.recipe.clone();
        let model = Trained::<P>::load(target, &device)?;
        let card = model.card("queries");
        if gallery.dimensions != card.dimensions {
            return Err(QueryError::Dimensions {
                path: args.gallery,
                found: gallery.dimensions,
                expected: card.dimensions,
            }
            .into());
        }
        match &gallery.card {
            None => say!(
                "note     {} does not say which model its vectors are of: they are taken for this run's",
                args.gallery.display()
            ),
            Some(theirs) => match theirs.differs(&card) {
                Some(problem) if args.force => say!("note     {}: {problem}", args.gallery.display()),
                Some(problem) => {
                    let path = args.gallery;
                    return Err(QueryError::Model { path, problem }.into());
                }
                None => {}
            },
        }
        let queries = Arc::new(queries);
        let rows: Vec<usize> = (0..queries.items.len()).collect();
        let vectors = model.embed(&queries, &rows)?;
        let found = nearest(&args, vectors, &gallery, &device)?;
        if let Some(path) = &args.page {
            let images = images(&gallery, &recipe);
            let page = page::html(&args, &queries, &gallery, &images, &found, model.plan.data.decode);
            files::write_whole(path, |file| file.write_all(page.as_bytes()))?;
        }
        let mut text = match args.json {
            true => to_json(&args, &card.model, &queries, &gallery, &found),
            false => to_text(&queries, &gallery, &found),
        };
        if let (Some(path), false) = (&args.page, args.json) {
            text.push_str(&format!("look     {}\n", path.display()));
        }
        super::print(&text)
    }
}

/// The best of each query.
fn nearest(
    args: &SearchArgs,
    mut queries: Vec<f32>,
    gallery: &Gallery,
    device: &Device,
) -> crate::Result<Vec<Vec<Hit>>> {
    let dimensions = gallery.dimensions;
    let count = queries.len() / dimensions;
    let own = vec![None; count];
    let mut items = gallery.vectors.clone();
    if let Some(expansion) = &args.qe {
        (queries, items) = search::expand(&queries, &items, dimensions, &own, expansion, device)?;
    }
    let every: Vec<usize> = (0..count).collect();
    let mut scorer: Box<dyn Scorer> = match &args.rerank {
        Some(settings) => Box::new(Reranked::new(
            &queries, &items, dimensions, &own, settings, device,
        )?),
        None => Box::new(Embeddings::new(
            queries,
            items,
            dimensions,
            Similarity::Cosine,
            device,
        )?),
    };
    say!(
        "search   {}",
        search::Plan::new(scorer.as_ref(), &search::Options::default())
    );
    Ok(top_k(scorer.as_mut(), None, &every, args.k)?)
}

/// The gallery's pictures: by their paths; those that have none (they were embedded from an archive, or from inside this
/// program) by their ids in the recipe's own data, where it is at hand.
fn images(gallery: &Gallery, recipe: &Recipe) -> Vec<Option<ImageRef>> {
    let table = match gallery.images.iter().any(Option::is_none) {
        true => own_table(recipe),
        false => None,
    };
    let known: HashMap<&str, &ImageRef> = table
        .iter()
        .flat_map(|table| &table.items)
        .map(|item| (item.id.as_str(), &item.image))
        .collect();
    gallery
        .images
        .iter()
        .zip(&gallery.ids)
        .map(|(path, id)| match path {
            Some(path) => Some(ImageRef::File(path.into())),
            None => known.get(id.as_str()).map(|image| (*image).clone()),
        })
        .collect()
}

fn to_json(args: &SearchArgs, model: &str, queries: &Table, gallery: &Gallery, found: &[Vec<Hit>]) -> String {
    let results = |hits: &[Hit]| -> Vec<serde_json::Value> {
        hits.iter()
            .zip(1..)
            .map(|(hit, place)| {
                let row = hit.item as usize;
                json!({"place": place, "score": hit.score, "id": gallery.ids[row], "label": gallery.labels[row],
                    "image": gallery.images[row]})
            })
            .collect()
    };
    let queries: Vec<serde_json::Value> = queries
        .items
        .iter()
        .zip(found)
        .map(|(item, hits)| json!({"query": item.id, "results": results(hits)}))
        .collect();
    let object = json!({
        "gallery": args.gallery.display().to_string(),
        "items": gallery.len(),
        "model": model,
        "rerank": args.rerank,
        "query_expansion": args.qe,
        "queries": queries,
    });
    format!("{object}\n")
}

/// One block for each query: place, score, label and id.
fn to_text(queries: &Table, gallery: &Gallery, found: &[Vec<Hit>]) -> String {
    let clean = |text: &str| -> String {
        let text = text.chars().map(|c| if c.is_control() { '?' } else { c });
        shorten(&text.collect::<String>(), 80).into_owned()
    };
    let mut text = String::new();
    for (item, hits) in queries.items.iter().zip(found) {
        let head = format!("{}, among {}", clean(&item.id), grouped(gallery.len()));
        let labels: Vec<String> = hits
            .iter()
            .map(|hit| clean(&gallery.labels[hit.item as usize]))
            .collect();
        let longest = labels
            .iter()
            .map(|label| label.chars().count())
            .max()
            .unwrap_or(0);
        // A folder without folders has no labels.
        let width = if longest == 0 { 0 } else { longest.max(5) + 2 };
        let label = if longest == 0 { "" } else { "label" };
        text.push_str(&format!("\n{head}\nplace   score  {label:width$}id\n"));
        for ((hit, label), place) in hits.iter().zip(&labels).zip(1..) {
            let id = clean(&gallery.ids[hit.item as usize]);
            text.push_str(&format!("{place:>5}  {:>6.3}  {label:width$}{id}\n", hit.score));
        }
    }
    text.push('\n');
    text
}
