//! How far above what is expected to reserve, from how wrong earlier forecasts were.
//!
//! In: what is expected, and earlier runs of the same class. Out: a [`Forecast`]. The margin is a quantile of the ratios
//! of what runs of the same size took to what was expected of them. With as many runs as this asks for, no more than
//! one of a hundred exceeds it whatever the distribution is, as long as runs to come are like those before (split
//! conformal prediction). With fewer runs the margin that was shipped and the worst run so far are both covered.

use super::history::{Run, size};

/// One of so many runs may take more than is reserved for it.
const ONE_OF: usize = 100;

/// How much memory a run will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// What is expected, in bytes.
    pub point: u64,
    /// How many times that is reserved.
    pub margin: f64,
    /// Earlier runs that the margin was learned from; 0 if it is the shipped one.
    pub learned_from: usize,
}

impl Forecast {
    /// A forecast with a margin that covers all but one of a hundred runs like `runs`, and if those are too few, what
    /// `shipped` covers as well.
    pub fn new(point: u64, shipped: f64, runs: &[Run]) -> Forecast {
        let size = size(point);
        let mut ratios: Vec<f64> = runs.iter().filter(|run| run.size() == size).map(Run::ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let count = ratios.len();
        // The rank that one more run like these exceeds with the probability that is allowed: (n + 1) * 0.99, rounded
        // up. Below n = 99 there is no such rank.
        let rank = (count + 1).saturating_sub((count + 1) / ONE_OF);
        let margin = match ratios.get(rank.saturating_sub(1)) {
            Some(&ratio) if rank <= count => ratio,
            _ => ratios.last().copied().unwrap_or(shipped).max(shipped),
        };
        Forecast { point, margin, learned_from: count }
    }

    /// What to reserve, in bytes.
    pub fn bytes(&self) -> u64 {
        // A number that is too large for the type becomes the largest of it.
        (self.point as f64 * self.margin) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(ratios: impl IntoIterator<Item = f64>) -> Vec<Run> {
        let run =
            |ratio| Run { when: 0, key: 0, point: 50 << 20, peak: (f64::from(50 << 20) * ratio) as u64 };
        ratios.into_iter().map(run).collect()
    }

    fn margin(ratios: impl IntoIterator<Item = f64>) -> f64 {
        Forecast::new(40 << 20, 1.2, &runs(ratios)).margin
    }

    #[test]
    fn few_runs_raise_the_shipped_margin_and_never_lower_it() {
        assert!((margin([]) - 1.2).abs() < 1e-6);
        assert!((margin([0.9; 98]) - 1.2).abs() < 1e-6);
        assert!((margin([0.9, 1.5, 1.0]) - 1.5).abs() < 1e-6);
        // Runs of another size say nothing.
        assert!((Forecast::new(4 << 30, 1.2, &runs([3.0; 200])).margin - 1.2).abs() < 1e-6);
    }

    #[test]
    fn of_many_runs_one_of_a_hundred_may_take_more() {
        assert!((margin([0.9; 99]) - 0.9).abs() < 1e-6);
        // 199 runs: the 198th of them; one is above.
        assert!((margin((1..=199).map(|i| 1.0 + f64::from(i) / 1000.0)) - 1.198).abs() < 1e-6);
    }
}
