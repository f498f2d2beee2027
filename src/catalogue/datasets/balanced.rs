//! Much audio of popular artists (paper, section 4.3.2): as many samples of each, no album in two parts.

use super::artists::{Artist, Purpose, seconds, share, size};
use super::splits::{deal, spread};
use super::{Dataset, Options, Source};
use crate::catalogue::groups::Groups;
use crate::{Error, Result};

/// Artists at most, as in the paper.
const LARGEST: usize = 600;

pub(super) fn build(source: &Source, options: &Options) -> Result<Dataset> {
    let least_albums = size(options.albums, 4, 3, "--albums")?;
    let album_tracks = size(options.album_tracks, 4, 1, "--album-tracks")?;
    let samples = size(options.samples, 1000, 6, "--samples")?;
    let train = share(options.train_share, 1.0 / 3.0, "--train-share")?;
    let validation = share(options.validation_share, 1.0 / 6.0, "--validation-share")?;
    if train + validation > 1.0 || train == 0.0 {
        return Err(Error::setting("--train-share", "must be positive, and not exceed 1 with --validation-share"));
    }
    let seconds = seconds(options, 9.0)?;
    let column = options.album_column.as_deref().unwrap_or("album");
    let albums = Albums { column: source.table.require(column, "--album-column")?, album_tracks };
    let popular = popular(source, options)?;
    let qualified = popular.into_iter().filter(|artist| albums.of(source, artist).len() >= least_albums).collect();
    let what = format!("with at least {least_albums} albums of at least {album_tracks} tracks");
    let artists = source.choose(qualified, options.artists, LARGEST, &what)?;
    let shares = [train, validation, 1.0 - train - validation];
    let (mut trained, mut validated) = (Vec::new(), Vec::new());
    for artist in &artists {
        let albums = albums.of(source, artist);
        let weights: Vec<usize> = albums.iter().map(Vec::len).collect();
        let parts = deal(&weights, &shares, &mut source.random_of(Purpose::Albums, artist.name));
        let rows =
            |part: usize| parts[part].iter().flat_map(|&album| albums[album].iter().copied()).collect::<Vec<_>>();
        let count = |share: f64| (share * samples as f64).round() as usize;
        trained.extend(spread(&rows(0), count(train), seconds));
        if validation > 0.0 {
            validated.extend(spread(&rows(1), count(validation), seconds));
        }
    }
    let mut parts = vec![("train".to_owned(), source.sampled(&trained)?)];
    if !validated.is_empty() {
        parts.push(("validation".to_owned(), source.sampled(&validated)?));
    }
    Ok(Dataset { parts, notes: Vec::new() })
}

/// Which albums count.
struct Albums {
    column: usize,
    album_tracks: usize,
}

impl Albums {
    /// The rows of each album of an artist that has enough tracks.
    fn of(&self, source: &Source, artist: &Artist) -> Vec<Vec<usize>> {
        let named = artist.rows.iter().map(|&row| (row, source.table.rows[row][self.column].as_str()));
        let albums = Groups::of(named.filter(|(_, album)| !album.is_empty())).members;
        albums.into_iter().filter(|rows| rows.len() >= self.album_tracks).collect()
    }
}

/// The most popular artists, in the order of the catalogue.
fn popular<'a>(source: &Source<'a>, options: &Options) -> Result<Vec<Artist<'a>>> {
    let among = size(options.among, 1000, 2, "--among")?;
    let column = options.popularity_column.as_deref().map(|name| source.table.require(name, "--popularity-column"));
    let column = column.transpose()?;
    let artists = source.artists()?;
    let mut ranked = Vec::with_capacity(artists.len());
    for (place, artist) in artists.iter().enumerate() {
        let popularity = match column {
            Some(column) => artist.rows.iter().map(|&row| number(source, row, column)).sum::<Result<f64>>()?,
            None => artist.rows.len() as f64,
        };
        ranked.push((popularity, place));
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.truncate(among);
    let mut places: Vec<usize> = ranked.into_iter().map(|(_, place)| place).collect();
    places.sort_unstable();
    Ok(places.into_iter().map(|place| artists[place].clone()).collect())
}

/// A popularity; an empty cell is 0.
fn number(source: &Source, row: usize, column: usize) -> Result<f64> {
    let cell = source.table.rows[row][column].trim();
    if cell.is_empty() {
        return Ok(0.0);
    }
    cell.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| {
        let found = format!("{cell:?} in data row {}", row + 1);
        Error::file(source.subject, "a number as popularity", found, "mend the cell or leave it empty")
    })
}
