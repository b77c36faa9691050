//! A line of a chart: broken where there is nothing, thinned where there is much, smoothed where it is noisy.

use super::Series;
use super::frame::Frame;
use super::numbers::number;
use crate::report::html::Html;

/// More points than this are thinned out: two of each column of pixels.
const POINTS: usize = 400;

/// Noisy lines of at least so many points get a smoothed line over them.
const SMOOTH_FROM: usize = 60;

/// A line that has something to draw.
pub(super) struct Line {
    pub name: String,
    /// Runs of finite points: the line breaks between them.
    pub runs: Vec<Vec<(f64, f64)>>,
    pub whole: Vec<(f64, f64)>,
    pub first: (f64, f64),
    pub last: (f64, f64),
}

impl Line {
    /// The points that can be drawn, if there are any.
    pub fn of(series: &Series) -> Option<Self> {
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

    /// Draws the line in colour `at`.
    pub fn draw(&self, html: &mut Html, frame: &Frame, at: usize, noisy: bool) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::tests::chart;

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
}
