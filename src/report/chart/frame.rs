//! What part of the plane a chart shows, and where its points lie.

use super::line::Line;
use super::numbers::number;

/// The picture and its margins, in units of its view box.
pub(super) const WIDTH: f64 = 460.0;
pub(super) const HEIGHT: f64 = 230.0;
pub(super) const LEFT: f64 = 52.0;
pub(super) const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
pub(super) const BOTTOM: f64 = 34.0;

/// What part of the plane is shown.
pub(super) struct Frame {
    /// The least x.
    pub from: f64,
    /// The greatest x.
    pub to: f64,
    /// The least value.
    pub low: f64,
    /// The greatest value.
    pub high: f64,
}

impl Frame {
    /// What holds all lines, with some room; nothing where there is no point, or no extent that can be drawn.
    pub fn around(lines: &[Line], from_zero: bool) -> Option<Self> {
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

    /// Where a value of x is drawn.
    pub fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }

    /// Where a value is drawn.
    pub fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
    }

    /// The points as the `d` of a path.
    pub fn path(&self, points: &[(f64, f64)]) -> String {
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
