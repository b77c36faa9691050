//! `eval.json`, and the same figures as a table beside the published ones.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::table::counted;
use crate::files::{FileError, read_text, write_whole};
use crate::metrics::{Figure, Figures};
use crate::search::rank::grouped;

/// What the brackets are, for who has not heard of it.
pub const INTERVALS: &str =
    "95 % intervals by bootstrap over identities (products, or whatever else the labels name)";

/// Fewer identities than this resample to intervals that are too narrow.
const FEW: usize = 10;

/// What one evaluation found.
///
/// As JSON, one object: `recipe`, `data`, `split`, where it stands the seed and the weights, and then the fields of the
/// headline protocol (`protocol`, `queries`, `skipped`, `gallery`, `identities`, `metrics`, `cmc`). Whoever reads `metrics` at the top
/// thus always reads the protocol that the recipe's published figures are for. Further protocols (the instance mode
/// beside the centroid mode, the gallery without distractors) are a list of such objects under `also`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// Name of the recipe.
    pub recipe: String,
    /// Name of the data.
    pub data: String,
    /// The split that was evaluated.
    pub split: String,
    /// The run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Which weights: `best`, `last`, `ema`, or a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// blake3 of the weights, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_hash: Option<String>,
    /// blake3 of the data table, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_fingerprint: Option<String>,
    /// The headline protocol.
    #[serde(flatten)]
    pub headline: Protocol,
    /// The others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Protocol>,
}

/// Figures under one protocol. Those of different protocols are never compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Its name: "instance", "centroid", …
    pub protocol: String,
    /// What it was set to, where it can be set: "k1 20, k2 6, λ 0.3" for re-ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Number of queries, the skipped included.
    pub queries: usize,
    /// Queries without anything to find; they are in no figure.
    pub skipped: usize,
    /// Number of gallery items (images or centroids).
    pub gallery: usize,
    /// Number of identities among the queries: what the intervals resample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<usize>,
    /// The figures.
    pub metrics: Figures,
    /// Share of queries with a hit among the first 1, 2, 3, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cmc: Vec<f64>,
}

/// A figure that somebody published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The protocol it was measured under: the name of one of ours, or of one that we do not have.
    pub protocol: String,
    /// The metric's name.
    pub metric: String,
    /// The value in our units: shares in 0…1, places as they are.
    pub value: f64,
    /// Who published it: "paper", "official README", …
    pub source: String,
    /// Whether it was checked against the publication itself.
    pub confirmed: bool,
}

/// Why a report could not be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReportError {
    /// The file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// The file is no report.
    #[error("{} is not an evaluation report: {cause}", path.display())]
    #[diagnostic(help("evaluate again with `tailor eval`, which writes the file anew"))]
    Json {
        /// The file.
        path: std::path::PathBuf,
        /// What the parser said, with line and column.
        cause: serde_json::Error,
    },
}

impl EvalReport {
    /// The JSON object, on one line or several.
    pub fn to_json(&self, pretty: bool) -> String {
        let text = if pretty {
            serde_json::to_string_pretty(self)
        } else {
            serde_json::to_string(self)
        };
        text.unwrap_or_else(|error| unreachable!("a report has string keys only: {error}"))
    }

    /// Writes `eval.json`.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let text = self.to_json(true) + "\n";
        Ok(write_whole(path, |file| {
            std::io::Write::write_all(file, text.as_bytes())
        })?)
    }

    /// Reads what [`write`](Self::write) wrote.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        serde_json::from_str(&read_text(path)?).map_err(|cause| ReportError::Json {
            path: path.to_owned(),
            cause,
        })
    }

    /// Every protocol, the headline first.
    pub fn protocols(&self) -> impl Iterator<Item = &Protocol> {
        std::iter::once(&self.headline).chain(&self.also)
    }

    /// The table for a terminal: metrics down; across, for each protocol, ours with its interval and then each source's
    /// published value. Shares are percentages with one decimal, as papers print them. A published protocol that is none
    /// of ours has a column of its own.
    pub fn table(&self, published: &[Published]) -> String {
        let grid = self.grid(published);
        let of = |part: fn(&Head) -> &String| grid.heads.iter().map(|head| part(head).clone()).collect();
        let mut rows: Vec<(&str, Vec<String>)> =
            vec![("", of(|head| &head.protocol)), ("metric", of(|head| &head.who))];
        rows.extend(
            grid.rows
                .iter()
                .map(|(metric, cells)| (metric.as_str(), cells.clone())),
        );
        let mut text = self.heading();
        text.push_str(&aligned(&rows));
        for note in &grid.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    }

    /// The same table, cell by cell.
    pub fn grid(&self, published: &[Published]) -> Grid {
        let columns = self.columns(published);
        let mut names: Vec<&str> = Vec::new();
        let ours = self
            .protocols()
            .flat_map(|protocol| protocol.metrics.0.iter().map(|(name, _)| name.as_str()));
        for name in ours.chain(published.iter().map(|figure| figure.metric.as_str())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let row = |name: &str| columns.iter().map(|column| column.cell(name)).collect();
        let mut notes = Vec::new();
        for protocol in self.protocols().filter(|protocol| protocol.skipped > 0) {
            notes.push(format!(
                "{}: {} queries have nothing to find in the gallery and are in no figure",
                protocol.protocol,
                grouped(protocol.skipped)
            ));
        }
        notes.extend(self.unsure());
        if columns.iter().any(Column::unconfirmed) {
            notes.push("? not confirmed against the publication itself".into());
        }
        Grid {
            rows: names.iter().map(|&name| (name.to_owned(), row(name))).collect(),
            heads: columns
                .into_iter()
                .map(|column| Head {
                    ours: matches!(column.figures, Cells::Ours(_)),
                    protocol: column.protocol,
                    who: column.who,
                })
                .collect(),
            notes,
        }
    }

    /// That the intervals say too little, where they rest on very few identities.
    pub fn unsure(&self) -> Option<String> {
        let fewest = self.protocols().filter_map(|protocol| protocol.identities).min();
        fewest.filter(|&count| count < FEW).map(|count| {
            format!(
                "the queries are of {} only: fewer than {FEW} make intervals too narrow to rely on",
                counted(count, "identity", "identities")
            )
        })
    }

    /// What was measured: the recipe and its data, which may have one name.
    pub fn subject(&self) -> String {
        match self.recipe == self.data {
            true => format!("{} ({} split)", self.recipe, self.split),
            false => format!("{} on {} ({})", self.recipe, self.data, self.split),
        }
    }

    fn heading(&self) -> String {
        let mut text = self.subject();
        if let Some(weights) = &self.weights {
            let _ = write!(text, ", weights {weights}");
        }
        if let Some(seed) = self.seed {
            let _ = write!(text, ", seed {seed}");
        }
        text.push('\n');
        for protocol in self.protocols() {
            let (queries, gallery) = (grouped(protocol.queries), grouped(protocol.gallery));
            let settings = match &protocol.settings {
                Some(settings) => format!(" ({settings})"),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "{}{settings}: {queries} queries, gallery of {gallery}",
                protocol.protocol
            );
        }
        let _ = write!(text, "{INTERVALS}\n\n");
        text
    }

    fn columns<'a>(&'a self, published: &'a [Published]) -> Vec<Column<'a>> {
        let mut protocols: Vec<(&str, Option<&Protocol>)> = self
            .protocols()
            .map(|protocol| (protocol.protocol.as_str(), Some(protocol)))
            .collect();
        for figure in published {
            if protocols.iter().all(|(name, _)| *name != figure.protocol) {
                protocols.push((&figure.protocol, None));
            }
        }
        let mut columns = Vec::new();
        for (name, ours) in protocols {
            if let Some(ours) = ours {
                columns.push(Column {
                    protocol: name.into(),
                    who: "ours".into(),
                    figures: Cells::Ours(&ours.metrics),
                });
            }
            let mut sources: Vec<(&str, Vec<&Published>)> = Vec::new();
            for figure in published.iter().filter(|figure| figure.protocol == name) {
                match sources.iter_mut().find(|(source, _)| *source == figure.source) {
                    Some((_, figures)) => figures.push(figure),
                    None => sources.push((&figure.source, vec![figure])),
                }
            }
            for (source, figures) in sources {
                columns.push(Column {
                    protocol: name.into(),
                    who: source.into(),
                    figures: Cells::Published(figures),
                });
            }
        }
        columns
    }
}

/// The table of an evaluation, cell by cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The columns.
    pub heads: Vec<Head>,
    /// Metrics, each with a cell for each column.
    pub rows: Vec<(String, Vec<String>)>,
    /// What stands below the table.
    pub notes: Vec<String>,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The protocol. Columns of one protocol stand together.
    pub protocol: String,
    /// "ours", or who published.
    pub who: String,
    /// Whether the figures are ours.
    pub ours: bool,
}

struct Column<'a> {
    protocol: String,
    who: String,
    figures: Cells<'a>,
}

enum Cells<'a> {
    Ours(&'a Figures),
    Published(Vec<&'a Published>),
}

impl Column<'_> {
    fn cell(&self, name: &str) -> String {
        match &self.figures {
            Cells::Ours(figures) => figures.get(name).map(|figure| with_interval(name, figure)),
            Cells::Published(figures) => figures.iter().find(|figure| figure.metric == name).map(|figure| {
                let mark = if figure.confirmed { "" } else { "?" };
                format!("{}{mark}", number(name, figure.value))
            }),
        }
        .unwrap_or_else(|| "–".into())
    }

    fn unconfirmed(&self) -> bool {
        matches!(&self.figures, Cells::Published(figures) if figures.iter().any(|figure| !figure.confirmed))
    }
}

/// "93.9 [93.1, 94.7]": percentages with one decimal, places as they are.
pub fn with_interval(metric: &str, figure: Figure) -> String {
    let [value, low, high] = [figure.value, figure.low, figure.high].map(|value| number(metric, value));
    format!("{value} [{low}, {high}]")
}

/// A share as a percentage with one decimal, a place as it is.
pub fn number(metric: &str, value: f64) -> String {
    if metric.ends_with("_rank") {
        format!("{value:.1}")
    } else {
        format!("{:.1}", 100.0 * value)
    }
}

/// Columns as wide as their widest cell, two spaces between them, no space at the end of a line.
fn aligned(rows: &[(&str, Vec<String>)]) -> String {
    let count = |text: &str| text.chars().count();
    let first = rows.iter().map(|(name, _)| count(name)).max().unwrap_or(0);
    let columns = rows.first().map_or(0, |(_, cells)| cells.len());
    let widths: Vec<usize> = (0..columns)
        .map(|at| rows.iter().map(|(_, cells)| count(&cells[at])).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (name, cells) in rows {
        let mut line = format!("{name:first$}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(line, "  {cell:width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(list: &[(&str, f64)]) -> Figures {
        let figure = |value: f64| Figure {
            value,
            low: value - 0.0125,
            high: value + 0.0125,
        };
        Figures(
            list.iter()
                .map(|&(name, value)| (name.to_owned(), figure(value)))
                .collect(),
        )
    }

    fn report() -> EvalReport {
        EvalReport {
            recipe: "ctl-market1501".into(),
            data: "market1501".into(),
            split: "test".into(),
            seed: Some(0),
            weights: Some("best".into()),
            weights_hash: None,
            data_fingerprint: None,
            headline: Protocol {
                protocol: "centroid".into(),
                settings: None,
                queries: 3368,
                skipped: 0,
                gallery: 5214,
                identities: None,
                metrics: figures(&[("recall@1", 0.948), ("mAP", 0.95), ("median_rank", 1.0)]),
                cmc: vec![0.948, 0.96],
            },
            also: vec![Protocol {
                protocol: "instance".into(),
                settings: None,
                queries: 3368,
                skipped: 12,
                gallery: 15_913,
                identities: None,
                metrics: figures(&[("recall@1", 0.939), ("mAP", 0.8539), ("mINP", 0.6)]),
                cmc: vec![],
            }],
        }
    }

    fn published(protocol: &str, metric: &str, value: f64, source: &str, confirmed: bool) -> Published {
        Published {
            protocol: protocol.into(),
            metric: metric.into(),
            value,
            source: source.into(),
            confirmed,
        }
    }

    #[test]
    fn the_table_keeps_protocols_apart_and_marks_what_is_not_confirmed() {
        let list = [
            published("centroid", "recall@1", 0.98, "paper", false),
            published("centroid", "mAP", 0.983, "paper", false),
            published("instance", "mAP", 0.8539, "tracker", true),
            published("centroid, leaking cameras", "recall@1", 0.985, "tracker", true),
        ];
        insta::assert_snapshot!(report().table(&list), @r"
        ctl-market1501 on market1501 (test), weights best, seed 0
        centroid: 3,368 queries, gallery of 5,214
        instance: 3,368 queries, gallery of 15,913
        95 % intervals by bootstrap over identities (products, or whatever else the labels name)

                     centroid           centroid  instance           instance  centroid, leaking cameras
        metric       ours               paper     ours               tracker   tracker
        recall@1     94.8 [93.5, 96.0]  98.0?     93.9 [92.7, 95.1]  –         98.5
        mAP          95.0 [93.8, 96.2]  98.3?     85.4 [84.1, 86.6]  85.4      –
        median_rank  1.0 [1.0, 1.0]     –         –                  –         –
        mINP         –                  –         60.0 [58.8, 61.2]  –         –
        instance: 12 queries have nothing to find in the gallery and are in no figure
        ? not confirmed against the publication itself
        ");
    }

    #[test]
    fn the_json_has_the_headline_at_the_top_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eval.json");
        report().write(&path).unwrap();
        assert_eq!(EvalReport::read(&path).unwrap(), report());
        let json: serde_json::Value = serde_json::from_str(&report().to_json(false)).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        let expected = [
            "recipe", "data", "split", "seed", "weights", "protocol", "queries", "skipped", "gallery",
            "metrics", "cmc", "also",
        ];
        assert_eq!(keys, expected);
        assert_eq!(json["metrics"]["recall@1"]["value"], 0.948);
        assert!(json["metrics"]["mAP"]["low"].is_f64() && json["metrics"]["mAP"]["high"].is_f64());
        assert_eq!(json["also"][0]["protocol"], "instance");
        // Metrics keep the order in which they are reported.
        let names: Vec<&String> = json["metrics"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["recall@1", "mAP", "median_rank"]);
        assert!(!report().to_json(false).contains('\n'));
    }

    #[test]
    fn few_identities_are_said_and_one_name_is_said_once() {
        let mut report = report();
        for (identities, note) in [
            (Some(3), "are of 3 identities only"),
            (Some(1), "are of 1 identity only"),
        ] {
            report.also[0].identities = identities;
            let text = report.table(&[]);
            assert!(text.contains(note), "{text}");
        }
        for identities in [Some(10), None] {
            report.also[0].identities = identities;
            assert_eq!(report.unsure(), None);
        }
        assert_eq!(report.subject(), "ctl-market1501 on market1501 (test)");
        report.data.clone_from(&report.recipe);
        assert_eq!(report.subject(), "ctl-market1501 (test split)");
    }

    #[test]
    fn a_broken_report_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eval.json");
        std::fs::write(&path, "{\"recipe\": 3}").unwrap();
        let message = EvalReport::read(&path).unwrap_err().to_string();
        assert!(
            message.contains("eval.json is not an evaluation report"),
            "{message}"
        );
    }
}
