//! The distribution of many values, in buckets.

/// Buckets of equal width from the least to the greatest value, with exact moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The least finite value; 0 where there is none.
    pub min: f64,
    /// The greatest finite value; 0 where there is none.
    pub max: f64,
    /// How many finite values there are.
    pub num: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_squares: f64,
    /// How many values are NaN or infinite. They are in no bucket.
    pub not_finite: u64,
    /// The upper end of each bucket, ascending; the last is `max`. Bucket i holds values above limit i − 1 up to limit i.
    pub limits: Vec<f64>,
    /// How many values each bucket holds.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// How many buckets [`Histogram::new`] makes.
    pub const BUCKETS: usize = 64;

    /// The histogram of the values, in their order (sums of floats depend on it).
    pub fn new(values: &[f32]) -> Self {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut num, mut sum, mut sum_squares) = (0u64, 0.0, 0.0);
        for value in values.iter().map(|v| f64::from(*v)).filter(|v| v.is_finite()) {
            min = min.min(value);
            max = max.max(value);
            num += 1;
            sum += value;
            sum_squares += value * value;
        }
        if num == 0 {
            (min, max) = (0.0, 0.0);
        }
        // One value needs one bucket, and equal widths of 0 would make all limits equal.
        let buckets = if min < max { Self::BUCKETS } else { 1 };
        let width = (max - min) / buckets as f64;
        let mut limits: Vec<f64> = (1..=buckets).map(|i| min + width * i as f64).collect();
        limits[buckets - 1] = max;
        let mut counts = vec![0; buckets];
        for value in values.iter().map(|v| f64::from(*v)).filter(|v| v.is_finite()) {
            // `limits` is the definition; dividing by the width could round into the bucket beside.
            let index = limits.partition_point(|limit| *limit < value);
            counts[index.min(buckets - 1)] += 1;
        }
        let not_finite = values.len() as u64 - num;
        Self {
            min,
            max,
            num,
            sum,
            sum_squares,
            not_finite,
            limits,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_buckets_by_hand() {
        let h = Histogram::new(&[0.0, 64.0, 1.0, 1.5, f32::NAN, f32::INFINITY]);
        assert_eq!((h.min, h.max, h.num, h.not_finite), (0.0, 64.0, 4, 2));
        assert_eq!((h.sum, h.sum_squares), (66.5, 4099.25));
        assert_eq!((h.limits[0], h.limits[1], h.limits[63]), (1.0, 2.0, 64.0));
        // 0 and 1 lie up to limit 1, 1.5 up to limit 2, 64 in the last.
        assert_eq!((h.counts[0], h.counts[1], h.counts[63]), (2, 1, 1));
        assert_eq!(h.counts.iter().sum::<u64>(), h.num);
    }

    #[test]
    fn no_values_equal_values_and_extreme_values_make_a_histogram() {
        for (values, num) in [
            (&[][..], 0),
            (&[f32::NAN], 0),
            (&[2.5, 2.5], 2),
            (&[f32::MIN, f32::MAX], 2),
        ] {
            let h = Histogram::new(values);
            assert_eq!(h.counts.iter().sum::<u64>(), num);
            assert_eq!(h.counts.len(), h.limits.len());
            assert!(h.limits.iter().all(|l| l.is_finite()));
            assert_eq!(h.limits.last(), Some(&h.max));
        }
    }
}
