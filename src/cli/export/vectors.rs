//! Embeddings of the evaluated split.

use super::super::eval;
use super::super::session::{ImagePlan, ImageSession, Session, embed_all};
use super::{ExportArgs, Format, Side, listed, say};
use crate::data::Item;
use crate::device::{self, Choice};
use crate::export::embeddings::{self as vectors, Column, Rows, unit};
use crate::papers::ImagePaper;
use std::path::{Path, PathBuf};

/// Embeds and writes.
pub fn run<P: ImagePaper>(args: &ExportArgs, plan: ImagePlan<P>, path: &Path) -> crate::Result<()> {
    let device = device::resolve(args.device.parse::<Choice>()?)?.device;
    let tensors = eval::read(&plan.paper, path)?;
    let classes = plan.paper.facts(&tensors).map_or(2, |facts| facts.classes);
    let session = ImageSession::open_to_measure(plan, classes)?;
    say!("{}", session.describe());
    let (model, _) = session.model(&device)?;
    let model = eval::apply(model, &tensors, path)?;
    let embedded = embed_all(&session, &model, &device)?;
    let task = &session.task;
    let (dim, queries) = (embedded.dim, task.queries().len());
    let mut values = embedded.queries;
    values.extend(embedded.gallery);
    let mut rows: Vec<usize> = task.queries().iter().chain(task.gallery()).copied().collect();
    let mut sides: Vec<&str> = (0..rows.len())
        .map(|at| if at < queries { "query" } else { "gallery" })
        .collect();
    let kept = match args.side {
        Side::All => 0..rows.len(),
        Side::Query => 0..queries,
        Side::Gallery => queries..rows.len(),
    };
    rows = rows[kept.clone()].to_vec();
    sides = sides[kept.clone()].to_vec();
    values = values[kept.start * dim..kept.end * dim].to_vec();
    if args.l2 {
        unit(&mut values, dim);
    }
    let items: Vec<&Item> = rows.iter().map(|&row| &session.table.items[row]).collect();
    let texts =
        |text: fn(&Item) -> &String| -> Vec<String> { items.iter().map(|item| text(item).clone()).collect() };
    let (ids, labels) = (texts(|item| &item.id), texts(|item| &item.label));
    let more = columns(&items);
    let rows = Rows {
        ids: &ids,
        labels: &labels,
        splits: &sides,
        more: &more,
    };
    let files = write(args.format, &args.out, &args.table, rows, &values, dim)?;
    say!(
        "written  {}",
        crate::data::table::counted(ids.len(), "embedding", "embeddings")
    );
    super::super::print(&listed(&files))
}

/// Writes embeddings in one of the formats for embeddings, `[rows, dim]`, and gives the files.
pub fn write(
    format: Format,
    out: &Path,
    table: &str,
    rows: Rows,
    values: &[f32],
    dim: usize,
) -> crate::Result<Vec<PathBuf>> {
    let beside: Vec<_> = format
        .beside()
        .iter()
        .map(|ending| out.with_extension(ending))
        .collect();
    match format {
        Format::Npy => {
            vectors::write_npy(out, values, [rows.ids.len(), dim])?;
            vectors::write_rows(&beside[0], rows)?;
        }
        Format::Fvecs => {
            vectors::write_fvecs(out, values, dim)?;
            vectors::write_ivecs(&beside[1], &vectors::label_numbers(rows.labels))?;
            vectors::write_rows(&beside[0], rows)?;
        }
        Format::Qdrant => {
            vectors::write_qdrant(out, rows, values, dim)?;
            vectors::write_qdrant_collection(&beside[0], dim)?;
        }
        Format::Pgvector => vectors::write_pgvector(out, table, rows, values, dim)?,
        _ => vectors::write_parquet(out, rows, values, dim)?,
    }
    Ok([vec![out.to_path_buf()], beside].concat())
}

/// What databases keep beside a vector, where any row has it.
fn columns(items: &[&Item]) -> Vec<Column> {
    type Read = fn(&Item) -> Option<String>;
    let known: [(&str, Read); 4] = [
        ("category", |item| item.category.clone()),
        ("text", |item| item.text.clone()),
        ("domain", |item| item.domain.clone()),
        ("image", |item| Some(item.image.name().into_owned())),
    ];
    known
        .into_iter()
        .map(|(name, value)| Column {
            name: name.to_string(),
            values: items.iter().map(|item| value(item)).collect(),
        })
        .filter(|column| column.values.iter().any(Option::is_some))
        .collect()
}
