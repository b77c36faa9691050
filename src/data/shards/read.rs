//! Samples of shards as rows of a table.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::index::{Member, index};
use super::pattern::expand;
use crate::data::error::{DataError, Problem, Problems};
use crate::data::native::columns::{ID, IMAGE, IS_GALLERY, IS_QUERY, LABEL, SPLIT, TEXT};
use crate::data::native::jsonl;
use crate::data::native::rows::{Place, Rows};
use crate::data::table::{ImageRef, Table, counted};

/// Extensions of the formats that are decoded.
const IMAGES: [&str; 10] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff",
];
/// The most bytes of a sample's words.
const MAX_WORDS: u64 = 4 << 20;

/// Reads the shards that a text names: a folder, a file, or a pattern with `*`, `?`, `{000000..000012}` or `{train,test}`.
///
/// A sample's id is that of its JSON, else `SHARD.tar/KEY`; its label that of its JSON, else its `.cls`; its text that of its JSON,
/// else its `.txt`. Where no JSON says a split, a shard's name may (`train-000000.tar`; also valid, test, query, gallery).
pub fn read(shards: &str) -> Result<Table, DataError> {
    let paths = expand(shards)?;
    let mut read = Read {
        rows: Rows::default(),
        extra_index: HashMap::new(),
        images: HashMap::new(),
        others: 0,
        unread: Vec::new(),
        several: 0,
    };
    for path in &paths {
        read.shard(path)?;
    }
    let Read {
        mut rows,
        images,
        others,
        unread,
        several,
        ..
    } = read;
    if others > 0 {
        let entries = counted(others, "entry is a link", "entries are links");
        rows.notes
            .push(format!("{entries} or another thing that is no file: not read"));
    }
    if several > 0 {
        let samples = counted(several, "sample has", "samples have");
        rows.notes
            .push(format!("{samples} several pictures: the first is taken"));
    }
    if !unread.is_empty() {
        let more = if unread.len() > 5 { ", …" } else { "" };
        rows.notes.push(format!(
            "members that are neither picture, json, cls nor txt were not read: {}{more}",
            unread[..unread.len().min(5)].join(", ")
        ));
    }
    let count = counted(paths.len(), "shard", "shards");
    rows.notes.push(format!("read in place from {count}"));
    // Words that could not be read are the reason why no label was found.
    if rows.problems.count() > 0 && !rows.present[LABEL] {
        std::mem::take(&mut rows.problems).into_result(Path::new(shards))?;
    }
    let resolve = |name: &str| {
        images
            .get(name)
            .cloned()
            .ok_or_else(|| ("is not in the shards".to_string(), String::new()))
    };
    let first = paths
        .first()
        .map(|path| path.as_path())
        .unwrap_or(Path::new(shards));
    let name = first
        .parent()
        .and_then(Path::file_name)
        .map_or("shards".into(), |name| name.to_string_lossy().into_owned());
    crate::data::native::finish(name, Path::new(shards), None, rows, &resolve)
}

struct Read {
    rows: Rows,
    extra_index: HashMap<String, usize>,
    images: HashMap<String, ImageRef>,
    others: usize,
    /// Extensions that mean nothing here.
    unread: Vec<String>,
    several: usize,
}

/// The members of one key.
#[derive(Default)]
struct Sample<'a> {
    image: Option<&'a Member>,
    json: Option<&'a Member>,
    class: Option<&'a Member>,
    text: Option<&'a Member>,
}

impl Read {
    fn shard(&mut self, path: &Path) -> Result<(), DataError> {
        let (members, others) = index(path)?;
        self.others += others;
        let shard = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let archive: Arc<Path> = path.into();
        let role = role(&shard);
        for group in members.chunk_by(|a, b| parts(&a.name).0 == parts(&b.name).0) {
            let key = parts(&group[0].name).0;
            let mut sample = Sample::default();
            for member in group {
                let extension = parts(&member.name).1.to_lowercase();
                let last = extension.rsplit('.').next().unwrap_or_default();
                match last {
                    "json" => sample.json = sample.json.or(Some(member)),
                    "cls" => sample.class = sample.class.or(Some(member)),
                    "txt" => sample.text = sample.text.or(Some(member)),
                    _ if IMAGES.contains(&last) => match sample.image {
                        None => sample.image = Some(member),
                        Some(_) => self.several += 1,
                    },
                    _ if !self.unread.contains(&extension) => self.unread.push(extension),
                    _ => {}
                }
            }
            self.sample(&archive, &shard, key, &sample, role)?;
        }
        Ok(())
    }

    fn sample(
        &mut self,
        archive: &Arc<Path>,
        shard: &str,
        key: &str,
        sample: &Sample,
        role: Option<[&str; 3]>,
    ) -> Result<(), DataError> {
        let name = format!("{shard}/{key}");
        let Some(image) = sample.image else {
            // Files that belong to the archive, not to a sample.
            if sample.json.is_some() || sample.class.is_some() {
                let remedy = "write the picture beside its words, under the same key";
                complain(&mut self.rows.problems, &name, "has no picture", remedy);
            }
            return Ok(());
        };
        let complaints = self.rows.problems.count();
        let mut words = |member: Option<&Member>| -> Result<Option<String>, DataError> {
            let Some(member) = member else { return Ok(None) };
            if member.length > MAX_WORDS {
                let message = format!(
                    "{} has {} bytes; the limit is {MAX_WORDS}",
                    member.name, member.length
                );
                complain(&mut self.rows.problems, &name, &message, "shorten it");
                return Ok(None);
            }
            let bytes = crate::files::read_part(archive, member.offset, member.length)?;
            let text = String::from_utf8(bytes);
            if text.is_err() {
                let message = format!("{} is not UTF-8", member.name);
                complain(&mut self.rows.problems, &name, &message, "write text as UTF-8");
            }
            Ok(text.ok())
        };
        let (json, class, text) = (words(sample.json)?, words(sample.class)?, words(sample.text)?);
        if self.rows.problems.count() > complaints {
            return Ok(());
        }
        let mut object: Map<String, Value> = Map::new();
        if let Some(json) = json {
            match serde_json::from_str(&json) {
                Ok(found) => object = found,
                Err(error) => {
                    let message = format!("{key}.json is not a JSON object: {error}");
                    let remedy = "write one object: {\"label\": \"1\", \"split\": \"train\"}";
                    complain(&mut self.rows.problems, &name, &message, remedy);
                    return Ok(());
                }
            }
        }
        let place = Place::Sample(name.clone());
        let mut raw = jsonl::raw(place, object, &mut self.rows, &mut self.extra_index);
        let image_name = format!("{shard}/{}", image.name);
        let slice = ImageRef::Slice {
            archive: archive.clone(),
            offset: image.offset,
            length: image.length,
            name: image_name.clone(),
        };
        if self.images.insert(image_name.clone(), slice).is_some() {
            let remedy = "shards need names of their own, and keys once in a shard";
            complain(&mut self.rows.problems, &name, "stands there twice", remedy);
            return Ok(());
        }
        raw.cells[IMAGE] = Some(image_name);
        let role = role.filter(|_| raw.cells[SPLIT].is_none());
        let mut fill = |column: usize, value: Option<String>| {
            if raw.cells[column].is_none() {
                raw.cells[column] = value;
            }
            self.rows.present[column] |= raw.cells[column].is_some();
        };
        fill(IMAGE, None);
        fill(ID, Some(name));
        fill(LABEL, class.map(|class| class.trim().to_string()));
        fill(TEXT, text.filter(|text| !text.is_empty()));
        if let Some([split, is_query, is_gallery]) = role {
            fill(SPLIT, Some(split.into()));
            fill(IS_QUERY, Some(is_query.into()));
            fill(IS_GALLERY, Some(is_gallery.into()));
        }
        self.rows.rows.push(raw);
        Ok(())
    }
}

fn complain(problems: &mut Problems, place: &str, message: &str, remedy: &str) {
    problems.push(Problem {
        place: place.into(),
        column: None,
        value: None,
        message: message.into(),
        remedy: remedy.into(),
    });
}

/// `a/b.c/0001.left.jpg` → (`a/b.c/0001`, `left.jpg`): the key ends at the first dot of the file's name.
fn parts(name: &str) -> (&str, &str) {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[start..].find('.') {
        Some(dot) => (&name[..start + dot], &name[start + dot + 1..]),
        None => (name, ""),
    }
}

/// What a shard's name says of its samples: split, is_query, is_gallery.
fn role(shard: &str) -> Option<[&'static str; 3]> {
    let stem = shard.strip_suffix(".tar").unwrap_or(shard).to_ascii_lowercase();
    Some(
        match stem.trim_end_matches(|c: char| c.is_ascii_digit() || "-_.".contains(c)) {
            "train" => ["train", "false", "false"],
            "val" | "valid" | "validation" => ["valid", "true", "true"],
            "test" => ["test", "true", "true"],
            "query" => ["test", "true", "false"],
            "gallery" => ["test", "false", "true"],
            _ => return None,
        },
    )
}
