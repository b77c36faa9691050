//! What is taken for what.

use super::Page;
use crate::data::table::counted;
use crate::report::frame::{quiet, section};
use crate::report::html::Html;
use crate::report::showcase::{Confusion, Grouping, Showcase};
use crate::search::rank::grouped;

impl Page<'_> {
    pub(super) fn confusion(&self, html: &mut Html, show: &Showcase) {
        let Some(confusion) = &show.confusion else {
            return;
        };
        section(html, "confusion", "Confusion", |html| match confusion {
            Confusion::Categories { by, names, counts } => {
                quiet(
                    html,
                    match by {
                        Grouping::Category => {
                            "Queries of each category (down) by the category of what they find first (across), in per cent of \
                             the row. Within a category the product may still be a wrong one."
                        }
                        Grouping::Label => {
                            "Queries of each label (down) by the label of what they find first (across), in per cent of the row."
                        }
                    },
                );
                matrix(html, names, counts);
            }
            Confusion::Labels { pairs, more } => {
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
                if let (others @ 1.., queries) = *more {
                    let others = counted(others, "other pair", "other pairs");
                    quiet(
                        html,
                        &format!(
                            "And {others} of labels, {} in all.",
                            counted(queries, "query", "queries")
                        ),
                    );
                }
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
