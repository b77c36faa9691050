use super::*;
use crate::data::image::tests::noise;
use crate::data::image::{Filter, Picture};
use crate::random::stream;

fn read(text: &str) -> Vec<Op> {
    #[derive(Deserialize)]
    struct Section {
        ops: Vec<Op>,
    }
    toml::from_str::<Section>(text).unwrap().ops
}

/// The training augmentation of the centroid triplet loss.
fn training() -> Pipeline {
    Pipeline::new(read(
        r#"ops = [
            { op = "resize", height = 32, width = 16 },
            { op = "flip", p = 0.5 },
            { op = "pad", pixels = 10 },
            { op = "random_crop", height = 32, width = 16 },
            { op = "normalize" },
            { op = "random_erase", p = 0.5 },
        ]"#,
    ))
    .unwrap()
}

fn fail(text: &str) -> String {
    let error = Pipeline::new(read(text)).unwrap_err();
    assert!(miette::Diagnostic::help(&error).is_some(), "{error}");
    error.to_string()
}

#[test]
fn normalisation_is_torchs_in_chw() {
    let pipeline = Pipeline::new(read(
        "ops = [{ op = 'resize', height = 1, width = 2 }, { op = 'normalize' }]",
    ))
    .unwrap();
    let picture = Picture {
        width: 2,
        height: 1,
        pixels: vec![0, 128, 255, 10, 20, 30],
    };
    let out = pipeline.apply_vec(&picture, &mut stream(0, "test", &[])).unwrap();
    // (0/255 − 0.485)/0.229, (10/255 − 0.485)/0.229, (128/255 − 0.456)/0.224, …
    let wanted = [
        -2.117_904,
        -1.946_656_4,
        0.205_182_1,
        -1.685_574_2,
        2.64,
        -1.281_568_6,
    ];
    for (found, wanted) in out.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-5, "{out:?}");
    }
}

#[test]
fn the_order_is_checked() {
    for (text, word) in [
        (
            "ops = [{ op = 'resize', height = 4, width = 4 }]",
            "has no `normalize`",
        ),
        ("ops = [{ op = 'normalize' }]", "different sizes"),
        (
            "ops = [{ op = 'resize_short', size = 4 }, { op = 'normalize' }]",
            "different sizes",
        ),
        (
            "ops = [{ op = 'normalize' }, { op = 'flip', p = 0.5 }]",
            "operation 1 (`flip`) comes after `normalize`",
        ),
        (
            "ops = [{ op = 'normalize' }, { op = 'normalize' }]",
            "second time",
        ),
        (
            "ops = [{ op = 'random_erase', p = 0.5 }, { op = 'normalize' }]",
            "operation 0 (`random_erase`) comes before",
        ),
        (
            "ops = [{ op = 'random_crop', height = 4, width = 4 }, { op = 'normalize' }]",
            "may be as small as 1×1",
        ),
        (
            "ops = [{ op = 'resize_short', size = 4 }, { op = 'random_crop', height = 4, width = 5 }, { op = 'normalize' }]",
            "may be as small as 4×4",
        ),
    ] {
        let words = fail(text);
        assert!(words.contains(word), "{words}");
    }
    let fine = "ops = [{ op = 'resize_short', size = 4 }, { op = 'pad', pixels = 1 }, { op = 'random_crop', height = 4, width = 6 }, { op = 'normalize' }]";
    assert_eq!(Pipeline::new(read(fine)).unwrap().output(), [4, 6]);
}

#[test]
fn parameters_are_checked() {
    for (op, field) in [
        ("op = 'resize', height = 0, width = 4", "height"),
        ("op = 'resize', height = 4, width = 99999", "width"),
        ("op = 'flip', p = 1.5", "p"),
        ("op = 'flip', p = nan", "p"),
        ("op = 'pad', pixels = 99999", "pixels"),
        ("op = 'resize_short', size = 9, max_size = 8", "max_size"),
        ("op = 'color_jitter', hue = 0.6", "hue"),
        ("op = 'color_jitter', brightness = -1.0", "brightness"),
        ("op = 'gaussian_blur', p = 0.5, sigma = [2.0, 1.0]", "sigma"),
        (
            "op = 'random_resized_crop', height = 4, width = 4, scale = [0.0, 1.0]",
            "scale",
        ),
        (
            "op = 'random_resized_crop', height = 4, width = 4, ratio = [2.0, inf]",
            "ratio",
        ),
        ("op = 'normalize', std = [1.0, 0.0, 1.0]", "std"),
        ("op = 'normalize', mean = [1.0, nan, 1.0]", "mean"),
        ("op = 'random_erase', p = 0.5, tries = 0", "tries"),
        ("op = 'random_erase', p = 0.5, area = [0.5, 1.5]", "area"),
        ("op = 'random_erase', p = 0.5, fill = [0.0, inf, 0.0]", "fill"),
    ] {
        let words = fail(&format!("ops = [{{ {op} }}]"));
        assert!(words.contains(&format!("`{field}`")), "{words}");
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct One {
        op: Op,
    }
    let words = toml::from_str::<One>("op = { op = 'flip', p = 0.5, prob = 1 }")
        .unwrap_err()
        .to_string();
    assert!(words.contains("prob"), "{words}");
}

#[test]
fn the_same_stream_gives_the_same_image_and_scratch_carries_nothing_over() {
    // One that first changes the picture in place, and the one of the card, which first resizes.
    let in_place =
        "ops = [{ op = 'flip', p = 0.5 }, { op = 'resize', height = 32, width = 16 }, { op = 'normalize' }]";
    let pipelines = [training(), Pipeline::new(read(in_place)).unwrap()];
    let (a, b) = (noise(1, 50, 40), noise(2, 70, 20));
    let mut scratch = Scratch::default();
    let mut out = vec![0.0; 3 * 32 * 16];
    for index in 0..20u64 {
        let picture = if index.is_multiple_of(3) { &a } else { &b };
        for pipeline in &pipelines {
            let key = || stream(1, "test", &[index]);
            pipeline
                .apply(picture, &mut key(), &mut scratch, &mut out)
                .unwrap();
            assert_eq!(out, pipeline.apply_vec(picture, &mut key()).unwrap());
        }
    }
    assert!(matches!(
        pipelines[0].apply(&a, &mut stream(1, "test", &[]), &mut scratch, &mut out[1..]),
        Err(TransformError::Buffer { .. })
    ));
}

#[test]
fn augmentation_does_what_the_card_says() {
    let pipeline = training();
    // White, so that black padding and the erased box are told apart.
    let picture = Picture::filled(16, 32, [255; 3]);
    let (white, black) = ((1.0 - 0.485f32) / 0.229, -0.485f32 / 0.229);
    let (mut erased, mut padded) = (0, 0);
    let runs = 400;
    for index in 0..runs {
        let out = pipeline
            .apply_vec(&picture, &mut stream(1, "test", &[index]))
            .unwrap();
        let red = &out[..32 * 16];
        let near = |value: f32| red.iter().filter(|v| (**v - value).abs() < 1e-5).count();
        // The raw mean in normalised space.
        let (box_size, frame) = (near(0.485), near(black));
        assert_eq!(near(white) + box_size + frame, 32 * 16);
        if box_size > 0 {
            erased += 1;
            assert!((8..=235).contains(&box_size), "{box_size}");
            let blue = out[2 * 32 * 16..]
                .iter()
                .filter(|v| (**v - 0.406).abs() < 1e-6)
                .count();
            assert_eq!(blue, box_size);
        }
        padded += usize::from(frame > 0);
    }
    assert!((140..=260).contains(&erased), "{erased}");
    // 21 × 21 places, of which one shows no frame; a box may cover it.
    assert!(padded > 380, "{padded}");
}

#[test]
fn erase_fills_differ() {
    let make = |fill: &str| {
        let text = format!(
            "ops = [{{ op = 'resize', height = 16, width = 16 }}, {{ op = 'normalize' }}, {{ op = 'random_erase', p = 1.0, fill = {fill} }}]"
        );
        let pipeline = Pipeline::new(read(&text)).unwrap();
        pipeline
            .apply_vec(&Picture::filled(16, 16, [255; 3]), &mut stream(4, "test", &[]))
            .unwrap()
    };
    let zeros = make("'zero'").iter().filter(|v| **v == 0.0).count();
    assert!(zeros > 0);
    assert_eq!(
        make("[7.0, 8.0, 9.0]")[..256]
            .iter()
            .filter(|v| **v == 7.0)
            .count()
            * 3,
        zeros
    );
    let white = make("'zero'")[0].max(make("'zero'")[255]);
    assert_eq!(
        make("'noise'")[..256].iter().filter(|v| **v != white).count() * 3,
        zeros
    );
}

#[test]
fn erase_boxes_fit_and_cover_the_area_asked_for() {
    let mut s = stream(2, "test", &[]);
    let (mut least, mut most, mut touched) = (1.0f64, 0.0f64, false);
    for _ in 0..4000 {
        let Some([left, top, w, h]) = erase_box(256, 128, [0.02, 0.4], [0.3, 1.0 / 0.3], 100, &mut s) else {
            panic!("100 tries are enough for these ranges");
        };
        assert!(w < 128 && h < 256 && left + w <= 128 && top + h <= 256);
        touched |= top + h == 256;
        let share = (w * h) as f64 / (256.0 * 128.0);
        (least, most) = (least.min(share), most.max(share));
    }
    assert!(touched);
    assert!(
        (0.018..0.025).contains(&least) && (0.38..0.405).contains(&most),
        "{least} {most}"
    );
    assert_eq!(erase_box(4, 4, [1.0, 1.0], [1.0, 1.0], 100, &mut s), None);
}

#[test]
fn random_resized_crops_keep_area_and_aspect() {
    let mut s = stream(2, "test", &[]);
    let mut areas = Vec::new();
    for _ in 0..2000 {
        let [left, top, w, h] =
            random_resized_crop_box(300, 400, [0.08, 1.0], [3.0 / 4.0, 4.0 / 3.0], &mut s);
        assert!(left + w <= 400 && top + h <= 300);
        let aspect = w as f64 / h as f64;
        assert!((0.74..1.35).contains(&aspect), "{aspect}");
        areas.push((w * h) as f64 / 120_000.0);
    }
    let mean = areas.iter().sum::<f64>() / 2000.0;
    assert!((0.4..0.56).contains(&mean), "{mean}");
    // The fallbacks: too wide, too high.
    assert_eq!(
        random_resized_crop_box(10, 1000, [1.0, 1.0], [0.75, 4.0 / 3.0], &mut s),
        [493, 0, 13, 10]
    );
    assert_eq!(
        random_resized_crop_box(1000, 10, [1.0, 1.0], [0.75, 4.0 / 3.0], &mut s),
        [0, 493, 10, 13]
    );
}

#[test]
fn colour_jitter_orders_vary_and_factors_stay_in_range() {
    let mut s = stream(2, "test", &[]);
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let (order, factors) = colour_factors([0.4, 1.5, 0.0, 0.1], &mut s);
        orders.insert(order);
        assert!((0.6..=1.4).contains(&factors[0].unwrap()));
        assert!((0.0..=2.5).contains(&factors[1].unwrap()));
        assert_eq!(factors[2], None);
        assert!((-0.1..=0.1).contains(&factors[3].unwrap()));
    }
    assert_eq!(orders.len(), 24);
}

#[test]
fn every_operation_runs_in_a_pipeline() {
    let text = r#"ops = [
        { op = "gaussian_blur", p = 1.0, sigma = [0.1, 2.0] },
        { op = "letterbox", height = 20, width = 30, enlarge = true },
        { op = "color_jitter", brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1 },
        { op = "grayscale", p = 1.0 },
        { op = "resize_short", size = 24, filter = "bicubic" },
        { op = "center_crop", height = 22, width = 26 },
        { op = "random_resized_crop", height = 8, width = 9 },
        { op = "flip", p = 1.0 },
        { op = "normalize", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] },
    ]"#;
    let pipeline = Pipeline::new(read(text)).unwrap();
    assert_eq!(pipeline.output(), [8, 9]);
    let out = pipeline
        .apply_vec(&noise(2, 33, 21), &mut stream(1, "test", &[]))
        .unwrap();
    assert!(out[..72] == out[72..144] && out.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(out[..72].iter().any(|v| *v != out[0]));
    // The input was not touched by what is done in place.
    let pipeline = Pipeline::new(read("ops = [{ op = 'flip', p = 1.0 }, { op = 'resize', height = 2, width = 2, filter = 'nearest' }, { op = 'normalize', mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }]")).unwrap();
    let picture = noise(1, 2, 2);
    let out = pipeline.apply_vec(&picture, &mut stream(1, "test", &[])).unwrap();
    assert_eq!(out[0], f32::from(picture.pixel(1, 0)[0]) / 255.0);
}

#[test]
fn serving_gets_a_deterministic_description_that_reads_back() {
    let error = training().preprocessing(false).unwrap_err().to_string();
    assert!(error.contains("operation 1 (`flip`) is random"), "{error}");
    let ops = vec![
        Op::ResizeShort {
            size: 20,
            filter: Filter::Bicubic,
            max_size: None,
        },
        Op::CenterCrop {
            height: 16,
            width: 16,
        },
        Op::Normalize {
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        },
    ];
    let pipeline = Pipeline::new(ops).unwrap();
    let json = pipeline.preprocessing(true).unwrap().to_json();
    let (description, again) = Preprocessing::from_json(&json).unwrap();
    assert!(description.exif);
    assert_eq!(description.output, [3, 16, 16]);
    assert_eq!(again.ops(), pipeline.ops());
    // The words change no hash.
    let bare = pipeline.preprocessing(true).unwrap().bare();
    assert!(!bare.to_json().contains("steps") && Preprocessing::from_json(&bare.to_json()).is_ok());
    let picture = noise(3, 40, 30);
    let run = |p: &Pipeline| p.apply_vec(&picture, &mut stream(1, "test", &[])).unwrap();
    assert_eq!(run(&pipeline), run(&again));
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("\"rgb\"", "\"bgr\""),
        ("center_crop", "random_crop"),
        ("\"exif\"", "\"exfi\""),
    ] {
        assert!(Preprocessing::from_json(&json.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn the_steps_say_order_rounding_fill_kernel_and_exif() {
    let ops = vec![
        Op::Letterbox {
            height: 128,
            width: 96,
            fill: [255, 254, 253],
            filter: Filter::Bilinear,
            enlarge: false,
        },
        Op::Normalize {
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        },
    ];
    let pipeline = Pipeline::new(ops).unwrap();
    let steps = pipeline.preprocessing(true).unwrap().steps;
    let says = |step: &str, parts: &[&str]| {
        for part in parts {
            assert!(step.contains(part), "`{part}`: {step}");
        }
    };
    assert_eq!(steps.len(), 3);
    says(&steps[0], &["red, green, blue", "upright as its EXIF"]);
    let letterbox = [
        "height 128, width 96",
        "rounded down or up",
        "keeps its size",
        "[255, 254, 253]",
        "floor((width - new width) / 2)",
        "antialias on",
        "support 1",
    ];
    says(&steps[1], &letterbox);
    says(
        &steps[2],
        &["first x / 255, then minus the mean [0.485", "channels first"],
    );
    let plain = pipeline.preprocessing(false).unwrap().steps;
    says(&plain[0], &["do not apply its EXIF"]);
}
