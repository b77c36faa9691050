//! The JSON Schema of a recipe file, for editors and for `tailor recipes schema`.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value as Json, json};

use super::SECTIONS;
use super::paper::PaperSection;

/// Sections with the schemas of their types. A section that differs from paper to paper occurs once for each type.
pub type Sections = [(&'static str, Schema)];

/// The section that every recipe has whatever it trains.
pub fn paper() -> (&'static str, Schema) {
    (
        "paper",
        SchemaGenerator::default().into_root_schema_for::<PaperSection>(),
    )
}

/// The schema of one section, or `None` where there is no such section.
pub fn section(sections: &Sections, name: &str) -> Option<Json> {
    let mut schemas: Vec<Json> = sections
        .iter()
        .filter(|(section, _)| *section == name)
        .map(|(_, schema)| schema.as_value().clone())
        .collect();
    match schemas.len() {
        0 => None,
        1 => schemas.pop(),
        _ => {
            let mut whole = json!({ "$schema": DRAFT, "title": name, "anyOf": [], "$defs": {} });
            for (i, schema) in schemas.into_iter().enumerate() {
                place(&mut whole, "/anyOf", format!("{name}-{i}"), schema);
            }
            Some(whole)
        }
    }
}

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a whole recipe file.
pub fn whole(sections: &Sections) -> Json {
    let mut whole = json!({
        "$schema": DRAFT,
        "title": "recipe",
        "type": "object",
        "properties": {
            "extends": {
                "description": "The recipe that this one is laid on: a built-in recipe's name, or a file's path.",
                "type": "string",
            },
            "replaces": {
                "description": "Tables of the base that this file replaces whole instead of merging with them.",
                "type": "array",
                "items": { "type": "string" },
            },
        },
        "additionalProperties": false,
        "$defs": {},
    });
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in sections {
        if !names.contains(name) {
            names.push(*name);
        }
    }
    names.sort_by_key(|name| {
        SECTIONS
            .iter()
            .position(|section| section == name)
            .unwrap_or(SECTIONS.len())
    });
    for name in names {
        if let Some(schema) = section(sections, name) {
            place(&mut whole, "/properties", name.to_owned(), schema);
        }
    }
    whole
}

/// Moves `schema` to `$defs` under `name`, its references with it, and refers to it from the list or table at `from`.
fn place(whole: &mut Json, from: &str, name: String, mut schema: Json) {
    let prefix = format!("#/$defs/{name}");
    redirect(&mut schema, &prefix);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
    }
    let reference = json!({ "$ref": prefix });
    match whole.pointer_mut(from) {
        Some(Json::Array(list)) => list.push(reference),
        Some(Json::Object(table)) => {
            table.insert(name.clone(), reference);
        }
        _ => {}
    }
    if let Some(Json::Object(definitions)) = whole.get_mut("$defs") {
        definitions.insert(name, schema);
    }
}

fn redirect(schema: &mut Json, prefix: &str) {
    match schema {
        Json::Object(object) => {
            for (key, value) in object {
                match value {
                    Json::String(target) if key == "$ref" && target.starts_with('#') => {
                        *target = format!("{prefix}{}", &target[1..]);
                    }
                    value => redirect(value, prefix),
                }
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|value| redirect(value, prefix)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(schema: &Json, found: &mut Vec<String>) {
        match schema {
            Json::Object(object) => {
                found.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Json::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let sections = [paper()];
        let whole = whole(&sections);
        let mut found = Vec::new();
        references(&whole, &mut found);
        assert!(
            found.contains(&"#/$defs/paper".to_owned()) && found.len() > 1,
            "{found:?}"
        );
        for target in found {
            assert!(whole.pointer(&target[1..]).is_some(), "{target} leads nowhere");
        }
        assert_eq!(
            whole.pointer("/$defs/paper/properties/year/maximum"),
            Some(&json!(2200))
        );
        assert!(section(&sections, "paper").is_some() && section(&sections, "nothing").is_none());
    }
}
