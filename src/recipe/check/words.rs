//! The words of errors: kinds of values, lists of names, the name that was meant.

use crate::recipe::tree::Value;

/// What other tools call a key, and what it is called here.
const ALIASES: [(&str, &str); 14] = [
    ("learning_rate", "lr"),
    ("base_lr", "lr"),
    ("wd", "weight_decay"),
    ("l2", "weight_decay"),
    ("batch_size", "batch"),
    ("bs", "batch"),
    ("num_epochs", "epochs"),
    ("max_epochs", "epochs"),
    ("n_epochs", "epochs"),
    ("warmup", "warmup_epochs"),
    ("grad_clip", "clip_norm"),
    ("clip_grad_norm", "clip_norm"),
    ("max_grad_norm", "clip_norm"),
    ("random_seed", "seed"),
];

/// The name here of a key that goes by another elsewhere.
pub(crate) fn alias(key: &str) -> Option<&'static str> {
    let known = ALIASES.iter().find(|(other, _)| *other == key);
    known.map(|(_, here)| *here)
}

/// The nearest of `known`, where one is near enough to have been meant.
pub(in crate::recipe) fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let key = plain(key);
    if key.chars().count() > 64 {
        return None;
    }
    if let Some(here) = alias(&key).and_then(|here| known.iter().find(|known| **known == here)) {
        return Some(here);
    }
    known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(&key, &plain(other)), *other))
        .filter(|(distance, other)| *distance <= other.chars().count().max(key.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

pub(super) fn fits(name: &str, value: &Value) -> bool {
    match name {
        "string" => matches!(value, Value::String(_)),
        "integer" => matches!(value, Value::Integer(_)),
        "number" => matches!(value, Value::Integer(_) | Value::Float(_)),
        "boolean" => matches!(value, Value::Boolean(_)),
        "array" => matches!(value, Value::Array(_)),
        "object" => matches!(value, Value::Table(_)),
        _ => false,
    }
}

pub(super) fn word(name: &str) -> &'static str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "a table",
        _ => "nothing",
    }
}

/// `"a", "b" or "c"`
pub(super) fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
