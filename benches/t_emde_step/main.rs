//! The training step and the scoring of the cross-modal matchers:
//! `cargo bench --bench t_emde_step -- [--device cpu] [--warmup 1] [--steps 3] [--batch 128]
//! [--score 100x500 | --latency 1000x5000 | --curve | --matmul] [--blocks N] [HEAD:GLOBAL …]`, HEAD being `saf` or `sgr`, GLOBAL
//! `self_attention` (the host's), `mean` or `t_emde`.
//!
//! The counterpart of scripts/bench/t_emde.py, which does the same with the hosts' released code; scripts/bench/t_emde.sh runs both.
//!
//! - A training step is that of encoders, all pairs of a batch, hardest negatives, gradients clipped at 2, and Adam; 36 random regions
//!   of 2048, captions of 8 to 21 words, evenly spread, the longest first. `LAPS=1` says on stderr where its time goes.
//! - `--score` times encoded images against encoded captions with their global vectors, in evaluation, in blocks of 100 × 100.
//! - `--latency` times the same with the global vectors computed in every block; several configurations take turns.
//! - `--blocks` times so many of those blocks, evenly spread, and multiplies: `blocks` and `of` say so.
//! - `--curve` times one set of 36 to 4,096 tokens through T-EMDE and through multi-head self-attention.
//! - `--matmul` gives GFLOP/s of burn's product of 1024 × 1024 matrices alone.
//!
//! Prints one JSON object per configuration: milliseconds as median, least and greatest after the steps to warm up; `cpu`, the median
//! of a step's processor time over all threads divided by their number (what counts on a busy machine); GFLOP of a step's matrix
//! products, in a second (`gflops`), as a share of the same machine's product of 1024 × 1024 matrices right afterwards; and the most
//! memory that the process had, in MiB, the device's own not counted.

mod measure;
mod net;
mod pairs;
mod tokens;

use net::Configuration;
use tailor::device::{Choice, resolve};

enum Work {
    Train,
    Score([usize; 2]),
    Latency([usize; 2]),
    Curve,
    Matmul,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut steps, mut warmup, mut batch, mut blocks) = (3, 1, 128, usize::MAX);
    let (mut work, mut device) = (Work::Train, Choice::Cpu);
    let mut configurations = Vec::new();
    let mut args = std::env::args().skip(1);
    let number = |text: Option<&str>, name: &str| {
        let found = text.and_then(|n| n.parse::<usize>().ok());
        found.ok_or_else(|| format!("{name} needs a number"))
    };
    let least = |found: usize, name: &str| match found {
        0 => Err(format!("{name} is at least 1")),
        found => Ok(found),
    };
    while let Some(arg) = args.next() {
        let mut shape = |name: &str| {
            let text = args.next().unwrap_or_default();
            let found = text
                .split_once('x')
                .ok_or(format!("{name} needs IMAGESxCAPTIONS"))?;
            let side = |text| least(number(Some(text), name)?, name);
            Ok::<_, String>([side(found.0)?, side(found.1)?])
        };
        match arg.as_str() {
            // What `cargo bench` adds.
            "--bench" => {}
            "--score" => work = Work::Score(shape("--score")?),
            "--latency" => work = Work::Latency(shape("--latency")?),
            "--curve" => work = Work::Curve,
            "--matmul" => work = Work::Matmul,
            "--device" => device = args.next().unwrap_or_default().parse()?,
            "--steps" => steps = least(number(args.next().as_deref(), "--steps")?, "--steps")?,
            "--warmup" => warmup = number(args.next().as_deref(), "--warmup")?,
            "--batch" => batch = least(number(args.next().as_deref(), "--batch")?, "--batch")?,
            "--blocks" => blocks = least(number(args.next().as_deref(), "--blocks")?, "--blocks")?,
            text => configurations.push(
                Configuration::new(text)
                    .ok_or_else(|| format!("`{text}` is no HEAD:GLOBAL, and no option"))?,
            ),
        }
    }
    if configurations.is_empty() {
        let names = match work {
            Work::Latency(_) => ["saf:self_attention", "saf:t_emde", "saf:mean"].as_slice(),
            _ => ["saf:self_attention", "sgr:self_attention"].as_slice(),
        };
        configurations = names.iter().filter_map(|name| Configuration::new(name)).collect();
    }
    let device = resolve(device)?.device;
    let runs = [warmup, steps];
    match work {
        Work::Train => {
            for configuration in &configurations {
                pairs::train(configuration, &device, batch, runs)?;
            }
        }
        Work::Score(shape) => {
            for configuration in configurations.chunks(1) {
                pairs::score(configuration, &device, shape, runs, blocks, false);
            }
        }
        Work::Latency(shape) => pairs::score(&configurations, &device, shape, runs, blocks, true),
        Work::Curve => tokens::curve(&device, runs),
        Work::Matmul => {
            let rate = measure::matmul_rate(&device);
            println!(
                "{}",
                serde_json::json!({ "what": "matmul 1024", "gflops": rate.round() })
            );
        }
    }
    Ok(())
}
