//! Hand examples, and what hashing and sketches promise.

use super::dlsh::spell;
use super::*;
use crate::random::stream;

fn vectors(items: usize, dim: usize) -> Vec<f32> {
    let mut random = stream(4, "emde vectors", &[items as u64]);
    (0..items * dim).map(|_| random.normal() as f32).collect()
}

fn config(depth: usize, width: usize) -> DlshConfig {
    DlshConfig {
        depth,
        width,
        ..DlshConfig::default()
    }
}

#[test]
fn bits_spell_regions_as_the_released_code_reads_them() {
    let bits: Vec<bool> = "1011001001000001".chars().map(|bit| bit == '1').collect();
    for (width, code) in [(128, 50), (256, 178), (100, 18), (64, 50), (65_536, 16_818)] {
        assert_eq!(spell(&bits, Bits::Sixteen, width), code, "{width}");
    }
    // Of the sixteen, the second to the eighth alone say a region of 128.
    assert_eq!(spell(&bits[1..8], Bits::Direct, 128), 50);
}

#[test]
fn a_median_hyperplane_parts_the_items_in_halves() {
    for items in [101, 64] {
        let (dim, depth) = (7, 5);
        let data = vectors(items, dim);
        let dlsh = Dlsh::fit(&data, dim, &config(depth, 8)).unwrap();
        let codes = dlsh.codes(&data).unwrap();
        for partition in 0..depth {
            for bit in 0..3 {
                let ones = codes
                    .chunks_exact(depth)
                    .filter(|row| row[partition] >> bit & 1 == 1);
                // A tie is 0: of an odd number of items the one in the middle.
                assert_eq!(ones.count(), items / 2);
            }
        }
    }
}

#[test]
fn codes_know_neither_scale_nor_origin_nor_neighbours() {
    let (items, dim) = (40, 6);
    let data = vectors(items, dim);
    let codes = |data: &[f32]| Dlsh::fit(data, dim, &config(6, 16)).unwrap().codes(data).unwrap();
    let plain = codes(&data);
    assert_eq!(codes(&data.iter().map(|v| v * 4.0).collect::<Vec<_>>()), plain);
    assert_eq!(codes(&data.iter().map(|v| v + 2.0).collect::<Vec<_>>()), plain);
    let dlsh = Dlsh::fit(&data, dim, &config(6, 16)).unwrap();
    let alone: Vec<u32> = (data.chunks_exact(dim))
        .flat_map(|row| dlsh.codes(row).unwrap())
        .collect();
    assert_eq!(alone, plain);
    // Another seed draws other hyperplanes; the same one, the same.
    let other = DlshConfig {
        seed: 2,
        ..config(6, 16)
    };
    assert_ne!(
        Dlsh::fit(&data, dim, &other).unwrap().codes(&data).unwrap(),
        plain
    );
}

#[test]
fn random_quantiles_stand_within_the_data_and_apart_from_the_medians() {
    let data = vectors(200, 4);
    let config = DlshConfig {
        bias: Bias::Quantile,
        ..config(20, 2)
    };
    let codes = Dlsh::fit(&data, 4, &config).unwrap().codes(&data).unwrap();
    let shares: Vec<f64> = (0..20)
        .map(|at| codes.chunks_exact(20).filter(|row| row[at] == 1).count() as f64 / 200.0)
        .collect();
    let mean = shares.iter().sum::<f64>() / 20.0;
    assert!(
        (0.3..0.7).contains(&mean) && shares.iter().any(|share| (share - 0.5).abs() > 0.25),
        "{shares:?}"
    );
}

#[test]
fn a_constant_dimension_says_nothing() {
    let mut data = vectors(30, 3);
    data.iter_mut().skip(1).step_by(3).for_each(|v| *v = 0.1);
    let dlsh = Dlsh::fit(&data, 3, &config(4, 8)).unwrap();
    assert_eq!(dlsh.codes(&data).unwrap().len(), 30 * 4);
}

#[test]
fn a_layer_has_the_same_hard_codes() {
    let device = crate::device::cpu();
    let (items, dim) = (50, 9);
    let data = vectors(items, dim);
    let dlsh = Dlsh::fit(&data[..30 * dim], dim, &config(4, 32)).unwrap();
    let tokens = burn::tensor::TensorData::new(data.clone(), [1, items, dim]);
    let layer = dlsh.layer(3.0, &device).unwrap();
    let found = layer.codes(burn::tensor::Tensor::from_data(tokens, &device));
    let found: Vec<i64> = found.into_data().iter::<i64>().collect();
    let wanted: Vec<i64> = dlsh.codes(&data).unwrap().into_iter().map(i64::from).collect();
    // Items 0 to 29 were fitted on, an even number: no median is one of them.
    assert_eq!(found, wanted);
}

#[test]
fn what_was_fitted_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dlsh.safetensors");
    let data = vectors(20, 3);
    for bits in [Bits::Direct, Bits::Sixteen] {
        let config = DlshConfig { bits, ..config(4, 8) };
        let dlsh = Dlsh::fit(&data, 3, &config).unwrap();
        dlsh.write(&path).unwrap();
        assert_eq!(Dlsh::read(&path).unwrap(), dlsh);
    }
    let other = [(
        "mean".to_owned(),
        burn::tensor::TensorData::new(vec![0.0f64], [1]),
    )];
    crate::backbones::weights::write(&path, &other.into(), &Default::default()).unwrap();
    let error = Dlsh::read(&path).unwrap_err().to_string();
    assert!(error.contains("no `layout`"), "{error}");
}

#[test]
fn sketches_add_up() {
    let codes = Codes::new(vec![0, 1, 1, 0, 3, 3], 2, 4).unwrap();
    let set = codes.sketch(&[(0, 1.0), (1, 1.0), (2, 1.0)]).unwrap();
    assert_eq!(set.values(), [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
    let (mut a, b) = (
        codes.sketch(&[(0, 1.0)]).unwrap(),
        codes.sketch(&[(1, 1.0), (2, 1.0)]).unwrap(),
    );
    a.add(&b).unwrap();
    assert_eq!(a, set);
    let mut weighted = codes.sketch(&[(0, 3.0), (1, 4.0)]).unwrap();
    assert!(weighted.rows().all(|row| row.iter().sum::<f32>() == 7.0));
    let mut shares = weighted.clone();
    weighted.normalise_l2();
    assert_eq!(weighted.values()[..2], [0.6, 0.8]);
    shares.normalise_l1();
    assert_eq!(shares.values()[..2], [3.0 / 7.0, 4.0 / 7.0]);
    let mut nothing = codes.sketch(&[]).unwrap();
    nothing.normalise_l2();
    assert_eq!(nothing, Sketch::empty(2, 4));
}

#[test]
fn a_history_fades() {
    let codes = Codes::new(vec![0, 1], 1, 2).unwrap();
    let mut history = codes.history(&[(0, 0.0), (1, 100.0)], 0.9, 0.01).unwrap();
    assert_eq!(history.values(), [0.9, 1.0]);
    history.normalise_l2();
    for (found, wanted) in history.values().iter().zip([0.668_965, 0.743_294]) {
        assert!((found - wanted).abs() < 1e-6);
    }
    // The gap before the first is of no matter.
    assert_eq!(
        codes.history(&[(0, 1e6)], 0.9, 0.01).unwrap().values(),
        [1.0, 0.0]
    );
}

#[test]
fn modalities_stand_side_by_side() {
    let a = Codes::new(vec![0, 1], 1, 2).unwrap();
    let b = Codes::new(vec![1, 1, 0, 0], 2, 2).unwrap();
    let both = a.clone().beside(&b).unwrap();
    assert_eq!((both.item(0), both.item(1)), (&[0, 1, 1][..], &[1, 0, 0][..]));
    assert_eq!(both.absolute(0).collect::<Vec<_>>(), [0, 3, 5]);
    assert!(a.beside(&Codes::new(vec![0], 1, 2).unwrap()).is_err());
}

#[test]
fn bad_input_is_named() {
    let says = |error: EmdeError, part: &str| assert!(error.to_string().contains(part), "{error}");
    says(
        Dlsh::fit(&[0.0; 5], 2, &config(1, 2)).unwrap_err(),
        "5 values are no rows of 2",
    );
    says(Dlsh::fit(&[0.0; 2], 2, &config(1, 2)).unwrap_err(), "1 vectors");
    says(
        Dlsh::fit(&[0.0, 1.0, f32::NAN, 2.0], 2, &config(1, 2)).unwrap_err(),
        "row 1",
    );
    says(
        Dlsh::fit(&[0.0, 1.0], 1, &config(1, 100)).unwrap_err(),
        "width cannot be 100",
    );
    says(
        Dlsh::fit(&[0.0, 1.0], 1, &config(0, 2)).unwrap_err(),
        "depth cannot be 0",
    );
    let dlsh = Dlsh::fit(&[0.0, 1.0, 2.0, 3.0], 2, &config(1, 2)).unwrap();
    says(dlsh.codes(&[0.0; 3]).unwrap_err(), "no rows of 2");
    says(
        Codes::new(vec![0, 4], 1, 4).unwrap_err(),
        "item 1 has the region 4",
    );
    says(
        Codes::new(vec![0, 1, 2], 2, 4).unwrap_err(),
        "item 1 has 1 regions",
    );
    let codes = Codes::new(vec![0, 1], 1, 2).unwrap();
    says(codes.sketch(&[(2, 1.0)]).unwrap_err(), "no item 2");
    says(codes.sketch(&[(0, -1.0)]).unwrap_err(), "the weight -1");
    says(
        codes
            .history(&[(0, 0.0), (1, f32::INFINITY)], 0.9, 0.01)
            .unwrap_err(),
        "the gap",
    );
    let mut sketch = Sketch::empty(2, 2);
    says(
        sketch.add(&Sketch::empty(1, 4)).unwrap_err(),
        "1 × 4 cannot be added to one of 2 × 2",
    );
}
