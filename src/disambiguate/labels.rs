//! Labels as they are kept: `track_id,name,cluster,confidence`, and human decisions applied to them.

use std::collections::HashMap;
use std::path::Path;

use super::constraints::Entry;
use crate::catalogue::table::Table;
use crate::{Error, Result};

/// The labels of some tracks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// In the order of the file.
    pub rows: Vec<Label>,
}

/// A track's label.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The track: its `track_id`, or its `path`.
    pub track: String,
    /// The name it is under.
    pub name: String,
    /// The artist within the name, from 1.
    pub cluster: usize,
    /// How clear that is.
    pub confidence: f64,
}

impl Labels {
    /// Reads a table with the columns `track_id`, `name`, `cluster` and, where it has one, `confidence`.
    pub fn read(path: &Path) -> Result<Self> {
        let table = Table::read(path)?;
        let advice = "give labels that `homonym split` wrote";
        let column = |name: &str| {
            table.column(name).ok_or_else(|| {
                let found = format!("the columns {}", table.columns.join(", "));
                Error::file(path, format!("a column `{name}`"), found, advice)
            })
        };
        let (track, name, cluster) = (column("track_id")?, column("name")?, column("cluster")?);
        let confidence = table.column("confidence");
        let label = |(number, row): (usize, &Vec<String>)| {
            let number_in = |text: &str, what: &str| {
                let expected = format!("a number as {what}");
                Error::file(path, expected, format!("`{text}` in row {}", number + 1), advice)
            };
            let confidence = confidence.map_or("1", |column| row[column].as_str());
            Ok(Label {
                track: row[track].clone(),
                name: row[name].clone(),
                cluster: row[cluster].parse().map_err(|_| number_in(&row[cluster], "cluster"))?,
                confidence: confidence.parse().map_err(|_| number_in(confidence, "confidence"))?,
            })
        };
        Ok(Self { rows: table.rows.iter().enumerate().map(label).collect::<Result<_>>()? })
    }

    /// Refuses labels that no split gives: cluster 0, or a confidence outside 0 to 1.
    ///
    /// # Errors
    /// [`Error::Input`] about `path`.
    pub fn check(&self, path: &Path) -> Result<()> {
        let odd = |label: &Label| label.cluster == 0 || !(0.0..=1.0).contains(&label.confidence);
        match self.rows.iter().enumerate().find(|(_, label)| odd(label)) {
            None => Ok(()),
            Some((row, Label { cluster, confidence, .. })) => {
                let found = format!("cluster {cluster} with confidence {confidence} in row {}", row + 1);
                Err(Error::file(path, "clusters from 1 and confidences from 0 to 1", found, "correct the row"))
            }
        }
    }

    /// As a table; `decision` says whether a label is sure where `is_sure` tells.
    pub fn table(&self, is_sure: Option<&dyn Fn(&Label) -> bool>) -> Table {
        let mut columns = ["track_id", "name", "cluster", "confidence"].map(str::to_owned).to_vec();
        columns.extend(is_sure.map(|_| "decision".to_owned()));
        let row = |label: &Label| {
            let Label { track, name, cluster, confidence } = label;
            let mut row = vec![track.clone(), name.clone(), cluster.to_string(), format!("{confidence:.4}")];
            row.extend(is_sure.map(|is_sure| (if is_sure(label) { "sure" } else { "unsure" }).to_owned()));
            row
        };
        Table { columns, rows: self.rows.iter().map(row).collect() }
    }

    /// The label of each track.
    pub fn by_track(&self) -> HashMap<&str, &Label> {
        self.rows.iter().map(|label| (label.track.as_str(), label)).collect()
    }
}

/// What applying decisions did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// Decisions carried out.
    pub decisions: usize,
    /// Names that someone looked at and left.
    pub skipped: usize,
    /// Tracks whose label changed.
    pub changed: usize,
    /// Tracks of decisions that the labels do not have.
    pub unknown: usize,
}

/// Applies decisions in their order. What a human decided has confidence 1.
///
/// # Errors
/// Decisions that labels alone cannot carry out: tracks of one artist under different names, and tracks that must be apart
/// but are in one cluster (that takes a new split).
pub fn apply(labels: &mut Labels, entries: &[Entry]) -> Result<Applied> {
    let places: HashMap<String, usize> =
        labels.rows.iter().enumerate().map(|(place, label)| (label.track.clone(), place)).collect();
    let before: Vec<usize> = labels.rows.iter().map(|label| label.cluster).collect();
    let mut applied = Applied::default();
    for entry in entries {
        applied.decisions += 1;
        match entry {
            Entry::Skip { .. } => {
                applied.decisions -= 1;
                applied.skipped += 1;
            }
            Entry::Lock { name, clusters } => {
                for (number, tracks) in clusters.iter().enumerate() {
                    for track in tracks {
                        match places.get(track) {
                            Some(&place) if labels.rows[place].name == *name => {
                                labels.rows[place].cluster = number + 1;
                                labels.rows[place].confidence = 1.0;
                            }
                            Some(&place) => {
                                let found = format!("`{}` for `{track}`", labels.rows[place].name);
                                let advice = "apply decisions to the labels they were made on";
                                return Err(Error::input(
                                    "the decisions",
                                    format!("tracks of `{name}`"),
                                    found,
                                    advice,
                                ));
                            }
                            None => applied.unknown += 1,
                        }
                    }
                }
            }
            Entry::MustLink { tracks } => {
                let known: Vec<usize> = tracks.iter().filter_map(|track| places.get(track).copied()).collect();
                applied.unknown += tracks.len() - known.len();
                join(labels, &known)?;
            }
            Entry::CannotLink { tracks } => {
                let known: Vec<&Label> =
                    tracks.iter().filter_map(|track| Some(&labels.rows[*places.get(track)?])).collect();
                applied.unknown += tracks.len() - known.len();
                if let [one, other] = known[..]
                    && (&one.name, one.cluster) == (&other.name, other.cluster)
                {
                    let found = format!("`{}` and `{}` in one cluster", one.track, other.track);
                    let advice = "split again with `homonym split --decisions`, which can tell who goes with whom";
                    return Err(Error::input("the labels", "tracks in different clusters", found, advice));
                }
            }
        }
    }
    applied.changed = labels.rows.iter().zip(before).filter(|(label, before)| label.cluster != *before).count();
    Ok(applied)
}

/// Makes one cluster of those that some labels are in: the lowest number stays.
fn join(labels: &mut Labels, places: &[usize]) -> Result<()> {
    let Some(&first) = places.first() else { return Ok(()) };
    let name = labels.rows[first].name.clone();
    if let Some(&place) = places.iter().find(|&&place| labels.rows[place].name != name) {
        let found = format!("`{name}` and `{}`", labels.rows[place].name);
        let advice = "different names of one artist are aliases, not clusters of a name";
        return Err(Error::input("the decisions", "tracks under one name", found, advice));
    }
    let clusters: Vec<usize> = places.iter().map(|&place| labels.rows[place].cluster).collect();
    let lowest = *clusters.iter().min().expect("there is one");
    for label in labels.rows.iter_mut().filter(|label| label.name == name && clusters.contains(&label.cluster)) {
        label.cluster = lowest;
    }
    places.iter().for_each(|&place| labels.rows[place].confidence = 1.0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        let label = |track: &str, name: &str, cluster| Label {
            track: track.to_owned(),
            name: name.to_owned(),
            cluster,
            confidence: 0.5,
        };
        Labels { rows: vec![label("a", "n", 1), label("b", "n", 2), label("c", "n", 2), label("d", "m", 1)] }
    }

    fn tracks(list: &[&str]) -> Vec<String> {
        list.iter().map(|&track| track.to_owned()).collect()
    }

    #[test]
    fn decisions_change_labels_in_their_order() {
        let mut changed = labels();
        let entries = [
            Entry::MustLink { tracks: tracks(&["b", "a"]) },
            Entry::Lock { name: "n".into(), clusters: vec![tracks(&["c", "gone"]), tracks(&["a", "b"])] },
            Entry::Skip { name: "m".into() },
            Entry::CannotLink { tracks: ["a".into(), "c".into()] },
        ];
        let applied = apply(&mut changed, &entries).unwrap();
        assert_eq!(applied, Applied { decisions: 3, skipped: 1, changed: 2, unknown: 1 });
        let clusters: Vec<usize> = changed.rows.iter().map(|label| label.cluster).collect();
        assert_eq!((clusters, changed.rows[0].confidence), (vec![2, 2, 1, 1], 1.0));
    }

    #[test]
    fn what_labels_alone_cannot_do_is_refused() {
        let refused = |entry: Entry| apply(&mut labels(), &[entry]).unwrap_err().to_string();
        assert!(refused(Entry::CannotLink { tracks: ["b".into(), "c".into()] }).contains("--decisions"));
        assert!(refused(Entry::MustLink { tracks: tracks(&["a", "d"]) }).contains("aliases"));
        assert!(refused(Entry::Lock { name: "n".into(), clusters: vec![tracks(&["d"])] }).contains("`m` for `d`"));
    }

    #[test]
    fn labels_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.csv");
        labels().table(Some(&|label: &Label| label.confidence > 0.8)).write(&path).unwrap();
        assert_eq!(Labels::read(&path).unwrap(), labels());
        std::fs::write(&path, "track_id,name,cluster\na,n,x\n").unwrap();
        assert!(Labels::read(&path).unwrap_err().to_string().contains("`x` in row 1"));
    }
}
