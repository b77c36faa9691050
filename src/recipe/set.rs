//! `--set key.path=value`: a value that the command line lays on the tree.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::tree::{COMMAND_LINE, Entry, Node, Place, Places, SourceFile, Table, Value, join};

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
            name: COMMAND_LINE.to_owned(),
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
        if path.trim().is_empty() {
            return Err(Fault::new("--set without a key")
                .at(&whole, "nothing before `=`")
                .help(example));
        }
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
            let at = Place {
                source: source.clone(),
                span: LEAD.len()..LEAD.len() + equals,
            };
            return Err(Fault::new(format!("`{path}` cannot be set"))
                .at(&at, "this key")
                .help("it says how a file is put together: copy the recipe and write it there"));
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
