use super::*;

fn gallery(rows: usize) -> Gallery {
    Gallery {
        vectors: (0..rows * 3).map(|at| at as f32 / 7.0).collect(),
        dimensions: 3,
        ids: (0..rows).map(|row| format!("id \"{row}\",\n")).collect(),
        labels: (0..rows).map(|row| format!("label {}", row % 2)).collect(),
        images: (0..rows)
            .map(|row| (row % 3 > 0).then(|| format!("/a/{row}.jpg")))
            .collect(),
        card: Some(Card {
            format: 1,
            recipe: "r".into(),
            weights: "last, step 3".into(),
            model: "abc".into(),
            preprocessing: "def".into(),
            dimensions: 3,
            similarity: "cosine".into(),
            data: "d".into(),
            tailor: "0".into(),
        }),
    }
}

#[test]
fn both_formats_read_back_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for (name, files) in [("a.parquet", 1), ("a.npy", 3)] {
        for rows in [1, 9000] {
            let path = folder.path().join(format!("{rows}{name}"));
            gallery(rows).write(&path).unwrap();
            assert_eq!(Gallery::read(&path).unwrap(), gallery(rows), "{name}");
            assert_eq!(Format::of(&path).unwrap().files(&path).len(), files);
        }
    }
    // Without a card and without the list of rows, vectors are still vectors.
    let path = folder.path().join("1a.npy");
    std::fs::remove_file(path.with_extension("json")).unwrap();
    std::fs::remove_file(path.with_extension("csv")).unwrap();
    let read = Gallery::read(&path).unwrap();
    assert_eq!((read.ids, read.card), (vec!["0".to_string()], None));
}

#[test]
fn files_of_the_export_verb_and_other_number_types_are_read() {
    use npyz::WriterBuilder;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f64.npy");
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::<f64>::new()
        .default_dtype()
        .shape(&[2, 2])
        .writer(&mut bytes)
        .begin_nd()
        .unwrap();
    writer.extend([1.0, 2.0, 3.0, 4.0]).unwrap();
    writer.finish().unwrap();
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(Gallery::read(&path).unwrap().vectors, [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn damaged_files_are_refused_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.npy"] {
        let path = folder.path().join(name);
        gallery(50).write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 3, 40, 100, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length.min(bytes.len() - 1)]).unwrap();
            let error = Gallery::read(&path).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        // Whatever bytes flip, nothing panics.
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            std::fs::write(&path, &changed).unwrap();
            let _ = Gallery::read(&path);
        }
    }
    let path = folder.path().join("huge.npy");
    let head =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{head:<117}\n");
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.as_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = Gallery::read(&path).unwrap_err().to_string();
    assert!(error.contains("huge.npy"), "{error}");
    assert!(matches!(
        Gallery::read(&folder.path().join("x.txt")),
        Err(GalleryError::Extension(_))
    ));
    let mut broken = gallery(2);
    broken.vectors[4] = f32::NAN;
    let path = folder.path().join("nan.parquet");
    broken.write(&path).unwrap();
    let error = Gallery::read(&path).unwrap_err().to_string();
    assert!(error.contains("row 1 holds NaN at dimension 1"), "{error}");
    // Rows beside the vectors that are not theirs.
    let path = folder.path().join("rows.npy");
    gallery(5).write(&path).unwrap();
    std::fs::write(path.with_extension("csv"), "id,label\na,b\n").unwrap();
    let error = Gallery::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("rows.csv") && error.contains("1 rows for 5 vectors"),
        "{error}"
    );
}

#[test]
fn cards_say_why_they_differ() {
    let card = gallery(1).card.unwrap();
    assert_eq!(card.differs(&card), None);
    let other = Card {
        model: "xyz".into(),
        ..card.clone()
    };
    assert!(card.differs(&other).unwrap().contains("other weights"));
    let other = Card {
        preprocessing: "xyz".into(),
        ..card.clone()
    };
    assert!(card.differs(&other).unwrap().contains("eval_transform"));
}
