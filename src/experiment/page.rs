//! The page: one HTML file that needs nothing else.

use std::fmt::Write as _;

use serde_json::Value;

use super::Report;
use super::summary::{Averages, Group, MEASURES};
use super::svg::{Figure, escape};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1360px;margin:2rem auto;padding:0 1rem;color:#222;\
background:#fff}table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .7rem;border-bottom:1px solid #8884;\
text-align:left;vertical-align:top}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}figure{margin:2rem 0;\
overflow-x:auto}figure svg{max-width:100%;height:auto}figcaption{font-weight:600}pre{overflow-x:auto;background:#8881;\
padding:1rem}.holds{color:#00693e}\
.contradicted{color:#b3261e}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.holds{color:#7ddba3}\
.contradicted{color:#ff8a80}}";

pub(super) fn render(report: &Report, figures: &[Figure], card: &Value) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>homonym experiment</title><style>{STYLE}</style></head><body>\n\
         <h1>The paper’s experiments on this catalogue</h1>\n"
    );
    introduction(&mut out, report, card);
    claims(&mut out, report);
    for figure in figures {
        let title = escape(&figure.title);
        writeln!(out, "<figure><figcaption>{title}</figcaption>\n{}</figure>", figure.svg).expect("a string");
    }
    out += "<h2>All figures</h2>\n";
    scores(&mut out, report, |group| Some(&group.scores));
    if report.groups.iter().any(|group| group.across.is_some()) {
        out += "<h3>Across albums</h3>\n";
        scores(&mut out, report, |group| group.across.as_ref());
    }
    failures(&mut out, report);
    let card = serde_json::to_string_pretty(card).expect("plain data");
    writeln!(out, "<details><summary>Run card</summary><pre>{}</pre></details>\n</body></html>", escape(&card))
        .expect("a string");
    out
}

fn introduction(out: &mut String, report: &Report, card: &Value) {
    let minutes = card["training_minutes"].as_f64().unwrap_or(0.0);
    writeln!(
        out,
        "<p>{}, {}, {minutes:.1} minutes of training on {} ({}). Each seed judges by another part of the \
         artists, none of whom its systems have heard. Bars are means over seeds, whiskers and brackets 95 % intervals of \
         the mean (Student’s t). <code>ml</code> is metric learning, <code>cl</code> the classifier, the number behind it \
         the artists trained on.</p>",
        counted(report.cells, "cell"),
        counted(card["seeds"].as_array().map_or(0, Vec::len), "seed"),
        counted(card["threads"].as_u64().unwrap_or(0) as usize, "thread"),
        escape(card["instruction_set"].as_str().unwrap_or("")),
    )
    .expect("a string");
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn claims(out: &mut String, report: &Report) {
    *out += "<h2>What the paper claims, and what this shows</h2>\n<table><tr><th>Claim<th>Paper<th>Measure<th>Difference in its \
             favour<th>Seeds<th>Here</tr>\n";
    for finding in &report.claims {
        let told = finding.difference.map(|difference| (difference.to_string(), difference.count.to_string()));
        let (difference, seeds) = told.unwrap_or_default();
        writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}<td class=n>{difference}<td class=n>{seeds}<td class=\"{}\">{}</tr>",
            escape(&finding.says),
            finding.section,
            finding.title,
            finding.verdict,
            finding.verdict
        )
        .expect("a string");
    }
    *out += "</table>\n<p>A claim holds, or is contradicted, where the interval of the difference does not reach zero; else this \
             catalogue and these seeds do not decide it.</p>\n";
}

fn scores(out: &mut String, report: &Report, averages: fn(&Group) -> Option<&Averages>) {
    write!(out, "<table><tr><th>Dataset<th>System<th>Artists trained on<th>Minutes a run").expect("a string");
    MEASURES.iter().for_each(|measure| write!(out, "<th>{}", measure.title).expect("a string"));
    *out += "</tr>\n";
    for group in &report.groups {
        let Some(averages) = averages(group) else { continue };
        let dataset = if group.dataset.is_empty() { "without training" } else { &group.dataset };
        write!(out, "<tr><td>{}<td>{}", escape(dataset), escape(&group.label)).expect("a string");
        let trained = if group.trained_artists > 0.0 { format!("{:.0}", group.trained_artists) } else { String::new() };
        write!(out, "<td class=n>{trained}<td class=n>{:.1}", group.train_minutes).expect("a string");
        averages.all().iter().for_each(|average| write!(out, "<td class=n>{average}").expect("a string"));
        *out += "</tr>\n";
    }
    *out += "</table>\n";
}

fn failures(out: &mut String, report: &Report) {
    if report.failed.is_empty() {
        return;
    }
    *out += "<h2>Cells that could not be run</h2>\n<ul>\n";
    for [cell, error] in &report.failed {
        writeln!(out, "<li><code>{}</code>: {}</li>", escape(cell), escape(error)).expect("a string");
    }
    *out += "</ul>\n";
}
