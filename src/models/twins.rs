//! Two towers for audio of two kinds, such as mix and mono or imitation and recording: one network with weights of its own for
//! each kind.

use super::{Arithmetic, Layer, Network, Segments, TrainingPass};
use crate::Result;
use crate::nn::ParamTable;

/// What the weights of each kind are called.
const NAMES: [&str; 2] = ["first", "second"];

/// Two networks that differ in nothing but their weights.
pub struct Twins {
    tower: Box<dyn Network>,
    params: ParamTable,
}

impl Twins {
    /// Twins of a network.
    pub fn new(tower: Box<dyn Network>) -> Self {
        let mut params = ParamTable::default();
        for (name, param) in NAMES.iter().flat_map(|name| tower.params().iter().map(move |param| (name, param))) {
            params.add(&format!("{name}.{}", param.name), &param.shape, param.init);
        }
        Self { tower, params }
    }

    /// Where the weights of a kind are.
    fn weights(&self, kind: usize) -> std::ops::Range<usize> {
        let size = self.tower.params().len();
        kind * size..(kind + 1) * size
    }
}

/// The segments of one kind.
struct OfKind<'a> {
    all: &'a dyn Segments,
    places: Vec<usize>,
}

impl<'a> OfKind<'a> {
    fn of(all: &'a dyn Segments, kind: usize) -> Self {
        Self { all, places: (0..all.count()).filter(|&index| all.kind(index) == kind).collect() }
    }

    /// Puts rows of these segments where they belong among those of all.
    fn scatter(&self, rows: &[f32], width: usize, all: &mut [f32]) {
        for (row, &place) in rows.chunks_exact(width).zip(&self.places) {
            all[place * width..][..width].copy_from_slice(row);
        }
    }
}

impl Segments for OfKind<'_> {
    fn count(&self) -> usize {
        self.places.len()
    }

    fn read(&self, index: usize, out: &mut [f32]) {
        self.all.read(self.places[index], out);
    }
}

impl Network for Twins {
    fn params(&self) -> &ParamTable {
        &self.params
    }

    /// Alike: what two towers that begin apart have in common, they find by making all points equal.
    fn initial(&self, seed: u64) -> Vec<f32> {
        self.tower.initial(seed).repeat(NAMES.len())
    }

    fn input(&self) -> (usize, usize) {
        self.tower.input()
    }

    fn dims(&self) -> usize {
        self.tower.dims()
    }

    fn features(&self) -> usize {
        self.tower.features()
    }

    fn moments(&self) -> usize {
        self.tower.moments()
    }

    fn embed(&self, params: &[f32], segments: &dyn Segments, layer: Layer) -> Vec<f32> {
        let width = layer.width(self);
        let mut out = vec![0.0; segments.count() * width];
        for kind in 0..NAMES.len() {
            let own = OfKind::of(segments, kind);
            own.scatter(&self.tower.embed(&params[self.weights(kind)], &own, layer), width, &mut out);
        }
        out
    }

    fn compute_in(&mut self, arithmetic: Arithmetic) -> Result<()> {
        self.tower.compute_in(arithmetic)
    }

    fn training_pass(&self) -> Box<dyn TrainingPass + '_> {
        let passes = [self.tower.training_pass(), self.tower.training_pass()];
        Box::new(Passes { twins: self, passes, seen: [false; 2], embeddings: Vec::new() })
    }
}

/// The passes of both.
struct Passes<'a> {
    twins: &'a Twins,
    passes: [Box<dyn TrainingPass + 'a>; 2],
    /// Which kinds the last batch had.
    seen: [bool; 2],
    embeddings: Vec<f32>,
}

impl TrainingPass for Passes<'_> {
    fn forward(&mut self, params: &[f32], segments: &dyn Segments, noise: (u64, u64)) -> &[f32] {
        let dims = self.twins.dims();
        self.embeddings.resize(segments.count() * dims, 0.0);
        for (kind, pass) in self.passes.iter_mut().enumerate() {
            let own = OfKind::of(segments, kind);
            self.seen[kind] = own.count() > 0;
            if self.seen[kind] {
                let noise = (noise.0 ^ kind as u64, noise.1); // dropout of its own
                own.scatter(pass.forward(&params[self.twins.weights(kind)], &own, noise), dims, &mut self.embeddings);
            }
        }
        &self.embeddings
    }

    fn backward(&mut self, params: &[f32], segments: &dyn Segments, d_embeddings: &[f32], grads: &mut [f32]) {
        let dims = self.twins.dims();
        for (kind, pass) in self.passes.iter_mut().enumerate().filter(|(kind, _)| self.seen[*kind]) {
            let (own, weights) = (OfKind::of(segments, kind), self.twins.weights(kind));
            let slopes: Vec<f32> =
                own.places.iter().flat_map(|&place| &d_embeddings[place * dims..][..dims]).copied().collect();
            pass.backward(&params[weights.clone()], &own, &slopes, &mut grads[weights]);
        }
    }

    fn settle(&self, params: &mut [f32]) {
        for (kind, pass) in self.passes.iter().enumerate().filter(|(kind, _)| self.seen[*kind]) {
            pass.settle(&mut params[self.twins.weights(kind)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{InMemory, MetricCnnSpec, NetworkSpec, Standardisation};

    /// Segments whose kinds alternate.
    struct Alternating<'a>(InMemory<'a>);

    impl Segments for Alternating<'_> {
        fn count(&self) -> usize {
            self.0.count()
        }

        fn read(&self, index: usize, out: &mut [f32]) {
            self.0.read(index, out);
        }

        fn kind(&self, index: usize) -> usize {
            index % 2
        }
    }

    fn memory(values: &[f32]) -> InMemory<'_> {
        InMemory { values, size: 18 * 18 }
    }

    #[test]
    fn each_kind_goes_through_its_own_weights() {
        let spec = NetworkSpec::MetricCnn(MetricCnnSpec { dims: 4, dropout: 0.0, ..MetricCnnSpec::default() });
        let build = || spec.build(18, 18, Standardisation::identity(18)).unwrap();
        let (tower, twins) = (build(), Twins::new(build()));
        let size = tower.params().len();
        let params = twins.params().initial(3);
        assert_eq!(params.len(), 2 * size);
        let fresh = twins.initial(3);
        assert!(fresh[..size] == fresh[size..] && fresh[..size] == tower.initial(3));
        let values: Vec<f32> = (0..5 * 18 * 18).map(|place| ((place * 37) % 101) as f32 / 1e4).collect();
        let all = Alternating(memory(&values));
        let mut pass = twins.training_pass();
        let embeddings = pass.forward(&params, &all, (0, 0)).to_vec();
        assert_eq!(embeddings, twins.embed(&params, &all, Layer::Embedding));
        let slopes: Vec<f32> = (0..embeddings.len()).map(|place| 0.3 - (place % 7) as f32 / 10.0).collect();
        let mut grads = vec![0.0; params.len()];
        pass.backward(&params, &all, &slopes, &mut grads);
        for kind in 0..2 {
            let places: Vec<usize> = (kind..5).step_by(2).collect();
            let own: Vec<f32> = places.iter().flat_map(|place| &values[place * 324..][..324]).copied().collect();
            let weights = &params[kind * size..][..size];
            let mut alone = tower.training_pass();
            let rows = alone.forward(weights, &memory(&own), (kind as u64, 0)).to_vec();
            let picked = |rows: &[f32]| -> Vec<f32> {
                places.iter().flat_map(|place| &rows[place * 4..][..4]).copied().collect()
            };
            assert_eq!(rows, picked(&embeddings));
            let mut own_grads = vec![0.0; size];
            alone.backward(weights, &memory(&own), &picked(&slopes), &mut own_grads);
            assert_eq!(own_grads, grads[kind * size..][..size]);
        }
    }
}
