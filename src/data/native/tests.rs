use super::*;
use crate::data::error::tests::says;
use crate::data::table::Split;
use std::fs;

/// Reads a table of this name and content; the folder goes away, which the reader does not mind.
fn read_as(name: &str, content: impl AsRef<[u8]>) -> Result<Table, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read(&path, &ReadOptions::default())
}

fn csv(content: impl AsRef<[u8]>) -> Result<Table, DataError> {
    read_as("t.csv", content)
}

const FULL: &str = "\
id,image,text,label,category,split,is_query,is_gallery,camera,domain,x1,y1,x2,y2,price
1,a.jpg,\"red, \"\"soft\"\"\nsofa\",p1,Sofa,train,0,0,3,studio,1,2,30.5,40,9.99
2,b/c.jpg,,p2,,val,,,,,,,,,
3,d.jpg,,p3,,test,yes,FALSE,-1,street,,,,,
";

fn full_rows(table: &Table) {
    let [a, b, c] = &table.items[..] else {
        panic!("{} rows", table.items.len())
    };
    assert_eq!(
        (a.id.as_str(), a.label.as_str(), a.split),
        ("1", "p1", Split::Train)
    );
    assert_eq!(a.text.as_deref(), Some("red, \"soft\"\nsofa"));
    assert_eq!(
        (a.category.as_deref(), a.domain.as_deref(), a.camera),
        (Some("Sofa"), Some("studio"), Some(3))
    );
    assert_eq!(a.bbox, Some([1.0, 2.0, 30.5, 40.0]));
    assert_eq!(
        (b.text.as_deref(), b.category.as_deref(), b.camera, b.bbox),
        (None, None, None, None)
    );
    assert_eq!((b.split, b.is_query, b.is_gallery), (Split::Valid, false, false));
    assert_eq!(
        (c.split, c.is_query, c.is_gallery, c.camera),
        (Split::Test, true, false, Some(-1))
    );
    assert!(b.image.name().ends_with("b/c.jpg"));
    assert_eq!(table.extra["price"], [Some("9.99".to_string()), None, None]);
}

#[test]
fn every_column_is_read() {
    full_rows(&csv(FULL).unwrap());
    // A byte order mark, Windows line ends, other capitals, spaces in the header, blank lines.
    let windows = format!(
        "\u{feff}{}",
        FULL.replace("soft\"\"\nsofa", "soft\"\" sofa")
            .replace('\n', "\r\n\r\n")
    );
    let table = csv(windows.replace("id,image", "ID, Image ")).unwrap();
    assert_eq!(table.items.len(), 3);
    assert_eq!(table.items[0].text.as_deref(), Some("red, \"soft\" sofa"));
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("t.csv");
    fs::write(&source, FULL).unwrap();
    let table = read(&source, &ReadOptions::default()).unwrap();
    for name in ["t2.csv", "t.jsonl", "t.parquet", "t.NDJSON"] {
        let path = folder.path().join(name);
        write(&table, &path).unwrap();
        let again = read(&path, &ReadOptions::default()).unwrap();
        full_rows(&again);
        assert_eq!(again.items, table.items, "{name}");
        assert_eq!(again.extra, table.extra, "{name}");
        assert_eq!(again.fingerprint, table.fingerprint, "{name}");
    }
    // From another folder, the same files by their absolute paths.
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["t.csv", "t.jsonl", "t.parquet"] {
        let path = elsewhere.path().join(name);
        write(&table, &path).unwrap();
        assert_eq!(
            read(&path, &ReadOptions::default()).unwrap().items,
            table.items,
            "{name}"
        );
    }
}

#[test]
fn images_in_memory_have_no_path_to_write() {
    let table = Table::new(
        "t",
        None,
        vec![crate::data::table::tests::item("a", "1", Split::Train)],
    );
    let error = write(&table, Path::new("/nowhere/t.csv")).unwrap_err();
    assert!(matches!(error, DataError::NoPath { .. }), "{error}");
}

#[test]
fn jsonl_and_csv_mean_the_same() {
    let jsonl = read_as(
        "t.jsonl",
        "{\"image\": \"a.jpg\", \"label\": 7, \"split\": \"train\"}\n\n\
         {\"image\": \"b.jpg\", \"label\": \"8\", \"split\": \"test\", \"is_query\": true, \"camera\": null, \"x1\": 0, \"y1\": 0, \"x2\": 1.5, \"y2\": 2, \"tags\": [\"a\"]}\n",
    )
    .unwrap();
    let csv = csv(
        "image,label,split,is_query,x1,y1,x2,y2,tags\na.jpg,7,train,,,,,,\n\
                   b.jpg,8,test,1,0,0,1.5,2,\"[\"\"a\"\"]\"\n",
    )
    .unwrap();
    assert_eq!(jsonl.fingerprint, csv.fingerprint);
    assert_eq!(jsonl.extra, csv.extra);
    assert_eq!(jsonl.items[1].id, "b.jpg#0,0,1.5,2");
}

#[test]
fn flags_follow_the_columns_that_are_there() {
    let flags = |text: &str| -> Vec<(bool, bool)> {
        csv(text)
            .unwrap()
            .items
            .iter()
            .map(|item| (item.is_query, item.is_gallery))
            .collect()
    };
    let (no, query, gallery, both) = ((false, false), (true, false), (false, true), (true, true));
    assert_eq!(flags("image,label\na,1\nb,1\n"), [no, no], "all train");
    assert_eq!(
        flags("image,label,split\na,1,train\nb,1,val\nc,1,test\n"),
        [no, both, both]
    );
    assert_eq!(
        flags("image,label,split,is_query\na,1,train,\nb,1,test,1\nc,1,test,\n"),
        [no, query, gallery]
    );
    assert_eq!(
        flags("image,label,split,is_gallery\na,1,train,\nb,1,test,1\nc,1,test,\n"),
        [no, gallery, query]
    );
    let text = "image,label,split,is_query,is_gallery\na,1,test,1,1\nb,1,test,0,0\nc,1,train,1,0\n";
    assert_eq!(flags(text), [both, no, query]);
}

#[test]
fn every_problem_comes_with_line_column_value_and_remedy() {
    let text = "image,label,text,split,is_query,camera,x1,y1,x2,y2\n\
        a.jpg,1,\"two\nlines\",test,maybe,,,,,\n\
        b.jpg,,x,holdout,1,two,,,,\n\
        \n\
        c.jpg,1,x,query,1,,5,5,5,4\n\
        d.jpg,1,x,test,1,,5,5,,\n\
        e.jpg,1,x,test,1,,a,inf,6,6\n\
        a.jpg,1,x,test\n\
        f.jpg,1,x,,1,,,,,\n";
    says(
        csv(text),
        &[
            "t.csv: 13 problems",
            "line 2, column `is_query`: \"maybe\" is neither true nor false",
            "line 4, column `label`: is empty",
            "line 4, column `split`: \"holdout\" is not a split",
            "line 4, column `camera`: \"two\" is not a whole number",
            "line 6, column `split`: \"query\" is not a split",
            "line 6, column `x2`: \"5\" is not greater than x1 = 5",
            "line 6, column `y2`: \"4\" is not greater than y1 = 5",
            "line 7, column `x2`: is empty, but other sides of the box are not",
            "line 7, column `y2`: is empty",
            "line 8, column `x1`: \"a\" is not a number",
            "line 8, column `y1`: \"inf\" is not a number",
            "line 9: \"a.jpg,1,x,test\" has 4 fields, the header has 10",
            "line 10, column `split`: is empty",
            "write split = test, and say which with the columns is_query and is_gallery",
            "write true or false",
            "the far side of the box, not its width or height",
        ],
    );
    let many: String = (0..30).map(|i| format!("{i}.jpg,\n")).collect();
    says(
        csv(format!("image,label\n{many}")),
        &["30 problems", "line 21, column", "and 10 more"],
    );
}

#[test]
fn repeated_ids_name_both_lines() {
    says(
        csv("id,image,label\n1,a,1\n2,b,1\n1,c,1\n"),
        &[
            "line 4, column `id`: \"1\" is the id of line 2 too",
            "an id of its own",
        ],
    );
    says(
        csv("image,label\na,1\na,1\n"),
        &[
            "line 3, column `image`: \"a\" is the id of line 2 too",
            "remove the repeated row, or add ids",
        ],
    );
    let boxes = "image,label,x1,y1,x2,y2\na,1,0,0,1,1\na,2,1,0,2,1\n";
    assert_eq!(
        csv(boxes).unwrap().items.len(),
        2,
        "two boxes of one image are two rows"
    );
}

#[test]
fn missing_columns_are_named_with_the_nearest() {
    says(
        csv("path,class,split\na,1,train\n"),
        &[
            "no column `image`, `label` (found: `split`, `path`, `class`)",
            "rename the column `path` to `image`",
            "rename the column `class` to `label`",
        ],
    );
    says(
        csv("images,Lable\na,1\n"),
        &[
            "rename the column `images` to `image`",
            "rename the column `Lable` to `label`",
        ],
    );
    says(
        csv("image,x\na,1\n"),
        &["no column `label`", "add a column `label`"],
    );
    says(
        read_as("t.jsonl", "{\"img\": 1}\n"),
        &["no column `image`, `label`", "rename the column `img`"],
    );
    let table = csv("image,label,is_qeury\na,1,1\n").unwrap();
    assert_eq!(
        table.notes,
        ["the column `is_qeury` has no meaning; is it meant to be `is_query`?"]
    );
}

#[test]
fn files_that_are_no_tables_say_why() {
    says(csv(""), &["the file is empty"]);
    says(csv("\u{feff}\r\n \n"), &["the file is empty"]);
    says(csv("image,label\n"), &["the table has no rows"]);
    says(
        csv("image;label\na.jpg;1\n"),
        &[
            "separated by semicolons, not by commas",
            "save the table with commas",
        ],
    );
    says(csv("\"image\";\"label\"\na.jpg;1\n"), &["semicolons"]);
    says(csv("image\tlabel\na.jpg\t1\n"), &["tabs"]);
    says(
        csv("image,label,label\na,1,2\n"),
        &["names the column `label` twice"],
    );
    says(
        csv("image,label,price,price\na,1,2,3\n"),
        &["names the column `price` twice"],
    );
    says(csv(b"\xFF\xFEi\0m\0"), &["UTF-16", "save it as UTF-8"]);
    says(
        csv(b"image,label\nok.jpg,1\nstra\xDFe.jpg,2\n\xE9.jpg,3\n"),
        &[
            "2 problems",
            "line 3, byte 5: \"stra\u{fffd}e.jpg,2\" is not UTF-8 (byte 0xDF)",
            "line 4, byte 1",
        ],
    );
    says(
        read_as("t.jsonl", b"{\"image\": \"\xE9\"}\n"),
        &["line 1, byte 12"],
    );
    says(
        read_as("t.xlsx", "x"),
        &[
            "`.xlsx` is not the extension of a table",
            ".csv (with commas), .jsonl or .parquet",
        ],
    );
    says(
        read(Path::new("/nowhere/t.csv"), &ReadOptions::default()),
        &["cannot read /nowhere/t.csv"],
    );
    says(
        read_as(
            "t.jsonl",
            "{\"image\": \"a\", \"label\": 1}\n[1]\n{\"image\": [1], \"label\": 1}\n{\"image\": \"b\"\n",
        ),
        &[
            "line 2: \"[1]\" is not a JSON object",
            "line 4: ",
            "at column 13",
            "line 3, column `image`: \"[1]\" is not a text",
        ],
    );
}

#[test]
fn an_open_quotation_mark_does_not_swallow_rows() {
    says(
        csv("image,label,text\na,1,\"open\nb,2,x\nc,3,x\n"),
        &["line 2", "quotation mark that is never closed"],
    );
    says(
        csv("image,label\na,1\nb,\"2\nc,3\n"),
        &["line 3", "quotation mark"],
    );
    assert_eq!(
        csv("image,label,text\na,1,5\" pipe\n").unwrap().items[0]
            .text
            .as_deref(),
        Some("5\" pipe")
    );
}

#[test]
fn paths_stay_below_the_root() {
    says(
        csv("image,label\n../a.jpg,1\n"),
        &[
            "line 2, column `image`: \"../a.jpg\" leaves the root",
            "allow_outside",
        ],
    );
    says(
        csv("image,label\nhttp://a.example/b.jpg,1\n"),
        &["is a web address"],
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, "image,label\n../a.jpg,1\nb.jpg,1\n").unwrap();
    let options = ReadOptions {
        root: Some("/photos/all".into()),
        allow_outside: true,
    };
    let names: Vec<String> = read(&path, &options)
        .unwrap()
        .items
        .iter()
        .map(|item| item.image.name().into_owned())
        .collect();
    assert_eq!(names, ["/photos/all/../a.jpg", "/photos/all/b.jpg"]);
}

mod parquet_files {
    use super::*;
    use ::parquet::arrow::ArrowWriter;
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::*;
    use std::sync::Arc;

    fn parquet(columns: Vec<(&str, ArrayRef)>) -> Result<Table, DataError> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        read_as("t.parquet", bytes)
    }

    fn images() -> ArrayRef {
        Arc::new(LargeStringArray::from(vec!["a.jpg", "b.jpg"]))
    }

    #[test]
    fn columns_of_other_types_are_read_as_text() {
        let labels: DictionaryArray<Int32Type> = vec!["x", "y"].into_iter().collect();
        let mut tags = ListBuilder::new(StringBuilder::new());
        tags.append(true);
        tags.append(true);
        let table = parquet(vec![
            ("image", images()),
            ("label", Arc::new(labels)),
            ("split", Arc::new(StringViewArray::from(vec!["train", "test"]))),
            ("is_query", Arc::new(BooleanArray::from(vec![false, true]))),
            ("camera", Arc::new(Float64Array::from(vec![Some(2.0), None]))),
            ("tags", Arc::new(tags.finish())),
            ("price", Arc::new(Int64Array::from(vec![3, 4]))),
        ])
        .unwrap();
        assert_eq!(
            (table.items[0].label.as_str(), table.items[0].camera),
            ("x", Some(2))
        );
        assert_eq!(
            (table.items[1].split, table.items[1].is_query),
            (Split::Test, true)
        );
        assert_eq!(
            table.extra["price"],
            [Some("3".to_string()), Some("4".to_string())]
        );
        assert!(
            table.notes[0].contains("`tags` of type List"),
            "{:?}",
            table.notes
        );
    }

    #[test]
    fn problems_name_the_row() {
        let labels: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), None]));
        says(
            parquet(vec![("image", images()), ("label", labels)]),
            &["row 2, column `label`: is empty"],
        );
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        says(
            parquet(vec![("filename", images()), ("label", labels.clone())]),
            &["no column `image`", "`filename`"],
        );
        let pixels: ArrayRef = Arc::new(BinaryArray::from(vec![&b"1"[..], b"2"]));
        says(
            parquet(vec![("image", pixels), ("label", labels)]),
            &[
                "the column `image` is of type Binary",
                "write the images to files",
            ],
        );
    }

    #[test]
    fn broken_files_are_errors() {
        says(read_as("t.parquet", ""), &["cannot be read as Parquet"]);
        says(
            read_as("t.parquet", "PAR1 but not really"),
            &["cannot be read as Parquet"],
        );
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter(vec![("image", images()), ("label", labels)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        says(read_as("t.parquet", &bytes[..bytes.len() / 2]), &["cut short"]);
        // Whatever is changed in it, it is read or refused.
        for at in (0..bytes.len()).step_by(7) {
            let mut broken = bytes.clone();
            broken[at] ^= 0x55;
            let _ = read_as("t.parquet", broken);
        }
    }
}

mod arbitrary {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = super::super::csv::read(Path::new("t.csv"), &bytes);
            let _ = super::super::jsonl::read(Path::new("t.jsonl"), &bytes);
        }

        #[test]
        fn text_like_a_table_never_panics(tail in "[a-c0-9,\"\n\r;é.-]{0,120}") {
            let text = format!("image,label,split,is_query,x1,y1,x2,y2\n{tail}");
            let resolve = |name: &str| Ok(ImageRef::File(name.into()));
            if let Ok(table) = read_csv_with("t.csv", text.as_bytes(), resolve) {
                prop_assert!(!table.items.is_empty());
            }
            let jsonl = tail.replace(',', "{\"image\":\"a\",\"label\":1}\n");
            let _ = read_as("t.jsonl", jsonl);
        }
    }
}
