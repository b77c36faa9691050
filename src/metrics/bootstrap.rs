//! How sure a figure is: percentile bootstrap over identities.
//!
//! Queries of one product are not independent of one another, so identities are drawn, with replacement, each with all
//! of its queries. The draws depend on the seed and the number of identities alone: every metric of a run, and both runs
//! of a comparison, see the same ones.

mod sum;

pub use sum::{Addend, sum};

use std::collections::{BTreeMap, BTreeSet};

use super::{Figure, Figures, Metric, MetricsError, QueryRanks, Ranks, position};

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// Number of resamples.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            resamples: 1000,
            seed: 0,
        }
    }
}

/// The figures of a run with 95 % intervals.
///
/// `identities`: the label of each query. Queries that have nothing to find take no part.
pub fn figures(
    ranks: &Ranks,
    identities: &[u32],
    metrics: &[Metric],
    resampling: &Resampling,
) -> Result<Figures, MetricsError> {
    let groups = Groups::of(ranks, identities)?;
    let statistics: Vec<Statistic> = metrics
        .iter()
        .map(|&metric| Statistic::new(metric, ranks, &groups))
        .collect();
    let mut samples = vec![Vec::with_capacity(resampling.resamples); metrics.len()];
    groups.resample(resampling, |counts| {
        for (statistic, samples) in statistics.iter().zip(&mut samples) {
            samples.push(statistic.of(counts));
        }
    });
    let once = vec![1; groups.count];
    let figures = metrics
        .iter()
        .zip(&statistics)
        .zip(&mut samples)
        .map(|((metric, statistic), samples)| {
            let value = statistic.of(&once);
            samples.sort_unstable_by(f64::total_cmp);
            let end = |share| quantile(samples, share).unwrap_or(value);
            (
                metric.to_string(),
                Figure {
                    value,
                    low: end(0.025),
                    high: end(0.975),
                },
            )
        });
    Ok(Figures(figures.collect()))
}

/// How many identities are resampled: those of queries with something to find.
pub fn identities(ranks: &Ranks, identities: &[u32]) -> usize {
    let found = ranks.queries.iter().zip(identities);
    let found = found.filter_map(|(ranks, identity)| ranks.as_ref().map(|_| identity));
    found.collect::<BTreeSet<_>>().len()
}

/// The mean over strata (categories) of each stratum's figures, with 95 % intervals: strata count alike, whatever the number of their
/// queries. `strata`: of each query; queries of none take no part. The draws are those of [`figures`]; a stratum none of whose
/// identities is drawn is left out of that resample.
pub fn figures_of_strata(
    ranks: &Ranks,
    identities: &[u32],
    strata: &[Option<u32>],
    metrics: &[Metric],
    resampling: &Resampling,
) -> Result<Figures, MetricsError> {
    let groups = Groups::of(ranks, identities)?;
    let parts = split(ranks, strata)?;
    let statistics: Vec<Vec<Statistic>> = metrics
        .iter()
        .map(|&metric| {
            let of = |part: &Ranks| Statistic::new(metric, part, &groups);
            parts.iter().map(of).collect()
        })
        .collect();
    let mut samples = vec![Vec::with_capacity(resampling.resamples); metrics.len()];
    groups.resample(resampling, |counts| {
        for (parts, samples) in statistics.iter().zip(&mut samples) {
            let value = mean(parts, counts);
            if value.is_finite() {
                samples.push(value);
            }
        }
    });
    let once = vec![1; groups.count];
    let figures = metrics
        .iter()
        .zip(&statistics)
        .zip(&mut samples)
        .map(|((metric, parts), samples)| {
            let value = mean(parts, &once);
            samples.sort_unstable_by(f64::total_cmp);
            let end = |share| quantile(samples, share).unwrap_or(value);
            let (low, high) = (end(0.025), end(0.975));
            (metric.to_string(), Figure { value, low, high })
        });
    Ok(Figures(figures.collect()))
}

/// The rankings of each stratum, with all others' queries left out.
fn split(ranks: &Ranks, strata: &[Option<u32>]) -> Result<Vec<Ranks>, MetricsError> {
    if strata.len() != ranks.queries.len() {
        return Err(MetricsError::Identities {
            queries: ranks.queries.len(),
            identities: strata.len(),
        });
    }
    let mut parts: BTreeMap<u32, Ranks> = BTreeMap::new();
    for (query, stratum) in strata.iter().enumerate() {
        if let (Some(stratum), Some(found)) = (stratum, &ranks.queries[query]) {
            let part = parts.entry(*stratum).or_insert_with(|| Ranks {
                queries: vec![None; ranks.queries.len()],
                skipped: 0,
            });
            part.queries[query] = Some(found.clone());
        }
    }
    Ok(parts.into_values().collect())
}

/// The mean of what can be computed: a stratum none of whose identities is drawn has no figure.
fn mean(parts: &[Statistic], counts: &[u32]) -> f64 {
    let values: Vec<f64> = parts
        .iter()
        .map(|part| part.of(counts))
        .filter(|value| value.is_finite())
        .collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Two runs on the same queries.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Comparison {
    /// First minus second, with its 95 % interval.
    pub difference: Figure,
    /// Two-sided bootstrap p: twice the smaller share of resamples at or beyond zero, at least 2 / (resamples + 1).
    pub p: f64,
}

/// Paired bootstrap of one metric: `first` minus `second`, both over the same draws of identities.
pub fn compare(
    first: &Ranks,
    second: &Ranks,
    identities: &[u32],
    metric: Metric,
    resampling: &Resampling,
) -> Result<Comparison, MetricsError> {
    let groups = Groups::of(first, identities)?;
    if first.queries.len() != second.queries.len() {
        let sizes = format!("{} and {} queries", first.queries.len(), second.queries.len());
        return Err(MetricsError::Unpaired(sizes));
    }
    let differs = |(a, b): (&Option<QueryRanks>, &Option<QueryRanks>)| a.is_some() != b.is_some();
    if let Some(query) = first.queries.iter().zip(&second.queries).position(differs) {
        return Err(MetricsError::Unpaired(format!(
            "query {query} has something to find in one of them only"
        )));
    }
    let (a, b) = (
        Statistic::new(metric, first, &groups),
        Statistic::new(metric, second, &groups),
    );
    let mut samples = Vec::with_capacity(resampling.resamples);
    groups.resample(resampling, |counts| samples.push(a.of(counts) - b.of(counts)));
    samples.sort_unstable_by(f64::total_cmp);
    let once = vec![1; groups.count];
    let value = a.of(&once) - b.of(&once);
    let end = |share| quantile(&samples, share).unwrap_or(value);
    let at_most = samples.iter().filter(|&&difference| difference <= 0.0).count();
    let at_least = samples.iter().filter(|&&difference| difference >= 0.0).count();
    // The observed sample counts as one of the draws, so that p is never 0.
    let p = (2.0 * (at_most.min(at_least) as f64 + 1.0) / (samples.len() as f64 + 1.0)).min(1.0);
    Ok(Comparison {
        difference: Figure {
            value,
            low: end(0.025),
            high: end(0.975),
        },
        p,
    })
}

/// Queries by identity.
struct Groups {
    /// Group of each query, none for skipped ones.
    of_query: Vec<Option<u32>>,
    /// The identities by their numbers.
    order: Vec<u32>,
    count: usize,
}

impl Groups {
    fn of(ranks: &Ranks, identities: &[u32]) -> Result<Self, MetricsError> {
        let queries = ranks.queries.len();
        if identities.len() != queries {
            return Err(MetricsError::Identities {
                queries,
                identities: identities.len(),
            });
        }
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let mut order = Vec::new();
        let of_query: Vec<Option<u32>> = ranks
            .queries
            .iter()
            .zip(identities)
            .map(|(ranks, &identity)| {
                let next = numbers.len() as u32;
                ranks.as_ref()?;
                Some(*numbers.entry(identity).or_insert_with(|| {
                    order.push(identity);
                    next
                }))
            })
            .collect();
        if numbers.is_empty() {
            return Err(MetricsError::NothingToFind(queries));
        }
        Ok(Self {
            of_query,
            order,
            count: numbers.len(),
        })
    }

    /// Calls `each` with how often each identity was drawn.
    fn resample(&self, resampling: &Resampling, mut each: impl FnMut(&[u32])) {
        let mut counts = vec![0u32; self.count];
        for resample in 0..resampling.resamples {
            counts.fill(0);
            let mut stream = crate::random::stream(resampling.seed, "bootstrap", &[resample as u64]);
            for _ in 0..self.count {
                counts[stream.below(self.count)] += 1;
            }
            each(&counts);
        }
    }
}

/// What is needed to recompute a figure from the numbers of draws.
enum Statistic {
    /// Sum and number of values of each identity.
    Mean(Vec<(f64, f64)>),
    /// Every value with its identity, ascending.
    Median(Vec<(f64, u32)>),
}

impl Statistic {
    fn new(metric: Metric, ranks: &Ranks, groups: &Groups) -> Self {
        let values = ranks
            .queries
            .iter()
            .zip(&groups.of_query)
            .filter_map(|(ranks, group)| Some((metric.of(ranks.as_ref()?), (*group)?)));
        if metric == Metric::MedianRank {
            let mut values: Vec<(f64, u32)> = values.collect();
            values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            return Self::Median(values);
        }
        let mut sums = vec![(0.0, 0.0); groups.count];
        for (value, group) in values {
            sums[group as usize].0 += value;
            sums[group as usize].1 += 1.0;
        }
        Self::Mean(sums)
    }

    fn of(&self, counts: &[u32]) -> f64 {
        match self {
            Self::Mean(sums) => {
                let (sum, number) =
                    sums.iter()
                        .zip(counts)
                        .fold((0.0, 0.0), |(sum, number), (own, &count)| {
                            (sum + own.0 * f64::from(count), number + own.1 * f64::from(count))
                        });
                sum / number
            }
            Self::Median(values) => {
                let weight = |&(_, group): &(f64, u32)| u64::from(counts[group as usize]);
                let total: u64 = values.iter().map(weight).sum();
                // The two middle values, which are one where the total is odd.
                let wanted = [total.saturating_sub(1) / 2, total / 2];
                let mut middle = [f64::NAN; 2];
                let mut passed = 0;
                for value in values {
                    let next = passed + weight(value);
                    for (middle, wanted) in middle.iter_mut().zip(wanted) {
                        if (passed..next).contains(&wanted) {
                            *middle = value.0;
                        }
                    }
                    passed = next;
                }
                position::median(&mut middle)
            }
        }
    }
}

/// Linear between order statistics, as NumPy's default.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (
        sorted.get(place.floor() as usize)?,
        sorted.get(place.ceil() as usize)?,
    );
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn ranks(first: &[u32]) -> Ranks {
        Ranks {
            queries: first
                .iter()
                .map(|&rank| Some(QueryRanks::plain(vec![rank], 100)))
                .collect(),
            skipped: 0,
        }
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&sorted, 0.0), Some(1.0));
        assert_eq!(quantile(&sorted, 0.5), Some(2.5));
        assert_eq!(quantile(&sorted, 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn values_are_plain_means_and_medians() {
        let mut ranks = ranks(&[0, 1, 4, 9]);
        ranks.queries.push(None);
        let metrics = [
            Metric::Recall(1),
            Metric::ReciprocalRank,
            Metric::MeanRank,
            Metric::MedianRank,
        ];
        let figures = figures(&ranks, &[7, 7, 8, 9, 10], &metrics, &Resampling::default()).unwrap();
        assert_eq!(figures.get("recall@1").unwrap().value, 0.25);
        assert!((figures.get("MRR").unwrap().value - (1.0 + 0.5 + 0.2 + 0.1) / 4.0).abs() < 1e-15);
        assert_eq!(
            figures.get("mean_rank").unwrap().value,
            (1.0 + 2.0 + 5.0 + 10.0) / 4.0
        );
        // Median of places 1, 2, 5, 10 is 3.5, printed as 3.
        assert_eq!(figures.get("median_rank").unwrap().value, 3.0);
        for (_, figure) in &figures.0 {
            assert!(
                figure.low <= figure.value && figure.value <= figure.high,
                "{figure:?}"
            );
        }
    }

    #[test]
    fn identities_are_drawn_whole() {
        // 2,000 queries of 20 identities, each identity all right or all wrong: as wide as for 20 coin throws, whose
        // share has the standard deviation √(¼/20) = 0.112, not √(¼/2000).
        let first: Vec<u32> = (0..2000).map(|query| (query / 100) % 2).collect();
        let together: Vec<u32> = (0..2000).map(|query| query / 100).collect();
        let apart: Vec<u32> = (0..2000).collect();
        let width = |identities: &[u32]| {
            let figures = figures(
                &ranks(&first),
                identities,
                &[Metric::Recall(1)],
                &Resampling::default(),
            )
            .unwrap();
            let figure = figures.get("recall@1").unwrap();
            assert_eq!(figure.value, 0.5);
            figure.high - figure.low
        };
        let expected = 2.0 * 1.96 * (0.25f64 / 20.0).sqrt();
        assert!((width(&together) - expected).abs() < 0.06, "{}", width(&together));
        assert!(
            (width(&apart) - expected / 10.0).abs() < 0.006,
            "{}",
            width(&apart)
        );
    }

    #[test]
    fn intervals_are_those_of_lists_written_out() {
        // Identities of 1, 2, … 7 queries, and skipped queries between them.
        let identities: Vec<u32> = (1..8)
            .flat_map(|identity| vec![identity; identity as usize])
            .collect();
        let mut ranks = ranks(
            &identities
                .iter()
                .map(|identity| identity * 5 % 7)
                .collect::<Vec<_>>(),
        );
        for skipped in [4, 11] {
            ranks.queries[skipped] = None;
        }
        let resampling = Resampling {
            resamples: 99,
            seed: 4,
        };
        let metrics = [Metric::ReciprocalRank, Metric::MedianRank];
        let found = figures(&ranks, &identities, &metrics, &resampling).unwrap();
        for (metric, (_, found)) in metrics.iter().zip(&found.0) {
            let mut samples: Vec<f64> = (0..99)
                .map(|resample| {
                    let mut stream = crate::random::stream(4, "bootstrap", &[resample]);
                    let mut drawn: Vec<f64> = Vec::new();
                    for _ in 0..7 {
                        let identity = 1 + stream.below(7) as u32;
                        let own = identities
                            .iter()
                            .zip(&ranks.queries)
                            .filter(|(other, _)| **other == identity);
                        drawn.extend(
                            own.filter_map(|(_, query)| query.as_ref())
                                .map(|query| metric.of(query)),
                        );
                    }
                    match metric {
                        Metric::MedianRank => position::median(&mut drawn),
                        _ => drawn.iter().sum::<f64>() / drawn.len() as f64,
                    }
                })
                .collect();
            samples.sort_unstable_by(f64::total_cmp);
            assert!(
                (found.low - quantile(&samples, 0.025).unwrap()).abs() < 1e-12,
                "{metric}"
            );
            assert!(
                (found.high - quantile(&samples, 0.975).unwrap()).abs() < 1e-12,
                "{metric}"
            );
        }
    }

    #[test]
    fn the_seed_decides_alone() {
        let first: Vec<u32> = (0..60).map(|query| query % 7).collect();
        let identities: Vec<u32> = (0..60).map(|query| query / 3).collect();
        let run = |seed| {
            let resampling = Resampling { resamples: 200, seed };
            figures(
                &ranks(&first),
                &identities,
                &[Metric::ReciprocalRank],
                &resampling,
            )
            .unwrap()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn pairing_sees_a_small_steady_gain() {
        // Both runs vary wildly between identities; the second is always one place better.
        let worse: Vec<u32> = (0..300).map(|query| (query / 3 * 37) % 90 + 1).collect();
        let better: Vec<u32> = worse.iter().map(|rank| rank - 1).collect();
        let identities: Vec<u32> = (0..300).map(|query| query / 3).collect();
        let resampling = Resampling::default();
        let run = |a: &[u32], b: &[u32]| {
            compare(&ranks(a), &ranks(b), &identities, Metric::MeanRank, &resampling).unwrap()
        };
        let gain = run(&better, &worse);
        for end in [gain.difference.value, gain.difference.low, gain.difference.high] {
            assert!((end + 1.0).abs() < 1e-9, "{gain:?}");
        }
        assert!((gain.p - 2.0 / 1001.0).abs() < 1e-12);
        let same = run(&better, &better);
        assert_eq!((same.difference.value, same.p), (0.0, 1.0));
    }

    #[test]
    fn mismatches_are_errors() {
        let resampling = Resampling::default();
        let metrics = [Metric::Recall(1)];
        assert!(matches!(
            figures(&ranks(&[0, 1]), &[1], &metrics, &resampling),
            Err(MetricsError::Identities {
                queries: 2,
                identities: 1
            })
        ));
        let nothing = Ranks {
            queries: vec![None],
            skipped: 1,
        };
        assert!(matches!(
            figures(&nothing, &[1], &metrics, &resampling),
            Err(MetricsError::NothingToFind(1))
        ));
        let other = Ranks {
            queries: vec![None, Some(QueryRanks::plain(vec![0], 2))],
            skipped: 1,
        };
        let compared = compare(&ranks(&[0, 1]), &other, &[1, 2], Metric::Recall(1), &resampling);
        assert!(matches!(compared, Err(MetricsError::Unpaired(_))));
    }
}
