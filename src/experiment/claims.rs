//! What the paper claims, and what the cells say about it: differences of cells that share a seed (and a number of artists),
//! averaged within each seed, because cells of one seed are judged by the same artists.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::cell::CellResult;
use super::summary::{Interval, MEASURES};

/// Which cells of a dataset and system are meant.
#[derive(Clone, Copy, PartialEq)]
enum Pick {
    /// Each number of artists, against the same number.
    Each,
    /// The largest number of artists.
    Most,
    /// The smallest.
    Fewest,
    /// This probability of side information.
    P(f64),
}

type Side = (&'static str, &'static str, Pick);

/// A claim: one side is better than the other in a measure.
struct Claim {
    says: &'static str,
    /// What it is about, where the words are shared by several.
    on: &'static str,
    section: &'static str,
    measure: &'static str,
    better: Side,
    worse: Side,
}

const fn claim(
    (says, on): (&'static str, &'static str),
    section: &'static str,
    measure: &'static str,
    better: Side,
    worse: Side,
) -> Claim {
    Claim { says, on, section, measure, better, worse }
}

const SMALL: &str = "with little audio an artist the classifier is better";
const BALANCED: &str = "with much audio an artist metric learning is better";
const MORE: &str = "metric learning gains from more training artists";
const ALL: &str = "metric learning on all data beats the classifier on";
const SIDE: &str = "negatives that share a tag (p = 0.5) help";

/// The paper's claims (section 5), each on the measures of its figure.
static CLAIMS: &[Claim] = &[
    claim((SMALL, ""), "Figure 2", "eer", ("msd-small", "cl", Pick::Each), ("msd-small", "ml", Pick::Each)),
    claim((SMALL, ""), "Figure 3", "accuracy", ("msd-small", "cl", Pick::Each), ("msd-small", "ml", Pick::Each)),
    claim((BALANCED, ""), "Figure 2", "eer", ("balanced", "ml", Pick::Each), ("balanced", "cl", Pick::Each)),
    claim((BALANCED, ""), "Figure 3", "accuracy", ("balanced", "ml", Pick::Each), ("balanced", "cl", Pick::Each)),
    claim((BALANCED, ""), "Figure 4", "ami", ("balanced", "ml", Pick::Each), ("balanced", "cl", Pick::Each)),
    claim((MORE, ""), "Figure 4", "ami", ("balanced", "ml", Pick::Most), ("balanced", "ml", Pick::Fewest)),
    claim(
        (ALL, " version (A)"),
        "Figure 4",
        "ami",
        ("unbalanced", "ml", Pick::Each),
        ("unbalanced-a", "cl", Pick::Each),
    ),
    claim(
        (ALL, " version (B)"),
        "Figure 4",
        "ami",
        ("unbalanced", "ml", Pick::Each),
        ("unbalanced-b", "cl", Pick::Each),
    ),
    claim(
        (SIDE, ""),
        "Figure 4",
        "ami",
        ("side-information", "ml", Pick::P(0.5)),
        ("side-information", "ml", Pick::P(0.0)),
    ),
    claim(
        (SIDE, ""),
        "Figure 4",
        "ari",
        ("side-information", "ml", Pick::P(0.5)),
        ("side-information", "ml", Pick::P(0.0)),
    ),
];

/// What was found about a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The claim.
    pub says: String,
    /// Where it shows in the paper.
    pub section: &'static str,
    /// The measure.
    pub measure: &'static str,
    /// Its title.
    pub title: &'static str,
    /// By how much the better side is better, a mean over seeds; negative when it is worse.
    pub difference: Option<Interval>,
    /// `holds` or `contradicted` where the 95 % interval of the difference does not reach zero, else `undecided`; `not run`.
    pub verdict: &'static str,
}

/// What the results say of every claim.
pub(super) fn findings(results: &[CellResult]) -> Vec<Finding> {
    CLAIMS.iter().map(|claim| claim.judge(results)).collect()
}

impl Claim {
    fn judge(&self, results: &[CellResult]) -> Finding {
        let measure = MEASURES.iter().find(|measure| measure.name == self.measure).expect("claims name measures");
        let worse: HashMap<_, f64> =
            side(results, &self.worse).map(|(key, r)| (key, (measure.of)(&r.scores))).collect();
        let sign = if measure.falls { -1.0 } else { 1.0 };
        let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (key, result) in side(results, &self.better) {
            if let Some(worse) = worse.get(&key) {
                by_seed.entry(key.0).or_default().push(sign * ((measure.of)(&result.scores) - worse));
            }
        }
        let means: Vec<f64> = by_seed.values().map(|all| all.iter().sum::<f64>() / all.len() as f64).collect();
        let difference = (!means.is_empty()).then(|| Interval::of(&means));
        let verdict = match difference.map(|difference| difference.interval) {
            None => "not run",
            Some(Some([low, _])) if low > 0.0 => "holds",
            Some(Some([_, high])) if high < 0.0 => "contradicted",
            Some(_) => "undecided",
        };
        Finding {
            says: format!("{}{}", self.says, self.on),
            section: self.section,
            measure: measure.name,
            title: measure.title,
            difference,
            verdict,
        }
    }
}

/// The cells of a side, by what pairs them with the other.
fn side<'r>(results: &'r [CellResult], side: &Side) -> impl Iterator<Item = ((u64, Option<usize>), &'r CellResult)> {
    let &(dataset, system, pick) = side;
    let own = move |result: &&CellResult| result.cell.dataset == dataset && result.cell.system == system;
    let artists = || results.iter().filter(own).filter_map(|result| result.cell.artists);
    let (most, fewest) = (artists().max(), artists().min());
    // One size alone says nothing of sizes.
    let sized = most != fewest;
    results.iter().filter(own).filter_map(move |result| {
        let cell = &result.cell;
        let (meant, artists) = match pick {
            Pick::Each => (true, cell.artists),
            Pick::Most => (sized && cell.artists == most, None),
            Pick::Fewest => (sized && cell.artists == fewest, None),
            Pick::P(p) => (cell.p == Some(p), cell.artists),
        };
        meant.then_some(((cell.seed, artists), result))
    })
}
