//! `tailor codes`: from vectors to regions to sketches.

use crate::common::Place;

/// Four vectors of two dimensions, as another tool writes them.
const ROWS: [[f32; 2]; 4] = [[0.0, 1.0], [1.0, 0.2], [0.9, 0.1], [0.1, 0.8]];

fn npy(rows: &[[f32; 2]]) -> Vec<u8> {
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 2), }}",
        rows.len()
    );
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header = format!("{header:width$}\n", width = length - 1);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
    bytes
}

fn fitted() -> Place {
    let place = Place::new();
    place.write("all.npy", npy(&ROWS));
    place.write("all.csv", "id,label,image\nsun,a,\nsea,b,\nsand,b,\nsky,a,\n");
    place.ok(&[
        "codes",
        "fit",
        "all.npy",
        "--depth",
        "3",
        "--width",
        "4",
        "--hash",
        "dlsh.safetensors",
        "--out",
        "codes.json",
    ]);
    place
}

#[test]
fn vectors_become_regions_and_sets_sketches() {
    let place = fitted();
    let all: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path().join("codes.json")).unwrap()).unwrap();
    let ids: Vec<&String> = all.as_object().unwrap().keys().collect();
    assert_eq!(ids, ["sun", "sea", "sand", "sky"]);
    // The same hyperplanes give the same codes to a part of the vectors, in a file without ids.
    place.write("some.npy", npy(&ROWS[1..3]));
    place.ok(&[
        "codes",
        "encode",
        "some.npy",
        "--hash",
        "dlsh.safetensors",
        "--out",
        "more.json",
    ]);
    let some: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path().join("more.json")).unwrap()).unwrap();
    assert_eq!((&some["0"], &some["1"]), (&all["sea"], &all["sand"]));

    place.write(
        "sets.jsonl",
        "{\"id\": \"beach\", \"items\": [\"sun\", \"sea\", \"sand\"], \"weights\": [1, 2, 1]}\n\n{\"items\": [\"sky\"]}\n\
         {\"id\": \"day\", \"items\": [\"sun\", \"sky\"], \"seconds\": [0, 100]}\n",
    );
    place.ok(&[
        "codes",
        "sketch",
        "codes.json",
        "--width",
        "4",
        "--sets",
        "sets.jsonl",
        "--out",
        "sets.npy",
    ]);
    let bytes = std::fs::read(place.path().join("sets.npy")).unwrap();
    let values: Vec<f32> = bytes[bytes.len() - 3 * 12 * 4..]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let sums: Vec<f32> = values.chunks_exact(4).map(|row| row.iter().sum()).collect();
    assert_eq!(sums, [4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 1.9, 1.9, 1.9]);
    let sea = all["sea"][0].as_u64().unwrap() as usize;
    assert!(values[sea] >= 2.0, "{values:?}");
    let names = std::fs::read_to_string(place.path().join("sets.txt")).unwrap();
    assert_eq!(names, "beach\n3\nday\n");
}

#[test]
fn what_cannot_be_hashed_or_counted_is_named() {
    let place = fitted();
    let fit = [
        "codes",
        "fit",
        "all.npy",
        "--hash",
        "h.safetensors",
        "--out",
        "c.json",
    ];
    place
        .fails(&[&fit[..], &["--width", "100"]].concat())
        .says(&["width cannot be 100", "power of two"]);
    place
        .fails(&[
            "codes",
            "fit",
            "all.npy",
            "--hash",
            "h.safetensors",
            "--out",
            "codes.json",
        ])
        .says(&["codes.json", "--force"]);
    place.write("bad.npy", npy(&[[0.0, f32::NAN], [1.0, 1.0]]));
    place
        .fails(&[
            "codes",
            "fit",
            "bad.npy",
            "--hash",
            "h.safetensors",
            "--out",
            "c.json",
        ])
        .says(&["bad.npy", "row 0"]);
    place
        .fails(&[
            "codes",
            "encode",
            "all.npy",
            "--hash",
            "codes.json",
            "--out",
            "c.json",
        ])
        .says(&["codes.json"]);
    assert!(!place.path().join("c.json").exists() && !place.path().join("h.safetensors").exists());

    let sketch = |sets: &str, more: &[&str]| {
        place.write("sets.jsonl", sets);
        let args = [
            "codes",
            "sketch",
            "codes.json",
            "--sets",
            "sets.jsonl",
            "--out",
            "s.npy",
        ];
        place.fails(&[&args[..], more].concat())
    };
    sketch("{\"items\": [\"moon\"]}", &["--width", "4"]).says(&["sets.jsonl, line 1", "`moon` has no code"]);
    sketch("{\"items\": [\"sun\"], \"weights\": [1, 2]}", &["--width", "4"]).says(&["2 numbers for 1 items"]);
    sketch("\n{\"items\": [\"sun\"], \"weights\": [-1]}", &["--width", "4"])
        .says(&["line 2", "the weight -1"]);
    sketch("{\"item\": [\"sun\"]}", &["--width", "4"]).says(&["line 1", "unknown field `item`"]);
    sketch("", &["--width", "4"]).says(&["sets.jsonl has no set"]);
    sketch("{\"items\": [\"sun\"]}", &["--width", "1"]).says(&["there are 1"]);
    assert!(!place.path().join("s.npy").exists() && !place.path().join("s.txt").exists());
}
