//! Exact ranking: `cargo bench --bench search`.
//!
//! By default small sizes under criterion. `TAILOR_BENCH=10000x10000x512` ranks that size once and prints one line of
//! JSON with the seconds and the peak memory; `TAILOR_BENCH_FULL=1` is 60000x60000x512. scripts/bench/search.py does the
//! same with PyTorch and faiss, from the same data.

use std::time::Instant;

use burn::tensor::Device;
use criterion::{BatchSize, Criterion};
use tailor::metrics::{Metric, Resampling, figures};
use tailor::random::stream;
use tailor::search::{Embeddings, LabelRelevance, Options, Plan, Side, Similarity, rank};

/// Images of one identity on either side.
const VIEWS: usize = 4;

/// A random vector for each identity with twice as much noise on it, so that ranks vary.
fn embeddings(rows: usize, dimensions: usize, purpose: &str) -> Vec<f32> {
    let mut values = Vec::with_capacity(rows * dimensions);
    for row in 0..rows {
        let mut class = stream(1, "bench class", &[(row / VIEWS) as u64]);
        let mut noise = stream(1, purpose, &[row as u64]);
        // Uniform numbers are cheap to draw.
        values
            .extend((0..dimensions).map(|_| (class.uniform() - 0.5 + 2.0 * (noise.uniform() - 0.5)) as f32));
    }
    values
}

fn labels(rows: usize) -> Vec<u32> {
    (0..rows).map(|row| (row / VIEWS) as u32).collect()
}

fn scorer(queries: usize, gallery: usize, dimensions: usize) -> Embeddings {
    let (queries, gallery) = (
        embeddings(queries, dimensions, "query"),
        embeddings(gallery, dimensions, "gallery"),
    );
    match Embeddings::new(queries, gallery, dimensions, Similarity::Cosine, &Device::flex()) {
        Ok(scorer) => scorer,
        Err(error) => panic!("{error}"),
    }
}

/// Kilobytes from a line of /proc/self/status; 0 where there is no such file.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// Processor seconds of this process so far, of all threads; 0 where there is no /proc. A busy machine stretches the
/// wall clock, hardly these.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses come the state and then numbers; user and system time are the 12th and 13th of
    // these fields, in hundredths of a second.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

fn once(queries: usize, gallery: usize, dimensions: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut scorer = scorer(queries, gallery, dimensions);
    if let Ok(tile) = std::env::var("TAILOR_BENCH_TILE") {
        let (rows, columns) = tile
            .split_once('x')
            .ok_or("TAILOR_BENCH_TILE is not ROWSxCOLUMNS")?;
        scorer = scorer.with_tile(rows.parse()?, columns.parse()?);
    }
    let relevance = LabelRelevance::new(Side::labels(labels(queries)), Side::labels(labels(gallery)));
    let options = Options::default();
    let plan = Plan::new(&scorer, &options);
    eprintln!("{plan}");
    let before = status("VmRSS:");
    let processor = processor_seconds();
    let start = Instant::now();
    let ranks = rank(&mut scorer, &relevance, &options)?;
    let seconds = start.elapsed().as_secs_f64();
    let processor = processor_seconds() - processor;
    let peak = status("VmHWM:");
    let metrics = [
        Metric::Recall(1),
        Metric::AveragePrecision,
        Metric::AveragePrecisionAtR,
    ];
    let start = Instant::now();
    let figures = figures(&ranks, &labels(queries), &metrics, &Resampling::default())?;
    let bootstrap = start.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "engine": "tailor", "queries": queries, "gallery": gallery, "dimensions": dimensions,
        "seconds": seconds, "processor_seconds": processor, "gflops": 2.0 * (queries * gallery * dimensions) as f64 / seconds / 1e9,
        "planned_mb": plan.bytes / 1_000_000, "resident_before_mb": before / 1000, "peak_mb": peak / 1000,
        "bootstrap_seconds": bootstrap, "metrics": figures,
    });
    println!("{report}");
    Ok(())
}

fn small(criterion: &mut Criterion) {
    for (size, dimensions) in [(1000, 128), (2000, 512)] {
        let relevance = LabelRelevance::new(Side::labels(labels(size)), Side::labels(labels(size)));
        criterion.bench_function(&format!("rank {size} × {size} × {dimensions}"), |bencher| {
            bencher.iter_batched_ref(
                || scorer(size, size, dimensions),
                |scorer| rank(scorer, &relevance, &Options::default()).map(|ranks| ranks.skipped),
                BatchSize::LargeInput,
            );
        });
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let full = std::env::var_os("TAILOR_BENCH_FULL").map(|_| "60000x60000x512".to_owned());
    if let Some(size) = full.or_else(|| std::env::var("TAILOR_BENCH").ok()) {
        let numbers = size
            .split('x')
            .map(str::parse)
            .collect::<Result<Vec<usize>, _>>()?;
        let [queries, gallery, dimensions] = numbers[..] else {
            return Err(format!("`{size}` is not QUERIESxGALLERYxDIMENSIONS").into());
        };
        return once(queries, gallery, dimensions);
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    small(&mut criterion);
    criterion.final_summary();
    Ok(())
}
