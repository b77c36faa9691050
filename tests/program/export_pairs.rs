//! What other programs get of a matcher.

use crate::common::{Place, checkpoint};
use crate::{grid, pairs};
use safetensors::SafeTensors;
use serde_json::{Value, json};

fn read(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path().join(name)).unwrap()
}

fn card(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&read(place, name)).unwrap()
}

#[test]
fn a_matcher_goes_out_under_the_released_names_and_comes_back() {
    let place = pairs::place();
    pairs::train(&place, "saf", &["--max-steps", "6"]);
    let export = |out: &str, more: &[&str]| {
        let args = ["export", "saf", "--format", "safetensors", "--out", out];
        place.both(&[&args[..], more].concat())
    };
    let (printed, said) = export("m.safetensors", &[]);
    assert_eq!(printed, "m.safetensors\nm.json\nm.vocabulary.json\n");
    assert!(said.contains("no module for 2 parameters"), "{said}");
    export("again.safetensors", &[]);
    let bytes = read(&place, "m.safetensors");
    assert!(bytes == read(&place, "again.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<&str> = tensors.names().into_iter().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "model.0.fc.bias",
            "model.0.fc.weight",
            "model.1.cap_rnn.bias_hh_l0",
            "model.1.cap_rnn.bias_hh_l0_reverse",
            "model.1.cap_rnn.bias_ih_l0",
            "model.1.cap_rnn.bias_ih_l0_reverse",
            "model.1.cap_rnn.weight_hh_l0",
            "model.1.cap_rnn.weight_hh_l0_reverse",
            "model.1.cap_rnn.weight_ih_l0",
            "model.1.cap_rnn.weight_ih_l0_reverse",
            "model.1.embed.weight",
            "model.2.SAF_module.attn_sim_w.bias",
            "model.2.SAF_module.attn_sim_w.weight",
            "model.2.SAF_module.bn.bias",
            "model.2.SAF_module.bn.num_batches_tracked",
            "model.2.SAF_module.bn.running_mean",
            "model.2.SAF_module.bn.running_var",
            "model.2.SAF_module.bn.weight",
            "model.2.sim_eval_w.bias",
            "model.2.sim_eval_w.weight",
            "model.2.sim_tranglo_w.bias",
            "model.2.sim_tranglo_w.weight",
            "model.2.sim_tranloc_w.bias",
            "model.2.sim_tranloc_w.weight",
            "similarity.global.sketch.offset",
            "similarity.global.sketch.weight",
        ]
    );
    // torch's layout: [out, in].
    assert_eq!(tensors.tensor("model.0.fc.weight").unwrap().shape(), [64, 16]);
    let card = card(&place, "m.json");
    let released = &card["released"];
    assert_eq!(released["options"]["module_name"], "SAF");
    assert_eq!(released["options"]["embed_size"], 64);
    let script = released["script"].as_array().unwrap();
    assert_eq!(script[2], "tensors = load_file(\"m.safetensors\")");
    assert_eq!(card["vocabulary"], "m.vocabulary.json");
    assert_eq!(card["features"]["dim"], 16);
    assert_eq!(
        serde_json::from_slice::<Value>(&read(&place, "m.vocabulary.json")).unwrap()["word2idx"],
        serde_json::from_slice::<Value>(&read(&place, "pairs/vocab.json")).unwrap()["word2idx"]
    );
    // The file evaluates as the run does.
    let own = place.json(&["eval", "saf", "--device", "cpu", "--json"]);
    let eval = [
        "eval",
        "pairs.toml",
        "--weights",
        "m.safetensors",
        "--device",
        "cpu",
        "--json",
    ];
    let back = place.json(&eval);
    assert_eq!(back["weights_hash"], own["weights_hash"]);
    assert_eq!(back["metrics"], own["metrics"]);
    assert_eq!(card["weights_hash"], own["weights_hash"]);

    let (_, said) = export("half.safetensors", &["--dtype", "f16"]);
    assert!(said.contains("rounding f16 weights move scores"), "{said}");
    assert!(read(&place, "half.safetensors").len() < bytes.len() * 6 / 10);
    place
        .fails(&[
            "export",
            "saf",
            "--format",
            "safetensors",
            "--out",
            "m.safetensors",
        ])
        .says(&["exists already", "--force"]);
}

#[test]
fn three_graphs_are_run_before_they_are_kept() {
    let place = pairs::place();
    let sets = [
        "--set",
        "model.module=sgr",
        "--set",
        "model.pooling=self_attention",
    ];
    pairs::train(&place, "sgr", &[&["--max-steps", "6"], &sets[..]].concat());
    let args = ["export", "sgr", "--format", "onnx", "--out"];
    let (printed, said) = place.both(&[&args[..], &["out/sgr"]].concat());
    let files = [
        "image.onnx",
        "text.onnx",
        "score.onnx",
        "vocabulary.json",
        "model.json",
    ];
    let expected: String = files.map(|file| format!("out/sgr/{file}\n")).concat();
    assert_eq!(printed, expected);
    assert!(
        said.contains("4 random images and 5 random captions of 3 to 13 words"),
        "{said}"
    );
    println!("{said}");
    place.ok(&[&args[..], &["again"]].concat());
    for file in files {
        assert!(
            read(&place, &format!("out/sgr/{file}")) == read(&place, &format!("again/{file}")),
            "{file}"
        );
    }
    let about = card(&place, "out/sgr/model.json");
    let graphs = about["onnx"]["graphs"].as_array().unwrap();
    assert_eq!(graphs[0]["inputs"][0]["shape"], json!(["images", 6, 16]));
    assert_eq!(graphs[1]["inputs"][0]["type"], "int64");
    assert_eq!(graphs[2]["outputs"][1]["name"], "score");
    assert_eq!(graphs[2]["inputs"][0]["shape"], json!(["images", 6, 64]));
    // Neither the data nor its training split are needed.
    std::fs::remove_file(place.path().join("pairs/test_ims.npy")).unwrap();
    let (_, said) = place.both(&[&args[..], &["half", "--dtype", "f16"]].concat());
    assert!(said.contains("rounding f16 weights move scores"), "{said}");
    assert!(read(&place, "half/image.onnx").len() < read(&place, "again/image.onnx").len());

    // Only its like is replaced, and only when asked.
    place
        .fails(&[&args[..], &["again"]].concat())
        .says(&["exists already", "--force"]);
    place.ok(&[&args[..], &["again", "--force"]].concat());
    place.write("mine/notes.txt", "mine");
    place
        .fails(&[&args[..], &["mine", "--force"]].concat())
        .says(&["is not replaced", "image.onnx"]);

    // What a matcher has no answer for, with what it has one for.
    for format in ["hub", "npy", "parquet", "fvecs", "qdrant", "pgvector"] {
        place
            .fails(&["export", "sgr", "--format", format, "--out", "x"])
            .says(&[
                "can embed pictures",
                "score pairs of an image and a caption",
                "three graphs encode and score",
                "ctl",
            ]);
    }
    for (option, words) in [
        ("--l2", "--l2 means nothing"),
        ("--with-normalise", "--with-normalise means nothing"),
    ] {
        place.fails(&[&args[..], &["x", option]].concat()).says(&[words]);
    }
    place
        .fails(&[&args[..], &["x", "--dtype", "bf16"]].concat())
        .says(&["not written in bf16"]);
    place.write(
        "other.json",
        r#"{"word2idx": {"<pad>": 0, "<start>": 1, "<end>": 2, "<unk>": 3}}"#,
    );
    // A run has its own vocabulary; a file of weights has the recipe's.
    let other = ["x", "--set", "data.vocabulary=other.json"];
    let weights = checkpoint(&place.run("sgr"), 6).join("model.safetensors");
    let recipe = [
        "export",
        "pairs.toml",
        "--weights",
        weights.to_str().unwrap(),
        "--format",
        "onnx",
        "--out",
    ];
    place
        .fails(&[&recipe[..], &other, &sets].concat())
        .says(&["has 4 words", "trained with 31"]);
    place
        .fails(&[&args[..], &other].concat())
        .says(&["other.json numbers words otherwise", "trained with"]);
    assert!(!place.path().join("x").exists());
}

#[test]
fn features_that_are_computed_here_are_described() {
    let place = grid::place();
    grid::train(&place, "grid", &["--max-steps", "3"]);
    place.ok(&["export", "grid", "--format", "onnx", "--out", "shop"]);
    place
        .fails(&["export", "grid", "--format", "safetensors", "--out", "shop/"])
        .says(&["shop/ is a folder", "shop/model"]);
    let card = card(&place, "shop/model.json");
    assert!(place.path().join("shop/features.onnx").exists());
    assert_eq!(
        card["picture"]["outputs"][0]["shape"],
        serde_json::json!(["images", 16, 48])
    );
    let features = &card["features"];
    assert!(
        features["steps"][1]
            .as_str()
            .unwrap()
            .contains("resize to height")
    );
    assert_eq!((&features["regions"], &features["dim"]), (&16.into(), &48.into()));
    assert_eq!(features["made"]["transform"][0]["op"], "resize");
    assert_eq!(
        features["made"]["transform"][1]["mean"],
        json!([0.485, 0.456, 0.406])
    );
    assert_eq!(features["standard"]["mean"].as_array().unwrap().len(), 48);
    assert!(
        read(&place, "shop/vocabulary.json")
            == std::fs::read(place.run("grid").join("vocabulary.json")).unwrap()
    );
}

#[test]
fn a_released_checkpoint_goes_out_as_it_came() {
    let place = Place::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sgraf_tiny");
    for head in ["saf", "sgr"] {
        let (recipe, weights) = (format!("sgraf-{head}-f30k"), format!("{fixtures}/{head}.pth.tar"));
        let vocabulary = format!("data.vocabulary={fixtures}/vocab.json");
        let export = |weights: &str, format: &str, out: &str| {
            let mut args = vec![
                "export",
                &recipe,
                "--weights",
                weights,
                "--format",
                format,
                "--out",
                out,
            ];
            let sets = [
                &vocabulary,
                "model.dim=32",
                "model.similarity_dim=16",
                "model.word_dim=16",
            ];
            args.extend(sets.iter().flat_map(|set| ["--set", set]));
            place.both(&args)
        };
        let first = format!("{head}.safetensors");
        let (_, said) = export(&weights, "safetensors", &first);
        assert!(!said.contains("no module for"), "{said}");
        // What was written is read again and written the same.
        export(&first, "safetensors", "again.safetensors");
        assert!(
            read(&place, &first) == read(&place, "again.safetensors"),
            "{head}"
        );
        for file in ["again.safetensors", "again.json", "again.vocabulary.json"] {
            std::fs::remove_file(place.path().join(file)).unwrap();
        }
        // Its scores differ widely: the lowest are where runtimes end the sigmoid.
        let (_, said) = export(&weights, "onnx", head);
        assert!(
            said.contains("of what lies between the highest and the lowest"),
            "{said}"
        );
        let card = card(&place, &format!("{head}/model.json"));
        assert_eq!(
            card["onnx"]["graphs"][0]["inputs"][0]["shape"],
            json!(["images", 36, 16])
        );
    }
}
