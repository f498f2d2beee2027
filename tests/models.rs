//! Models on disk, and the vectors of tracks by them.

mod common;

use std::fs;

use common::world::{BANDS, World, config, with_threads};
use homonym::Error;
use homonym::embed::embed_tracks;
use homonym::frontend::Recipe;
use homonym::models::{InMemory, Layer, Model, Standardisation, TrackVector};
use homonym::random::Random;
use homonym::sampling::segments::{linear_starts, read_segment};
use homonym::train::TrainConfig;

/// A model after a few steps.
fn small_model(world: &World) -> Model {
    let mut config = config();
    config.track = TrackVector { standardise: true, components: 5, ..config.track };
    world.train("m", &config, false, &()).unwrap();
    Model::open(&world.path("m")).unwrap()
}

#[test]
fn models_survive_the_disk() {
    let world = World::new();
    let model = small_model(&world);
    model.save(&world.path("copy"), &[]).unwrap();
    assert_eq!(fs::read(world.path("copy")).unwrap(), fs::read(world.path("m")).unwrap());
    assert_eq!(Model::open(&world.path("copy")).unwrap(), model);
    model.save(&world.path("more"), &[("extra", &model.params)]).unwrap();
    let hash = model.hash().unwrap();
    assert_eq!(Model::open(&world.path("more")).unwrap().hash().unwrap(), hash, "what rides along is not the model");
    let mut other = model.clone();
    other.params[0] += 1e-6;
    assert_ne!(other.hash().unwrap(), hash);
    let text = serde_json::to_string(&model.header).unwrap();
    assert!(!text.contains("seconds\"") && !text.contains("progress"), "no times in a model: {text}");
}

#[test]
fn damaged_and_foreign_models_are_refused() {
    let world = World::new();
    let model = small_model(&world);
    let bytes = fs::read(world.path("m")).unwrap();
    let path = world.path("broken");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let error = Model::open(&path).map(drop).expect_err(what).to_string();
        assert!(error.contains("broken") && error.contains("homonym trained"), "{what}: {error}");
        error
    };
    let mut random = Random::keyed(3, &[]);
    for keep in (0..40).map(|_| random.below(bytes.len())).chain([0, 7, 8, bytes.len() - 1]) {
        refused(&bytes[..keep], "a file cut short");
    }
    refused(b"RIFF....WAVEfmt ", "audio");
    refused(&[0xff; 64], "an impossible length");
    for _ in 0..200 {
        // A flip in the header may leave a sound file; it must not panic, here or when the model is used.
        let mut flipped = bytes.clone();
        flipped[random.below(3000)] ^= 1 << random.below(8);
        fs::write(&path, flipped).unwrap();
        let _ = Model::open(&path).and_then(|model| embed_tracks(&world.store, &[0, 20], &model, &()));
    }
    let foreign = safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new(), None).unwrap();
    assert!(refused(&foreign, "another program's file").contains("metadata"));

    // The header speaks JSON inside of JSON: `\"dims\":16` and the like are replaced at the same length.
    let replaced = |from: &str, to: &str| {
        let (from, to) = (from.replace('"', "\\\""), to.replace('"', "\\\""));
        let place =
            bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("it is in the header");
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = [&bytes[8..place], to.as_bytes(), &bytes[place + from.len()..8 + length]].concat();
        [&(header.len() as u64).to_le_bytes(), &header[..], &bytes[8 + length..]].concat()
    };
    for (from, to, says) in [
        ("\"format\":1", "\"format\":2", "format 2"),
        ("\"dims\":16", "\"dims\":17", "dense.weight"),
        ("\"dims\":16", "\"dims\":18446744073709551615", "dims"),
        ("\"frames\":36", "\"frames\":3", "segment"),
        ("\"frames\":36", "\"frames\":18446744073709551615", "segment"),
        ("\"bands\":40", "\"bands\":41", "input.scale"),
        ("\"segments\":10", "\"segments\":0", "track.segments"),
        ("\"gain\":10000.0", "\"gain\":-1.0", "gain"),
        ("\"kind\":\"mel\"", "\"kind\":\"mal\"", "kind"),
        ("\"kind\":\"metric-cnn\"", "\"kind\":\"resnet\"", "resnet"),
        ("\"step\":", "\"stop\":", "stop"),
    ] {
        let error = refused(&replaced(from, to), to);
        assert!(error.contains(says), "{to}: {error}");
    }
    let mut infinite = model;
    infinite.params[5] = f32::INFINITY;
    infinite.save(&path, &[]).unwrap();
    assert!(refused(&fs::read(&path).unwrap(), "an infinite weight").contains("conv1.weight"));
    assert!(matches!(Model::open(&world.path("missing")), Err(Error::Io { .. })));
}

/// The vector of a track by hand: the mean of its segments' values, mapped, of length 1.
fn by_hand(world: &World, model: &Model, row: usize) -> Vec<f64> {
    let frames = world.store.frames(row).unwrap();
    let (size, count) = (model.header.frames * BANDS, if frames.len() <= 36 { 1 } else { 10 });
    let mut segments = vec![0.0; count * size];
    for (start, out) in linear_starts(frames.len(), 36, count).into_iter().zip(segments.chunks_exact_mut(size)) {
        read_segment(frames, start, out);
    }
    let network = model.network().unwrap();
    let layer = model.header.track.layer;
    let rows = network.embed(&model.params, &InMemory { values: &segments, size }, layer);
    let width = layer.width(&*network);
    let mean =
        |value: usize| rows.iter().skip(value).step_by(width).copied().map(f64::from).sum::<f64>() / count as f64;
    let Standardisation { scale, shift } = &model.output.values;
    let mapped = |value: usize| mean(value) * f64::from(scale[value]) + f64::from(shift[value]);
    let mut vector: Vec<f64> = (0..width).map(mapped).collect();
    if model.header.track.components > 0 {
        let dot = |component: &[f32]| component.iter().zip(&vector).map(|(&c, x)| f64::from(c) * x).sum::<f64>();
        vector = model.output.components.iter_rows().map(dot).collect();
    }
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.into_iter().map(|x| x / norm).collect()
}

#[test]
fn tracks_become_points_on_the_sphere() {
    let world = World::new();
    for (layer, standardise, components) in
        [(Layer::Embedding, false, 0), (Layer::Features, true, 0), (Layer::Moments, true, 7)]
    {
        let mut config = TrainConfig { steps: 3, ..config() };
        config.track = TrackVector { layer, standardise, components, ..config.track };
        world.train("m", &config, false, &()).unwrap();
        let model = Model::open(&world.path("m")).unwrap();
        assert_eq!(model.output.components.rows, components);
        let rows = [0, 1, 20, 45]; // the first two are shorter than a segment
        let points = with_threads(1, || embed_tracks(&world.store, &rows, &model, &()).unwrap());
        assert_eq!(points, with_threads(3, || embed_tracks(&world.store, &rows, &model, &()).unwrap()));
        for (point, &row) in points.chunks_exact(points.len() / rows.len()).zip(&rows) {
            let expected = by_hand(&world, &model, row);
            assert_eq!(point.len(), expected.len());
            let norm: f64 = point.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((norm - 1.0).abs() < 1e-6, "squared norm {norm}");
            let worst = point.iter().zip(&expected).map(|(&own, x)| (f64::from(own) - x).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{layer:?}, row {row}: {worst:e}");
        }
        let elsewhere = World::with_recipe(Recipe { bands: BANDS, fmin: 20.0, ..Recipe::default() });
        let error = embed_tracks(&elsewhere.store, &[0], &model, &()).unwrap_err().to_string();
        assert!(error.contains(&model.header.front_end.hash()) && error.contains(elsewhere.store.recipe_hash()));
    }
}
