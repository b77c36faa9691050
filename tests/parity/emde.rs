//! EMDE's hashing and sketches against its first release.

use std::path::Path;
use tailor::backbones::weights;
use tailor::papers::emde::{Bias, Bits, Codes, Dlsh, DlshConfig};

#[test]
fn codes_and_sketches_are_the_first_release_s() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/emde.safetensors");
    let fixture = weights::read(&path).unwrap();
    let values = |name: &str| -> Vec<f32> { fixture[name].iter::<f32>().collect() };
    let whole = |name: &str| -> Vec<u32> { fixture[name].iter::<i64>().map(|v| v as u32).collect() };
    let theirs = Dlsh::read(&path).unwrap();
    let vectors = values("vectors");
    let codes = theirs.codes(&vectors).unwrap();
    assert_eq!(codes, whole("codes"));

    let table = Codes::new(codes, theirs.depth(), theirs.width()).unwrap();
    let first: Vec<(usize, f32)> = (0..5).map(|item| (item, 1.0)).collect();
    assert_eq!(table.sketch(&first).unwrap().values(), values("sketch"));

    // What is fitted beside the drawn directions: moments as theirs, and every hyperplane within the data.
    let fitted = whole("fitted")[0] as usize;
    let config = DlshConfig {
        depth: theirs.depth(),
        width: theirs.width(),
        bias: Bias::Quantile,
        bits: Bits::Sixteen,
        seed: 1,
    };
    let ours = Dlsh::fit(&vectors[..fitted * theirs.dim()], theirs.dim(), &config).unwrap();
    let folder = std::env::temp_dir().join(format!("tailor-emde-{}", std::process::id()));
    ours.write(&folder).unwrap();
    let state = weights::read(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    for name in ["mean", "deviation"] {
        let found = state[name].iter::<f64>();
        for (found, wanted) in found.zip(fixture[name].iter::<f64>()) {
            assert!(
                (found - wanted).abs() <= 1e-12 * wanted.abs().max(1.0),
                "{name}: {found} {wanted}"
            );
        }
    }
}
