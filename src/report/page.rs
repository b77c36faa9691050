//! `report.html`: one file that opens anywhere, without a network and without scripts.
//!
//! It holds nothing that depends on the clock or on where it is written: the same run gives the same bytes.

use std::io::Write as _;
use std::path::Path;

use super::chart::Chart;
use super::curves;
use super::figures::{EvalReport, Grid, Published, ReportError, number};
use super::frame::{self, Card, Mark, PICTURES, SIDE, document, facts, quiet, section};
use super::html::Html;
use super::showcase::{Confusion, Found, Search, Showcase};
use super::thumbs::Thumbs;
use super::toml;
use crate::data::image::DecodeOptions;
use crate::data::table::counted;
use crate::data::{Item, Summary, Table};
use crate::files::write_whole;
use crate::recipe::PaperSection;
use crate::search::rank::grouped;
use crate::train::sinks::jsonl::Line;

/// As many pictures as stand in one row of a wide page.
const ROW: usize = 8;
/// The file's name beside `eval.json`.
pub const FILE: &str = "report.html";

/// All that a report is made of.
pub struct Page<'a> {
    /// The run's name, or the recipe's where there is no run.
    pub name: &'a str,
    /// The paper.
    pub about: &'a PaperSection,
    /// The figures.
    pub report: &'a EvalReport,
    /// What was published.
    pub published: &'a [Published],
    /// What training recorded; empty where nothing was trained.
    pub lines: &'a [Line],
    /// The figure that chose the best checkpoint.
    pub best: &'a str,
    /// Searches and failures among the pictures of the table.
    pub showcase: Option<&'a Showcase>,
    /// The data that it speaks of, where it is a table.
    pub table: Option<&'a Table>,
    /// What is said of data that is no table, by name.
    pub data: &'a [(String, String)],
    /// How its pictures are read.
    pub decode: DecodeOptions,
    /// The resolved recipe.
    pub recipe: &'a str,
    /// What the run ran on, by name.
    pub system: &'a [(String, String)],
    /// What a reader should know before all else.
    pub notes: &'a [String],
}

impl Page<'_> {
    /// Writes the page whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let page = self.html();
        Ok(write_whole(path, |file| file.write_all(page.as_bytes()))?)
    }

    /// The page.
    pub fn html(&self) -> String {
        let mut thumbs = Thumbs::new(SIDE, PICTURES, self.decode);
        document(&format!("{} · tailor report", self.name), |html| {
            self.top(html);
            html.element("main", &[], |html| {
                section(html, "figures", "Figures", |html| self.figures(html));
                self.curves(html);
                if let Some(show) = self.showcase {
                    self.searches(html, show, &mut thumbs);
                    self.failures(html, show, &mut thumbs);
                    self.confusion(html, show);
                }
                section(html, "data", "Data", |html| self.data(html));
                section(html, "recipe", "Recipe", |html| {
                    quiet(
                        html,
                        "As it was resolved: with its base and with what the command line set.",
                    );
                    toml::listing(html, self.recipe);
                });
                section(html, "system", "System", |html| facts(html, self.system));
            });
            html.element("footer", &[], |html| {
                quiet(
                    html,
                    concat!("Written by tailor ", env!("CARGO_PKG_VERSION"), "."),
                );
            });
        })
    }

    fn top(&self, html: &mut Html) {
        html.element("header", &[("class", "top")], |html| {
            html.leaf("h1", &[], self.name);
            let EvalReport {
                recipe, data, split, ..
            } = self.report;
            html.leaf("p", &[], &format!("{recipe} on {data} ({split})"));
            let about = self.about;
            quiet(
                html,
                &format!("{} ({}), {}", about.title, about.year, about.source),
            );
            for note in self.notes {
                quiet(html, note);
            }
            // A sum stands before the two ways that it is the sum of.
            let heads = if self.report.headline.metrics.get("rsum").is_some() {
                3
            } else {
                2
            };
            html.element("ul", &[("class", "heads")], |html| {
                for protocol in self.report.protocols().take(heads) {
                    for name in ["rsum", "recall@1", "mAP"] {
                        let Some(figure) = protocol.metrics.get(name) else {
                            continue;
                        };
                        let [value, low, high] =
                            [figure.value, figure.low, figure.high].map(|value| number(name, value));
                        html.element("li", &[], |html| {
                            html.leaf("strong", &[], &value);
                            html.leaf("span", &[], &format!("{name}, {}", protocol.protocol));
                            html.leaf("span", &[], &format!("{low} to {high}"));
                        });
                    }
                }
            });
            html.element("nav", &[("aria-label", "Sections")], |html| {
                html.element("ul", &[], |html| {
                    for (id, name) in self.sections() {
                        html.element("li", &[], |html| {
                            html.leaf("a", &[("href", &format!("#{id}"))], name);
                        });
                    }
                });
            });
        });
        html.newline();
    }

    fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let mut sections = vec![("figures", "Figures"), ("curves", "Curves")];
        if let Some(show) = self.showcase {
            sections.push(("searches", "Searches"));
            if show.failures > 0 {
                sections.push(("failures", "Failures"));
            }
            if show.confusion.is_some() {
                sections.push(("confusion", "Confusion"));
            }
        }
        sections.extend([("data", "Data"), ("recipe", "Recipe"), ("system", "System")]);
        sections
    }

    fn figures(&self, html: &mut Html) {
        quiet(
            html,
            "Shares in per cent, places as they are; in brackets 95 % intervals by bootstrap over identities. \
             Figures of different protocols are never compared.",
        );
        let grid = self.report.grid(self.published);
        table(html, &grid);
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

    fn curves(&self, html: &mut Html) {
        let mut charts: Vec<Chart> = curves::of_training(self.lines, self.best);
        charts.push(curves::of_ranks(self.report));
        section(html, "curves", "Curves", |html| {
            if self.lines.is_empty() {
                quiet(html, "No record of training belongs to these weights.");
            }
            html.element("div", &[("class", "charts")], |html| {
                for chart in &charts {
                    chart.draw(html);
                }
            });
        });
    }

    fn searches(&self, html: &mut Html, show: &Showcase, thumbs: &mut Thumbs) {
        section(html, "searches", "Searches", |html| {
            let count = counted(show.samples.len(), "query", "queries");
            quiet(
                html,
                &format!(
                    "{count} drawn at random, one a label, among single gallery pictures: ✓ is right, ✗ is wrong, the \
                     number under a picture's right edge is its cosine with the query. Where nothing right is among \
                     them, the first right one comes last, with its place."
                ),
            );
            for search in &show.samples {
                self.search(html, search, search.found.len(), thumbs);
            }
        });
    }

    fn failures(&self, html: &mut Html, show: &Showcase, thumbs: &mut Thumbs) {
        if show.failures == 0 {
            return;
        }
        section(html, "failures", "Hardest failures", |html| {
            let (failures, queries) = (grouped(show.failures), grouped(show.queries));
            let mut text = format!("{failures} of {queries} queries find something wrong first.");
            if show.looked_at < show.queries {
                text.push_str(&format!(
                    " Margins and confusion were looked for among {} of the queries, evenly spread.",
                    grouped(show.looked_at)
                ));
            }
            quiet(html, &text);
            if !show.lowest.is_empty() {
                html.leaf("h3", &[], "The first right one stands lowest");
                for search in &show.lowest {
                    self.search(html, search, 4, thumbs);
                }
            }
            if !show.margins.is_empty() {
                html.leaf("h3", &[], "Surest of what is wrong");
                quiet(
                    html,
                    "The widest margin between the best wrong score and the best right one.",
                );
                for search in &show.margins {
                    self.search(html, search, 4, thumbs);
                }
            }
        });
    }

    /// A query, its first items, and apart from them the first right one where it is not among them.
    fn search(&self, html: &mut Html, search: &Search, depth: usize, thumbs: &mut Thumbs) {
        let shown = &search.found[..depth.min(search.found.len())];
        // The first right item has a place in the row, wherever it stands.
        let shown = match shown.iter().any(|found| found.right) {
            true => shown,
            false => &shown[..shown.len().min(ROW - 1)],
        };
        html.element("article", &[("class", "search")], |html| {
            let query = self.item(search.row);
            html.element("div", &[("class", "query")], |html| {
                let mut card = card(query, "query");
                card.lines.push(format!(
                    "{} to find among {}",
                    grouped(search.relevant),
                    grouped(search.gallery)
                ));
                let picture = thumbs.item(query);
                frame::item(html, "div", "", &card, Mark::Query, picture);
            });
            html.element("ol", &[("class", "found")], |html| {
                for found in shown {
                    self.found(html, found, "", thumbs);
                }
                if shown.iter().all(|found| !found.right) {
                    self.found(html, &search.first_right, "apart", thumbs);
                }
            });
        });
        html.newline();
    }

    fn found(&self, html: &mut Html, found: &Found, more: &str, thumbs: &mut Thumbs) {
        let item = self.item(found.row);
        let mark = Mark::Judged {
            place: found.place,
            score: found.score,
            right: found.right,
        };
        let what = if found.right { "right" } else { "wrong" };
        let card = card(item, &format!("place {}, {what}", found.place));
        let picture = thumbs.item(item);
        frame::item(html, "li", more, &card, mark, picture);
    }

    fn item(&self, row: usize) -> &Item {
        &self.table.expect("searches are among a table's pictures").items[row]
    }

    fn confusion(&self, html: &mut Html, show: &Showcase) {
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

    fn data(&self, html: &mut Html) {
        let Some(table) = self.table else {
            return facts(html, self.data);
        };
        let summary: Summary = table.summary();
        let mut list: Vec<(String, String)> = vec![
            ("name".into(), summary.name.clone()),
            (
                "pictures".into(),
                format!(
                    "{} of {} ({} a class)",
                    counted_grouped(summary.items, "picture", "pictures"),
                    counted_grouped(summary.classes, "class", "classes"),
                    summary.images_per_class
                ),
            ),
        ];
        for split in &summary.splits {
            let mut text = format!(
                "{} of {} ({} a class)",
                counted_grouped(split.items, "picture", "pictures"),
                counted_grouped(split.classes, "class", "classes"),
                split.images_per_class
            );
            if split.queries + split.gallery > 0 {
                text.push_str(&format!(
                    ", {} queries, gallery of {}",
                    grouped(split.queries),
                    grouped(split.gallery)
                ));
            }
            list.push((split.split.name().into(), text));
        }
        if summary.cameras > 0 {
            list.push(("cameras".into(), summary.cameras.to_string()));
        }
        if !summary.domains.is_empty() {
            list.push(("domains".into(), some_of(&summary.domains)));
        }
        if !summary.categories.is_empty() {
            let mut categories: Vec<(&String, &usize)> = summary.categories.iter().collect();
            categories.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let named: Vec<String> = categories
                .iter()
                .map(|(name, count)| format!("{name} {}", grouped(**count)))
                .collect();
            list.push(("categories".into(), some_of(&named)));
        }
        list.push(("fingerprint".into(), summary.fingerprint.clone()));
        for note in &summary.notes {
            list.push(("note".into(), note.clone()));
        }
        facts(html, &list);
    }
}

/// The first two dozen of a list.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 24;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

fn counted_grouped(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// What is known of an item, in a few lines.
pub fn card(item: &Item, role: &str) -> Card {
    let mut kind = Vec::new();
    if let Some(category) = &item.category
        && *category != item.label
    {
        kind.push(category.clone());
    }
    kind.extend(item.domain.clone());
    kind.extend(item.camera.map(|camera| format!("camera {camera}")));
    let mut lines = Vec::new();
    if !kind.is_empty() {
        lines.push(kind.join(" · "));
    }
    lines.extend(item.text.clone());
    let mut alt = format!("{role}: {}", item.label);
    if let Some(text) = item.text.as_ref().or(item.category.as_ref()) {
        alt.push_str(&format!(", {text}"));
    }
    Card {
        title: item.label.clone(),
        lines,
        name: item.id.clone(),
        alt,
    }
}

/// The table beside the paper: protocols over the columns, and under them who measured.
fn table(html: &mut Html, grid: &Grid) {
    let begins = |at: usize| at == 0 || grid.heads[at - 1].protocol != grid.heads[at].protocol;
    html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
        html.element("table", &[], |html| {
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

#[cfg(test)]
mod tests;
