use super::super::html::tests::well_formed;
use super::*;
use crate::data::pairs::{Face, Truth};
use crate::data::{ImageRef, Item, Split};
use crate::metrics::{Figure, Figures};
use crate::report::Matches;
use crate::report::figures::Protocol;
use crate::train::matching::ScoreMatrix;
use crate::train::retrieval::{Embedded, EvalSection, Task};
use crate::train::sinks::EntrySplit;
use std::io::Cursor;
use std::sync::Arc;

const HOSTILE: &str = "<script src=\"http://evil/x.js\">&'\u{1b}[31m</script>";

fn picture(at: usize) -> ImageRef {
    let pixels = image::RgbImage::from_fn(40, 30, |x, y| {
        image::Rgb([(x * 6) as u8, (y * 8) as u8, at as u8 * 20])
    });
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    ImageRef::Memory {
        bytes: bytes.into_inner().into(),
        name: format!("{at}.png"),
    }
}

/// Three products with a query and a gallery picture each; the first is found, the others are taken for one another. All that
/// data can say is hostile.
fn table(categories: bool) -> Arc<Table> {
    let item = |at: usize| Item {
        id: format!("{at} {HOSTILE}"),
        image: match at {
            5 => ImageRef::File("no/such/picture.jpg".into()),
            _ => picture(at),
        },
        label: format!("p{} {HOSTILE}", at % 3),
        category: categories.then(|| format!("k{} {HOSTILE}", at % 2)),
        text: Some(HOSTILE.into()),
        split: Split::Test,
        is_query: at < 3,
        is_gallery: at >= 3,
        camera: Some(at as i64),
        domain: Some(HOSTILE.into()),
        bbox: None,
    };
    Arc::new(Table::new(HOSTILE, None, (0..6).map(item).collect()))
}

fn html(categories: bool, lines: &[Line]) -> String {
    let table = table(categories);
    let task = Task::new(table.clone(), &EvalSection::default(), 0).unwrap();
    let embedded = Embedded {
        queries: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        gallery: vec![1.0, 0.0, 0.0, 0.0, 0.1, 1.0, 0.0, 1.0, 0.1],
        dim: 3,
    };
    let show = Showcase::new(&task, &embedded, None, &crate::device::cpu(), 1).unwrap();
    assert_eq!(show.failures, 2);
    let figure = Figure {
        value: 0.333,
        low: 0.0,
        high: 1.0,
    };
    let report = EvalReport {
        recipe: HOSTILE.into(),
        data: HOSTILE.into(),
        split: "test".into(),
        seed: Some(1),
        weights: Some(HOSTILE.into()),
        weights_hash: None,
        data_fingerprint: None,
        headline: Protocol {
            protocol: "instance".into(),
            settings: Some(HOSTILE.into()),
            queries: 3,
            skipped: 1,
            gallery: 3,
            identities: Some(3),
            metrics: Figures(vec![("recall@1".into(), figure), ("median_rank".into(), figure)]),
            cmc: vec![0.333, 1.0, 1.0],
        },
        also: vec![],
    };
    let published = Published {
        protocol: "instance".into(),
        metric: "recall@1".into(),
        value: 0.98,
        source: HOSTILE.into(),
        confirmed: false,
    };
    let about = PaperSection {
        title: HOSTILE.into(),
        authors: vec![],
        year: 2021,
        source: HOSTILE.into(),
        room: "ctl".into(),
        task: "image retrieval".into(),
        dataset: "d".into(),
        headline: String::new(),
        published: vec![],
    };
    Page {
        name: HOSTILE,
        about: &about,
        report: &report,
        published: &[published],
        lines,
        best: "recall@1",
        showcase: Some(&show),
        matched: None,
        table: Some(&table),
        data: &[],
        decode: DecodeOptions::default(),
        recipe: &format!("[paper]\ntitle = '{HOSTILE}'\n"),
        system: &[("run".into(), HOSTILE.into())],
        notes: &[HOSTILE.into()],
    }
    .html()
}

#[test]
fn the_page_is_whole_safe_and_the_same_each_time() {
    let line = |step, value| Line {
        step,
        epoch: 0.0,
        split: EntrySplit::Train,
        values: vec![("loss".into(), value), (HOSTILE.into(), 1.0)],
    };
    let lines = [line(1, 2.0), line(2, f64::NAN), line(3, 1.0)];
    let page = html(true, &lines);
    let words = well_formed(&page);
    assert_eq!(page, html(true, &lines));
    assert!(page.len() < 5_000_000);
    assert!(!page.contains("evil/x.js\""), "a quotation mark got through");
    assert!(!page.contains('\u{1b}'));
    for text in [
        "recall@1, instance",
        "33.3",
        "98.0?",
        "not confirmed against the publication itself",
        "1 queries have nothing to find",
        "are of 3 identities only",
        "Training loss",
        "Queries with a hit among the first k",
        "1 ✗",
        "2 ✓",
        "2 of 3 queries find something wrong first.",
        "the file cannot be read",
        "[paper]",
        "1 to find among 3",
    ] {
        assert!(words.contains(text), "`{text}` is missing");
    }
    // Every picture has words in its place, and the policy lets nothing in.
    let pictures = page.matches("<img ").count();
    assert_eq!(page.matches(" alt=\"").count(), pictures);
    assert!(pictures >= 12, "{pictures}");
    assert!(page.contains("default-src &#39;none&#39;"));
    // Sections are where the links lead.
    for part in page.split("href=\"#").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
}

/// Three images of two captions each, of which the second has no picture; image 1 and its captions are mistaken for image 2.
fn matched_html() -> String {
    let face = |at: usize| Face {
        id: format!("{at} {HOSTILE}"),
        lines: vec![HOSTILE.into()],
        picture: (at != 1).then(|| picture(at)),
        bbox: None,
    };
    let faces: Vec<Face> = (0..3).map(face).collect();
    let texts: Vec<String> = (0..6).map(|at| format!("caption {at} {HOSTILE}")).collect();
    let truth = Truth::consecutive(3, 2);
    let value = |image: usize, caption: usize| match (image, caption / 2) {
        (0, 0) | (2, 1) => 2.0,
        (1, 2) => 2.1,
        (2, 2) => 2.2,
        _ => -1.0 - 0.1 * caption as f32,
    };
    let scores = (0..18).map(|at| value(at / 6, at % 6)).collect();
    let show = Matches::new(&ScoreMatrix::new(scores, 3), &truth, true, 1);
    let protocol = |name: &str| Protocol {
        protocol: name.into(),
        settings: None,
        queries: 3,
        identities: None,
        skipped: 0,
        gallery: 6,
        metrics: Figures::default(),
        cmc: vec![0.5, 1.0],
    };
    let report = EvalReport {
        recipe: "r".into(),
        data: "d".into(),
        split: "test".into(),
        seed: None,
        weights: None,
        weights_hash: None,
        data_fingerprint: None,
        headline: protocol("i2t"),
        also: vec![protocol("t2i")],
    };
    let about = PaperSection {
        title: "t".into(),
        authors: vec![],
        year: 2021,
        source: "s".into(),
        room: "t-emde".into(),
        task: String::new(),
        dataset: String::new(),
        headline: String::new(),
        published: vec![],
    };
    Page {
        name: "n",
        about: &about,
        report: &report,
        published: &[],
        lines: &[],
        best: "rsum",
        showcase: None,
        matched: Some(Matched {
            show: &show,
            faces: &faces,
            texts: &texts,
            truth: &truth,
        }),
        table: None,
        data: &[],
        decode: DecodeOptions::default(),
        recipe: "",
        system: &[],
        notes: &[],
    }
    .html()
}

#[test]
fn both_ways_of_a_matcher_are_shown() {
    let page = matched_html();
    let words = well_formed(&page);
    assert_eq!(page, matched_html());
    for text in [
        "Captions for images",
        "Images for captions",
        "Images drawn at random",
        "2 to find among 6",
        "1 to find among 3",
        "1 of 3 images find something wrong first.",
        "2 of 6 captions find something wrong first.",
        // Without a picture an image is called by its id.
        "image 1 &lt;script",
        "0.881",
    ] {
        assert!(words.contains(text), "`{text}` is missing");
    }
    for part in page.split("href=\"#").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
}

#[test]
fn without_categories_or_training_there_are_labels_and_no_curves() {
    let page = html(false, &[]);
    let words = well_formed(&page);
    assert!(
        words.contains("The labels most often taken for another"),
        "{words}"
    );
    assert!(words.contains("No record of training"), "{words}");
    assert!(!words.contains("Training loss"));
}

#[test]
fn a_page_that_cannot_be_written_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let table = table(true);
    let report = EvalReport {
        recipe: "r".into(),
        data: "d".into(),
        split: "test".into(),
        seed: None,
        weights: None,
        weights_hash: None,
        data_fingerprint: None,
        headline: Protocol {
            protocol: "instance".into(),
            settings: None,
            queries: 0,
            skipped: 0,
            gallery: 0,
            identities: None,
            metrics: Figures::default(),
            cmc: vec![],
        },
        also: vec![],
    };
    let about = PaperSection {
        title: "t".into(),
        authors: vec![],
        year: 2021,
        source: "s".into(),
        room: "ctl".into(),
        task: String::new(),
        dataset: String::new(),
        headline: String::new(),
        published: vec![],
    };
    let page = Page {
        name: "n",
        about: &about,
        report: &report,
        published: &[],
        lines: &[],
        best: "",
        showcase: None,
        matched: None,
        table: Some(&table),
        data: &[],
        decode: DecodeOptions::default(),
        recipe: "",
        system: &[],
        notes: &[],
    };
    well_formed(&page.html());
    let error = page.write(&blocked.join(FILE)).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
}
