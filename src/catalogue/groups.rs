//! Items with equal values: the tracks of an artist, of a name, of a cluster.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Items grouped by value, groups in order of first appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups<K> {
    /// The value of each group.
    pub keys: Vec<K>,
    /// The places of each group's items, ascending.
    pub members: Vec<Vec<usize>>,
}

impl<K: Copy + Eq + Hash> Groups<K> {
    /// Groups items that come with their places.
    pub fn of(items: impl IntoIterator<Item = (usize, K)>) -> Self {
        let mut numbers = HashMap::new();
        let mut groups = Self { keys: Vec::new(), members: Vec::new() };
        for (place, key) in items {
            let number = *numbers.entry(key).or_insert_with(|| {
                groups.keys.push(key);
                groups.members.push(Vec::new());
                groups.keys.len() - 1
            });
            groups.members[number].push(place);
        }
        groups
    }

    /// Values and members together.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &Vec<usize>)> {
        self.keys.iter().copied().zip(&self.members)
    }
}

/// Replaces values by numbers `0..` in order of first appearance; also says how many there are.
pub fn numbered<K: Copy + Eq + Hash>(values: impl IntoIterator<Item = K>) -> (Vec<usize>, usize) {
    let mut numbers = HashMap::new();
    let codes = values.into_iter().map(|value| {
        let next = numbers.len();
        *numbers.entry(value).or_insert(next)
    });
    let codes = codes.collect();
    (codes, numbers.len())
}

/// The tags of a cell that holds several apart by `;`, each once.
pub fn tags(cell: &str) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    cell.split(';').map(str::trim).filter(move |tag| !tag.is_empty() && seen.insert(*tag))
}

/// The most frequent value that is not empty; of equally frequent ones the first.
pub fn most_frequent<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let groups = Groups::of(values.into_iter().enumerate().filter(|(_, value)| !value.is_empty()));
    groups.iter().rev().max_by_key(|(_, members)| members.len()).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_order_of_first_appearance() {
        let groups = Groups::of(["b", "a", "b"].into_iter().enumerate());
        assert_eq!(groups, Groups { keys: vec!["b", "a"], members: vec![vec![0, 2], vec![1]] });
        assert_eq!(numbered(["b", "a", "b", "c"]), (vec![0, 1, 0, 2], 3));
        assert_eq!(most_frequent(["", "", "b", "a", "a", "b"]), Some("b"));
        assert_eq!(most_frequent([""]), None);
    }
}
