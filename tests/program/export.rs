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
