//! Labels of two sources that disagree about who is who (paper, section 4.3.1).

use std::collections::{HashMap, HashSet};

use super::Source;
use super::artists::Artist;
use crate::Result;

/// What cleaning took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// Labels of the artist column that come with several of the other, of all.
    pub(super) own: (usize, usize),
    /// Labels of the other column that come with several artists, of all.
    pub(super) other: (usize, usize),
}

/// Leaves out the labels of either column that come with more than one of the other, and their rows. A row without a
/// second label says nothing and stays.
pub(super) fn clean<'a>(source: &Source<'a>, column: &str) -> Result<(Vec<Artist<'a>>, Cleaned)> {
    let (own, other) = (source.artist_place()?, source.table.require(column, "--clean-with")?);
    let pairs = source.table.rows.iter().map(|row| (row[own].as_str(), row[other].as_str()));
    let pairs: HashSet<(&str, &str)> = pairs.filter(|(own, other)| !own.is_empty() && !other.is_empty()).collect();
    let ambiguous = |labels: &mut dyn Iterator<Item = &'a str>| {
        let mut partners: HashMap<&str, usize> = HashMap::new();
        labels.for_each(|label| *partners.entry(label).or_default() += 1);
        let total = partners.len();
        let several: HashSet<&str> =
            partners.into_iter().filter(|&(_, partners)| partners > 1).map(|(label, _)| label).collect();
        (several, total)
    };
    let (own_several, own_total) = ambiguous(&mut pairs.iter().map(|&(own, _)| own));
    let (other_several, other_total) = ambiguous(&mut pairs.iter().map(|&(_, other)| other));
    let mut artists = source.artists()?;
    artists.retain(|artist| !own_several.contains(artist.name));
    for artist in &mut artists {
        artist.rows.retain(|&row| !other_several.contains(source.table.rows[row][other].as_str()));
    }
    artists.retain(|artist| !artist.rows.is_empty());
    Ok((artists, Cleaned { own: (own_several.len(), own_total), other: (other_several.len(), other_total) }))
}
