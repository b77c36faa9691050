//! `--set key=a,b,c`: several values are an axis of the grid, one is set in every cell.

use super::SweepError;
use crate::cli::sweep::record::Setting;
use std::collections::BTreeSet;

/// A key and the values that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The recipe's key.
    pub key: String,
    /// As they were written.
    pub values: Vec<String>,
}

/// Settings of every cell (as `--set` takes them), and the axes in the order given.
pub fn parse(sets: &[String]) -> Result<(Vec<String>, Vec<Axis>), SweepError> {
    let (mut fixed, mut axes) = (Vec::new(), Vec::<Axis>::new());
    for set in sets {
        // Without `=` it is no setting: the recipe's own error says so.
        let Some((key, text)) = split_outside(set, '=').map(|at| (&set[..at], &set[at + 1..])) else {
            fixed.push(set.clone());
            continue;
        };
        let values = values(text);
        if values.len() == 1 {
            fixed.push(set.clone());
            continue;
        }
        if values.iter().any(|value| value.is_empty()) {
            return Err(SweepError::Empty(set.clone()));
        }
        let distinct: BTreeSet<&String> = values.iter().collect();
        let key = key.trim().to_string();
        if distinct.len() < values.len() || axes.iter().any(|axis| axis.key == key) {
            return Err(SweepError::Twice(set.clone()));
        }
        axes.push(Axis { key, values });
    }
    Ok((fixed, axes))
}

/// Every combination, the last axis first to change.
pub fn cells(axes: &[Axis]) -> Vec<Vec<Setting>> {
    axes.iter().fold(vec![Vec::new()], |cells, axis| {
        let with = |cell: &Vec<Setting>, value: &String| {
            let mut cell = cell.clone();
            cell.push(Setting {
                key: axis.key.clone(),
                value: value.clone(),
            });
            cell
        };
        cells
            .iter()
            .flat_map(|cell| axis.values.iter().map(move |value| with(cell, value)))
            .collect()
    })
}

/// The values between commas; a comma inside brackets, braces or quotes belongs to its value.
fn values(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = text;
    while let Some(at) = split_outside(rest, ',') {
        values.push(rest[..at].trim().to_string());
        rest = &rest[at + 1..];
    }
    values.push(rest.trim().to_string());
    values
}

/// The first such character outside quotes, brackets and braces.
fn split_outside(text: &str, wanted: char) -> Option<usize> {
    let (mut quote, mut escaped, mut depth) = (None, false, 0usize);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, c) if c == wanted && depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(list: &[&str]) -> Vec<String> {
        list.iter().map(|set| set.to_string()).collect()
    }

    #[test]
    fn commas_part_values_unless_they_are_inside_one() {
        for (text, expected) in [
            ("1e-3,1e-4", vec!["1e-3", "1e-4"]),
            ("[1,2]", vec!["[1,2]"]),
            ("[1,2], [3,[4,5]]", vec!["[1,2]", "[3,[4,5]]"]),
            ("\"a,b\",'c,\\',d", vec!["\"a,b\"", "'c,\\'", "d"]),
            (r#""a\",b",c"#, vec![r#""a\",b""#, "c"]),
            (
                "{ kind = \"a\", p = 2 },{ kind = \"b\" }",
                vec!["{ kind = \"a\", p = 2 }", "{ kind = \"b\" }"],
            ),
            ("[1,2", vec!["[1,2"]),
            ("1,,2", vec!["1", "", "2"]),
            ("", vec![""]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn one_value_is_fixed_and_several_are_an_axis() {
        let (fixed, axes) = parse(&sets(&["a.b=1,2", "c=[1,2]", "\"x=y\".d=u,v", "no equals"])).unwrap();
        assert_eq!(fixed, ["c=[1,2]", "no equals"]);
        assert_eq!(
            axes[0],
            Axis {
                key: "a.b".into(),
                values: sets(&["1", "2"])
            }
        );
        assert_eq!(axes[1].key, "\"x=y\".d");
        let cells = cells(&axes);
        let text: Vec<String> = cells
            .iter()
            .map(|cell| {
                cell.iter()
                    .map(|s| s.value.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(text, ["1 u", "1 v", "2 u", "2 v"]);
        assert_eq!(super::cells(&[]), [vec![]]);
    }

    #[test]
    fn holes_and_repetitions_are_refused() {
        assert!(matches!(parse(&sets(&["a=1,,2"])), Err(SweepError::Empty(_))));
        assert!(matches!(parse(&sets(&["a=1,2,"])), Err(SweepError::Empty(_))));
        assert!(matches!(parse(&sets(&["a=1,1"])), Err(SweepError::Twice(_))));
        assert!(matches!(
            parse(&sets(&["a=1,2", "a=3,4"])),
            Err(SweepError::Twice(_))
        ));
    }
}
