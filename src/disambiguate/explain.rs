//! Why a name was split as it was: the tracks nearest to each other across a border, tracks that may belong elsewhere,
//! albums that carry an artist or lie across a border, and tracks that are several artists' by their titles.

use serde::Serialize;

use super::ball::{Ball, balls, distance};
use crate::catalogue::groups::Groups;
use crate::catalogue::table::Table;
use crate::cluster::Dendrogram;
use crate::matrix::Matrix;

/// How many pairs and border tracks are shown.
const SHOWN: usize = 3;

/// The columns that say more about a track, where a table has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Columns {
    /// Title of the track.
    pub title: Option<usize>,
    /// Its album.
    pub album: Option<usize>,
    /// Its artist as credited.
    pub artist: Option<usize>,
    /// The artist that its album is credited to.
    pub album_artist: Option<usize>,
}

impl Columns {
    /// Those of a table.
    pub fn of(table: &Table) -> Self {
        let [title, album, artist, album_artist] =
            ["title", "album", "artist", "album_artist"].map(|name| table.column(name));
        Self { title, album, artist, album_artist }
    }
}

/// Two tracks on both sides of a border.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Across {
    /// Their places among the tracks of the name.
    pub tracks: [usize; 2],
    /// Their Euclidean distance.
    pub distance: f64,
}

/// What an album has to do with the split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Album {
    /// The album.
    pub album: String,
    /// Its tracks in each cluster: (cluster, tracks).
    pub clusters: Vec<(usize, usize)>,
    /// It is all that a cluster of several tracks has: that cluster may be an album's sound rather than an artist's.
    pub carries: bool,
}

/// Why a name was split as it was. Tracks are places among the tracks of the name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The highest merge within an artist, and the lowest that would join two: the wider the gap, the clearer the split.
    pub made: Option<f64>,
    /// See `made`.
    pub not_made: Option<f64>,
    /// For each two clusters the tracks nearest to each other, nearest first.
    pub across: Vec<Across>,
    /// Tracks that are nearer to another cluster than most: lowest difference of distances first.
    pub border: Vec<usize>,
    /// The track of each cluster that is nearest to all others of it: (cluster, track).
    pub medoids: Vec<(usize, usize)>,
    /// Albums with tracks in several clusters, or that carry a cluster.
    pub albums: Vec<Album>,
    /// Tracks that are duets, features or on compilations by their title, artist or album.
    pub several_artists: Vec<usize>,
}

/// Explains the split of the tracks at `rows`, whose dendrogram is `tree`, into clusters `labels`.
pub fn explain(
    points: &Matrix<f32>,
    table: &Table,
    columns: Columns,
    rows: &[usize],
    tree: &Dendrogram,
    labels: &[usize],
) -> Explanation {
    let clusters = Groups::of(labels.iter().copied().enumerate());
    let balls = balls(points, rows, &clusters);
    let cell =
        |track: usize, column: Option<usize>| column.map_or("", |column| table.rows[rows[track]][column].as_str());
    let medoid = |(ball, (&cluster, members)): (&Ball, (&usize, &Vec<usize>))| {
        let distance = |&track: &usize| ball.reach(points.row(rows[track])).distance;
        let nearest = members.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        (cluster, nearest.expect("clusters have tracks"))
    };
    let (made, not_made) = gap(tree, labels);
    Explanation {
        made,
        not_made,
        across: across(points, rows, &clusters),
        border: border(points, rows, labels, &clusters, &balls),
        medoids: sorted(balls.iter().zip(clusters.keys.iter().zip(&clusters.members)).map(medoid)),
        albums: albums(&clusters, |track| cell(track, columns.album)),
        several_artists: (0..rows.len())
            .filter(|&track| {
                is_joint(cell(track, columns.title))
                    || is_joint(cell(track, columns.artist))
                    || is_compilation(cell(track, columns.album))
                    || is_compilation(cell(track, columns.album_artist))
            })
            .collect(),
    }
}

/// In the order of the clusters.
fn sorted(of_clusters: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    let mut sorted: Vec<(usize, usize)> = of_clusters.collect();
    sorted.sort_unstable();
    sorted
}

/// The highest merge of tracks of one cluster, the lowest of tracks of several.
fn gap(tree: &Dendrogram, labels: &[usize]) -> (Option<f64>, Option<f64>) {
    let mut cluster: Vec<Option<usize>> = labels.iter().copied().map(Some).collect();
    let (mut made, mut not_made): (Option<f64>, Option<f64>) = (None, None);
    for merge in tree.merges() {
        let joined = cluster[merge.left].filter(|_| cluster[merge.left] == cluster[merge.right]);
        match joined {
            Some(_) => made = Some(made.map_or(merge.height, |made| made.max(merge.height))),
            None => not_made = Some(not_made.map_or(merge.height, |not_made| not_made.min(merge.height))),
        }
        cluster.push(joined);
    }
    (made, not_made)
}

fn across(points: &Matrix<f32>, rows: &[usize], clusters: &Groups<usize>) -> Vec<Across> {
    let point = |track: usize| points.row(rows[track]);
    let mut found = Vec::new();
    for (place, one) in clusters.members.iter().enumerate() {
        for other in &clusters.members[..place] {
            let pairs = one.iter().flat_map(|&a| other.iter().map(move |&b| [a, b]));
            let pairs = pairs.map(|tracks| Across { tracks, distance: distance(point(tracks[0]), point(tracks[1])) });
            found.extend(pairs.min_by(|a, b| a.distance.total_cmp(&b.distance)));
        }
    }
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    found.truncate(4 * SHOWN);
    found
}

fn border(
    points: &Matrix<f32>,
    rows: &[usize],
    labels: &[usize],
    clusters: &Groups<usize>,
    balls: &[Ball],
) -> Vec<usize> {
    if balls.len() < 2 {
        return Vec::new();
    }
    let difference = |track: usize| {
        let (mut own, mut other) = (0.0, f64::INFINITY);
        for (&cluster, ball) in clusters.keys.iter().zip(balls) {
            let point = points.row(rows[track]);
            match cluster == labels[track] {
                true => own = ball.distance_within(point).unwrap_or(0.0),
                false => other = other.min(ball.reach(point).distance),
            }
        }
        other - own
    };
    let mut tracks: Vec<(f64, usize)> = (0..rows.len()).map(|track| (difference(track), track)).collect();
    tracks.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    tracks.into_iter().take(2 * SHOWN).map(|(_, track)| track).collect()
}

fn albums<'a>(clusters: &Groups<usize>, album: impl Fn(usize) -> &'a str) -> Vec<Album> {
    let in_clusters = clusters.iter().flat_map(|(cluster, members)| members.iter().map(move |&track| (track, cluster)));
    let mut tracks: Vec<(usize, usize)> = in_clusters.collect();
    tracks.sort_unstable();
    let named = tracks.iter().enumerate().filter(|(_, (track, _))| !album(*track).is_empty());
    let albums = Groups::of(named.map(|(place, (track, _))| (place, album(*track))));
    let mut found = Vec::new();
    for (album, places) in albums.iter() {
        let shares = Groups::of(places.iter().map(|&place| tracks[place].1).enumerate());
        let counts = sorted(shares.iter().map(|(cluster, members)| (cluster, members.len())));
        let is_all = |&(cluster, count): &(usize, usize)| {
            count > 1 && clusters.iter().any(|(key, members)| key == cluster && members.len() == count)
        };
        let carries = clusters.keys.len() > 1 && counts.iter().any(is_all);
        if counts.len() > 1 || carries {
            found.push(Album { album: album.to_owned(), clusters: counts, carries });
        }
    }
    found
}

/// Whether a title or credit names several artists.
fn is_joint(text: &str) -> bool {
    const SIGNS: [&str; 8] = [" feat. ", " feat ", " ft. ", " featuring ", " vs. ", " vs ", " duet ", " meets "];
    let text = format!(" {} ", text.to_lowercase().replace(['(', ')', '[', ']'], " "));
    SIGNS.iter().any(|sign| text.contains(sign))
}

fn is_compilation(album: &str) -> bool {
    let album = album.to_lowercase();
    ["various artists", "compilation", "sampler"].iter().any(|sign| album.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_explained() {
        let points = Matrix::new(6, 1, vec![0.0, 0.1, 2.0, 5.0, 5.2, 5.1]);
        let cells = [
            ["One", "A"],
            ["Two (feat. X)", "A"],
            ["Three", "B"],
            ["Four", "C"],
            ["Five", "C"],
            ["Six", "Great Compilation"],
        ];
        let table = Table {
            columns: vec!["title".into(), "album".into()],
            rows: cells.map(|row| row.map(str::to_owned).to_vec()).to_vec(),
        };
        let rows = [0, 1, 2, 3, 4, 5];
        let tree = crate::cluster::linkage(&points, &()).unwrap();
        let explain = |labels: &[usize]| explain(&points, &table, Columns::of(&table), &rows, &tree, labels);
        let found = explain(&[1, 1, 1, 2, 2, 2]);
        assert!((found.made.unwrap() - 2.25).abs() < 0.2 && found.not_made.unwrap() > 5.0, "{found:?}");
        assert_eq!(found.across[0].tracks, [3, 2]);
        assert!((found.across[0].distance - 3.0).abs() < 1e-6);
        assert_eq!(found.border[0], 2);
        assert_eq!(found.medoids, [(1, 1), (2, 5)]);
        assert_eq!(found.several_artists, [1, 5]);
        assert!(found.albums.is_empty(), "{:?}", found.albums);
        let found = explain(&[1, 2, 3, 4, 4, 5]);
        let albums: Vec<(&str, bool)> =
            found.albums.iter().map(|album| (album.album.as_str(), album.carries)).collect();
        assert_eq!(albums, [("A", false), ("C", true)]);
        assert!(!is_joint("Loft") && !is_joint("Defeat") && is_joint("A vs. B"));
    }
}
