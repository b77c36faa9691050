//! What all pages share: the document around them, items with their pictures, tables of facts.

use super::html::{Html, shorten};
use super::thumbs::Thumb;

/// The longer side of a small picture in pixels.
pub const SIDE: usize = 128;
/// What all pictures of a page may take together: the page with them stays below five megabytes.
pub const PICTURES: usize = 4_300_000;

/// A whole document. It can fetch nothing: its policy allows pictures and styles that stand in it, and nothing else.
pub fn document(title: &str, body: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::new();
    html.trusted("<!DOCTYPE html>\n");
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void(
                "meta",
                &[
                    ("http-equiv", "Content-Security-Policy"),
                    (
                        "content",
                        "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
                    ),
                ],
            );
            html.void(
                "meta",
                &[
                    ("name", "viewport"),
                    ("content", "width=device-width, initial-scale=1"),
                ],
            );
            html.leaf("title", &[], title);
            html.newline();
            html.element("style", &[], |html| html.trusted(include_str!("style.css")));
        });
        html.newline();
        html.element("body", &[], body);
    });
    html.newline();
    html.finish()
}

/// What is written under and over a picture.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// The line in ink: the label, or the file.
    pub title: String,
    /// Quiet lines: category, domain, camera, a title.
    pub lines: Vec<String>,
    /// The whole name, for a pointer that rests on it.
    pub name: String,
    /// What the picture shows, for readers who cannot see it.
    pub alt: String,
}

/// How an item is marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A query.
    Query,
    /// Something else, which is said.
    Named(&'static str),
    /// Found at a place with a score, and known to be right or wrong.
    Judged {
        /// Its place, from 1.
        place: usize,
        /// Its score.
        score: f32,
        /// Whether it is what was sought.
        right: bool,
    },
    /// Found at a place with a score.
    Found {
        /// Its place, from 1.
        place: usize,
        /// Its score.
        score: f32,
    },
}

/// An item with its picture, as the inside of an element of class `item`.
pub fn item(html: &mut Html, tag: &str, more: &str, card: &Card, mark: Mark, picture: Result<Thumb, String>) {
    let class = match mark {
        Mark::Judged { right: true, .. } => "item right",
        Mark::Judged { right: false, .. } => "item wrong",
        _ => "item",
    };
    let class = format!("{class} {more}");
    html.element(
        tag,
        &[("class", class.trim_end()), ("title", &card.name)],
        |html| {
            html.element("div", &[("class", "frame")], |html| match &picture {
                Ok(thumb) => html.void(
                    "img",
                    &[
                        ("src", &thumb.uri),
                        ("alt", &card.alt),
                        ("width", &thumb.width.to_string()),
                        ("height", &thumb.height.to_string()),
                    ],
                ),
                Err(why) => html.leaf("span", &[("class", "none")], why),
            });
            html.element("div", &[("class", "mark")], |html| match mark {
                Mark::Query => html.leaf("span", &[], "query"),
                Mark::Named(name) => html.leaf("span", &[], name),
                Mark::Judged { place, score, right } => {
                    let sign = if right { "✓" } else { "✗" };
                    html.leaf("span", &[], &format!("{place} {sign}"));
                    html.leaf("span", &[], &format!("{score:.3}"));
                }
                Mark::Found { place, score } => {
                    html.leaf("span", &[], &place.to_string());
                    html.leaf("span", &[], &format!("{score:.3}"));
                }
            });
            html.element("div", &[("class", "caption")], |html| {
                html.leaf("bdi", &[("class", "label")], &shorten(&card.title, 60));
                for line in &card.lines {
                    html.leaf("bdi", &[], &shorten(line, 80));
                }
            });
        },
    );
}

/// Names and values, one a line.
pub fn facts(html: &mut Html, facts: &[(String, String)]) {
    html.element("dl", &[], |html| {
        for (name, value) in facts {
            html.leaf("dt", &[], name);
            html.leaf("dd", &[], value);
        }
    });
    html.newline();
}

/// A section with its heading, which `#id` leads to.
pub fn section(html: &mut Html, id: &str, heading: &str, inside: impl FnOnce(&mut Html)) {
    html.element("section", &[("id", id)], |html| {
        html.leaf("h2", &[], heading);
        inside(html);
    });
    html.newline();
}

/// A quiet line.
pub fn quiet(html: &mut Html, text: &str) {
    html.leaf("p", &[("class", "quiet")], text);
}
