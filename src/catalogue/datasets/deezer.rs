//! The track lists that the paper's authors published: ids and artists, no audio. Their ids are matched with a column of the
//! user's catalogue.
//!
//! Rows repeat in the published files; a track is taken once. The published `3023a` set trains and validates on the same
//! tracks: its validation list is left out, because it would pass known artists off as unseen.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::artists::Purpose;
use super::splits::spread;
use super::unseen::PARTS;
use super::{Dataset, Options, Source, same_tracks};
use crate::catalogue::groups::{Groups, numbered};
use crate::catalogue::samples::{COLUMNS, Excerpt, Samples};
use crate::catalogue::table::Table;
use crate::{Error, Result};

/// Columns with the track's and the artist's label, the first that a file has.
const ID_COLUMNS: [&str; 2] = ["dzr_sng_id", "sng_id"];
const ARTIST_COLUMNS: [&str; 4] = ["artist", "artist_name", "art_name", "art_name_lower"];
/// Folders of training lists, and how much of a track their datasets use.
const FAMILIES: [(&str, Use); 4] = [
    ("msd_small", Use::Excerpt),
    ("balanced", Use::Spread(333)),
    ("unbalanced", Use::Track(10)),
    ("unbalanced_side_information_neg_sampling", Use::Track(1)),
];

/// How much of a track is used.
#[derive(Clone, Copy)]
enum Use {
    /// Ten 3-s samples of a random 30-s excerpt.
    Excerpt,
    /// So many 9-s samples of an artist, spread over its tracks.
    Spread(usize),
    /// So many 9-s samples of a track.
    Track(usize),
}

/// A published list.
struct Published {
    /// Its path below the folder of lists, for messages.
    name: String,
    /// Track, artist and fold (empty where there is none), every track of an artist once.
    tracks: Vec<[String; 3]>,
    /// Rows of the file.
    rows: usize,
}

pub(super) fn build(source: &Source, options: &Options) -> Result<Dataset> {
    let Some(folder) = &options.lists else {
        let problem = "name the folder with the published lists, `evaluation` and `train` in it";
        return Err(Error::setting("--lists", problem));
    };
    let import = Import::new(source, options.id_column.as_deref().unwrap_or("track_id"))?;
    let mut dataset = Dataset::default();
    import.homonyms(folder, &mut dataset)?;
    import.unseen(folder, &mut dataset)?;
    for (family, used) in FAMILIES {
        for stem in stems(&folder.join("train").join(family))? {
            import.training(folder, &format!("train/{family}/{stem}"), used, &mut dataset)?;
        }
    }
    if dataset.parts.iter().all(|(_, list)| list.rows.is_empty()) {
        let expected = format!("ids of the lists in the column `{}`", import.id_column);
        return Err(Error::file(source.subject, expected, "none of them", "name the column with --id-column"));
    }
    dataset.parts.retain(|(_, list)| !list.rows.is_empty());
    Ok(dataset)
}

/// The catalogue by Deezer's ids.
struct Import<'a> {
    source: &'a Source<'a>,
    id_column: &'a str,
    rows: HashMap<&'a str, usize>,
    /// The column for the list's artist: the catalogue's own one stays as it is.
    label: &'static str,
}

impl<'a> Import<'a> {
    fn new(source: &'a Source<'a>, id_column: &'a str) -> Result<Self> {
        let column = source.table.require(id_column, "--id-column")?;
        let mut rows = HashMap::new();
        for (row, id) in source.table.values(column).enumerate() {
            rows.entry(id.trim()).or_insert(row);
        }
        let label = if source.table.column("artist").is_some() { "listed_artist" } else { "artist" };
        Ok(Self { source, id_column, rows, label })
    }

    /// The rows of a list's tracks that the catalogue has, and a note of what the list holds.
    fn matched<'l>(&self, list: &'l Published, notes: &mut Vec<String>) -> Vec<(usize, &'l [String; 3])> {
        let found = list.tracks.iter().filter_map(|track| Some((*self.rows.get(track[0].as_str())?, track)));
        let found: Vec<_> = found.collect();
        let artists = numbered(list.tracks.iter().map(|track| track[1].as_str())).1;
        let Published { name, tracks, rows } = list;
        let (count, repeated) = (tracks.len(), rows - tracks.len());
        notes.push(format!(
            "{name}: {count} tracks of {artists} artists ({repeated} repeated rows removed), {} in the catalogue",
            found.len()
        ));
        found
    }

    fn homonyms(&self, folder: &Path, dataset: &mut Dataset) -> Result<()> {
        let list = Published::read(folder, "evaluation/homonym_dataset.csv")?;
        let rows = self.matched(&list, &mut dataset.notes).into_iter().map(|(row, [_, artist, fold])| {
            let name = artist.rsplit_once('_').map_or(artist.as_str(), |(name, _)| name);
            (row, vec![artist.clone(), name.to_owned(), fold.clone()])
        });
        let columns = [self.label, "name", "fold"];
        dataset.parts.push(("evaluation/homonyms".to_owned(), self.source.list(&columns, &rows.collect::<Vec<_>>())?));
        Ok(())
    }

    fn unseen(&self, folder: &Path, dataset: &mut Dataset) -> Result<()> {
        let mut rows = Vec::new();
        for (file, part) in ["train", "test"].into_iter().zip(PARTS) {
            let list = Published::read(folder, &format!("evaluation/classification_verification_{file}.csv"))?;
            let matched = self.matched(&list, &mut dataset.notes);
            rows.extend(matched.into_iter().map(|(row, track)| (row, vec![track[1].clone(), part.to_owned()])));
        }
        dataset.parts.push(("evaluation/unseen".to_owned(), self.source.list(&[self.label, "part"], &rows)?));
        Ok(())
    }

    fn training(&self, folder: &Path, stem: &str, used: Use, dataset: &mut Dataset) -> Result<()> {
        let [train, validation] =
            ["train", "validation"].map(|part| Published::read(folder, &format!("{stem}_{part}.csv")));
        let (train, validation) = (train?, validation?);
        let same = same_tracks(&train.ids(), &validation.ids());
        for (part, list) in [("train", &train), ("validation", &validation)] {
            if same && part == "validation" {
                dataset.notes.push(format!("{}: left out, all its tracks are training tracks", list.name));
                continue;
            }
            let rows = self.used(&self.matched(list, &mut dataset.notes), used, part);
            let columns = [&[self.label][..], &COLUMNS[..]].concat();
            dataset.parts.push((format!("{stem}/{part}"), self.source.list(&columns, &rows)?));
        }
        Ok(())
    }

    /// The cells behind the rows of a training list: the artist and the samples.
    fn used(&self, rows: &[(usize, &[String; 3])], used: Use, part: &str) -> Vec<(usize, Vec<String>)> {
        let cells = |row: usize, artist: &str, samples: Samples| {
            (row, [&[artist.to_owned()][..], &samples.cells()[..]].concat())
        };
        let same_for_all = |samples: &dyn Fn(usize) -> Samples| {
            rows.iter().map(|&(row, track)| cells(row, &track[1], samples(row))).collect()
        };
        match used {
            Use::Track(positions) => same_for_all(&|_| Samples::linear(9.0, positions)),
            Use::Excerpt => same_for_all(&|row| {
                let at = self.source.random(Purpose::Excerpt, row as u64).uniform();
                Samples { excerpt: Some(Excerpt { at, seconds: 30.0 }), ..Samples::linear(3.0, 10) }
            }),
            Use::Spread(samples) => {
                let count = if part == "train" { samples } else { samples / 2 };
                let artists = Groups::of(rows.iter().map(|(_, track)| track[1].as_str()).enumerate());
                let of_artist = |(artist, places): (&str, &Vec<usize>)| {
                    let own: Vec<usize> = places.iter().map(|&place| rows[place].0).collect();
                    let spread = spread(&own, count, 9.0).into_iter();
                    spread.map(|(row, samples)| cells(row, artist, samples)).collect::<Vec<_>>()
                };
                artists.iter().flat_map(of_artist).collect()
            }
        }
    }
}

impl Published {
    fn ids(&self) -> Vec<&str> {
        self.tracks.iter().map(|track| track[0].as_str()).collect()
    }

    fn read(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let table = Table::read(&path)?;
        let column = |names: &[&str]| {
            names.iter().find_map(|name| table.column(name)).ok_or_else(|| {
                let found = format!("the columns {}", table.columns.join(", "));
                Error::file(
                    &path,
                    format!("a column {}", names.join(" or ")),
                    found,
                    "name a folder of published lists",
                )
            })
        };
        let (id, artist) = (column(&ID_COLUMNS)?, column(&ARTIST_COLUMNS)?);
        let fold = table.column("fold");
        let mut seen = HashSet::new();
        let mut tracks = Vec::new();
        for row in &table.rows {
            if seen.insert((row[id].as_str(), row[artist].as_str())) {
                let fold = fold.map_or(String::new(), |fold| row[fold].clone());
                tracks.push([row[id].trim().to_owned(), row[artist].clone(), fold]);
            }
        }
        Ok(Self { name: name.to_owned(), rows: table.rows.len(), tracks })
    }
}

/// What comes before `_train.csv` in the files of a folder, sorted; none where there is no such folder.
fn stems(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(Error::io(folder))?;
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_suffix("_train.csv")?.to_owned());
    let mut stems: Vec<String> = paths.iter().filter_map(name).collect();
    stems.sort_unstable();
    Ok(stems)
}
