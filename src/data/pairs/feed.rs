//! Batches of pairs: every caption once an epoch with each image that it is right for.

use super::{PairError, Precomputed};
use crate::data::feed::{Feed, FeedError, Job};
use crate::random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Images and captions of the same rows, the longest caption first.
#[derive(Clone, Debug, PartialEq)]
pub struct PairBatch {
    /// `[batch, regions, dim]`.
    pub features: Vec<f32>,
    /// batch, regions, dim.
    pub shape: [usize; 3],
    /// Word ids `[batch, longest]`, 0 behind each caption's end.
    pub ids: Vec<i32>,
    /// Words of each caption, descending.
    pub lengths: Vec<usize>,
    /// Caption numbers.
    pub captions: Vec<usize>,
    /// Image numbers.
    pub images: Vec<usize>,
    /// Whether row i's image and row j's caption belong together though i and j differ, `[batch, batch]`: captions of one image, or of
    /// several images of one product.
    pub known: Vec<bool>,
}

/// Batches of a split.
pub struct PairFeed {
    split: Arc<Precomputed>,
    batch: usize,
    seed: u64,
    /// The orders of the epochs that the loader and the engine stand in.
    orders: Mutex<BTreeMap<u64, Arc<Vec<usize>>>>,
}

impl PairFeed {
    /// Batches of that many pairs; the last of an epoch may be shorter, as the reference's are, but not a single pair, which has
    /// no negative.
    pub fn new(split: Arc<Precomputed>, batch: usize, seed: u64) -> Result<Self, PairError> {
        let pairs = split.truth.pairs();
        if batch < 2 || pairs < batch {
            return Err(PairError::FewPairs { pairs, batch });
        }
        Ok(Self {
            split,
            batch,
            seed,
            orders: Mutex::default(),
        })
    }

    /// All pairs in the order of an epoch.
    fn order(&self, epoch: u64) -> Arc<Vec<usize>> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let order = orders.entry(epoch).or_insert_with(|| {
            let mut order: Vec<usize> = (0..self.split.truth.pairs()).collect();
            random::stream(self.seed, "pairs", &[epoch]).shuffle(&mut order);
            Arc::new(order)
        });
        let order = order.clone();
        while orders.len() > 4 {
            orders.pop_first();
        }
        order
    }

    /// The pairs of a batch.
    fn rows(&self, job: Job) -> Vec<usize> {
        let order = self.order(job.epoch);
        let start = job.batch as usize * self.batch;
        order[start..(start + self.batch).min(order.len())].to_vec()
    }

    /// Makes a batch of these pairs, which count as [`Truth::pair`](super::Truth::pair) does.
    pub fn make(split: &Precomputed, pairs: Vec<usize>) -> Result<PairBatch, PairError> {
        let mut pairs: Vec<(usize, usize)> = pairs.into_iter().map(|pair| split.truth.pair(pair)).collect();
        // Stable: captions of one length stay in the order of the epoch.
        pairs.sort_by_key(|&(_, caption)| std::cmp::Reverse(split.captions[caption].len()));
        let (images, captions): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
        let [_, regions, dim] = split.features.shape();
        let lengths: Vec<usize> = captions.iter().map(|&c| split.captions[c].len()).collect();
        let longest = lengths.first().copied().unwrap_or(0);
        let mut features = vec![0.0; captions.len() * regions * dim];
        let mut ids = vec![0; captions.len() * longest];
        for (to, &image) in features.chunks_exact_mut(regions * dim).zip(&images) {
            split.read(image, to)?;
        }
        for (to, &caption) in ids.chunks_exact_mut(longest).zip(&captions) {
            for (to, &id) in to.iter_mut().zip(&split.captions[caption]) {
                *to = id as i32;
            }
        }
        let known = images.iter().enumerate().flat_map(|(i, &image)| {
            let right = move |(j, &caption): (usize, &usize)| i != j && split.truth.is_right(image, caption);
            captions.iter().enumerate().map(right)
        });
        Ok(PairBatch {
            features,
            known: known.collect(),
            shape: [captions.len(), regions, dim],
            ids,
            lengths,
            captions,
            images,
        })
    }
}

impl Feed for PairFeed {
    type Host = PairBatch;
    type Scratch = ();

    fn batches(&self, _epoch: u64) -> Result<u64, FeedError> {
        let pairs = self.split.truth.pairs();
        let whole = pairs / self.batch;
        let rest = pairs % self.batch;
        Ok((whole + usize::from(rest > 1)) as u64)
    }

    fn load(&self, job: Job, (): &mut ()) -> Result<PairBatch, FeedError> {
        Ok(Self::make(&self.split, self.rows(job))?)
    }

    fn items(&self) -> u64 {
        self.batch as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pairs::{Captioned, Features, Standard, Truth};
    use crate::data::text::Vocabulary;
    use npyz::WriterBuilder;
    use std::path::Path;

    fn write(folder: &Path, shape: [u64; 3], values: &[f32], captions: &str) {
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::<f32>::new()
            .default_dtype()
            .shape(&shape)
            .writer(&mut bytes)
            .begin_nd()
            .unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        std::fs::write(folder.join("train_ims.npy"), bytes).unwrap();
        std::fs::write(folder.join("train_caps.txt"), captions).unwrap();
    }

    const CAPTIONS: &str = "a dog\na red dog runs\nb\nc\nd\ne\nf\ng\nh\ni j\n";

    fn open(folder: &Path) -> Result<Precomputed, PairError> {
        Precomputed::open(folder, "train", &Vocabulary::build([CAPTIONS], 1))
    }

    #[test]
    fn every_caption_comes_once_with_its_image_and_the_longest_first() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        write(folder.path(), [2, 3, 2], &values, CAPTIONS);
        let split = Arc::new(open(folder.path()).unwrap());
        assert_eq!(split.longest(), 6);
        let feed = PairFeed::new(split, 4, 1).unwrap();
        assert_eq!(feed.batches(0).unwrap(), 3);
        let mut seen = Vec::new();
        for batch in 0..3 {
            let made = feed.load(Job { epoch: 0, batch }, &mut ()).unwrap();
            assert!(made.lengths.is_sorted_by(|a, b| a >= b));
            for (row, (&caption, &image)) in made.captions.iter().zip(&made.images).enumerate() {
                assert_eq!(image, caption / 5);
                assert_eq!(made.features[row * 6], (image * 6) as f32);
                assert_eq!(made.ids[row * made.lengths[0]], 1);
                for (column, caption) in made.captions.iter().enumerate() {
                    let known = row != column && image == caption / 5;
                    assert_eq!(made.known[row * made.captions.len() + column], known);
                }
            }
            seen.extend(made.captions);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        let other = feed.load(Job { epoch: 1, batch: 0 }, &mut ()).unwrap();
        assert_ne!(
            other.captions,
            feed.load(Job { epoch: 0, batch: 0 }, &mut ()).unwrap().captions
        );
    }

    #[test]
    fn arrays_that_repeat_every_image_are_seen_through() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f32> = (0..20).map(|v| (v / 10) as f32).collect();
        write(folder.path(), [10, 1, 2], &values, CAPTIONS);
        let split = open(folder.path()).unwrap();
        assert_eq!(
            (split.images(), split.truth.per_image(), split.image_of(7)),
            (2, Some(5), 1)
        );
        let mut row = [9.0; 2];
        split.read(1, &mut row).unwrap();
        assert_eq!(row, [1.0; 2]);
        // One row is another: ten images of one caption each.
        let mut values = values;
        values[3] = 5.0;
        write(folder.path(), [10, 1, 2], &values, CAPTIONS);
        let split = open(folder.path()).unwrap();
        assert_eq!((split.images(), split.image_of(7)), (10, 7));
    }

    #[test]
    fn pictures_come_with_every_caption_that_is_right_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f32> = [1.0, 7.0, 3.0, 7.0, 5.0, 7.0, 100.0, 7.0].into();
        write(folder.path(), [4, 1, 2], &values, "unused");
        let path = folder.path().join("train_ims.npy");
        // Pictures 2, 0 and 1 of the file; the first two show one product.
        let captioned = || Captioned {
            pictures: vec![2, 0, 1],
            texts: vec!["red chair".into(), "chair".into(), "a lamp".into()],
            truth: Truth::listed(3, vec![vec![0, 1], vec![0, 1, 2], vec![2]]),
        };
        let features = Features::open(&path).unwrap();
        let standard = Standard::of(&features, &captioned().pictures).unwrap();
        // 5, 1 and 3; the second number never changes.
        assert_eq!(standard.mean, [3.0, 7.0]);
        assert!((standard.deviation[0] - (8.0f32 / 3.0).sqrt()).abs() < 1e-6);
        assert_eq!(standard.deviation[1], 1.0);
        let open = |identity| {
            let vocabulary = Vocabulary::build(["red chair", "a lamp"], 1);
            let features = Features::open(&path).unwrap();
            let standard = Some(Arc::new(standard.clone()));
            Precomputed::of_pictures(features, captioned(), &vocabulary, standard, identity)
        };
        let split = open([1; 32]);
        let mut row = [0.0; 2];
        split.read(1, &mut row).unwrap();
        assert!(
            (row[0] + 2.0 / (8.0f32 / 3.0).sqrt()).abs() < 1e-6 && row[1] == 0.0,
            "{row:?}"
        );
        let identify = |split: &Precomputed| {
            let mut hash = blake3::Hasher::new();
            split.identify(&mut hash).unwrap();
            hash.finalize()
        };
        assert_eq!(identify(&split), identify(&open([1; 32])));
        assert_ne!(identify(&split), identify(&open([2; 32])));
        let feed = PairFeed::new(Arc::new(split), 6, 1).unwrap();
        assert_eq!(feed.batches(0).unwrap(), 1);
        let batch = feed.load(Job { epoch: 0, batch: 0 }, &mut ()).unwrap();
        let mut pairs: Vec<_> = batch
            .images
            .iter()
            .copied()
            .zip(batch.captions.iter().copied())
            .collect();
        for (i, &(image, _)) in pairs.iter().enumerate() {
            for (j, &(_, caption)) in pairs.iter().enumerate() {
                // The first two pictures are right for captions 0 and 1, the third for 1 and 2.
                let right = if image < 2 { caption < 2 } else { caption > 0 };
                assert_eq!(batch.known[i * 6 + j], right && i != j, "{i} {j}");
            }
        }
        pairs.sort_unstable();
        assert_eq!(pairs, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2)]);
    }

    #[test]
    fn a_split_is_cut_to_whole_images_and_captions_to_words() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), [2, 1, 1], &[0.0, 1.0], CAPTIONS);
        let identity = |split: &Precomputed| {
            let mut hash = blake3::Hasher::new();
            split.identify(&mut hash).unwrap();
            hash.finalize()
        };
        let mut split = open(folder.path()).unwrap();
        let whole = identity(&split);
        assert_eq!(whole, identity(&open(folder.path()).unwrap()));
        split.shorten(2);
        assert_eq!(split.longest(), 4);
        assert_eq!((split.captions[1][0], split.captions[1][3]), (1, 2));
        assert_ne!(whole, identity(&split));
        split.keep(3);
        assert_eq!((split.captions.len(), split.images()), (5, 1));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = |values: &[f32], shape, captions: &str| {
            write(folder.path(), shape, values, captions);
            open(folder.path()).map(|_| ()).unwrap_err().to_string()
        };
        let values = [1.0f32; 12];
        assert!(error(&values, [2, 3, 2], "a\nb\nc\n").contains("3 captions for the 2 images"));
        assert!(error(&values, [2, 3, 2], "a\n\n").contains("line 2: the caption is empty"));
        let path = folder.path().join("train_ims.npy");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        assert!(open(folder.path()).unwrap_err().to_string().contains("promises"));
        std::fs::write(&path, b"no array").unwrap();
        assert!(
            open(folder.path())
                .unwrap_err()
                .to_string()
                .contains("no NumPy array")
        );
        let mut broken = values;
        broken[7] = f32::NAN;
        write(folder.path(), [2, 3, 2], &broken, "a\nb\n");
        let split = open(folder.path()).unwrap();
        let error = PairFeed::make(&split, vec![0, 1]).unwrap_err().to_string();
        assert!(error.contains("row 1 (from 0): region 0"), "{error}");
        assert!(PairFeed::new(Arc::new(split), 3, 0).is_err());
    }
}
