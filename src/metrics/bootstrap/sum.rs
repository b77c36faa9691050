//! Sums of figures of several rankings of the same identities, such as rsum.

use super::{Groups, Resampling, Statistic, mean, quantile, split};
use crate::metrics::{Figure, Metric, MetricsError, Ranks};

/// One addend of a [`sum`]: metrics of one ranking.
#[derive(Clone, Copy, Debug)]
pub struct Addend<'a> {
    /// The ranking.
    pub ranks: &'a Ranks,
    /// The identity of each query; identities come in the same order in every addend.
    pub identities: &'a [u32],
    /// The stratum of each query, where the mean over strata is meant.
    pub strata: Option<&'a [Option<u32>]>,
    /// What is added up.
    pub metrics: &'a [Metric],
}

/// The sum of metrics of several rankings of the same identities (images searched by captions and captions by images), with its
/// 95 % interval: one draw of identities counts for all addends.
pub fn sum(addends: &[Addend], resampling: &Resampling) -> Result<Figure, MetricsError> {
    let mut terms: Vec<Vec<Statistic>> = Vec::new();
    let mut common: Option<Groups> = None;
    for addend in addends {
        let groups = Groups::of(addend.ranks, addend.identities)?;
        let parts = match addend.strata {
            Some(strata) => split(addend.ranks, strata)?,
            None => vec![addend.ranks.clone()],
        };
        for &metric in addend.metrics {
            let of = |part: &Ranks| Statistic::new(metric, part, &groups);
            terms.push(parts.iter().map(of).collect());
        }
        match &common {
            Some(first) if first.order != groups.order => {
                return Err(MetricsError::Unpaired("their identities differ".into()));
            }
            _ => common = Some(groups),
        }
    }
    let groups = common.ok_or(MetricsError::NothingToFind(0))?;
    let total = |counts: &[u32]| terms.iter().map(|term| mean(term, counts)).sum::<f64>();
    let mut samples = Vec::with_capacity(resampling.resamples);
    groups.resample(resampling, |counts| samples.push(total(counts)));
    samples.retain(|sample| sample.is_finite());
    samples.sort_unstable_by(f64::total_cmp);
    let value = total(&vec![1; groups.count]);
    let end = |share| quantile(&samples, share).unwrap_or(value);
    Ok(Figure {
        value,
        low: end(0.025),
        high: end(0.975),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::ranks;
    use super::*;

    #[test]
    fn a_sum_draws_each_identity_for_all_of_its_addends() {
        // Three images, two captions each. Sentences for images: places 1, 2, 7; images for captions: 1, 3, 1, 1, 12, 2.
        let images = ranks(&[0, 1, 6]);
        let captions = ranks(&[0, 2, 0, 0, 11, 1]);
        let metrics = [Metric::Recall(1), Metric::Recall(5), Metric::Recall(10)];
        let addends = [
            Addend {
                ranks: &images,
                identities: &[0, 1, 2],
                strata: None,
                metrics: &metrics,
            },
            Addend {
                ranks: &captions,
                identities: &[0, 0, 1, 1, 2, 2],
                strata: None,
                metrics: &metrics,
            },
        ];
        // 1/3 + 2/3 + 1, and 3/6 + 5/6 + 5/6.
        let whole = sum(&addends, &Resampling::default()).unwrap();
        assert!((whole.value - (2.0 + 13.0 / 6.0)).abs() < 1e-12, "{whole:?}");
        assert!(whole.low < whole.value && whole.value < whole.high);
        // The best draw is the first image thrice, (1 + 1 + 1) + (1/2 + 1 + 1); the worst the third, (0 + 0 + 1) + (0 + 1/2 + 1/2).
        assert!(whole.low >= 2.0 - 1e-12 && whole.high <= 5.5 + 1e-12);
        // Strata count alike: {image 0, image 1} and {image 2}.
        let strata = [Some(0), Some(0), Some(1)];
        let of_captions = [Some(0), Some(0), Some(0), Some(0), Some(1), Some(1)];
        let mut folded = addends;
        folded[0].strata = Some(&strata);
        folded[1].strata = Some(&of_captions);
        let folds = sum(&folded, &Resampling::default()).unwrap();
        // Images: (1/2, 0), (1, 0), (1, 1). Captions: (3/4, 0), (1, 1/2), (1, 1/2).
        let expected = 0.25 + 0.5 + 1.0 + 0.375 + 0.75 + 0.75;
        assert!((folds.value - expected).abs() < 1e-12, "{folds:?}");
        let mut other = addends;
        other[1].identities = &[0, 0, 1, 1, 3, 3];
        assert!(matches!(
            sum(&other, &Resampling::default()),
            Err(MetricsError::Unpaired(_))
        ));
    }
}
