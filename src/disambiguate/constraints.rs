//! What is known beforehand about who belongs together: earlier decisions, human ones, albums.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One line of a file of decisions, as the review report exports them. Tracks are named by their `track_id` (or `path`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Entry {
    /// These tracks are one artist's.
    MustLink {
        /// The tracks.
        tracks: Vec<String>,
    },
    /// These two tracks are not.
    CannotLink {
        /// The tracks.
        tracks: [String; 2],
    },
    /// The artists under a name are these; the first is number 1. A later line for the name takes this one's place.
    Lock {
        /// The name.
        name: String,
        /// The tracks of each artist.
        clusters: Vec<Vec<String>>,
    },
    /// Someone looked and did not decide.
    Skip {
        /// The name.
        name: String,
    },
}

/// Reads decisions, one JSON object a line.
pub fn read_decisions(path: &Path) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            let expected = "a decision (must-link, cannot-link, lock or skip)";
            let found = format!("{error} in line {}", number + 1);
            Error::file(path, expected, found, "export decisions from the review report, or repair the line")
        })
    };
    lines.map(entry).collect()
}

/// Who belongs together, by rows of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraints {
    /// Rows that are one artist's.
    pub together: Vec<Vec<usize>>,
    /// Pairs of rows that are not.
    pub apart: Vec<[usize; 2]>,
    /// The cluster that a row has and keeps, within its name.
    pub fixed: HashMap<usize, usize>,
    /// Rows of which a human has said where they belong: nothing about them is unsure.
    pub human: HashSet<usize>,
}

impl Constraints {
    /// Adds decisions about tracks whose `keys` are those of the rows; returns how many tracks are not among them.
    pub fn add(&mut self, entries: &[Entry], keys: &[&str]) -> usize {
        let rows: HashMap<&str, usize> = keys.iter().enumerate().map(|(row, &key)| (key, row)).collect();
        let mut unknown = 0;
        let mut find = |tracks: &[String]| -> Vec<usize> {
            let found: Vec<usize> = tracks.iter().filter_map(|track| rows.get(track.as_str()).copied()).collect();
            unknown += tracks.len() - found.len();
            found
        };
        let mut locks: BTreeMap<&str, &Vec<Vec<String>>> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::MustLink { tracks } => self.together.push(find(tracks)),
                Entry::CannotLink { tracks } => {
                    if let [one, other] = find(tracks)[..] {
                        self.apart.push([one, other]);
                    }
                }
                Entry::Lock { name, clusters } => {
                    locks.insert(name, clusters);
                }
                Entry::Skip { .. } => {}
            }
        }
        for clusters in locks.values() {
            for (number, tracks) in clusters.iter().enumerate() {
                let rows = find(tracks);
                self.human.extend(&rows);
                self.fixed.extend(rows.into_iter().map(|row| (row, number + 1)));
            }
        }
        unknown
    }

    /// The constraints on the tracks of one name.
    pub(super) fn within(&self, rows: &[usize]) -> Local {
        let places: HashMap<usize, usize> = rows.iter().enumerate().map(|(place, &row)| (row, place)).collect();
        let mut parts = Parts::new(rows.len());
        for group in &self.together {
            let members: Vec<usize> = group.iter().filter_map(|row| places.get(row).copied()).collect();
            members.windows(2).for_each(|pair| parts.join(pair[0], pair[1]));
        }
        let mut firsts: HashMap<usize, usize> = HashMap::new();
        let fixed: Vec<Option<usize>> = rows.iter().map(|row| self.fixed.get(row).copied()).collect();
        for (place, cluster) in fixed.iter().enumerate() {
            if let Some(cluster) = *cluster {
                parts.join(*firsts.entry(cluster).or_insert(place), place);
            }
        }
        let mut apart: Vec<[usize; 2]> = Vec::new();
        for [one, other] in &self.apart {
            apart.extend(places.get(one).zip(places.get(other)).map(|(&one, &other)| [one, other]));
        }
        let mut firsts: Vec<usize> = firsts.into_values().collect();
        firsts.sort_unstable();
        for (place, &one) in firsts.iter().enumerate() {
            apart.extend(firsts[..place].iter().map(|&other| [one, other]));
        }
        let human = rows.iter().map(|row| self.human.contains(row)).collect();
        Local { parts: parts.numbered(), apart, fixed, human }
    }
}

/// The constraints on the tracks of one name, by their places in it.
pub(super) struct Local {
    /// The part that each track is in: tracks of one part belong together. Numbered by first appearance.
    pub(super) parts: Vec<usize>,
    pub(super) apart: Vec<[usize; 2]>,
    pub(super) fixed: Vec<Option<usize>>,
    pub(super) human: Vec<bool>,
}

/// Disjoint sets.
struct Parts(Vec<usize>);

impl Parts {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&self, mut item: usize) -> usize {
        while self.0[item] != item {
            item = self.0[item];
        }
        item
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }

    fn numbered(&self) -> Vec<usize> {
        crate::catalogue::groups::numbered((0..self.0.len()).map(|item| self.root(item))).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_become_constraints_on_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.jsonl");
        let lines = [
            r#"{"decision":"must-link","tracks":["a","c"]}"#,
            r#"{"decision":"cannot-link","tracks":["b","d"]}"#,
            r#"{"decision":"lock","name":"n","clusters":[["a"],["b"]]}"#,
            r#"{"decision":"lock","name":"n","clusters":[["e"],["f","gone"]]}"#,
            r#"{"decision":"skip","name":"m"}"#,
        ];
        std::fs::write(&path, lines.join("\n\n")).unwrap();
        let entries = read_decisions(&path).unwrap();
        let mut constraints = Constraints::default();
        assert_eq!(constraints.add(&entries, &["a", "b", "c", "d", "e", "f"]), 1);
        assert_eq!(constraints.together, [vec![0, 2]]);
        assert_eq!(constraints.apart, [[1, 3]]);
        assert_eq!(constraints.fixed, HashMap::from([(4, 1), (5, 2)]));
        assert_eq!(constraints.human, HashSet::from([4, 5]));
        let local = constraints.within(&[0, 2, 4, 5, 3]);
        assert_eq!(local.parts, [0, 0, 1, 2, 3]);
        assert_eq!((local.apart, local.fixed[3]), (vec![[3, 2]], Some(2)));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read_decisions(&path).unwrap_err().to_string().contains("line 1"));
    }
}
