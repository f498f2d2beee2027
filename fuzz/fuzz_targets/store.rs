//! A feature store with one file replaced: opened, read, verified, and continued by a writer.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use homonym::frontend::Recipe;
use homonym::store::{Encoder, Precision, Spec, Store, Writer};
use homonym_fuzz::{choose, folder};

const FILES: [&str; 5] = ["store.json", "frames.bin", "blocks.bin", "index.bin", "tracks.csv"];

fn spec() -> Spec {
    Spec { recipe: Recipe { bands: 2, ..Recipe::default() }, precision: Precision::F16 }
}

fn columns() -> [String; 2] {
    ["path", "artist"].map(str::to_owned)
}

/// The files of a sound store of three tracks.
fn sound() -> &'static [Vec<u8>; 5] {
    static SOUND: OnceLock<[Vec<u8>; 5]> = OnceLock::new();
    SOUND.get_or_init(|| {
        let folder = folder().join("sound");
        let (mut writer, _) = Writer::open(&folder, &spec(), Path::new("c.csv"), &columns(), &()).unwrap();
        writer.plan(3).unwrap();
        for (name, rows) in [("a", 3), ("b", 1), ("c", 2)] {
            let mut encoder = Encoder::new(&spec(), &folder);
            encoder.push(&[1.0, 2.0].repeat(rows)).unwrap();
            writer.push(encoder.finish().unwrap(), &[name.into(), "x".into()], 1.0).unwrap();
        }
        writer.finish(&[]).unwrap();
        FILES.map(|name| std::fs::read(folder.join(name)).unwrap())
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((place, bytes)) = choose(data, 5) else { return };
    let store = folder().join("store");
    std::fs::create_dir_all(&store).unwrap();
    for (file, (name, sound)) in FILES.iter().zip(sound()).enumerate() {
        std::fs::write(store.join(name), if file == usize::from(place) { bytes } else { sound }).unwrap();
    }
    if let Ok(open) = Store::open(&store) {
        let _ = open.table();
        for track in 0..open.len() {
            if let Ok(frames) = open.frames(track) {
                let mut out = vec![0.0; frames.len() * open.bands()];
                frames.copy_to(&mut out);
            }
        }
        let _ = open.verify(&());
    }
    let continued = Writer::open(&store, &spec(), Path::new("c.csv"), &columns(), &());
    if let Ok((writer, table)) = continued {
        assert_eq!(writer.len(), table.rows.len());
        writer.finish(&[]).unwrap();
        let open = Store::open(&store).expect("what a writer has continued opens");
        open.table().expect("and has its rows");
    }
});
