//! The same layers, losses, updates and model on the CPU and on a GPU through wgpu give the same numbers.
//!
//! With `TAILOR_TEST_WGPU=1` the cases run on `wgpu:0`, whatever it is: a software Vulkan device will do
//! (`scripts/setup-vulkan.sh`). A device compiles and tunes each kernel for each shape, so the shapes are few and small.

#[path = "backends/layers.rs"]
mod layers;
#[path = "backends/losses.rs"]
mod losses;
#[path = "backends/matcher.rs"]
mod matcher;
#[path = "backends/search.rs"]
mod search;
#[path = "backends/training.rs"]
mod training;
#[path = "backends/values.rs"]
mod values;

use std::time::Instant;

use tailor::device::{Choice, Device, cpu, resolve};
use values::Values;

/// One computation, done on each device.
struct Case {
    name: &'static str,
    /// The greatest ‖gpu − cpu‖ / ‖cpu‖ of each of its results.
    tolerance: f64,
    run: fn(&Device) -> Values,
}

/// f32 sums of a few hundred terms in another order differ by some 1e-6.
const CLOSE: f64 = 1e-5;

const CASES: &[Case] = &[
    case("convolution 3×3, stride 2", CLOSE, layers::convolution_3x3),
    case("convolution 1×1", CLOSE, layers::convolution_1x1),
    case("linear", CLOSE, layers::linear),
    case("batch norm", CLOSE, layers::batch_norm),
    case("instance norm", CLOSE, layers::instance_norm),
    case("instance-batch norm", CLOSE, layers::instance_batch_norm),
    case("max pool", CLOSE, layers::max_pool),
    case("global average", CLOSE, layers::global_average_pool),
    case("generalised mean", 1e-4, layers::generalised_mean),
    case("label smoothing", CLOSE, losses::label_smoothing),
    case("batch-hard triplet", CLOSE, losses::batch_hard_triplet),
    case("batch-hard triplet, soft margin", CLOSE, losses::soft_triplet),
    case(
        "centroid triplet, all anchors",
        CLOSE,
        losses::centroid_triplet_all,
    ),
    case(
        "centroid triplet, queries",
        CLOSE,
        losses::centroid_triplet_queries,
    ),
    case("centre", CLOSE, losses::center),
    case("quadruplet", CLOSE, losses::quadruplet),
    case("Adam", CLOSE, training::adam),
    case("SGD", CLOSE, training::sgd),
    case("global norm and clipping", CLOSE, training::clip_gradients),
    case("moving average", CLOSE, training::moving_average),
    // Twenty layers, whose norms divide by standard deviations of eight small maps.
    case("whole model", 1e-4, training::whole_model),
    case("matcher, golden pass of SAF", CLOSE, matcher::golden_saf),
    case("matcher, golden pass of SGR", CLOSE, matcher::golden_sgr),
    // A chain of norms and softmaxes, and back.
    case("matcher, step of SAF", 1e-4, matcher::saf_step),
    case("matcher, step of SGR", 1e-4, matcher::sgr_step),
    // Ranks are whole numbers: any difference is a wrong one.
    case("ranks", 0.0, search::ranks),
];

const fn case(name: &'static str, tolerance: f64, run: fn(&Device) -> Values) -> Case {
    Case { name, tolerance, run }
}

#[test]
fn wgpu_agrees_with_the_cpu() {
    if std::env::var_os("TAILOR_TEST_WGPU").is_none_or(|value| value != "1") {
        println!("skipped: TAILOR_TEST_WGPU=1 compares wgpu:0 with the cpu");
        return;
    }
    let gpu = resolve(Choice::Wgpu(Some(0)))
        .expect("TAILOR_TEST_WGPU=1 wants a wgpu device (scripts/setup-vulkan.sh)");
    println!("comparing {gpu} with cpu");
    let mut wrong = Vec::new();
    for case in CASES {
        let start = Instant::now();
        let differences = (case.run)(&gpu.device).against(&(case.run)(&cpu()));
        let worst = differences.iter().map(|(_, off)| *off).fold(0.0, f64::max);
        println!(
            "{:6.1} s  {worst:8.1e}  {}",
            start.elapsed().as_secs_f64(),
            case.name
        );
        for (what, off) in differences {
            // Written so that NaN is wrong.
            if off.is_nan() || off > case.tolerance {
                wrong.push(format!(
                    "{}: {what} is off by {off:.1e}, more than {:.0e}",
                    case.name, case.tolerance
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A comparison that could not fail would prove nothing.
#[test]
fn a_difference_is_seen() {
    let one = |value: f32| {
        let mut values = Values::default();
        values.put("x", vec![1.0, value]);
        values
    };
    let off = |a: f32, b: f32| one(a).against(&one(b))[0].1;
    assert_eq!(off(1.0, 1.0), 0.0);
    assert!((off(1.001, 1.0) - 0.001 / 2f64.sqrt()).abs() < 1e-7);
    assert!(off(f32::NAN, 1.0).is_nan() && off(1.0, f32::NAN).is_nan());
}
