//! What is said of a pair is what the golden forward pass computes, and adds up to its score.

use super::*;
use crate::papers::{Explanation, Map};

fn explained(head: Head) -> Explanation {
    let device = cpu();
    let model = model(head, &device);
    let (images, captions, lengths) = vectors(&device);
    let (images, captions) = (model.images(images), model.captions(captions, lengths));
    model.explain(&images, &captions).unwrap()
}

fn score(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn sums_to_one(map: &Map) {
    for row in map.rows() {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{map:?}");
    }
}

#[test]
fn attention_weights_and_sketches_are_the_golden_ones() {
    let found = explained(Head::Saf);
    assert_eq!(found.attention.shape, [3, 3]);
    near(
        "attention",
        &found.attention.values,
        &[
            0.940357, 0.059550, 0.000093, 0.000602, 0.689754, 0.309644, 0.000332, 0.001418, 0.998251,
        ],
    );
    sums_to_one(&found.attention);
    let filtration = found.filtration.unwrap();
    near(
        "weights",
        &filtration.weights,
        &[0.270163, 0.254586, 0.237202, 0.238049],
    );
    near("score", &[score(found.logit)], &[0.396611]);
    // w_e = (1, −2, 0.5): what the global part adds, by the card's rows.
    let whole = 0.690002 - 2.0 * 0.631879 + 0.5 * 0.353022;
    let rows = [
        [0.690002, 0.631879, 0.353022],
        [0.414911, 0.641719, 0.645015],
        [0.054718, 0.500444, 0.864038],
        [0.062888, 0.497023, 0.865456],
    ];
    let sum: Vec<f64> = (0..3)
        .map(|k| {
            (0..4)
                .map(|p| f64::from(filtration.weights[p]) * rows[p][k])
                .sum()
        })
        .collect();
    let norm = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
    near("share", &filtration.shares[..1], &[0.270163 * whole / norm]);
    let together = filtration.shares.iter().sum::<f32>() + filtration.bias;
    assert!(
        (together - found.logit).abs() < 1e-5,
        "{together} {}",
        found.logit
    );
    assert!(found.edges.is_empty());
    let [seen, read] = found.sketches.unwrap();
    assert_eq!((seen.shape, read.shape), ([2, 4], [2, 4]));
    near(
        "sketch of the image",
        seen.row(1),
        &[1.098365, 0.824506, 0.592092, 0.485037],
    );
    near(
        "sketch of the caption",
        read.row(0),
        &[0.184770, 0.589811, 0.914669, 1.310751],
    );
}

#[test]
fn edges_lead_to_the_golden_nodes() {
    let found = explained(Head::Sgr { steps: 3 });
    near("score", &[score(found.logit)], &[0.372606]);
    let shapes: Vec<[usize; 2]> = found.edges.iter().map(|map| map.shape).collect();
    assert_eq!(shapes, [[4, 4], [4, 4], [1, 4]]);
    found.edges.iter().for_each(sums_to_one);
    assert!(found.filtration.is_none());
    // The global row of the first step's edges, by hand through W_r to the node after it.
    let rows = [
        [0.690002, 0.631879, 0.353022],
        [0.414911, 0.641719, 0.645015],
        [0.054718, 0.500444, 0.864038],
        [0.062888, 0.497023, 0.865456],
    ];
    let taken: Vec<f64> = (0..3)
        .map(|k| {
            (0..4)
                .map(|p| f64::from(found.edges[0].row(0)[p]) * rows[p][k])
                .sum()
        })
        .collect();
    let node: Vec<f32> = (0..3)
        .map(|o| {
            let sum: f64 = (0..3)
                .map(|i| 0.8 * (1.0 + 1.1 * f64::from(o) + 0.6 * f64::from(i)).sin() * taken[i as usize])
                .sum();
            sum.max(0.0) as f32
        })
        .collect();
    near("node", &node, &[1.115820, 0.355126, 0.0]);
}

#[test]
fn a_short_caption_is_explained_without_its_padding() {
    let device = cpu();
    let (images, captions, lengths) = vectors(&device);
    for head in [Head::Saf, Head::Sgr { steps: 2 }] {
        let model = model(head, &device);
        let images = model.images(images.clone());
        let captions = model.captions(captions.clone(), lengths.clone());
        let all = values(model.all(&images, &captions));
        // The second image and the second caption, of two words.
        let found = model.explain(&images.some(1..2), &captions.some(1..2)).unwrap();
        assert_eq!(found.attention.shape, [2, 3]);
        assert!((found.logit - all[3]).abs() < 1e-5, "{} {}", found.logit, all[3]);
        match found.filtration {
            Some(filtration) => assert_eq!(filtration.weights.len(), 3),
            None => assert_eq!(found.edges[0].shape, [3, 3]),
        }
        let [seen, read] = found.sketches.unwrap();
        for (map, tokens) in [(seen, 3.0), (read, 2.0)] {
            for row in map.rows() {
                assert!((row.iter().sum::<f32>() - tokens).abs() < 1e-5, "{map:?}");
            }
        }
    }
}
