//! Features that are computed once: a NumPy array in a folder that is named by everything it depends on.
//!
//! `<folder>/<key>/ims.npy` is written whole or not at all, then `ims.json` with its size and hash. An array without that file is an
//! interrupted one and is made again; one of another size or hash is damaged and is made again, which is said.

use crate::data::feed::FeedError;
use crate::data::pairs::{PairError, npy_header};
use crate::files::{FileError, create_folder, read_text, write_whole};
use crate::train::TrainError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

const ARRAY: &str = "ims.npy";
const RECORD: &str = "ims.json";
/// A scratch file that nobody has written to for so long was left by a process that was stopped.
const LEFT: Duration = Duration::from_secs(3600);

/// What is known of a whole array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Of this form: 1.
    version: u32,
    shape: [usize; 3],
    bytes: u64,
    blake3: String,
}

/// How an array came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was there.
    Found,
    /// It was computed.
    New,
    /// It was there and damaged; it was computed again.
    Again(String),
}

/// One array's place.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Takes the rows of an array, in order.
pub type Put<'a> = dyn FnMut(&[f32]) -> Result<(), TrainError> + 'a;

impl Cache {
    /// Below the folder of all features.
    pub fn new(folder: PathBuf, key: &blake3::Hash) -> Self {
        Self {
            folder: folder.join(&key.to_hex()[..32]),
        }
    }

    /// The array's file.
    pub fn array(&self) -> PathBuf {
        self.folder.join(ARRAY)
    }

    /// Uses what is there, if it is whole, else calls `make`, which hands over all values.
    pub fn open_or_make(
        &self,
        shape: [usize; 3],
        make: &mut dyn FnMut(&mut Put) -> Result<(), TrainError>,
    ) -> Result<Made, TrainError> {
        let made = match self.look(shape)? {
            Look::Whole => return Ok(Made::Found),
            Look::Nothing => Made::New,
            Look::Damaged(problem) => Made::Again(problem),
        };
        create_folder(&self.folder)?;
        self.sweep();
        self.make(shape, make)?;
        Ok(made)
    }

    fn look(&self, shape: [usize; 3]) -> Result<Look, TrainError> {
        let record = self.folder.join(RECORD);
        if !record.exists() {
            return Ok(Look::Nothing);
        }
        let Ok(record) = serde_json::from_str::<Record>(&read_text(&record)?) else {
            return Ok(Look::Damaged("have a record that cannot be read".into()));
        };
        if (record.version, record.shape) != (1, shape) {
            return Ok(Look::Damaged("have a record of another form".into()));
        }
        let path = self.array();
        let fail = |source| FileError::new("read", &path, source);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Look::Damaged("are gone".into()));
            }
            Err(error) => return Err(fail(error).into()),
        };
        let bytes = file.metadata().map_err(fail)?.len();
        if bytes != record.bytes {
            let problem = format!("have {bytes} bytes of {}", record.bytes);
            return Ok(Look::Damaged(problem));
        }
        let mut hash = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(fail)? {
                0 => break,
                count => hash.update(&buffer[..count]),
            };
        }
        Ok(match hash.finalize().to_hex().as_str() == record.blake3 {
            true => Look::Whole,
            false => Look::Damaged("are not those that were written".into()),
        })
    }

    fn make(
        &self,
        shape: [usize; 3],
        make: &mut dyn FnMut(&mut Put) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        // The record goes first: without it, no array is believed.
        let _ = fs::remove_file(self.folder.join(RECORD));
        let wanted: usize = shape.iter().product();
        let path = self.array();
        let (mut failed, mut bytes, mut hash) = (None, 0, blake3::Hasher::new());
        let written = write_whole(&path, |file| {
            let mut put = |part: &[u8]| {
                bytes += part.len() as u64;
                hash.update(part);
                file.write_all(part)
            };
            put(&npy_header(shape))?;
            let (mut values, mut disk) = (0, None);
            let result = make(&mut |row: &[f32]| {
                let [_, cells, dim] = shape;
                if let Some(at) = row.iter().position(|value| !value.is_finite()) {
                    let (picture, region) = ((values + at) / (cells * dim), at / dim % cells);
                    return Err(TrainError::from(FeedError::from(PairError::NotFinite {
                        path: path.clone(),
                        image: picture,
                        region,
                    })));
                }
                values += row.len();
                let row: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
                put(&row).map_err(|error| {
                    disk = Some(io::Error::from(error.kind()));
                    TrainError::from(FileError::new("write", &path, error))
                })
            });
            if let Some(error) = disk {
                return Err(error);
            }
            if let Err(error) = result {
                failed = Some(error);
                return Err(io::ErrorKind::Interrupted.into());
            }
            assert_eq!(values, wanted, "all pictures were computed");
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        written?;
        let record = Record {
            version: 1,
            shape,
            bytes,
            blake3: hash.finalize().to_hex().to_string(),
        };
        write_whole(&self.folder.join(RECORD), |file| {
            Ok(serde_json::to_writer(file, &record)?)
        })?;
        Ok(())
    }

    /// Removes what stopped processes left behind.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let scratch = entry.file_name().to_string_lossy().ends_with(".part");
            let age = entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|when| when.elapsed().ok());
            if scratch && age.is_some_and(|age| age > LEFT) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

enum Look {
    Whole,
    Nothing,
    Damaged(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pairs::Features;

    const SHAPE: [usize; 3] = [4, 2, 3];

    fn cache(folder: &tempfile::TempDir) -> Cache {
        Cache::new(folder.path().into(), &blake3::hash(b"key"))
    }

    /// Hands over all values in two parts, counting the calls.
    fn fill(calls: &mut usize) -> impl FnMut(&mut Put) -> Result<(), TrainError> {
        move |write: &mut Put| {
            *calls += 1;
            let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
            write(&values[..12])?;
            write(&values[12..])
        }
    }

    #[test]
    fn what_is_whole_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, mut calls) = (cache(&folder), 0);
        assert_eq!(
            cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap(),
            Made::New
        );
        assert_eq!(
            cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap(),
            Made::Found
        );
        assert_eq!(calls, 1);
        let features = Features::open(&cache.array()).unwrap();
        assert_eq!(features.shape(), SHAPE);
        let mut row = [0.0; 6];
        features.read(2, &mut row).unwrap();
        assert_eq!(row, [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
        let other = Cache::new(folder.path().into(), &blake3::hash(b"other"));
        assert_ne!(other.array(), cache.array());
    }

    #[test]
    fn an_interrupted_computation_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        let broken = cache.open_or_make(SHAPE, &mut |write| {
            write(&[1.0; 12])?;
            Err(TrainError::Device("gone".into()))
        });
        assert!(broken.unwrap_err().to_string().contains("gone"));
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 0, "nothing is left");
        // The array alone, as when the process is stopped before the record is written.
        let mut calls = 0;
        cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap();
        fs::remove_file(cache.folder.join(RECORD)).unwrap();
        assert_eq!(
            cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap(),
            Made::New
        );
        assert_eq!(calls, 2);
    }

    #[test]
    fn a_damaged_array_is_noticed_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, mut calls) = (cache(&folder), 0);
        cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap();
        let whole = fs::read(cache.array()).unwrap();
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        for (bytes, problem) in [
            (Some(&whole[..whole.len() - 1]), "bytes of"),
            (Some(&other[..]), "not those that were written"),
            (None, "are gone"),
        ] {
            match bytes {
                Some(bytes) => fs::write(cache.array(), bytes).unwrap(),
                None => fs::remove_file(cache.array()).unwrap(),
            }
            let made = cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap();
            assert!(
                matches!(&made, Made::Again(said) if said.contains(problem)),
                "{made:?}"
            );
            assert_eq!(fs::read(cache.array()).unwrap(), whole);
        }
        fs::write(cache.folder.join(RECORD), "{}").unwrap();
        let made = cache.open_or_make(SHAPE, &mut fill(&mut calls)).unwrap();
        assert!(matches!(made, Made::Again(_)), "{made:?}");
        assert_eq!(calls, 5);
    }

    #[test]
    fn values_that_are_not_finite_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        let error = cache.open_or_make(SHAPE, &mut |write| {
            write(&[1.0; 12])?;
            let mut row = [1.0; 12];
            row[10] = f32::NAN;
            write(&row)
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("row 3 (from 0): region 1"), "{error}");
        assert!(!cache.array().exists());
    }
}
