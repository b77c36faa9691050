//! Which of several alternatives a value means to be: names, tagged tables, `{ name = content }`, or just any.

use std::sync::Arc;

use serde_json::Value as Json;

use super::schema::{constants, only_key, schema_of, tag, types, types_of};
use super::words::{fits, nearest, quoted};
use super::{Check, Object};
use crate::recipe::tree::{self, Node, Table, Value};

impl<'s> Check<'s> {
    /// The alternative that `node` means to be; says what is wrong where it means none.
    pub(super) fn choose(&mut self, alternatives: &'s [Json], node: &Node, path: &str) -> Option<&'s Json> {
        // TOML has no null: a value that may be absent is optional, not null.
        let alternatives: Vec<&Json> = alternatives
            .iter()
            .filter(|schema| types(schema) != ["null"])
            .collect();
        if let [only] = alternatives[..] {
            return Some(only);
        }
        let mut names: Vec<&str> = Vec::new();
        let mut tables: Vec<(&Json, Vec<&Object>)> = Vec::new();
        for &schema in &alternatives {
            let mut parts = Vec::new();
            self.parts(schema, &mut parts);
            let mut constants = constants(&parts);
            if !constants.is_empty() {
                names.append(&mut constants);
            } else if parts.iter().any(|part| part.contains_key("properties")) {
                tables.push((schema, parts));
            }
        }
        if names.len() >= alternatives.len() && tables.is_empty() {
            self.name(&names, node, path);
            return None;
        }
        if names.is_empty()
            && tables.len() == alternatives.len()
            && let Some(tag) = tag(&tables)
        {
            return self.tagged(tag, &tables, node, path);
        }
        let variants: Vec<(&str, &Json)> = tables
            .iter()
            .filter_map(|(schema, parts)| Some((only_key(parts)?, *schema)))
            .collect();
        if variants.len() == tables.len() && names.len() + variants.len() >= alternatives.len() {
            return self.variant(&names, &variants, node, path);
        }
        self.any(&alternatives, node, path)
    }

    /// One of a list of names.
    pub(super) fn name(&mut self, names: &[&str], node: &Node, path: &str) {
        let Value::String(text) = &node.value else {
            let help = format!("write one of {}", quoted(names));
            return self.say(
                format!("`{path}` should be a name, and is {}", node.value.kind()),
                &node.at,
                "expected a string",
                help,
            );
        };
        if !names.contains(&text.as_str()) {
            let all = format!("it can be {}", quoted(names));
            let help = match nearest(text, names) {
                Some(near) => format!("did you mean {near:?}? {all}"),
                None => all,
            };
            self.say(
                format!("`{path}` cannot be {text:?}"),
                &node.at,
                "unknown name",
                help,
            );
        }
    }

    /// A table whose key `tag` says which it is.
    fn tagged(
        &mut self,
        tag: &str,
        tables: &[(&'s Json, Vec<&'s Object>)],
        node: &Node,
        path: &str,
    ) -> Option<&'s Json> {
        let names: Vec<&str> = tables
            .iter()
            .flat_map(|(_, parts)| constants(&schema_of(parts, tag).unwrap_or_default()))
            .collect();
        let Value::Table(table) = &node.value else {
            let message = format!("`{path}` should be a table, and is {}", node.value.kind());
            let example = names.first().copied().unwrap_or_default();
            let help = format!(
                "write {{ {tag} = {example:?}, … }}; `{tag}` can be {}",
                quoted(&names)
            );
            self.say(message, &node.at, "expected a table", help);
            return None;
        };
        let Some(entry) = table.entry(tag) else {
            let help = format!("write {tag} = one of {}", quoted(&names));
            self.say(
                format!("`{path}` lacks the key `{tag}`"),
                &node.at,
                &format!("no `{tag}` in here"),
                help,
            );
            return None;
        };
        let before = self.faults.len();
        self.name(&names, &entry.node, &tree::join(path, tag));
        if self.faults.len() > before {
            return None;
        }
        let Value::String(name) = &entry.node.value else {
            return None;
        };
        let chosen = tables.iter().find(|(_, parts)| {
            schema_of(parts, tag).is_some_and(|parts| constants(&parts).contains(&name.as_str()))
        });
        let (schema, parts) = chosen?;
        // A key of another variant deserves its own words, above all where it is left over from the base.
        for stray in table
            .entries
            .iter()
            .filter(|entry| schema_of(parts, &entry.key).is_none())
        {
            let owners: Vec<&str> = tables
                .iter()
                .filter(|(_, parts)| schema_of(parts, &stray.key).is_some())
                .filter_map(|(_, parts)| schema_of(parts, tag))
                .flat_map(|parts| constants(&parts))
                .collect();
            if owners.is_empty() {
                continue;
            }
            let below = tree::join(path, &stray.key);
            let owners = quoted(&owners);
            let help = if Arc::ptr_eq(&stray.at.source, &entry.at.source) {
                format!("it belongs to {tag} = {owners}")
            } else {
                format!(
                    "it belongs to {tag} = {owners} and comes from {}; write replaces = [{path:?}] beside `extends`, or \
                     set the table whole: --set '{path}={{{tag}={name:?}, …}}'",
                    stray.at,
                )
            };
            self.say(
                format!("`{below}` is no key of {tag} = {name:?}"),
                &stray.at,
                "not here",
                help,
            );
            self.excused.insert(below);
        }
        Some(schema)
    }

    /// A name, or a table of one key which is a name.
    fn variant(
        &mut self,
        names: &[&str],
        variants: &[(&'s str, &'s Json)],
        node: &Node,
        path: &str,
    ) -> Option<&'s Json> {
        let mut all = names.to_vec();
        all.extend(variants.iter().map(|(name, _)| *name));
        match &node.value {
            Value::String(text) if variants.iter().any(|(name, _)| name == text) => {
                let help = format!("write {{ {text} = … }}");
                self.say(
                    format!("`{path}` = {text:?} needs a value of its own"),
                    &node.at,
                    "a bare name",
                    help,
                );
                None
            }
            Value::String(_) => {
                self.name(&all, node, path);
                None
            }
            Value::Table(Table { entries }) if entries.len() == 1 => {
                let entry = &entries[0];
                if let Some((_, schema)) = variants.iter().find(|(name, _)| *name == entry.key) {
                    return Some(schema);
                }
                let near = nearest(&entry.key, &all).map(|near| format!("did you mean `{near}`? "));
                let help = format!("{}it can be {}", near.unwrap_or_default(), quoted(&all));
                self.say(
                    format!("`{path}` cannot be `{}`", entry.key),
                    &entry.at,
                    "unknown name",
                    help,
                );
                None
            }
            other => {
                let message = format!(
                    "`{path}` should be a name or a table with one key, and is {}",
                    other.kind()
                );
                self.say(
                    message,
                    &node.at,
                    "neither",
                    format!("it can be {}", quoted(&all)),
                );
                None
            }
        }
    }

    /// Alternatives that nothing marks: the first that fits, else the one that was probably meant.
    fn any(&mut self, alternatives: &[&'s Json], node: &Node, path: &str) -> Option<&'s Json> {
        let mut expected: Vec<&str> = Vec::new();
        let mut meant = Vec::new();
        for &schema in alternatives {
            let mut attempt = Check::new(self.root);
            attempt.node(schema, node, path);
            if attempt.faults.is_empty() {
                return Some(schema);
            }
            let mut parts = Vec::new();
            self.parts(schema, &mut parts);
            let types: Vec<&str> = parts.iter().flat_map(|part| types_of(part)).collect();
            if types.iter().any(|name| fits(name, &node.value)) {
                meant.push(attempt);
            }
            expected.extend(types);
        }
        if let Some(best) = meant.into_iter().min_by_key(|attempt| attempt.faults.len()) {
            for (i, key) in best.strays {
                self.strays.push((self.faults.len() + i, key));
            }
            self.faults.extend(best.faults);
            return None;
        }
        self.wrong_type(&expected, node, path);
        None
    }
}
