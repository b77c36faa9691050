//! What other programs get.

use crate::common::{Place, TRAINED};
use safetensors::SafeTensors;
use serde_json::Value;

#[test]
fn the_same_weights_give_the_same_bytes_under_torchvision_s_names() {
    let place = &*TRAINED;
    for name in ["one.safetensors", "two.safetensors"] {
        let printed = place.ok(&["export", "first", "--format", "safetensors", "--out", name]);
        assert_eq!(
            printed,
            format!("{name}\n{}\n", name.replace("safetensors", "json"))
        );
    }
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert!(read("one.safetensors") == read("two.safetensors"));
    let bytes = read("one.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for name in [
        "conv1.weight",
        "bn1.running_var",
        "bn1.num_batches_tracked",
        "layer4.1.conv2.weight",
        "fc.weight",
    ] {
        assert!(
            tensors.tensor(name).is_ok(),
            "{name} is missing: {:?}",
            tensors.names()
        );
    }
    // 20 convolutions, 20 norms of five tensors, and the neck of five.
    assert_eq!(tensors.len(), 20 + 20 * 5 + 5);
    let card: Value = serde_json::from_slice(&read("one.json")).unwrap();
    assert_eq!(card["preprocessing"]["output"], serde_json::json!([3, 32, 32]));
    assert_eq!(
        card["preprocessing"]["ops"][1]["mean"],
        serde_json::json!([0.485, 0.456, 0.406])
    );
    let script = card["pytorch"]["script"].as_array().unwrap();
    assert_eq!(script[2], "m = torchvision.models.resnet18()");
    assert_eq!(
        script[script.len() - 2],
        "m.load_state_dict(load_file(\"one.safetensors\"))"
    );
    assert!(
        card["pytorch"]["factory"]
            .as_str()
            .unwrap()
            .starts_with("torchvision.models.resnet18")
    );
    place
        .fails(&[
            "export",
            "first",
            "--format",
            "safetensors",
            "--out",
            "one.safetensors",
        ])
        .says(&["exists already", "--force"]);
    place.ok(&[
        "export",
        "first",
        "--format",
        "safetensors",
        "--out",
        "one.safetensors",
        "--force",
    ]);
    // Other weights of the run are other bytes.
    place.ok(&[
        "export",
        "first",
        "--format",
        "safetensors",
        "--out",
        "last.safetensors",
        "--weights",
        "last",
    ]);
    assert!(read("last.safetensors") != read("one.safetensors"));
}

#[test]
fn embeddings_are_the_same_as_an_array_and_as_a_table() {
    let place = &*TRAINED;
    let export = |format: &str, out: &str| {
        place.ok(&[
            "export", "first", "--device", "cpu", "--format", format, "--out", out,
        ])
    };
    export("npy", "e.npy");
    export("parquet", "e.parquet");
    let file = npyz::NpyFile::new(std::fs::File::open(place.path().join("e.npy")).unwrap()).unwrap();
    let shape = file.shape().to_vec();
    let values: Vec<f32> = file.into_vec().unwrap();
    let list = std::fs::read_to_string(place.path().join("e.csv")).unwrap();
    let rows: Vec<Vec<&str>> = list
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    // 12 unseen products: 24 queries and 36 in the gallery, queries first.
    assert_eq!((shape, rows.len()), (vec![60, 32], 60));
    assert!(
        rows[..24].iter().all(|row| row[2] == "query") && rows[24..].iter().all(|row| row[2] == "gallery")
    );
    assert!(values.iter().all(|v| v.is_finite()));
    let norm = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
    assert!(values.chunks(32).all(|row| norm(row) > 0.0));

    let file = std::fs::File::open(place.path().join("e.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut count = 0;
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let names: Vec<&str> = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        for name in ["id", "label", "embedding"] {
            assert!(names.contains(&name), "{names:?}");
        }
        count += batch.num_rows();
    }
    assert_eq!(count, 60);
    let again = Place::new();
    let out = again.path().join("again.npy");
    export("npy", out.to_str().unwrap());
    assert!(std::fs::read(out).unwrap() == std::fs::read(place.path().join("e.npy")).unwrap());
}

#[test]
fn an_onnx_file_is_run_before_it_is_kept_and_is_the_same_every_time() {
    let place = &*TRAINED;
    let export = |out: &str, more: &[&str]| {
        let args = ["export", "first", "--format", "onnx", "--out", out];
        place.both(&[&args[..], more].concat())
    };
    let (printed, said) = export("m.onnx", &[]);
    assert_eq!(printed, "m.onnx\nm.onnx.json\n");
    assert!(
        said.contains("in tract, 4 random pictures and 3 of the data in batches of 1 and 3"),
        "{said}"
    );
    export("again.onnx", &[]);
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert!(read("m.onnx") == read("again.onnx"));
    let card: Value = serde_json::from_slice(&read("m.onnx.json")).unwrap();
    assert_eq!(
        card["onnx"]["input"]["shape"],
        serde_json::json!(["batch", 3, 32, 32])
    );
    assert_eq!(card["onnx"]["inside"], serde_json::json!([]));
    assert_eq!(card["preprocessing"]["ops"][1]["op"], "normalize");
    // The figures of the run are of these weights: the same hash.
    let eval: Value =
        serde_json::from_slice(&std::fs::read(place.run("first").join("eval.json")).unwrap()).unwrap();
    assert_eq!(card["weights_hash"], eval["weights_hash"]);

    let (_, said) = export("inside.onnx", &["--with-normalise", "--l2", "--dtype", "f16"]);
    assert!(said.contains("rounding f16 weights move embeddings"), "{said}");
    let card: Value = serde_json::from_slice(&read("inside.onnx.json")).unwrap();
    assert_eq!(card["onnx"]["inside"], serde_json::json!(["normalize", "l2"]));
    assert!(read("inside.onnx").len() < read("m.onnx").len());
    // Where the data is not at hand, random pictures are enough.
    let (_, said) = export(
        "far.onnx",
        &["--set", "data.dataset=folder", "--set", "data.root=/nowhere"],
    );
    assert!(said.contains("only random ones"), "{said}");
    assert!(said.contains("in tract, 4 random pictures in batches"), "{said}");
}

#[test]
fn rows_for_databases_are_those_of_the_table() {
    let place = &*TRAINED;
    let export = |format: &str, out: &str, more: &[&str]| {
        let args = [
            "export", "first", "--device", "cpu", "--format", format, "--out", out,
        ];
        place.ok(&[&args[..], more].concat())
    };
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert_eq!(export("fvecs", "v.fvecs", &["--l2"]), "v.fvecs\nv.csv\nv.ivecs\n");
    let bytes = read("v.fvecs");
    assert_eq!(
        (bytes.len(), &bytes[..4]),
        (60 * (4 + 4 * 32), &[32u8, 0, 0, 0][..])
    );
    let first: Vec<f32> = bytes[4..4 + 128]
        .chunks(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let length = first.iter().map(|v| v * v).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    assert_eq!(read("v.ivecs").len(), 60 * 8);

    export("qdrant", "points.jsonl", &["--side", "gallery"]);
    let text = String::from_utf8(read("points.jsonl")).unwrap();
    let body: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(body["points"].as_array().unwrap().len(), 36);
    assert_eq!(body["points"][0]["payload"]["split"], "gallery");
    assert_eq!(body["points"][0]["vector"].as_array().unwrap().len(), 32);
    let collection: Value = serde_json::from_slice(&read("points.collection.json")).unwrap();
    assert_eq!(collection["vectors"]["size"], 32);

    export(
        "pgvector",
        "rows.sql",
        &["--table", "shop.items", "--side", "query"],
    );
    let text = String::from_utf8(read("rows.sql")).unwrap();
    assert!(
        text.contains("COPY \"shop\".\"items\" (id, label, split, "),
        "{text}"
    );
    let rows = text.lines().filter(|line| line.contains("\tquery\t")).count();
    assert_eq!(rows, 24);
}

#[test]
fn a_folder_for_the_hub_has_the_figures_and_replaces_only_its_like() {
    let place = &*TRAINED;
    let export = |more: &[&str]| {
        let args = ["export", "first", "--format", "hub", "--out", "models/shop"];
        place.tailor(&[&args[..], more].concat())
    };
    assert!(export(&["--dtype", "bf16"]).status.success());
    let read = |name: &str| std::fs::read(place.path().join("models/shop").join(name)).unwrap();
    let bytes = read("model.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(
        tensors.tensor("conv1.weight").unwrap().dtype(),
        safetensors::Dtype::BF16
    );
    assert_eq!(
        tensors.tensor("bn1.running_var").unwrap().dtype(),
        safetensors::Dtype::F32
    );
    assert_eq!(tensors.tensor("fc.weight").unwrap().shape(), [32, 32]);
    let card = String::from_utf8(read("README.md")).unwrap();
    for words in [
        "| recall@1 |",
        "95 % intervals",
        "Those of this folder are bf16",
        "# license: fill in",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let config: Value = serde_json::from_slice(&read("config.json")).unwrap();
    // A narrow network with stride 1 is none of timm's.
    assert_eq!(config["factory"], "torchvision.models.resnet18");
    let lines = config["python"].as_array().unwrap();
    assert_eq!(lines.last().unwrap(), "m.fc = torch.nn.Linear(32, 32)");
    assert!(!read("recipe.toml").is_empty() && !read("preprocessing.json").is_empty());
    assert!(!export(&[]).status.success());
    assert!(export(&["--force"]).status.success());
    place.write("models/mine/notes.txt", "mine");
    place
        .fails(&[
            "export",
            "first",
            "--format",
            "hub",
            "--out",
            "models/mine",
            "--force",
        ])
        .says(&["is not replaced"]);
    let left: Vec<String> = std::fs::read_dir(place.path().join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "mine" && name != "shop")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_an_export_cannot_do_is_said_before_anything_is_written() {
    let place = &*TRAINED;
    for (args, words) in [
        (
            &["--format", "npy", "--out", "x.npy", "--dtype", "f16"][..],
            &["--dtype means nothing for --format npy"][..],
        ),
        (
            &["--format", "hub", "--out", "x", "--l2"],
            &["--l2 means nothing for --format hub"],
        ),
        (
            &["--format", "onnx", "--out", "x.onnx", "--dtype", "bf16"],
            &["not written in bf16", "--dtype f16"],
        ),
        (
            &["--format", "safetensors", "--out", "x.json"],
            &["would be written over", "ending"],
        ),
        (&["--format", "onnx", "--out", "tiny.toml/x.onnx"], &["tiny.toml"]),
        (
            &["--format", "pgvector", "--out", "x.sql", "--table", "a."],
            &["cannot name a table"],
        ),
        (
            &["--format", "onnx", "--out", "x.onnx", "--weights", "tiny.toml"],
            &["tiny.toml"],
        ),
    ] {
        place
            .fails(&[&["export", "first"][..], args].concat())
            .says(words);
    }
    place
        .fails(&["export", "tiny.toml", "--format", "onnx", "--out", "x.onnx"])
        .says(&["is a recipe, not a run", "--weights"]);
    let output = place.tailor(&["export", "first", "--format", "tflite", "--out", "x"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("possible values") && said.contains("onnx"),
        "{said}"
    );
    for name in ["x", "x.npy", "x.onnx", "x.json", "x.sql"] {
        assert!(!place.path().join(name).exists(), "{name}");
    }
}
