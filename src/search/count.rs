//! How many scores of a row stand ahead of each relevant item.

use super::rank::Ties;

/// A relevant item whose rank is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) item: u32,
    pub(super) grade: f32,
    pub(super) score: f32,
}

impl Target {
    /// Ascending order: the last of a sorted list stands highest in the ranking.
    pub(super) fn compare(&self, other: &Self, ties: Ties) -> std::cmp::Ordering {
        use std::cmp::Ordering::Equal;
        // Neither score is NaN; -0 and +0 are the same score.
        let by_score = self.score.partial_cmp(&other.score).unwrap_or(Equal);
        let by_grade = match ties {
            Ties::Index => Equal,
            Ties::Pessimistic => other.grade.partial_cmp(&self.grade).unwrap_or(Equal),
        };
        by_score.then(by_grade).then(other.item.cmp(&self.item))
    }
}

/// Up to so many targets are compared with every score, without branches; beyond, each score is sought among them.
const FEW: usize = 8;

/// Adds to `ahead[j]` how many scores of `row` stand ahead of `targets[j]`.
///
/// `targets` are sorted by [`Target::compare`], ascending. `row[0]` is gallery item `first`. Entries that do not take
/// part are NaN, which compares false with everything and so is never counted.
pub(super) fn count_ahead(row: &[f32], first: usize, targets: &[Target], ties: Ties, ahead: &mut [u32]) {
    if targets.len() <= FEW {
        for (target, ahead) in targets.iter().zip(ahead) {
            let split = match ties {
                Ties::Index => (target.item as usize).saturating_sub(first).min(row.len()),
                Ties::Pessimistic => row.len(),
            };
            let (before, after) = row.split_at(split);
            *ahead +=
                count(before, |score| score >= target.score) + count(after, |score| score > target.score);
        }
        return;
    }
    // histogram[c]: how many scores beat exactly the c lowest targets.
    let mut histogram = vec![0u32; targets.len() + 1];
    let lowest = targets[0].score;
    for (column, &score) in row.iter().enumerate() {
        if score >= lowest {
            let item = first + column;
            let beaten = targets.partition_point(|target| {
                score > target.score
                    || score == target.score && (ties == Ties::Pessimistic || item < target.item as usize)
            });
            histogram[beaten] += 1;
        }
    }
    let mut above = 0;
    for (target, ahead) in ahead.iter_mut().enumerate().rev() {
        above += histogram[target + 1];
        *ahead += above;
    }
}

/// Counts in blocks whose count fits a byte-wide or word-wide lane, a form that compilers turn into vector code.
fn count(scores: &[f32], hit: impl Fn(f32) -> bool) -> u32 {
    scores
        .chunks(1024)
        .map(|block| block.iter().map(|&score| u32::from(hit(score))).sum::<u32>())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_counting_agree_with_the_definition() {
        let mut stream = crate::random::stream(5, "count test", &[]);
        for trial in 0..200 {
            let n = 1 + stream.below(60);
            // Few distinct values, so that ties abound.
            let mut row: Vec<f32> = (0..n).map(|_| stream.below(6) as f32 / 2.0 - 1.0).collect();
            let first = stream.below(30);
            for ties in [Ties::Index, Ties::Pessimistic] {
                for many in [3, 20] {
                    let mut targets: Vec<Target> = (0..many)
                        .map(|_| Target {
                            item: stream.below(100) as u32,
                            grade: 1.0 + stream.below(2) as f32,
                            score: stream.below(6) as f32 / 2.0 - 1.0,
                        })
                        .collect();
                    targets.sort_by(|a, b| a.compare(b, ties));
                    for target in &targets {
                        // A target never competes with itself.
                        if let Some(own) = (target.item as usize).checked_sub(first).filter(|&at| at < n) {
                            row[own] = f32::NAN;
                        }
                    }
                    let mut ahead = vec![7; many];
                    count_ahead(&row, first, &targets, ties, &mut ahead);
                    let expected: Vec<u32> = targets
                        .iter()
                        .map(|target| {
                            let beats = |&(column, &score): &(usize, &f32)| {
                                score > target.score
                                    || score == target.score
                                        && (ties == Ties::Pessimistic
                                            || first + column < target.item as usize)
                            };
                            7 + row.iter().enumerate().filter(beats).count() as u32
                        })
                        .collect();
                    assert_eq!(ahead, expected, "trial {trial}, {ties:?}, {many} targets");
                }
            }
        }
    }
}
