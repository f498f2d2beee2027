//! What a network of general layers reads: a segment behind its dynamic compression, without border.

use homonym_kernels as kernels;
use kernels::{Buffer, Compression, Image, Isa};

use super::model::Moments;
use super::{Segments, Standardisation};

/// Reads segments as `factor · ln(1 + gain·x)`, mapped band by band, frames × bands.
pub(super) struct Input {
    isa: Isa,
    gain: f32,
    factor: f32,
    image: Image,
    segment: Vec<f32>,
    compressed: Buffer,
    dense: Vec<f32>,
}

impl Input {
    pub(super) fn new(isa: Isa, (gain, factor): (f32, f32), frames: usize, bands: usize) -> Self {
        let image = Image::new(frames, bands, 1);
        let [segment, dense] = [(); 2].map(|()| vec![0.0; frames * bands]);
        Self { isa, gain, factor, image, segment, compressed: Buffer::zeros(image.len()), dense }
    }

    pub(super) fn read(&mut self, segments: &dyn Segments, index: usize, map: &Standardisation) -> &[f32] {
        segments.read(index, &mut self.segment);
        let scale: Vec<f32> = map.scale.iter().map(|scale| scale * self.factor).collect();
        let compression = Compression::Log1p { gain: self.gain };
        kernels::compress(self.isa, compression, self.image, &self.segment, &scale, &map.shift, &mut self.compressed);
        for (row, frame) in self.dense.chunks_exact_mut(self.image.cols).enumerate() {
            frame.copy_from_slice(&self.compressed[self.image.at(row, 0)..][..self.image.cols]);
        }
        &self.dense
    }

    /// The map that brings all values of the compressed `segments` together to mean 0 and deviation 1.
    pub(super) fn fit(mut self, segments: &dyn Segments) -> Standardisation {
        let bands = self.image.cols;
        let identity = Standardisation::identity(bands);
        let mut moments = Moments::new(segments.count() * self.dense.len(), 1);
        for index in 0..segments.count() {
            self.read(segments, index, &identity).chunks(1).for_each(|value| moments.add(value));
        }
        let one = moments.standardisation();
        Standardisation { scale: vec![one.scale[0]; bands], shift: vec![one.shift[0]; bands] }
    }
}
