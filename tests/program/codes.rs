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
    sketch("{\"items\": [\"moon\"]}", &["--width", "4"]).says(&[
        "sets.jsonl, line 1",
        "`moon` has no code",
        "ids look like `sun`",
    ]);
    sketch("{\"items\": [\"sandy\"]}", &["--width", "4"]).says(&["near it are `sand`"]);
    sketch("{\"items\": [\"sun\"], \"weights\": [1, 2]}", &["--width", "4"]).says(&["2 numbers for 1 items"]);
    sketch("\n{\"items\": [\"sun\"], \"weights\": [-1]}", &["--width", "4"])
        .says(&["line 2", "the weight -1"]);
    sketch("{\"item\": [\"sun\"]}", &["--width", "4"]).says(&["line 1", "unknown field `item`"]);
    sketch("", &["--width", "4"]).says(&["sets.jsonl has no set"]);
    sketch("{\"items\": [\"sun\"]}", &["--width", "1"]).says(&["there are 1"]);
    // Hyperplanes of other codes.
    place.ok(&[
        "codes",
        "fit",
        "all.npy",
        "--depth",
        "2",
        "--width",
        "4",
        "--hash",
        "two.safetensors",
        "--out",
        "two.json",
    ]);
    sketch("{\"items\": [\"sun\"]}", &["--hash", "two.safetensors"]).says(&[
        "codes.json",
        "3 regions each",
        "two.safetensors has 2 partitions",
    ]);
    let twice = ["--hash", "dlsh.safetensors", "--hash", "dlsh.safetensors"];
    sketch("{\"items\": [\"sun\"]}", &twice).says(&["1 files of codes, 2 of hyperplanes"]);
    place.write("high.json", "{\"sun\": [0, 70000]}");
    place
        .fails(&[
            "codes",
            "sketch",
            "high.json",
            "--sets",
            "sets.jsonl",
            "--out",
            "s.npy",
        ])
        .says(&["high.json", "region 70000", "--width"]);
    assert!(!place.path().join("s.npy").exists() && !place.path().join("s.txt").exists());
}

#[test]
fn how_many_regions_there_are_is_read_guessed_or_doubted() {
    let place = fitted();
    // Regions 0 to 2 of 4 are in use.
    place.write("codes.json", "{\"sun\": [0, 1, 2], \"sea\": [2, 0, 0]}");
    place.write(
        "sets.jsonl",
        "{\"items\": [\"sun\"]}\n{\"items\": [\"sea\"]}\n{\"items\": []}\n",
    );
    let sketch = |more: &[&str]| {
        let args = [
            "codes",
            "sketch",
            "codes.json",
            "--sets",
            "sets.jsonl",
            "--out",
            "s.npy",
            "--force",
        ];
        place.both(&[&args[..], more].concat()).1
    };
    let empty = "line 3 has no item: its sketch is all zeros";
    let read = sketch(&["--hash", "dlsh.safetensors"]);
    assert!(
        read.contains("partitions of 4 regions") && read.contains(empty),
        "{read}"
    );
    assert!(!read.contains("smallest power of two"), "{read}");
    let guessed = sketch(&[]);
    assert!(
        guessed.contains("width    4: the smallest power of two above region 2"),
        "{guessed}"
    );
    let given = sketch(&["--width", "4"]);
    assert!(!given.contains("was the width really"), "{given}");
    let doubted = sketch(&["--width", "8"]);
    assert!(
        doubted.contains("no item lies above region 2: was the width really 8?"),
        "{doubted}"
    );
}
