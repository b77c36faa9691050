//! Looks things up in a JSON Schema.

use serde_json::Value as Json;

use super::Object;

pub(super) fn list<'s>(object: &'s Object, word: &str) -> &'s [Json] {
    object
        .get(word)
        .and_then(Json::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(super) fn types(schema: &Json) -> Vec<&str> {
    schema.as_object().map(types_of).unwrap_or_default()
}

pub(super) fn types_of(object: &Object) -> Vec<&str> {
    match object.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The names that a string may be, where it may be only these.
pub(super) fn constants<'s>(parts: &[&'s Object]) -> Vec<&'s str> {
    for part in parts {
        if let Some(name) = part.get("const").and_then(Json::as_str) {
            return vec![name];
        }
        let names: Vec<&str> = list(part, "enum").iter().filter_map(Json::as_str).collect();
        if !names.is_empty() {
            return names;
        }
    }
    Vec::new()
}

pub(super) fn properties<'s>(parts: &[&'s Object]) -> impl Iterator<Item = &'s str> {
    parts
        .iter()
        .filter_map(|part| part.get("properties")?.as_object())
        .flat_map(|keys| keys.keys().map(String::as_str))
}

/// The schema of `key`, where it is an object.
pub(super) fn schema_of<'s>(parts: &[&'s Object], key: &str) -> Option<Vec<&'s Object>> {
    parts
        .iter()
        .find_map(|part| part.get("properties")?.get(key))
        .map(|schema| schema.as_object().into_iter().collect())
}

/// The key that every table must have and whose constant differs from table to table.
pub(super) fn tag<'s>(tables: &[(&'s Json, Vec<&'s Object>)]) -> Option<&'s str> {
    let marks = |parts: &[&Object], key: &str| {
        let required = parts
            .iter()
            .any(|part| list(part, "required").iter().any(|name| name == key));
        required && schema_of(parts, key).is_some_and(|parts| !constants(&parts).is_empty())
    };
    let (_, first) = tables.first()?;
    properties(first).find(|key| tables.iter().all(|(_, parts)| marks(parts, key)))
}

/// The key of `{ name = content }`.
pub(super) fn only_key<'s>(parts: &[&'s Object]) -> Option<&'s str> {
    let closed = parts
        .iter()
        .any(|part| part.get("additionalProperties") == Some(&Json::Bool(false)));
    let mut keys = properties(parts);
    match (keys.next(), keys.next()) {
        (Some(key), None) if closed => Some(key),
        _ => None,
    }
}

/// The schema of the keys that look like `key`.
pub(super) fn patterned<'s>(parts: &[&'s Object], key: &str) -> Option<&'s Json> {
    let patterns = parts
        .iter()
        .filter_map(|part| part.get("patternProperties")?.as_object())
        .flatten();
    patterns
        .filter(|(pattern, _)| matches(pattern, key))
        .map(|(_, schema)| schema)
        .next()
}

/// Patterns are ours, from the schema of a section.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}
