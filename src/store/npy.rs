//! NumPy's `.npy` files: one matrix of floats, readable by `numpy.load` and written by `numpy.save`.
//!
//! Read: format 1.0, 2.0 and 3.0; one or two dimensions (`(n,)` becomes n × 1); 2-, 4- or 8-byte floats of either byte
//! order; C or Fortran order. Written: format 1.0, little-endian, C order.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::marker::PhantomData;
use std::path::Path;

use half::f16;

use crate::matrix::Matrix;
use crate::output::Output;
use crate::{Error, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Length of the headers we write: room for any shape, so that the row count can be filled in at the end.
const HEADER: usize = 128;
/// No sane header of a plain array is longer; a damaged length field must not make us read the whole file.
const LONGEST_HEADER: usize = 1 << 16;
/// Numbers that are read at a time.
const PIECE: usize = 1 << 13;

/// A number that `.npy` files hold and matrices are made of.
pub trait Element: Copy + Send + Sync + Into<f64> + 'static {
    /// NumPy's name of the type, little-endian.
    const DESCR: &'static str;
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// Appends the little-endian bytes.
    fn put(self, bytes: &mut Vec<u8>);
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

impl Element for f64 {
    const DESCR: &'static str = "<f8";
    fn from_f64(value: f64) -> Self {
        value
    }
    fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

/// Reads a matrix and rounds its numbers to `T`. NaN and infinities are kept: see [`Matrix::non_finite`].
pub fn read<T: Element>(path: &Path) -> Result<Matrix<T>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut input = BufReader::with_capacity(1 << 16, file);
    let (header, start) = Header::read(&mut input, path)?;
    let (rows, cols) = header.dimensions(path)?;
    let width = header.float.width();
    let bytes = rows.checked_mul(cols).and_then(|count| count.checked_mul(width)).map(|bytes| bytes as u64);
    if bytes.is_none_or(|bytes| start.checked_add(bytes) != Some(length)) {
        let expected = format!("{rows} x {cols} numbers of {width} bytes after the header");
        let found = format!("{} bytes", length.saturating_sub(start));
        return Err(Error::file(path, expected, found, "the file is cut short or damaged: write it again"));
    }
    let data = header.float.decode(&mut input, rows * cols).map_err(Error::io(path))?;
    let matrix = Matrix::new(rows, cols, data);
    Ok(if header.fortran_order { c_order(&matrix) } else { matrix })
}

/// Reads a matrix that must hold neither NaN nor infinities.
pub fn read_finite<T: Element>(path: &Path) -> Result<Matrix<T>> {
    let matrix = read::<T>(path)?;
    match matrix.non_finite() {
        None => Ok(matrix),
        Some((row, col)) => Err(Error::file(
            path,
            "finite numbers",
            format!("{} in row {row}, column {col}", Into::<f64>::into(matrix.row(row)[col])),
            "remove or repair such rows",
        )),
    }
}

/// Writes a matrix.
pub fn write<T: Element>(path: &Path, matrix: &Matrix<T>) -> Result<()> {
    fill(Output::create(path)?, matrix)?.commit()
}

/// Writes a matrix into a file that is opened already and still has to be committed.
pub fn fill<T: Element>(output: Output, matrix: &Matrix<T>) -> Result<Output> {
    let mut rows = NpyRows::begin(output, matrix.cols)?;
    matrix.iter_rows().try_for_each(|row| rows.push(row))?;
    rows.fill_header()?;
    Ok(rows.output)
}

/// Writes a matrix row by row, without knowing how many there will be.
#[derive(Debug)]
pub struct NpyRows<T> {
    output: Output,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
    element: PhantomData<T>,
}

impl<T: Element> NpyRows<T> {
    /// Starts a matrix of `cols` columns; the file gets its name in [`finish`](Self::finish).
    pub fn create(path: &Path, cols: usize) -> Result<Self> {
        Self::begin(Output::create(path)?, cols)
    }

    fn begin(mut output: Output, cols: usize) -> Result<Self> {
        output.write_all(&[0; HEADER]).map_err(Error::io(output.path()))?;
        Ok(Self { output, rows: 0, cols, bytes: Vec::new(), element: PhantomData })
    }

    /// Appends a row; an error where it does not have `cols` numbers.
    pub fn push(&mut self, row: &[T]) -> Result<()> {
        if row.len() != self.cols {
            let path = self.output.path();
            return Err(Error::file(
                path,
                format!("rows of {}", self.cols),
                row.len(),
                "give every row the same length",
            ));
        }
        self.bytes.clear();
        row.iter().for_each(|x| x.put(&mut self.bytes));
        self.rows += 1;
        self.output.write_all(&self.bytes).map_err(Error::io(self.output.path()))
    }

    /// Writes the header and gives the file its name; returns how many rows it has.
    pub fn finish(mut self) -> Result<usize> {
        self.fill_header()?;
        self.output.commit()?;
        Ok(self.rows)
    }

    fn fill_header(&mut self) -> Result<()> {
        let header = header_bytes(T::DESCR, self.rows, self.cols);
        let written = self.output.seek(SeekFrom::Start(0)).and_then(|_| self.output.write_all(&header));
        written.map_err(Error::io(self.output.path()))
    }
}

/// The header of a C-order matrix, padded with spaces to [`HEADER`] bytes.
fn header_bytes(descr: &str, rows: usize, cols: usize) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
    let room = HEADER - MAGIC.len() - 4;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((room as u16).to_le_bytes());
    bytes.extend(format!("{dict:<width$}\n", width = room - 1).bytes());
    bytes
}

/// Row-major copy of a matrix whose data run down the columns.
fn c_order<T: Copy>(fortran: &Matrix<T>) -> Matrix<T> {
    let (rows, cols) = (fortran.rows, fortran.cols);
    let data = (0..rows * cols).map(|place| fortran.data[place % cols * rows + place / cols]).collect();
    Matrix::new(rows, cols, data)
}

/// The float type and byte order of a file.
#[derive(Clone, Copy, Debug)]
struct Float {
    kind: Kind,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Half,
    Single,
    Double,
}

impl Float {
    fn parse(descr: &str) -> Option<Self> {
        let (order, kind) = descr.split_at_checked(1)?;
        let big_endian = match order {
            "<" => false,
            ">" => true,
            _ => return None,
        };
        let kind = match kind {
            "f2" => Kind::Half,
            "f4" => Kind::Single,
            "f8" => Kind::Double,
            _ => return None,
        };
        Some(Self { kind, big_endian })
    }

    fn width(self) -> usize {
        match self.kind {
            Kind::Half => 2,
            Kind::Single => 4,
            Kind::Double => 8,
        }
    }

    /// Reads `count` numbers; the caller has checked that the file is long enough for them.
    fn decode<T: Element>(self, input: &mut impl Read, count: usize) -> std::io::Result<Vec<T>> {
        let (mut data, width) = (Vec::with_capacity(count), self.width());
        let mut room = vec![0; width * count.min(PIECE)];
        while data.len() < count {
            let bytes = &mut room[..width * PIECE.min(count - data.len())];
            input.read_exact(bytes)?;
            if self.big_endian {
                bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
            }
            match self.kind {
                Kind::Half => append(&mut data, bytes, |bytes| f16::from_le_bytes(bytes).into()),
                Kind::Single => append(&mut data, bytes, |bytes| f32::from_le_bytes(bytes).into()),
                Kind::Double => append(&mut data, bytes, f64::from_le_bytes),
            }
        }
        Ok(data)
    }
}

fn append<T: Element, const WIDTH: usize>(data: &mut Vec<T>, bytes: &[u8], number: impl Fn([u8; WIDTH]) -> f64) {
    data.extend(bytes.as_chunks().0.iter().map(|&bytes| T::from_f64(number(bytes))));
}

/// What the header of a file says.
#[derive(Debug)]
struct Header {
    float: Float,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads the header; also returns where the numbers start.
    fn read(input: &mut impl Read, path: &Path) -> Result<(Self, u64)> {
        let damaged = |expected: &str, found: String| {
            Error::file(path, expected, found, "write it with numpy.save or with this program")
        };
        let cut_short = |_| damaged("the header of an .npy file", "the end of the file".into());
        let mut start = [0; 8];
        input.read_exact(&mut start).map_err(cut_short)?;
        if &start[..6] != MAGIC {
            return Err(damaged("an .npy file", format!("first bytes {:?}", start[..6].escape_ascii().to_string())));
        }
        let wide = match start[6] {
            1 => 2,
            2 | 3 => 4,
            other => return Err(damaged("format 1, 2 or 3 of .npy", format!("format {other}"))),
        };
        let mut length = [0; 4];
        input.read_exact(&mut length[..wide]).map_err(cut_short)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_HEADER {
            return Err(damaged("a header of at most 65536 bytes", format!("a length of {length}")));
        }
        let mut text = vec![0; length];
        input.read_exact(&mut text).map_err(cut_short)?;
        let text = String::from_utf8_lossy(&text);
        let header = Self::parse(&text).map_err(|expected| damaged(expected, text.trim_end().to_owned()))?;
        Ok((header, (start.len() + wide + length) as u64))
    }

    /// Parses the Python dictionary; the error says what was expected.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const KEYS: &str = "a header with just 'descr', 'fortran_order' and 'shape', once each";
        let mut literal = Literal(text);
        let (mut descr, mut order, mut shape) = (None, None, None);
        literal.expect('{')?;
        while !literal.skip('}') {
            let key = literal.string()?;
            literal.expect(':')?;
            let repeated = match key {
                "descr" => descr.replace(literal.string().map_err(|_| FLOATS)?).is_some(),
                "fortran_order" => order.replace(literal.boolean()?).is_some(),
                "shape" => shape.replace(literal.tuple()?).is_some(),
                _ => true,
            };
            if repeated {
                return Err(KEYS);
            }
            if !literal.skip(',') {
                literal.expect('}')?;
                break;
            }
        }
        if !literal.0.trim().is_empty() {
            return Err("nothing after the header's dictionary");
        }
        let (Some(descr), Some(fortran_order), Some(shape)) = (descr, order, shape) else { return Err(KEYS) };
        Ok(Self { float: Float::parse(descr).ok_or(FLOATS)?, fortran_order, shape })
    }

    fn dimensions(&self, path: &Path) -> Result<(usize, usize)> {
        match self.shape[..] {
            [rows] => Ok((rows, 1)),
            [rows, cols] if cols > 0 || rows == 0 => Ok((rows, cols)),
            _ => Err(Error::file(
                path,
                "one or two dimensions and at least one column",
                format!("shape {:?}", self.shape),
                "reshape it to points x coordinates",
            )),
        }
    }
}

const FLOATS: &str = "floats of 2, 4 or 8 bytes ('<f4'; convert with .astype('float32'))";

/// What is left to parse of a Python literal.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn skip(&mut self, symbol: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(symbol);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, symbol: char) -> Result<(), &'static str> {
        if self.skip(symbol) { Ok(()) } else { Err("a Python dictionary as header") }
    }

    fn string(&mut self) -> Result<&'a str, &'static str> {
        let quote = if self.skip('\'') { '\'' } else { '"' };
        if quote == '"' {
            self.expect('"')?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or("a closed string in the header")?;
        self.0 = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, &'static str> {
        let text = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = text.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("True or False for 'fortran_order'")
    }

    fn tuple(&mut self) -> Result<Vec<usize>, &'static str> {
        const SHAPE: &str = "a tuple of sizes for 'shape'";
        if !self.skip('(') {
            return Err(SHAPE);
        }
        let (text, rest) = self.0.split_once(')').ok_or(SHAPE)?;
        self.0 = rest;
        let text = text.trim();
        let text = text.strip_suffix(',').unwrap_or(text);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        text.split(',').map(|size| size.trim().parse().map_err(|_| SHAPE)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, dict: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((dict.len() as u16).to_le_bytes()),
            _ => bytes.extend((dict.len() as u32).to_le_bytes()),
        }
        bytes.extend(dict.bytes());
        bytes.extend(data);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Matrix<f64>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.npy");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.npy");
        let matrix = Matrix::new(2, 3, vec![1.5f32, -2.0, 0.1, f32::MIN_POSITIVE, 7.0, 1e30]);
        write(&path, &matrix).unwrap();
        assert_eq!(read::<f32>(&path).unwrap(), matrix);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), HEADER as u64 + 24);
        let empty = Matrix::<f64>::new(0, 4, vec![]);
        write(&path, &empty).unwrap();
        assert_eq!(read::<f64>(&path).unwrap(), empty);
        assert!(NpyRows::create(&path, 2).unwrap().push(&[1f32]).is_err());
    }

    #[test]
    fn versions_orders_and_types_are_converted() {
        let expected = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
        let little: Vec<u8> = [1f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let big: Vec<u8> = [1f64, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_be_bytes()).collect();
        let columns: Vec<u8> = [1.0, 3.0, 2.0, 4.0].iter().flat_map(|&x| f16::from_f64(x).to_le_bytes()).collect();
        let dict = |descr, order| format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (2, 2), }}   \n");
        assert_eq!(parse(&file(1, &dict("<f4", "False"), &little)).unwrap(), expected);
        assert_eq!(parse(&file(2, &dict(">f8", "False"), &big)).unwrap(), expected);
        assert_eq!(parse(&file(3, &dict("<f2", "True"), &columns)).unwrap(), expected);
        let line = "{\"shape\":(4,),\"fortran_order\":False,\"descr\":\"<f4\"}";
        assert_eq!(parse(&file(1, line, &little)).unwrap(), Matrix::new(4, 1, expected.data));
    }

    #[test]
    fn damaged_headers_are_refused_with_advice() {
        let cases = [
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", "floats"),
            ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", "floats"),
            ("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", "True or False"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "tuple"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': 1}", "tuple"),
            ("{'descr': '<f8', 'fortran_order': False}", "once each"),
            ("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "once each"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} + 1", "nothing after"),
            ("{'descr': '<f8", "floats"),
            ("", "dictionary"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", "dimensions"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1)}", "dimensions"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 0)}", "dimensions"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", "cut short"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "cut short"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}", "tuple"),
        ];
        for (dict, says) in cases {
            let error = parse(&file(1, dict, &[0; 8])).unwrap_err().to_string();
            assert!(error.contains("points.npy") && error.contains(says), "{dict}: {error}");
        }
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let dict = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }";
        let sound = file(1, dict, &[0; 8]);
        assert!(parse(&sound).is_ok());
        for cut in 0..sound.len() {
            assert!(parse(&sound[..cut]).is_err(), "cut at {cut}");
        }
        for place in 0..sound.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut bytes = sound.clone();
                bytes[place] ^= flip;
                let _ = parse(&bytes); // must not panic nor allocate without end
            }
        }
        let mut long = MAGIC.to_vec();
        long.extend([2, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(parse(&long).unwrap_err().to_string().contains("65536"));
    }

    #[test]
    fn nan_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.npy");
        write(&path, &Matrix::new(2, 2, vec![0.0, 1.0, 2.0, f32::INFINITY])).unwrap();
        let error = read_finite::<f32>(&path).unwrap_err().to_string();
        assert!(error.contains("inf in row 1, column 1"), "{error}");
    }
}
