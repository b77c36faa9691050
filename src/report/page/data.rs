//! What the data holds, in counts.

use super::Page;
use crate::data::Summary;
use crate::data::table::SplitSummary;
use crate::report::frame::facts;
use crate::report::html::Html;
use crate::search::rank::grouped;

impl Page<'_> {
    pub(super) fn data(&self, html: &mut Html) {
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
            text.push_str(&self.searched(split));
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

impl Page<'_> {
    /// A split's part in searches. That of the evaluation is what was searched, whatever the table marks.
    fn searched(&self, split: &SplitSummary) -> String {
        let (queries, gallery) = (grouped(split.queries), grouped(split.gallery));
        let measured = split.split.name() == self.report.split;
        match self.showcase.map(|show| show.gallery) {
            Some((searched, of)) if of != split.split && measured => {
                format!(
                    ", {queries} queries, searched among {} of the {of} split",
                    counted_grouped(searched, "picture", "pictures")
                )
            }
            Some((searched, of)) if of == split.split && !measured => match searched == split.items {
                true => ", all of them the gallery".into(),
                false => format!(", {} of them the gallery", grouped(searched)),
            },
            _ if split.queries + split.gallery > 0 => format!(", {queries} queries, gallery of {gallery}"),
            _ => String::new(),
        }
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
