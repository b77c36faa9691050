//! Types, bounds and lengths of single values.

use serde_json::Value as Json;

use super::words::word;
use super::{Check, Object};
use crate::recipe::tree::{Node, Value};

impl Check<'_> {
    /// Says that a value is of none of the expected types, and how it may have been meant.
    pub(super) fn wrong_type(&mut self, expected: &[&str], node: &Node, path: &str) {
        let mut words: Vec<&str> = Vec::new();
        for name in expected
            .iter()
            .filter(|name| **name != "null")
            .map(|name| word(name))
        {
            if !words.contains(&name) {
                words.push(name);
            }
        }
        let words = words.join(" or ");
        let message = format!("`{path}` should be {words}, and is {}", node.value.kind());
        let text = node.at.source.text.get(node.at.span.clone()).unwrap_or("…");
        let help = match &node.value {
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_)
                if expected.contains(&"string") =>
            {
                format!(
                    "write it in quotes: {}",
                    assign(node, path, &format!("\"{text}\""))
                )
            }
            Value::Float(number) if expected.contains(&"integer") && number.fract() == 0.0 => {
                format!(
                    "write it without a fraction: {}",
                    assign(node, path, &number.to_string())
                )
            }
            Value::Float(_) if expected.contains(&"integer") => "write a whole number".to_owned(),
            Value::String(text) if expected.contains(&"boolean") => {
                match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" => format!("write {}", assign(node, path, "true")),
                    "false" | "no" | "off" => format!("write {}", assign(node, path, "false")),
                    _ => "write true or false".to_owned(),
                }
            }
            Value::String(text) if text.trim().parse::<f64>().is_ok() && !expected.contains(&"array") => {
                format!("write it without quotes: {}", assign(node, path, text.trim()))
            }
            other if expected.contains(&"array") && !matches!(other, Value::Table(_)) => {
                format!(
                    "write it in brackets: {}",
                    assign(node, path, &format!("[{text}]"))
                )
            }
            _ => format!("write {words}"),
        };
        self.say(message, &node.at, &format!("expected {words}"), help);
    }

    /// Lays bounds and the width of the format on a number; `whole` is the same number where it was written as an
    /// integer.
    pub(super) fn number(
        &mut self,
        parts: &[&Object],
        number: f64,
        whole: Option<i64>,
        node: &Node,
        path: &str,
    ) {
        if !number.is_finite() {
            let message = format!("`{path}` is not a finite number");
            let help = "write a number; leave the key out where it is optional";
            return self.say(message, &node.at, "not finite", help);
        }
        let tightest = |closed: &str, open: &str, tighter: fn(f64, f64) -> bool| {
            let mut tightest: Option<(f64, bool)> = None;
            for (word, open) in [(closed, false), (open, true)] {
                for bound in parts.iter().filter_map(|part| part.get(word)?.as_f64()) {
                    if tightest.is_none_or(|(old, _)| tighter(bound, old) || (open && bound == old)) {
                        tightest = Some((bound, open));
                    }
                }
            }
            tightest
        };
        let low = tightest("minimum", "exclusiveMinimum", |new, old| new > old);
        let high = tightest("maximum", "exclusiveMaximum", |new, old| new < old);
        let below = low.is_some_and(|(bound, open)| number < bound || (open && number == bound));
        let above = high.is_some_and(|(bound, open)| number > bound || (open && number == bound));
        if below || above {
            let from = low.map(|(low, open)| format!("{} {low}", if open { "above" } else { "at least" }));
            let to = high.map(|(high, open)| format!("{} {high}", if open { "below" } else { "at most" }));
            let range = [from, to].into_iter().flatten().collect::<Vec<_>>().join(" and ");
            let size = if below { "too small" } else { "too large" };
            let message = format!("`{path}` is {size}: it must be {range}");
            return self.say(message, &node.at, size, "write a number within these bounds");
        }
        let format = parts
            .iter()
            .find_map(|part| part.get("format").and_then(Json::as_str));
        let holds = match (format, whole) {
            (Some("float"), _) => number.abs() <= f64::from(f32::MAX),
            (Some("uint32"), Some(whole)) => u32::try_from(whole).is_ok(),
            (Some("int32"), Some(whole)) => i32::try_from(whole).is_ok(),
            _ => true,
        };
        if !holds {
            let message = format!("`{path}` is too large: 32 bits hold no such number");
            self.say(message, &node.at, "too large", "write a smaller number");
        }
    }

    /// Lays bounds (the schema's `words`) on how many characters or values there are.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn length(
        &mut self,
        parts: &[&Object],
        words: [&str; 2],
        length: usize,
        unit: &str,
        node: &Node,
        path: &str,
        help: impl Fn(&str) -> String,
    ) {
        let bound = |word: &str| {
            parts
                .iter()
                .find_map(|part| part.get(word).and_then(Json::as_u64))
        };
        let (low, high) = (bound(words[0]), bound(words[1]));
        let (few, many) = (
            low.is_some_and(|low| (length as u64) < low),
            high.is_some_and(|high| length as u64 > high),
        );
        if !few && !many {
            return;
        }
        let range = match (low, high) {
            (Some(low), Some(high)) if low == high => format!("{low}"),
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => return,
        };
        let message = match length {
            0 => format!("`{path}` is empty"),
            1 => format!("`{path}` has 1 {}, not {range}", unit.trim_end_matches('s')),
            _ => format!("`{path}` has {length} {unit}, not {range}"),
        };
        self.say(
            message,
            &node.at,
            if few { "too few" } else { "too many" },
            help(&range),
        );
    }
}

/// What a person writes to set `path` to `text` in the place that `node` comes from.
fn assign(node: &Node, path: &str, text: &str) -> String {
    match node.at.source.is_command_line() {
        _ if path.ends_with(']') => text.to_owned(),
        true => format!("--set '{path}={text}'"),
        false => format!("{} = {text}", path.rsplit('.').next().unwrap_or(path)),
    }
}
