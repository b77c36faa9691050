//! What is taken for what.

use super::Page;
use crate::report::frame::{quiet, section};
use crate::report::html::Html;
use crate::report::showcase::{Confusion, Showcase};
use crate::search::rank::grouped;

impl Page<'_> {
    pub(super) fn confusion(&self, html: &mut Html, show: &Showcase) {
        let Some(confusion) = &show.confusion else {
            return;
        };
        section(html, "confusion", "Confusion", |html| match confusion {
            Confusion::Categories { names, counts } => {
                quiet(
                    html,
                    "Queries of each category (down) by the category of what they find first (across), in per cent of \
                     the row. Within a category the product may still be a wrong one.",
                );
                matrix(html, names, counts);
            }
            Confusion::Labels(pairs) => {
                quiet(
                    html,
                    "The labels most often taken for another: the query's, and that of what it finds first.",
                );
                html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
                    html.element("table", &[], |html| {
                        html.element("thead", &[], |html| {
                            html.element("tr", &[], |html| {
                                for head in ["query", "found first", "queries"] {
                                    html.leaf("th", &[("scope", "col")], head);
                                }
                            });
                        });
                        html.element("tbody", &[], |html| {
                            for (query, found, count) in pairs {
                                html.element("tr", &[], |html| {
                                    html.leaf("td", &[], query);
                                    html.leaf("td", &[], found);
                                    html.leaf("td", &[], &grouped(*count));
                                });
                            }
                        });
                    });
                });
            }
        });
    }
}

/// Counts as shares of their row, darker for more.
fn matrix(html: &mut Html, names: &[String], counts: &[Vec<usize>]) {
    html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
        html.element("table", &[("class", "matrix")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    html.leaf("th", &[("scope", "col")], "query");
                    for name in names {
                        html.leaf("th", &[("scope", "col")], name);
                    }
                    html.leaf("th", &[("scope", "col"), ("class", "first")], "queries");
                });
            });
            html.element("tbody", &[], |html| {
                for (row, (name, counts)) in names.iter().zip(counts).enumerate() {
                    let total: usize = counts.iter().sum();
                    html.element("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], name);
                        for (column, &count) in counts.iter().enumerate() {
                            let share = count as f64 / total.max(1) as f64;
                            // At most 45 % of the colour, so that the text stays legible on it.
                            let heat = format!("background:rgba(var(--heat),{:.2})", 0.45 * share);
                            let class = if row == column { "same" } else { "" };
                            match count {
                                0 => html.leaf("td", &[("class", &format!("{class} zero"))], "·"),
                                _ => html.leaf(
                                    "td",
                                    &[("class", class), ("style", &heat)],
                                    &format!("{:.1}", 100.0 * share),
                                ),
                            }
                        }
                        html.leaf("td", &[("class", "first")], &grouped(total));
                    });
                    html.newline();
                }
            });
        });
    });
    html.newline();
}
