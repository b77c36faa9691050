//! Matrices that are looked at: as a table whose cells are darker for more, as bars, and over the picture whose parts they speak of.

use super::html::{Html, shorten};
use super::thumbs::Thumb;
use crate::papers::Map;

/// Columns up to which a table says its numbers; beyond, a pointer that rests on a cell does.
const NUMBERS: usize = 24;
/// The least opacity that is drawn.
const FAINT: f32 = 0.02;
/// So many times the even share is drawn in full colour, where nothing is more.
const PALE: f32 = 3.0;
/// What the most of a map looks like over a picture.
const DARKEST: f32 = 0.75;

/// How a table of that many columns is to be read.
pub fn reading(columns: usize) -> &'static str {
    match columns <= NUMBERS {
        true => "in per cent",
        false => "darker for more; a pointer that rests on a cell is told how much",
    }
}

/// Shares (rows that add up to 1) with a name for each row and column, in per cent, darker for more. `head` says what rows are.
pub fn table(html: &mut Html, head: &str, rows: &[String], columns: &[String], map: &Map) {
    // What is spread evenly stays pale.
    let most = map.most().max(PALE / columns.len().max(1) as f32);
    let says = columns.len() <= NUMBERS;
    let class = if says { "matrix heat" } else { "matrix heat bare" };
    html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
        html.element("table", &[("class", class)], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    html.leaf("th", &[("scope", "col")], head);
                    for column in columns {
                        html.leaf("th", &[("scope", "col")], &shorten(column, 14));
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for (name, values) in rows.iter().zip(map.rows()) {
                    html.element("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], &shorten(name, 24));
                        for (value, column) in values.iter().zip(columns) {
                            let heat = format!("background:rgba(var(--heat),{:.2})", 0.6 * value / most);
                            let percent = format!("{:.0}", 100.0 * value);
                            let whole = format!("{name}, {column}: {:.1} %", 100.0 * value);
                            match (says, percent.as_str()) {
                                (true, "0") => html.leaf("td", &[("class", "zero"), ("title", &whole)], "·"),
                                (true, percent) => html.leaf("td", &[("style", &heat)], percent),
                                (false, _) => html.leaf("td", &[("style", &heat), ("title", &whole)], ""),
                            }
                        }
                    });
                }
            });
        });
    });
    html.newline();
}

/// A picture that drawings of [`over`] show, once in the page.
pub fn define(html: &mut Html, id: &str, picture: &Thumb) {
    let (width, height) = (picture.width.to_string(), picture.height.to_string());
    let hidden = [("class", "hidden"), ("width", "0"), ("height", "0")];
    html.element("svg", &hidden, |html| {
        html.element("defs", &[], |html| {
            html.void(
                "image",
                &[
                    ("id", id),
                    ("href", &picture.uri),
                    ("width", &width),
                    ("height", &height),
                    ("preserveAspectRatio", "none"),
                ],
            );
        });
    });
    html.newline();
}

/// Values of the cells of a grid over the picture of that id. The most is drawn in full colour and framed.
pub fn over(html: &mut Html, id: &str, picture: &Thumb, values: &[f32], grid: Grid, alt: &str) {
    let Grid { side, part } = grid;
    let [left, top, right, bottom] = part;
    let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let (width, height) = (picture.width as f64, picture.height as f64);
    let (x, y) = (left.min(0.0), top.min(0.0));
    let view = format!(
        "{x:.1} {y:.1} {:.1} {:.1}",
        right.max(width) - x,
        bottom.max(height) - y
    );
    let cell = [(right - left) / side as f64, (bottom - top) / side as f64];
    html.element(
        "svg",
        &[("viewBox", &view), ("role", "img"), ("aria-label", alt)],
        |html| {
            html.void("use", &[("href", &format!("#{id}"))]);
            for (at, value) in values.iter().enumerate() {
                let opacity = DARKEST * value / most;
                if opacity < FAINT {
                    continue;
                }
                let (row, column) = (at / side, at % side);
                let class = if *value == most { "hot most" } else { "hot" };
                html.void(
                    "rect",
                    &[
                        ("class", class),
                        ("x", &format!("{:.1}", left + column as f64 * cell[0])),
                        ("y", &format!("{:.1}", top + row as f64 * cell[1])),
                        ("width", &format!("{:.1}", cell[0])),
                        ("height", &format!("{:.1}", cell[1])),
                        ("fill-opacity", &format!("{opacity:.2}")),
                    ],
                );
            }
        },
    );
}

/// A grid of square count over a part of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Cells in a row and in a column.
    pub side: usize,
    /// x1, y1, x2, y2 in the picture's pixels; it may reach outside.
    pub part: [f64; 4],
}

/// A bar as long as the share of `most` that the value is, and the number beside it; those below zero are marked as such.
pub fn bar(html: &mut Html, value: f32, most: f32, text: &str) {
    let long = (100.0 * value.abs() / most.max(f32::MIN_POSITIVE)).min(100.0);
    let class = if value < 0.0 { "bar less" } else { "bar" };
    html.element("div", &[("class", class)], |html| {
        html.element("i", &[], |html| {
            html.leaf("b", &[("style", &format!("width:{long:.1}%"))], "");
        });
        html.leaf("span", &[], text);
    });
}

/// Values side by side, higher for more.
pub fn columns(html: &mut Html, values: &[f32], most: f32, alt: &str) {
    let view = format!("0 0 {} 10", values.len());
    let attributes = [
        ("class", "strip"),
        ("viewBox", &*view),
        ("preserveAspectRatio", "none"),
        ("role", "img"),
        ("aria-label", alt),
    ];
    html.element("svg", &attributes, |html| {
        for (at, value) in values.iter().enumerate() {
            let height = 10.0 * value / most.max(f32::MIN_POSITIVE);
            if height < 0.1 {
                continue;
            }
            html.void(
                "rect",
                &[
                    ("x", &at.to_string()),
                    ("y", &format!("{:.2}", 10.0 - height)),
                    ("width", "0.9"),
                    ("height", &format!("{height:.2}")),
                ],
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::html::tests::well_formed;
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("<{at}>")).collect()
    }

    #[test]
    fn tables_say_their_numbers_while_there_is_room() {
        let map = Map {
            shape: [2, 3],
            values: vec![0.5, 0.25, 0.25, 0.001, 0.0, 0.999],
        };
        let mut html = Html::new();
        table(&mut html, "word", &names(2), &names(3), &map);
        let page = html.finish();
        let words = well_formed(&page);
        assert!(
            words.contains("50") && words.contains('·') && words.contains("100"),
            "{words}"
        );
        assert!(
            page.contains("rgba(var(--heat),0.60)"),
            "the most is darkest: {page}"
        );
        let wide = Map {
            shape: [1, 40],
            values: vec![0.025; 40],
        };
        let mut html = Html::new();
        table(&mut html, "word", &names(1), &names(40), &wide);
        let page = html.finish();
        well_formed(&page);
        assert!(page.contains("&lt;0&gt;, &lt;39&gt;: 2.5 %"), "{page}");
    }

    #[test]
    fn cells_lie_over_the_part_that_they_are_of() {
        let picture = Thumb {
            uri: "data:image/jpeg;base64,/9j/".into(),
            width: 100,
            height: 50,
            of: [200, 100],
        };
        let mut html = Html::new();
        define(&mut html, "picture", &picture);
        let grid = Grid {
            side: 2,
            part: [0.0, -25.0, 100.0, 75.0],
        };
        over(
            &mut html,
            "picture",
            &picture,
            &[0.1, 0.0, 0.2, 0.7],
            grid,
            "chair",
        );
        let page = html.finish();
        well_formed(&page);
        // Margins above and below belong to the view; a cell of nothing is not drawn.
        assert!(page.contains("viewBox=\"0.0 -25.0 100.0 100.0\""), "{page}");
        assert_eq!(page.matches("<rect").count(), 3);
        assert!(
            page.contains("x=\"50.0\" y=\"25.0\" width=\"50.0\" height=\"50.0\" fill-opacity=\"0.75\""),
            "{page}"
        );
    }

    #[test]
    fn bars_and_columns_are_well_formed() {
        let mut html = Html::new();
        bar(&mut html, -0.5, 1.0, "−0.500");
        columns(&mut html, &[1.0, 0.0, 2.0], 2.0, "sketch");
        let page = html.finish();
        well_formed(&page);
        assert!(
            page.contains("bar less") && page.contains("width:50.0%"),
            "{page}"
        );
        assert_eq!(page.matches("<rect").count(), 2);
    }
}
