//! Whole steps of the paper's network (9 s, d = 32, batch 96) through the engine's interface: embedding, forward and
//! backward on ready segments, and a training step from a mapped store. On the instruction set that `HOMONYM_ISA` names and
//! as many threads as `RAYON_NUM_THREADS` says. Throughput is in segments.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homonym::demo::noise_store;
use homonym::frontend::Recipe;
use homonym::models::{Layer, NetworkSpec, Segments as _, Standardisation};
use homonym::sampling::{Augmentation, Drawer, Drawing, LabelledTracks, TrackList};
use homonym::train::{TrainConfig, Updater};

fn steps(criterion: &mut Criterion) {
    let config = TrainConfig::default();
    let recipe = Recipe::default();
    let (frames, bands) = (recipe.seconds_to_frames(config.segment), recipe.bands);
    let network = NetworkSpec::default().build(frames, bands, Standardisation::identity(bands)).unwrap();
    let params = network.params().initial(0);
    let folder = tempfile::tempdir().unwrap();
    let store = noise_store(folder.path(), (48, 6), 2 * frames).unwrap();
    let rows: Vec<usize> = (0..store.len()).collect();
    let tracks = LabelledTracks::new(&store, &TrackList::of_rows(&store, &rows).unwrap(), "artist", None).unwrap();
    let drawing = (Drawing::ByArtist, config.batch);
    let mut drawer = Drawer::new(&tracks, drawing, Augmentation::default(), frames, 0);
    let mut draw = |step| drawer.batch(step);
    let ready = draw(0);

    let isa = homonym_kernels::Isa::chosen().unwrap();
    let mut group = criterion.benchmark_group(format!("steps/{isa}/{} threads", rayon::current_num_threads()));
    group.throughput(Throughput::Elements(ready.count() as u64));
    group.bench_function("embed", |bench| bench.iter(|| network.embed(&params, &ready, Layer::Embedding)));

    let mut pass = network.training_pass();
    let mut grads = vec![0.0; params.len()];
    let embedded = network.embed(&params, &ready, Layer::Embedding);
    group.bench_function("forward and backward", |bench| {
        bench.iter(|| {
            pass.forward(&params, &ready, (0, 0));
            pass.backward(&params, &ready, &embedded, &mut grads);
        });
    });

    let mut updater = Updater::new(&*network, &config, tracks.artists(), params.clone()).unwrap();
    let mut step = 0;
    let mut last = None;
    group.bench_function("training from a store", |bench| {
        bench.iter(|| {
            let drawn = draw(step);
            last = Some(updater.update(&drawn, &drawn.labels, step));
            step += 1;
        });
    });
    let norms = embedded.chunks_exact(network.dims()).map(|point| point.iter().map(|x| x * x).sum::<f32>());
    assert!(norms.into_iter().all(|norm| (norm - 1.0).abs() < 1e-5), "embeddings lie on the sphere");
    assert!(last.is_some_and(|step| step.loss.is_finite()), "training stays finite");
}

criterion_group! {
    name = whole;
    config = Criterion::default().sample_size(10);
    targets = steps
}
criterion_main!(whole);
