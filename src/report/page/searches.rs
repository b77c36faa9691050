//! Searches as a person sees them: a query's picture and what it found.

use super::Page;
use crate::data::Item;
use crate::data::table::counted;
use crate::report::frame::{self, Card, Mark, quiet, section};
use crate::report::html::Html;
use crate::report::showcase::{Found, Search, Showcase};
use crate::report::thumbs::Thumbs;
use crate::search::rank::grouped;

/// As many pictures as stand in one row of a wide page.
const ROW: usize = 8;

impl Page<'_> {
    pub(super) fn searches(&self, html: &mut Html, show: &Showcase, thumbs: &mut Thumbs) {
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

    pub(super) fn failures(&self, html: &mut Html, show: &Showcase, thumbs: &mut Thumbs) {
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
}

/// What is known of an item, in a few lines.
fn card(item: &Item, role: &str) -> Card {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::data::table::tests::item;

    #[test]
    fn a_card_says_what_is_known() {
        let item = Item {
            category: Some("Lights".into()),
            domain: Some("studio".into()),
            camera: Some(4),
            text: Some("A lamp".into()),
            ..item("4.jpg", "p4", Split::Test)
        };
        let card = card(&item, "query");
        assert_eq!((card.title.as_str(), card.name.as_str()), ("p4", "4.jpg"));
        assert_eq!(card.lines, ["Lights · studio · camera 4", "A lamp"]);
        assert_eq!(card.alt, "query: p4, A lamp");
    }
}
