//! Labels as they are kept: `track_id,name,cluster,confidence` and, where known, `decision,stability`; and human decisions
//! applied to them.

use std::collections::{BTreeSet, HashMap, HashSet};
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
    /// Whether that is enough, where it is a probability.
    pub standing: Option<Standing>,
    /// How much of its company it keeps when other segments are heard, see [`stability`](super::stability()).
    pub stability: Option<f64>,
}

/// How a label stands: the column `decision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Its confidence is at least the [level of certainty](super::SURE).
    Sure,
    /// It is not.
    Unsure,
    /// A human decided.
    Human,
}

impl Standing {
    const WORDS: [(&str, Self); 3] = [("sure", Self::Sure), ("unsure", Self::Unsure), ("human", Self::Human)];

    fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

impl Labels {
    /// Reads a table with the columns `track_id`, `name`, `cluster` and, where it has them, `confidence`, `decision` and
    /// `stability`.
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
        let [confidence, standing, stability] = ["confidence", "decision", "stability"].map(|name| table.column(name));
        let label = |(number, row): (usize, &Vec<String>)| {
            let wrong = |expected: &str, text: &str| {
                Error::file(path, expected.to_owned(), format!("`{text}` in row {}", number + 1), advice)
            };
            let cell =
                |column: Option<usize>| column.map(|column| row[column].as_str()).filter(|cell| !cell.is_empty());
            let number = |column: Option<usize>, expected: &str| {
                cell(column).map(|text| text.parse().map_err(|_| wrong(expected, text))).transpose()
            };
            let standing_of = |text: &str| {
                let known = Standing::WORDS.iter().find(|(word, _)| *word == text);
                known.map(|(_, standing)| *standing).ok_or_else(|| wrong("sure, unsure or human as decision", text))
            };
            Ok(Label {
                track: row[track].clone(),
                name: row[name].clone(),
                cluster: row[cluster].parse().map_err(|_| wrong("a number as cluster", &row[cluster]))?,
                confidence: number(confidence, "a number as confidence")?.unwrap_or(1.0),
                standing: cell(standing).map(standing_of).transpose()?,
                stability: number(stability, "a number as stability")?,
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

    /// As a table; with the columns `decision` and `stability` where any label has them.
    pub fn table(&self) -> Table {
        let mut columns = ["track_id", "name", "cluster", "confidence"].map(str::to_owned).to_vec();
        let has_standing = self.rows.iter().any(|label| label.standing.is_some());
        let has_stability = self.rows.iter().any(|label| label.stability.is_some());
        columns.extend(has_standing.then(|| "decision".to_owned()));
        columns.extend(has_stability.then(|| "stability".to_owned()));
        let row = |label: &Label| {
            let Label { track, name, cluster, confidence, standing, stability } = label;
            let mut row = vec![track.clone(), name.clone(), cluster.to_string(), format!("{confidence:.4}")];
            row.extend(has_standing.then(|| standing.map_or(String::new(), |standing| standing.word().to_owned())));
            row.extend(has_stability.then(|| stability.map_or(String::new(), |stability| format!("{stability:.4}"))));
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
                                labels.rows[place].decided();
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
                    let advice = "split anew with `homonym split --decisions` and no `--previous`, which can tell who goes with whom";
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
    places.iter().for_each(|&place| labels.rows[place].decided());
    Ok(())
}

impl Label {
    /// A human decided.
    fn decided(&mut self) {
        (self.confidence, self.standing) = (1.0, Some(Standing::Human));
    }
}

/// Artists' names as Discogs writes them: the first under a name has it as it is, the second is "Bill Evans (2)". A number
/// that is some name of its own already is left out.
pub fn numbered_names(labels: &Labels) -> HashMap<(&str, usize), String> {
    let mut taken: HashSet<String> = labels.rows.iter().map(|label| label.name.clone()).collect();
    let artists: BTreeSet<(&str, usize)> =
        labels.rows.iter().map(|label| (label.name.as_str(), label.cluster)).collect();
    let mut write = |(name, cluster): (&str, usize)| {
        if cluster == 1 {
            return name.to_owned();
        }
        let numbered = (cluster..).map(|number| format!("{} ({number})", without_number(name)));
        let free = numbered.into_iter().find(|numbered| !taken.contains(numbered)).expect("numbers do not end");
        taken.insert(free.clone());
        free
    };
    artists.into_iter().map(|artist| (artist, write(artist))).collect()
}

/// "Bill Evans" of "Bill Evans (2)".
fn without_number(name: &str) -> &str {
    let inner = name.strip_suffix(')').and_then(|name| name.rsplit_once(" ("));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    inner.filter(|(_, number)| is_number(number)).map_or(name, |(base, _)| base)
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
            standing: None,
            stability: None,
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
        assert_eq!([0, 3].map(|row| changed.rows[row].standing), [Some(Standing::Human), None]);
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
        labels().table().write(&path).unwrap();
        assert_eq!(Table::read(&path).unwrap().columns, ["track_id", "name", "cluster", "confidence"]);
        assert_eq!(Labels::read(&path).unwrap(), labels());
        let mut more = labels();
        for (label, (_, standing)) in more.rows.iter_mut().zip(Standing::WORDS) {
            (label.standing, label.stability) = (Some(standing), Some(0.25));
        }
        more.table().write(&path).unwrap();
        assert_eq!(Labels::read(&path).unwrap(), more);
        std::fs::write(&path, "track_id,name,cluster\na,n,x\n").unwrap();
        assert!(Labels::read(&path).unwrap_err().to_string().contains("`x` in row 1"));
        std::fs::write(&path, "track_id,name,cluster,decision\na,n,1,maybe\n").unwrap();
        assert!(Labels::read(&path).unwrap_err().to_string().contains("`maybe` in row 1"));
    }

    #[test]
    fn names_are_numbered_past_those_that_are_taken() {
        let artists = [("B", 1), ("B", 2), ("B", 2), ("B", 3), ("B (2)", 1), ("B (2)", 2), ("C (x)", 2), ("D", 2)];
        let mut labels = Labels::default();
        labels.rows.extend(artists.map(|(name, cluster)| Label {
            name: name.into(),
            cluster,
            ..self::labels().rows[0].clone()
        }));
        let numbered = numbered_names(&labels);
        let written = artists.map(|artist| numbered[&artist].as_str());
        assert_eq!(written, ["B", "B (3)", "B (3)", "B (4)", "B (2)", "B (5)", "C (x) (2)", "D (2)"]);
    }
}
