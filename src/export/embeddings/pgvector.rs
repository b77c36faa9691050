//! Rows for PostgreSQL with the pgvector extension: one file for `psql -f`, which makes the table, copies the rows and indexes them
//! in one transaction.

use super::{EmbeddingsError, Rows, check_finite, check_rows};
use crate::files::write_whole;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// The longest `vector`.
const LIMIT: usize = 16_000;
/// The longest that an index of `vector` takes.
const INDEXED: usize = 2_000;
/// The longest that an index of `halfvec` takes.
const INDEXED_HALF: usize = 4_000;

/// Writes the file. The table has the columns `id`, `label`, `split`, further texts, and `embedding`; its key is (id, split), since
/// an item may be a query and in the gallery.
///
/// The index is HNSW by cosine. pgvector indexes up to 2000 dimensions; beyond that the index is of the vectors cast to half
/// precision, and beyond 4000 there is none (the file says so in a comment).
pub fn write_pgvector(
    path: &Path,
    table: &str,
    rows: Rows<'_>,
    embeddings: &[f32],
    dimensions: usize,
) -> Result<(), EmbeddingsError> {
    check_rows(path, rows, embeddings, dimensions)?;
    check_finite(path, rows, embeddings, dimensions)?;
    if dimensions > LIMIT {
        return Err(EmbeddingsError::Dimensions {
            path: path.to_owned(),
            what: "pgvector's type",
            dimensions,
            limit: LIMIT,
        });
    }
    check_zeros(path, rows)?;
    let table = table_name(table)?;
    let more: Vec<String> = rows.more.iter().map(|column| quoted(&column.name)).collect();
    let declared: String = more.iter().map(|name| format!("  {name} text,\n")).collect();
    let listed: String = more.iter().map(|name| format!("{name}, ")).collect();
    let head = format!(
        "BEGIN;\nCREATE EXTENSION IF NOT EXISTS vector;\nCREATE TABLE IF NOT EXISTS {table} (\n  id text NOT NULL,\n  \
         label text NOT NULL,\n  split text NOT NULL,\n{declared}  embedding vector({dimensions}) NOT NULL,\n  \
         PRIMARY KEY (id, split)\n);\nCOPY {table} (id, label, split, {listed}embedding) FROM stdin;\n"
    );
    let tail = format!("\\.\n{}COMMIT;\n", index(&table, dimensions));
    Ok(write_whole(path, |file| {
        file.write_all(head.as_bytes())?;
        let mut line = String::new();
        for (row, values) in embeddings.chunks_exact(dimensions).enumerate() {
            line.clear();
            for text in [&rows.ids[row], &rows.labels[row], rows.splits[row]] {
                escape(text, &mut line);
                line.push('\t');
            }
            for column in rows.more {
                match &column.values[row] {
                    Some(text) => escape(text, &mut line),
                    None => line.push_str("\\N"),
                }
                line.push('\t');
            }
            for (at, value) in values.iter().enumerate() {
                let lead = if at == 0 { '[' } else { ',' };
                // Writing to a string cannot fail.
                let _ = write!(line, "{lead}{value}");
            }
            line.push_str("]\n");
            file.write_all(line.as_bytes())?;
        }
        file.write_all(tail.as_bytes())
    })?)
}

/// The statement that makes the index, or a comment where pgvector has none for that many dimensions.
fn index(table: &str, dimensions: usize) -> String {
    match dimensions {
        n if n <= INDEXED => {
            format!("CREATE INDEX ON {table} USING hnsw (embedding vector_cosine_ops);\n")
        }
        n if n <= INDEXED_HALF => format!(
            "-- Above {INDEXED} dimensions pgvector indexes half precision; search with the same cast:\n-- SELECT id FROM {table} \
             ORDER BY embedding::halfvec({dimensions}) <=> $1::halfvec({dimensions}) LIMIT 10;\nCREATE INDEX ON {table} USING hnsw \
             ((embedding::halfvec({dimensions})) halfvec_cosine_ops);\n"
        ),
        _ => format!("-- No index: pgvector's end at {INDEXED_HALF} dimensions, these have {dimensions}.\n"),
    }
}

/// `name` or `schema.name`, quoted; an error if PostgreSQL would refuse or cut it.
pub fn table_name(table: &str) -> Result<String, EmbeddingsError> {
    let parts: Vec<&str> = table.splitn(2, '.').collect();
    match parts
        .iter()
        .all(|part| (1..=63).contains(&part.len()) && !part.contains('\0'))
    {
        true => Ok(parts
            .iter()
            .map(|part| quoted(part))
            .collect::<Vec<_>>()
            .join(".")),
        false => Err(EmbeddingsError::Table(table.to_owned())),
    }
}

/// An identifier in quotes, as it is written.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A field of COPY's text format.
fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\u{8}' => line.push_str("\\b"),
            '\u{b}' => line.push_str("\\v"),
            '\u{c}' => line.push_str("\\f"),
            c => line.push(c),
        }
    }
}

fn check_zeros(path: &Path, rows: Rows<'_>) -> Result<(), EmbeddingsError> {
    let zero = |column: &str, row: Option<usize>| match row {
        None => Ok(()),
        Some(row) => Err(EmbeddingsError::Zero {
            path: path.to_owned(),
            column: column.to_owned(),
            row,
        }),
    };
    let holds = |text: &String| text.contains('\0');
    zero("id", rows.ids.iter().position(holds))?;
    zero("label", rows.labels.iter().position(holds))?;
    for column in rows.more {
        let found = column
            .values
            .iter()
            .position(|text| text.as_ref().is_some_and(holds));
        zero(&column.name, found)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::super::tests::names;
    use super::*;

    #[test]
    fn texts_are_escaped_as_copy_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.sql");
        let ids = ["a\tb\\\nc\r", "\\.", ""].map(String::from);
        let labels = names("l", 3);
        let more = [Column {
            name: "the \"title\"".into(),
            values: vec![Some("\\N".into()), None, Some("ü\u{8}\u{b}\u{c}".into())],
        }];
        let rows = Rows {
            ids: &ids,
            labels: &labels,
            splits: &["query", "gallery", "gallery"],
            more: &more,
        };
        write_pgvector(
            &path,
            "shop.my\"table",
            rows,
            &[0.5, -1.0, 1e-7, 2.0, 3.0, 1e30],
            2,
        )
        .unwrap();
        let expected = [
            r#"BEGIN;"#,
            r#"CREATE EXTENSION IF NOT EXISTS vector;"#,
            r#"CREATE TABLE IF NOT EXISTS "shop"."my""table" ("#,
            r#"  id text NOT NULL,"#,
            r#"  label text NOT NULL,"#,
            r#"  split text NOT NULL,"#,
            r#"  "the ""title""" text,"#,
            r#"  embedding vector(2) NOT NULL,"#,
            r#"  PRIMARY KEY (id, split)"#,
            r#");"#,
            r#"COPY "shop"."my""table" (id, label, split, "the ""title""", embedding) FROM stdin;"#,
            "a\\tb\\\\\\nc\\r\tl0\tquery\t\\\\N\t[0.5,-1]",
            "\\\\.\tl1\tgallery\t\\N\t[0.0000001,2]",
            "\tl2\tgallery\tü\\b\\v\\f\t[3,1000000000000000000000000000000]",
            r#"\."#,
            r#"CREATE INDEX ON "shop"."my""table" USING hnsw (embedding vector_cosine_ops);"#,
            "COMMIT;\n",
        ];
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected.join("\n"));
    }

    #[test]
    fn an_index_is_of_what_pgvector_can_index() {
        assert!(index("t", 2000).contains("vector_cosine_ops"));
        assert!(index("t", 2001).contains("halfvec(2001)) halfvec_cosine_ops"));
        assert!(index("t", 4001).starts_with("-- No index"));
    }

    #[test]
    fn what_the_database_would_refuse_is_refused_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.sql");
        let write = |table: &str, id: &str, value: f32| {
            let (ids, labels) = ([id.to_string()], names("l", 1));
            let rows = Rows {
                ids: &ids,
                labels: &labels,
                splits: &["query"],
                more: &[],
            };
            write_pgvector(&path, table, rows, &[value], 1)
        };
        assert!(matches!(
            write("t", "a\0", 1.0),
            Err(EmbeddingsError::Zero { row: 0, .. })
        ));
        assert!(matches!(
            write("t", "a", f32::NAN),
            Err(EmbeddingsError::NotFinite { row: 0, .. })
        ));
        for table in ["", ".t", "s.", &"x".repeat(64)] {
            assert!(
                matches!(write(table, "a", 1.0), Err(EmbeddingsError::Table(_))),
                "{table}"
            );
        }
        assert!(!path.exists());
        write("t", "a", 1.0).unwrap();
    }
}
