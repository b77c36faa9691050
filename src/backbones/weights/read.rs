//! From files to named tensors: PyTorch's own formats and safetensors.
//!
//! Every file is untrusted. Pickles are parsed for tensors and never run; sizes are bounded by the file's own and by
//! [`LIMIT`]; a panic in a parser is an error like any other.

use super::{Tensors, WeightsError};
use crate::files::FileError;
use burn::store::pytorch_reader::{DType as TorchType, PickleValue, PytorchReader};
use burn::tensor::{BoolStore, DType, TensorData};
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Files, and sums of tensors, of more than this many bytes are refused.
pub const LIMIT: u64 = 8 << 30;

/// The keys under which training scripts nest the weights they save.
const NESTS: [&str; 6] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
];

/// Reads every tensor of a file under its name, in the type it is stored in.
///
/// - PyTorch (`.pth`, `.pt`, any of `torch.save`'s containers, by content): a state dict, a saved module, or a checkpoint
///   that nests one under `state_dict`, `model_state_dict`, `model`, `net`, `network` or `weights`; what else the
///   checkpoint holds is left out. Strided views are gathered.
/// - safetensors, by content.
/// - A folder: a run's checkpoint, whose `model.safetensors` is read.
///
/// A `module.` in front of all names (`DataParallel`) is taken off.
pub fn read(path: &Path) -> Result<Tensors, WeightsError> {
    let inner = path.join("model.safetensors");
    let path = if path.is_dir() { inner.as_path() } else { path };
    let io = |e| WeightsError::File(FileError::new("read", path, e));
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > LIMIT {
        return Err(WeightsError::TooLarge {
            path: path.to_owned(),
            size,
            limit: LIMIT,
        });
    }
    let mut head = Vec::new();
    file.by_ref().take(9).read_to_end(&mut head).map_err(io)?;
    let tensors = guarded(path, || {
        if head.len() == 9 && head[8] == b'{' && !head.starts_with(b"PK") {
            read_safetensors(path)
        } else {
            read_pytorch(path)
        }
    })?;
    if tensors.is_empty() {
        return Err(broken(path, "it holds no tensors"));
    }
    Ok(without_common_prefix(tensors, "module."))
}

fn broken(path: &Path, cause: impl Into<String>) -> WeightsError {
    WeightsError::Format {
        path: path.to_owned(),
        cause: cause.into(),
    }
}

/// Runs a parser of untrusted input; a panic in it becomes an error.
fn guarded<T>(path: &Path, parse: impl FnOnce() -> Result<T, WeightsError>) -> Result<T, WeightsError> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|panic| {
        let cause = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "the parser failed".to_owned());
        Err(broken(path, cause))
    })
}

fn without_common_prefix(tensors: Tensors, prefix: &str) -> Tensors {
    if tensors
        .keys()
        .all(|name| name.len() > prefix.len() && name.starts_with(prefix))
    {
        tensors
            .into_iter()
            .map(|(name, data)| (name[prefix.len()..].to_owned(), data))
            .collect()
    } else {
        tensors
    }
}

fn read_pytorch(path: &Path) -> Result<Tensors, WeightsError> {
    let fail = |e: burn::store::pytorch_reader::PytorchError| broken(path, e.to_string());
    let nest = match PytorchReader::read_pickle_data(path, None).map_err(fail)? {
        PickleValue::Dict(root) => NESTS
            .into_iter()
            .find(|key| matches!(root.get(*key), Some(PickleValue::Dict(d)) if !d.is_empty())),
        _ => None,
    };
    let reader = match nest {
        Some(key) => PytorchReader::with_top_level_key(path, key),
        None => PytorchReader::new(path),
    }
    .map_err(fail)?;
    // A view may declare far more than its storage holds: bound the sum before reading any of it.
    let total = reader
        .tensors()
        .values()
        .fold(0u64, |sum, t| sum.saturating_add(t.byte_len() as u64));
    if total > LIMIT {
        return Err(WeightsError::TooLarge {
            path: path.to_owned(),
            size: total,
            limit: LIMIT,
        });
    }
    let mut tensors = Tensors::new();
    for (name, tensor) in reader.tensors() {
        let dtype = match tensor.dtype() {
            TorchType::F64 => DType::F64,
            TorchType::F32 => DType::F32,
            TorchType::F16 => DType::F16,
            TorchType::BF16 => DType::BF16,
            TorchType::I64 => DType::I64,
            TorchType::I32 => DType::I32,
            TorchType::I16 => DType::I16,
            TorchType::I8 => DType::I8,
            TorchType::U64 => DType::U64,
            TorchType::U32 => DType::U32,
            TorchType::U16 => DType::U16,
            TorchType::U8 => DType::U8,
            TorchType::Bool => DType::Bool(BoolStore::Native),
        };
        let bytes = tensor.read().map_err(|e| match e.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => broken(path, e.to_string()),
            _ => WeightsError::File(FileError::new("read", path, e)),
        })?;
        let data = TensorData::try_from_bytes_vec(bytes, tensor.shape().to_vec(), dtype)
            .map_err(|e| broken(path, format!("{name}: {e}")))?;
        tensors.insert(name.clone(), data);
    }
    Ok(tensors)
}

fn read_safetensors(path: &Path) -> Result<Tensors, WeightsError> {
    let bytes = crate::files::read_bytes(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(path, e.to_string()))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        let dtype = match view.dtype() {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::I64 => DType::I64,
            Dtype::I32 => DType::I32,
            Dtype::I16 => DType::I16,
            Dtype::I8 => DType::I8,
            Dtype::U64 => DType::U64,
            Dtype::U32 => DType::U32,
            Dtype::U16 => DType::U16,
            Dtype::U8 => DType::U8,
            Dtype::BOOL => DType::Bool(BoolStore::Native),
            other => {
                return Err(WeightsError::Type {
                    name,
                    dtype: format!("{other:?}"),
                });
            }
        };
        let data = TensorData::try_from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
            .map_err(|e| broken(path, format!("{name}: {e}")))?;
        tensors.insert(name, data);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests;
