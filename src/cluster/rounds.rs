//! Rounds of merges, for large sets: Ward's distance is reducible, so **all** pairs that are each other's nearest may be
//! merged at once. What makes rounds cheap is to know a nearest neighbour without searching:
//!
//! - Every cluster X keeps the K clusters found nearest by its last search, and a bound L: no cluster without a part among
//!   these is nearer than L. Where the nearest of their living unions is at most L away, it is the true neighbour.
//! - For a union X = P ∪ Q the lists are joined, and Lance and Williams give the bound: with D² as distances, any Y
//!   outside both lists has D(P, Y) ≥ L_P and D(Q, Y) ≥ L_Q, so
//!   `L_X = min over z of [(p+z)·L_P + (q+z)·L_Q − z·D(P, Q)] / (p+q+z)`, which has its minimum at one end of the range
//!   of sizes z of Y.
//! - Two clusters may be merged when their distance is no larger than either can have to any other: one of them need not
//!   know its neighbour for that.
//! - At first all search at once (`tournament.rs`).
//! - Later, only when nothing is left to merge do some clusters search, those with the lowest bounds; the others may be spared
//!   by the merges that follow.

use std::time::{Duration, Instant};

use homonym_kernels::{Isa, Neighbour, WeightedPoints};
use rayon::prelude::*;

use super::checkpoint::{Checkpoint, Saved, fingerprint};
use super::surroundings::{K, Surroundings, Union};
use super::tournament::Tournament;
use super::{Found, order};
use crate::monitor::Monitor;
use crate::{Error, Result};

/// Queries that one thread searches at a time.
const CHUNK: usize = 96;
/// Queries of one search: enough for all threads, few enough to hear of an interruption soon.
const BATCH: std::ops::Range<usize> = 512..16_384;
/// The share of those without known neighbour that a search takes, as a divisor.
const LAZY: usize = 8;
/// Clusters that one thread looks through at a time.
const SCANNED: usize = 4096;
/// How often a checkpoint is written.
const SAVED_EVERY: Duration = Duration::from_secs(60);
/// Where a node is that has become part of another.
const MERGED: u32 = u32::MAX;

/// All clusters; those that live are at the places of `points`.
#[derive(Debug)]
pub(super) struct Rounds {
    isa: Isa,
    count: usize,
    points: WeightedPoints,
    /// The node at a place, [`MERGED`] where it lives no more, and what it knows.
    nodes: Vec<u32>,
    known: Vec<Surroundings>,
    /// The first of each list once more, close together: most rounds look at no more.
    nearest: Vec<u32>,
    /// The least weight of all and how many are left that have it (none: it is to be counted anew); the largest.
    least: (f64, usize),
    largest: f64,
    /// Nodes that have learnt something since reciprocal pairs were sought.
    changed: Vec<u32>,
    /// The place of a node, [`MERGED`] where it lives no more; the union it became part of.
    places: Vec<u32>,
    parents: Vec<u32>,
    found: Vec<Found>,
}

impl Rounds {
    /// Starts from points with weights; equal ones become one cluster at once, neighbours come close together.
    pub(super) fn of(
        isa: Isa,
        dims: usize,
        coordinates: Vec<f64>,
        weights: &[f64],
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let count = weights.len();
        let mut rounds = Self {
            isa,
            count,
            points: WeightedPoints::default(),
            nodes: Vec::new(),
            known: Vec::new(),
            nearest: Vec::new(),
            least: (0.0, 0),
            largest: 0.0,
            changed: Vec::new(),
            places: vec![MERGED; count],
            parents: vec![0; count],
            found: Vec::new(),
        };
        let mut kinds = rounds.merge_duplicates(dims, &coordinates, weights);
        let rows: Vec<usize> = kinds.iter().map(|kind| kind.first).collect();
        let leaves = order::leaves(isa, dims, &coordinates, &rows, monitor)?;
        kinds.iter_mut().zip(leaves).for_each(|(kind, leaf)| kind.leaf = leaf);
        kinds.sort_by_key(|kind| kind.leaf);
        let point = |kind: &Kind| coordinates[kind.first * dims..(kind.first + 1) * dims].iter().copied();
        rounds.points.refill(isa, dims, kinds.iter().flat_map(point), kinds.iter().map(|kind| kind.weight));
        rounds.nodes = kinds.iter().map(|kind| kind.node).collect();
        kinds.iter().enumerate().for_each(|(place, kind)| rounds.places[kind.node as usize] = place as u32);
        rounds.largest = kinds.iter().map(|kind| kind.weight).fold(0.0, f64::max);
        rounds.known = vec![Surroundings::UNKNOWN; kinds.len()];
        rounds.nearest = vec![u32::MAX; kinds.len()];
        Ok(rounds)
    }

    /// Merges equal points.
    fn merge_duplicates(&mut self, dims: usize, coordinates: &[f64], weights: &[f64]) -> Vec<Kind> {
        let point = |row: usize| coordinates[row * dims..(row + 1) * dims].iter().map(|x| x + 0.0);
        let compare = |&a: &usize, &b: &usize| {
            let unequal = point(a).zip(point(b)).map(|(x, y)| x.total_cmp(&y)).find(|order| order.is_ne());
            unequal.unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(&b))
        };
        let mut order: Vec<usize> = (0..self.count).collect();
        order.par_sort_unstable_by(compare);
        let mut kinds: Vec<&[usize]> = order.chunk_by(|&a, &b| point(a).eq(point(b))).collect();
        kinds.sort_unstable_by_key(|kind| kind[0]);
        let merged = |rows: &&[usize]| {
            let merge = |node, &other: &usize| self.record([node, other], 0.0);
            let node = rows[1..].iter().fold(rows[0], merge) as u32;
            Kind { first: rows[0], node, weight: rows.iter().map(|&row| weights[row]).sum(), leaf: 0 }
        };
        kinds.iter().map(merged).collect()
    }

    /// Notes a merge and returns the node it makes.
    fn record(&mut self, nodes: [usize; 2], height: f64) -> usize {
        self.found.push(Found::above(&self.found, self.count, nodes, height));
        let union = self.count + self.found.len() - 1;
        for node in nodes {
            self.places[node] = MERGED;
            self.parents[node] = union as u32;
        }
        self.places.push(MERGED);
        self.parents.push(0);
        union
    }

    /// Merges until one cluster is left, going on from a checkpoint where there is one.
    pub(super) fn run(mut self, checkpoint: Option<&Checkpoint>, monitor: &dyn Monitor) -> Result<Vec<Found>> {
        let fingerprint = checkpoint.map_or(0, |_| fingerprint(&self.points));
        let mut first = Tournament::of(self.points.len(), K);
        if let Some(checkpoint) = checkpoint
            && let Some(saved) = checkpoint.load(fingerprint)?
        {
            self.go_on_from(saved, &mut first).map_err(|found| checkpoint.wrong(found))?;
        }
        monitor.advance(self.found.len() as u64);
        let mut clock = Instant::now();
        while self.found.len() + 1 < self.count {
            if first.is_over() {
                self.proceed(monitor);
            } else {
                monitor.status(&format!("comparing all clusters, {} of {}", first.turn + 1, first.turns()));
                first.play(self.isa, &self.points, None);
                if first.is_over() {
                    self.learn_first(&first);
                    first.lists = Vec::new();
                }
            }
            let is_interrupted = monitor.interrupted();
            if let Some(checkpoint) = checkpoint.filter(|_| is_interrupted || clock.elapsed() > SAVED_EVERY) {
                if !first.is_over() {
                    self.learn_first(&first);
                }
                self.move_together();
                checkpoint.save(fingerprint, first.turn, &self.found, &self.known, &self.changed)?;
                clock = Instant::now();
            }
            if is_interrupted {
                return Err(self.interrupted(checkpoint));
            }
        }
        Ok(self.found)
    }

    /// Merges what can be merged, else searches.
    fn proceed(&mut self, monitor: &dyn Monitor) {
        self.refresh();
        let changed = std::mem::take(&mut self.changed);
        let living = changed.into_iter().map(|node| self.places[node as usize]).filter(|&place| place != MERGED);
        let mut pairs = self.reciprocal(living.collect());
        if pairs.is_empty() {
            pairs = self.reciprocal((0..self.nodes.len() as u32).collect());
        }
        if pairs.is_empty() {
            self.search(monitor);
        } else {
            self.merge(&pairs);
            if self.living() <= self.nodes.len() / 2 {
                self.move_together();
            }
            monitor.advance(pairs.len() as u64);
        }
    }

    fn interrupted(&self, checkpoint: Option<&Checkpoint>) -> Error {
        let (done, total) = (self.found.len(), self.count - 1);
        let kept = checkpoint.map(|checkpoint| format!("{} goes on with --resume", checkpoint.path().display()));
        let kept = kept.unwrap_or("nothing was written".to_owned());
        Error::Interrupted(format!("stopped after {done} of {total} merges; {kept}"))
    }

    /// Repeats the merges of a checkpoint: centroids become what they were. Says what is wrong with one that nobody wrote
    /// for these points; distances are taken on trust.
    fn go_on_from(&mut self, saved: Saved, first: &mut Tournament) -> Result<(), &'static str> {
        let merges = &saved.found[self.found.len().min(saved.found.len())..];
        first.turn = saved.turn;
        if !merges.is_empty() && !first.is_over() {
            return Err("merges before all were compared");
        }
        for found in merges {
            let nodes = found.nodes.map(|node| node as u32);
            if nodes[0] == nodes[1]
                || nodes.iter().any(|&node| self.places.get(node as usize).is_none_or(|&place| place == MERGED))
            {
                return Err("merges of what does not exist");
            }
            self.unite(nodes);
        }
        self.move_together();
        let exists = |&node: &u32| (node as usize) < self.places.len();
        let is_sound = |(known, &own): (&Surroundings, &u32)| {
            let is_other = |place: u32| place == u32::MAX || exists(&place) && place != own;
            !known.bound.is_nan() && known.list.iter().all(|other| other.squared >= 0.0 && is_other(other.place))
        };
        if saved.known.len() != self.known.len() || !saved.changed.iter().all(exists) {
            return Err("one of another state");
        }
        if !saved.known.iter().zip(&self.nodes).all(is_sound) {
            return Err("neighbours that do not exist");
        }
        saved.known.into_iter().enumerate().for_each(|(place, known)| self.learn(place, known));
        self.changed = saved.changed;
        let list = |known: &Surroundings| known.list.map(|known| self.at_place(known));
        first.lists = if first.is_over() { Vec::new() } else { self.known.iter().flat_map(list).collect() };
        Ok(())
    }

    /// How many clusters there are.
    fn living(&self) -> usize {
        self.count - self.found.len()
    }

    /// Closes the gaps between living clusters; their order stays.
    fn move_together(&mut self) {
        let nodes = std::mem::take(&mut self.nodes);
        let lives = |place: usize| nodes[place] != MERGED;
        self.points.retain(self.isa, lives);
        let mut place = 0..;
        self.known.retain(|_| lives(place.next().expect("no end")));
        let mut place = 0..;
        self.nearest.retain(|_| lives(place.next().expect("no end")));
        self.nodes = nodes.into_iter().filter(|&node| node != MERGED).collect();
        self.nodes.iter().enumerate().for_each(|(place, &node)| self.places[node as usize] = place as u32);
    }

    /// Brings up to date the lists whose nearest has become part of a union.
    fn refresh(&mut self) {
        let is_stale = |&place: &u32| {
            let nearest = self.nearest[place as usize];
            nearest != u32::MAX && !self.lives(nearest)
        };
        let places = (0..self.nodes.len() as u32).into_par_iter().with_min_len(SCANNED);
        let stale: Vec<u32> = places.filter(is_stale).collect();
        let fresh = |&place: &u32| {
            let Surroundings { list, bound } = self.known[place as usize];
            self.resolved(place as usize, &list, bound, |neighbour| self.lives(neighbour))
        };
        let fresh: Vec<Surroundings> = stale.par_iter().map(fresh).collect();
        stale.into_iter().zip(fresh).for_each(|(place, known)| self.learn(place as usize, known));
    }

    /// Takes over what the cluster at a place has learnt.
    fn learn(&mut self, place: usize, known: Surroundings) {
        self.known[place] = known;
        self.nearest[place] = known.list[0].place;
        self.changed.push(self.nodes[place]);
    }

    fn lives(&self, node: u32) -> bool {
        self.places[node as usize] != MERGED
    }

    /// What the cluster at `place` knows when those of a list may have been merged. The distances to some nodes are still
    /// those of the list.
    fn resolved(
        &self,
        place: usize,
        list: &[Neighbour],
        mut bound: f64,
        is_measured: impl Fn(u32) -> bool,
    ) -> Surroundings {
        let mut known = Surroundings { list: [Neighbour::NONE; K], bound };
        for neighbour in list.iter().filter(|neighbour| neighbour.place != u32::MAX) {
            let mut node = neighbour.place;
            while !self.lives(node) {
                node = self.parents[node as usize];
            }
            if node == self.nodes[place] || known.list.iter().any(|other| other.place == node) {
                continue;
            }
            let squared = if is_measured(neighbour.place) {
                neighbour.squared
            } else {
                self.points.squared(place, self.places[node as usize] as usize)
            };
            let living = Neighbour { squared, place: node };
            let at = known.list.partition_point(|nearer| *nearer < living);
            let dropped = if at < K { std::mem::replace(&mut known.list[K - 1], Neighbour::NONE) } else { living };
            bound = bound.min(dropped.squared);
            if at < K {
                known.list[at..].rotate_right(1);
                known.list[at] = living;
            }
        }
        Surroundings { bound, ..known }
    }

    /// Pairs of places that no other cluster is nearer to, each place at most once; one of each pair is among `places`.
    fn reciprocal(&self, places: Vec<u32>) -> Vec<[u32; 2]> {
        let partner = |&place: &u32| {
            let nearest = self.known[place as usize].nearest()?;
            let other = self.places[nearest.place as usize];
            let is_nearest = nearest.squared <= self.known[other as usize].least();
            is_nearest.then_some([place, other])
        };
        let willing: Vec<[u32; 2]> = places.par_iter().with_min_len(SCANNED).filter_map(partner).collect();
        let mut taken = vec![false; self.known.len()];
        let mut free = |[one, other]: &[u32; 2]| {
            let is_free = !taken[*one as usize] && !taken[*other as usize];
            if is_free {
                taken[*one as usize] = true;
                taken[*other as usize] = true;
            }
            is_free
        };
        willing.into_iter().filter(|pair| free(pair)).collect()
    }

    /// Merges pairs of places.
    fn merge(&mut self, pairs: &[[u32; 2]]) {
        let nodes = |places: &[u32; 2]| places.map(|place| self.nodes[place as usize]);
        let pairs: Vec<[u32; 2]> = pairs.iter().map(nodes).collect();
        let unions: Vec<Union> = pairs.into_iter().map(|pair| self.unite(pair)).collect();
        if self.least.1 == 0 {
            self.count_least();
        }
        let sizes = [self.least.0, self.largest];
        let known: Vec<Surroundings> = unions
            .par_iter()
            .map(|union| self.resolved(self.places[union.node] as usize, &union.list, union.bound(sizes), |_| false))
            .collect();
        for (union, known) in unions.iter().zip(known) {
            self.learn(self.places[union.node] as usize, known);
        }
    }

    /// Finds the least weight.
    fn count_least(&mut self) {
        let living = (0..self.nodes.len()).filter(|&place| self.nodes[place] != MERGED);
        let count = |(least, count), weight| match weight {
            weight if weight < least => (weight, 1),
            weight => (least, count + usize::from(weight == least)),
        };
        self.least = living.map(|place| self.points.weight(place)).fold((f64::INFINITY, 0), count);
    }

    fn unite(&mut self, pair: [u32; 2]) -> Union {
        let [keep, gone] = pair.map(|node| self.places[node as usize] as usize);
        let squared = self.points.squared(keep, gone);
        let [p, q] = [keep, gone].map(|place| (self.points.weight(place), self.known[place]));
        // A union is larger than either part, and no part of it is left.
        let least = [p.0, q.0].into_iter().filter(|&weight| weight == self.least.0).count();
        self.least.1 -= least;
        self.largest = self.largest.max(p.0 + q.0);
        let node = self.record(pair.map(|node| node as usize), squared.sqrt());
        let mut list = [Neighbour::NONE; 2 * K];
        list[..K].copy_from_slice(&p.1.list);
        list[K..].copy_from_slice(&q.1.list);
        self.points.merge(self.isa, keep, gone);
        self.nodes[keep] = node as u32;
        self.places[node] = keep as u32;
        self.nodes[gone] = MERGED;
        self.known[gone] = Surroundings::UNKNOWN;
        self.nearest[gone] = u32::MAX;
        Union { node, squared, sizes: [p.0, q.0], bounds: [p.1.bound, q.1.bound], list }
    }

    /// A neighbour of a list, by its place.
    fn at_place(&self, known: Neighbour) -> Neighbour {
        Neighbour { place: self.places.get(known.place as usize).copied().unwrap_or(u32::MAX), ..known }
    }

    /// What is known after a search that found these places.
    fn surroundings(&self, list: &[Neighbour; K], bound: f64) -> Surroundings {
        let node = |found: Neighbour| self.nodes.get(found.place as usize).copied().unwrap_or(u32::MAX);
        Surroundings { list: list.map(|found| Neighbour { place: node(found), ..found }), bound }
    }

    /// Takes over what the first search has found; nothing is certain before its end.
    fn learn_first(&mut self, first: &Tournament) {
        self.changed.clear();
        for (place, list) in first.lists.as_chunks::<K>().0.iter().enumerate() {
            let bound = if first.is_over() { list[K - 1].squared } else { 0.0 };
            self.learn(place, self.surroundings(list, bound));
        }
    }

    /// Searches the neighbours of some of those that do not know their nearest.
    fn search(&mut self, monitor: &dyn Monitor) {
        let seeks = |place: usize| self.nodes[place] != MERGED && self.known[place].nearest().is_none();
        let mut queries: Vec<u32> =
            (0..self.nodes.len()).filter(|&place| seeks(place)).map(|place| place as u32).collect();
        let some = (queries.len() / LAZY).clamp(BATCH.start, BATCH.end);
        if some < queries.len() {
            let bound = |place: u32| self.known[place as usize].bound;
            queries.select_nth_unstable_by(some, |&a, &b| bound(a).total_cmp(&bound(b)).then(a.cmp(&b)));
            queries.truncate(some);
            queries.sort_unstable();
        }
        monitor.status(&format!("searching for {} of {} clusters", queries.len(), self.living()));
        // What is left of the lists makes the search choosy from its start.
        let living = |&place: &u32| {
            let Surroundings { list, bound } = self.known[place as usize];
            self.resolved(place as usize, &list, bound, |neighbour| self.lives(neighbour))
                .list
                .map(|known| self.at_place(known))
        };
        let mut found: Vec<Neighbour> = queries.par_iter().map(living).collect::<Vec<_>>().into_flattened();
        queries
            .par_chunks(CHUNK)
            .zip(found.par_chunks_mut(CHUNK * K))
            .for_each(|(queries, found)| self.points.nearest(self.isa, queries, 0..self.points.len(), None, found));
        for (&query, list) in queries.iter().zip(found.chunks_exact(K)) {
            let list: [Neighbour; K] = list.try_into().expect("chunks of K");
            self.learn(query as usize, self.surroundings(&list, list[K - 1].squared));
        }
    }
}

/// Points that are equal.
struct Kind {
    first: usize,
    /// The cluster of all.
    node: u32,
    weight: f64,
    /// See [`order::leaves`].
    leaf: u32,
}
