//! Text in columns.

/// Rows of cells, printed with aligned columns.
pub struct Table {
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table with these heads, or without any.
    pub fn new(heads: &[&str]) -> Self {
        let rows = if heads.is_empty() {
            Vec::new()
        } else {
            vec![heads.iter().map(|h| h.to_string()).collect()]
        };
        Self {
            rows,
            notes: Vec::new(),
        }
    }

    /// Adds a row; missing cells at its end stay empty. Control characters become `?`, since names come from files.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// Adds a line below the table.
    pub fn note(&mut self, note: String) {
        self.notes.push(clean(&note));
    }

    /// The lines.
    pub fn to_text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    }
}

fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
