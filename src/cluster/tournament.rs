//! The search of all, when nobody knows a neighbour yet: all meet all. A distance serves both its ends, so every pair is
//! measured once, as in a round-robin tournament: points form teams of neighbouring places; in each turn every team meets
//! another one, and in all turns together every other one. The teams of a turn are apart, so threads share nothing.

use homonym_kernels::{Isa, Neighbour, WeightedPoints};
use rayon::prelude::*;

/// Teams at least, where there are places enough: within a team pairs are measured twice.
const TEAMS: usize = 32;
/// Places of a team at most: what two teams know stays in the second cache.
const LARGEST: usize = 2048;

/// The nearest neighbours found so far.
#[derive(Debug)]
pub(crate) struct Tournament {
    count: usize,
    /// How many are kept of each.
    k: usize,
    /// So many of each place in turn; neighbours are places. Empty when all is over and they were handed on.
    pub(crate) lists: Vec<Neighbour>,
    /// Turns that were taken.
    pub(super) turn: usize,
}

impl Tournament {
    /// Nobody has met. `k` neighbours of each are wanted, one at least.
    pub(crate) fn of(count: usize, k: usize) -> Self {
        Self { count, k, lists: vec![Neighbour::NONE; count * k], turn: 0 }
    }

    /// Places of a team, but for the last.
    fn size(&self) -> usize {
        let block = WeightedPoints::BLOCK;
        self.count.div_ceil(TEAMS).next_multiple_of(block).clamp(block, LARGEST)
    }

    /// Turns that there are: in the first one every team meets itself.
    pub(crate) fn turns(&self) -> usize {
        1 + self.count.div_ceil(self.size())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.turn >= self.turns()
    }

    /// Takes a turn. Points of equal labels are not each other's neighbours.
    pub(crate) fn play(&mut self, isa: Isa, points: &WeightedPoints, labels: Option<&[u32]>) {
        let (size, count) = (self.size(), self.count);
        let places = |team: usize| team * size..((team + 1) * size).min(count);
        let teams = self.lists.chunks_mut(size * self.k);
        if self.turn == 0 {
            let teams: Vec<_> = teams.enumerate().collect();
            teams.into_par_iter().for_each(|(team, lists)| {
                let queries: Vec<u32> = places(team).map(|place| place as u32).collect();
                points.nearest(isa, &queries, places(team), labels, lists);
            });
        } else {
            let mut teams: Vec<Option<&mut [Neighbour]>> = teams.map(Some).collect();
            // Team i meets the one that adds up to the number of the turn, modulo their number.
            let other = |team: usize| (self.turn + teams.len() - team) % teams.len();
            let pairs: Vec<[usize; 2]> =
                (0..teams.len()).map(|team| [team, other(team)]).filter(|[one, other]| one < other).collect();
            let games: Vec<_> =
                pairs.into_iter().map(|pair| (pair, pair.map(|team| teams[team].take().expect("once")))).collect();
            let play = |(pair, lists): ([usize; 2], _)| points.nearest_mutual(isa, pair.map(places), labels, lists);
            games.into_par_iter().for_each(play);
        }
        self.turn += 1;
    }
}
