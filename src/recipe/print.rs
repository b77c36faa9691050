//! A recipe as text again: resolved TOML, JSON, a fingerprint, and the difference between two.

use std::fmt::{self, Write};

use serde_json::Value as Json;

use super::tree::{Entry, Node, Table, Value, join};
use super::{Recipe, SECTIONS};

impl Recipe {
    /// The merged tree as TOML, sections in the order of [`SECTIONS`], the rest after them. It loads again to the same
    /// tree, without its base and without the command line.
    pub fn resolved(&self) -> String {
        let table: toml::Table = in_order(&self.table)
            .map(|entry| (entry.key.clone(), toml(&entry.node)))
            .collect();
        // Only a map whose keys are no strings cannot be written, and there is none here.
        toml::to_string(&table).unwrap_or_default()
    }

    /// The merged tree as JSON, in the same order; dates are strings, numbers that are not finite are their TOML words.
    pub fn to_json(&self) -> Json {
        Json::Object(
            in_order(&self.table)
                .map(|entry| (entry.key.clone(), json(&entry.node)))
                .collect(),
        )
    }

    /// What a dotted key is set to.
    pub fn toml(&self, key: &str) -> Option<toml::Value> {
        self.get(key).map(toml)
    }

    /// 64 hex digits that are equal for trees of equal meaning: the order of keys, comments, the way a number is
    /// written (`1`, `1.0`, `1e0`) and the files it all came from make no difference.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        canonical_table(&self.table, &mut text);
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

/// The sections of the house first.
fn in_order(table: &Table) -> impl Iterator<Item = &Entry> {
    let known = SECTIONS.iter().filter_map(|section| table.entry(section));
    known.chain(
        table
            .entries
            .iter()
            .filter(|entry| !SECTIONS.contains(&entry.key.as_str())),
    )
}

pub(super) fn toml(node: &Node) -> toml::Value {
    match &node.value {
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Integer(number) => toml::Value::Integer(*number),
        Value::Float(number) => toml::Value::Float(*number),
        Value::Boolean(flag) => toml::Value::Boolean(*flag),
        Value::Datetime(date) => toml::Value::Datetime(*date),
        Value::Array(items) => toml::Value::Array(items.iter().map(toml).collect()),
        Value::Table(table) => toml::Value::Table(
            table
                .entries
                .iter()
                .map(|entry| (entry.key.clone(), toml(&entry.node)))
                .collect(),
        ),
    }
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) if number.is_finite() => Json::from(*number),
        Value::Float(number) => Json::from(number.to_string().to_lowercase()),
        Value::Boolean(flag) => Json::from(*flag),
        Value::Datetime(date) => Json::from(date.to_string()),
        Value::Array(items) => Json::Array(items.iter().map(json).collect()),
        Value::Table(table) => Json::Object(
            table
                .entries
                .iter()
                .map(|entry| (entry.key.clone(), json(&entry.node)))
                .collect(),
        ),
    }
}

/// The integers that a 64-bit float holds exactly end here.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn canonical(node: &Node, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match &node.value {
        Value::String(value) => write!(text, "{}", Json::from(value.as_str())),
        Value::Integer(number) => write!(text, "{number}"),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < EXACT => {
            write!(text, "{}", *number as i64)
        }
        Value::Float(number) => write!(
            text,
            "f{:016x}",
            if number.is_nan() { f64::NAN } else { *number }.to_bits()
        ),
        Value::Boolean(flag) => write!(text, "{flag}"),
        Value::Datetime(date) => write!(text, "d{date}"),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, text);
                text.push(',');
            }
            text.write_char(']')
        }
        Value::Table(table) => {
            canonical_table(table, text);
            Ok(())
        }
    };
}

fn canonical_table(table: &Table, text: &mut String) {
    let mut entries: Vec<&Entry> = table.entries.iter().collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    text.push('{');
    for entry in entries {
        let _ = write!(text, "{}:", Json::from(entry.key.as_str()));
        canonical(&entry.node, text);
        text.push(',');
    }
    text.push('}');
}

/// One key that two recipes set differently.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// What the left recipe says, where it says anything.
    pub left: Option<Json>,
    /// What the right recipe says, where it says anything.
    pub right: Option<Json>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |side: &Option<Json>| side.as_ref().map_or("(not set)".to_owned(), Json::to_string);
        let (key, left, right) = (&self.key, say(&self.left), say(&self.right));
        match key.chars().count() + left.chars().count() + right.chars().count() > 90 {
            true => write!(f, "{key}:\n  {left}\n  → {right}"),
            false => write!(f, "{key}: {left} → {right}"),
        }
    }
}

/// Every key that two recipes set differently, in the left one's order; what only the right one has comes after it.
/// Arrays of tables of equal length are compared item by item, other arrays whole; `1` and `1.0` are equal.
pub fn diff(left: &Recipe, right: &Recipe) -> Vec<Difference> {
    let order = |recipe: &Recipe| Table {
        entries: in_order(&recipe.table).cloned().collect(),
    };
    let mut differences = Vec::new();
    diff_tables(&order(left), &order(right), "", &mut differences);
    let rank = |difference: &Difference| {
        let section = difference.key.split(['.', '[']).next().unwrap_or_default();
        SECTIONS
            .iter()
            .position(|name| *name == section)
            .unwrap_or(SECTIONS.len())
    };
    differences.sort_by_key(rank);
    differences
}

fn diff_tables(left: &Table, right: &Table, path: &str, differences: &mut Vec<Difference>) {
    for entry in &left.entries {
        let key = join(path, &entry.key);
        match right.get(&entry.key) {
            Some(other) => diff_nodes(&entry.node, other, key, differences),
            None => one_sided(&entry.node, key, true, differences),
        }
    }
    for entry in right
        .entries
        .iter()
        .filter(|entry| left.get(&entry.key).is_none())
    {
        one_sided(&entry.node, join(path, &entry.key), false, differences);
    }
}

fn diff_nodes(left: &Node, right: &Node, key: String, differences: &mut Vec<Difference>) {
    let is_table = |node: &Node| matches!(node.value, Value::Table(_));
    match (&left.value, &right.value) {
        (Value::Table(a), Value::Table(b)) => return diff_tables(a, b, &key, differences),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && a.iter().chain(b).all(is_table) => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                diff_nodes(a, b, format!("{key}[{i}]"), differences);
            }
            return;
        }
        _ => {}
    }
    let text = |node: &Node| {
        let mut text = String::new();
        canonical(node, &mut text);
        text
    };
    if text(left) != text(right) {
        differences.push(Difference {
            key,
            left: Some(json(left)),
            right: Some(json(right)),
        });
    }
}

/// A table that one side lacks is listed key by key.
fn one_sided(node: &Node, key: String, left: bool, differences: &mut Vec<Difference>) {
    if let Value::Table(table) = &node.value
        && !table.entries.is_empty()
    {
        for entry in &table.entries {
            one_sided(&entry.node, join(&key, &entry.key), left, differences);
        }
        return;
    }
    let value = Some(json(node));
    let (left, right) = if left { (value, None) } else { (None, value) };
    differences.push(Difference { key, left, right });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recipe::load::load_from;

    fn recipe(text: &str) -> Recipe {
        load_from(&[("r", text)], "r", &[]).unwrap()
    }

    #[test]
    fn resolved_is_in_the_order_of_the_house() {
        let text = "[train]\nsteps = [1, 2]\n[other]\na = 1\n[loss]\nmargin = 1.0\n[paper]\ntitle = 'a \"b\"'\n\
                    [[data.augment]]\nop = 'flip'\n[[data.augment]]\nop = 'crop'\nsize = [256, 128]\n";
        insta::assert_snapshot!(recipe(text).resolved(), @r#"
        [paper]
        title = 'a "b"'

        [[data.augment]]
        op = "flip"

        [[data.augment]]
        op = "crop"
        size = [256, 128]

        [loss]
        margin = 1.0

        [train]
        steps = [1, 2]

        [other]
        a = 1
        "#);
    }

    #[test]
    fn a_difference_names_both_sides() {
        let left = recipe("[loss]\nmargin = 0.3\nscale = 1\n[train]\nsteps = [1, 2]\n[x]\ny.z = 1\n");
        let right = recipe("[train]\nsteps = [1]\nname = 'a'\n[loss]\nmargin = 0.5\nscale = 1.0\n");
        let lines: Vec<String> = diff(&left, &right).iter().map(Difference::to_string).collect();
        assert_eq!(
            lines,
            [
                "loss.margin: 0.3 → 0.5",
                "train.steps: [1,2] → [1]",
                "train.name: (not set) → \"a\"",
                "x.y.z: 1 → (not set)",
            ]
        );
        assert!(diff(&left, &left).is_empty());
        let left = recipe("[[data.a]]\np = 1\n[[data.a]]\np = 2");
        let right = recipe("[[data.a]]\np = 1\n[[data.a]]\np = 3");
        assert_eq!(diff(&left, &right)[0].to_string(), "data.a[1].p: 2 → 3");
    }

    #[test]
    fn a_fingerprint_sees_meaning_and_nothing_else() {
        let print = |text: &str| recipe(text).fingerprint();
        let one = print("[a]\nx = 1\ny = 'b'\n");
        assert_eq!(one, print("# words\na = { y = \"b\", x = 1.0 }"));
        assert_eq!(one.len(), 64);
        for other in [
            "[a]\nx = 2\ny = 'b'",
            "[a]\nx = 1",
            "[a]\nx = '1'\ny = 'b'",
            "[b]\nx = 1\ny = 'b'",
        ] {
            assert_ne!(one, print(other), "{other}");
        }
        assert_ne!(print("a = 9007199254740993"), print("a = 9007199254740992"));
        assert_ne!(print("a = [1, 2]"), print("a = [12]"));
    }

    fn trees() -> impl Strategy<Value = toml::Value> {
        let text = "[a-zA-Z \"'\\\\\n.\u{e9}\u{7f}#=-]{0,8}";
        let leaf = prop_oneof![
            any::<i64>().prop_map(toml::Value::Integer),
            any::<f64>().prop_map(toml::Value::Float),
            any::<bool>().prop_map(toml::Value::Boolean),
            text.prop_map(toml::Value::String),
            Just(toml::Value::Datetime("2024-05-01T07:32:00Z".parse().unwrap())),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(toml::Value::Array),
                prop::collection::vec((text, inner), 0..4)
                    .prop_map(|entries| toml::Value::Table(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_resolved_recipe_loads_to_the_same_tree(
            tree in prop::collection::vec(("[a-z \"\n]{0,4}|loss|data|train", trees()), 0..6)
        ) {
            let table: toml::Table = tree.into_iter().collect();
            let first = recipe(&toml::to_string(&table).unwrap());
            let second = recipe(&first.resolved());
            prop_assert_eq!(&first.table, &second.table);
            prop_assert_eq!(first.fingerprint(), second.fingerprint());
            prop_assert!(diff(&first, &second).is_empty());
            prop_assert_eq!(second.resolved(), first.resolved());
        }
    }
}
