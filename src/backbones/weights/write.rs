//! The safetensors format, byte for byte the same for the same weights.
//!
//! The format: a little-endian u64, the length of a JSON header; the header, padded with spaces to a multiple of 8; the
//! tensors' bytes, little-endian, row by row, without gaps. The header is written here because the `safetensors` crate takes
//! the metadata as a hash map and writes it in that map's random order.

use super::{Tensors, WeightsError};
use crate::files::write_whole;
use burn::tensor::{BoolStore, DType, TensorData};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Writes the tensors and the metadata, whole or not at all.
///
/// Tensors lie in the order of their types' sizes, widest first (which keeps each aligned), and by name among those.
/// For PyTorch to load the file strictly, give it [`super::for_torch`]'s tensors.
pub fn write(
    path: &Path,
    tensors: &Tensors,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let mut order = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        order.push((name, type_name(name, data)?, data));
    }
    // Stable, so that names stay sorted within a size.
    order.sort_by_key(|(_, _, data)| std::cmp::Reverse(data.dtype().size()));
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for (name, dtype, data) in &order {
        let end = offset + data.as_bytes().len();
        let entry: Value =
            json!({ "dtype": dtype, "shape": data.shape().to_vec(), "data_offsets": [offset, end] });
        header.insert((*name).clone(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    write_whole(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, _, data) in &order {
            file.write_all(data.as_bytes())?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The format's name of the tensor's type.
fn type_name(name: &str, data: &TensorData) -> Result<&'static str, WeightsError> {
    Ok(match data.dtype() {
        DType::F64 => "F64",
        DType::F32 | DType::Flex32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::I64 => "I64",
        DType::I32 => "I32",
        DType::I16 => "I16",
        DType::I8 => "I8",
        DType::U64 => "U64",
        DType::U32 => "U32",
        DType::U16 => "U16",
        DType::U8 => "U8",
        DType::Bool(BoolStore::Native | BoolStore::U8) => "BOOL",
        other => {
            return Err(WeightsError::Type {
                name: name.to_owned(),
                dtype: format!("{other:?}"),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::resnet::{Depth, ResNetConfig};
    use crate::backbones::weights::{Import, apply, collect, for_torch, read};
    use crate::device::cpu;

    fn tiny(seed: u64) -> crate::backbones::ResNet {
        let config = ResNetConfig {
            ibn: true,
            width: 2,
            ..ResNetConfig::new(Depth::D50)
        };
        crate::nn::initialise(config.init(&cpu()), seed, |_| None)
    }

    fn metadata() -> BTreeMap<String, String> {
        (0..9)
            .map(|i| (format!("key {i}"), format!("\"{i}\" – ü")))
            .collect()
    }

    #[test]
    fn export_and_import_are_inverse_bit_by_bit() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (
            folder.path().join("a.safetensors"),
            folder.path().join("b.safetensors"),
        );
        let tensors = for_torch(collect(&tiny(1)));
        write(&a, &tensors, &metadata()).unwrap();
        let back = read(&a).unwrap();
        assert_eq!(back, tensors);
        assert_eq!(
            back["bn1.num_batches_tracked"].shape().to_vec(),
            Vec::<usize>::new()
        );
        let (model, report) = apply(tiny(2), &back, &Import::default()).unwrap();
        assert!(report.unused.is_empty() && !report.ignored.is_empty());
        write(&b, &for_torch(collect(&model)), &metadata()).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    }

    #[test]
    fn the_bytes_are_the_formats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensors = Tensors::from([
            ("a".to_owned(), TensorData::new(vec![1.5f32], [1])),
            ("b".to_owned(), TensorData::new(vec![-2i64], [0usize; 0])),
        ]);
        write(
            &path,
            &tensors,
            &BTreeMap::from([("z".into(), "1".into()), ("format".into(), "pt".into())]),
        )
        .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let header = r#"{"__metadata__":{"format":"pt","z":"1"},"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#;
        let padded = header.len().next_multiple_of(8);
        assert_eq!(bytes[..8], (padded as u64).to_le_bytes());
        assert_eq!(bytes[8..8 + header.len()], *header.as_bytes());
        let data = [(-2i64).to_le_bytes().as_slice(), &1.5f32.to_le_bytes()].concat();
        assert_eq!(bytes[8 + padded..], data);
    }

    #[test]
    fn the_crate_reads_what_is_written_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        write(&path, &for_torch(collect(&tiny(1))), &metadata()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let (_, header) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let expected = metadata().into_iter().collect();
        assert_eq!(header.metadata(), &Some(expected));
    }
}
