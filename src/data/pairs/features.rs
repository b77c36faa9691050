//! A NumPy array of features that stays on the disk: rows are read when they are asked for.

use super::PairError;
use crate::files::FileError;
use npyz::{DType, NpyHeader, Order};
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::{Path, PathBuf};

/// `[images, regions, dim]` in a file. Arrays of tens of gigabytes are fine: the operating system keeps what is used.
#[derive(Debug)]
pub struct Features {
    path: PathBuf,
    file: File,
    start: u64,
    shape: [usize; 3],
}

impl Features {
    /// Reads the header and holds it against the file's size.
    pub fn open(path: &Path) -> Result<Self, PairError> {
        let io = |source| PairError::from(FileError::new("read", path, source));
        let refuse = |problem: String| PairError::Array {
            path: path.to_owned(),
            problem,
        };
        let mut reader = BufReader::new(File::open(path).map_err(io)?);
        let header = NpyHeader::from_reader(&mut reader)
            .map_err(|error| refuse(format!("it is no NumPy array ({error})")))?;
        let start = reader.stream_position().map_err(io)?;
        let kind = match header.dtype() {
            DType::Plain(kind) => kind.to_string(),
            other => format!("{other:?}"),
        };
        if kind != "<f4" {
            return Err(refuse(format!("its elements are {kind}, not float32 (<f4)")));
        }
        if header.order() == Order::Fortran {
            return Err(refuse("it lies in Fortran order".into()));
        }
        let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
        let shape: [usize; 3] = shape.try_into().map_err(|shape: Vec<usize>| {
            refuse(format!(
                "its shape is {shape:?}, which is not [images, regions, dim]"
            ))
        })?;
        let bytes = shape
            .iter()
            .try_fold(4u64, |bytes, &n| bytes.checked_mul(n as u64))
            .ok_or_else(|| refuse(format!("its shape {shape:?} is larger than any file")))?;
        let file = reader.into_inner();
        let length = file.metadata().map_err(io)?.len();
        if length != start + bytes {
            return Err(refuse(format!(
                "its header promises {} bytes of {shape:?}, the file has {}",
                start + bytes,
                length
            )));
        }
        if shape.contains(&0) {
            return Err(refuse(format!("its shape {shape:?} holds nothing")));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            start,
            shape,
        })
    }

    /// Images, regions of each, length of a region's vector.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a row's regions into `to`, `[regions, dim]`. Values that are not finite are an error.
    pub fn read(&self, row: usize, to: &mut [f32]) -> Result<(), PairError> {
        self.read_any(row, to)?;
        let [_, _, dim] = self.shape;
        match to.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(PairError::NotFinite {
                path: self.path.clone(),
                image: row,
                region: at / dim,
            }),
        }
    }

    /// As [`read`](Self::read), whatever the values are.
    pub fn read_any(&self, row: usize, to: &mut [f32]) -> Result<(), PairError> {
        let [rows, regions, dim] = self.shape;
        assert!(
            row < rows && to.len() == regions * dim,
            "row {row} of {rows} into {} numbers",
            to.len()
        );
        let mut bytes = vec![0u8; to.len() * 4];
        let offset = self.start + row as u64 * (regions * dim * 4) as u64;
        read_at(&self.file, &mut bytes, offset)
            .map_err(|source| FileError::new("read", &self.path, source))?;
        for (value, bytes) in to.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, to: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut to: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !to.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, to, offset)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        to = &mut to[count..];
        offset += count as u64;
    }
    Ok(())
}

/// The head of a NumPy file of float32 in C order, version 1.
pub fn npy_header(shape: [usize; 3]) -> Vec<u8> {
    let [a, b, c] = shape;
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({a}, {b}, {c}), }}");
    // Magic, version and length take 10 bytes; the whole is a multiple of 64 and ends with a line break.
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}
