//! Line charts as inline SVG: they need no script, follow the reader's colours, and print.

mod frame;
mod line;
mod numbers;

use super::html::Html;
use frame::{BOTTOM, Frame, HEIGHT, LEFT, RIGHT, WIDTH};
use line::Line;
use numbers::{number, plain, ticks};

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Points by ascending x. A value that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As they are.
    Plain,
    /// Shares in 0…1 as percentages.
    Percent,
}

/// A chart of a few lines over one axis.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What x is.
    pub x: &'static str,
    /// How values are written.
    pub unit: Unit,
    /// Whether the value axis begins at 0.
    pub from_zero: bool,
    /// Whether long lines are noisy, and so get a smoothed line over them.
    pub noisy: bool,
    /// Its lines, at most [`Chart::LINES`] of which are drawn.
    pub series: Vec<Series>,
}

impl Chart {
    /// As many lines as there are colours that can be told apart.
    pub const LINES: usize = 8;

    /// Draws the chart with its legend; nothing where there is nothing to draw.
    pub fn draw(&self, html: &mut Html) {
        let lines: Vec<Line> = self
            .series
            .iter()
            .take(Self::LINES)
            .filter_map(Line::of)
            .collect();
        let Some(frame) = Frame::around(&lines, self.from_zero) else {
            return;
        };
        html.element("figure", &[("class", "chart")], |html| {
            html.leaf("figcaption", &[], &self.title);
            let view = format!("0 0 {WIDTH} {HEIGHT}");
            let words = self.words(&lines);
            html.element(
                "svg",
                &[("viewBox", &view), ("role", "img"), ("aria-label", &words)],
                |html| {
                    self.axes(html, &frame);
                    for (at, line) in lines.iter().enumerate() {
                        line.draw(html, &frame, at, self.noisy);
                    }
                },
            );
            html.element("ul", &[("class", "legend")], |html| {
                for (at, line) in lines.iter().enumerate() {
                    html.element("li", &[], |html| {
                        html.element(
                            "svg",
                            &[("viewBox", "0 0 22 8"), ("aria-hidden", "true")],
                            |html| {
                                html.void("path", &[("class", &format!("line s{at}")), ("d", "M1 4H21")]);
                            },
                        );
                        html.text(&line.name);
                        html.element("b", &[], |html| html.text(&self.label(line.last.1)));
                    });
                }
            });
            if self.series.len() > Self::LINES {
                let more = self.series.len() - Self::LINES;
                html.leaf(
                    "p",
                    &[("class", "quiet")],
                    &format!("and {more} more in metrics.jsonl"),
                );
            }
        });
        html.newline();
    }

    /// What a reader who cannot see the chart should know.
    fn words(&self, lines: &[Line]) -> String {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| {
                let [first, last] = [line.first, line.last].map(|(_, y)| self.label(y));
                format!("{} from {first} to {last}", line.name)
            })
            .collect();
        format!("{} by {}: {}", self.title, self.x, lines.join("; "))
    }

    fn axes(&self, html: &mut Html, frame: &Frame) {
        html.element("g", &[("class", "axes")], |html| {
            for value in ticks(frame.low, frame.high, 5) {
                let y = number(frame.y(value));
                let d = format!("M{LEFT} {y}H{}", WIDTH - RIGHT);
                html.void("path", &[("d", &d)]);
                let attributes = [
                    ("x", &*number(LEFT - 6.0)),
                    ("y", &*y),
                    ("dy", "0.32em"),
                    ("text-anchor", "end"),
                ];
                html.leaf("text", &attributes, &self.tick(value, frame));
            }
            for value in ticks(frame.from, frame.to, 6) {
                let x = number(frame.x(value));
                let attributes = [
                    ("x", &*x),
                    ("y", &*number(HEIGHT - BOTTOM + 16.0)),
                    ("text-anchor", "middle"),
                ];
                html.leaf("text", &attributes, &plain(value));
            }
            let attributes = [
                ("x", &*number((LEFT + WIDTH - RIGHT) / 2.0)),
                ("y", &*number(HEIGHT - 3.0)),
                ("text-anchor", "middle"),
            ];
            html.leaf("text", &attributes, self.x);
        });
    }

    fn tick(&self, value: f64, frame: &Frame) -> String {
        match self.unit {
            Unit::Plain => plain(value),
            Unit::Percent if frame.high - frame.low < 0.005 => format!("{:.2}", 100.0 * value),
            Unit::Percent if frame.high - frame.low < 0.05 => format!("{:.1}", 100.0 * value),
            Unit::Percent => format!("{:.0}", 100.0 * value),
        }
    }

    fn label(&self, value: f64) -> String {
        match self.unit {
            Unit::Plain => plain(value),
            Unit::Percent => format!("{:.1} %", 100.0 * value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::html::tests::well_formed;
    use super::*;

    pub(super) fn chart(points: Vec<(f64, f64)>) -> String {
        let mut html = Html::new();
        Chart {
            title: "Loss <b>".into(),
            x: "step",
            unit: Unit::Plain,
            from_zero: true,
            noisy: true,
            series: vec![Series {
                name: "a&b".into(),
                points,
            }],
        }
        .draw(&mut html);
        html.finish()
    }

    #[test]
    fn a_line_lies_where_its_values_are() {
        let page = chart(vec![(0.0, 0.0), (10.0, 4.0)]);
        well_formed(&page);
        assert!(
            page.contains("aria-label=\"Loss &lt;b&gt; by step: a&amp;b from 0 to 4\""),
            "{page}"
        );
        // The frame is 52…448 by 10…196; the value axis leaves 4 % above.
        assert!(page.contains("d=\"M52 196L448 17.2\""), "{page}");
        for tick in [">0<", ">1<", ">2<", ">3<", ">4<", ">10<"] {
            assert!(page.contains(tick), "{tick} in {page}");
        }
    }

    #[test]
    fn odd_values_make_no_odd_chart() {
        assert_eq!(chart(vec![]), "");
        assert_eq!(chart(vec![(0.0, f64::NAN), (1.0, f64::INFINITY)]), "");
        assert_eq!(chart(vec![(0.0, f64::MIN), (1.0, f64::MAX)]), "");
        // A hole breaks the line, one point is a dot, equal values are in the middle.
        let holed = chart(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)]);
        assert_eq!(holed.matches("class=\"line s0\"").count(), 3);
        for points in [vec![(3.0, 7.0)], vec![(0.0, 0.0); 3], vec![(1e300, -1e-300); 2]] {
            let page = chart(points);
            well_formed(&page);
            assert!(page.contains("<circle") && !page.contains("NaN"), "{page}");
        }
    }
}
