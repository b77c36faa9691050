//! Lays the JSON Schema of a section on the tree and collects everything that does not fit.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::fault::Fault;
use super::tree::{self, Node, Place, Table, Value};
use schema::{constants, list, matches, patterned, properties, types_of};
use words::{fits, quoted, word};

mod choice;
mod schema;
mod value;
mod words;

pub(crate) use words::alias;
pub(super) use words::nearest;

/// The most faults that one section collects.
const LIMIT: usize = 200;
/// The most references that lead from one schema to the next; schemas are ours, so this only stops a loop of them.
const HOPS: usize = 64;

/// One walk over a section.
pub(super) struct Check<'s> {
    root: &'s Json,
    pub faults: Vec<Fault>,
    /// Unknown keys: their fault's index, and the key.
    pub strays: Vec<(usize, String)>,
    /// Unknown keys that something better has been said about.
    excused: HashSet<String>,
}

type Object = Map<String, Json>;

impl<'s> Check<'s> {
    /// `root` holds the `$defs` that references name.
    pub fn new(root: &'s Json) -> Self {
        Self {
            root,
            faults: Vec::new(),
            strays: Vec::new(),
            excused: HashSet::new(),
        }
    }

    fn say(&mut self, message: impl Into<String>, at: &Place, label: &str, help: impl Into<String>) {
        if self.faults.len() < LIMIT {
            self.faults.push(Fault::new(message).at(at, label).help(help));
        }
    }

    /// The objects that a schema consists of: itself, what it refers to, and what it must also be.
    fn parts(&self, schema: &'s Json, parts: &mut Vec<&'s Object>) {
        let Some(object) = schema.as_object() else { return };
        if parts.len() >= HOPS {
            return;
        }
        parts.push(object);
        if let Some(name) = object.get("$ref").and_then(Json::as_str) {
            let target = match name.strip_prefix('#') {
                Some("") => Some(self.root),
                Some(pointer) => self.root.pointer(pointer),
                None => None,
            };
            if let Some(target) = target {
                self.parts(target, parts);
            }
        }
        for also in list(object, "allOf") {
            self.parts(also, parts);
        }
    }

    /// Lays `schema` on `node`, which errors call `path`.
    pub fn node(&mut self, schema: &'s Json, node: &Node, path: &str) {
        let mut parts = Vec::new();
        self.parts(schema, &mut parts);
        // Choosing an alternative may bring further parts, which may bring further alternatives.
        let mut i = 0;
        while i < parts.len() {
            for word in ["oneOf", "anyOf"] {
                let alternatives = list(parts[i], word);
                if alternatives.is_empty() {
                    continue;
                }
                match self.choose(alternatives, node, path) {
                    Some(chosen) => self.parts(chosen, &mut parts),
                    None => return,
                }
            }
            i += 1;
        }
        self.plain(&parts, node, path);
    }
    /// Lays the parts of a schema on a node, their alternatives aside.
    fn plain(&mut self, parts: &[&'s Object], node: &Node, path: &str) {
        let names = constants(parts);
        if !names.is_empty() {
            return self.name(&names, node, path);
        }
        for part in parts {
            let types = types_of(part);
            if !types.is_empty() && !types.iter().any(|name| fits(name, &node.value)) {
                return self.wrong_type(&types, node, path);
            }
        }
        match &node.value {
            Value::Integer(number) => self.number(parts, *number as f64, Some(*number), node, path),
            Value::Float(number) => self.number(parts, *number, None, node, path),
            Value::String(text) => {
                let wrong = parts
                    .iter()
                    .filter_map(|part| part.get("pattern")?.as_str())
                    .find(|p| !matches(p, text));
                if let Some(pattern) = wrong {
                    let help = format!("it must match the regular expression {pattern}");
                    return self.say(
                        format!("`{path}` cannot be {text:?}"),
                        &node.at,
                        "not of that form",
                        help,
                    );
                }
                let help = |count: &str| match count {
                    "at least 1" => "write something between the quotes".to_owned(),
                    _ => format!("write {count} characters"),
                };
                self.length(
                    parts,
                    ["minLength", "maxLength"],
                    text.chars().count(),
                    "characters",
                    node,
                    path,
                    help,
                );
            }
            Value::Array(items) => self.array(parts, items, node, path),
            Value::Table(table) => self.table(parts, table, node, path),
            Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }

    fn array(&mut self, parts: &[&'s Object], items: &[Node], node: &Node, path: &str) {
        let help = |count: &str| {
            let values = if count == "1" || count.ends_with(" 1") {
                "value"
            } else {
                "values"
            };
            format!("write {count} {values} in the brackets")
        };
        self.length(
            parts,
            ["minItems", "maxItems"],
            items.len(),
            "values",
            node,
            path,
            help,
        );
        let first: &[Json] = parts
            .iter()
            .map(|part| list(part, "prefixItems"))
            .find(|l| !l.is_empty())
            .unwrap_or(&[]);
        let rest = parts.iter().find_map(|part| part.get("items"));
        for (i, item) in items.iter().enumerate() {
            if self.faults.len() >= LIMIT {
                return;
            }
            if let Some(schema) = first.get(i).or(rest) {
                self.node(schema, item, &format!("{path}[{i}]"));
            }
        }
    }

    fn table(&mut self, parts: &[&'s Object], table: &Table, node: &Node, path: &str) {
        let others = parts
            .iter()
            .find_map(|part| part.get("additionalProperties").filter(|rest| **rest != false));
        for entry in &table.entries {
            if self.faults.len() >= LIMIT {
                return;
            }
            let below = tree::join(path, &entry.key);
            let schema = parts
                .iter()
                .find_map(|part| part.get("properties")?.get(&entry.key));
            match schema.or_else(|| patterned(parts, &entry.key)).or(others) {
                Some(schema) => self.node(schema, &entry.node, &below),
                // A schema of no type is anything at all; a table's is closed unless it says otherwise.
                None if parts
                    .iter()
                    .all(|part| types_of(part).is_empty() && !part.contains_key("properties")) => {}
                None if self.excused.contains(&below) => {}
                None => {
                    let known: Vec<&str> = properties(parts).collect();
                    let help = match nearest(&entry.key, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => {
                            self.strays.push((self.faults.len(), entry.key.clone()));
                            match properties(parts)
                                .map(|key| format!("`{key}`"))
                                .collect::<Vec<_>>()
                            {
                                all if all.is_empty() => "no keys belong here".to_owned(),
                                all => format!("the keys here are {}", all.join(", ")),
                            }
                        }
                    };
                    self.say(format!("unknown key `{below}`"), &entry.at, "unknown", help);
                }
            }
        }
        for part in parts {
            for key in list(part, "required").iter().filter_map(Json::as_str) {
                if table.get(key).is_none() {
                    let schema = parts.iter().find_map(|part| part.get("properties")?.get(key));
                    let help = match schema.map(|schema| self.describe(schema)) {
                        Some(what) if !what.is_empty() => format!("write {key} = …, {what}"),
                        _ => format!("write {key} = …"),
                    };
                    let message = format!("`{}` is missing", tree::join(path, key));
                    self.say(message, &node.at, &format!("no `{key}` in here"), help);
                }
            }
        }
    }

    /// `a number (the distance that …)`, for what is missing.
    fn describe(&self, schema: &'s Json) -> String {
        let mut parts = Vec::new();
        self.parts(schema, &mut parts);
        let names = constants(&parts);
        let mut what = match names.is_empty() {
            true => parts
                .iter()
                .flat_map(|part| types_of(part))
                .map(word)
                .next()
                .unwrap_or_default()
                .to_owned(),
            false => format!("one of {}", quoted(&names)),
        };
        if let Some(text) = parts.iter().find_map(|part| part.get("description")?.as_str()) {
            let text = text.lines().next().unwrap_or_default().trim_end_matches('.');
            what = if what.is_empty() {
                format!("({text})")
            } else {
                format!("{what} ({text})")
            };
        }
        what
    }
}

/// The keys that a section's schema has at its top, in any of its variants.
pub(super) fn keys(root: &Json) -> Vec<String> {
    let check = Check::new(root);
    let mut parts = Vec::new();
    check.parts(root, &mut parts);
    let mut i = 0;
    while i < parts.len() {
        for word in ["oneOf", "anyOf"] {
            for alternative in list(parts[i], word) {
                check.parts(alternative, &mut parts);
            }
        }
        i += 1;
    }
    properties(&parts).map(str::to_owned).collect()
}
