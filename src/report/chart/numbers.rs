//! Round values on an axis, and how values are written.

/// Round values within a range, about `count` of them.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
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
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_string).unwrap_or(text)
}

/// A value with as few digits as it needs, at most four significant ones.
pub(super) fn plain(value: f64) -> String {
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
    use super::*;

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
