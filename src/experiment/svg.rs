//! Charts as SVG, drawn by hand: bars with intervals, and falling curves.

use std::fmt::Write as _;

use super::summary::Interval;

/// A chart and the name of its file.
pub(super) struct Figure {
    pub(super) file: &'static str,
    pub(super) title: String,
    pub(super) svg: String,
}

/// A bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: Interval,
    /// Which of the colours.
    pub(super) colour: usize,
}

/// Bars of one measure under each other, in sections with headings.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) sections: Vec<(String, Vec<Bar>)>,
}

/// Colours that are told apart in print and by those who see few of them (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#7f7f7f"];
const ROW: usize = 20;
const LABELS: usize = 190;
const PLOT: usize = 300;
const VALUES: usize = 165;
const PANEL: usize = LABELS + PLOT + VALUES;

/// Escapes text for SVG and HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            other => out.push(other),
        }
    }
    out
}

fn open(width: usize, height: usize, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\"><title>{}</title>\n",
        escape(title)
    )
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, style: &str, words: &str) {
    let words = escape(words);
    writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{words}</text>").expect("a string");
}

/// A chart of panels side by side.
pub(super) fn bars(title: &str, panels: &[Panel]) -> String {
    let rows = |panel: &Panel| panel.sections.iter().map(|(_, bars)| bars.len() + 1).sum::<usize>();
    let height = 60 + ROW * panels.iter().map(rows).max().unwrap_or(0);
    let mut out = open(PANEL * panels.len(), height, title);
    panels.iter().enumerate().for_each(|(place, panel)| draw_panel(&mut out, (place * PANEL) as f64, panel));
    out + "</svg>\n"
}

fn draw_panel(out: &mut String, left: f64, panel: &Panel) {
    let bars = || panel.sections.iter().flat_map(|(_, bars)| bars);
    let ends = bars().flat_map(|bar| bar.value.interval.unwrap_or([bar.value.mean; 2]));
    // Measures lie within 0..1; intervals of two seeds can be absurdly wide and are cut there.
    let most = nice(ends.fold(0.0, f64::max).min(1.0));
    let least = if bars().any(|bar| bar.value.mean < 0.0) { -0.25 * most } else { 0.0 };
    let x = |value: f64| left + LABELS as f64 + (value.clamp(least, most) - least) / (most - least) * PLOT as f64;
    text(out, left + LABELS as f64, 16.0, "start", "font-weight=\"bold\"", panel.title);
    let bottom = 36 + ROW * panel.sections.iter().map(|(_, bars)| bars.len() + 1).sum::<usize>();
    for tick in 0..=4 {
        let value = most * f64::from(tick) / 4.0;
        writeln!(
            out,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"26\" y2=\"{bottom}\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>",
            x(value)
        )
        .expect("a string");
        text(out, x(value), bottom as f64 + 14.0, "middle", "font-size=\"10\"", &format!("{value:.2}"));
    }
    let mut y = 30.0;
    for (heading, bars) in &panel.sections {
        text(out, left + 4.0, y + 14.0, "start", "font-style=\"italic\"", heading);
        y += ROW as f64;
        for bar in bars {
            draw_bar(out, bar, (left, y), x);
            y += ROW as f64;
        }
    }
}

fn draw_bar(out: &mut String, bar: &Bar, (left, y): (f64, f64), x: impl Fn(f64) -> f64) {
    let (from, to) = (x(bar.value.mean.min(0.0)), x(bar.value.mean.max(0.0)));
    let (middle, colour) = (y + 9.0, COLOURS[bar.colour % COLOURS.len()]);
    text(out, left + LABELS as f64 - 6.0, y + 13.0, "end", "", &bar.label);
    writeln!(
        out,
        "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\" fill-opacity=\"0.75\"/>",
        y + 2.0,
        to - from
    )
    .expect("a string");
    if let Some([low, high]) = bar.value.interval {
        writeln!(
            out,
            "<path d=\"M{0:.1} {middle}H{1:.1}M{0:.1} {2}v8M{1:.1} {2}v8\" stroke=\"currentColor\" fill=\"none\"/>",
            x(low),
            x(high),
            middle - 4.0
        )
        .expect("a string");
    }
    let value = bar.value.to_string();
    text(out, left + (LABELS + PLOT) as f64 + 8.0, y + 13.0, "start", "font-size=\"10\"", &value);
}

/// The next of 0.1, 0.2, 0.25, 0.5, 1 that is not smaller.
fn nice(value: f64) -> f64 {
    [0.1, 0.2, 0.25, 0.4, 0.5, 0.75].into_iter().find(|&limit| value <= limit).unwrap_or(1.0)
}

/// Curves of counts that fall from left to right, on a logarithmic scale.
pub(super) fn curves(title: &str, axes: [&str; 2], curves: &[(String, Vec<usize>)]) -> String {
    let (width, height, left, bottom) = (640.0, 340.0, 60.0, 290.0);
    let mut out = open(width as usize, height as usize, title);
    let longest = curves.iter().map(|(_, counts)| counts.len()).max().unwrap_or(1).max(2);
    let most = curves.iter().flat_map(|(_, counts)| counts).copied().max().unwrap_or(1).max(10);
    let decades = (most as f64).log10().ceil();
    let x = |rank: usize| left + rank as f64 / (longest - 1) as f64 * (width - left - 170.0);
    let y = |count: f64| bottom - count.max(1.0).log10() / decades * (bottom - 30.0);
    for decade in 0..=decades as i32 {
        let at = y(10f64.powi(decade));
        writeln!(
            out,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>",
            width - 170.0
        )
        .expect("a string");
        text(&mut out, left - 6.0, at + 4.0, "end", "font-size=\"10\"", &format!("{}", 10u64.pow(decade as u32)));
    }
    for rank in [0, (longest - 1) / 2, longest - 1] {
        text(&mut out, x(rank), bottom + 16.0, "middle", "font-size=\"10\"", &(rank + 1).to_string());
    }
    text(&mut out, (left + width - 170.0) / 2.0, bottom + 36.0, "middle", "", axes[0]);
    text(&mut out, 4.0, 16.0, "start", "", axes[1]);
    for (place, (name, counts)) in curves.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let points: Vec<String> =
            counts.iter().enumerate().map(|(rank, &count)| format!("{:.1},{:.1}", x(rank), y(count as f64))).collect();
        writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        )
        .expect("a string");
        let at = 40.0 + 20.0 * place as f64;
        writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>",
            width - 160.0,
            at - 10.0
        )
        .expect("a string");
        text(&mut out, width - 142.0, at, "start", "", name);
    }
    out + "</svg>\n"
}
