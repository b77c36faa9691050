//! The figures of a sweep: settings down, metrics across.

use super::record::{Cell, Record, Setting, Status};
use crate::cli::runs::table::Table;
use crate::metrics::Figure;
use crate::report::figures::{number, with_interval};
use crate::train::sinks::jsonl;
use serde_json::{Map, Value, json};

/// Cells with the same settings: one for each seed.
#[derive(Debug)]
pub struct Row<'a> {
    /// What sets it apart from the others.
    pub set: &'a [Setting],
    /// Its cells.
    pub cells: Vec<&'a Cell>,
}

/// A figure of a row: of one run with its interval, or of several with mean and deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Summary {
    /// Of one run.
    One(Figure),
    /// Of several: mean, sample standard deviation, number.
    Several(f64, f64, usize),
}

impl Summary {
    /// The value, or the mean.
    pub fn value(self) -> f64 {
        match self {
            Self::One(figure) => figure.value,
            Self::Several(mean, ..) => mean,
        }
    }

    /// Where the value may as well be: the bootstrap's interval, or the mean and one deviation either way.
    fn range(self) -> (f64, f64) {
        match self {
            Self::One(figure) => (figure.low, figure.high),
            Self::Several(mean, deviation, _) => (mean - deviation, mean + deviation),
        }
    }

    fn to_text(self, metric: &str) -> String {
        match self {
            Self::One(figure) => with_interval(metric, figure),
            Self::Several(mean, deviation, _) => {
                format!("{} ± {}", number(metric, mean), number(metric, deviation))
            }
        }
    }

    fn to_json(self) -> Value {
        match self {
            Self::One(figure) => json!(figure),
            Self::Several(mean, deviation, runs) => json!({
                "mean": jsonl::number(mean), "standard_deviation": jsonl::number(deviation), "runs": runs,
            }),
        }
    }
}

impl Row<'_> {
    fn finished(&self) -> Vec<&Cell> {
        let is_finished = |cell: &&&Cell| cell.status == Status::Finished && cell.eval.is_some();
        self.cells.iter().filter(is_finished).copied().collect()
    }

    /// The figure of that name under the headline protocol, over the cells that have it.
    pub fn summary(&self, metric: &str) -> Option<Summary> {
        let figures: Vec<Figure> = self
            .finished()
            .iter()
            .filter_map(|cell| cell.eval.as_ref()?.headline.metrics.get(metric))
            .collect();
        match figures.as_slice() {
            [] => None,
            [one] => Some(Summary::One(*one)),
            several => {
                let count = several.len() as f64;
                let mean = several.iter().map(|f| f.value).sum::<f64>() / count;
                let squares = several.iter().map(|f| (f.value - mean).powi(2)).sum::<f64>();
                Some(Summary::Several(
                    mean,
                    (squares / (count - 1.0)).sqrt(),
                    several.len(),
                ))
            }
        }
    }

    fn status(&self) -> String {
        let (finished, all) = (self.finished().len(), self.cells.len());
        match self.cells.iter().find(|cell| cell.status != Status::Finished) {
            None => "finished".into(),
            Some(cell) if all == 1 => cell.status.name().into(),
            Some(cell) => format!("{finished} of {all}, {}", cell.status.name()),
        }
    }
}

/// The rows, in the order of their first cells.
pub fn rows(record: &Record) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for cell in &record.cells {
        // A run of the recipe's own seed may be one of the seeds that were named: it is not counted among them.
        let family = |row: &&mut Row<'_>| {
            row.set == cell.set
                && row
                    .cells
                    .iter()
                    .all(|other| other.seed.is_some() == cell.seed.is_some())
        };
        match rows.iter_mut().find(family) {
            Some(row) => row.cells.push(cell),
            None => rows.push(Row {
                set: &cell.set,
                cells: vec![cell],
            }),
        }
    }
    rows
}

/// Whether a smaller figure is the better one.
fn falls(metric: &str) -> bool {
    metric.ends_with("_rank")
}

/// The row with the best figure, and the rows whose ranges meet its own.
pub fn best(rows: &[Row<'_>], metric: &str) -> Option<(usize, Vec<usize>)> {
    let summaries: Vec<Option<Summary>> = rows.iter().map(|row| row.summary(metric)).collect();
    let sign = if falls(metric) { -1.0 } else { 1.0 };
    let (best, summary) = summaries
        .iter()
        .enumerate()
        .filter_map(|(at, summary)| Some((at, (*summary)?)))
        .filter(|(_, summary)| summary.value().is_finite())
        // The first of equals.
        .reduce(|a, b| {
            if sign * b.1.value() > sign * a.1.value() {
                b
            } else {
                a
            }
        })?;
    let (low, high) = summary.range();
    let near = summaries
        .iter()
        .enumerate()
        .filter(|&(at, other)| {
            at != best && other.is_some_and(|other| other.range().0 <= high && other.range().1 >= low)
        })
        .map(|(at, _)| at)
        .collect();
    Some((best, near))
}

/// The metrics of the table: the one that cells are compared by, then the usual two.
pub fn metrics(record: &Record) -> Vec<String> {
    let mut names = vec![record.metric.clone()];
    for name in ["recall@1", "mAP"] {
        if names.iter().all(|known| known != name) {
            names.push(name.into());
        }
    }
    let known = |name: &String| {
        let evals = record.cells.iter().filter_map(|cell| cell.eval.as_ref());
        evals
            .into_iter()
            .any(|eval| eval.headline.metrics.get(name).is_some())
    };
    names.retain(known);
    names
}

fn words(set: &[Setting]) -> String {
    match set {
        [] => "as the recipe is".into(),
        set => set
            .iter()
            .map(|s| format!("{}={}", s.key, s.value))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// The text for a person.
pub fn to_text(record: &Record) -> String {
    let (rows, metrics) = (rows(record), metrics(record));
    let keys: Vec<&str> =
        record
            .cells
            .iter()
            .flat_map(|cell| &cell.set)
            .fold(Vec::new(), |mut keys, setting| {
                if !keys.contains(&setting.key.as_str()) {
                    keys.push(&setting.key);
                }
                keys
            });
    let best = best(&rows, &record.metric);
    let mut heads = vec!["", "#"];
    heads.extend(&keys);
    heads.push("status");
    heads.extend(metrics.iter().map(String::as_str));
    let mut table = Table::new(&heads);
    for (at, row) in rows.iter().enumerate() {
        let mark = best.as_ref().is_some_and(|(best, _)| *best == at);
        let mut line = vec![if mark { "*" } else { "" }.to_string(), (at + 1).to_string()];
        let value = |key: &&str| {
            row.set
                .iter()
                .find(|s| s.key == **key)
                .map_or("–".into(), |s| s.value.clone())
        };
        line.extend(keys.iter().map(value));
        line.push(row.status());
        line.extend(
            metrics
                .iter()
                .map(|m| row.summary(m).map_or("–".into(), |s| s.to_text(m))),
        );
        table.row(line);
    }
    let mut text = match record.cells.iter().find_map(|cell| cell.eval.as_ref()) {
        None => format!("{}\n\n", record.recipe),
        Some(eval) => format!(
            "{} on {} ({}), {}: {} queries, gallery of {}\n\n",
            record.recipe,
            eval.data,
            eval.split,
            eval.headline.protocol,
            eval.headline.queries,
            eval.headline.gallery
        ),
    };
    text.push_str(&table.to_text());
    let several = rows.iter().any(|row| row.cells.len() > 1);
    text.push_str(match several {
        true => "\n± deviation of the sample over seeds; in brackets, of single runs, 95 % intervals by bootstrap over identities\n",
        false => "\nin brackets 95 % intervals by bootstrap over identities\n",
    });
    if let Some((best, near)) = best {
        text.push_str(&format!(
            "* best by {}: {}\n",
            record.metric,
            words(rows[best].set)
        ));
        if !near.is_empty() {
            let near: Vec<String> = near.iter().map(|at| (at + 1).to_string()).collect();
            text.push_str(&format!(
                "  not clearly better than {}: the ranges meet\n",
                near.join(", ")
            ));
        }
    }
    for cell in &record.cells {
        if let Some(error) = &cell.error {
            let error: String = error
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            text.push_str(&format!("{} {}: {error}\n", cell.run, cell.status.name()));
        }
    }
    text
}

/// The same for a program: the record, with its rows.
pub fn to_json(record: &Record) -> Value {
    let (rows, metrics) = (rows(record), metrics(record));
    let best = best(&rows, &record.metric);
    let settings = |set: &[Setting]| -> Map<String, Value> {
        set.iter().map(|s| (s.key.clone(), json!(s.value))).collect()
    };
    let lines: Vec<Value> = rows
        .iter()
        .map(|row| {
            let figures: Map<String, Value> = metrics
                .iter()
                .filter_map(|metric| Some((metric.clone(), row.summary(metric)?.to_json())))
                .collect();
            let runs: Vec<&str> = row.cells.iter().map(|cell| cell.run.as_str()).collect();
            json!({"set": settings(row.set), "runs": runs, "status": row.status(), "metrics": figures})
        })
        .collect();
    let best = best.map(|(best, near)| {
        let near: Vec<Value> = near.iter().map(|&at| json!(settings(rows[at].set))).collect();
        json!({"metric": record.metric, "set": settings(rows[best].set), "not_clearly_better_than": near})
    });
    json!({"recipe": record.recipe, "rows": lines, "best": best, "cells": record.cells})
}

/// One line for each cell and metric's value with its interval, for spreadsheets.
pub fn to_csv(record: &Record) -> Result<Vec<u8>, csv::Error> {
    let mut keys: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for cell in &record.cells {
        for setting in &cell.set {
            if !keys.contains(&setting.key.as_str()) {
                keys.push(&setting.key);
            }
        }
        for (name, _) in cell.eval.iter().flat_map(|eval| &eval.headline.metrics.0) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> = vec!["run".into()];
    head.extend(keys.iter().map(|key| key.to_string()));
    head.extend(["seed".into(), "status".into()]);
    head.extend(
        names
            .iter()
            .flat_map(|name| [name.to_string(), format!("{name} low"), format!("{name} high")]),
    );
    csv.write_record(&head)?;
    for cell in &record.cells {
        let mut line = vec![cell.run.clone()];
        let value = |key: &&str| {
            cell.set
                .iter()
                .find(|s| s.key == **key)
                .map_or(String::new(), |s| s.value.clone())
        };
        line.extend(keys.iter().map(value));
        line.push(cell.seed.map_or(String::new(), |seed| seed.to_string()));
        line.push(cell.status.name().into());
        for name in &names {
            let figure = cell
                .eval
                .as_ref()
                .and_then(|eval| eval.headline.metrics.get(name));
            match figure {
                Some(f) => line.extend([f.value, f.low, f.high].map(|v| v.to_string())),
                None => line.extend(std::iter::repeat_n(String::new(), 3)),
            }
        }
        csv.write_record(&line)?;
    }
    csv.into_inner()
        .map_err(|e| csv::Error::from(std::io::Error::other(e.error().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Figures;
    use crate::report::figures::{EvalReport, Protocol};

    fn cell(run: &str, value: &str, seed: Option<u64>, figure: Option<f64>) -> Cell {
        let eval = figure.map(|value| EvalReport {
            recipe: "r".into(),
            data: "d".into(),
            split: "test".into(),
            seed,
            weights: None,
            weights_hash: None,
            data_fingerprint: None,
            headline: Protocol {
                protocol: "instance".into(),
                settings: None,
                queries: 5,
                skipped: 0,
                gallery: 9,
                identities: None,
                metrics: Figures(vec![
                    (
                        "recall@1".into(),
                        Figure {
                            value,
                            low: value - 0.05,
                            high: value + 0.05,
                        },
                    ),
                    (
                        "median_rank".into(),
                        Figure {
                            value: 10.0 * value,
                            low: 0.0,
                            high: 99.0,
                        },
                    ),
                ]),
                cmc: vec![],
            },
            also: vec![],
        });
        Cell {
            run: run.into(),
            set: vec![Setting {
                key: "optimizer.lr".into(),
                value: value.into(),
            }],
            seed,
            status: if eval.is_some() {
                Status::Finished
            } else {
                Status::Diverged
            },
            error: eval
                .is_none()
                .then(|| "`loss` is NaN at step 3:\ntraining has diverged".into()),
            eval,
        }
    }

    fn record(cells: Vec<Cell>) -> Record {
        Record {
            cells,
            ..Record::new("r", "f".into(), None, "recall@1".into())
        }
    }

    #[test]
    fn single_runs_have_intervals_and_the_best_is_marked() {
        let record = record(vec![
            cell("001", "0.1", None, None),
            cell("002", "0.01", None, Some(0.5)),
            cell("003", "0.001", None, Some(0.58)),
            cell("004", "0.0001", None, Some(0.3)),
        ]);
        insta::assert_snapshot!(to_text(&record), @r"
        r on d (test), instance: 5 queries, gallery of 9

           #  optimizer.lr  status    recall@1
           1  0.1           diverged  –
           2  0.01          finished  50.0 [45.0, 55.0]
        *  3  0.001         finished  58.0 [53.0, 63.0]
           4  0.0001        finished  30.0 [25.0, 35.0]

        in brackets 95 % intervals by bootstrap over identities
        * best by recall@1: optimizer.lr=0.001
          not clearly better than 2: the ranges meet
        001 diverged: `loss` is NaN at step 3: training has diverged
        ");
        let json = to_json(&record);
        assert_eq!(json["best"]["set"]["optimizer.lr"], "0.001");
        assert_eq!(
            json["best"]["not_clearly_better_than"],
            json!([{"optimizer.lr": "0.01"}])
        );
        assert_eq!(json["rows"][0]["status"], "diverged");
        let lower = Record {
            metric: "median_rank".into(),
            ..record
        };
        assert_eq!(best(&rows(&lower), "median_rank").unwrap().0, 3);
    }

    #[test]
    fn seeds_have_mean_and_deviation() {
        let record = record(vec![
            cell("001", "a", Some(1), Some(0.5)),
            cell("002", "a", Some(2), Some(0.6)),
            cell("003", "a", Some(3), Some(0.7)),
            cell("004", "b", Some(1), Some(0.2)),
            cell("005", "b", Some(2), None),
        ]);
        let rows = rows(&record);
        let Some(Summary::Several(mean, deviation, 3)) = rows[0].summary("recall@1") else {
            panic!("{:?}", rows[0].summary("recall@1"));
        };
        assert!((mean - 0.6).abs() < 1e-12 && (deviation - 0.1).abs() < 1e-12);
        assert_eq!(rows[1].summary("recall@1").unwrap().value(), 0.2);
        let text = to_text(&record);
        assert!(
            text.contains("60.0 ± 10.0") && text.contains("1 of 2, diverged"),
            "{text}"
        );
        let csv = String::from_utf8(to_csv(&record).unwrap()).unwrap();
        assert!(
            csv.starts_with("run,optimizer.lr,seed,status,recall@1,recall@1 low,recall@1 high,"),
            "{csv}"
        );
        assert!(csv.ends_with("005,b,2,diverged,,,,,,\n"), "{csv}");
        assert_eq!(csv.lines().count(), 6);
    }
}
