use super::*;
use crate::data::transform::{IMAGENET_MEAN, IMAGENET_STD, Op};
use crate::metrics::{Figure, Figures};
use crate::report::figures::Protocol;

fn tensors() -> Tensors {
    let vector = |values: [f32; 2]| TensorData::new(values.to_vec(), [2]);
    Tensors::from([
        (
            "conv1.weight".into(),
            TensorData::new(vec![0.1f32; 6], [2, 3, 1, 1]),
        ),
        ("fc.weight".into(), vector([2.0, 3.0])),
        ("fc.bias".into(), vector([0.0, 1.0])),
        ("fc.running_mean".into(), vector([4.0, -1.0])),
        ("fc.running_var".into(), vector([3.99999, 8.99999])),
        (
            "fc.num_batches_tracked".into(),
            TensorData::new(vec![0i64], [0usize; 0]),
        ),
    ])
}

fn eval(hash: &str) -> EvalReport {
    let figure = Figure {
        value: 0.5,
        low: 0.4,
        high: 0.6,
    };
    EvalReport {
        recipe: "r".into(),
        data: "shop | two".into(),
        split: "test".into(),
        seed: Some(3),
        weights: Some("checkpoints/a (ema)".into()),
        weights_hash: Some(hash.into()),
        data_fingerprint: None,
        headline: Protocol {
            protocol: "instance".into(),
            settings: None,
            queries: 10,
            skipped: 1,
            gallery: 20,
            identities: None,
            metrics: Figures(vec![("recall@1".into(), figure)]),
            cmc: vec![],
        },
        also: vec![],
    }
}

fn about() -> PaperSection {
    PaperSection {
        title: "A <b>paper</b>\n# not a heading".into(),
        authors: vec![],
        year: 2021,
        source: "arXiv:1".into(),
        room: "ctl".into(),
        task: "image retrieval".into(),
        dataset: "shop".into(),
        headline: String::new(),
        published: vec![],
    }
}

fn folder<'a>(about: &'a PaperSection, python: &[&str], eval: Option<EvalReport>) -> Folder<'a> {
    let mut python: Vec<String> = python.iter().map(|line| line.to_string()).collect();
    python.insert(0, "m.fc = torch.nn.BatchNorm1d(2)".into());
    let ops = vec![
        Op::Resize {
            height: 64,
            width: 32,
            filter: Default::default(),
        },
        Op::Normalize {
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        },
    ];
    Folder {
        tensors: tensors(),
        layout: TorchvisionLayout {
            factory: "torchvision.models.resnet18".into(),
            python,
        },
        preprocessing: Preprocessing {
            version: 1,
            color: "rgb".into(),
            exif: true,
            output: [3, 64, 32],
            ops,
            steps: vec![],
        },
        about,
        recipe_name: "my-recipe",
        recipe: "[paper]\n".into(),
        weights: "best, step 8",
        hash: "abc".into(),
        dim: 2,
        dtype: Dtype::F32,
        rounding: None,
        eval,
    }
}

#[test]
fn the_neck_becomes_a_linear_layer_that_computes_the_same() {
    let mut tensors = tensors();
    linear_neck(&mut tensors, "fc").unwrap();
    let values = |name: &str| tensors[name].clone().try_into_vec_as::<f32>().unwrap();
    // Scales 2/√4 and 3/√9; shifts 0 − 4·1 and 1 + 1·1.
    assert_eq!(values("fc.weight"), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(values("fc.bias"), [-4.0, 2.0]);
    assert_eq!(tensors.len(), 3);
    let error = linear_neck(&mut tensors, "fc").unwrap_err().to_string();
    assert!(error.contains("fc.running_mean is missing"), "{error}");
}

#[test]
fn timm_is_named_only_where_its_network_is_ours() {
    let about = about();
    let plain = folder(&about, &[], None);
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("model");
    plain.write(&path).unwrap();
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    let config: serde_json::Value = serde_json::from_str(&read("config.json")).unwrap();
    assert_eq!(config["architecture"], "resnet18");
    for file in ["config.json", "preprocessing.json"] {
        let text = read(file);
        assert!(text.contains("0.485,") && !text.contains("0.4850"), "{text}");
    }
    assert_eq!(config["num_classes"], 2);
    assert_eq!(
        config["pretrained_cfg"]["input_size"],
        serde_json::json!([3, 64, 32])
    );
    assert_eq!(config["pretrained_cfg"]["crop_mode"], "squash");
    assert!(read("README.md").contains("timm.create_model"));
    assert!(read("README.md").contains("Not measured."));
    // Written again over itself, with another module: timm would compute something else and is not named.
    let changed = folder(&about, &["m.relu = torch.nn.Identity()"], Some(eval("abc")));
    let notes = changed.write(&path).unwrap();
    assert!(notes[0].starts_with("timm has no such network"), "{notes:?}");
    let config: serde_json::Value = serde_json::from_str(&read("config.json")).unwrap();
    assert_eq!(config.get("architecture"), None);
    assert_eq!(
        config["python"],
        serde_json::json!(["m.relu = torch.nn.Identity()", "m.fc = torch.nn.Linear(2, 2)"])
    );
    let card = read("README.md");
    assert!(
        card.contains("m.relu = torch.nn.Identity()\nm.fc = torch.nn.Linear(2, 2)\nm.load_state_dict"),
        "{card}"
    );
    assert!(card.contains("| recall@1 | 50.0 [40.0, 60.0] |"), "{card}");
    assert!(card.contains("On shop | two, split test, seed 3"), "{card}");
    assert!(
        card.contains("10 queries (1 with nothing to find are in no figure), gallery of 20"),
        "{card}"
    );
    assert!(
        !card.contains("not the figures") && !card.contains("\n# not") && !card.contains("<b>"),
        "{card}"
    );
    let names: Vec<String> = std::fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["model"]);
}

#[test]
fn figures_of_other_weights_are_said_to_be_so() {
    let about = about();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("model");
    let half = Folder {
        dtype: Dtype::F16,
        rounding: Some(Difference {
            relative: 3e-4,
            cosine: 1e-7,
        }),
        ..folder(&about, &[], Some(eval("other")))
    };
    half.write(&path).unwrap();
    let card = std::fs::read_to_string(path.join("README.md")).unwrap();
    assert!(
        card.contains("not the figures of the weights in this folder"),
        "{card}"
    );
    assert!(card.contains("differ by at most 3.0e-4"), "{card}");
    assert!(
        card.contains("kernels f16; norms, biases and the classifier f32"),
        "{card}"
    );
}

#[test]
fn what_is_no_export_is_not_replaced() {
    let about = about();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("model");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("thesis.txt"), "years").unwrap();
    let error = folder(&about, &[], None).write(&path).unwrap_err().to_string();
    assert!(error.contains("is not replaced"), "{error}");
    assert_eq!(std::fs::read_to_string(path.join("thesis.txt")).unwrap(), "years");
    assert!(
        folder(&about, &[], None)
            .write(std::path::Path::new("/"))
            .is_err()
    );
}

#[test]
fn networks_have_timm_s_names_in_timm() {
    use crate::backbones::mobile::Net;
    let of = |factory: &str, python: &[&str]| {
        let python = python.iter().map(|line| line.to_string()).collect();
        let timm = config::Timm::of(&TorchvisionLayout {
            factory: factory.into(),
            python,
        })?;
        Some((timm.name, timm.first_conv, timm.renamed))
    };
    for (factory, name, first_conv, renamed) in [
        ("torchvision.models.resnet50", "resnet50", "conv1", None),
        (
            "torchvision.models.mobilenet_v2",
            "mobilenetv2_100",
            "conv_stem",
            Some(Net::MobileNetV2),
        ),
        (
            "timm.models.tf_efficientnet_lite0",
            "tf_efficientnet_lite0",
            "conv_stem",
            None,
        ),
    ] {
        assert_eq!(of(factory, &[]), Some((name.to_string(), first_conv, renamed)));
        assert_eq!(of(factory, &["m.relu = 1"]), None);
    }
    assert_eq!(of("ibnnet.resnet50_ibn_a", &[]), None);
}
