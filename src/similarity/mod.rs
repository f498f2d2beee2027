//! Which tracks are alike: the oracle that learning to rank imitates (Prétet, Richard and Peeters, ICASSP 2020, section 3.1),
//! and the search for the points most like one.

mod likelihoods;
mod lists;
mod search;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::catalogue::list;
use crate::catalogue::table::Table;
use crate::hash::digits;
use crate::{Error, Result};

use likelihoods::Likelihoods;
pub use likelihoods::weights;
use lists::Lists;
pub use search::{Comparison, Similar, most_similar};

/// How alike two tracks are by the likelihoods x and y of their tags, whose weights are w: within 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Similarity {
    /// Σ w·x·y / √(Σ w·x² · Σ w·y²).
    #[default]
    Cosine,
    /// Σ w·min(x, y) / Σ w·max(x, y).
    Jaccard,
}

impl Similarity {
    /// Of two rows of likelihoods, as many as `weights`; 0 where nothing is tagged. Symmetric to the last bit.
    pub fn of(self, weights: &[f32], x: &[f32], y: &[f32]) -> f64 {
        let wide = |x: &f32| f64::from(*x);
        let triples = weights.iter().map(wide).zip(x.iter().map(wide).zip(y.iter().map(wide)));
        let (above, below) = match self {
            Self::Cosine => {
                let sums = triples
                    .fold([0.0; 3], |[xy, xx, yy], (w, (x, y))| [xy + w * (x * y), xx + w * (x * x), yy + w * (y * y)]);
                (sums[0], (sums[1] * sums[2]).sqrt())
            }
            Self::Jaccard => {
                triples.fold((0.0, 0.0), |(least, most), (w, (x, y))| (least + w * x.min(y), most + w * x.max(y)))
            }
        };
        if below > 0.0 { (above / below).min(1.0) } else { 0.0 }
    }
}

/// Where an oracle comes from: tag likelihoods, or ranked lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct OracleFiles {
    /// What tracks are alike by: a CSV with `track_id` or `path` and a column of likelihoods, 0 to 1, for each tag; or X.npy
    /// beside X.csv, which has `track_id` or `path`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "TAGS.csv", conflicts_with = "lists"))]
    pub likelihoods: Option<PathBuf>,
    /// Weights of the tags: a CSV with `tag` and `weight`; tags that it does not name weigh 1.
    #[cfg_attr(feature = "cli", arg(long, value_name = "WEIGHTS.csv", requires = "likelihoods"))]
    pub weights: Option<PathBuf>,
    /// How likelihoods are compared [default: cosine].
    #[cfg_attr(feature = "cli", arg(long, value_enum, requires = "likelihoods"))]
    pub similarity: Option<Similarity>,
    /// What tracks are alike by, in place of tags: a CSV with `track_id` and `similar_id`, those of a track from the most
    /// similar on, and a `similarity` where it is known.
    #[cfg_attr(feature = "cli", arg(long, value_name = "LISTS.csv"))]
    pub lists: Option<PathBuf>,
}

impl OracleFiles {
    /// Reads the oracle; None where there are no files.
    ///
    /// # Errors
    /// Files that cannot be read or do not hold what they should.
    pub fn open(&self) -> Result<Option<Oracle>> {
        match (&self.likelihoods, &self.lists) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Error::setting("lists", "are in place of likelihoods; give one of them")),
            (Some(path), None) => {
                let (table, likelihoods) = Likelihoods::read(path)?;
                let weights = match &self.weights {
                    Some(path) => weights(&likelihoods.tags, path)?,
                    None => vec![1.0; likelihoods.tags.len()],
                };
                let knowledge = Knowledge::Tags(likelihoods, weights, self.similarity.unwrap_or_default());
                Ok(Some(Oracle { table, path: path.clone(), knowledge }))
            }
            (None, Some(path)) => {
                let (table, lists) = Lists::read(path)?;
                Ok(Some(Oracle { table, path: path.clone(), knowledge: Knowledge::Lists(lists) }))
            }
        }
    }
}

/// What knows of some tracks, its items, how alike they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Oracle {
    /// What names the items.
    table: Table,
    path: PathBuf,
    knowledge: Knowledge,
}

#[derive(Clone, Debug, PartialEq)]
enum Knowledge {
    Tags(Likelihoods, Vec<f32>, Similarity),
    Lists(Lists),
}

/// Tracks by decreasing similarity with one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// Places of the tracks; of equally similar ones the lower first.
    pub places: Vec<u32>,
    /// The similarity of each; 0 for those that have nothing in common with it, or are not on its list.
    pub similarities: Vec<f64>,
}

impl Ranking {
    fn of(mut ranked: Vec<(f64, u32)>) -> Self {
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (similarities, places) = ranked.into_iter().unzip();
        Self { places, similarities }
    }

    /// How many tracks are more similar than `limit`.
    pub fn above(&self, limit: f64) -> usize {
        self.similarities.partition_point(|&similarity| similarity > limit)
    }

    /// From which rank on tracks are less similar than the one at `rank`.
    pub fn beyond(&self, rank: usize) -> usize {
        self.similarities.partition_point(|&similarity| similarity >= self.similarities[rank])
    }
}

impl Oracle {
    /// The item of each row of a table; None where it knows nothing of the track.
    ///
    /// # Errors
    /// Where it knows none of them.
    pub fn find(&self, table: &Table, path: &Path) -> Result<Vec<Option<usize>>> {
        list::find(table, path, &self.table, &self.path)
    }

    /// The items `among` by decreasing similarity with `item`, without itself; places are those in `among`.
    pub fn rank(&self, item: usize, among: &[usize]) -> Ranking {
        let others = among.iter().enumerate().filter(|(_, other)| **other != item);
        let ranked = match &self.knowledge {
            Knowledge::Tags(Likelihoods { values, .. }, weights, similarity) => others
                .map(|(place, &other)| (similarity.of(weights, values.row(item), values.row(other)), place as u32))
                .collect(),
            Knowledge::Lists(lists) => {
                let listed = lists.of(item);
                others.map(|(place, other)| (listed.get(other).copied().unwrap_or(0.0), place as u32)).collect()
            }
        };
        Ranking::of(ranked)
    }

    /// Whether it tells how alike tracks are, not only in which order.
    pub fn is_graded(&self) -> bool {
        !matches!(&self.knowledge, Knowledge::Lists(lists) if !lists.graded)
    }

    /// The names of the tags, where tracks are alike by tags.
    pub fn tags(&self) -> Option<&[String]> {
        match &self.knowledge {
            Knowledge::Tags(likelihoods, ..) => Some(&likelihoods.tags),
            Knowledge::Lists(_) => None,
        }
    }

    /// The likelihoods of an item's tags.
    pub fn likelihoods(&self, item: usize) -> Option<&[f32]> {
        match &self.knowledge {
            Knowledge::Tags(likelihoods, ..) => Some(likelihoods.values.row(item)),
            Knowledge::Lists(_) => None,
        }
    }

    /// How likelihoods are compared, where tracks are alike by tags: similarity and weights.
    pub fn comparison(&self) -> Option<Comparison<'_>> {
        match &self.knowledge {
            Knowledge::Tags(_, weights, similarity) => Some(Comparison::Tags(*similarity, weights)),
            Knowledge::Lists(_) => None,
        }
    }

    /// Sixteen hexadecimal digits that tell oracles apart.
    pub fn fingerprint(&self) -> String {
        let mut bytes = serde_json::to_vec(&self.table.rows).expect("names are plain data");
        match &self.knowledge {
            Knowledge::Tags(likelihoods, weights, similarity) => {
                bytes.extend(serde_json::to_vec(&(&likelihoods.tags, similarity)).expect("names are plain data"));
                bytes.extend(weights.iter().chain(&likelihoods.values.data).flat_map(|x| x.to_le_bytes()));
            }
            Knowledge::Lists(lists) => bytes.extend(lists.bytes()),
        }
        digits(&bytes)
    }
}

/// The places of columns that a file must have.
fn columns<const N: usize>(table: &Table, names: [&str; N], path: &Path) -> Result<[usize; N]> {
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        *place = table.column(name).ok_or_else(|| {
            let found = format!("the columns {}", table.columns.join(", "));
            Error::file(path, format!("a column `{name}`"), found, format!("name its columns {}", names.join(", ")))
        })?;
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarities_are_those_of_their_definition() {
        let (w, x, y) = ([1.0, 2.0, 0.5], [1.0, 0.5, 0.0], [0.5, 1.0, 1.0]);
        // Σwxy = 1.5, Σwx² = 1.5, Σwy² = 2.75; Σw·min = 1.5, Σw·max = 3.5
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        near(Similarity::Cosine.of(&w, &x, &y), 1.5 / (1.5f64 * 2.75).sqrt());
        near(Similarity::Jaccard.of(&w, &x, &y), 1.5 / 3.5);
        for similarity in [Similarity::Cosine, Similarity::Jaccard] {
            near(similarity.of(&w, &x, &x), 1.0);
            assert_eq!(similarity.of(&w, &x, &[0.0; 3]), 0.0);
            assert_eq!(similarity.of(&w, &[0.0; 3], &[0.0; 3]), 0.0);
            assert_eq!(similarity.of(&w, &x, &y), similarity.of(&w, &y, &x));
        }
    }

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn tags_rank_tracks() {
        let folder = tempfile::tempdir().unwrap();
        let tags = write(folder.path(), "t.csv", "path,calm,loud\na,1,0\nb,0,1\nc,0.9,0.1\nd,0.5,0.5\n");
        let weights = write(folder.path(), "w.csv", "tag,weight\nloud,3\n");
        let files = OracleFiles { likelihoods: Some(tags), weights: Some(weights), ..OracleFiles::default() };
        let oracle = files.open().unwrap().unwrap();
        assert_eq!(oracle.tags().unwrap(), ["calm", "loud"]);
        assert_eq!((oracle.likelihoods(2).unwrap(), oracle.is_graded()), (&[0.9, 0.1][..], true));
        let ranking = oracle.rank(0, &[3, 1, 0, 2]);
        assert_eq!(ranking.places, [3, 0, 1], "c, d, b; not itself");
        assert!((ranking.similarities[1] - 0.5).abs() < 1e-6 && ranking.similarities[2] == 0.0);
        assert_eq!((ranking.above(0.0), ranking.beyond(0), ranking.beyond(2)), (2, 1, 3));
        let catalogue =
            Table { columns: vec!["path".into()], rows: [["d"], ["x"]].map(|r| r.map(str::to_owned).to_vec()).into() };
        assert_eq!(oracle.find(&catalogue, Path::new("c.csv")).unwrap(), [Some(3), None]);
        let jaccard = OracleFiles { similarity: Some(Similarity::Jaccard), ..files };
        assert_ne!(jaccard.open().unwrap().unwrap().fingerprint(), oracle.fingerprint());
    }

    #[test]
    fn lists_rank_tracks() {
        let folder = tempfile::tempdir().unwrap();
        let lists = |text: &str| {
            let files = OracleFiles { lists: Some(write(folder.path(), "l.csv", text)), ..OracleFiles::default() };
            files.open().unwrap().unwrap()
        };
        let ordered = lists("track_id,similar_id\na,c\na,b\nb,a\n"); // items a, c, b
        let ranking = ordered.rank(0, &[0, 1, 2]);
        assert_eq!((ranking.places.as_slice(), ranking.above(0.0)), (&[1, 2][..], 2));
        let ranking = ordered.rank(2, &[0, 1, 2]);
        assert_eq!((ranking.places.as_slice(), ranking.above(0.0)), (&[0, 1][..], 1), "c is not on the list of b");
        assert!(!ordered.is_graded() && ordered.tags().is_none());
        let graded = lists("track_id,similar_id,similarity\na,c,0.25\na,b,0.5\n");
        assert_eq!(graded.rank(0, &[1, 2]), Ranking { places: vec![1, 0], similarities: vec![0.5, 0.25] });
        assert!(graded.is_graded() && graded.fingerprint() != ordered.fingerprint());
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        // Tags, weights, lists, and what is said of them; in this order each is there or not.
        for (tags, weights, lists, says) in [
            ("path,calm\na,loud\n", "", "", "`loud` in column `calm` of data row 1"),
            ("path,calm\na,1.5\n", "", "", "`1.5` in column `calm`"),
            ("path,calm\na,NaN\n", "", "", "`NaN` in column `calm`"),
            ("path\na\n", "", "", "a column for each tag"),
            ("calm\n1\n", "", "", "`track_id` or `path`"),
            ("path,calm\na,1\n", "tag,weight\nloud,1\n", "", "`loud` in data row 1"),
            ("path,calm\na,1\n", "tag,weight\ncalm,-1\n", "", "`-1`"),
            ("path,calm\na,1\n", "tag,weight\ncalm,0\n", "", "only zeros"),
            ("path,calm\na,1\n", "", "track_id,similar_id\na,b\n", "one of them"),
            ("", "", "track_id,other\na,b\n", "`similar_id`"),
            ("", "", "track_id,similar_id\na,b\na,b\n", "`b` twice for `a`"),
            ("", "", "track_id,similar_id,similarity\na,b,much\n", "`much`"),
        ] {
            let file = |name, text: &str| (!text.is_empty()).then(|| write(folder.path(), name, text));
            let files = OracleFiles {
                likelihoods: file("t.csv", tags),
                weights: file("w.csv", weights),
                lists: file("l.csv", lists),
                similarity: None,
            };
            let error = files.open().unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
        assert_eq!(OracleFiles::default().open().unwrap(), None);
    }
}
