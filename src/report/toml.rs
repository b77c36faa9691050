//! A recipe with a little colour.

use super::html::Html;

/// Writes TOML as a listing: section heads, keys, strings and comments are told apart.
pub fn listing(html: &mut Html, text: &str) {
    html.element("pre", &[("tabindex", "0")], |html| {
        for line in text.lines() {
            self::line(html, line);
            html.text("\n");
        }
    });
    html.newline();
}

fn line(html: &mut Html, line: &str) {
    let trimmed = line.trim_start();
    if trimmed.starts_with('[') && !line.starts_with(' ') {
        return html.leaf("span", &[("class", "h")], line);
    }
    let key = trimmed
        .find('=')
        .filter(|&at| {
            let bare = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
            at > 0 && trimmed[..at].chars().all(bare)
        })
        .map_or(0, |at| line.len() - trimmed.len() + at);
    let (key, rest) = line.split_at(key);
    if !key.is_empty() {
        html.leaf("span", &[("class", "k")], key);
    }
    // Strings on one line, and the comment at its end.
    let mut rest = rest;
    while let Some(at) = rest.find(['"', '\'', '#']) {
        html.text(&rest[..at]);
        let tail = &rest[at..];
        if tail.starts_with('#') {
            return html.leaf("span", &[("class", "c")], tail);
        }
        let length = string_length(tail);
        html.leaf("span", &[("class", "s")], &tail[..length]);
        rest = &tail[length..];
    }
    html.text(rest);
}

/// Bytes of the string that the text begins with, its quotes included; the whole text where it does not end.
fn string_length(text: &str) -> usize {
    let quote = &text[..1];
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if quote == "\"" && !escaped => escaped = true,
            c if c.to_string() == quote && !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_says_what_the_recipe_says() {
        let text = "[loss]\nmargin = 0.3 # \"x\" <b>\ntitle = \"a \\\" & 'b' # no\" # yes\n  { op = 'f#', p = 1 },\nodd = \"open\n";
        let mut html = Html::new();
        listing(&mut html, text);
        let page = html.finish();
        let words = super::super::html::tests::well_formed(&page);
        let plain = words
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        assert_eq!(plain.trim_end(), text.trim_end());
        assert!(page.contains("<span class=\"h\">[loss]</span>"), "{page}");
        assert!(
            page.contains("<span class=\"c\"># &quot;x&quot; &lt;b&gt;</span>"),
            "{page}"
        );
        assert!(
            page.contains("# no&quot;</span> <span class=\"c\"># yes</span>"),
            "{page}"
        );
    }
}
