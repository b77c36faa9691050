//! Images that stand in two splits, or nearly do.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Image;
use super::decode::Crop;
use super::report::{Findings, Kind};
use crate::data::table::{Item, Split, Table};

/// Near duplicates differ by at most this many grey levels on average over 16×16 points (a copy of half the size or of
/// JPEG quality 50 differs by about half a level).
const MAX_LEVELS: u32 = 3;
/// Comparisons before a data set of look-alikes is given up on: some seconds.
const MAX_COMPARISONS: u64 = 1_000_000_000;

fn place(item: &Item) -> String {
    format!("{} ({}, {})", item.id, item.split, item.label)
}

/// Rows of one file in two splits.
pub(super) fn same_file(table: &Table, images: &[Image], findings: &mut Findings) {
    for image in images {
        let items = || image.rows.iter().map(|&row| &table.items[row]);
        let splits: BTreeSet<Split> = items().map(|item| item.split).collect();
        if splits.len() < 2 {
            continue;
        }
        let same_box = items().enumerate().any(|(at, a)| {
            items()
                .skip(at + 1)
                .any(|b| a.split != b.split && a.bbox == b.bbox)
        });
        let kind = if same_box {
            Kind::ImageInTwoSplits
        } else {
            Kind::BoxesInTwoSplits
        };
        let names: Vec<&str> = splits.iter().map(|split| split.name()).collect();
        let name = image
            .rows
            .first()
            .map(|&row| table.image_name(&table.items[row]))
            .unwrap_or_default();
        findings.add(kind, format!("{name}: {}", names.join(" and ")));
    }
}

/// Different files with the same pixels: in two splits, as query and gallery, or under two labels.
pub(super) fn same_pixels(table: &Table, crops: &[Option<Crop>], findings: &mut Findings) {
    let mut groups: HashMap<[u8; 16], Vec<usize>> = HashMap::new();
    for (row, crop) in crops.iter().enumerate() {
        if let Some(crop) = crop {
            groups.entry(crop.hash).or_default().push(row);
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|rows| rows.len() > 1).collect();
    groups.sort();
    for rows in groups {
        let item = |row: &usize| &table.items[*row];
        let first = item(&rows[0]);
        if let Some(other) = rows
            .iter()
            .map(item)
            .find(|other| other.split != first.split && !one_file(first, other))
        {
            findings.add(
                Kind::ImageInTwoSplits,
                format!("{} has the pixels of {}", place(first), place(other)),
            );
        }
        if let Some(other) = rows.iter().map(item).find(|other| other.label != first.label) {
            findings.add(Kind::TwoLabels, format!("{} and {}", place(first), place(other)));
        }
        for query in rows
            .iter()
            .filter(|row| item(row).is_query && item(row).split != Split::Train)
        {
            let query_item = item(query);
            let copy = rows
                .iter()
                .find(|row| *row != query && item(row).split == query_item.split && item(row).is_gallery);
            if let Some(copy) = copy {
                findings.add(
                    Kind::QueryInGallery,
                    format!("{} is {}", query_item.id, item(copy).id),
                );
            }
        }
    }
}

/// [`same_file`] has said it.
fn one_file(a: &Item, b: &Item) -> bool {
    a.image == b.image && a.bbox == b.bbox
}

/// Pairs of two splits that look alike and are not the same pixels.
///
/// With the 256 levels summed under any signs, two pictures differ by no more than the sum of their levels' differences.
/// So pictures fall into cells of that width by three such sums (all, top less bottom, left less right), and only
/// neighbouring cells are compared: no pair is overlooked, and far fewer than all are looked at.
pub(super) fn near(table: &Table, crops: &[Option<Crop>], findings: &mut Findings) {
    let splits: BTreeSet<Split> = table.items.iter().map(|item| item.split).collect();
    if splits.len() < 2 {
        return;
    }
    let mut cells: HashMap<[i32; 3], Vec<usize>> = HashMap::new();
    for (row, crop) in crops.iter().enumerate() {
        if let Some(crop) = crop {
            cells.entry(cell(&crop.thumbnail)).or_default().push(row);
        }
    }
    let mut order: Vec<[i32; 3]> = cells.keys().copied().collect();
    // Small cells first, so that a cell of blank images takes nothing from the others.
    order.sort_by_key(|at| (cells[at].len(), *at));
    let mut pairs: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut budget = MAX_COMPARISONS;
    let mut cut_short = 0usize;
    for at in order {
        for neighbour in neighbours(at) {
            let (Some(here), Some(there)) = (cells.get(&at), cells.get(&neighbour)) else {
                continue;
            };
            let cost = here.len() as u64 * there.len() as u64;
            if cost > budget {
                cut_short += 1;
                continue;
            }
            budget -= cost;
            for &a in here {
                for &b in there {
                    if a != b && table.items[a].split != table.items[b].split && alike(&crops[a], &crops[b]) {
                        pairs.insert((a.min(b), a.max(b)));
                    }
                }
            }
        }
    }
    let mut said: HashSet<(usize, Split)> = HashSet::new();
    for (a, b) in pairs {
        // One line for an image and a split that it is near to: a series of views would fill the report.
        if said.insert((a, table.items[b].split)) {
            findings.add(
                Kind::NearlyInTwoSplits,
                format!("{} and {}", place(&table.items[a]), place(&table.items[b])),
            );
        }
    }
    if cut_short > 0 {
        let text = format!("near duplicates: {cut_short} groups of images that look alike were left out");
        findings.add(Kind::NotAllCompared, text);
    }
}

fn cell(levels: &[u8; 256]) -> [i32; 3] {
    let mut sums = [0i32; 3];
    for (at, &level) in levels.iter().enumerate() {
        let level = i32::from(level);
        sums[0] += level;
        sums[1] += if at / 16 < 8 { level } else { -level };
        sums[2] += if at % 16 < 8 { level } else { -level };
    }
    sums.map(|sum| sum.div_euclid(256 * MAX_LEVELS as i32))
}

/// A cell itself and, of each pair of neighbours, one: the other finds it.
fn neighbours(at: [i32; 3]) -> impl Iterator<Item = [i32; 3]> {
    let steps = (13..27).map(|step| [step / 9 - 1, step / 3 % 3 - 1, step % 3 - 1]);
    steps.map(move |step| std::array::from_fn(|axis| at[axis] + step[axis]))
}

fn alike(a: &Option<Crop>, b: &Option<Crop>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    if a.hash == b.hash {
        return false;
    }
    let mut difference = 0u32;
    for (a, b) in a.thumbnail.chunks_exact(64).zip(b.thumbnail.chunks_exact(64)) {
        difference += a
            .iter()
            .zip(b)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum::<u32>();
        if difference > 256 * MAX_LEVELS {
            return false;
        }
    }
    // A thin lamp on white differs little from any other lamp: what counts is the difference beside the contrast.
    difference <= (contrast(&a.thumbnail).min(contrast(&b.thumbnail)) / 8).max(128)
}

/// The sum of the levels' distances from their mean.
fn contrast(levels: &[u8; 256]) -> u32 {
    let mean = (levels.iter().map(|&level| u32::from(level)).sum::<u32>() / 256) as u8;
    levels.iter().map(|level| u32::from(level.abs_diff(mean))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_within_the_limit_are_in_neighbouring_cells() {
        let mut stream = crate::random::stream(1, "test of cells", &[]);
        for _ in 0..500 {
            let a: [u8; 256] = std::array::from_fn(|_| stream.bits() as u8);
            let mut b = a;
            // The whole difference in one direction, spread or in a few places.
            let mut left = 256 * MAX_LEVELS;
            let step = 1 + stream.below(40) as u8;
            while left >= u32::from(step) {
                let at = stream.below(256);
                b[at] = b[at].saturating_add(step);
                left -= u32::from(step);
            }
            let (a, b) = (cell(&a), cell(&b));
            assert!(
                neighbours(a).any(|n| n == b) || neighbours(b).any(|n| n == a),
                "{a:?} {b:?}"
            );
        }
        let all: BTreeSet<[i32; 3]> = neighbours([0; 3])
            .chain(neighbours([0; 3]).map(|n| n.map(|axis: i32| -axis)))
            .collect();
        assert_eq!((neighbours([0; 3]).count(), all.len()), (14, 27));
    }

    #[test]
    fn little_contrast_needs_a_small_difference() {
        let crop = |level: u8, hash: u8| {
            let mut thumbnail = Box::new([255u8; 256]);
            thumbnail[..3].fill(level);
            Some(Crop {
                hash: [hash; 16],
                thumbnail,
            })
        };
        // Three dark points of 256: a contrast of about 6 levels. Another 1.2 levels are much beside it.
        assert!(!alike(&crop(0, 1), &crop(100, 2)));
        assert!(alike(&crop(0, 1), &crop(20, 2)));
        assert!(
            !alike(&crop(0, 1), &crop(0, 1)),
            "the same pixels are another finding"
        );
    }
}
