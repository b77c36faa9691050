//! `metrics.jsonl`: every figure, one JSON object a line, exact to the last bit.
//!
//! `{"step":20,"epoch":0.5,"split":"train","loss":1.25,…}`. Numbers are written with the fewest digits that read back as the same
//! 64-bit float; figures that are not finite are the strings `"NaN"`, `"inf"` and `"-inf"`. Lines carry no time of day: lines of
//! the splits train, valid and test are the same bytes whenever and however often interrupted the run was; what depends on the
//! clock stands on lines of the split `system`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Entry, EntrySplit, Log, Offsets, Sink, SinkError};
use crate::files;

/// The file's name in the run folder.
pub const FILE: &str = "metrics.jsonl";

/// Writes `metrics.jsonl`.
#[derive(Debug)]
pub struct Jsonl {
    log: Log,
}

impl Jsonl {
    /// Starts the record of a new run.
    pub fn create(run_folder: &Path) -> Result<Self, SinkError> {
        Ok(Self {
            log: Log::create(&run_folder.join(FILE))?,
        })
    }

    /// Goes on with the record of a run as it was when the checkpoint with these offsets was saved.
    pub fn resume(run_folder: &Path, offsets: &Offsets) -> Result<Self, SinkError> {
        let offset = offsets.0.get(FILE).ok_or_else(|| SinkError::NoOffset {
            name: FILE.to_string(),
        })?;
        Ok(Self {
            log: Log::open_at(&run_folder.join(FILE), *offset)?,
        })
    }
}

impl Sink for Jsonl {
    fn scalars(&mut self, entry: &Entry) -> Result<(), SinkError> {
        let line = to_line(entry)?;
        self.log.append(line.as_bytes())
    }

    fn sync(&mut self) -> Result<Offsets, SinkError> {
        let length = self.log.sync()?;
        Ok(Offsets([(FILE.to_string(), length)].into()))
    }
}

fn to_line(entry: &Entry) -> Result<String, SinkError> {
    let split = entry.split.name();
    let mut object = Map::new();
    object.insert("step".into(), entry.step.into());
    object.insert("epoch".into(), number(entry.epoch));
    object.insert("split".into(), split.into());
    for (name, value) in entry.values {
        if object.insert(name.clone(), number(*value)).is_some() {
            return Err(SinkError::TakenName {
                name: name.clone(),
                step: entry.step,
                split,
            });
        }
    }
    let mut line = Value::Object(object).to_string();
    line.push('\n');
    Ok(line)
}

/// A float as JSON: finite ones as numbers, others as the strings `NaN`, `inf`, `-inf`.
pub fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

/// A float from what [`number`] wrote.
pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) if matches!(s.as_str(), "NaN" | "inf" | "-inf") => s.parse().ok(),
        _ => None,
    }
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Optimiser steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: f64,
    /// What the figures were measured on.
    pub split: EntrySplit,
    /// Names and figures, in the order of the file.
    pub values: Vec<(String, f64)>,
}

/// Reads `metrics.jsonl`. A last line without its end, as a killed process leaves it, is ignored.
pub fn read(path: &Path) -> Result<Vec<Line>, SinkError> {
    let text = files::read_text(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            from_line(line).map_err(|problem| SinkError::Line {
                path: path.to_owned(),
                line: index + 1,
                problem,
            })
        })
        .collect()
}

fn from_line(line: &str) -> Result<Line, String> {
    let mut object: Map<String, Value> =
        serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let mut field = |name: &str| {
        object
            .shift_remove(name)
            .ok_or_else(|| format!("`{name}` is missing"))
    };
    let step = field("step")?.as_u64().ok_or("`step` is not a whole number")?;
    let epoch = as_number(&field("epoch")?).ok_or("`epoch` is not a number")?;
    let split = serde_json::from_value(field("split")?).map_err(|e| format!("`split`: {e}"))?;
    let values = object
        .into_iter()
        .map(|(name, value)| match as_number(&value) {
            Some(value) => Ok((name, value)),
            None => Err(format!("`{name}` is {value}, not a number")),
        })
        .collect::<Result<_, _>>()?;
    Ok(Line {
        step,
        epoch,
        split,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
        pairs.iter().map(|(n, v)| (n.to_string(), *v)).collect()
    }

    fn write(sink: &mut Jsonl, step: u64, pairs: &[(&str, f64)]) -> Result<(), SinkError> {
        let values = values(pairs);
        sink.scalars(&Entry {
            step,
            epoch: step as f64 / 3.0,
            split: EntrySplit::Train,
            values: &values,
            wall: 1e9,
        })
    }

    #[test]
    fn lines_are_exact_and_carry_no_clock() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Jsonl::create(folder.path()).unwrap();
        write(
            &mut sink,
            3,
            &[("loss", 0.1 + 0.2), ("lr/base", 1e-7), ("tiny", 5e-324)],
        )
        .unwrap();
        write(
            &mut sink,
            4,
            &[
                ("a", f64::NAN),
                ("b", f64::INFINITY),
                ("c", f64::NEG_INFINITY),
                ("d", -0.0),
            ],
        )
        .unwrap();
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\"step\":3,\"epoch\":1.0,\"split\":\"train\",\"loss\":0.30000000000000004,\"lr/base\":1e-7,\"tiny\":5e-324}\n\
             {\"step\":4,\"epoch\":1.3333333333333333,\"split\":\"train\",\"a\":\"NaN\",\"b\":\"inf\",\"c\":\"-inf\",\"d\":-0.0}\n"
        );
        let lines = read(&path).unwrap();
        assert_eq!(lines[0].values[0].1.to_bits(), (0.1f64 + 0.2).to_bits());
        assert_eq!(lines[1].epoch.to_bits(), (4.0f64 / 3.0).to_bits());
        assert!(lines[1].values[0].1.is_nan());
        assert_eq!(lines[1].values[2].1, f64::NEG_INFINITY);
        assert!(lines[1].values[3].1.is_sign_negative());
    }

    #[test]
    fn a_resumed_record_equals_an_uninterrupted_one() {
        let record = |stop: bool| {
            let folder = tempfile::tempdir().unwrap();
            let mut sink = Jsonl::create(folder.path()).unwrap();
            write(&mut sink, 1, &[("loss", 3.0)]).unwrap();
            let offsets = sink.sync().unwrap();
            if stop {
                write(&mut sink, 2, &[("loss", 2.0)]).unwrap();
                sink.log.append(b"{\"step\":3,\"ep").unwrap();
                drop(sink);
                assert_eq!(read(&folder.path().join(FILE)).unwrap().len(), 2);
                sink = Jsonl::resume(folder.path(), &offsets).unwrap();
            }
            write(&mut sink, 2, &[("loss", 2.0)]).unwrap();
            std::fs::read(folder.path().join(FILE)).unwrap()
        };
        assert_eq!(record(true), record(false));
        let missing = Jsonl::resume(Path::new("nowhere"), &Offsets::default()).unwrap_err();
        assert!(missing.to_string().contains(FILE));
    }

    #[test]
    fn taken_names_and_damaged_lines_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Jsonl::create(folder.path()).unwrap();
        for pairs in [&[("step", 1.0)][..], &[("loss", 1.0), ("loss", 2.0)]] {
            assert!(matches!(
                write(&mut sink, 9, pairs),
                Err(SinkError::TakenName { step: 9, .. })
            ));
        }
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        let good = "{\"step\":1,\"epoch\":1,\"split\":\"valid\",\"x\":1}\n";
        for (bad, word) in [
            ("[1]", "JSON object"),
            ("{\"epoch\":1,\"split\":\"valid\"}", "`step`"),
            ("{\"step\":1,\"epoch\":1,\"split\":\"vald\"}", "vald"),
            ("{\"step\":1,\"epoch\":1,\"split\":\"valid\",\"x\":[]}", "`x`"),
        ] {
            std::fs::write(&path, format!("{good}{bad}\n")).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("line 2") && message.contains(word), "{message}");
        }
    }
}
