//! Lays the JSON Schema of a section on the tree and collects everything that does not fit.

use serde_json::{Map, Value as Json};

use super::fault::Fault;
use super::tree::{self, Node, Place, Table, Value};

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
}

type Object = Map<String, Json>;

impl<'s> Check<'s> {
    /// `root` holds the `$defs` that references name.
    pub fn new(root: &'s Json) -> Self {
        Self {
            root,
            faults: Vec::new(),
            strays: Vec::new(),
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

    /// The alternative that `node` means to be; says what is wrong where it means none.
    fn choose(&mut self, alternatives: &'s [Json], node: &Node, path: &str) -> Option<&'s Json> {
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
    fn name(&mut self, names: &[&str], node: &Node, path: &str) {
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
        // A key of another variant, left over from the base, deserves its own words.
        for stray in table
            .entries
            .iter()
            .filter(|entry| schema_of(parts, &entry.key).is_none())
        {
            let other = tables
                .iter()
                .find(|(_, parts)| schema_of(parts, &stray.key).is_some());
            let Some((_, other)) = other else { continue };
            if std::sync::Arc::ptr_eq(&stray.at.source, &entry.at.source) {
                continue;
            }
            let other = schema_of(other, tag)
                .map(|parts| constants(&parts))
                .unwrap_or_default();
            let help = format!(
                "it belongs to {tag} = {} and comes from {}; to start from nothing write replaces = [{path:?}] beside \
                 `extends`, or --set '{path}={{{tag}={name:?}, …}}'",
                quoted(&other),
                stray.at,
            );
            let message = format!("`{}` is no key of {tag} = {name:?}", tree::join(path, &stray.key));
            self.say(message, &stray.at, "left over", help);
            return None;
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

    fn wrong_type(&mut self, expected: &[&str], node: &Node, path: &str) {
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
                format!("write it in quotes: {path} = \"{text}\"")
            }
            Value::Float(number) if expected.contains(&"integer") && number.fract() == 0.0 => {
                format!("write it without a fraction: {path} = {number}")
            }
            Value::Float(_) if expected.contains(&"integer") => "write a whole number".to_owned(),
            Value::String(text) if expected.contains(&"boolean") => {
                match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" => format!("write {path} = true"),
                    "false" | "no" | "off" => format!("write {path} = false"),
                    _ => "write true or false".to_owned(),
                }
            }
            Value::String(text) if text.trim().parse::<f64>().is_ok() && !expected.contains(&"array") => {
                format!("write it without quotes: {path} = {}", text.trim())
            }
            other if expected.contains(&"array") && !matches!(other, Value::Table(_)) => {
                format!("write it in brackets: {path} = [{text}]")
            }
            _ => format!("write {words}"),
        };
        self.say(message, &node.at, &format!("expected {words}"), help);
    }

    /// Lays the parts of a schema on a node, their alternatives aside.
    fn plain(&mut self, parts: &[&'s Object], node: &Node, path: &str) {
        for part in parts {
            let types = types_of(part);
            if !types.is_empty() && !types.iter().any(|name| fits(name, &node.value)) {
                return self.wrong_type(&types, node, path);
            }
        }
        let names = constants(parts);
        if !names.is_empty() {
            return self.name(&names, node, path);
        }
        match &node.value {
            Value::Integer(number) => self.number(parts, *number as f64, Some(*number), node, path),
            Value::Float(number) => self.number(parts, *number, None, node, path),
            Value::String(text) => {
                let help = |count: &str| format!("`{path}` has {count} characters");
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

    fn number(&mut self, parts: &[&Object], number: f64, whole: Option<i64>, node: &Node, path: &str) {
        if !number.is_finite() {
            let message = format!("`{path}` is not a finite number");
            return self.say(
                message,
                &node.at,
                "not finite",
                "write a number; leave the key out where it is optional",
            );
        }
        let (mut low, mut high): (Option<(f64, bool)>, Option<(f64, bool)>) = (None, None);
        let mut raise = |bound: Option<f64>, open: bool| {
            if let Some(bound) = bound
                && low.is_none_or(|(old, _)| bound > old || (bound == old && open))
            {
                low = Some((bound, open));
            }
        };
        for part in parts {
            raise(part.get("minimum").and_then(Json::as_f64), false);
            raise(part.get("exclusiveMinimum").and_then(Json::as_f64), true);
        }
        let mut lower = |bound: Option<f64>, open: bool| {
            if let Some(bound) = bound
                && high.is_none_or(|(old, _)| bound < old || (bound == old && open))
            {
                high = Some((bound, open));
            }
        };
        for part in parts {
            lower(part.get("maximum").and_then(Json::as_f64), false);
            lower(part.get("exclusiveMaximum").and_then(Json::as_f64), true);
        }
        let below = low.is_some_and(|(bound, open)| number < bound || (open && number == bound));
        let above = high.is_some_and(|(bound, open)| number > bound || (open && number == bound));
        if below || above {
            let range = match (low, high) {
                (Some((low, false)), Some((high, false))) => format!("lie between {low} and {high}"),
                (Some((low, open)), Some((high, shut))) => {
                    let (above, below) = (
                        if open { "above" } else { "at least" },
                        if shut { "below" } else { "at most" },
                    );
                    format!("be {above} {low} and {below} {high}")
                }
                (Some((low, true)), None) => format!("be above {low}"),
                (Some((low, false)), None) => format!("be at least {low}"),
                (None, Some((high, true))) => format!("be below {high}"),
                (None, Some((high, false))) => format!("be at most {high}"),
                (None, None) => String::new(),
            };
            let size = if below { "too small" } else { "too large" };
            let message = format!("`{path}` is {size}: it must {range}");
            return self.say(message, &node.at, size, "write a number within these bounds");
        }
        let format = parts
            .iter()
            .find_map(|part| part.get("format").and_then(Json::as_str));
        let holds = match (format, whole) {
            (Some("float"), _) => number.abs() <= f64::from(f32::MAX),
            (Some("uint32"), Some(whole)) => u32::try_from(whole).is_ok(),
            (Some("int32"), Some(whole)) => i32::try_from(whole).is_ok(),
            (Some("uint" | "uint64"), Some(whole)) => whole >= 0,
            _ => true,
        };
        if !holds {
            let message = format!("`{path}` is too large: 32 bits hold no such number");
            self.say(message, &node.at, "too large", "write a smaller number");
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn length(
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
            _ => format!("`{path}` has {length} {unit}, not {range}"),
        };
        self.say(
            message,
            &node.at,
            if few { "too few" } else { "too many" },
            help(&range),
        );
    }

    fn array(&mut self, parts: &[&'s Object], items: &[Node], node: &Node, path: &str) {
        let help = |count: &str| format!("write {count} values in the brackets");
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
            match schema.or(others) {
                Some(schema) => self.node(schema, &entry.node, &below),
                // A schema of no type is anything at all; a table's is closed unless it says otherwise.
                None if parts
                    .iter()
                    .all(|part| types_of(part).is_empty() && !part.contains_key("properties")) => {}
                None => {
                    let known: Vec<&str> = properties(parts).filter(|key| table.get(key).is_none()).collect();
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
                        Some(what) if !what.is_empty() => format!("write {key} = {what}"),
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
                format!("… ({text})")
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

/// The nearest of `known`, where one is near enough to have been meant.
pub(super) fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let key = plain(key);
    if key.chars().count() > 64 {
        return None;
    }
    known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(&key, &plain(other)), *other))
        .filter(|(distance, other)| *distance <= other.chars().count().max(key.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

fn list<'s>(object: &'s Object, word: &str) -> &'s [Json] {
    object
        .get(word)
        .and_then(Json::as_array)
        .map_or(&[], Vec::as_slice)
}

fn types(schema: &Json) -> Vec<&str> {
    schema.as_object().map(types_of).unwrap_or_default()
}

fn types_of(object: &Object) -> Vec<&str> {
    match object.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The names that a string may be, where it may be only these.
fn constants<'s>(parts: &[&'s Object]) -> Vec<&'s str> {
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

fn properties<'s>(parts: &[&'s Object]) -> impl Iterator<Item = &'s str> {
    parts
        .iter()
        .filter_map(|part| part.get("properties")?.as_object())
        .flat_map(|keys| keys.keys().map(String::as_str))
}

/// The schema of `key`, where it is an object.
fn schema_of<'s>(parts: &[&'s Object], key: &str) -> Option<Vec<&'s Object>> {
    parts
        .iter()
        .find_map(|part| part.get("properties")?.get(key))
        .map(|schema| schema.as_object().into_iter().collect())
}

/// The key that every table must have and whose constant differs from table to table.
fn tag<'s>(tables: &[(&'s Json, Vec<&'s Object>)]) -> Option<&'s str> {
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
fn only_key<'s>(parts: &[&'s Object]) -> Option<&'s str> {
    let closed = parts
        .iter()
        .any(|part| part.get("additionalProperties") == Some(&Json::Bool(false)));
    let mut keys = properties(parts);
    match (keys.next(), keys.next()) {
        (Some(key), None) if closed => Some(key),
        _ => None,
    }
}

fn fits(name: &str, value: &Value) -> bool {
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

fn word(name: &str) -> &'static str {
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
fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
