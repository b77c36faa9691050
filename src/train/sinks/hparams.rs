//! The messages of TensorBoard's hparams table: what every run was set to, and the figures to judge it by.

use std::collections::BTreeMap;

use protobuf::RepeatedField;
use protobuf::well_known_types::Value as ProtoValue;
use serde_json::Value;
use tensorboard_proto::api::{DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};

use super::Outcome;

/// A setting as the table can hold it.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A switch.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text; lists are written as JSON.
    Text(String),
}

/// Settings by dotted name. Inner maps are flattened, nulls are left out, lists become texts.
pub fn flatten(settings: &Value) -> BTreeMap<String, Setting> {
    let mut flat = BTreeMap::new();
    // A stack of its own: depth comes from a file.
    let mut open = vec![(String::new(), settings)];
    while let Some((name, value)) = open.pop() {
        let setting = match value {
            Value::Object(map) => {
                let inner = |key: &String| {
                    if name.is_empty() {
                        key.clone()
                    } else {
                        format!("{name}.{key}")
                    }
                };
                open.extend(map.iter().map(|(key, value)| (inner(key), value)));
                continue;
            }
            Value::Null => continue,
            Value::Bool(b) => Setting::Bool(*b),
            Value::Number(n) => n
                .as_f64()
                .map_or_else(|| Setting::Text(n.to_string()), Setting::Number),
            Value::String(s) => Setting::Text(s.clone()),
            Value::Array(_) => Setting::Text(value.to_string()),
        };
        flat.insert(name, setting);
    }
    flat
}

/// The columns of the table.
pub fn experiment(settings: &BTreeMap<String, Setting>, metrics: &[String], now: f64) -> HParamsPluginData {
    let columns = settings.iter().map(|(name, setting)| {
        let mut info = HParamInfo::new();
        info.set_name(name.clone());
        info.set_field_type(match setting {
            Setting::Bool(_) => DataType::DATA_TYPE_BOOL,
            Setting::Number(_) => DataType::DATA_TYPE_FLOAT64,
            Setting::Text(_) => DataType::DATA_TYPE_STRING,
        });
        info
    });
    let figures = metrics.iter().map(|tag| {
        let mut name = MetricName::new();
        name.set_tag(tag.clone());
        let mut info = MetricInfo::new();
        info.set_name(name);
        info
    });
    let mut experiment = Experiment::new();
    experiment.set_time_created_secs(now);
    experiment.hparam_infos = RepeatedField::from_vec(columns.collect());
    experiment.metric_infos = RepeatedField::from_vec(figures.collect());
    let mut data = HParamsPluginData::new();
    data.set_experiment(experiment);
    data
}

/// A row of the table: one run.
pub fn session_start(settings: &BTreeMap<String, Setting>, now: f64) -> HParamsPluginData {
    let mut start = SessionStartInfo::new();
    start.set_start_time_secs(now);
    for (name, setting) in settings {
        let mut value = ProtoValue::new();
        match setting {
            Setting::Bool(b) => value.set_bool_value(*b),
            Setting::Number(n) => value.set_number_value(*n),
            Setting::Text(s) => value.set_string_value(s.clone()),
        }
        start.hparams.insert(name.clone(), value);
    }
    let mut data = HParamsPluginData::new();
    data.set_session_start_info(start);
    data
}

/// How the run ended. One that was interrupted counts as running, because it may go on.
pub fn session_end(outcome: Outcome, now: f64) -> HParamsPluginData {
    let mut end = SessionEndInfo::new();
    end.set_status(match outcome {
        Outcome::Finished => Status::STATUS_SUCCESS,
        Outcome::Interrupted => Status::STATUS_RUNNING,
        Outcome::Failed => Status::STATUS_FAILURE,
    });
    end.set_end_time_secs(now);
    let mut data = HParamsPluginData::new();
    data.set_session_end_info(end);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_flattened() {
        let flat = flatten(&json!({"a": {"b": 1, "c": null, "d": [1, 2]}, "e": "x", "f": false}));
        let expected = [
            ("a.b", Setting::Number(1.0)),
            ("a.d", Setting::Text("[1,2]".into())),
            ("e", Setting::Text("x".into())),
            ("f", Setting::Bool(false)),
        ];
        assert_eq!(flat, expected.map(|(n, s)| (n.to_string(), s)).into());
    }
}
