//! Embeddings, one of whose three files is replaced.
#![no_main]

use homonym::catalogue::table::Table;
use homonym::matrix::Matrix;
use homonym::store::embeddings::{Embeddings, Origin};
use homonym_fuzz::{choose, folder};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((place, bytes)) = choose(data, 3) else { return };
    let prefix = folder().join("e");
    let rows = ["a", "b"].map(|path| vec![path.to_owned()]).to_vec();
    let table = Table { columns: vec!["path".into()], rows };
    let origin = Origin { model: "m".into(), frontend: "f".into(), rest: Default::default() };
    let points = Matrix::new(2, 2, vec![1.0, 0.0, 0.6, 0.8]);
    Embeddings { points, table, origin: Some(origin) }.write(&prefix).unwrap();
    let name = ["e.npy", "e.csv", "e.json"][usize::from(place)];
    std::fs::write(folder().join(name), bytes).unwrap();
    if let Ok(embeddings) = Embeddings::open(&prefix) {
        assert_eq!(embeddings.points.rows, embeddings.table.rows.len());
    }
});
