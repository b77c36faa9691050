//! The inner loops of cross-modal matching on the CPU: every image with every caption, word by word.
//!
//! Written as tensors, the vectors that words attend to, their differences and squares are each as long as (pairs · words · dim):
//! gigabytes that are written once and read once. Here a tile of them lives in a core's cache, forwards and backwards. What is
//! kept for the backward pass is the inputs, the attention's scores, the output and one number a row. Words behind a caption's end
//! are not computed at all: the rows of a result are the words of all pairs, one after the other.

mod attend;
mod filter;
mod project;
mod reason;
mod step;
mod weigh;
mod whole;

pub use attend::local_similarity;
pub use filter::{Filter, Statistics, filtered};
pub use reason::{Step, reasoned};
pub use step::graph_step;
pub use weigh::Attention;
pub use whole::global_similarity;

use crate::nn::Lengths;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a tile: its vectors stay in a core's cache, and [`Factor`](super::panels::Factor) takes six at a time.
const TILE: usize = 126;
/// Rows of a task: whole tiles, enough for a good product, few enough for many cores.
const TASK: usize = 4 * TILE;

/// Elements from one row of `dim` to the next where many rows are read side by side: rows a power of two apart would share a few
/// places of the caches.
fn spaced(dim: usize) -> usize {
    if dim.is_multiple_of(128) { dim + 16 } else { dim }
}

/// Which captions each image is compared with, and where the rows of each pair lie. Pairs are numbered image by image.
#[derive(Clone, Debug)]
pub struct Pairs(Arc<Table>);

#[derive(Debug)]
struct Table {
    /// The first pair of each image, and the number of pairs.
    images: Vec<usize>,
    /// The caption of each pair.
    captions: Vec<u32>,
    /// The first row of each pair, and the number of rows.
    rows: Vec<usize>,
    /// The first word of each caption, counted without padding, and the number of words.
    words: Vec<usize>,
    padded: usize,
    whole: bool,
}

/// Some pairs of one image, by their numbers.
#[derive(Clone, Debug)]
struct Task {
    image: usize,
    pairs: Range<usize>,
}

impl Pairs {
    /// Every image with every caption.
    pub fn all(images: usize, lengths: &Lengths) -> Self {
        let captions = lengths.each().len();
        Self::new(vec![(0..captions as u32).collect(); images], lengths, true)
    }

    /// Pairs `[image, caption]`, and which number each of them has.
    pub fn some(images: usize, pairs: &[[usize; 2]], lengths: &Lengths) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by_key(|&at| pairs[at]);
        let mut lists = vec![Vec::new(); images];
        let mut numbers = vec![0; pairs.len()];
        for (number, at) in order.into_iter().enumerate() {
            let [image, caption] = pairs[at];
            lists[image].push(caption as u32);
            numbers[at] = number;
        }
        (Self::new(lists, lengths, false), numbers)
    }

    fn new(lists: Vec<Vec<u32>>, lengths: &Lengths, whole: bool) -> Self {
        let sums = |lengths: &mut dyn Iterator<Item = usize>| {
            let mut sums = vec![0];
            for length in lengths {
                sums.push(sums[sums.len() - 1] + length);
            }
            sums
        };
        let images = sums(&mut lists.iter().map(Vec::len));
        let captions: Vec<u32> = lists.into_iter().flatten().collect();
        let each = lengths.each();
        Self(Arc::new(Table {
            images,
            rows: sums(&mut captions.iter().map(|&caption| each[caption as usize])),
            captions,
            words: sums(&mut each.iter().copied()),
            padded: lengths.padded(),
            whole,
        }))
    }

    fn images(&self) -> usize {
        self.0.images.len() - 1
    }

    /// How many captions there are, compared or not.
    fn captions(&self) -> usize {
        self.0.words.len() - 1
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.captions.len()
    }

    /// How many words all pairs have.
    pub fn rows(&self) -> usize {
        self.0.rows[self.len()]
    }

    /// How many words all captions have.
    fn words(&self) -> usize {
        self.0.words[self.captions()]
    }

    fn caption(&self, pair: usize) -> usize {
        self.0.captions[pair] as usize
    }

    /// The rows of some pairs.
    fn rows_of(&self, pairs: &Range<usize>) -> Range<usize> {
        self.0.rows[pairs.start]..self.0.rows[pairs.end]
    }

    /// The words of a caption, counted without padding.
    fn words_of(&self, caption: usize) -> Range<usize> {
        self.0.words[caption]..self.0.words[caption + 1]
    }

    /// The pairs of an image in tasks of about [`TASK`] rows.
    fn tasks_of(&self, image: usize) -> Vec<Task> {
        let all = self.0.images[image]..self.0.images[image + 1];
        let mut tasks = Vec::new();
        let mut start = all.start;
        for pair in all.clone() {
            let more = pair + 1 < all.end;
            let grown = more && self.rows_of(&(start..pair + 2)).len() > TASK;
            if grown || !more {
                tasks.push(Task {
                    image,
                    pairs: start..pair + 1,
                });
                start = pair + 1;
            }
        }
        tasks
    }

    fn tasks(&self) -> Vec<Task> {
        (0..self.images())
            .flat_map(|image| self.tasks_of(image))
            .collect()
    }

    /// For every row of a task its word, counted without padding.
    fn sources(&self, task: &Task) -> Vec<u32> {
        task.pairs
            .clone()
            .flat_map(|pair| self.words_of(self.caption(pair)).map(|word| word as u32))
            .collect()
    }

    /// `[captions, padded, dim]` without the padding, `[words, dim]`, with [`spaced`] rows.
    fn compact(&self, padded: &[f32], dim: usize) -> Vec<f32> {
        let mut found = vec![0.0; self.words() * spaced(dim)];
        for caption in 0..self.captions() {
            let words = self.words_of(caption);
            let from = padded[caption * self.0.padded * dim..].chunks_exact(dim);
            let to = found[words.start * spaced(dim)..].chunks_exact_mut(spaced(dim));
            for (to, from) in to.zip(from).take(words.len()) {
                to[..dim].copy_from_slice(from);
            }
        }
        found
    }

    /// From `[words, dim]` to `[captions, padded, dim]` with zeros behind each caption's end.
    fn spread(&self, words: &[f32], dim: usize) -> Vec<f32> {
        let mut found = vec![0.0; self.captions() * self.0.padded * dim];
        for caption in 0..self.captions() {
            let range = self.words_of(caption);
            found[caption * self.0.padded * dim..][..range.len() * dim]
                .copy_from_slice(&words[range.start * dim..range.end * dim]);
        }
        found
    }
}

/// Consecutive words in `sources`: rows of the task, and the first word.
fn runs(sources: &[u32]) -> Vec<(Range<usize>, usize)> {
    let mut runs: Vec<(Range<usize>, usize)> = Vec::new();
    for (row, &word) in sources.iter().enumerate() {
        match runs.last_mut() {
            Some((rows, first)) if *first + rows.len() == word as usize => rows.end = row + 1,
            _ => runs.push((row..row + 1, word as usize)),
        }
    }
    runs
}

/// The parts of the images whose gradients are added up apart: by shape alone, so that sums do not depend on the threads.
fn parts(images: usize) -> Vec<Range<usize>> {
    let parts = 16.min(images);
    (0..parts)
        .map(|part| images * part / parts..images * (part + 1) / parts)
        .collect()
}

thread_local! {
    static SCRATCH: Cell<[Vec<f32>; 4]> = const { Cell::new([Vec::new(), Vec::new(), Vec::new(), Vec::new()]) };
}

/// Four buffers of the thread, with any content.
fn with_scratch<T>(lengths: [usize; 4], work: impl FnOnce([&mut [f32]; 4]) -> T) -> T {
    let mut buffers = SCRATCH.take();
    for (buffer, length) in buffers.iter_mut().zip(lengths) {
        if buffer.len() < length {
            buffer.resize(length, 0.0);
        }
    }
    let [a, b, c, d] = &mut buffers;
    let answer = work([
        &mut a[..lengths[0]],
        &mut b[..lengths[1]],
        &mut c[..lengths[2]],
        &mut d[..lengths[3]],
    ]);
    SCRATCH.set(buffers);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_lie_image_by_image_without_padding() {
        let lengths = Lengths::new(vec![3, 1, 2], 4);
        let all = Pairs::all(2, &lengths);
        assert_eq!((all.len(), all.rows(), all.words()), (6, 12, 6));
        assert_eq!(all.rows_of(&(4..6)), 9..12);
        let (some, numbers) = Pairs::some(3, &[[2, 0], [0, 1], [2, 2], [0, 0]], &lengths);
        assert_eq!(numbers, [2, 1, 3, 0]);
        assert_eq!((some.len(), some.rows()), (4, 9));
        let tasks = some.tasks();
        assert_eq!(tasks.len(), 2, "an image without pairs has no task");
        assert_eq!(some.sources(&tasks[1]), [0, 1, 2, 4, 5]);
        assert_eq!(runs(&some.sources(&tasks[1])), [(0..3, 0), (3..5, 4)]);
        let padded: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let compact = all.compact(&padded, 1);
        assert_eq!(compact, [0.0, 1.0, 2.0, 4.0, 8.0, 9.0]);
        assert_eq!(all.compact(&all.spread(&compact, 1), 1), compact);
    }

    #[test]
    fn a_task_has_no_more_rows_than_it_must() {
        let lengths = Lengths::new([300; 5].into_iter().chain([700, 20]).collect(), 700);
        let tasks = Pairs::all(1, &lengths).tasks();
        let pairs: Vec<_> = tasks.into_iter().map(|task| task.pairs).collect();
        assert_eq!(pairs, [0..1, 1..2, 2..3, 3..4, 4..5, 5..6, 6..7]);
    }
}
