//! English words as NLTK's `word_tokenize` splits them: sentences first, then the Penn Treebank's rules.
//!
//! The published vocabularies of cross-modal matching were made with it, so that "don't" is `do` `n't` and a quotation begins with
//! `` `` ``. Sentences end at `.`, `?` or `!` before white space, unless the word is an abbreviation; NLTK learns its abbreviations
//! from a corpus, of which the common ones are listed here.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Words whose full stop ends no sentence, lower-cased, without it.
const ABBREVIATIONS: &[&str] = &[
    "a", "b", "c", "co", "corp", "d", "dr", "e", "e.g", "etc", "f", "ft", "g", "gen", "h", "i", "i.e", "inc",
    "j", "jr", "k", "l", "lt", "ltd", "m", "maj", "messrs", "mr", "mrs", "ms", "mt", "n", "o", "p", "p.m",
    "a.m", "ph.d", "prof", "q", "r", "rep", "rev", "s", "sen", "sgt", "sr", "st", "t", "u", "u.k", "u.s",
    "v", "vs", "w", "x", "y", "z",
];

/// The words of a text, punctuation included, in order. Nothing is lower-cased.
pub fn words(text: &str) -> Vec<String> {
    sentences(text).iter().flat_map(|s| sentence(s)).collect()
}

/// Splits behind `.`, `?`, `!` (and closing marks) that white space follows.
fn sentences(text: &str) -> Vec<&str> {
    static END: LazyLock<Regex> = LazyLock::new(|| pattern(r#"[.?!]+["')\]}]*\s+"#));
    let mut found = Vec::new();
    let mut start = 0;
    for end in END.find_iter(text) {
        let word = text[start..end.start()]
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let stop = end.as_str().trim_end();
        if stop == "." && ABBREVIATIONS.contains(&word.as_str()) {
            continue;
        }
        // An ellipsis goes on within the sentence.
        if stop.starts_with("..") && !stop.contains(['?', '!']) {
            continue;
        }
        found.push(text[start..end.end()].trim());
        start = end.end();
    }
    found.push(text[start..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| unreachable!("a fixed pattern: {error}"))
}

/// A rule: what is found, and what takes its place.
type Rule = (Regex, &'static str);

fn rules(rules: &[(&str, &'static str)]) -> Vec<Rule> {
    rules.iter().map(|(find, put)| (pattern(find), *put)).collect()
}

static OPENING: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        ("([«“‘„]|`+)", " $1 "),
        ("^\"", "``"),
        ("(``)", " $1 "),
        (r#"([ (\[{<])("|'{2})"#, "$1 `` "),
    ])
});
static PUNCTUATION: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (r#"([^.])(\.)([\])}>"'»”’ ]*)\s*$"#, "$1 $2 $3 "),
        (r"([:,])([^\d])", " $1 $2"),
        (r"([:,])$", " $1 "),
        (r"\.{2,}", " $0 "),
        (r"[;@#$%&]", " $0 "),
        ("[\u{2012}-\u{2015}]", " $0 "),
        (r#"([^.])(\.)([\])}>"']*)\s*$"#, "$1 $2$3 "),
        (r"[?!]", " $0 "),
        (r"([^'])' ", "$1 ' "),
        (r"\*", " $0 "),
        (r"[\]\[(){}<>]", " $0 "),
        (r"--", " -- "),
    ])
});
static CLOSING: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        ("([»”’])", " $1 "),
        ("''", " '' "),
        ("\"", " '' "),
        (r"\s+", " "),
        ("([^' ])('[sS]|'[mM]|'[dD]|') ", "$1 $2 "),
        ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "),
    ])
});
static CONTRACTIONS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (r"(?i)\b(can)(not)\b", " $1 $2 "),
        (r"(?i)\b(d)('ye)\b", " $1 $2 "),
        (r"(?i)\b(gim)(me)\b", " $1 $2 "),
        (r"(?i)\b(gon)(na)\b", " $1 $2 "),
        (r"(?i)\b(got)(ta)\b", " $1 $2 "),
        (r"(?i)\b(lem)(me)\b", " $1 $2 "),
        (r"(?i)\b(more)('n)\b", " $1 $2 "),
        (r"(?i)\b(wan)(na)\s", " $1 $2  "),
        (r"(?i) ('t)(is)\b", " $1 $2 "),
        (r"(?i) ('t)(was)\b", " $1 $2 "),
    ])
});

/// The words of one sentence.
fn sentence(text: &str) -> Vec<String> {
    let mut text = text.to_string();
    let apply = |rules: &[Rule], text: &mut String| {
        for (find, put) in rules {
            // `$1` must not run on into letters that follow it; no rule has such a place.
            if let std::borrow::Cow::Owned(changed) = find.replace_all(text, *put) {
                *text = changed;
            }
        }
    };
    apply(&OPENING, &mut text);
    text = opening_apostrophes(&text);
    apply(&PUNCTUATION, &mut text);
    text = format!(" {text} ");
    apply(&CLOSING, &mut text);
    apply(&CONTRACTIONS, &mut text);
    text.split_whitespace().map(str::to_string).collect()
}

/// An apostrophe that opens a word stands alone, unless the word is an ending ("'s").
fn opening_apostrophes(text: &str) -> String {
    static OPENING: LazyLock<Regex> = LazyLock::new(|| pattern(r"\B'(\w+)"));
    OPENING
        .replace_all(text, |found: &Captures| {
            let ending =
                ["re", "ve", "ll", "m", "t", "s", "d", "n"].contains(&found[1].to_lowercase().as_str());
            match ending {
                true => found[0].to_string(),
                false => format!("' {}", &found[1]),
            }
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        words(text).join("|")
    }

    #[test]
    fn contractions_quotations_and_full_stops() {
        for (text, expected) in [
            ("two dogs don't run.", "two|dogs|do|n't|run|."),
            ("a man's hat, red", "a|man|'s|hat|,|red"),
            ("they can't , we cannot", "they|ca|n't|,|we|can|not"),
            ("a sign that says \"stop\".", "a|sign|that|says|``|stop|''|."),
            ("\"hello\" he says", "``|hello|''|he|says"),
            ("a dog. it runs! why?", "a|dog|.|it|runs|!|why|?"),
            ("mr. smith sits", "mr.|smith|sits"),
            ("3,000 people at 10:30", "3,000|people|at|10:30"),
            ("wait... what", "wait|...|what"),
            ("gonna (really) go", "gon|na|(|really|)|go"),
            ("women -- and men", "women|--|and|men"),
            ("the dogs' bowl", "the|dogs|'|bowl"),
            ("t-shirt & jeans #5 $3", "t-shirt|&|jeans|#|5|$|3"),
            ("'tis a 'fine day", "'|tis|a|'|fine|day"),
            ("a 'x' here", "a|'|x|'|here"),
            (
                "it's 5 o'clock in the u.s. today.",
                "it|'s|5|o'clock|in|the|u.s.|today|.",
            ),
            ("he said, \"i'm ok.\"", "he|said|,|``|i|'m|ok|.|''"),
            ("a dog* and [cat]", "a|dog|*|and|[|cat|]"),
            ("what?!", "what|?|!"),
            ("rock 'n' roll", "rock|'n|'|roll"),
            ("a ``quote'' b", "a|``|quote|''|b"),
            ("they'd've gone", "they'd|'ve|gone"),
            ("i wanna", "i|wan|na"),
            ("\"a\" \"b\"", "``|a|''|``|b|''"),
            ("end.'", "end|.|'"),
            ("50% off: now;then", "50|%|off|:|now|;|then"),
            ("a/b and c,d", "a/b|and|c|,|d"),
            ("d'ye know", "d|'ye|know"),
            ("''odd''", "''|odd|''"),
            ("", ""),
            ("   ", ""),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }
}
