//! TensorBoard: one event file in `<run>/events/`, with scalars, histograms, texts, pictures and the hparams table.
//!
//! Messages are those of the `tensorboard-proto` crate, framed by `tensorboard-rs`'s record writer and appended record by record, so
//! that a full disk is an error. `tensorboard --logdir checkpoints` shows all runs side by side.
//!
//! Resuming cuts the file back. A TensorBoard page that was open meanwhile must be started again: it keeps its place in the file.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use image::ImageEncoder;
use protobuf::{Message, RepeatedField};
use serde_json::Value;
use tensorboard_proto::event::Event;
use tensorboard_proto::plugin_hparams::HParamsPluginData;
use tensorboard_proto::summary::{
    HistogramProto, Summary, Summary_Image, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData,
};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;

use super::{Entry, Histogram, Log, Offsets, Outcome, Sink, SinkError, hparams};
use crate::files::FileError;

/// The folder of event files in the run folder.
pub const FOLDER: &str = "events";
const STEM: &str = "events.out.tfevents.";

/// Writes the event file of a run.
#[derive(Debug)]
pub struct TensorBoard {
    log: Log,
    name: String,
}

impl TensorBoard {
    /// Starts the event file of a new run.
    pub fn create(run_folder: &Path) -> Result<Self, SinkError> {
        // TensorBoard takes any file with `tfevents` in its name; writers put the time next.
        let file = format!("{STEM}{:010}.tailor", now() as u64);
        let log = Log::create(&run_folder.join(FOLDER).join(&file))?;
        let mut sink = Self {
            log,
            name: format!("{FOLDER}/{file}"),
        };
        let mut version = Event::new();
        version.set_wall_time(now());
        version.set_file_version("brain.Event:2".to_string());
        sink.append("file version", &version)?;
        Ok(sink)
    }

    /// Goes on with the event file as it was when the checkpoint with these offsets was saved.
    pub fn resume(run_folder: &Path, offsets: &Offsets) -> Result<Self, SinkError> {
        let prefix = format!("{FOLDER}/{STEM}");
        // The name comes from a checkpoint, which is not trusted: it must stay in the folder.
        let found = offsets.0.iter().find(|(name, _)| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'))
        });
        let (name, offset) = found.ok_or_else(|| SinkError::NoOffset {
            name: format!("{prefix}*"),
        })?;
        Ok(Self {
            log: Log::open_at(&run_folder.join(name), *offset)?,
            name: name.clone(),
        })
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        self.log.path()
    }

    fn append(&mut self, tag: &str, event: &Event) -> Result<(), SinkError> {
        let fail = |problem: String| SinkError::Encode {
            tag: tag.to_string(),
            problem,
        };
        let bytes = event.write_to_bytes().map_err(|e| fail(e.to_string()))?;
        let mut record = Vec::with_capacity(bytes.len() + 16);
        RecordWriter::new(&mut record)
            .write(&bytes)
            .map_err(|e| fail(e.to_string()))?;
        self.log.append(&record)
    }

    fn summary(&mut self, step: u64, wall: f64, values: Vec<Summary_Value>) -> Result<(), SinkError> {
        let Some(first) = values.first() else {
            return Ok(());
        };
        let tag = first.tag.clone();
        let mut summary = Summary::new();
        summary.value = RepeatedField::from_vec(values);
        let mut event = Event::new();
        event.set_wall_time(wall);
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event.set_summary(summary);
        self.append(&tag, &event)
    }

    fn hparams_summary(&mut self, tag: &str, data: &HParamsPluginData) -> Result<(), SinkError> {
        let content = data.write_to_bytes().map_err(|e| SinkError::Encode {
            tag: tag.to_string(),
            problem: e.to_string(),
        })?;
        let mut value = tagged(tag);
        value.set_metadata(plugin("hparams", content));
        // The content is all in the metadata; readers still ask for a tensor.
        let mut nothing = TensorProto::new();
        nothing.dtype = DataType::DT_FLOAT;
        nothing.float_val = vec![0.0];
        nothing.mut_tensor_shape();
        value.set_tensor(nothing);
        self.summary(0, now(), vec![value])
    }
}

/// The tag of a figure: `train/loss`, `valid/recall@1`, `system/memory_mib`; learning rates keep their own group, `lr/backbone`.
pub fn scalar_tag(split: super::EntrySplit, name: &str) -> String {
    if name.starts_with("lr/") {
        name.to_string()
    } else {
        format!("{}/{name}", split.name())
    }
}

impl Sink for TensorBoard {
    fn scalars(&mut self, entry: &Entry) -> Result<(), SinkError> {
        let mut values = Vec::with_capacity(entry.values.len() + 1);
        for (name, figure) in entry.values {
            let mut value = tagged(&scalar_tag(entry.split, name));
            value.set_simple_value(*figure as f32);
            values.push(value);
        }
        self.summary(entry.step, entry.wall, values)
    }

    fn histogram(&mut self, step: u64, tag: &str, histogram: &Histogram) -> Result<(), SinkError> {
        let mut proto = HistogramProto::new();
        proto.min = histogram.min;
        proto.max = histogram.max;
        proto.num = histogram.num as f64;
        proto.sum = histogram.sum;
        proto.sum_squares = histogram.sum_squares;
        proto.bucket_limit = histogram.limits.clone();
        proto.bucket = histogram.counts.iter().map(|c| *c as f64).collect();
        let mut value = tagged(tag);
        value.set_histo(proto);
        self.summary(step, now(), vec![value])
    }

    fn text(&mut self, step: u64, tag: &str, markdown: &str) -> Result<(), SinkError> {
        let mut tensor = TensorProto::new();
        tensor.dtype = DataType::DT_STRING;
        tensor.string_val = RepeatedField::from_vec(vec![markdown.as_bytes().to_vec()]);
        tensor.mut_tensor_shape();
        let mut value = tagged(tag);
        // The plugin's own message holds only its version, 0, and so is empty.
        value.set_metadata(plugin("text", Vec::new()));
        value.set_tensor(tensor);
        self.summary(step, now(), vec![value])
    }

    fn image(&mut self, step: u64, tag: &str, width: u32, height: u32, rgb: &[u8]) -> Result<(), SinkError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || expected != rgb.len() as u64 {
            return Err(SinkError::ImageSize {
                tag: tag.to_string(),
                width,
                height,
                expected,
                actual: rgb.len(),
            });
        }
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(rgb, width, height, image::ExtendedColorType::Rgb8)
            .map_err(|e| SinkError::Encode {
                tag: tag.to_string(),
                problem: e.to_string(),
            })?;
        let mut proto = Summary_Image::new();
        proto.height = i32::try_from(height).unwrap_or(i32::MAX);
        proto.width = i32::try_from(width).unwrap_or(i32::MAX);
        proto.colorspace = 3; // RGB
        proto.encoded_image_string = png;
        let mut value = tagged(tag);
        value.set_image(proto);
        self.summary(step, now(), vec![value])
    }

    fn hparams(&mut self, settings: &Value, metrics: &[String]) -> Result<(), SinkError> {
        let settings = hparams::flatten(settings);
        // TensorBoard takes the table's columns from the first such message that it finds among the runs shown together, and without
        // any from all runs.
        if !metrics.is_empty() {
            let columns = hparams::experiment(&settings, metrics, now());
            self.hparams_summary("_hparams_/experiment", &columns)?;
        }
        self.hparams_summary(
            "_hparams_/session_start_info",
            &hparams::session_start(&settings, now()),
        )
    }

    fn finish(&mut self, outcome: Outcome) -> Result<(), SinkError> {
        self.hparams_summary(
            "_hparams_/session_end_info",
            &hparams::session_end(outcome, now()),
        )
    }

    fn sync(&mut self) -> Result<Offsets, SinkError> {
        let length = self.log.sync()?;
        Ok(Offsets([(self.name.clone(), length)].into()))
    }
}

/// The event files of a run folder, oldest first.
pub fn event_files(run_folder: &Path) -> Result<Vec<std::path::PathBuf>, SinkError> {
    let folder = run_folder.join(FOLDER);
    let fail = |e| FileError::new("list", &folder, e);
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name().to_string_lossy().contains("tfevents") {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn tagged(tag: &str) -> Summary_Value {
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_string());
    value
}

fn plugin(name: &str, content: Vec<u8>) -> SummaryMetadata {
    let mut data = SummaryMetadata_PluginData::new();
    data.set_plugin_name(name.to_string());
    data.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(data);
    metadata
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::EntrySplit;
    use super::*;
    use serde_json::json;
    use tensorboard_proto::plugin_hparams::HParamsPluginData_oneof_data as Data;
    use tensorboard_proto::summary::Summary_Value_oneof_value as Kind;
    use tensorboard_rs::masked_crc32c::masked_crc32c;

    /// Reads the records back, checking lengths and both checksums.
    fn events(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        let word = |b: &[u8]| u32::from_le_bytes(b.try_into().unwrap());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(word(&rest[8..12]), masked_crc32c(&rest[..8]));
            let (data, after) = rest[12..].split_at(length);
            assert_eq!(word(&after[..4]), masked_crc32c(data));
            events.push(Event::parse_from_bytes(data).unwrap());
            rest = &after[4..];
        }
        events
    }

    fn entry(split: EntrySplit, step: u64, values: &[(String, f64)]) -> Entry<'_> {
        Entry {
            step,
            epoch: 0.0,
            split,
            values,
            wall: 1_700_000_000.5,
        }
    }

    fn value(event: &Event) -> &Summary_Value {
        &event.get_summary().value[0]
    }

    #[test]
    fn every_kind_of_summary_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = TensorBoard::create(folder.path()).unwrap();
        let figures = [("loss".to_string(), 0.5), ("lr/base".to_string(), 1e-3)];
        sink.scalars(&entry(EntrySplit::Train, 20, &figures)).unwrap();
        sink.histogram(20, "weights/fc", &Histogram::new(&[0.0, 1.0]))
            .unwrap();
        sink.text(0, "recipe", "# ctl").unwrap();
        sink.image(20, "gallery", 2, 1, &[255, 0, 0, 0, 0, 255]).unwrap();
        sink.hparams(
            &json!({"lr": 0.1, "model": {"pretrained": true}}),
            &["valid/recall@1".to_string()],
        )
        .unwrap();
        sink.finish(Outcome::Finished).unwrap();
        sink.scalars(&entry(EntrySplit::Train, 21, &[])).unwrap();
        sink.hparams(&json!({"lr": 0.1}), &[]).unwrap();

        let events = events(sink.path());
        assert_eq!(events.len(), 9);
        assert_eq!(value(&events[8]).tag, "_hparams_/session_start_info");
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        assert_eq!((events[1].step, events[1].wall_time), (20, 1_700_000_000.5));
        let tags: Vec<&str> = events[1]
            .get_summary()
            .value
            .iter()
            .map(|v| v.tag.as_str())
            .collect();
        assert_eq!(tags, ["train/loss", "lr/base"]);
        assert_eq!(value(&events[1]).value, Some(Kind::simple_value(0.5)));
        let histogram = value(&events[2]).get_histo();
        assert_eq!(
            (histogram.num, histogram.sum, histogram.bucket.len()),
            (2.0, 1.0, 64)
        );
        let text = value(&events[3]);
        assert_eq!(text.get_metadata().get_plugin_data().plugin_name, "text");
        assert_eq!(text.get_tensor().string_val[0], b"# ctl");
        let picture = value(&events[4]).get_image();
        let decoded = image::load_from_memory(&picture.encoded_image_string)
            .unwrap()
            .to_rgb8();
        assert_eq!(
            (decoded.dimensions(), decoded.as_raw().as_slice()),
            ((2, 1), &[255, 0, 0, 0, 0, 255][..])
        );
        let plugin = |i: usize| {
            let metadata = value(&events[i]).get_metadata().get_plugin_data();
            assert_eq!(metadata.plugin_name, "hparams");
            HParamsPluginData::parse_from_bytes(&metadata.content)
                .unwrap()
                .data
                .unwrap()
        };
        let (Data::experiment(experiment), Data::session_start_info(start), Data::session_end_info(end)) =
            (plugin(5), plugin(6), plugin(7))
        else {
            panic!("other messages")
        };
        assert_eq!(experiment.metric_infos[0].get_name().tag, "valid/recall@1");
        assert_eq!(start.hparams["lr"].get_number_value(), 0.1);
        assert!(start.hparams["model.pretrained"].get_bool_value());
        assert_eq!(end.status, tensorboard_proto::api::Status::STATUS_SUCCESS);
    }

    #[test]
    fn a_resumed_file_goes_on_where_the_checkpoint_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = TensorBoard::create(folder.path()).unwrap();
        let figures = [("loss".to_string(), 0.5)];
        sink.scalars(&entry(EntrySplit::Train, 1, &figures)).unwrap();
        let offsets = sink.sync().unwrap();
        sink.scalars(&entry(EntrySplit::Train, 2, &figures)).unwrap();
        sink.log.append(b"torn").unwrap();
        drop(sink);
        let mut sink = TensorBoard::resume(folder.path(), &offsets).unwrap();
        sink.scalars(&entry(EntrySplit::Train, 3, &figures)).unwrap();
        let steps: Vec<i64> = events(sink.path()).iter().map(|e| e.step).collect();
        assert_eq!(steps, [0, 1, 3]);
        assert_eq!(event_files(folder.path()).unwrap(), [sink.path()]);
        for name in ["metrics.jsonl", "events/events.out.tfevents.1/../../../passwd"] {
            let offsets = Offsets([(name.to_string(), 0)].into());
            assert!(matches!(
                TensorBoard::resume(folder.path(), &offsets),
                Err(SinkError::NoOffset { .. })
            ));
        }
    }

    #[test]
    fn a_picture_of_the_wrong_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = TensorBoard::create(folder.path()).unwrap();
        for (width, height, bytes) in [(2, 2, 11), (0, 1, 0), (u32::MAX, u32::MAX, 12)] {
            let error = sink.image(0, "x", width, height, &vec![0; bytes]).unwrap_err();
            assert!(matches!(error, SinkError::ImageSize { .. }), "{error}");
        }
    }
}
