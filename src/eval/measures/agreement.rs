//! Agreement of two labelings of the same items, corrected for chance: 1 for equal partitions, about 0 for random
//! ones. Only which items share a label matters, not the labels' values.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::catalogue::groups::{Groups, numbered};

/// Pairs of items, by what a truth and a labeling say of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// Of one class and in one cluster.
    pub together: usize,
    /// Of different classes, yet in one cluster.
    pub merged: usize,
    /// Of one class, yet in different clusters.
    pub parted: usize,
    /// All pairs.
    pub all: usize,
}

/// Counts the pairs of items.
pub fn pairs<A: Copy + Eq + Hash, B: Copy + Eq + Hash>(truth: &[A], labels: &[B]) -> Pairs {
    let table = Contingency::of(truth, labels);
    let pairs = |items: usize| items * items.saturating_sub(1) / 2;
    let sum = |sizes: &[usize]| sizes.iter().map(|&size| pairs(size)).sum::<usize>();
    let together = table.cells.iter().map(|&(_, _, both)| pairs(both)).sum::<usize>();
    Pairs {
        together,
        merged: sum(&table.cols) - together,
        parted: sum(&table.rows) - together,
        all: pairs(table.items),
    }
}

/// How often each pair of labels occurs together.
struct Contingency {
    /// Number of items.
    items: usize,
    /// Sizes of the classes of the first labeling.
    rows: Vec<usize>,
    /// Sizes of the clusters of the second.
    cols: Vec<usize>,
    /// (class, cluster, items in both), only where there are any.
    cells: Vec<(usize, usize, usize)>,
}

impl Contingency {
    fn of<A: Copy + Eq + Hash, B: Copy + Eq + Hash>(truth: &[A], labels: &[B]) -> Self {
        assert_eq!(truth.len(), labels.len(), "two labelings of the same items");
        let (truth, row_count) = numbered(truth.iter().copied());
        let (labels, col_count) = numbered(labels.iter().copied());
        let (mut rows, mut cols) = (vec![0; row_count], vec![0; col_count]);
        truth.iter().for_each(|&class| rows[class] += 1);
        labels.iter().for_each(|&cluster| cols[cluster] += 1);
        let pairs = Groups::of(truth.iter().copied().zip(labels).enumerate());
        let cells = pairs.iter().map(|((class, cluster), members)| (class, cluster, members.len())).collect();
        Self { items: truth.len(), rows, cols, cells }
    }

    /// Both labelings make the same partition.
    fn is_identity(&self) -> bool {
        self.cells.len() == self.rows.len() && self.cells.len() == self.cols.len()
    }

    /// `I = Σ n_ij/n · ln(n·n_ij / (a_i·b_j))`, in nats.
    fn mutual_information(&self) -> f64 {
        let term = |&(row, col, both): &(usize, usize, usize)| {
            information(self.items as f64, self.rows[row] as f64, self.cols[col] as f64, both as f64)
        };
        self.cells.iter().map(term).sum()
    }

    /// The mean of the mutual information over all labelings with these class and cluster sizes.
    fn expected_mutual_information(&self) -> f64 {
        let (rows, cols) = (distinct(&self.rows), distinct(&self.cols));
        let pairs = rows.iter().flat_map(|row| cols.iter().map(move |col| (row, col)));
        let term = |(&(a, a_count), &(b, b_count)): (&(usize, usize), &(usize, usize))| {
            (a_count * b_count) as f64 * expected_information(self.items, a, b)
        };
        pairs.map(term).sum()
    }
}

/// Different sizes, ascending, and how often each occurs.
fn distinct(sizes: &[usize]) -> Vec<(usize, usize)> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len())).collect()
}

/// What one cell adds to the mutual information.
fn information(n: f64, a: f64, b: f64, both: f64) -> f64 {
    if both == 0.0 { 0.0 } else { both / n * (n * both / (a * b)).ln() }
}

/// The mean of [`information`] when the overlap of a class of `a` and a cluster of `b` among `n` items is
/// hypergeometric. Probabilities follow from their neighbours,
/// `p(k+1)/p(k) = (a−k)(b−k) / ((k+1)(n−a−b+k+1))`, starting with 1 near the mode and normalised by their sum: no
/// factorials of large numbers, so nothing is lost for large n.
fn expected_information(n: usize, a: usize, b: usize) -> f64 {
    let (least, most) = ((a + b).saturating_sub(n), a.min(b));
    let mode = ((a + 1) as u128 * (b + 1) as u128 / (n + 2) as u128) as usize;
    let mode = mode.clamp(least, most);
    let [n, a, b] = [n, a, b].map(|count| count as f64);
    let up = |k: f64| (a - k) * (b - k) / ((k + 1.0) * (n - a - b + k + 1.0));
    let (mut total, mut sum) = (1.0, information(n, a, b, mode as f64));
    let mut add = |k: usize, probability: f64| {
        total += probability;
        sum += probability * information(n, a, b, k as f64);
        probability > f64::MIN_POSITIVE // what follows is smaller still
    };
    let mut probability = 1.0;
    for k in mode + 1..=most {
        probability *= up((k - 1) as f64);
        if !add(k, probability) {
            break;
        }
    }
    probability = 1.0;
    for k in (least..mode).rev() {
        probability /= up(k as f64);
        if !add(k, probability) {
            break;
        }
    }
    sum / total
}

/// `H = −Σ s/n · ln(s/n)`, in nats.
fn entropy(sizes: &[usize], items: usize) -> f64 {
    let share = |&size: &usize| size as f64 / items as f64;
    -sizes.iter().map(share).map(|share| share * share.ln()).sum::<f64>()
}

/// Adjusted Rand index (Hubert and Arabie 1985) by counting pairs of items that two labelings put together or apart.
///
/// Equal partitions give 1, also when there are no pairs at all.
///
/// # Panics
/// Where the labelings have different lengths.
pub fn adjusted_rand_index<A: Copy + Eq + Hash, B: Copy + Eq + Hash>(truth: &[A], labels: &[B]) -> f64 {
    let table = Contingency::of(truth, labels);
    if table.is_identity() {
        return 1.0;
    }
    let pairs = |count: usize| count as f64 * (count as f64 - 1.0) / 2.0;
    let together: f64 = table.cells.iter().map(|&(_, _, both)| pairs(both)).sum();
    let rows: f64 = table.rows.iter().map(|&size| pairs(size)).sum();
    let cols: f64 = table.cols.iter().map(|&size| pairs(size)).sum();
    let expected = rows * cols / pairs(table.items);
    (together - expected) / ((rows + cols) / 2.0 - expected)
}

/// Adjusted mutual information (Vinh, Epps and Bailey 2010), normalised by the arithmetic mean of the entropies:
/// `(I − E[I]) / ((H_truth + H_labels)/2 − E[I])`.
///
/// Equal partitions give 1; a single class against several clusters, or the reverse, gives 0.
///
/// # Panics
/// Where the labelings have different lengths.
pub fn adjusted_mutual_information<A: Copy + Eq + Hash, B: Copy + Eq + Hash>(truth: &[A], labels: &[B]) -> f64 {
    let table = Contingency::of(truth, labels);
    if table.is_identity() {
        return 1.0;
    }
    if table.rows.len() == 1 || table.cols.len() == 1 {
        return 0.0;
    }
    let expected = table.expected_mutual_information();
    let mean_entropy = (entropy(&table.rows, table.items) + entropy(&table.cols, table.items)) / 2.0;
    (table.mutual_information() - expected) / (mean_entropy - expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The mean over all orders of the labels, by listing them (Heap's algorithm).
    fn mean_over_permutations(truth: &[usize], labels: &mut Vec<usize>, size: usize, sum: &mut (f64, f64)) {
        if size <= 1 {
            sum.0 += Contingency::of(truth, labels).mutual_information();
            sum.1 += 1.0;
            return;
        }
        for i in 0..size {
            mean_over_permutations(truth, labels, size - 1, sum);
            labels.swap(if size.is_multiple_of(2) { i } else { 0 }, size - 1);
        }
    }

    #[test]
    fn expected_information_is_the_mean_over_all_orders() {
        for (truth, labels) in
            [([0, 0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 1, 1, 2]), ([0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1])]
        {
            let mut sum = (0.0, 0.0);
            mean_over_permutations(&truth, &mut labels.to_vec(), 7, &mut sum);
            assert_eq!(sum.1, 5040.0);
            let expected = Contingency::of(&truth, &labels).expected_mutual_information();
            assert!((expected - sum.0 / sum.1).abs() < 1e-12, "{expected} {}", sum.0 / sum.1);
        }
    }

    #[test]
    fn random_labels_score_about_zero_however_many() {
        let mut random = Random::keyed(1, &[]);
        let mut draw = |bound| (0..50_000).map(|_| random.below(bound)).collect::<Vec<_>>();
        let (truth, labels) = (draw(300), draw(2000));
        assert!(adjusted_rand_index(&truth, &labels).abs() < 1e-3);
        assert!(adjusted_mutual_information(&truth, &labels).abs() < 3e-3);
    }

    #[test]
    fn agreement_is_symmetric_and_ignores_names() {
        let (truth, labels) = (["a", "a", "b", "b", "c", "a"], [4, 4, 4, 9, 9, 1]);
        for measure in [adjusted_rand_index::<&str, i32>, adjusted_mutual_information] {
            let renamed = labels.map(|label| -label);
            assert_eq!(measure(&truth, &labels), measure(&truth, &renamed));
        }
        let ami = adjusted_mutual_information(&truth, &labels);
        assert!((ami - adjusted_mutual_information(&labels, &truth)).abs() < 1e-14);
    }
}
