//! The tab-separated files that detectors' region features were published in, as one array.
//!
//! A line is an image: `image_id, image_w, image_h, num_boxes, boxes, features`, the last two as base64 of little-endian float32. The
//! lines are read twice, once to find them and once in the order of the array, because all of them may not fit in memory.

use super::{PairError, npy_header};
use crate::files::{FileError, write_whole};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The longest line that is read: 100 regions of 2,048 numbers take about 1.1 MB.
const LONGEST: u64 = 64 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stacked {
    /// Images, regions, length of a region's vector.
    pub shape: [usize; 3],
    /// Lines whose image came again later, which then counted.
    pub repeated: usize,
    /// Images of the files that the list does not name.
    pub unlisted: usize,
}

/// Where the line of an image begins.
#[derive(Clone, Copy)]
struct Place {
    file: usize,
    start: u64,
    line: usize,
}

/// Writes the features of `files` as `[images, regions, dim]` to `out`: in the order of `ids`, else in that of the files. Also gives
/// the ids in the array's order.
pub fn stack(
    files: &[PathBuf],
    ids: Option<&[String]>,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Stacked, Vec<String>), PairError> {
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    let (mut order, mut repeated) = (Vec::new(), 0);
    for (file, path) in files.iter().enumerate() {
        find(path, |id, start, line| {
            let place = Place { file, start, line };
            match places.insert(id.clone(), place) {
                Some(_) => repeated += 1,
                None => order.push(id),
            }
        })?;
    }
    let found = order.len();
    let order = match ids {
        Some(ids) => ids.to_vec(),
        None => order,
    };
    if let Some(missing) = order.iter().find(|id| !places.contains_key(*id)) {
        return Err(PairError::NoRegions {
            id: missing.clone(),
            files: files.len(),
            images: found,
        });
    }
    let listed: std::collections::BTreeSet<&String> = order.iter().collect();
    let unlisted = found - listed.len();
    let Some(first) = order.first() else {
        return Err(PairError::Regions {
            path: files.first().cloned().unwrap_or_default(),
            line: 1,
            problem: "there is no image".into(),
        });
    };
    let mut readers = Vec::new();
    for path in files {
        let file = File::open(path).map_err(|e| FileError::new("read", path, e))?;
        readers.push(BufReader::new(file));
    }
    let mut read = |id: &String| -> Result<(usize, Vec<f32>, Place), PairError> {
        let place = places[id];
        let (regions, values) = regions(&mut readers[place.file], &files[place.file], place)?;
        Ok((regions, values, place))
    };
    let (regions, values, _) = read(first)?;
    let dim = values.len() / regions;
    let mut failed = None;
    let written = write_whole(out, |file| {
        file.write_all(&npy_header([order.len(), regions, dim]))?;
        for (row, id) in order.iter().enumerate() {
            let fault = match read(id) {
                Ok((own, values, _)) if own == regions && values.len() == regions * dim => {
                    for value in values {
                        file.write_all(&value.to_le_bytes())?;
                    }
                    progress(row + 1, order.len());
                    continue;
                }
                Ok((own, values, place)) => PairError::Regions {
                    path: files[place.file].clone(),
                    line: place.line,
                    problem: format!(
                        "image {id} has {own} regions of {} numbers, the first has {regions} of {dim}",
                        values.len() / own
                    ),
                },
                Err(fault) => fault,
            };
            failed = Some(fault);
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    });
    match (failed, written) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => {
            let shape = [order.len(), regions, dim];
            let stacked = Stacked {
                shape,
                repeated,
                unlisted,
            };
            Ok((stacked, order))
        }
    }
}

/// Calls `each` with the id, the first byte and the number (from 1) of every line.
fn find(path: &Path, mut each: impl FnMut(String, u64, usize)) -> Result<(), PairError> {
    let io = |e| FileError::new("read", path, e);
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
    let (mut start, mut number) = (0u64, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(io)? as u64;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let refuse = |problem: String| PairError::Regions {
            path: path.to_owned(),
            line: number,
            problem,
        };
        if read == LONGEST {
            return Err(refuse(format!("it is longer than {LONGEST} bytes")));
        }
        if !line.trim_ascii().is_empty() {
            let columns = line.split(|&byte| byte == b'\t').count();
            if columns != 6 {
                return Err(refuse(format!("it has {columns} columns, not 6")));
            }
            let id = line.split(|&byte| byte == b'\t').next().unwrap_or_default();
            let id = std::str::from_utf8(id).map_err(|_| refuse("the image's id is no UTF-8".into()))?;
            each(id.trim().to_string(), start, number);
        }
        start += read;
    }
}

/// The number of regions of a line, and their features.
fn regions(reader: &mut BufReader<File>, path: &Path, place: Place) -> Result<(usize, Vec<f32>), PairError> {
    let io = |e| FileError::new("read", path, e);
    let refuse = |problem: String| PairError::Regions {
        path: path.to_owned(),
        line: place.line,
        problem,
    };
    reader.seek(SeekFrom::Start(place.start)).map_err(io)?;
    let mut line = Vec::new();
    reader.take(LONGEST).read_until(b'\n', &mut line).map_err(io)?;
    let columns: Vec<&[u8]> = line.trim_ascii_end().split(|&byte| byte == b'\t').collect();
    let [_, _, _, count, _, features] = columns[..] else {
        return Err(refuse("the file changed while it was read".into()));
    };
    let count: usize = std::str::from_utf8(count)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|&count| count > 0)
        .ok_or_else(|| {
            refuse(format!(
                "num_boxes is {:?}, not a number from 1",
                String::from_utf8_lossy(count)
            ))
        })?;
    let bytes = BASE64_STANDARD
        .decode(features)
        .map_err(|_| refuse("its features are not base64".into()))?;
    if bytes.is_empty() || bytes.len() % (4 * count) != 0 {
        return Err(refuse(format!(
            "{} bytes of features are not {count} regions of float32",
            bytes.len()
        )));
    }
    let (values, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok((count, values)),
        false => Err(refuse("its features hold a value that is not finite".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pairs::Features;

    fn line(id: &str, regions: usize, values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let boxes = BASE64_STANDARD.encode(vec![0; regions * 16]);
        format!(
            "{id}\t640\t480\t{regions}\t{boxes}\t{}\n",
            BASE64_STANDARD.encode(&bytes)
        )
    }

    fn run(text: &str, ids: Option<&[&str]>) -> Result<(Stacked, Vec<String>, Vec<f32>), PairError> {
        let folder = tempfile::tempdir().unwrap();
        let (tsv, out) = (folder.path().join("a.tsv"), folder.path().join("train_ims.npy"));
        std::fs::write(&tsv, text).unwrap();
        let ids: Option<Vec<String>> = ids.map(|ids| ids.iter().map(|id| id.to_string()).collect());
        let (stacked, order) = stack(&[tsv], ids.as_deref(), &out, &mut |_, _| {})?;
        let features = Features::open(&out)?;
        assert_eq!(features.shape(), stacked.shape);
        let [rows, regions, dim] = stacked.shape;
        let mut values = vec![0.0; rows * regions * dim];
        for (row, to) in values.chunks_exact_mut(regions * dim).enumerate() {
            features.read(row, to)?;
        }
        Ok((stacked, order, values))
    }

    #[test]
    fn lines_become_rows_in_the_order_of_the_list() {
        let text = [
            line("a", 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            line("b", 2, &[7.0; 6]),
            line("a", 2, &[9.0, 2.0, 3.0, 4.0, 5.0, 6.5]),
            line("c", 2, &[0.5; 6]),
        ]
        .concat();
        let (stacked, order, values) = run(&text, Some(&["b", "a"])).unwrap();
        assert_eq!(
            (stacked.shape, stacked.repeated, stacked.unlisted),
            ([2, 2, 3], 1, 1)
        );
        assert_eq!(order, ["b", "a"]);
        // The later of two lines counts.
        assert_eq!(values[..7], [7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 9.0]);
        let (stacked, order, _) = run(&text, None).unwrap();
        assert_eq!(
            (stacked.shape[0], order),
            (3, vec!["a".into(), "b".into(), "c".into()])
        );
    }

    #[test]
    fn broken_lines_are_named() {
        let good = line("a", 1, &[1.0, 2.0]);
        let error = |text: &str, ids: Option<&[&str]>| run(text, ids).unwrap_err().to_string();
        for (text, expected) in [
            (format!("{good}b\t1\n"), "line 2: it has 2 columns"),
            (good.replace("\t1\t", "\tx\t"), "num_boxes is \"x\""),
            (good.replace("\t1\t", "\t3\t"), "not 3 regions"),
            (good.replace("AACAPwAAAEA=", "AACAPw!AAEA="), "not base64"),
            (
                format!("{good}{}", line("b", 2, &[1.0; 4])),
                "image b has 2 regions of 2 numbers",
            ),
            (line("a", 1, &[f32::NAN]), "not finite"),
            (String::new(), "no image"),
        ] {
            let found = error(&text, None);
            assert!(found.contains(expected), "{expected}: {found}");
        }
        assert!(error(&good, Some(&["z"])).contains("image z"));
    }
}
