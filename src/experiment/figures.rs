//! The paper's Figures 1 to 4, with the data of an experiment.

use super::summary::{Averages, Group, Interval, MEASURES};
use super::svg::{Bar, Figure, Panel, bars, curves};
use crate::catalogue::groups::Groups;

/// The figures that there is data for.
pub(super) fn all(groups: &[Group], distributions: &[(String, Vec<usize>)]) -> Vec<Figure> {
    let mut figures = Vec::new();
    if !distributions.is_empty() {
        let title = "Figure 1: samples by artist in the unbalanced datasets and their versions for classifiers";
        let svg = curves(title, ["artists, most samples first", "samples"], distributions);
        figures.push(Figure { file: "figure-1", title: title.to_owned(), svg });
    }
    let sized = ["msd-small", "balanced"];
    let of_size = |group: &&Group| group.dataset.is_empty() || sized.contains(&group.dataset.as_str());
    let chosen: Vec<&Group> = groups.iter().filter(of_size).collect();
    if chosen.iter().any(|group| !group.dataset.is_empty()) {
        for (file, title, measures) in [
            ("figure-2", "Figure 2: equal error rate of the verification, lower is better", 0..1),
            ("figure-3", "Figure 3: accuracy of the classification, higher is better", 1..2),
        ] {
            figures.push(chart(file, title, &chosen, measures, scores));
        }
    }
    let every: Vec<&Group> = groups.iter().collect();
    let title = "Figure 4: mean AMI and ARI of the clustering, higher is better";
    figures.push(chart("figure-4", title, &every, 2..4, scores));
    if groups.iter().any(|group| group.across.is_some()) {
        let title = "Without the album effect: only tracks of different albums are compared";
        figures.push(chart("across-pairs", title, &every, 0..2, |group| group.across.as_ref()));
        figures.push(chart("across-names", title, &every, 2..4, |group| group.across.as_ref()));
    }
    figures
}

fn scores(group: &Group) -> Option<&Averages> {
    Some(&group.scores)
}

/// A chart with a panel for each measure and a section for each dataset.
fn chart(
    file: &'static str,
    title: &str,
    groups: &[&Group],
    measures: std::ops::Range<usize>,
    averages: fn(&Group) -> Option<&Averages>,
) -> Figure {
    let mut systems: Vec<&str> =
        groups.iter().filter(|group| !group.dataset.is_empty()).map(|g| g.system.as_str()).collect();
    systems.sort_unstable_by_key(|system| (*system != "ml", *system != "cl", *system));
    systems.dedup();
    let colour = |group: &Group| systems.iter().position(|&system| system == group.system).unwrap_or(4);
    let datasets = Groups::of(groups.iter().map(|group| group.dataset.as_str()).enumerate());
    let panel = |measure: usize| {
        let bar = |&place: &usize| {
            let value: Interval = averages(groups[place])?.all()[measure];
            Some(Bar { label: groups[place].label.clone(), value, colour: colour(groups[place]) })
        };
        let section = |(dataset, members): (&str, &Vec<usize>)| {
            let heading = if dataset.is_empty() { "without training" } else { dataset };
            (heading.to_owned(), members.iter().filter_map(bar).collect())
        };
        Panel { title: MEASURES[measure].title, sections: datasets.iter().map(section).collect() }
    };
    let panels: Vec<Panel> = measures.map(panel).collect();
    Figure { file, title: title.to_owned(), svg: bars(title, &panels) }
}
