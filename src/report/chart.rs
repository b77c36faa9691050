//! Line charts as inline SVG: they need no script, follow the reader's colours, and print.

use super::html::Html;

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

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;
/// More points than this are thinned out: two of each column of pixels.
const POINTS: usize = 400;
/// Noisy lines of at least so many points get a smoothed line over them.
const SMOOTH_FROM: usize = 60;

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

/// A line that has something to draw.
struct Line {
    name: String,
    /// Runs of finite points: the line breaks between them.
    runs: Vec<Vec<(f64, f64)>>,
    whole: Vec<(f64, f64)>,
    first: (f64, f64),
    last: (f64, f64),
}

impl Line {
    fn of(series: &Series) -> Option<Self> {
        let finite = |point: &(f64, f64)| point.0.is_finite() && point.1.is_finite();
        let whole: Vec<(f64, f64)> = series.points.iter().copied().filter(finite).collect();
        let (first, last) = (*whole.first()?, *whole.last()?);
        let runs = series
            .points
            .split(|point| !finite(point))
            .filter(|run| !run.is_empty())
            .map(thinned)
            .collect();
        Some(Self {
            name: series.name.clone(),
            runs,
            whole,
            first,
            last,
        })
    }

    fn draw(&self, html: &mut Html, frame: &Frame, at: usize, noisy: bool) {
        let smooth = noisy && self.whole.len() >= SMOOTH_FROM;
        let class = if smooth { "line faint" } else { "line" };
        let class = format!("{class} s{at}");
        for run in &self.runs {
            html.void("path", &[("class", &class), ("d", &frame.path(run))]);
        }
        if smooth {
            let run = thinned(&smoothed(&self.whole));
            let class = format!("line s{at}");
            html.void("path", &[("class", &class), ("d", &frame.path(&run))]);
        }
        // Few points were measured one by one: they are shown, and a single one would be no line at all.
        if self.whole.len() <= 24 {
            for &(x, y) in &self.whole {
                let class = format!("dot s{at}");
                html.void(
                    "circle",
                    &[
                        ("class", &class),
                        ("cx", &number(frame.x(x))),
                        ("cy", &number(frame.y(y))),
                        ("r", "2.6"),
                    ],
                );
            }
        }
    }
}

/// What part of the plane is shown.
struct Frame {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn around(lines: &[Line], from_zero: bool) -> Option<Self> {
        let points = || lines.iter().flat_map(|line| &line.whole);
        points().next()?;
        let least = |list: &mut dyn Iterator<Item = f64>| list.fold(f64::INFINITY, f64::min);
        let most = |list: &mut dyn Iterator<Item = f64>| list.fold(f64::NEG_INFINITY, f64::max);
        let (mut from, mut to) = (
            least(&mut points().map(|p| p.0)),
            most(&mut points().map(|p| p.0)),
        );
        let (mut low, mut high) = (
            least(&mut points().map(|p| p.1)),
            most(&mut points().map(|p| p.1)),
        );
        if from_zero {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        // Differences of huge values may overflow: such a chart shows nothing that a reader could use.
        if !(to - from).is_finite() || !(high - low).is_finite() {
            return None;
        }
        if from == to {
            let room = (from.abs() * 0.1).max(0.5);
            (from, to) = (from - room, to + room);
        }
        if low == high {
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (if from_zero { low } else { low - room }, high + room);
        }
        let room = 0.04 * (high - low);
        if !(from_zero && low == 0.0) {
            low -= room;
        }
        high += room;
        if !(high - low).is_normal() || !(to - from).is_normal() {
            return None;
        }
        Some(Self { from, to, low, high })
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut d = String::with_capacity(points.len() * 12);
        for (at, &(x, y)) in points.iter().enumerate() {
            d.push(if at == 0 { 'M' } else { 'L' });
            d.push_str(&number(self.x(x)));
            d.push(' ');
            d.push_str(&number(self.y(y)));
        }
        d
    }
}

/// The least and the greatest of each of a few hundred portions, in their order: no peak is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let share = points.len().div_ceil(POINTS / 2);
    let mut kept = Vec::with_capacity(POINTS + 2);
    for part in points.chunks(share) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1).then(a.0.total_cmp(&b.0));
        let (Some(&low), Some(&high)) = (part.iter().min_by(by_value), part.iter().max_by(by_value)) else {
            continue;
        };
        let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
        kept.push(first);
        if first != second {
            kept.push(second);
        }
    }
    kept
}

/// An exponential moving average over about a twentieth of the points, without its bias at the beginning.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let keep = 1.0 - 1.0 / (points.len() as f64 / 20.0).clamp(2.0, 100.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = |&(x, y): &(f64, f64)| {
        sum = keep * sum + (1.0 - keep) * y;
        weight = keep * weight + (1.0 - keep);
        (x, sum / weight)
    };
    points.iter().map(smooth).collect()
}

/// Round values within a range, about `count` of them.
fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let raw = (high - low) / count.max(1) as f64;
    if !raw.is_finite() || raw <= 0.0 {
        return vec![low];
    }
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(raw);
    if step <= 0.0 || !step.is_finite() {
        return vec![low];
    }
    let first = (low / step).ceil();
    // Multiples of the step, so that 0.30000000000000004 is not among them; ranges far from 0 may have none.
    (0..=2 * count as u64 + 2)
        .map(|at| (first + at as f64) * step)
        .take_while(|value| *value <= high + step * 1e-9)
        .map(|value| if value == 0.0 { 0.0 } else { value })
        .collect()
}

/// Coordinates with one decimal.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_string).unwrap_or(text)
}

/// A value with as few digits as it needs, at most four significant ones.
pub fn plain(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        // 1.00e-4 → 1e-4
        return match text.split_once('e') {
            Some((digits, power)) => {
                let digits = digits.trim_end_matches('0').trim_end_matches('.');
                format!("{digits}e{power}")
            }
            None => text,
        };
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::html::tests::well_formed;
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> String {
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

    #[test]
    fn many_points_are_thinned_without_losing_a_peak() {
        let mut points: Vec<(f64, f64)> = (0..20_000).map(|at| (at as f64, (at % 7) as f64)).collect();
        points[12_345].1 = 99.0;
        let kept = thinned(&points);
        assert!(kept.len() <= POINTS + 2, "{}", kept.len());
        assert!(kept.contains(&(12_345.0, 99.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(chart(points).len() < 20_000);
        // The average of a constant is that constant, from its first point on.
        let flat: Vec<(f64, f64)> = (0..100).map(|at| (at as f64, 2.5)).collect();
        assert!(smoothed(&flat).iter().all(|(_, y)| (y - 2.5).abs() < 1e-12));
    }

    #[test]
    fn axes_have_round_values() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(-3.0, 12.0, 5), [0.0, 5.0, 10.0]);
        assert_eq!(ticks(1.0, 1.0, 5), [1.0]);
        let cases = [
            (0.6000000000000001, "0.6"),
            (1250.0, "1250"),
            (-0.05, "-0.05"),
            (1e-4, "1e-4"),
            (2.5e7, "2.5e7"),
            (123_456.0, "123456"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(plain(value), text);
        }
    }
}
