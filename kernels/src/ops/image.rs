//! Channels-last images with a border of zeros, so that 3x3 "same" convolutions need no code for edges.

/// The geometry of an image in memory: `rows × cols` pixels of `channels` values, inside a border one pixel wide.
///
/// A row of the buffer is `pitch ≥ cols + 2` pixels long, the buffer `rows + 2` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels downwards: frames.
    pub rows: usize,
    /// Pixels across: mel bands.
    pub cols: usize,
    /// Values of a pixel, next to each other.
    pub channels: usize,
    /// Pixels from one row of the buffer to the next.
    pub pitch: usize,
}

impl Image {
    /// An image whose pitch keeps neighbouring rows apart by an odd number of cache lines where it can, because rows at
    /// a multiple of 4 KiB would fight for the same cache sets.
    pub fn new(rows: usize, cols: usize, channels: usize) -> Self {
        let mut pitch = cols + 2;
        let line = 16;
        if channels.is_multiple_of(line) {
            let lines = channels / line;
            while (pitch * lines) % 64 < 8 && lines < 64 {
                pitch += 1;
            }
        }
        Self { rows, cols, channels, pitch }
    }

    /// Values in the buffer, border included.
    #[allow(clippy::len_without_is_empty)] // a size in memory, not a collection
    pub fn len(&self) -> usize {
        (self.rows + 2) * self.pitch * self.channels
    }

    /// Where the first channel of pixel `(row, col)` is; the border is at −1 and `rows` (`cols`).
    pub fn at(&self, row: usize, col: usize) -> usize {
        ((row + 1) * self.pitch + col + 1) * self.channels
    }

    /// Values from one row of the buffer to the next.
    pub fn stride(&self) -> usize {
        self.pitch * self.channels
    }
}
