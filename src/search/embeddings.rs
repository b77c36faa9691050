//! Scores of embeddings: matrix products in tiles of one padded shape, on whatever device burn computes on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::{Memory, Scorer, Scores, SearchError};

/// What two embeddings are compared by; higher is nearer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Similarity {
    /// q·g of the L2-normalised vectors. A zero vector scores 0 with everything.
    #[default]
    Cosine,
    /// q·g.
    InnerProduct,
    /// −‖q − g‖², computed as 2 q·g − ‖q‖² − ‖g‖² after both sides are shifted by the gallery's mean, which changes no
    /// distance and loses fewer digits.
    NegativeSquaredEuclidean,
}

/// Scores of `[queries, dimensions]` against `[gallery, dimensions]`, f32.
///
/// Each tile is one matrix product of the fixed shape `tile`, padded with zero rows, and one read-back. The gallery is
/// uploaded once, in blocks of a tile's width, where it fits `resident` bytes; otherwise each block when it is needed.
/// On some GPUs matrix products round their inputs (TF32): figures then differ in the last digits from a CPU's.
pub struct Embeddings {
    queries: Arc<Vec<f32>>,
    gallery: Arc<Vec<f32>>,
    dimensions: usize,
    similarity: Similarity,
    tile: (usize, usize),
    resident: u64,
    device: Device,
    blocks: BTreeMap<usize, Block>,
    strip: Option<(Range<usize>, Block)>,
    warm: bool,
}

/// Rows on the device, padded, and their squared norms where the similarity needs them.
#[derive(Clone)]
struct Block {
    rows: Tensor<2>,
    squares: Option<Tensor<2>>,
}

impl Embeddings {
    /// Both row-major, `[queries, dimensions]` and `[gallery, dimensions]`.
    ///
    /// # Errors
    /// When an array does not hold whole rows, or holds a value that is not finite.
    pub fn new(
        queries: Vec<f32>,
        gallery: Vec<f32>,
        dimensions: usize,
        similarity: Similarity,
        device: &Device,
    ) -> Result<Self, SearchError> {
        check("query", &queries, dimensions)?;
        check("gallery item", &gallery, dimensions)?;
        let (mut queries, mut gallery) = (queries, gallery);
        match similarity {
            Similarity::Cosine => {
                normalise(&mut queries, dimensions);
                normalise(&mut gallery, dimensions);
            }
            Similarity::InnerProduct => {}
            Similarity::NegativeSquaredEuclidean => {
                let mean = mean(&gallery, dimensions);
                subtract(&mut queries, &mean);
                subtract(&mut gallery, &mean);
            }
        }
        Ok(Self::prepared(
            Arc::new(queries),
            Arc::new(gallery),
            dimensions,
            similarity,
            device,
        ))
    }

    /// One set against itself (each item against all the others, with [`LabelRelevance::leave_one_out`]), held once.
    ///
    /// [`LabelRelevance::leave_one_out`]: super::LabelRelevance::leave_one_out
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn within(
        items: Vec<f32>,
        dimensions: usize,
        similarity: Similarity,
        device: &Device,
    ) -> Result<Self, SearchError> {
        let mut scorer = Self::new(Vec::new(), items, dimensions, similarity, device)?;
        scorer.queries = Arc::clone(&scorer.gallery);
        scorer.tile = scorer.fitting(DEFAULT_TILE);
        Ok(scorer)
    }

    fn prepared(
        queries: Arc<Vec<f32>>,
        gallery: Arc<Vec<f32>>,
        dimensions: usize,
        similarity: Similarity,
        device: &Device,
    ) -> Self {
        let mut scorer = Self {
            queries,
            gallery,
            dimensions,
            similarity,
            tile: DEFAULT_TILE,
            resident: 2 << 30,
            device: device.clone().inner(),
            blocks: BTreeMap::new(),
            strip: None,
            warm: false,
        };
        scorer.tile = scorer.fitting(DEFAULT_TILE);
        scorer
    }

    /// Another tile shape (queries, gallery items), made smaller where there is less to score.
    pub fn with_tile(mut self, queries: usize, gallery: usize) -> Self {
        self.tile = self.fitting((queries, gallery));
        self.blocks.clear();
        self.strip = None;
        self.warm = false;
        self
    }

    /// How many bytes of the gallery may stay on the device.
    pub fn with_resident(mut self, bytes: u64) -> Self {
        self.resident = bytes;
        self.blocks.clear();
        self
    }

    /// Small sets get small tiles, and others even ones, so that little is padding; in steps of 64, so that the products'
    /// shapes are few.
    fn fitting(&self, tile: (usize, usize)) -> (usize, usize) {
        let fit = |tile: usize, items: usize| {
            let tile = tile.max(1);
            let tiles = items.div_ceil(tile).max(1);
            items
                .div_ceil(tiles)
                .next_multiple_of(64)
                .clamp(64.min(tile), tile)
        };
        (fit(tile.0, self.queries()), fit(tile.1, self.gallery()))
    }

    fn stays(&self) -> bool {
        4 * self.gallery.len() as u64 <= self.resident
    }

    fn block(&self, side: &[f32], rows: Range<usize>, padded: usize) -> Block {
        let width = self.dimensions;
        let mut values = Vec::with_capacity(padded * width);
        values.extend_from_slice(&side[rows.start * width..rows.end * width]);
        let squares = (self.similarity == Similarity::NegativeSquaredEuclidean).then(|| {
            let mut squares: Vec<f32> = values
                .chunks_exact(width)
                .map(|row| dot(row, row) as f32)
                .collect();
            squares.resize(padded, 0.0);
            Tensor::from_data(TensorData::new(squares, [padded, 1]), &self.device)
        });
        values.resize(padded * width, 0.0);
        Block {
            rows: Tensor::from_data(TensorData::new(values, [padded, width]), &self.device),
            squares,
        }
    }

    fn query_block(&mut self, rows: Range<usize>) -> Block {
        match &self.strip {
            Some((own, block)) if *own == rows => block.clone(),
            _ => {
                let block = self.block(&self.queries, rows.clone(), self.tile.0);
                self.strip = Some((rows, block.clone()));
                block
            }
        }
    }

    fn gallery_block(&mut self, rows: Range<usize>) -> Block {
        if let Some(block) = self.blocks.get(&rows.start) {
            return block.clone();
        }
        let start = rows.start;
        let mut block = self.block(&self.gallery, rows, self.tile.1);
        block.rows = block.rows.transpose();
        block.squares = block.squares.map(Tensor::transpose);
        if self.stays() {
            self.blocks.insert(start, block.clone());
        }
        block
    }
}

/// Measured on two AVX-512 cores at 512 dimensions; GPUs are content with it.
const DEFAULT_TILE: (usize, usize) = (512, 4096);

impl Scorer for Embeddings {
    fn queries(&self) -> usize {
        self.queries.len() / self.dimensions
    }

    fn gallery(&self) -> usize {
        self.gallery.len() / self.dimensions
    }

    fn tile_shape(&self) -> (usize, usize) {
        self.tile
    }

    fn tile(&mut self, queries: Range<usize>, gallery: Range<usize>) -> Result<Scores, SearchError> {
        let fits = queries.end <= self.queries() && gallery.end <= self.gallery();
        let on_grid = queries.start.is_multiple_of(self.tile.0) && gallery.start.is_multiple_of(self.tile.1);
        if !fits || !on_grid || queries.len() > self.tile.0 || gallery.len() > self.tile.1 {
            let expected = format!("a tile of {:?} on its grid", self.tile);
            return Err(SearchError::Tile {
                found: "nothing".into(),
                expected,
                queries,
                gallery,
            });
        }
        let columns = gallery.len();
        let rows = self.query_block(queries);
        let block = self.gallery_block(gallery);
        if !std::mem::replace(&mut self.warm, true) {
            // A device that tunes its kernels may answer the first product by another kernel than the rest.
            read(product(&rows, &block))?;
        }
        let values = read(product(&rows, &block))?;
        Ok(Scores::new(values, columns, self.tile.1))
    }

    /// In f64 on the host, rounded once: the score of a pair does not depend on the list it stands in.
    fn list(&mut self, query: usize, items: &[u32]) -> Result<Vec<f32>, SearchError> {
        let row = |side: &'_ [f32], at: usize| -> Range<usize> {
            debug_assert!((at + 1) * self.dimensions <= side.len());
            at * self.dimensions..(at + 1) * self.dimensions
        };
        let own = &self.queries[row(&self.queries, query)];
        let score = |&item: &u32| {
            let other = &self.gallery[row(&self.gallery, item as usize)];
            match self.similarity {
                Similarity::NegativeSquaredEuclidean => -own
                    .iter()
                    .zip(other)
                    .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                    .sum::<f64>() as f32,
                _ => dot(own, other) as f32,
            }
        };
        Ok(items.iter().map(score).collect())
    }

    fn memory(&self) -> Memory {
        let own = |side: &Vec<f32>| 4 * side.len() as u64;
        let shared = Arc::ptr_eq(&self.queries, &self.gallery);
        let row = 4 * self.dimensions as u64;
        let blocks = if self.stays() {
            self.gallery().div_ceil(self.tile.1)
        } else {
            1
        };
        let (rows, columns) = (self.tile.0 as u64, self.tile.1 as u64);
        let tiles = if self.similarity == Similarity::NegativeSquaredEuclidean {
            3
        } else {
            1
        };
        Memory {
            host: own(&self.gallery) + if shared { 0 } else { own(&self.queries) },
            // The tile stands on the device before it is read, with what led to it.
            device: row * (columns * blocks as u64 + rows) + 4 * rows * columns * tiles,
        }
    }
}

fn product(rows: &Block, columns: &Block) -> Tensor<2> {
    let products = rows.rows.clone().matmul(columns.rows.clone());
    match (&rows.squares, &columns.squares) {
        (Some(of_rows), Some(of_columns)) => products.mul_scalar(2.0) - of_rows.clone() - of_columns.clone(),
        _ => products,
    }
}

fn read(scores: Tensor<2>) -> Result<Vec<f32>, SearchError> {
    let data = scores
        .try_into_data_as::<f32>()
        .map_err(|error| SearchError::Device(error.to_string()))?;
    data.try_into_vec_as::<f32>()
        .map_err(|error| SearchError::Device(format!("{error:?}")))
}

/// Divides each row by its L2 norm, or by 1e-12 where that is larger (as PyTorch's `normalize`).
pub fn normalise(rows: &mut [f32], dimensions: usize) {
    for row in rows.chunks_exact_mut(dimensions.max(1)) {
        let norm = dot(row, row).sqrt().max(1e-12);
        for value in row {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn mean(rows: &[f32], dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0f64; dimensions];
    for row in rows.chunks_exact(dimensions) {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let count = (rows.len() / dimensions).max(1) as f64;
    sum.into_iter().map(|sum| (sum / count) as f32).collect()
}

fn subtract(rows: &mut [f32], mean: &[f32]) {
    for row in rows.chunks_exact_mut(mean.len()) {
        for (value, mean) in row.iter_mut().zip(mean) {
            *value -= mean;
        }
    }
}

pub(super) fn check(side: &'static str, rows: &[f32], dimensions: usize) -> Result<(), SearchError> {
    if dimensions == 0 || !rows.len().is_multiple_of(dimensions) {
        return Err(SearchError::Shape {
            what: format!("the embeddings of the {side} side"),
            expected: format!("whole rows of {dimensions}"),
            found: rows.len(),
        });
    }
    match rows.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(SearchError::NotFinite {
            side,
            row: at / dimensions,
            dimension: at % dimensions,
            value: rows[at],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rows: usize, dimensions: usize, purpose: &str) -> Vec<f32> {
        let mut stream = crate::random::stream(3, purpose, &[]);
        (0..rows * dimensions).map(|_| stream.normal() as f32).collect()
    }

    fn all(scorer: &mut Embeddings) -> Vec<Vec<f32>> {
        let (rows, columns) = scorer.tile_shape();
        let mut scores = vec![Vec::new(); scorer.queries()];
        for start in (0..scorer.queries()).step_by(rows) {
            let queries = start..(start + rows).min(scorer.queries());
            for first in (0..scorer.gallery()).step_by(columns) {
                let gallery = first..(first + columns).min(scorer.gallery());
                let tile = scorer.tile(queries.clone(), gallery).unwrap();
                for query in queries.clone() {
                    scores[query].extend_from_slice(tile.row(query - start));
                }
            }
        }
        scores
    }

    #[test]
    fn tiles_equal_the_definition() {
        let (queries, gallery, dimensions) = (random(70, 7, "q"), random(150, 7, "g"), 7);
        let reference = |similarity: Similarity, q: &[f32], g: &[f32]| match similarity {
            Similarity::InnerProduct => dot(q, g),
            Similarity::Cosine => dot(q, g) / (dot(q, q) * dot(g, g)).sqrt(),
            Similarity::NegativeSquaredEuclidean => -q
                .iter()
                .zip(g)
                .map(|(a, b)| f64::from(a - b).powi(2))
                .sum::<f64>(),
        };
        for similarity in [
            Similarity::Cosine,
            Similarity::InnerProduct,
            Similarity::NegativeSquaredEuclidean,
        ] {
            for resident in [0, u64::MAX] {
                let scorer = Embeddings::new(
                    queries.clone(),
                    gallery.clone(),
                    dimensions,
                    similarity,
                    &Device::flex(),
                );
                let mut scorer = scorer.unwrap().with_tile(32, 64).with_resident(resident);
                assert_eq!(scorer.tile_shape(), (32, 64));
                let scores = all(&mut scorer);
                let every: Vec<u32> = (0..150).collect();
                for (query, scores) in scores.iter().enumerate() {
                    assert_eq!(scores.len(), 150);
                    let listed = scorer.list(query, &every).unwrap();
                    for (item, score) in scores.iter().enumerate() {
                        let expected =
                            reference(similarity, &queries[query * 7..][..7], &gallery[item * 7..][..7]);
                        assert!(
                            (f64::from(*score) - expected).abs() < 2e-5,
                            "{similarity:?} {score} {expected}"
                        );
                        assert!((f64::from(listed[item]) - expected).abs() < 2e-5);
                    }
                }
            }
        }
    }

    #[test]
    fn equal_pairs_have_equal_scores_wherever_they_stand() {
        // 40 distinct rows, repeated out of step with the tiles, and a ragged end.
        let dimensions = 65;
        let distinct = random(40, dimensions, "distinct");
        let repeat = |rows: usize| -> Vec<f32> {
            (0..rows)
                .flat_map(|row| distinct[row % 40 * dimensions..][..dimensions].to_vec())
                .collect()
        };
        for similarity in [Similarity::Cosine, Similarity::NegativeSquaredEuclidean] {
            let scorer = Embeddings::new(repeat(90), repeat(333), dimensions, similarity, &Device::flex());
            let scores = all(&mut scorer.unwrap().with_tile(64, 128));
            for (query, row) in scores.iter().enumerate() {
                for (item, score) in row.iter().enumerate() {
                    assert_eq!(
                        score.to_bits(),
                        scores[query % 40][item % 40].to_bits(),
                        "{query} {item}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_set_against_itself_is_held_once() {
        let items = random(10, 4, "self");
        let mut scorer = Embeddings::within(items, 4, Similarity::Cosine, &Device::flex()).unwrap();
        assert_eq!((scorer.queries(), scorer.gallery()), (10, 10));
        assert_eq!(scorer.memory().host, 160);
        for (query, row) in all(&mut scorer).iter().enumerate() {
            assert!((row[query] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn broken_embeddings_are_named() {
        let device = Device::flex();
        let error = Embeddings::new(
            vec![0.0; 4],
            vec![0.0, 1.0, 2.0, f32::NAN],
            2,
            Similarity::Cosine,
            &device,
        );
        let message = error.err().unwrap().to_string();
        assert_eq!(
            message,
            "the embedding of gallery item 1 holds NaN at dimension 1"
        );
        let error = Embeddings::new(vec![0.0; 3], vec![0.0; 4], 2, Similarity::Cosine, &device);
        assert!(matches!(
            error.err().unwrap(),
            SearchError::Shape { found: 3, .. }
        ));
    }

    #[test]
    fn a_zero_vector_scores_zero() {
        let scorer = Embeddings::new(
            vec![0.0; 2],
            vec![1.0, 1.0],
            2,
            Similarity::Cosine,
            &Device::flex(),
        );
        assert_eq!(all(&mut scorer.unwrap()), [[0.0]]);
    }
}
