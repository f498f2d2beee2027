//! Tables of text: CSV, TSV or JSON Lines with named columns.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value};

use crate::output::Output;
use crate::{Error, Result};

/// Named columns and rows of text, all rows as long as `columns`. Missing values are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns, all different.
    pub columns: Vec<String>,
    /// The rows, in the order of the file.
    pub rows: Vec<Vec<String>>,
}

/// Columns of a table in JSON Lines at most: with a key of its own in every line, a small file would fill any memory.
const MOST_KEYS: usize = 1024;

/// How a file spells a table, told by its extension.
enum Format {
    Separated(u8),
    JsonLines,
}

impl Format {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("tsv" | "tab") => Self::Separated(b'\t'),
            Some("jsonl" | "ndjson") => Self::JsonLines,
            _ => Self::Separated(b','),
        }
    }
}

/// Whether a table of this name is JSON Lines.
pub(crate) fn is_json_lines(path: &Path) -> bool {
    matches!(Format::of(path), Format::JsonLines)
}

impl Table {
    /// Reads a table: tab-separated where the name ends in `.tsv` or `.tab`, JSON Lines (one object a line; the union
    /// of their keys are the columns) for `.jsonl` and `.ndjson`, else CSV. The text must be UTF-8, with or without a
    /// byte order mark; lines end in LF or CRLF; fields may be quoted. Ragged rows and repeated columns are refused.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
                let found = format!("other bytes in line {line}");
                return Err(Error::file(path, "UTF-8 text", found, "convert the file to UTF-8"));
            }
        };
        match Format::of(path) {
            Format::Separated(separator) => Self::parse_separated(text, separator, path),
            Format::JsonLines => Self::parse_json_lines(text, path),
        }
    }

    fn parse_separated(text: &str, separator: u8, path: &Path) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
        let refuse = |error: csv::Error| {
            let (expected, found) = match error.kind() {
                csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                    let line = pos.as_ref().map_or(0, csv::Position::line);
                    (format!("{expected_len} fields as in the header"), format!("{len} in line {line}"))
                }
                other => ("a table of text".to_owned(), format!("{other:?}")),
            };
            Error::file(path, expected, found, "repair that line; quote fields that hold separators or line breaks")
        };
        let mut columns: Vec<String> = reader.headers().map_err(refuse)?.iter().map(str::to_owned).collect();
        // A mark behind empty lines or in quotes would be one at the beginning of what is written.
        columns.iter_mut().take(1).for_each(|name| *name = name.trim_start_matches('\u{feff}').to_owned());
        check_columns(&columns, path)?;
        let rows = reader.records().map(|record| Ok(record.map_err(refuse)?.iter().map(str::to_owned).collect()));
        Ok(Self { columns, rows: rows.collect::<Result<_>>()? })
    }

    fn parse_json_lines(text: &str, path: &Path) -> Result<Self> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let objects: Vec<Map<String, Value>> = lines
            .map(|(number, line)| {
                let found = |what: String| format!("{what} in line {}", number + 1);
                let refuse = |what: String| {
                    Error::file(
                        path,
                        "one flat JSON object a line",
                        found(what),
                        "write one object of plain values a line",
                    )
                };
                let object: Map<String, Value> =
                    serde_json::from_str(line).map_err(|error| refuse(error.to_string()))?;
                match object.iter().find(|(_, value)| value.is_array() || value.is_object()) {
                    Some((key, _)) => Err(refuse(format!("a nested value under `{key}`"))),
                    None => Ok(object),
                }
            })
            .collect::<Result<_>>()?;
        let mut places = HashMap::new();
        let mut columns: Vec<String> = Vec::new();
        for key in objects.iter().flat_map(Map::keys) {
            places.entry(key.as_str()).or_insert_with(|| {
                columns.push(key.clone());
                columns.len() - 1
            });
        }
        if columns.len() > MOST_KEYS {
            let found = format!("{} of them", columns.len());
            let advice = "write tables, one kind of object in all lines";
            return Err(Error::file(path, format!("at most {MOST_KEYS} different keys"), found, advice));
        }
        let rows = objects.iter().map(|object| {
            let mut row = vec![String::new(); columns.len()];
            object.iter().for_each(|(key, value)| row[places[key.as_str()]] = plain(value));
            row
        });
        let rows = rows.collect();
        Ok(Self { columns, rows })
    }

    /// Writes the table in the format its extension asks for (see [`read`](Self::read)).
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut output = Output::create(path)?;
        self.write_to(&mut output)?;
        output.commit()
    }

    /// As [`write`](Self::write), into a file that is opened already.
    pub fn write_to(&self, output: &mut Output) -> Result<()> {
        let path = output.path().to_path_buf();
        match Format::of(&path) {
            Format::Separated(separator) => self.write_separated(output, separator),
            Format::JsonLines => self.write_json_lines(output),
        }
        .map_err(Error::io(path))
    }

    fn write_separated(&self, output: &mut impl Write, separator: u8) -> std::io::Result<()> {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(output);
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            writer.write_record(row)?;
        }
        writer.flush()
    }

    fn write_json_lines(&self, output: &mut impl Write) -> std::io::Result<()> {
        for row in &self.rows {
            let fields = self.columns.iter().cloned().zip(row.iter().cloned().map(Value::String));
            writeln!(output, "{}", Value::Object(fields.collect()))?;
        }
        Ok(())
    }

    /// Puts an apostrophe before every cell that a spreadsheet would take for a formula, so that it shows the text and runs
    /// nothing: cells that begin with `=`, `+`, `-`, `@` (or their full-width forms), tab or line end and are no number.
    pub fn disarm_formulas(&mut self) {
        const ARMED: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
        for cell in self.rows.iter_mut().flatten().chain(&mut self.columns) {
            if cell.starts_with(ARMED) && cell.parse::<f64>().is_err() {
                cell.insert(0, '\'');
            }
        }
    }

    /// The place of the column called `name`.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The place of a column that a setting names; an error that lists the columns where there is none.
    pub fn require(&self, name: &str, setting: &str) -> Result<usize> {
        self.column(name).ok_or_else(|| {
            let columns = self.columns.join(", ");
            Error::setting(setting, format!("the table has no column `{name}`; its columns are: {columns}"))
        })
    }

    /// The values of one column, top to bottom.
    pub fn values(&self, column: usize) -> impl ExactSizeIterator<Item = &str> {
        self.rows.iter().map(move |row| row[column].as_str())
    }

    /// A copy of some rows, in the order given.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { columns: self.columns.clone(), rows: rows.iter().map(|&row| self.rows[row].clone()).collect() }
    }
}

fn check_columns(columns: &[String], path: &Path) -> Result<()> {
    let advice = "start the file with one line of different column names";
    if columns.is_empty() {
        return Err(Error::file(path, "a line of column names", "an empty file", advice));
    }
    match columns.iter().enumerate().find(|(place, column)| columns[..*place].contains(column)) {
        Some((_, column)) => {
            Err(Error::file(path, "different column names", format!("`{column}` twice in line 1"), advice))
        }
        None => Ok(()),
    }
}

/// A JSON value that is neither list nor object, as text.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Table::read(&path)
    }

    fn table(columns: &[&str], rows: &[&[&str]]) -> Table {
        let strings = |row: &[&str]| row.iter().map(|&field| field.to_owned()).collect();
        Table { columns: strings(columns), rows: rows.iter().map(|row| strings(row)).collect() }
    }

    #[test]
    fn marks_line_ends_and_quotes_are_understood() {
        let expected = table(&["path", "title"], &[&["a.ogg", "one, \"two\"\nthree"], &["b.ogg", ""]]);
        let csv = "\u{feff}path,title\r\na.ogg,\"one, \"\"two\"\"\nthree\"\r\nb.ogg,\r\n";
        assert_eq!(read("t.csv", csv.as_bytes()).unwrap(), expected);
        let late = csv.replacen('\u{feff}', "\r\n\u{feff}", 1);
        assert_eq!(read("t.csv", late.as_bytes()).unwrap(), expected);
        let tsv = "path\ttitle\na.ogg\t\"one, \"\"two\"\"\nthree\"\nb.ogg\t\n";
        assert_eq!(read("t.TSV", tsv.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn json_lines_give_the_union_of_keys() {
        let lines = "{\"path\":\"a\",\"year\":1999}\n\n{\"live\":true,\"path\":\"b\",\"year\":null}\n";
        let expected = table(&["path", "year", "live"], &[&["a", "1999", ""], &["b", "", "true"]]);
        assert_eq!(read("t.jsonl", lines.as_bytes()).unwrap(), expected);
        let error = read("t.jsonl", b"{\"a\":1}\n{\"a\":[1]}\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("`a`"), "{error}");
        let own_keys: String = (0..=MOST_KEYS).map(|key| format!("{{\"{key}\":1}}\n")).collect();
        assert!(read("t.jsonl", own_keys.as_bytes()).unwrap_err().to_string().contains("different keys"));
        assert!(read("t.jsonl", b"{\"a\":1}\nnull\n").unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn damaged_tables_are_refused_with_their_line() {
        let cases: [(&[u8], &str); 4] = [
            (b"a,b\n1,2\n3\n", "1 in line 3"),
            (b"a,b,a\n", "`a` twice in line 1"),
            (b"", "an empty file"),
            (b"a,b\n1,2\n\xff,2\n", "line 3"),
        ];
        for (bytes, says) in cases {
            let error = read("t.csv", bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn formulas_are_disarmed_and_numbers_stay() {
        let armed = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "＝1", "-inf()"];
        let harmless = ["-1.5", "+3", "a=b", "", "'=1", "Bill Evans"];
        let mut disarmed =
            table(&["=title"], &armed.iter().chain(&harmless).map(std::slice::from_ref).collect::<Vec<_>>());
        disarmed.disarm_formulas();
        assert_eq!(disarmed.columns, ["'=title"]);
        let cells: Vec<&str> = disarmed.values(0).collect();
        assert!(cells[..armed.len()].iter().zip(armed).all(|(cell, text)| *cell == format!("'{text}")), "{cells:?}");
        assert_eq!(cells[armed.len()..], harmless);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let original = table(&["path", "title"], &[&["a", "x,\t\"y\"\r\nz"], &["", ""]]);
        for name in ["t.csv", "t.tsv", "t.jsonl"] {
            let path = folder.path().join(name);
            original.write(&path).unwrap();
            assert_eq!(Table::read(&path).unwrap(), original, "{name}");
        }
        assert!(original.require("album", "--across").unwrap_err().to_string().contains("path, title"));
    }
}
