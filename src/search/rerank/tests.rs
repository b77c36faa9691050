use super::*;
use crate::search::top_k;

fn at(degrees: &[f64]) -> Vec<f32> {
    let point = |angle: &f64| {
        let (sin, cos) = angle.to_radians().sin_cos();
        [cos as f32 * 3.0, sin as f32 * 3.0]
    };
    degrees.iter().flat_map(point).collect()
}

fn scores(
    queries: &[f32],
    gallery: &[f32],
    dimensions: usize,
    own: &[Option<u32>],
    settings: Rerank,
) -> Vec<Vec<f32>> {
    let device = crate::device::cpu();
    let mut scorer = Reranked::new(queries, gallery, dimensions, own, &settings, &device).unwrap();
    let items = scorer.gallery();
    // Small tiles, so that overlaps are cut at their edges.
    scorer.base = scorer.base.with_tile(3, 4);
    let every: Vec<u32> = (0..items as u32).collect();
    (0..scorer.queries())
        .map(|query| scorer.list(query, &every).unwrap())
        .collect()
}

#[test]
fn two_pairs_by_hand() {
    // 0° finds 10°; 100° and 110° are another pair. Each item's greatest distance is to the other pair.
    let settings = Rerank {
        k1: 1,
        k2: 1,
        lambda: 0.25,
    };
    let found = scores(&at(&[0.0]), &at(&[10.0, 100.0, 110.0]), 2, &[None], settings);
    let d = |degrees: f64| 2.0 - 2.0 * degrees.to_radians().cos();
    // V of the query over (query, 10°), and V of 10° over the same.
    let near = (-d(10.0) / d(110.0)).exp();
    let query = [1.0 / (1.0 + near), near / (1.0 + near)];
    let near = (-d(10.0) / d(100.0)).exp();
    let ten = [near / (1.0 + near), 1.0 / (1.0 + near)];
    let shared = query[0].min(ten[0]) + query[1].min(ten[1]);
    let jaccard = 1.0 - shared / (2.0 - shared);
    let expected = [
        0.75 * jaccard + 0.25 * d(10.0) / d(110.0),
        0.75 + 0.25 * d(100.0) / d(110.0),
        0.75 + 0.25,
    ];
    for (score, expected) in found[0].iter().zip(expected) {
        assert!(
            (f64::from(-score) - expected).abs() < 1e-5,
            "{found:?} {expected}"
        );
    }
}

#[derive(serde::Deserialize)]
struct Case {
    queries: Vec<Vec<f32>>,
    gallery: Vec<Vec<f32>>,
    k1: usize,
    k2: usize,
    lambda: f64,
    distances: Vec<Vec<f32>>,
}

/// scripts/reference/rerank.py made the fixture: the published Python code of reid-strong-baseline.
#[test]
fn equals_the_published_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rerank.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let settings = Rerank {
            k1: case.k1,
            k2: case.k2,
            lambda: case.lambda,
        };
        let dimensions = case.queries[0].len();
        let own = vec![None; case.queries.len()];
        let (queries, gallery) = (case.queries.concat(), case.gallery.concat());
        let found = scores(&queries, &gallery, dimensions, &own, settings);
        for (row, (found, expected)) in found.iter().zip(&case.distances).enumerate() {
            assert_eq!(found.len(), expected.len());
            for (item, (score, distance)) in found.iter().zip(expected).enumerate() {
                assert!(
                    (score + distance).abs() < 2e-5,
                    "{settings}: query {row}, item {item}: {} instead of {distance}",
                    -score
                );
            }
        }
    }
}

#[test]
fn a_query_that_stands_in_the_gallery_is_one_item() {
    // Item 0 is the query. Without its place known, its twin would be its nearest neighbour.
    let (queries, gallery) = (at(&[0.0]), at(&[0.0, 10.0, 100.0, 110.0]));
    let settings = Rerank {
        k1: 1,
        k2: 1,
        lambda: 0.25,
    };
    let apart = scores(&queries, &gallery[2..], 2, &[None], settings);
    let together = scores(&queries, &gallery, 2, &[Some(0)], settings);
    for (a, b) in apart[0].iter().zip(&together[0][1..]) {
        assert!((a - b).abs() < 1e-6, "{apart:?} {together:?}");
    }
    let doubled = scores(&queries, &gallery, 2, &[None], settings);
    assert!(doubled[0][1] < together[0][1] - 0.1, "{doubled:?}");
}

#[test]
fn twins_and_small_sets_have_scores() {
    let device = crate::device::cpu();
    for (queries, gallery) in [
        (at(&[0.0; 3]), at(&[0.0; 40])),
        (at(&[5.0]), at(&[5.0])),
        (at(&[1.0, 2.0]), vec![]),
        (vec![0.0; 4], vec![0.0; 6]),
    ] {
        let own = vec![None; queries.len() / 2];
        let mut scorer = Reranked::new(&queries, &gallery, 2, &own, &Rerank::default(), &device).unwrap();
        let every: Vec<usize> = (0..own.len()).collect();
        let found = top_k(&mut scorer, None, &every, 5).unwrap();
        assert!(
            found
                .iter()
                .flatten()
                .all(|hit| (-1.001..=0.001).contains(&hit.score)),
            "{found:?}"
        );
        assert!(scorer.memory().total() > 0);
    }
}

#[test]
fn settings_are_read_and_refused() {
    assert_eq!("20, 6,0.3".parse(), Ok(Rerank::default()));
    for wrong in [
        "",
        "20",
        "20,6",
        "0,1,0.3",
        "20,0,0.3",
        "20,22,0.3",
        "20,6,1.5",
        "20,6,nan",
        "a,b,c",
    ] {
        assert!(wrong.parse::<Rerank>().is_err(), "{wrong}");
    }
    let wrong = Rerank {
        lambda: f64::NAN,
        ..Rerank::default()
    };
    let device = crate::device::cpu();
    let error = Reranked::new(&[1.0], &[1.0], 1, &[None], &wrong, &device)
        .err()
        .unwrap();
    assert!(error.to_string().contains("rerank.lambda"), "{error}");
}
