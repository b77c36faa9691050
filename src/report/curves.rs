//! The charts of a run, from what `metrics.jsonl` holds.

use super::chart::{Chart, Series, Unit};
use super::figures::EvalReport;
use crate::train::matching::RSUM;
use crate::train::sinks::EntrySplit;
use crate::train::sinks::jsonl::Line;
use crate::train::sinks::system::{DATA_WAIT, IMAGES_PER_SECOND};

/// Losses, learning rates, validation figures, gradient norms, speed and waiting; those that there are. `best` is the
/// figure that chose the best checkpoint.
pub fn of_training(lines: &[Line], best: &str) -> Vec<Chart> {
    let is_rate = |name: &str| name.starts_with("lr/");
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let is_norm = |name: &str| last(name).contains("norm");
    // A sum of shares has a scale of its own.
    let is_sum = |name: &str| last(name) == RSUM;
    let chosen = |name: &str| {
        let last = last(name);
        !is_sum(name) && (last == best || name == best || last == "recall@1" || last == "mAP")
    };
    let chart = |title: &str, unit, from_zero, split, keep: &dyn Fn(&str) -> bool| Chart {
        title: title.into(),
        x: "step",
        unit,
        from_zero,
        noisy: title != "Learning rate",
        series: series(lines, split, keep),
    };
    use EntrySplit::{System, Test, Train, Valid};
    let on_test = lines.iter().any(|line| line.split == Test);
    let (judged, on) = match on_test {
        true => (Test, "the test split"),
        false => (Valid, "the validation split"),
    };
    let charts = vec![
        chart("Training loss", Unit::Plain, true, Train, &|name| {
            !is_rate(name) && !is_norm(name)
        }),
        chart(
            &format!("Figures on {on} while training, %"),
            Unit::Percent,
            false,
            judged,
            &chosen,
        ),
        chart(
            &format!("Sum of recalls on {on} while training, %"),
            Unit::Percent,
            false,
            judged,
            &is_sum,
        ),
        chart("Learning rate", Unit::Plain, true, Train, &is_rate),
        chart("Gradient norm", Unit::Plain, true, Train, &is_norm),
        chart("Images per second", Unit::Plain, true, System, &|name| {
            name == IMAGES_PER_SECOND
        }),
        chart(
            "Time spent waiting for data, %",
            Unit::Percent,
            true,
            System,
            &|name| name == DATA_WAIT,
        ),
    ];
    charts
        .into_iter()
        .filter(|chart| !chart.series.is_empty())
        .collect()
}

/// The share of queries with a hit among the first 1, 2, 3, … of each protocol.
pub fn of_ranks(report: &EvalReport) -> Chart {
    let curves = report.protocols().filter(|protocol| !protocol.cmc.is_empty());
    Chart {
        title: "Queries with a hit among the first k, %".into(),
        x: "k",
        unit: Unit::Percent,
        from_zero: false,
        noisy: false,
        series: curves
            .map(|protocol| Series {
                name: protocol.protocol.clone(),
                points: (1u32..)
                    .map(f64::from)
                    .zip(protocol.cmc.iter().copied())
                    .collect(),
            })
            .collect(),
    }
}

/// One line for each name, in the order of their first appearance; `loss` comes first because the engine writes it first.
fn series(lines: &[Line], split: EntrySplit, keep: &dyn Fn(&str) -> bool) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for line in lines.iter().filter(|line| line.split == split) {
        for (name, value) in line.values.iter().filter(|(name, _)| keep(name)) {
            let point = (line.step as f64, *value);
            match series.iter_mut().find(|series| series.name == *name) {
                Some(series) => series.points.push(point),
                None => series.push(Series {
                    name: name.clone(),
                    points: vec![point],
                }),
            }
        }
    }
    together(series)
}

/// Lines of the same points are one, under all their names: the loss of a single term is that term.
fn together(all: Vec<Series>) -> Vec<Series> {
    let same = |a: &Series, b: &Series| {
        let bits = |point: &(f64, f64)| (point.0.to_bits(), point.1.to_bits());
        a.points.iter().map(bits).eq(b.points.iter().map(bits))
    };
    let mut apart: Vec<Series> = Vec::new();
    for series in all {
        match apart.iter_mut().find(|other| same(other, &series)) {
            Some(other) => other.name = format!("{} = {}", other.name, series.name),
            None => apart.push(series),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_on_its_chart() {
        let line = |step, split, values: &[(&str, f64)]| Line {
            step,
            epoch: 0.0,
            split,
            values: values
                .iter()
                .map(|(name, value)| (name.to_string(), *value))
                .collect(),
        };
        let lines = [
            line(
                5,
                EntrySplit::Train,
                &[("loss", 2.0), ("id", 1.5), ("grad_norm", 3.0), ("lr/base", 0.1)],
            ),
            line(
                5,
                EntrySplit::System,
                &[(IMAGES_PER_SECOND, 100.0), ("memory_mib", 5.0)],
            ),
            line(
                10,
                EntrySplit::Train,
                &[("loss", 1.0), ("id", 0.5), ("grad_norm", 2.0), ("lr/base", 0.2)],
            ),
            line(
                10,
                EntrySplit::Valid,
                &[
                    ("recall@1", 0.5),
                    ("recall@5", 0.7),
                    ("ema/centroid/mAP", 0.6),
                    ("MRR", 0.4),
                    ("rsum", 4.5),
                ],
            ),
        ];
        let charts = of_training(&lines, "MRR");
        let named: Vec<(&str, Vec<&str>)> = charts
            .iter()
            .map(|chart| {
                let names = chart.series.iter().map(|series| series.name.as_str()).collect();
                (chart.title.as_str(), names)
            })
            .collect();
        assert_eq!(
            named,
            [
                ("Training loss", vec!["loss", "id"]),
                (
                    "Figures on the validation split while training, %",
                    vec!["recall@1", "ema/centroid/mAP", "MRR"]
                ),
                (
                    "Sum of recalls on the validation split while training, %",
                    vec!["rsum"]
                ),
                ("Learning rate", vec!["lr/base"]),
                ("Gradient norm", vec!["grad_norm"]),
                ("Images per second", vec![IMAGES_PER_SECOND]),
            ]
        );
        assert_eq!(charts[0].series[0].points, [(5.0, 2.0), (10.0, 1.0)]);
        assert!(of_training(&[], "mAP").is_empty());
    }

    #[test]
    fn lines_that_coincide_are_one_under_both_names() {
        let line = |step, loss: f64| Line {
            step,
            epoch: 0.0,
            split: EntrySplit::Train,
            values: ["loss", "id"].map(|name| (name.to_string(), loss)).to_vec(),
        };
        let charts = of_training(&[line(1, 2.0), line(2, 1.0)], "mAP");
        assert_eq!(charts[0].series.len(), 1);
        assert_eq!(charts[0].series[0].name, "loss = id");
        assert_eq!(charts[0].series[0].points, [(1.0, 2.0), (2.0, 1.0)]);
    }
}
