//! Reads the sections of a recipe into their rooms' types, and collects everything that is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::check::{self, Check};
use super::fault::{Fault, RecipeErrors};
use super::tree::{Entry, Node, Place, SourceFile, Value, join};
use super::{Recipe, SECTIONS, print};

/// Reads sections, one call each, and gives all errors at the end.
///
/// A section's type is its only description: the schema that schemars derives from it (ranges, lengths, the names of
/// variants) is laid on the tree, and only what passes is given to serde. Keys that the type does not have are refused,
/// with or without `deny_unknown_fields`.
#[derive(Debug)]
pub struct Reader<'r> {
    recipe: &'r Recipe,
    faults: Vec<Fault>,
    /// Unknown keys: their fault's index, their section, and the key.
    strays: Vec<(usize, String, String)>,
    /// The keys of every section that was asked for.
    known: BTreeMap<String, Vec<String>>,
}

impl Recipe {
    /// Begins to read the sections.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            recipe: self,
            faults: Vec::new(),
            strays: Vec::new(),
            known: BTreeMap::new(),
        }
    }
}

impl Reader<'_> {
    /// Reads the section `name`; `None` where the recipe has no such section, or where it is wrong.
    pub fn section<T: DeserializeOwned + JsonSchema>(&mut self, name: &str) -> Option<T> {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>();
        let schema = schema.as_value();
        self.known.insert(name.to_owned(), check::keys(schema));
        let node = self.recipe.table.get(name)?;
        let mut check = Check::new(schema);
        check.node(schema, node, name);
        let sound = check.faults.is_empty();
        for (i, key) in check.strays {
            self.strays.push((self.faults.len() + i, name.to_owned(), key));
        }
        self.faults.append(&mut check.faults);
        if !sound {
            return None;
        }
        match T::deserialize(node) {
            Ok(section) => Some(section),
            Err(refused) => {
                let at = refused.at.unwrap_or_else(|| node.at.clone());
                let fault = Fault::new(format!("[{name}] cannot be read: {}", refused.message));
                self.faults.push(match Mixed::at(node, name, &at) {
                    Some(mixed) => mixed.explain(fault),
                    None => fault
                        .at(&at, "here")
                        .help("`tailor recipes schema` describes every key"),
                });
                None
            }
        }
    }

    /// Reads the section `name`, which the recipe must have.
    pub fn section_required<T: DeserializeOwned + JsonSchema>(&mut self, name: &str) -> Option<T> {
        let section = self.section(name);
        if self.recipe.table.get(name).is_none() {
            self.refuse(
                name,
                format!("the section [{name}] is missing"),
                format!("write a section [{name}]"),
            );
        }
        section
    }

    /// Lets the section `name` pass unread.
    pub fn skip(&mut self, name: &str) {
        self.known.entry(name.to_owned()).or_default();
    }

    /// Lets every section pass that nobody asked for: for verbs which read a part of a recipe.
    pub fn skip_rest(&mut self) {
        for entry in &self.recipe.table.entries {
            self.known.entry(entry.key.clone()).or_default();
        }
    }

    /// Refuses the value at a dotted path (`loss.margin`, `data.train[1].size`). Where the recipe does not write it, the
    /// fault points at the nearest table around it.
    pub fn refuse(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        let mut fault = Fault::new(message).help(help);
        let mut known = path;
        loop {
            if let Some(node) = self.recipe.get(known) {
                let label = if known == path { "this value" } else { "in here" };
                fault = fault.at(&node.at, label);
                break;
            }
            match known.rfind(['.', '[']) {
                Some(end) => known = &known[..end],
                None => {
                    fault = self.nowhere(fault);
                    break;
                }
            }
        }
        self.faults.push(fault);
    }

    /// The text at a dotted path, where there is one.
    pub fn text(&self, path: &str) -> Option<String> {
        match &self.recipe.get(path)?.value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Adds a fault of the caller's own.
    pub fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Whether anything is wrong so far.
    pub fn has_errors(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Everything that is wrong, by place; sections that nobody asked for are unknown.
    ///
    /// # Errors
    /// When anything is wrong.
    pub fn finish(mut self) -> Result<(), RecipeErrors> {
        let asked: Vec<&str> = self.known.keys().map(String::as_str).collect();
        let mut faults = Vec::new();
        for entry in &self.recipe.table.entries {
            if self.known.contains_key(&entry.key) {
                continue;
            }
            let table = matches!(entry.node.value, Value::Table(_));
            let owner = self.owner(&entry.key);
            let (what, help) = match (table, check::nearest(&entry.key, &asked), owner) {
                (true, Some(near), _) => ("section", format!("did you mean [{near}]?")),
                (true, None, _) => ("section", format!("the sections are {}", in_order(&asked))),
                (false, _, Some(section)) => ("key", format!("it belongs in the section [{section}]")),
                (false, ..) => (
                    "key",
                    format!("keys belong in a section; the sections are {}", in_order(&asked)),
                ),
            };
            faults.push(
                Fault::new(format!("unknown {what} `{}`", entry.key))
                    .at(&entry.at, "unknown")
                    .help(help),
            );
        }
        for (i, within, key) in std::mem::take(&mut self.strays) {
            // Another tool's name for a key, where no section has a key of that very name.
            let own = self.owner(&key).map(|section| (key.as_str(), section));
            let other = || check::alias(&key).and_then(|here| Some((here, self.owner(here)?)));
            if let Some((key, section)) = own.or_else(other).filter(|(_, section)| *section != within) {
                let help = format!("`{key}` belongs in the section [{section}]");
                if let Some(fault) = self.faults.get(i).cloned() {
                    self.faults[i] = fault.help(help);
                }
            }
        }
        self.faults.append(&mut faults);
        if self.faults.is_empty() {
            return Ok(());
        }
        // File by file as they came, then by line.
        let mut files: Vec<Arc<SourceFile>> = Vec::new();
        let rank = |fault: &Fault| {
            let place = fault.place()?;
            let file = files
                .iter()
                .position(|file| Arc::ptr_eq(file, &place.source))
                .unwrap_or(files.len());
            if file == files.len() {
                files.push(place.source.clone());
            }
            Some((file, place.span.start))
        };
        let ranks: Vec<_> = self.faults.iter().map(rank).collect();
        let mut order: Vec<_> = ranks.into_iter().zip(self.faults).collect();
        order.sort_by_key(|(rank, _)| *rank);
        let faults = order.into_iter().map(|(_, fault)| fault).collect();
        Err(RecipeErrors::new(self.recipe.origin.to_string(), faults))
    }

    /// The section that has `key`, where exactly one has it.
    fn owner(&self, key: &str) -> Option<&str> {
        let mut owners = self
            .known
            .iter()
            .filter(|(_, keys)| keys.iter().any(|known| known == key));
        match (owners.next(), owners.next()) {
            (Some((section, _)), None) => Some(section),
            _ => None,
        }
    }

    /// A fault about something that no text has: it names the file.
    fn nowhere(&self, fault: Fault) -> Fault {
        let help = fault.remedy().unwrap_or_default();
        let help = format!("{help} in {}", self.recipe.origin);
        fault.help(help)
    }
}

/// A table that a setting was laid on, whose other keys come from elsewhere and may not suit it.
struct Mixed<'r> {
    path: String,
    /// What was laid on it last.
    own: Vec<&'r Entry>,
    /// What was there before.
    inherited: Vec<&'r Entry>,
}

impl<'r> Mixed<'r> {
    /// The table at a place of a section, if it is such a one.
    fn at(node: &'r Node, path: &str, place: &Place) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            return None;
        };
        if node.at != *place {
            let mut below = table.entries.iter();
            return below.find_map(|entry| Self::at(&entry.node, &join(path, &entry.key), place));
        }
        // Sections are laid on one another as a matter of course.
        if !path.contains('.') {
            return None;
        }
        // The command line is laid on last, each `--set` a text of its own; before it the recipe, on its base.
        let set = table
            .entries
            .iter()
            .any(|entry| entry.at.source.is_command_line());
        let (own, inherited): (Vec<&Entry>, Vec<&Entry>) =
            table.entries.iter().partition(|entry| match set {
                true => entry.at.source.is_command_line(),
                false => entry.at.source == node.at.source,
            });
        (!own.is_empty() && !inherited.is_empty()).then(|| Self {
            path: path.to_owned(),
            own,
            inherited,
        })
    }

    /// Points at the setting, and says how the other keys go away.
    fn explain(&self, fault: Fault) -> Fault {
        let keys: Vec<String> = self.inherited.iter().map(|e| format!("`{}`", e.key)).collect();
        let from = &self.inherited[0].at;
        let come = if keys.len() == 1 { "comes" } else { "come" };
        let own: Vec<String> = self
            .own
            .iter()
            .map(|entry| format!("{} = {}", entry.key, print::toml(&entry.node)))
            .collect();
        let (path, own) = (&self.path, own.join(", "));
        let last = self.own[self.own.len() - 1];
        fault.at(&last.at, "set here").help(format!(
            "{} {come} from {from}; set the table whole: --set '{path}={{ {own} }}', or in a recipe write \
             replaces = [{path:?}] beside `extends`",
            keys.join(", ")
        ))
    }
}

/// `[data], [model]` in the order of the house.
fn in_order(sections: &[&str]) -> String {
    let rank = |name: &str| {
        SECTIONS
            .iter()
            .position(|section| *section == name)
            .unwrap_or(SECTIONS.len())
    };
    let mut sections = sections.to_vec();
    sections.sort_by_key(|name| rank(name));
    let sections: Vec<String> = sections.iter().map(|name| format!("[{name}]")).collect();
    sections.join(", ")
}
