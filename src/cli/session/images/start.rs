//! Fine-tuning begins with the weights of another run.

use crate::backbones::layouts::translate;
use crate::backbones::weights::{self, Import, WeightsError};
use crate::cli::{Which, say, weights_at};
use crate::papers::Embed;
use std::path::Path;

/// Weights of another run or file, the trunk whole. A classifier (and centres) of other classes starts anew if `new_classifier`
/// (`model.new_classifier`), else that is an error; a file that is no run's gives the trunk alone.
pub fn init_from<M: Embed>(model: M, path: &Path, new_classifier: bool) -> crate::Result<M> {
    let (path, _) = weights_at(path, Some(Which::Best))?;
    let tensors = weights::read(&path)?;
    let mut import = Import {
        source: path.display().to_string(),
        allow_missing: vec!["^head\\.".into()],
        ..Import::default()
    };
    let tensors = if tensors.keys().any(|name| name.starts_with("trunk.")) {
        import.allow_missing = vec!["^head\\.centers$".into()];
        import.allow_unused = vec!["^head\\.centers$".into()];
        if new_classifier {
            import.allow_mismatched = vec!["^head\\.(classifier\\.weight|centers)$".into()];
        }
        tensors
    } else {
        import.rename = vec![("^".into(), "trunk.".into())];
        import.allow_unused = vec!["^trunk\\.(fc|classifier|_fc)\\.".into()];
        translate(tensors).tensors
    };
    let (model, report) = weights::apply(model, &tensors, &import).map_err(other_classes)?;
    say!("weights  {}: {report}", path.display());
    Ok(model)
}

/// Where nothing but the number of classes differs, the error says so.
fn other_classes(error: WeightsError) -> WeightsError {
    match &error {
        WeightsError::Mismatch {
            source_name, report, ..
        } if report.missing.is_empty()
            && report.unused.is_empty()
            && report.mismatched.iter().all(|m| m.name.starts_with("head.")) =>
        {
            let classes = |shape: &Vec<usize>| shape.first().copied().unwrap_or_default();
            let Some(m) = report.mismatched.first() else {
                return error;
            };
            WeightsError::Classes {
                source_name: source_name.clone(),
                file: classes(&m.file),
                model: classes(&m.model),
            }
        }
        _ => error,
    }
}
