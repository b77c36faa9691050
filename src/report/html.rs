//! HTML that is well formed by construction: elements close themselves, and every text is escaped.

use std::borrow::Cow;

/// A page in the making.
#[derive(Debug, Default)]
pub struct Html {
    text: String,
}

impl Html {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// An element with what `inside` writes in it.
    pub fn element(&mut self, tag: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) {
        self.open(tag, attributes, ">");
        inside(self);
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
    }

    /// An element with a text in it.
    pub fn leaf(&mut self, tag: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(tag, attributes, |html| html.text(text));
    }

    /// An element that has no inside: `img`, `meta`, and the shapes of a drawing.
    pub fn void(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.open(tag, attributes, "/>");
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.text.push_str(&escape(text));
    }

    /// A text of ours that is markup already: a style sheet.
    pub fn trusted(&mut self, markup: &'static str) {
        self.text.push_str(markup);
    }

    /// A line break in the source, which keeps the file's lines short.
    pub fn newline(&mut self) {
        self.text.push('\n');
    }

    /// How long the page is so far, in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }

    fn open(&mut self, tag: &str, attributes: &[(&str, &str)], end: &str) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.text.push_str(&escape(value));
            self.text.push('"');
        }
        self.text.push_str(end);
    }
}

/// Text for an element or for an attribute in double quotes. Characters that steer (controls, and those that turn the
/// direction of what follows) become `�`: titles come from data.
pub fn escape(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(|c| matches!(c, '&' | '<' | '>' | '"' | '\'') || steers(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if steers(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// A text of at most so many characters, with an ellipsis where it was cut.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(1)).collect();
            Cow::Owned(format!("{}…", kept.trim_end()))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Checks that every element is closed, in order, that no attribute is open-ended, and that nothing is fetched from
    /// elsewhere. Gives the text of the page without its markup.
    #[track_caller]
    pub fn well_formed(page: &str) -> String {
        let mut open: Vec<&str> = Vec::new();
        let mut words = String::new();
        let mut rest = page;
        while let Some(start) = rest.find('<') {
            words.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            let end = rest.find('>').expect("a tag ends");
            let (tag, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            assert!(
                tag.matches('"').count() % 2 == 0,
                "an attribute of <{tag}> does not end"
            );
            assert!(!tag.contains('<'), "<{tag}> begins in another tag");
            for name in ["src", "href", "xlink:href", "srcset", "data", "action"] {
                if let Some(at) = tag.find(&format!(" {name}=\"")) {
                    let value = &tag[at + name.len() + 3..];
                    let own = value.starts_with("data:image/jpeg;base64,") || value.starts_with('#');
                    assert!(own, "<{}> points outside", &tag[..tag.len().min(200)]);
                }
            }
            let handler = tag
                .split('"')
                .step_by(2)
                .any(|part| part.trim_start().starts_with("on"));
            assert!(!handler, "a handler in <{tag}>");
            if tag.starts_with('!') || tag.ends_with('/') {
                continue;
            }
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "</{name}> closes another element"),
                None => open.push(tag.split_whitespace().next().unwrap()),
            }
            if open.last() == Some(&"style") {
                let end = rest.find("</style>").expect("the style sheet ends");
                for word in ["url(", "@import", "http"] {
                    assert!(!rest[..end].contains(word), "the style sheet holds {word}");
                }
                rest = &rest[end..];
            }
        }
        assert!(open.is_empty(), "never closed: {open:?}");
        assert!(!page.contains("<script"), "a page needs no script");
        words + rest
    }

    #[test]
    fn elements_close_and_texts_are_escaped() {
        let mut html = Html::new();
        html.element("p", &[("title", "a\"b<c>")], |html| {
            html.text("1 < 2 & '3'\u{1b}[31m\u{202e}");
            html.void("img", &[("alt", "")]);
        });
        html.leaf("b", &[], "x");
        let page = html.finish();
        assert_eq!(
            page,
            "<p title=\"a&quot;b&lt;c&gt;\">1 &lt; 2 &amp; &#39;3&#39;\u{fffd}[31m\u{fffd}<img alt=\"\"/></p><b>x</b>"
        );
        well_formed(&page);
        assert!(matches!(escape("plain – ünï"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten("naïve words", 6), "naïve…");
        assert_eq!(shorten("", 0), "");
    }
}
