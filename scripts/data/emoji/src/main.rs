//! Rasterises emoji of several vendors and writes tables of the pictures with their names and tags in several languages.
//!
//! A concept (one code point sequence, "1f43b") is a product, a vendor is a domain: one concept, several drawings. Two tables are
//! written. In `items.csv` the last vendor's drawings are the test: known concepts, drawn by a hand that was never seen. In `new.csv`
//! the training rows are the same, and the test is that vendor's drawings of concepts that are in no other row of either table.
//!
//! The same options give the same bytes.

mod icons;
mod names;
mod output;
mod render;

use clap::Parser;
use icons::Icons;
use names::Names;
use std::collections::HashSet;
use std::path::PathBuf;

/// Rasterises emoji of several vendors and writes tables with their names and tags in several languages.
#[derive(Parser)]
struct Options {
    /// Unpacked icon sets in Iconify's form; the last one is tested on
    #[arg(required = true, num_args = 2..)]
    icons: Vec<PathBuf>,
    /// The unpacked package emojibase-data
    #[arg(long)]
    names: PathBuf,
    /// The folder to write
    #[arg(long)]
    out: PathBuf,
    /// Languages of names and tags, folders of emojibase-data; the first one's are also the column `text`
    #[arg(long, value_delimiter = ',', default_value = "en,de,fr,es,it,pl,pt")]
    languages: Vec<String>,
    /// Pixels along each side of a picture
    #[arg(long, default_value_t = 72)]
    size: u32,
    /// The share of the concepts that are kept for new.csv
    #[arg(long, default_value_t = 0.2)]
    new: f64,
    /// The share of the other concepts whose test drawings are valid rows, to choose by, in the place of test rows
    #[arg(long, default_value_t = 0.5)]
    valid: f64,
    /// Only so many concepts, drawn by the seed
    #[arg(long)]
    concepts: Option<usize>,
    /// Another seed divides the concepts otherwise
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What a concept is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Trained on; the drawing of the last vendor is a test row.
    Test,
    /// Trained on; the drawing of the last vendor is a valid row.
    Valid,
    /// Never trained on.
    New,
}

fn main() -> std::process::ExitCode {
    match run(&Options::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("emoji: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if !(16..=1024).contains(&options.size) {
        return Err("--size must be 16 to 1024".into());
    }
    if ![options.new, options.valid]
        .iter()
        .all(|share| (0.0..1.0).contains(share))
    {
        return Err("--new and --valid are shares, 0 to less than 1".into());
    }
    let sets: Vec<Icons> = options
        .icons
        .iter()
        .map(|folder| Icons::read(folder))
        .collect::<Result<_, _>>()?;
    if let Some(twice) = sets
        .iter()
        .enumerate()
        .find(|(at, set)| sets[..*at].iter().any(|other| other.prefix == set.prefix))
    {
        return Err(format!("{} is named twice", twice.1.prefix));
    }
    let names = Names::read(&options.names, &options.languages)?;

    let mut concepts: Vec<&str> = names
        .codes()
        .filter(|code| sets.iter().all(|set| set.icon(code).is_some()))
        .collect();
    concepts.sort_by_cached_key(|code| (lot(options.seed, code), *code));
    let (mut pictures, alike) = draw(&sets, &concepts, options)?;
    if !alike.is_empty() {
        println!("left out, drawn as another one: {}", alike.join(", "));
    }
    let uses = divide(pictures.len(), options.new, options.valid);
    if !uses.contains(&Use::Test) {
        return Err(format!(
            "of {} concepts that are in every set and language none is left to test on",
            pictures.len()
        ));
    }
    let mut chosen: Vec<(&str, Use)> = pictures.iter().map(|(code, _)| *code).zip(uses).collect();
    // Both are put in the order of the code points.
    pictures.sort_unstable();
    chosen.sort_unstable_by_key(|(code, _)| *code);

    for ((code, drawings), (_, of)) in pictures.iter().zip(&chosen) {
        for (at, (set, png)) in sets.iter().zip(drawings).enumerate() {
            if at + 1 == sets.len() || *of != Use::New {
                output::write_whole(&options.out.join(output::image(&set.prefix, code)), png)?;
            }
        }
    }
    let attribution = output::attribution(&sets, &names, options.size);
    output::write_whole(&options.out.join("ATTRIBUTION.md"), attribution.as_bytes())?;
    for (file, tested) in [("items.csv", Use::Test), ("new.csv", Use::New)] {
        let (table, counts) = output::table(&sets, &names, &chosen, tested);
        output::write_whole(&options.out.join(file), table.as_bytes())?;
        println!("{file}: {counts}");
    }
    println!(
        "{} languages: {}",
        options.languages.len(),
        options.languages.join(", ")
    );
    Ok(())
}

/// A concept with each set's drawing of it.
type Drawn<'a> = (&'a str, Vec<Vec<u8>>);

/// Draws concepts in their order, as many as are asked for. One that a set draws exactly as an earlier one is left out, and named.
fn draw<'a>(
    sets: &[Icons],
    concepts: &[&'a str],
    options: &Options,
) -> Result<(Vec<Drawn<'a>>, Vec<&'a str>), String> {
    let mut seen: Vec<HashSet<Vec<u8>>> = vec![HashSet::new(); sets.len()];
    let (mut drawn, mut alike) = (Vec::new(), Vec::new());
    for &code in concepts {
        if drawn.len() == options.concepts.unwrap_or(usize::MAX) {
            break;
        }
        let mut drawings = Vec::new();
        for set in sets {
            let failed = |e: String| format!("{} {code}: {e}", set.prefix);
            let svg = set.icon(code).ok_or_else(|| failed("is not there".into()))?;
            drawings.push(render::png(&svg, options.size).map_err(failed)?);
        }
        if seen.iter().zip(&drawings).any(|(seen, png)| seen.contains(png)) {
            alike.push(code);
            continue;
        }
        for (seen, png) in seen.iter_mut().zip(&drawings) {
            seen.insert(png.clone());
        }
        drawn.push((code, drawings));
    }
    Ok((drawn, alike))
}

/// The uses of concepts in the order that they were drawn in.
fn divide(count: usize, new: f64, valid: f64) -> Vec<Use> {
    let new = (count as f64 * new).round() as usize;
    let valid = ((count - new) as f64 * valid).round() as usize;
    let one = |at: usize| match at {
        at if at < new => Use::New,
        at if at < new + valid => Use::Valid,
        _ => Use::Test,
    };
    (0..count).map(one).collect()
}

/// A number drawn for a concept: FNV-1a of seed and name, mixed as in SplitMix64. It does not depend on the other concepts, so that a
/// later version of a package moves few of them.
fn lot(seed: u64, code: &str) -> u64 {
    let mut z = 0xcbf2_9ce4_8422_2325u64;
    for &byte in seed.to_le_bytes().iter().chain(code.as_bytes()) {
        z = (z ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_concept_has_one_use() {
        let uses = divide(100, 0.2, 0.25);
        let count = |wanted: Use| uses.iter().filter(|of| **of == wanted).count();
        assert_eq!(
            [count(Use::New), count(Use::Valid), count(Use::Test)],
            [20, 20, 60]
        );
        assert_eq!(divide(3, 0.0, 0.0), [Use::Test; 3]);
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| {
            let mut codes = vec!["1f600", "1f601", "1f602", "1f603", "1f604", "1f605"];
            codes.sort_by_key(|code| lot(seed, code));
            codes
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
