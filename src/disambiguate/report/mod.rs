//! The review report: one HTML file that works offline. Everything it shows is embedded as JSON; `report.js` draws it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::ball::distance;
use super::explain::{Columns, Explanation, explain};
use super::labels::{Label, Labels, Standing};
use crate::catalogue::groups::Groups;
use crate::catalogue::location;
use crate::cluster::{Dendrogram, Scratch, linkage_with};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Up to so many tracks the distances of a name are embedded, one byte a pair; beyond, the matrix would be larger than
/// any screen.
const MATRIX: usize = 400;
const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");
/// Steps of the power iteration behind the map.
const ITERATIONS: usize = 100;

/// What a report is made of beside embeddings and labels.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its title.
    pub title: String,
    /// The distance that names were cut at.
    pub threshold: f64,
    /// Whether confidences are calibrated probabilities.
    pub calibrated: bool,
    /// Put before the `path` of a track to make the address of its audio.
    pub audio_base: String,
    /// The most names shown, those with the highest impact.
    pub most_names: usize,
}

#[derive(Serialize)]
struct Data {
    threshold: f64,
    calibrated: bool,
    names: Vec<Name>,
}

/// One name; tracks are places in `tracks`.
#[derive(Serialize)]
struct Name {
    name: String,
    /// Tracks that are likely misplaced: the order of the queue.
    impact: f64,
    confidence: f64,
    tracks: Vec<Track>,
    /// Left, right, height, as SciPy numbers them.
    merges: Vec<(usize, usize, f64)>,
    /// Tracks in the order of the dendrogram.
    leaves: Vec<usize>,
    /// Distances in the order of the leaves, one byte a pair above the diagonal, of `farthest`.
    distances: Option<Vec<u8>>,
    farthest: f64,
    explanation: Explanation,
}

#[derive(Serialize)]
struct Track {
    id: String,
    title: String,
    album: String,
    year: String,
    audio: String,
    cluster: usize,
    confidence: f64,
    standing: Option<Standing>,
    stability: Option<f64>,
    /// Place on the map.
    x: f64,
    y: f64,
}

/// The report as HTML. Tracks without a label are left out; their number is returned beside it.
///
/// # Errors
/// Where no track has a label.
pub fn report(
    embeddings: &Embeddings,
    keys: &[&str],
    labels: &Labels,
    settings: &Settings,
    monitor: &dyn Monitor,
) -> Result<(String, usize)> {
    let by_track = labels.by_track();
    let of_row: Vec<Option<&Label>> = keys.iter().map(|key| by_track.get(key).copied()).collect();
    let labelled = of_row.iter().enumerate().filter_map(|(row, label)| Some((row, label.as_ref()?.name.as_str())));
    let groups = Groups::of(labelled);
    let shown: usize = groups.members.iter().map(Vec::len).sum();
    if shown == 0 {
        let advice = "give the labels that were made from these embeddings";
        return Err(Error::input("the labels", "tracks of the embeddings", "none of them", advice));
    }
    let impact = |rows: &Vec<usize>| {
        rows.iter().map(|&row| 1.0 - of_row[row].map_or(1.0, |label| label.confidence)).sum::<f64>()
    };
    let mut queue: Vec<(f64, &str, &Vec<usize>)> =
        groups.iter().map(|(name, rows)| (impact(rows), name, rows)).collect();
    queue.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    queue.truncate(settings.most_names);
    monitor.begin("report", Some(queue.len() as u64));
    let mut scratch = Scratch::default();
    let mut names = Vec::with_capacity(queue.len());
    for (impact, name, rows) in queue {
        let tree = linkage_with(&mut scratch, rows.iter().map(|&row| embeddings.points.row(row)), &())?;
        names.push(one(embeddings, keys, name, rows, &of_row, tree, impact, &settings.audio_base));
        monitor.advance(1);
    }
    monitor.end();
    let data = Data { threshold: settings.threshold, calibrated: settings.calibrated, names };
    Ok((render(settings, &data)?, keys.len() - shown))
}

#[allow(clippy::too_many_arguments)] // the parts of a name, joined in one place
fn one(
    embeddings: &Embeddings,
    keys: &[&str],
    name: &str,
    rows: &[usize],
    of_row: &[Option<&Label>],
    tree: &Dendrogram,
    impact: f64,
    audio_base: &str,
) -> Name {
    let Embeddings { points, table, .. } = embeddings;
    let columns = Columns::of(table);
    let (path, date) = (table.column("path"), ["year", "release_date"].iter().find_map(|name| table.column(name)));
    let map = map(points, rows);
    let label = |row: usize| of_row[row].expect("rows of a name have labels");
    let track = |(&row, &[x, y]): (&usize, &[f64; 2])| {
        let cell = |column: Option<usize>| column.map_or("", |column| table.rows[row][column].as_str());
        Track {
            id: keys[row].to_owned(),
            title: Some(cell(columns.title)).filter(|title| !title.is_empty()).unwrap_or(keys[row]).to_owned(),
            album: cell(columns.album).to_owned(),
            year: cell(date).chars().take(4).collect(),
            audio: path.map_or(String::new(), |path| address(audio_base, &table.rows[row][path])),
            cluster: label(row).cluster,
            confidence: label(row).confidence,
            standing: label(row).standing,
            stability: label(row).stability,
            x,
            y,
        }
    };
    let tracks: Vec<Track> = rows.iter().zip(&map).map(track).collect();
    let leaves = tree.leaves();
    let (distances, farthest) = distances(points, rows, &leaves);
    let labels: Vec<usize> = tracks.iter().map(|track| track.cluster).collect();
    Name {
        name: name.to_owned(),
        impact,
        confidence: tracks.iter().map(|track| track.confidence).sum::<f64>() / tracks.len() as f64,
        merges: tree.merges().iter().map(|merge| (merge.left, merge.right, merge.height)).collect(),
        leaves,
        distances,
        farthest,
        explanation: explain(points, table, columns, rows, tree, &labels),
        tracks,
    }
}

/// The address of a file: everything but letters, digits and `/-_.~` escaped. Where it begins with several slashes, one
/// stays: two would make the first folder the name of a host to ask.
fn address(base: &str, path: &str) -> String {
    let mut address = base.to_owned();
    let path = location::bytes(path);
    let slashes = path.iter().take_while(|&&byte| byte == b'/').count();
    for &byte in &path[slashes.saturating_sub(1)..] {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => address.push(byte as char),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

fn distances(points: &Matrix<f32>, rows: &[usize], leaves: &[usize]) -> (Option<Vec<u8>>, f64) {
    if leaves.len() > MATRIX {
        return (None, 0.0);
    }
    let row = |leaf: usize| points.row(rows[leaves[leaf]]);
    let pairs = (0..leaves.len()).flat_map(|one| (one + 1..leaves.len()).map(move |other| (one, other)));
    let all: Vec<f64> = pairs.map(|(one, other)| distance(row(one), row(other))).collect();
    let farthest = all.iter().copied().fold(0.0, f64::max);
    let byte = |distance: &f64| (255.0 * distance / farthest.max(f64::MIN_POSITIVE)).round() as u8;
    (Some(all.iter().map(byte).collect()), farthest)
}

/// Two principal components of some points, by power iteration; scaled to a largest coordinate of 1.
fn map(points: &Matrix<f32>, rows: &[usize]) -> Vec<[f64; 2]> {
    let dims = points.cols;
    let mut centred: Vec<Vec<f64>> =
        rows.iter().map(|&row| points.row(row).iter().map(|&x| f64::from(x)).collect()).collect();
    for k in 0..dims {
        let mean = centred.iter().map(|point| point[k]).sum::<f64>() / rows.len() as f64;
        centred.iter_mut().for_each(|point| point[k] -= mean);
    }
    let mut places = vec![[0.0; 2]; rows.len()];
    'axes: for axis in 0..2 {
        let mut direction: Vec<f64> = (0..dims).map(|k| 1.0 + (k * (axis + 3) % 7) as f64).collect();
        for _ in 0..ITERATIONS {
            let mut next = vec![0.0; dims];
            for point in &centred {
                let along: f64 = point.iter().zip(&direction).map(|(x, d)| x * d).sum();
                next.iter_mut().zip(point).for_each(|(sum, x)| *sum += along * x);
            }
            let norm = next.iter().map(|x| x * x).sum::<f64>().sqrt();
            if norm < 1e-300 {
                break 'axes; // no variance is left
            }
            direction = next.into_iter().map(|x| x / norm).collect();
        }
        for (point, place) in centred.iter_mut().zip(&mut places) {
            let along: f64 = point.iter().zip(&direction).map(|(x, d)| x * d).sum();
            place[axis] = along;
            point.iter_mut().zip(&direction).for_each(|(x, d)| *x -= along * d);
        }
    }
    let largest = places.as_flattened().iter().fold(1e-12f64, |largest, x| largest.max(x.abs()));
    places.iter().map(|place| place.map(|x| x / largest)).collect()
}

/// What a browser lets the page do (Content Security Policy, level 3): run this script, use this style, play files of the
/// machine it lies on or of `audio_base`. Nothing else, so that no title can make it ask the network for anything.
fn policy(audio_base: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let origin = audio_base.split_once("://").map(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        format!(" {scheme}://{host}")
    });
    format!(
        "default-src 'none'; script-src {}; style-src {}; media-src 'self' file:{}; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE),
        origin.unwrap_or_default()
    )
}

/// Fills the template. The title is escaped as HTML, the data as JSON that no HTML parser can leave.
fn render(settings: &Settings, data: &Data) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let broken = |error: minijinja::Error| Error::Failed(format!("the report cannot be written: {error}"));
    environment.add_template("report", include_str!("report.html")).map_err(broken)?;
    let json = serde_json::to_string(data).expect("plain data");
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let json = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let safe = |text: &str| Value::from_safe_string(text.to_owned());
    let parts = context! {
        title => settings.title,
        policy => policy(&settings.audio_base),
        version => env!("CARGO_PKG_VERSION"),
        style => safe(STYLE),
        script => safe(SCRIPT),
        data => safe(&json),
    };
    environment.get_template("report").and_then(|template| template.render(parts)).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::table::Table;
    use crate::cluster::linkage;

    fn embeddings(titles: &[&str]) -> Embeddings {
        let points = Matrix::new(titles.len(), 2, (0..2 * titles.len()).map(|x| (x * x % 17) as f32).collect());
        let rows = titles.iter().enumerate().map(|(row, title)| vec![format!("a b/{row}#.ogg"), (*title).to_owned()]);
        let table = Table { columns: vec!["path".into(), "title".into()], rows: rows.collect() };
        Embeddings { points, table, origin: None }
    }

    fn labels(keys: &[&str], name: &str) -> Labels {
        let label = |(place, key): (usize, &&str)| Label {
            track: (*key).to_owned(),
            name: name.to_owned(),
            cluster: 1 + place % 2,
            confidence: 0.5,
            standing: None,
            stability: None,
        };
        Labels { rows: keys.iter().enumerate().map(label).collect() }
    }

    fn settings(title: &str) -> Settings {
        Settings { title: title.into(), threshold: 1.0, calibrated: false, audio_base: "x/".into(), most_names: 9 }
    }

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</script><script>alert(1)</script>";
        let embeddings = embeddings(&[hostile, "\u{2028}<!--", "{{ title }}"]);
        let keys: Vec<&str> = embeddings.table.values(0).collect();
        let (html, left_out) =
            report(&embeddings, &keys, &labels(&keys, hostile), &settings("<b>&\"t\""), &()).unwrap();
        assert_eq!(left_out, 0);
        assert_eq!(html.matches("</script>").count(), 2, "the data and the program");
        assert!(!html.contains("alert(1)</") && !html.contains("<b>") && html.contains("&lt;b&gt;"));
        assert!(html.contains("{{ title }}") && html.contains("a%20b/0%23.ogg") && !html.contains('\u{2028}'));
        for remote in ["http://", "https://", "src=\"//"] {
            let foreign = html.matches(remote).count() - html.matches("http://www.w3.org/").count();
            assert_eq!(foreign, 0, "nothing is loaded from elsewhere");
        }
    }

    #[test]
    fn the_policy_lets_nothing_out() {
        let policy = policy("");
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains("media-src 'self' file:; base-uri 'none'; form-action 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        assert!(super::policy("https://cdn.example/a/b?c=").contains("media-src 'self' file: https://cdn.example;"));
        // What is hashed is what stands between the tags, to the byte.
        let embeddings = embeddings(&["t"]);
        let (html, _) = report(&embeddings, &["k"], &labels(&["k"], "n"), &settings("t"), &()).unwrap();
        assert!(
            html.contains(&format!("<style>{STYLE}</style>")) && html.contains(&format!("<script>{SCRIPT}</script>"))
        );
        let attribute = policy.replace('\'', "&#x27;").replace('/', "&#x2f;");
        assert!(html.contains(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{attribute}\">")));
    }

    #[test]
    fn no_path_names_a_host() {
        assert_eq!(address("", "//evil.example/a.ogg"), "/evil.example/a.ogg");
        assert_eq!(address("", "https://evil.example/a.ogg"), "https%3A//evil.example/a.ogg");
        assert_eq!(address("", "\\\\evil\\a.ogg"), "%5C%5Cevil%5Ca.ogg");
        assert_eq!(address("", "javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(address("../m/", "a/b.ogg"), "../m/a/b.ogg");
        assert_eq!(address("", "file:///m/caf%E9.ogg"), "/m/caf%E9.ogg");
        assert_eq!(address("", "file:////evil.example/a.ogg"), "/evil.example/a.ogg");
    }

    #[test]
    fn the_data_hold_the_tree_and_the_distances() {
        let points = Matrix::new(4, 1, vec![0.0f32, 10.0, 1.0, 12.0]);
        let tree = linkage(&points, &()).unwrap();
        let order = tree.leaves();
        assert_eq!(order, [0, 2, 1, 3]);
        let (bytes, farthest) = distances(&points, &[0, 1, 2, 3], &order);
        assert_eq!((farthest, bytes.unwrap()[0]), (12.0, 21));
        let places = map(&points, &[0, 1, 2, 3]);
        assert!(places.iter().all(|[x, y]| x.abs() <= 1.0 && y.abs() < 1e-9), "{places:?}");
        let empty = Labels::default();
        assert!(report(&embeddings(&["t"]), &["k"], &empty, &settings("t"), &()).is_err());
    }
}
