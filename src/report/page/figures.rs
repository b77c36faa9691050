//! The table of figures beside the paper's.

use super::Page;
use crate::report::figures::{Grid, INTERVALS};
use crate::report::frame::quiet;
use crate::report::html::Html;
use crate::search::rank::grouped;

impl Page<'_> {
    pub(super) fn figures(&self, html: &mut Html) {
        quiet(
            html,
            &format!(
                "Shares in per cent, places as they are; in brackets {INTERVALS}. Figures of different protocols are never \
                 compared."
            ),
        );
        let grid = self.report.grid(self.published);
        table(html, &grid);
        let known = |(name, _): &&(&str, &str)| grid.rows.iter().any(|(metric, _)| metric.starts_with(name));
        let words: Vec<String> = WORDS
            .iter()
            .filter(known)
            .map(|(_, words)| (*words).to_owned())
            .collect();
        if !words.is_empty() {
            quiet(html, &format!("{}.", words.join("; ")));
        }
        for protocol in self.report.protocols() {
            let settings = match &protocol.settings {
                Some(settings) => format!(" ({settings})"),
                None => String::new(),
            };
            let (queries, gallery) = (grouped(protocol.queries), grouped(protocol.gallery));
            let name = &protocol.protocol;
            quiet(
                html,
                &format!("{name}{settings}: {queries} queries, gallery of {gallery}"),
            );
        }
        if self.published.is_empty() {
            quiet(html, "Nothing was published to compare with.");
        }
        for note in &grid.notes {
            quiet(html, note);
        }
    }
}

/// What metrics are, by how their names begin.
const WORDS: [(&str, &str); 5] = [
    ("recall@", "recall@k: queries with a right one among the first k"),
    (
        "mAP",
        "mAP: the average precision at every right one; mAP@R: among as many as there are right ones",
    ),
    ("mINP", "mINP: right ones per place down to the last of them"),
    ("MRR", "MRR: one divided by the place of the first right one"),
    (
        "median_rank",
        "median_rank: the middle place of the first right one",
    ),
];

/// More columns than this have their intervals below the values: the table then fits a page of usual width.
const WIDE: usize = 4;

/// The table beside the paper: protocols over the columns, and under them who measured.
fn table(html: &mut Html, grid: &Grid) {
    let class = if grid.heads.len() > WIDE { "narrow" } else { "" };
    let begins = |at: usize| at == 0 || grid.heads[at - 1].protocol != grid.heads[at].protocol;
    html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
        html.element("table", &[("class", class)], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    html.leaf("td", &[], "");
                    for at in (0..grid.heads.len()).filter(|&at| begins(at)) {
                        let same = grid.heads[at..]
                            .iter()
                            .take_while(|head| head.protocol == grid.heads[at].protocol);
                        let span = same.count().to_string();
                        let attributes = [("scope", "colgroup"), ("colspan", &*span), ("class", "first")];
                        html.leaf("th", &attributes, &grid.heads[at].protocol);
                    }
                });
                html.element("tr", &[], |html| {
                    html.leaf("th", &[("scope", "col")], "metric");
                    for (at, head) in grid.heads.iter().enumerate() {
                        let class = if begins(at) { "who first" } else { "who" };
                        html.leaf("th", &[("scope", "col"), ("class", class)], &head.who);
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for (metric, cells) in &grid.rows {
                    html.element("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], metric);
                        for (at, (cell, head)) in cells.iter().zip(&grid.heads).enumerate() {
                            let class = match (head.ours, begins(at)) {
                                (true, true) => "ours first",
                                (true, false) => "ours",
                                (false, true) => "first",
                                (false, false) => "",
                            };
                            html.element("td", &[("class", class)], |html| match cell.split_once(" [") {
                                Some((value, interval)) => {
                                    html.text(value);
                                    html.leaf("span", &[("class", "interval")], &format!(" [{interval}"));
                                }
                                None => html.text(cell),
                            });
                        }
                    });
                    html.newline();
                }
            });
        });
    });
    html.newline();
}
