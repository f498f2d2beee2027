//! What else than artists batches are drawn by, and what is learnt from them: places in time, values of notions.

mod common;

use common::world::{BANDS, World, config, evaluations};
use homonym::frontend::Recipe;
use homonym::mining::{MiningSpec, Negatives};
use homonym::models::{Layer, MetricCnnSpec, Model, NetworkSpec, Segments};
use homonym::random::Random;
use homonym::sampling::{
    Augmentation, BatchSpec, Drawer, Drawing, LabelledTracks, Proximity, TrackSegments, TrainingSet,
};
use homonym::train::{ObjectiveSpec, TrainConfig, Validation, train, triplet_error};

fn recipe() -> Recipe {
    Recipe { bands: BANDS, ..Recipe::default() }
}

/// The first frame of each segment of a batch of tracks whose first band is 1000 × track + frame: its track and its place.
fn places(segments: &dyn Segments, frames: usize) -> Vec<(usize, usize)> {
    let place = |index| {
        let mut segment = vec![0.0; frames * BANDS];
        segments.read(index, &mut segment);
        (segment[0] as usize / 1000, segment[0] as usize % 1000)
    };
    (0..segments.count()).map(place).collect()
}

#[test]
fn places_are_near_and_far_in_time_as_stated() {
    // Every sixth track is shorter than a segment, others hold one place, two or more.
    let length = |track: usize| [20, 60, 150, 400, 700, 900][track % 6];
    let frames = |track: usize| (0..length(track)).flat_map(move |frame| [(1000 * track + frame) as f32; BANDS]);
    let tracks = (0..24).map(|track| ([track.to_string(), "one".to_owned()], frames(track).collect()));
    let world = World::of(recipe(), ["path", "artist"], tracks.collect());
    let tracks = LabelledTracks::new(&world.store, &world.all().train, "path", None).unwrap();
    let size = BatchSpec { artists: 20, samples: 3 };
    let draw = |proximity: Proximity, step| {
        let drawing = Drawing::ByPlace(proximity.in_frames(world.store.recipe()));
        let batch = Drawer::new(&tracks, (drawing, size), Augmentation::default(), 36, 1).batch(step);
        assert_eq!((batch.labels.per_artist, batch.labels.rows(), batch.count()), (3, 60, 60));
        places(&batch, 36)
    };
    let seconds = |frames: usize| frames as f64 * world.store.recipe().frame_seconds();
    let (mut shared, mut widest) = (0, 0.0f64);
    for step in 0..20 {
        let drawn = draw(Proximity { near: 0.5, far: 1.5, places: 3 }, step);
        for (a, &(track, start)) in drawn.iter().enumerate() {
            assert!(start + 36 <= length(track).max(36), "{track}: {start}");
            for (b, &(other, end)) in drawn.iter().enumerate().filter(|(_, place)| place.0 == track) {
                let apart = seconds(start.abs_diff(end));
                assert_eq!(track, other);
                match a / 3 == b / 3 {
                    true => widest = widest.max(apart),
                    false => assert!(apart >= 1.5, "track {track}: {start} and {end}"),
                }
                shared += usize::from(a / 3 != b / 3);
            }
        }
        for (group, places) in drawn.chunks(3).enumerate() {
            let track = places[0].0;
            assert!(places.iter().all(|place| place.0 == track), "group {group} is of one track");
            let of_track = drawn.chunks(3).filter(|places| places[0].0 == track).count();
            assert!(of_track <= [1, 1, 2, 3, 3, 3][track % 6], "{of_track} places in track {track}");
        }
    }
    assert!(shared > 20 * 60 && widest > 0.45 && widest <= 0.5, "{shared} pairs of a track, {widest} s apart");
    // One place each: all groups are of different tracks. Nothing near: the same segment again.
    let alone = draw(Proximity { near: 0.0, far: 0.0, places: 1 }, 0);
    let mut tracks: Vec<usize> = alone.chunks(3).map(|places| places[0].0).collect();
    tracks.sort_unstable();
    tracks.dedup();
    assert_eq!(tracks.len(), 20);
    assert!(alone.chunks(3).all(|places| places.iter().all(|&place| place == places[0])));
}

#[test]
fn the_same_segment_is_changed_anew() {
    let world = World::new();
    let tracks = LabelledTracks::new(&world.store, &world.all().train, "path", None).unwrap();
    let drawing = Drawing::ByPlace(Proximity { near: 0.0, far: 0.0, places: 1 }.in_frames(world.store.recipe()));
    let change = Augmentation { level: 3.0, ..Augmentation::default() };
    let batch = Drawer::new(&tracks, (drawing, BatchSpec { artists: 20, samples: 2 }), change, 36, 1).batch(4);
    let [mut first, mut second] = [(); 2].map(|()| vec![0.0; 36 * BANDS]);
    for group in 0..20 {
        batch.read(2 * group, &mut first);
        batch.read(2 * group + 1, &mut second);
        let gain = first[0] / second[0];
        assert!(first.iter().zip(&second).all(|(a, b)| (a / b / gain - 1.0).abs() < 1e-4) && gain != 1.0, "{gain}");
    }
}

/// 36 tracks of two sections of 80 frames, of the same two kinds in all of them; what tells tracks apart is louder.
fn sections() -> World {
    let spectrum = |key: &[u64]| -> Vec<f64> {
        let mut random = Random::keyed(21, key);
        (0..BANDS).map(|_| random.normal()).collect()
    };
    let kinds = [spectrum(&[0]), spectrum(&[1])];
    let track = |track: usize| {
        let own = spectrum(&[2, track as u64]);
        let mut random = Random::keyed(22, &[track as u64]);
        let value = |place: usize| {
            let (frame, band) = (place / BANDS, place % BANDS);
            let kind = &kinds[usize::from((frame < 80) == (track.is_multiple_of(2)))];
            (2.5 * own[band] + 0.4 * kind[band] + 1.5 * random.normal() - 4.0).exp() as f32
        };
        ([format!("{track}.wav")], (0..160 * BANDS).map(value).collect())
    };
    World::of(recipe(), ["path"], (0..36).map(track).collect())
}

/// The share of triplets within unseen tracks, two segments of one section and one of the other, in the wrong order.
fn error_within_tracks(world: &World, model: &Model) -> f64 {
    let network = model.network().unwrap();
    let of_track = |row| {
        let frames = world.store.frames(row).unwrap();
        let segments = TrackSegments::new(frames, &[0, 25, 55, 82, 110, 135], 0);
        let points = network.embed(&model.params, &segments, Layer::Embedding);
        triplet_error(&points, network.dims(), &[0, 0, 0, 1, 1, 1], &vec![vec![]; 6]).unwrap()
    };
    (24..36).map(of_track).sum::<f64>() / 12.0
}

#[test]
fn far_places_of_a_track_teach_what_changes_within_it() {
    let world = sections();
    let known = TrainingSet::of_rows(&world.store, &(0..24).collect::<Vec<_>>()).unwrap();
    let learn = |steps, places| {
        let config = TrainConfig {
            steps,
            segment: 0.58, // 25 frames
            artist_column: "path".to_owned(),
            proximity: Some(Proximity { near: 0.3, far: 2.0, places }),
            batch: BatchSpec { artists: 12, samples: 2 },
            mining: MiningSpec {
                negatives: Negatives::Violating,
                tag_column: Some("path".to_owned()),
                ..MiningSpec::default()
            },
            validation: Validation { share: 0.0, ..config().validation },
            ..config()
        };
        train(&world.store, &known, &config, &world.path("m"), &world.path("log"), false, &()).unwrap();
        error_within_tracks(&world, &Model::open(&world.path("m")).unwrap())
    };
    let [untrained, others, far] = [learn(0, 2), learn(150, 1), learn(150, 2)];
    println!("wrong order within unseen tracks: {untrained:.3}, other tracks {others:.3}, far places {far:.3}");
    assert!(far < 0.7 * untrained && far < 0.8 * others, "{untrained} {others} {far}");
}

/// Artists of four tracks with one instrument or two of four, and one of two moods, both of which are heard; the first artist has
/// no mood.
fn instruments() -> World {
    let spectrum = |key: &[u64]| -> Vec<f64> {
        let mut random = Random::keyed(31, key);
        (0..BANDS).map(|_| random.normal()).collect()
    };
    let track = |place: usize| {
        let (artist, track) = (place / 4, place % 4);
        let mut random = Random::keyed(32, &[place as u64]);
        let played = [artist % 4, (artist + 1 + artist / 4 % 2 * 3) % 4]; // the same twice for a half of the artists
        let [one, other] = played.map(|instrument| spectrum(&[instrument as u64]));
        let mood = artist / 2 % 2;
        let tilt = |band: usize| (mood as f64 - 0.5) * (band as f64 - 19.5) / 10.0;
        let mut value = |place: usize| {
            let band = place % BANDS;
            ((1.5 * one[band]).exp() + (1.5 * other[band]).exp()) * (tilt(band) + random.normal() - 4.0).exp()
        };
        let frames = (0..100 * BANDS).map(|place| value(place) as f32).collect();
        let cell = match played {
            [one, other] if one == other => format!("{one}"),
            [one, other] => format!("{one}; {other}"),
        };
        let mood = if artist == 0 { String::new() } else { format!("mood {mood}") };
        ([format!("{artist}/{track}.wav"), format!("artist {artist}"), cell, mood], frames)
    };
    World::of(recipe(), ["path", "artist", "instrument", "mood"], (0..64).map(track).collect())
}

#[test]
fn tracks_of_several_values_belong_to_each() {
    let world = instruments();
    let set = world.all();
    let tracks = LabelledTracks::by_value(&world.store, &set.train, "instrument", None, &world.rows()).unwrap();
    assert_eq!((tracks.artists(), tracks.tracks()), (4, 64));
    let cells = world.store.table().unwrap();
    assert_eq!((&*cells.rows[0][2], tracks.values(0)), ("0; 1", &[0, 1][..]));
    assert_eq!((&*cells.rows[16][2], tracks.values(16).len()), ("0", 1));
    let size = BatchSpec { artists: 4, samples: 6 };
    let labels = Drawer::new(&tracks, (Drawing::ByArtist, size), Augmentation::default(), 36, 1).batch(3).labels;
    assert_eq!(labels.values.len(), 24);
    for group in labels.values.chunks(6) {
        assert!((0..4).any(|value| group.iter().all(|values| values.contains(&value))), "{group:?} share a value");
    }
    assert!(labels.values.iter().any(|values| values.len() == 2));
    // Without a value there is no group.
    let moods = LabelledTracks::by_value(&world.store, &set.train, "mood", None, &world.rows()).unwrap();
    assert_eq!((moods.artists(), moods.tracks(), moods.values(0).len()), (2, 64, 0));
    let labels = Drawer::new(&moods, (Drawing::ByArtist, size), Augmentation::default(), 36, 1).batch(3).labels;
    assert!(labels.values.iter().all(|values| values.len() == 1));
}

#[test]
fn notions_are_learnt_and_judged_by_held_out_artists() {
    let world = instruments();
    let config = TrainConfig {
        steps: 200,
        objective: ObjectiveSpec::Masks { notions: ["instrument", "mood"].map(str::to_owned).to_vec() },
        network: NetworkSpec::MetricCnn(MetricCnnSpec { dims: 12, ..MetricCnnSpec::default() }),
        batch: BatchSpec { artists: 4, samples: 6 },
        mining: MiningSpec { negatives: Negatives::Violating, ..MiningSpec::default() },
        validation: Validation { share: 0.25, every: 40, ..config().validation },
        ..config()
    };
    let report = world.train("m", &config, false, &()).unwrap();
    assert_eq!((report.held_out_artists, report.tracks), (4, 48));
    let errors = evaluations(&world.log());
    println!("held out {errors:.3?}");
    assert_eq!(report.best_triplet_error, errors.iter().copied().reduce(f64::min));
    assert!(report.best_triplet_error.unwrap() < 0.7 * errors[0], "{errors:?}");
    assert_eq!(Model::open(&world.path("m")).unwrap().header.step, report.best_step);
}
