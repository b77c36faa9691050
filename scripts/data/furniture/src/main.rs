//! Renders the Sweet Home 3D furniture libraries as a product catalogue: each product from several sides, most
//! views before white, some as if met in the street, with a table, a split by product and every creator's name.
//!
//! The same options give the same bytes.

mod baseline;
mod catalogue;
mod model;
mod output;
mod random;
mod render;
mod scene;
mod sheet;
mod texture;

use catalogue::{Library, Product};
use clap::Parser;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use model::Model;
use output::Row;
use random::stream;
use render::Layer;
use scene::{Setup, Shot};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use texture::Texture;

/// Renders the Sweet Home 3D furniture libraries as a product catalogue.
#[derive(Parser)]
struct Options {
    /// The folder that holds the .sh3f files
    libraries: PathBuf,
    /// The archive to write, or the folder
    #[arg(long)]
    out: PathBuf,
    /// Write a folder of images and items.csv instead of a tar archive
    #[arg(long)]
    folder: bool,
    /// Studio views of each product
    #[arg(long, default_value_t = 3)]
    views: usize,
    /// Street views of each product
    #[arg(long, default_value_t = 2)]
    street_views: usize,
    /// Pixels along each side of an image
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// JPEG quality, 1 to 100
    #[arg(long, default_value_t = 75)]
    quality: u8,
    /// Another seed draws other views and another split
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Refuse to write an archive larger than this
    #[arg(long)]
    limit_bytes: Option<usize>,
    /// Parallel projection instead of perspective
    #[arg(long)]
    orthographic: bool,
    /// Print the recall of bare pixels on the test queries
    #[arg(long)]
    baseline: bool,
    /// Also write a contact sheet (PNG): the library's own icon, then all views, of 40 random products
    #[arg(long)]
    sheet: Option<PathBuf>,
    /// Which 40
    #[arg(long, default_value_t = 1)]
    sheet_seed: u64,
    /// Render only products whose label contains this
    #[arg(long)]
    only: Option<String>,
    /// Threads; by default one for each processor
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> std::process::ExitCode {
    match run(&Options::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("furniture: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// What one product gives.
struct Rendered {
    prints: Vec<Layer>,
    shots: Vec<Shot>,
    oddities: Vec<String>,
}

fn run(options: &Options) -> Result<(), String> {
    if options.size < 16 || options.size > 2048 || !(1..=100).contains(&options.quality) || options.views == 0
    {
        return Err("--size must be 16 to 2048, --quality 1 to 100 and --views at least 1".into());
    }
    let (libraries, mut products, left_out) = catalogue::read(&options.libraries)?;
    for (reason, labels) in &left_out {
        eprintln!("left out, {reason}: {}", labels.len());
    }
    if let Some(part) = &options.only {
        products.retain(|p| p.label.contains(part.as_str()));
    }
    let (backgrounds, behind) = backgrounds(&libraries, &products, options.seed);
    eprintln!(
        "{} products, {} texture photos for backgrounds",
        products.len(),
        backgrounds.len()
    );
    let behind: Vec<Product> = behind.into_iter().map(|i| products[i].clone()).collect();

    let setup = Setup {
        size: options.size,
        seed: options.seed,
        orthographic: options.orthographic,
        backgrounds: &backgrounds,
    };
    let rendered = render_all(&libraries, &products, &setup, options);

    // Failures and look-alikes go; what stays is counted.
    let (mut kept, mut kept_products, mut failed, mut alike) =
        (Vec::<Rendered>::new(), Vec::<Product>::new(), 0, 0);
    for (product, result) in products.into_iter().zip(rendered) {
        let one = match result {
            Ok(one) => one,
            Err(e) => {
                eprintln!("skipped {}: {e}", product.label);
                failed += 1;
                continue;
            }
        };
        for oddity in one.oddities.iter().collect::<BTreeSet<_>>() {
            eprintln!("note {}: {oddity}", product.label);
        }
        if let Some(twin) = kept.iter().position(|k| same(&k.prints, &one.prints)) {
            eprintln!(
                "left out {}: looks like {}",
                product.label, kept_products[twin].label
            );
            alike += 1;
            continue;
        }
        kept.push(one);
        kept_products.push(product);
    }
    let products = kept_products;
    eprintln!(
        "{} products kept, {failed} skipped because they failed, {alike} left out as look-alikes",
        products.len()
    );

    let train = split(&products, options.seed);
    let mut rows = Vec::new();
    for (i, (product, one)) in products.iter().zip(&kept).enumerate() {
        for (n, shot) in one.shots.iter().enumerate() {
            let street = n >= options.views;
            let (kind, n) = if street {
                ("q", n - options.views)
            } else {
                ("s", n)
            };
            rows.push(Row {
                product: i,
                id: format!("{}-{kind}{n}", product.label),
                jpeg: jpeg(&shot.rgb, options.size, options.quality, !options.folder)?,
                train: train[i],
                street,
                azimuth: shot.azimuth,
                elevation: shot.elevation,
            });
        }
    }
    write(options, &products, &behind, &rows)?;
    summary(&products, &rows, &train);
    if options.baseline {
        print_baseline(&rows)?;
    }
    if let Some(path) = &options.sheet {
        let images = sheet::sheet(libraries, &products, &kept, options)?;
        images
            .save(path)
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// Texture photos for what lies behind street views, and the products they come from: only photos in the public domain,
/// so that an image's licence is its model's alone.
fn backgrounds(libraries: &[Library], products: &[Product], seed: u64) -> (Vec<Texture>, BTreeSet<usize>) {
    let mut libraries = libraries.to_vec();
    let mut candidates = Vec::new();
    for (i, p) in products
        .iter()
        .enumerate()
        .filter(|(_, p)| p.licence == catalogue::CC0)
    {
        let folder = p.model.rsplit_once('/').map_or("", |(folder, _)| folder);
        let photos = libraries[p.shelf]
            .below(folder)
            .into_iter()
            .filter(|n| n.to_lowercase().ends_with(".jpg"));
        candidates.extend(photos.map(|n| (i, n)));
    }
    stream(seed, "backgrounds", "").shuffle(&mut candidates);
    let (mut photos, mut sources) = (Vec::new(), BTreeSet::new());
    for (i, name) in candidates {
        if photos.len() == 160 {
            break;
        }
        let Ok(photo) = libraries[products[i].shelf]
            .read(&name)
            .and_then(|b| Texture::decode(&b))
        else {
            continue;
        };
        let (w, h) = photo.size();
        // Plain colours and strips are no photos of a material.
        if w.min(h) >= 100 && w.max(h) <= 3 * w.min(h) && contrast(&photo) >= 0.05 {
            photos.push(photo);
            sources.insert(i);
        }
    }
    (photos, sources)
}

/// Standard deviation of the green channel over a grid.
fn contrast(photo: &Texture) -> f32 {
    let values: Vec<f32> = (0..400)
        .map(|i| photo.sample(0, (i % 20) as f32 / 20.0, (i / 20) as f32 / 20.0)[1])
        .collect();
    let mean = values.iter().sum::<f32>() / 400.0;
    (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 400.0).sqrt()
}

/// Renders every product; results in the order of the products, however many threads there are.
fn render_all(
    libraries: &[Library],
    products: &[Product],
    setup: &Setup,
    options: &Options,
) -> Vec<Result<Rendered, String>> {
    let threads = options
        .threads
        .or_else(|| Some(std::thread::available_parallelism().ok()?.get()))
        .unwrap_or(1)
        .max(1);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut libraries = libraries.to_vec();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(product) = products.get(i) else { break };
                    let library = &mut libraries[product.shelf];
                    // A model that breaks the renderer is one product less, not the end.
                    let attempt =
                        std::panic::AssertUnwindSafe(|| render_one(library, product, setup, options));
                    let result = std::panic::catch_unwind(attempt)
                        .unwrap_or_else(|_| Err("the renderer broke".into()));
                    results
                        .lock()
                        .unwrap_or_else(|e| e.into_inner())
                        .insert(i, result);
                }
            });
        }
    });
    results
        .into_inner()
        .unwrap_or_else(|e| e.into_inner())
        .into_values()
        .collect()
}

fn render_one(
    library: &mut Library,
    product: &Product,
    setup: &Setup,
    options: &Options,
) -> Result<Rendered, String> {
    let model = Model::load(library, product)?;
    let mut shots = Vec::new();
    for n in 0..options.views {
        shots.push(scene::studio(
            &model,
            &product.size,
            &product.label,
            n,
            options.views,
            setup,
        )?);
    }
    for n in 0..options.street_views {
        shots.push(scene::street(&model, &product.size, &product.label, n, setup)?);
    }
    Ok(Rendered {
        prints: scene::fingerprint(&model),
        shots,
        oddities: model.oddities,
    })
}

/// Whether two products cannot be told by eye: where either is seen, they differ by less than 2.5 of 255 on average.
fn same(a: &[Layer], b: &[Layer]) -> bool {
    let (mut difference, mut seen) = (0.0f32, 0.0f32);
    for (p, q) in a.iter().zip(b).flat_map(|(a, b)| a.pixels.iter().zip(&b.pixels)) {
        if p[3] + q[3] > 0.0 {
            seen += 1.0;
            difference += (0..4).map(|c| (p[c] - q[c]).abs()).sum::<f32>() / 4.0;
        }
    }
    difference * 255.0 < 2.5 * seen
}

/// Half of each category's products, drawn by the seed, are for training; of odd ones out, every second.
fn split(products: &[Product], seed: u64) -> Vec<bool> {
    let mut categories: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, p) in products.iter().enumerate() {
        categories.entry(&p.category).or_default().push(i);
    }
    let (mut train, mut drawn) = (vec![false; products.len()], 0);
    for (category, mut members) in categories {
        stream(seed, "split", category).shuffle(&mut members);
        for i in members {
            train[i] = drawn % 2 == 0;
            drawn += 1;
        }
    }
    train
}

/// Encodes near the wanted quality. `blocks`: an archive stores blocks of 512 bytes, so the quality is moved by up to 8 to
/// fill the block that is begun, or to do without it if little of it would be used.
fn jpeg(rgb: &[u8], size: usize, quality: u8, blocks: bool) -> Result<Vec<u8>, String> {
    let encode = |quality: u8| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.set_optimized_huffman_tables(true);
        // Without this, fitted tables mean a baseline file with a scan for each channel, which zune-jpeg 0.5.15 misreads.
        encoder.set_progressive(true);
        encoder
            .encode(rgb, size as u16, size as u16, ColorType::Rgb)
            .map_err(|e| e.to_string())?;
        Ok::<_, String>(bytes)
    };
    let wanted = encode(quality)?;
    if !blocks {
        return Ok(wanted);
    }
    for room in [(wanted.len() - 200) / 512 * 512, wanted.len()].map(|n| n.next_multiple_of(512)) {
        for quality in (quality.saturating_sub(8).max(1)..=(quality + 8).min(100)).rev() {
            let bytes = encode(quality)?;
            if bytes.len() <= room {
                return Ok(bytes);
            }
        }
    }
    Ok(wanted)
}

fn write(options: &Options, products: &[Product], behind: &[Product], rows: &[Row]) -> Result<(), String> {
    let table = output::table(products, rows);
    let attribution = output::attribution(products, &behind.iter().collect::<Vec<_>>(), options.size);
    let mut files = vec![
        ("items.csv".to_owned(), table.as_bytes()),
        ("ATTRIBUTION.md".to_owned(), attribution.as_bytes()),
    ];
    files.extend(
        rows.iter()
            .map(|r| (format!("images/{}.jpg", r.id), r.jpeg.as_slice())),
    );
    let archive = if options.folder {
        Vec::new()
    } else {
        output::tar(&files)?
    };
    let bytes = if options.folder {
        files.iter().map(|(_, b)| b.len()).sum()
    } else {
        archive.len()
    };
    if let Some(limit) = options.limit_bytes.filter(|limit| bytes > *limit) {
        return Err(format!(
            "{bytes} bytes, more than the {limit} of --limit-bytes: lower --views, --size or --quality; nothing was written"
        ));
    }
    if options.folder {
        for (name, bytes) in files {
            output::write_whole(&options.out.join(name), bytes)?;
        }
    } else {
        output::write_whole(&options.out, &archive)?;
    }
    eprintln!("wrote {} ({bytes} bytes)", options.out.display());
    Ok(())
}

fn summary(products: &[Product], rows: &[Row], train: &[bool]) {
    let trained = train.iter().filter(|t| **t).count();
    println!(
        "products  {} ({trained} train, {} test)",
        products.len(),
        products.len() - trained
    );
    let count = |keep: &dyn Fn(&Row) -> bool| rows.iter().filter(|r| keep(r)).count();
    let (train, queries, gallery) = (
        count(&|r| r.train),
        count(&Row::is_query),
        count(&Row::is_gallery),
    );
    println!(
        "images    {} ({train} train, {queries} queries, {gallery} gallery)",
        rows.len()
    );
    let mean = |keep: &dyn Fn(&Row) -> bool| {
        rows.iter()
            .filter(|r| keep(r))
            .map(|r| r.jpeg.len())
            .sum::<usize>()
            / count(keep).max(1)
    };
    println!(
        "bytes     {} per studio image, {} per street image",
        mean(&|r| !r.street),
        mean(&|r| r.street)
    );
}

fn print_baseline(rows: &[Row]) -> Result<(), String> {
    let describe = |keep: &dyn Fn(&Row) -> bool| {
        let rows = rows.iter().filter(|r| keep(r));
        rows.map(|r| Ok((r.product, baseline::describe(&r.jpeg)?)))
            .collect::<Result<Vec<_>, String>>()
    };
    let (queries, gallery) = (describe(&Row::is_query)?, describe(&Row::is_gallery)?);
    let [one, ten] = baseline::recall(&queries, &gallery);
    let products = gallery.iter().map(|(p, _)| p).collect::<BTreeSet<_>>().len();
    println!(
        "pixels    recall@1 {one:.3}, recall@10 {ten:.3} (chance {:.4})",
        1.0 / products.max(1) as f64
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(categories: &[&str]) -> Vec<Product> {
        let one = |(i, category): (usize, &&str)| Product {
            label: format!("p{i}"),
            name: String::new(),
            tags: Vec::new(),
            category: (*category).into(),
            creator: String::new(),
            licence: catalogue::CC0,
            library: String::new(),
            shelf: 0,
            model: String::new(),
            icon: String::new(),
            size: [1.0; 3],
            rotation: [0.0; 9],
        };
        categories.iter().enumerate().map(one).collect()
    }

    #[test]
    fn each_category_is_halved_and_so_is_the_whole() {
        let products = products(&["a", "b", "a", "b", "a", "c", "b", "a", "a", "b", "c", "b"]);
        let train = split(&products, 3);
        for category in ["a", "b", "c"] {
            let of = |wanted: bool| {
                products
                    .iter()
                    .zip(&train)
                    .filter(|(p, t)| p.category == category && **t == wanted)
                    .count()
            };
            assert!(of(true).abs_diff(of(false)) <= 1);
        }
        assert_eq!(train.iter().filter(|t| **t).count(), 6);
        assert_eq!(train, split(&products, 3));
        assert_ne!(train, split(&products, 4));
    }

    #[test]
    fn images_that_differ_by_a_shade_are_the_same_product() {
        let plain = |v: f32| {
            vec![Layer {
                pixels: vec![[v, v, v, 1.0], [0.0; 4]],
            }]
        };
        assert!(same(&plain(0.5), &plain(0.505)));
        assert!(!same(&plain(0.5), &plain(0.6)));
    }

    #[test]
    fn jpegs_fill_the_blocks_of_the_archive() {
        let rgb: Vec<u8> = (0..64 * 64 * 3u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as u8 * 4)
            .collect();
        let plain = jpeg(&rgb, 64, 75, false).unwrap();
        let fitted = jpeg(&rgb, 64, 75, true).unwrap();
        assert!(fitted.len() <= plain.len().next_multiple_of(512));
        assert_eq!(image::load_from_memory(&fitted).unwrap().width(), 64);
    }
}
