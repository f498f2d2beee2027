//! Different names, same sound: for every artist of a catalogue the nearest ones under other names.

use homonym_kernels::{Isa, WeightedPoints};
use rayon::prelude::*;

use crate::catalogue::groups::Groups;
use crate::cluster::tournament::Tournament;
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::{Error, Result};

use super::ball::Ball;

/// Two artists under different names that sound alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alias {
    /// The artists, as places among those given; the lower first.
    pub artists: [usize; 2],
    /// Distance of their centroids.
    pub distance: f64,
}

/// An artist: a name, the cluster under it, and its tracks as rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Artist<'a> {
    /// The name.
    pub name: &'a str,
    /// The cluster within the name.
    pub cluster: &'a str,
    /// Its tracks.
    pub rows: Vec<usize>,
}

/// The artists of labelled rows: (row, name, cluster).
pub fn artists<'a>(labels: impl Iterator<Item = (usize, &'a str, &'a str)>) -> Vec<Artist<'a>> {
    let groups = Groups::of(labels.map(|(row, name, cluster)| (row, (name, cluster))));
    groups.iter().map(|((name, cluster), rows)| Artist { name, cluster, rows: rows.clone() }).collect()
}

/// The `top` nearest artists under other names of every artist, exactly; pairs once each, nearest first. O(m²·d) for m
/// artists, every pair measured once, in blocks that stay in the cache, on all threads; O(m·d) memory.
pub fn aliases(points: &Matrix<f32>, artists: &[Artist], top: usize, monitor: &dyn Monitor) -> Result<Vec<Alias>> {
    let isa = Isa::chosen()?;
    let centroids = artists.par_iter().flat_map_iter(|artist| Ball::around(points, &artist.rows).centroid);
    let centroids: Vec<f64> = centroids.collect();
    let mut places = WeightedPoints::default();
    places.refill(isa, points.cols, centroids.into_iter(), std::iter::repeat_n(1.0, artists.len()));
    let (labels, _) = crate::catalogue::groups::numbered(artists.iter().map(|artist| artist.name));
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    let mut all = Tournament::of(artists.len(), top.max(1));
    monitor.begin("aliases", Some(all.turns() as u64));
    while !all.is_over() {
        if monitor.interrupted() {
            return Err(Error::Interrupted("stopped while comparing; nothing was written".to_owned()));
        }
        all.play(isa, &places, Some(&labels));
        monitor.advance(1);
    }
    monitor.end();
    let mut pairs: Vec<Alias> = Vec::new();
    for (one, found) in all.lists.chunks_exact(top.max(1)).enumerate() {
        for neighbour in found.iter().take(top).filter(|neighbour| neighbour.place != u32::MAX) {
            let other = neighbour.place as usize;
            pairs.push(Alias { artists: [one.min(other), one.max(other)], distance: neighbour.squared.sqrt() });
        }
    }
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.artists.cmp(&b.artists)));
    pairs.dedup_by(|a, b| a.artists == b.artists);
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_nearest_under_other_names_are_found_exactly() {
        let mut random = Random::keyed(8, &[]);
        let points = Matrix::new(300, 5, (0..1500).map(|_| random.normal() as f32).collect());
        let names: Vec<String> = (0..300).map(|row| format!("n{}", row % 60)).collect();
        let clusters: Vec<String> = (0..300).map(|row| (row / 60 % 2).to_string()).collect();
        let labels = names.iter().zip(&clusters).enumerate();
        let artists = artists(labels.map(|(row, (name, cluster))| (row, name.as_str(), cluster.as_str())));
        assert_eq!(artists.len(), 120);
        let found = aliases(&points, &artists, 3, &()).unwrap();
        // By definition, all pairs.
        let centroid = |artist: &Artist, k: usize| {
            artist.rows.iter().map(|&row| f64::from(points.row(row)[k])).sum::<f64>() / artist.rows.len() as f64
        };
        let distance =
            |a: &Artist, b: &Artist| (0..5).map(|k| (centroid(a, k) - centroid(b, k)).powi(2)).sum::<f64>().sqrt();
        for one in 0..artists.len() {
            let others = (0..artists.len()).filter(|&other| artists[other].name != artists[one].name);
            let mut others: Vec<(f64, usize)> =
                others.map(|other| (distance(&artists[one], &artists[other]), other)).collect();
            others.sort_by(|a, b| a.partial_cmp(b).unwrap());
            for (distance, other) in &others[..3] {
                let pair = [one.min(*other), one.max(*other)];
                let alias = found.iter().find(|alias| alias.artists == pair).expect("a nearest pair");
                assert!((alias.distance - distance).abs() < 1e-9);
            }
        }
        assert!(found.iter().all(|alias| artists[alias.artists[0]].name != artists[alias.artists[1]].name));
        assert!(found.is_sorted_by(|a, b| a.distance <= b.distance));
    }
}
