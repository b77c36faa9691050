//! Both ways of a matcher as a person sees them: an image with its captions, a caption with its images.

use super::Page;
use crate::data::pairs::{Face, Truth};
use crate::report::frame::{self, Card, Mark, quiet, section};
use crate::report::html::{Html, shorten};
use crate::report::matches::{Matches, Way};
use crate::report::showcase::{Found, Search};
use crate::report::thumbs::{Thumb, Thumbs};
use crate::search::rank::grouped;

/// Captions of an image that stand below one another.
const LINES: usize = 5;
/// Images of a caption that stand in one row of a wide page.
const ROW: usize = 8;
/// Items of a failure.
const SHORT: usize = 4;

/// The images and captions that searches are among.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'a> {
    /// What was found.
    pub show: &'a Matches,
    /// The images.
    pub faces: &'a [Face],
    /// The captions.
    pub texts: &'a [String],
    /// Which belong together.
    pub truth: &'a Truth,
}

/// The sections of both ways, and what they are called.
pub(super) const SECTIONS: [(&str, &str); 2] = [
    ("captions", "Captions for images"),
    ("images", "Images for captions"),
];

impl Page<'_> {
    pub(super) fn matches(&self, html: &mut Html, matched: Matched, thumbs: &mut Thumbs) {
        let [(captions, for_images), (images, for_captions)] = SECTIONS;
        let show = matched.show;
        section(html, captions, for_images, |html| {
            quiet(
                html,
                "Every image searches among all captions: ✓ is right, ✗ is wrong, the number is the score. Where nothing right is among \
                 the first, the first right caption comes last, with its place.",
            );
            way(
                html,
                &show.captions,
                "images",
                "caption",
                &mut |html, search, depth| {
                    matched.sentences(html, search, depth.min(LINES), thumbs);
                },
            );
        });
        section(html, images, for_captions, |html| {
            quiet(
                html,
                "Every caption searches among all images, and is right for every image that it belongs to. Under an image stands a caption \
                 of its own.",
            );
            way(
                html,
                &show.images,
                "captions",
                "image",
                &mut |html, search, depth| {
                    matched.pictures(html, search, depth, thumbs);
                },
            );
        });
    }
}

/// Samples, and the failures of both kinds.
fn way(
    html: &mut Html,
    way: &Way,
    queries: &str,
    item: &str,
    search: &mut dyn FnMut(&mut Html, &Search, usize),
) {
    html.leaf("h3", &[], &format!("{} drawn at random", capital(queries)));
    for sample in &way.samples {
        search(html, sample, ROW);
    }
    if way.failures == 0 {
        return quiet(html, &format!("All {queries} find something right first."));
    }
    html.leaf(
        "h3",
        &[],
        &format!("Hardest failures: the first right {item} stands lowest"),
    );
    let (failures, all) = (grouped(way.failures), grouped(way.queries));
    quiet(
        html,
        &format!("{failures} of {all} {queries} find something wrong first."),
    );
    for failure in &way.lowest {
        search(html, failure, SHORT);
    }
    if !way.margins.is_empty() {
        html.leaf("h3", &[], "Hardest failures: surest of what is wrong");
        quiet(
            html,
            "The widest margin between the best wrong score and the best right one.",
        );
        for failure in &way.margins {
            search(html, failure, SHORT);
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

impl Matched<'_> {
    /// An image and the captions that it found.
    fn sentences(&self, html: &mut Html, search: &Search, depth: usize, thumbs: &mut Thumbs) {
        let shown = &search.found[..depth.min(search.found.len())];
        html.element("article", &[("class", "search")], |html| {
            html.element("div", &[("class", "query")], |html| {
                let mut card = self.card(search.row, "query");
                card.lines.push(to_find(search));
                frame::item(
                    html,
                    "div",
                    "",
                    &card,
                    Mark::Query,
                    self.picture(search.row, thumbs),
                );
            });
            html.element("ol", &[("class", "sentences")], |html| {
                for found in shown {
                    self.sentence(html, found, "");
                }
                if shown.iter().all(|found| !found.right) {
                    self.sentence(html, &search.first_right, "apart");
                }
            });
        });
        html.newline();
    }

    fn sentence(&self, html: &mut Html, found: &Found, more: &str) {
        let (sign, class) = match found.right {
            true => ("✓", "right"),
            false => ("✗", "wrong"),
        };
        let class = format!("{class} {more}");
        html.element("li", &[("class", class.trim_end())], |html| {
            html.leaf("b", &[], &format!("{} {sign}", grouped(found.place)));
            html.leaf("span", &[], &format!("{:.3}", found.score));
            html.leaf("bdi", &[], &shorten(&self.texts[found.row], 300));
        });
    }

    /// A caption and the images that it found.
    fn pictures(&self, html: &mut Html, search: &Search, depth: usize, thumbs: &mut Thumbs) {
        let shown = &search.found[..depth.min(search.found.len())];
        // The first right image has a place in the row, wherever it stands.
        let shown = match shown.iter().any(|found| found.right) {
            true => shown,
            false => &shown[..shown.len().min(ROW - 1)],
        };
        html.element("article", &[("class", "search stack")], |html| {
            html.element("p", &[("class", "asked")], |html| {
                html.leaf("bdi", &[], &shorten(&self.texts[search.row], 300));
                html.leaf("span", &[("class", "quiet")], &to_find(search));
            });
            html.element("ol", &[("class", "found")], |html| {
                for found in shown {
                    self.image(html, found, "", thumbs);
                }
                if shown.iter().all(|found| !found.right) {
                    self.image(html, &search.first_right, "apart", thumbs);
                }
            });
        });
        html.newline();
    }

    fn image(&self, html: &mut Html, found: &Found, more: &str, thumbs: &mut Thumbs) {
        let mark = Mark::Judged {
            place: found.place,
            score: found.score,
            right: found.right,
        };
        let what = if found.right { "right" } else { "wrong" };
        let card = self.card(found.row, &format!("place {}, {what}", found.place));
        frame::item(html, "li", more, &card, mark, self.picture(found.row, thumbs));
    }

    /// What is known of an image: a caption of its own, its id.
    fn card(&self, image: usize, role: &str) -> Card {
        let face = &self.faces[image];
        let caption = self.truth.captions_of(image).first();
        let caption = caption.map_or("no caption", |&caption| self.texts[caption as usize].as_str());
        let mut lines = face.lines.clone();
        // Without a picture the id stands in its place.
        if face.picture.is_some() {
            lines.push(face.id.clone());
        }
        Card {
            title: caption.into(),
            lines,
            name: format!("image {image}, id {}: {caption}", face.id),
            alt: format!("{role}: {caption}"),
        }
    }

    fn picture(&self, image: usize, thumbs: &mut Thumbs) -> Result<Thumb, String> {
        let face = &self.faces[image];
        match &face.picture {
            Some(picture) => thumbs.picture(picture, face.bbox),
            None => Err(format!("image {}", shorten(&face.id, 40))),
        }
    }
}

fn to_find(search: &Search) -> String {
    format!(
        "{} to find among {}",
        grouped(search.relevant),
        grouped(search.gallery)
    )
}
