//! TOML as a tree whose every key and value remembers the file and the bytes it came from.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::fault::Fault;

/// A text that recipes come from: a file, a built-in recipe, or one `--set` of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What an error calls it: a path, `ctl (built-in)`, `command line`.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// The name of the text of a `--set`.
pub(super) const COMMAND_LINE: &str = "command line";

impl SourceFile {
    /// Whether this is one `--set` of the command line.
    pub fn is_command_line(&self) -> bool {
        self.name == COMMAND_LINE
    }
}

/// Where a key or a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text it was written in.
    pub source: Arc<SourceFile>,
    /// The bytes of it within that text.
    pub span: Range<usize>,
}

impl Place {
    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        let before = &self.source.text.as_bytes()[..self.span.start.min(self.source.text.len())];
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line())
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written. Of a table: its header, its braces, or the key that made it.
    pub at: Place,
}

/// What TOML knows.
#[derive(Debug, Clone)]
pub enum Value {
    /// `"text"`
    String(String),
    /// `1`
    Integer(i64),
    /// `1.0`
    Float(f64),
    /// `true`
    Boolean(bool),
    /// `2024-05-01`
    Datetime(Datetime),
    /// `[1, 2]`, `[[header]]`
    Array(Vec<Node>),
    /// `[header]`, `{ key = 1 }`
    Table(Table),
}

impl Value {
    /// What an error calls a value of this kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// Keys and values in the order in which they were written.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// No key occurs twice.
    pub entries: Vec<Entry>,
}

/// A key of a table, and what it holds.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key, unquoted.
    pub key: String,
    /// Where the key was written.
    pub at: Place,
    /// Its value.
    pub node: Node,
}

impl Table {
    /// The entry of `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    /// Lays `over` on top: tables merge key by key, everything else is replaced, new keys go last.
    ///
    /// A path (`loss`, `model.head`) for which `replaces` says yes is replaced whole even where both sides are tables.
    pub fn merge(&mut self, over: Table, path: &mut Vec<String>, replaces: &dyn Fn(&[String]) -> bool) {
        let mut index: HashMap<String, usize> = (self.entries.iter().enumerate())
            .map(|(i, entry)| (entry.key.clone(), i))
            .collect();
        for entry in over.entries {
            let Some(&i) = index.get(&entry.key) else {
                index.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
                continue;
            };
            let under = &mut self.entries[i];
            path.push(entry.key.clone());
            match (&mut under.node.value, entry.node.value) {
                (Value::Table(below), Value::Table(above)) if !replaces(path) => {
                    below.merge(above, path, replaces);
                    under.node.at = entry.node.at;
                }
                (_, value) => {
                    under.node = Node {
                        value,
                        at: entry.node.at,
                    }
                }
            }
            under.at = entry.at;
            path.pop();
        }
    }
}

/// The same keys with the same values, wherever they were written and in whichever order; a NaN equals itself.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Datetime(a), Value::Datetime(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Table(a), Value::Table(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && (self.entries.iter())
                .all(|entry| other.get(&entry.key).is_some_and(|node| *node == entry.node))
    }
}

/// Reads a TOML document; every syntax error of the text is returned, each with its place.
pub fn parse(source: &Arc<SourceFile>) -> Result<Table, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut faults: Vec<Fault> = (errors.iter())
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            Fault::new(format!("not TOML: {}", error.message()))
                .at(
                    &Place {
                        source: source.clone(),
                        span,
                    },
                    "here",
                )
                .help("strings are quoted, a section is [name], a key is written once; see https://toml.io")
        })
        .collect();
    let places = Places { source, shift: 0 };
    let table = places.table(table.get_ref(), &mut faults);
    if faults.is_empty() { Ok(table) } else { Err(faults) }
}

/// Turns the parser's spans, which begin at `shift` of the source, into places.
pub(super) struct Places<'a> {
    pub source: &'a Arc<SourceFile>,
    pub shift: usize,
}

impl Places<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place {
            source: self.source.clone(),
            span: span.start + self.shift..span.end + self.shift,
        }
    }

    fn table(&self, table: &DeTable<'_>, faults: &mut Vec<Fault>) -> Table {
        let entries = (table.iter())
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                at: self.place(key.span()),
                node: self.node(value.get_ref(), value.span(), faults),
            })
            .collect();
        Table { entries }
    }

    pub fn node(&self, value: &DeValue<'_>, span: Range<usize>, faults: &mut Vec<Fault>) -> Node {
        let at = self.place(span);
        let value = match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => {
                    // Where the text is no number at all the parser has said so already.
                    if number.as_str().bytes().any(|byte| byte.is_ascii_alphanumeric()) && faults.is_empty() {
                        faults.push(
                            Fault::new(format!("{number} is too large for an integer"))
                                .at(&at, "64 bits do not hold this")
                                .help(format!("integers lie between {} and {}", i64::MIN, i64::MAX)),
                        );
                    }
                    Value::Integer(0)
                }
            },
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(date) => Value::Datetime(*date),
            DeValue::Array(items) => Value::Array(
                (items.iter())
                    .map(|item| self.node(item.get_ref(), item.span(), faults))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, faults)),
        };
        Node { value, at }
    }
}

/// `a` and `b` as `a.b`; a key that TOML must quote is quoted.
pub fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}
