//! Tar shards in the layout of WebDataset: `data-000000.tar`, `data-000001.tar`, …, with the files of a sample one after the other
//! under one key: `KEY.jpg`, and `KEY.json` (the native table's columns), `KEY.cls` (the label) or `KEY.txt` (the text).
//!
//! Shards are not unpacked, so nothing in them can be written anywhere. They are indexed when the data set is opened (the place and
//! length of each picture); a picture is then read from its place when it is needed, in any order, so that every sampler and
//! exact resume hold as for files. `sampler.kind = "sharded"` reads them nearly in sequence, for slow disks and network mounts.

mod index;
mod pattern;
mod read;

pub use read::read;

#[cfg(test)]
mod tests;
