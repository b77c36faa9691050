//! `report.html`: one file that opens anywhere, without a network and without scripts.
//!
//! It holds nothing that depends on the clock or on where it is written: the same run gives the same bytes.

mod confusion;
mod data;
mod figures;
mod matches;
mod searches;
#[cfg(test)]
mod tests;

pub use matches::Matched;

use std::io::Write as _;
use std::path::Path;

use super::chart::Chart;
use super::curves;
use super::figures::{EvalReport, Published, ReportError, number};
use super::frame::{PICTURES, SIDE, document, facts, quiet, section};
use super::html::Html;
use super::showcase::Showcase;
use super::thumbs::Thumbs;
use super::toml;
use crate::data::Table;
use crate::data::image::DecodeOptions;
use crate::files::write_whole;
use crate::recipe::PaperSection;
use crate::train::matching::RSUM;
use crate::train::sinks::jsonl::Line;

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
    /// Both ways of a matcher.
    pub matched: Option<Matched<'a>>,
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
                if let Some(matched) = self.matched {
                    self.matches(html, matched, &mut thumbs);
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
            html.leaf("p", &[], &self.report.subject());
            let about = self.about;
            quiet(
                html,
                &format!("{} ({}), {}", about.title, about.year, about.source),
            );
            for note in self.notes {
                quiet(html, note);
            }
            // A sum stands before the two ways that it is the sum of.
            let heads = match self.report.headline.metrics.get(RSUM) {
                Some(_) => 3,
                None => 2,
            };
            html.element("ul", &[("class", "heads")], |html| {
                for protocol in self.report.protocols().take(heads) {
                    for name in [RSUM, "recall@1", "mAP"] {
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
        if self.matched.is_some() {
            sections.extend(matches::SECTIONS);
        }
        sections.extend([("data", "Data"), ("recipe", "Recipe"), ("system", "System")]);
        sections
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
}
