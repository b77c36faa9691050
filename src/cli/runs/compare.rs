//! Several runs side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::table::Table;
use super::{Figure, figures};
use crate::report::figures::number;
use crate::train::run_folder::{RECIPE, RunError, RunFolder};
use crate::train::sinks::jsonl;

struct Run {
    name: String,
    seed: u64,
    status: &'static str,
    recipe_name: String,
    recipe: BTreeMap<String, String>,
    conditions: Option<String>,
    figures: Vec<(String, Figure)>,
}

/// What `tailor runs compare` says.
pub struct Comparison(Vec<Run>);

/// Mean and sample standard deviation of a figure over runs that differ in nothing but the seed.
#[derive(Debug, PartialEq)]
struct Spread {
    metric: String,
    mean: f64,
    deviation: f64,
}

/// On what data, split and protocol an evaluation was made. Figures of different ones are not comparable.
pub fn conditions(eval: &Value) -> String {
    let field = |name: &str| match eval.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "?".to_string(),
    };
    format!(
        "data {}, split {}, protocol {}",
        field("data"),
        field("split"),
        field("protocol")
    )
}

/// Reads the runs.
pub fn compare(folders: &[PathBuf]) -> crate::Result<Comparison> {
    let mut runs: Vec<Run> = Vec::new();
    for folder in folders {
        let run = RunFolder::open(folder)?;
        let text = run.recipe()?;
        let recipe: toml::Table = text.parse().map_err(|e: toml::de::Error| RunError::Damaged {
            path: folder.join(RECIPE),
            problem: e.to_string(),
        })?;
        let mut flat = BTreeMap::new();
        flatten("", &recipe, &mut flat);
        let eval = run.eval()?;
        let info = run.info();
        // Two folders may hold runs of one name.
        let twice = runs.iter().any(|other| other.name == info.name);
        runs.push(Run {
            name: if twice {
                folder.display().to_string()
            } else {
                info.name.clone()
            },
            seed: info.seed,
            status: run.status(),
            recipe_name: info.recipe.clone(),
            recipe: flat,
            conditions: eval.as_ref().map(conditions),
            figures: eval.as_ref().map(figures).unwrap_or_default(),
        });
    }
    Ok(Comparison(runs))
}

fn flatten(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, flat),
            value => drop(flat.insert(name, value.to_string())),
        }
    }
}

fn is_seed(key: &str) -> bool {
    key.rsplit('.').next() == Some("seed")
}

impl Comparison {
    /// Runs by what they were evaluated on, in the order given; those that were not are in none.
    fn groups(&self) -> Vec<(&str, Vec<&Run>)> {
        let mut groups: Vec<(&str, Vec<&Run>)> = Vec::new();
        for run in &self.0 {
            let Some(conditions) = run.conditions.as_deref() else {
                continue;
            };
            match groups.iter_mut().find(|(c, _)| *c == conditions) {
                Some((_, members)) => members.push(run),
                None => groups.push((conditions, vec![run])),
            }
        }
        groups
    }

    /// Keys of the recipes that not all runs have with the same value, with each run's value.
    fn differences(&self) -> Vec<(&str, Vec<Option<&str>>)> {
        let keys: BTreeSet<&str> = self
            .0
            .iter()
            .flat_map(|run| run.recipe.keys())
            .map(String::as_str)
            .collect();
        let values = |key: &str| {
            self.0
                .iter()
                .map(|run| run.recipe.get(key).map(String::as_str))
                .collect()
        };
        let all = keys.into_iter().map(|key| (key, values(key)));
        all.filter(|(_, values): &(_, Vec<_>)| values.iter().any(|v| *v != values[0]))
            .collect()
    }

    /// The text for a person.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (conditions, runs) in self.groups() {
            text.push_str(&format!("{conditions}\n"));
            let seeds = seeds(&runs);
            let spread_heads: Vec<String> = seeds
                .iter()
                .map(|(names, _)| match names.len() == runs.len() {
                    true => "mean ± deviation".to_string(),
                    false => format!("mean ± deviation ({})", names.join(", ")),
                })
                .collect();
            let heads: Vec<&str> = ["metric"]
                .into_iter()
                .chain(runs.iter().map(|r| r.name.as_str()))
                .chain(spread_heads.iter().map(String::as_str))
                .collect();
            let mut table = Table::new(&heads);
            for metric in metrics(&runs) {
                let mut row = vec![metric.clone()];
                row.extend(
                    runs.iter()
                        .map(|run| value(run, &metric).map_or("-".to_string(), |f| f.to_text(&metric))),
                );
                row.extend(seeds.iter().map(|(_, spreads)| {
                    let spread = spreads.iter().find(|spread| spread.metric == metric);
                    spread.map_or("-".to_string(), |s| {
                        format!("{} ± {}", number(&metric, s.mean), number(&metric, s.deviation))
                    })
                }));
                table.row(row);
            }
            if !seeds.is_empty() {
                table.note("deviation: of the sample, over seeds".to_string());
            }
            text.push_str(&table.to_text());
            text.push('\n');
        }
        for run in self.0.iter().filter(|run| run.conditions.is_none()) {
            text.push_str(&format!(
                "{} has not been evaluated (status: {})\n",
                run.name, run.status
            ));
        }
        let differences = self.differences();
        if differences.is_empty() {
            text.push_str("the recipes are the same\n");
            return text;
        }
        let heads: Vec<&str> = ["recipe"]
            .into_iter()
            .chain(self.0.iter().map(|r| r.name.as_str()))
            .collect();
        let mut table = Table::new(&heads);
        for (key, values) in differences {
            let cells = values.into_iter().map(|v| cut(v.unwrap_or("-")));
            table.row([key.to_string()].into_iter().chain(cells));
        }
        text + &table.to_text()
    }

    /// The same as one JSON object.
    pub fn to_json(&self) -> Value {
        let runs = self.0.iter().map(|run| {
            json!({"name": run.name, "recipe": run.recipe_name, "seed": run.seed, "status": run.status,
                "evaluated": run.conditions.is_some()})
        });
        let groups = self.groups().into_iter().map(|(conditions, runs)| {
            let figures = |metric: &String| {
                let by_run = runs.iter().filter_map(|run| Some((run.name.clone(), value(run, metric)?.to_json())));
                (metric.clone(), Value::Object(by_run.collect()))
            };
            let seeds = seeds(&runs).into_iter().map(|(names, spreads)| {
                let spreads = spreads.into_iter().map(|s| {
                    let spread = json!({"mean": jsonl::number(s.mean), "standard_deviation": jsonl::number(s.deviation)});
                    (s.metric, spread)
                });
                json!({"runs": names, "metrics": spreads.collect::<Map<_, _>>()})
            });
            let metrics: Map<String, Value> = metrics(&runs).iter().map(figures).collect();
            json!({"conditions": conditions, "metrics": metrics, "seeds": seeds.collect::<Vec<_>>()})
        });
        let differences = self.differences().into_iter().map(|(key, values)| {
            let by_run = self
                .0
                .iter()
                .zip(values)
                .map(|(run, v)| (run.name.clone(), v.into()));
            (key.to_string(), Value::Object(by_run.collect()))
        });
        json!({"runs": runs.collect::<Vec<_>>(), "groups": groups.collect::<Vec<_>>(),
            "recipe_differences": differences.collect::<Map<_, _>>()})
    }
}

/// A long value, such as a list of image operations, would push the others off the screen.
fn cut(value: &str) -> String {
    match value.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_string(),
    }
}

fn metrics(runs: &[&Run]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.figures) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn value(run: &Run, metric: &str) -> Option<Figure> {
    run.figures
        .iter()
        .find(|(name, _)| name == metric)
        .map(|(_, figure)| *figure)
}

/// Runs whose recipes differ in nothing but the seed, one run a seed, with the spread of each figure that all of them have.
fn seeds(runs: &[&Run]) -> Vec<(Vec<String>, Vec<Spread>)> {
    let mut families: Vec<(BTreeMap<&str, &str>, Vec<&Run>)> = Vec::new();
    for run in runs {
        let recipe: BTreeMap<&str, &str> = run
            .recipe
            .iter()
            .filter(|(k, _)| !is_seed(k))
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        match families.iter_mut().find(|(other, _)| *other == recipe) {
            Some((_, members)) if members.iter().any(|other| other.seed == run.seed) => {}
            Some((_, members)) => members.push(run),
            None => families.push((recipe, vec![run])),
        }
    }
    families.retain(|(_, members)| members.len() > 1);
    families
        .into_iter()
        .map(|(_, members)| {
            let spread = |metric: String| {
                let values: Vec<f64> = members
                    .iter()
                    .map(|run| value(run, &metric).map(|f| f.value))
                    .collect::<Option<_>>()?;
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
                Some(Spread {
                    metric,
                    mean,
                    deviation,
                })
            };
            let spreads = metrics(&members).into_iter().filter_map(spread).collect();
            (members.iter().map(|run| run.name.clone()).collect(), spreads)
        })
        .collect()
}
