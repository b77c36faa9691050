//! Points for Qdrant: each line of the file is the body of one `PUT /collections/NAME/points`.

use super::{EmbeddingsError, Rows, check_finite, check_rows};
use crate::files::write_whole;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;

/// Points of one request: some megabytes at 2048 dimensions, far below Qdrant's limit of 32.
const BATCH: usize = 128;

/// Qdrant's limit of a vector's length.
const LIMIT: usize = 65_536;

#[derive(Serialize)]
struct Body<'a> {
    points: Vec<Point<'a>>,
}

#[derive(Serialize)]
struct Point<'a> {
    id: String,
    vector: &'a [f32],
    payload: Map<String, Value>,
}

/// Qdrant's ids are numbers or UUIDs: the first half of the id's SHA-256, written as a UUID. The same item is the same point in
/// every export, so that a second upload replaces it; in Python, `uuid.UUID(hashlib.sha256(id.encode()).hexdigest()[:32])`.
pub fn point_id(id: &str) -> String {
    let hash = Sha256::digest(id.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Writes the points, with `id`, `label`, `split` and what more is known as their payload.
pub fn write_qdrant(
    path: &Path,
    rows: Rows<'_>,
    embeddings: &[f32],
    dimensions: usize,
) -> Result<(), EmbeddingsError> {
    check_rows(path, rows, embeddings, dimensions)?;
    check_finite(path, rows, embeddings, dimensions)?;
    check_width(path, dimensions)?;
    let point = |row: usize| {
        let mut payload = Map::new();
        payload.insert("id".into(), json!(rows.ids[row]));
        payload.insert("label".into(), json!(rows.labels[row]));
        payload.insert("split".into(), json!(rows.splits[row]));
        for column in rows.more {
            if let Some(value) = &column.values[row] {
                payload.insert(column.name.clone(), json!(value));
            }
        }
        Point {
            id: point_id(&rows.ids[row]),
            vector: &embeddings[row * dimensions..(row + 1) * dimensions],
            payload,
        }
    };
    let count = rows.ids.len();
    Ok(write_whole(path, |file| {
        for start in (0..count).step_by(BATCH) {
            let points = (start..(start + BATCH).min(count)).map(point).collect();
            serde_json::to_writer(&mut *file, &Body { points })?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?)
}

/// Writes the body of `PUT /collections/NAME` for vectors of this length, compared by cosine.
pub fn write_qdrant_collection(path: &Path, dimensions: usize) -> Result<(), EmbeddingsError> {
    check_width(path, dimensions)?;
    let body = json!({ "vectors": { "size": dimensions, "distance": "Cosine" } });
    Ok(write_whole(path, |file| writeln!(file, "{body}"))?)
}

fn check_width(path: &Path, dimensions: usize) -> Result<(), EmbeddingsError> {
    match dimensions <= LIMIT {
        true => Ok(()),
        false => Err(EmbeddingsError::Dimensions {
            path: path.to_owned(),
            what: "a vector in Qdrant",
            dimensions,
            limit: LIMIT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::super::tests::names;
    use super::*;

    #[test]
    fn a_point_s_id_is_the_first_half_of_a_sha_256() {
        // printf 'abc' | sha256sum: ba7816bf8f01cfea414140de5dae2223b00361a3…
        assert_eq!(point_id("abc"), "ba7816bf-8f01-cfea-4141-40de5dae2223");
        assert_ne!(point_id("a"), point_id("b"));
    }

    #[test]
    fn every_line_is_a_request_and_texts_are_escaped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.jsonl");
        let count = BATCH + 2;
        let (mut ids, labels, splits) = (names("id", count), names("l", count), vec!["gallery"; count]);
        ids[1] = "a \"quoted\"\nid \\ ü".into();
        let mut titles = vec![None; count];
        titles[1] = Some("x".to_string());
        let more = [Column {
            name: "title".into(),
            values: titles,
        }];
        let rows = Rows {
            ids: &ids,
            labels: &labels,
            splits: &splits,
            more: &more,
        };
        let values: Vec<f32> = (0..count * 2).map(|v| v as f32 / 3.0).collect();
        write_qdrant(&path, rows, &values, 2).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let sizes: Vec<usize> = lines
            .iter()
            .map(|l| l["points"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [BATCH, 2]);
        let point = &lines[0]["points"][1];
        assert_eq!(
            point["payload"],
            json!({"id": ids[1], "label": "l1", "split": "gallery", "title": "x"})
        );
        assert_eq!(point["id"], point_id(&ids[1]));
        // The shortest text that reads back as the same f32.
        assert!(text.contains("\"vector\":[0.6666667,1.0]"), "{}", &text[..400]);
        assert_eq!(lines[0]["points"][0]["payload"].as_object().unwrap().len(), 3);
        write_qdrant_collection(&path, 2).unwrap();
        let collection = std::fs::read_to_string(&path).unwrap();
        assert_eq!(collection, "{\"vectors\":{\"size\":2,\"distance\":\"Cosine\"}}\n");
    }

    #[test]
    fn json_has_no_infinity() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.jsonl");
        let (ids, labels) = (names("id", 2), names("l", 2));
        let rows = Rows {
            ids: &ids,
            labels: &labels,
            splits: &["query"; 2],
            more: &[],
        };
        let error = write_qdrant(&path, rows, &[0.0, 1.0, f32::INFINITY, 1.0], 2).unwrap_err();
        assert!(
            matches!(error, EmbeddingsError::NotFinite { row: 1, .. }),
            "{error}"
        );
        assert!(!path.exists());
        assert!(write_qdrant_collection(&path, LIMIT + 1).is_err());
    }
}
