//! The page of a pair: the picture with what each word attends to, and what carried the score.

use super::Explained;
use crate::data::image::DecodeOptions;
use crate::papers::{Filtration, Map};
use crate::report::frame::{self, Card, Mark, PICTURES, document, facts, quiet, section};
use crate::report::heat::{self, Grid};
use crate::report::html::{Html, shorten};
use crate::report::thumbs::{Thumb, Thumbs};

/// The longer side of the picture in pixels: it is looked at closely.
const SIDE: usize = 320;
/// The picture's name within the page.
const PICTURE: &str = "picture";

/// One file that opens anywhere. `part` says which part of a picture of a width and height the grid divides.
pub fn html(
    explained: &Explained,
    part: &dyn Fn(usize, usize) -> Option<[f64; 4]>,
    decode: DecodeOptions,
) -> String {
    let mut thumbs = Thumbs::new(SIDE, PICTURES, decode);
    let face = &explained.face;
    let picture = match &face.picture {
        Some(picture) => thumbs.picture(picture, face.bbox),
        None => Err(format!("image {}", shorten(&face.id, 40))),
    };
    document("tailor explain", |html| {
        html.element("header", &[("class", "top")], |html| {
            html.leaf("h1", &[], &format!("Score {:.3}", explained.score()));
            html.leaf("p", &[], &format!("{} on {}", explained.name, explained.data));
        });
        html.newline();
        html.element("main", &[], |html| {
            pair(html, explained, &picture);
            section(html, "attention", "Where each word looks", |html| {
                let grid = explained
                    .grid
                    .zip(picture.as_ref().ok())
                    .and_then(|(side, picture)| {
                        let [width, height] = picture.of;
                        let scale = picture.width as f64 / width as f64;
                        let part = part(width, height)?.map(|place| place * scale);
                        Some((picture, Grid { side, part }))
                    });
                match grid {
                    Some((picture, grid)) => over_picture(html, explained, picture, grid),
                    None => over_regions(html, explained),
                }
            });
            if let Some(filtration) = &explained.explanation.filtration {
                section(html, "weights", "What carried the score", |html| {
                    carried(html, explained, filtration);
                });
            }
            if !explained.explanation.edges.is_empty() {
                section(html, "edges", "What words tell one another", |html| {
                    edges(html, explained)
                });
            }
            if let Some(sketches) = &explained.explanation.sketches {
                section(html, "sketches", "Sketches", |html| {
                    self::sketches(html, sketches)
                });
            }
            section(html, "system", "System", |html| {
                facts(html, &[("weights".into(), explained.weights.clone())]);
            });
        });
    })
}

/// The image, the caption, and what is known of both.
fn pair(html: &mut Html, explained: &Explained, picture: &Result<Thumb, String>) {
    let face = &explained.face;
    html.element("article", &[("class", "search")], |html| {
        html.element("div", &[("class", "query")], |html| {
            let card = Card {
                title: face.id.clone(),
                lines: face.lines.clone(),
                name: face.id.clone(),
                alt: format!("image {}", face.id),
            };
            frame::item(html, "div", "", &card, Mark::Named("image"), picture.clone());
        });
        html.element("div", &[], |html| {
            html.element("p", &[("class", "words")], |html| {
                for word in &explained.words {
                    let class = if word.known { "" } else { "unknown" };
                    html.leaf("bdi", &[("class", class)], &word.text);
                    html.text(" ");
                }
            });
            let mut list = vec![("caption".to_string(), explained.text.clone())];
            let mut fact = |name: &str, value: String| list.push((name.into(), value));
            let unknown: Vec<&str> = explained
                .words
                .iter()
                .filter(|word| !word.known)
                .map(|word| word.text.as_str())
                .collect();
            if !unknown.is_empty() {
                fact(
                    "unknown words",
                    format!("{}: the model reads them all alike", unknown.join(", ")),
                );
            }
            if let Some(right) = explained.right {
                fact("belong together", if right { "yes" } else { "no" }.into());
            }
            fact(
                "score",
                format!(
                    "{:.4} (before its sigmoid {:+.4})",
                    explained.score(),
                    explained.explanation.logit
                ),
            );
            if !explained.own.is_empty() {
                fact("the image's captions", explained.own.join(" / "));
            }
            facts(html, &list);
        });
    });
    html.newline();
}

/// The picture once for each word, hot where it looks.
fn over_picture(html: &mut Html, explained: &Explained, picture: &Thumb, grid: Grid) {
    let cells = grid.side * grid.side;
    quiet(
        html,
        &format!(
            "How a word divides its attention among the {cells} cells of the picture ({0} × {0}). The framed cell has the most of it, which \
             stands beside the word; spread evenly, each would have {1:.1} %. A cell of a trunk's map has seen more than its own pixels.",
            grid.side,
            100.0 / cells as f32
        ),
    );
    heat::define(html, PICTURE, picture);
    html.element("div", &[("class", "looks")], |html| {
        for (at, word) in explained.words.iter().enumerate() {
            let (region, share) = explained.most(at);
            html.element("figure", &[], |html| {
                let alt = format!("{} looks at {}", word.text, explained.region(region));
                let values = explained.explanation.attention.row(at);
                heat::over(html, PICTURE, picture, values, grid, &alt);
                html.element("figcaption", &[], |html| {
                    let class = if word.known { "" } else { "unknown" };
                    html.leaf("bdi", &[("class", class)], &shorten(&word.text, 24));
                    html.leaf("span", &[], &format!("{:.0} %", 100.0 * share));
                });
            });
            html.newline();
        }
    });
}

/// Words by regions, where nobody knows what a region shows.
fn over_regions(html: &mut Html, explained: &Explained) {
    let map = &explained.explanation.attention;
    let [_, regions] = map.shape;
    quiet(
        html,
        &format!(
            "How a word (down) divides its attention among the image's {regions} regions (across), {}; spread evenly, each would have \
             {:.1} %.",
            heat::reading(regions),
            100.0 / regions as f32
        ),
    );
    let rows: Vec<String> = explained.words.iter().map(|word| word.text.clone()).collect();
    let columns: Vec<String> = (0..regions).map(|region| region.to_string()).collect();
    heat::table(html, "word", &rows, &columns, map);
}

/// The parts with their weights and what they add.
fn carried(html: &mut Html, explained: &Explained, filtration: &Filtration) {
    let together: f32 = filtration.shares.iter().sum();
    quiet(
        html,
        &format!(
            "The weight β of the similarity of the whole image with the whole caption, and of each word with the regions that it looks at; \
             weights add up to 1. A part adds to the score what its similarity says, times its weight: {together:+.3} together, and {:+.3} \
             for every pair, make {:+.3}, whose sigmoid is the score.",
            filtration.bias, explained.explanation.logit
        ),
    );
    let parts = explained.parts();
    let heaviest = filtration.weights.iter().copied().fold(0.0, f32::max);
    let widest = filtration
        .shares
        .iter()
        .fold(0.0, |most: f32, share| most.max(share.abs()));
    html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
        html.element("table", &[("class", "bars")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for head in ["part", "weight β", "adds to the score"] {
                        html.leaf("th", &[("scope", "col")], head);
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for ((part, &weight), &share) in parts.iter().zip(&filtration.weights).zip(&filtration.shares)
                {
                    html.element("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], &shorten(part, 24));
                        html.element("td", &[], |html| {
                            heat::bar(html, weight, heaviest, &format!("{weight:.3}"));
                        });
                        html.element("td", &[], |html| {
                            heat::bar(html, share, widest, &format!("{share:+.3}"));
                        });
                    });
                }
            });
        });
    });
    html.newline();
}

/// A table for each step.
fn edges(html: &mut Html, explained: &Explained) {
    let parts = explained.parts();
    let steps = &explained.explanation.edges;
    quiet(
        html,
        &format!(
            "In each step of the reasoning a part (down) takes from all parts (across), {}. The score is read from the whole after the last \
             step, of which nothing else is computed.",
            heat::reading(parts.len())
        ),
    );
    for (at, step) in steps.iter().enumerate() {
        html.leaf("h3", &[], &format!("Step {} of {}", at + 1, steps.len()));
        let [rows, _] = step.shape;
        heat::table(html, "part", &parts[..rows], &parts, step);
    }
}

/// Both sketches, partition by partition.
fn sketches(html: &mut Html, [image, caption]: &[Map; 2]) {
    let [_, width] = image.shape;
    quiet(
        html,
        &format!(
            "The density estimator cuts the space of regions and words into {width} parts, in several ways (down), and counts how many of \
             the image's regions and of the caption's words lie in each. The global similarity is that of the two sketches; alike is the \
             cosine of a row's two halves."
        ),
    );
    html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
        html.element("table", &[("class", "sketches")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for head in ["partition", "regions", "words", "alike"] {
                        html.leaf("th", &[("scope", "col")], head);
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for (at, (seen, read)) in image.rows().zip(caption.rows()).enumerate() {
                    html.element("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], &(at + 1).to_string());
                        for (row, map, what) in [(seen, image, "regions"), (read, caption, "words")] {
                            html.element("td", &[], |html| {
                                heat::columns(
                                    html,
                                    row,
                                    map.most(),
                                    &format!("{what} in partition {}", at + 1),
                                );
                            });
                        }
                        html.leaf("td", &[], &format!("{:.2}", cosine(seen, read)));
                    });
                }
            });
        });
    });
    html.newline();
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
}
