//! The page of a search: each query with what was found, in pictures.

use super::SearchArgs;
use crate::data::image::DecodeOptions;
use crate::data::{ImageRef, Table};
use crate::export::gallery::Gallery;
use crate::report::frame::{self, Card, Mark, PICTURES, SIDE, document, quiet};
use crate::report::thumbs::Thumbs;
use crate::search::Hit;
use crate::search::rank::grouped;

/// One file that opens anywhere.
pub fn html(
    args: &SearchArgs,
    queries: &Table,
    gallery: &Gallery,
    images: &[Option<ImageRef>],
    found: &[Vec<Hit>],
    decode: DecodeOptions,
) -> String {
    let mut thumbs = Thumbs::new(SIDE, PICTURES, decode);
    document("tailor search", |html| {
        html.element("header", &[("class", "top")], |html| {
            html.leaf("h1", &[], "Search");
            let mut text = format!(
                "{} among {} vectors of {}, by cosine",
                super::super::run::grouped(queries.items.len())
                    + if found.len() == 1 { " query" } else { " queries" },
                grouped(gallery.len()),
                args.gallery.display()
            );
            if let Some(expansion) = &args.qe {
                text.push_str(&format!(", expanded ({expansion})"));
            }
            if let Some(rerank) = &args.rerank {
                text.push_str(&format!(", re-ranked ({rerank})"));
            }
            html.leaf("p", &[], &text);
            if let Some(card) = &gallery.card {
                quiet(
                    html,
                    &format!("{} of {}, weights {}", card.data, card.recipe, card.weights),
                );
            }
        });
        html.newline();
        html.element("main", &[], |html| {
            for (item, hits) in queries.items.iter().zip(found) {
                html.element("article", &[("class", "search")], |html| {
                    html.element("div", &[("class", "query")], |html| {
                        let card = Card {
                            title: item.id.rsplit('/').next().unwrap_or_default().to_owned(),
                            lines: Vec::new(),
                            name: item.id.clone(),
                            alt: format!("query: {}", item.id),
                        };
                        frame::item(html, "div", "", &card, Mark::Query, thumbs.item(item));
                    });
                    html.element("ol", &[("class", "found")], |html| {
                        for (hit, place) in hits.iter().zip(1..) {
                            let row = hit.item as usize;
                            let (id, label) = (&gallery.ids[row], &gallery.labels[row]);
                            let card = Card {
                                title: if label.is_empty() {
                                    id.clone()
                                } else {
                                    label.clone()
                                },
                                lines: if label.is_empty() || label == id {
                                    vec![]
                                } else {
                                    vec![id.clone()]
                                },
                                name: gallery.images[row].clone().unwrap_or_else(|| id.clone()),
                                alt: format!("place {place}: {label} {id}"),
                            };
                            let mark = Mark::Found {
                                place,
                                score: hit.score,
                            };
                            let picture = match &images[row] {
                                Some(image) => thumbs.picture(image, None),
                                None => Err("no picture is known".into()),
                            };
                            frame::item(html, "li", "", &card, mark, picture);
                        }
                    });
                });
                html.newline();
            }
        });
    })
}
