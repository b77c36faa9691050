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
struct Places<'a> {
    source: &'a Arc<SourceFile>,
    shift: usize,
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

    fn node(&self, value: &DeValue<'_>, span: Range<usize>, faults: &mut Vec<Fault>) -> Node {
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

/// One `--set key.path=value`.
#[derive(Debug)]
pub struct Setting {
    keys: Vec<(String, Place)>,
    node: Node,
}

/// The most keys in the path of a `--set`.
const DEPTH: usize = 32;

impl Setting {
    /// Reads `loss.margin=0.3`. A value that is not TOML is taken as a string, so that `data.root=/x/y` needs no quotes;
    /// one that begins like a quoted string, an array or a table must be one.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        const LEAD: &str = "--set ";
        let source = Arc::new(SourceFile {
            name: "command line".to_owned(),
            text: format!("{LEAD}{text}"),
        });
        let example = "write --set section.key=value, as in --set loss.margin=0.3";
        let whole = Place {
            source: source.clone(),
            span: LEAD.len()..source.text.len(),
        };
        let Some(equals) = first_equals(text) else {
            return Err(Fault::new("--set without `=`")
                .at(&whole, "no value given")
                .help(example));
        };
        let (path, value) = (&text[..equals], &text[equals + 1..]);
        let key_fault = |help: &str| {
            let at = Place {
                source: source.clone(),
                span: LEAD.len()..LEAD.len() + equals,
            };
            Fault::new(format!("`{path}` is not a key of a recipe"))
                .at(&at, "this key")
                .help(help)
        };
        if path.contains(['\n', '\r']) {
            return Err(key_fault(example));
        }

        // The path is read as TOML reads a dotted key, so that quoted keys work.
        let chain = format!("{path}=0");
        let table = DeTable::parse(&chain).map_err(|_| key_fault(example))?;
        let mut keys = Vec::new();
        let mut level = table.get_ref();
        loop {
            let mut entries = level.iter();
            let (Some((key, below)), None) = (entries.next(), entries.next()) else {
                return Err(key_fault(example));
            };
            let span = key.span().start + LEAD.len()..key.span().end + LEAD.len();
            keys.push((
                key.get_ref().to_string(),
                Place {
                    source: source.clone(),
                    span,
                },
            ));
            match below.get_ref() {
                DeValue::Table(table) => level = table,
                _ => break,
            }
        }
        if keys.len() > DEPTH {
            return Err(key_fault("no recipe is that deep"));
        }
        if matches!(keys[0].0.as_str(), "extends" | "replaces") {
            return Err(key_fault(
                "it says how a file is put together; copy the recipe and write it there",
            ));
        }

        let trimmed = value.trim();
        let start = LEAD.len() + equals + 1 + (value.len() - value.trim_start().len());
        let at = Place {
            source: source.clone(),
            span: start..start + trimmed.len(),
        };
        if trimmed.is_empty() {
            return Err(Fault::new(format!("`{path}` is set to nothing"))
                .at(&whole, "no value after `=`")
                .help(format!("an empty string is --set '{path}=\"\"'")));
        }
        let node = match DeValue::parse(trimmed) {
            Ok(value) => {
                let mut faults = Vec::new();
                let node = Places {
                    source: &source,
                    shift: start,
                }
                .node(value.get_ref(), value.span(), &mut faults);
                match faults.pop() {
                    Some(fault) => return Err(fault),
                    None => node,
                }
            }
            Err(error) if trimmed.starts_with(['"', '\'', '[', '{']) => {
                let span = error
                    .span()
                    .map_or(at.span.clone(), |span| span.start + start..span.end + start);
                return Err(Fault::new(format!("the value of `{path}` is not TOML: {}", error.message()))
                    .at(&Place { source, span }, "here")
                    .help("close every quote and bracket, and put the whole --set in single quotes for the shell"));
            }
            Err(_) => Node {
                value: Value::String(trimmed.to_owned()),
                at,
            },
        };
        Ok(Self { keys, node })
    }

    /// Lays the setting on a tree.
    pub fn apply(self, root: &mut Table) -> Result<(), Fault> {
        let Some(((last, last_at), tables)) = self.keys.split_last() else {
            return Ok(());
        };
        let mut level = root;
        let mut path = String::new();
        for (key, at) in tables {
            path = join(&path, key);
            let i = match level.entries.iter().position(|entry| entry.key == *key) {
                Some(i) => i,
                None => {
                    let node = Node {
                        value: Value::Table(Table::default()),
                        at: at.clone(),
                    };
                    level.entries.push(Entry {
                        key: key.clone(),
                        at: at.clone(),
                        node,
                    });
                    level.entries.len() - 1
                }
            };
            let node = &mut level.entries[i].node;
            let (kind, below) = (node.value.kind(), node.at.clone());
            match &mut node.value {
                Value::Table(table) => level = table,
                other => {
                    let whole = match other {
                        Value::Array(_) => "an array is set whole: ",
                        _ => "set the value itself: ",
                    };
                    return Err(
                        Fault::new(format!("`{path}` is {kind}, so nothing can be set below it"))
                            .at(at, "not a table")
                            .help(format!("{whole}--set '{path}=…'; it is written at {below}")),
                    );
                }
            }
        }
        match level.entries.iter_mut().find(|entry| entry.key == *last) {
            Some(entry) => {
                entry.at = last_at.clone();
                entry.node = self.node;
            }
            None => level.entries.push(Entry {
                key: last.clone(),
                at: last_at.clone(),
                node: self.node,
            }),
        }
        Ok(())
    }
}

/// The first `=` outside quotes.
fn first_equals(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '=') => return Some(i),
            _ => {}
        }
    }
    None
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
