//! Losses and their gradients equal PyTorch's (made by tools/oracle/torch_losses.py).

use std::path::Path;

use homonym::loss::{
    contrastive, cosine_triplets, masked_triplet_loss, match_loss, normalised_softmax, nt_xent, prototypical,
};
use homonym::mining::Triplet;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn values_and_gradients() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/losses.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let floats = |name: &str| numbers(&golden[name]).iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let (points, centroids) = (floats("points"), floats("centroids"));
    let classes: Vec<u32> = numbers(&golden["classes"]).iter().map(|&class| class as u32).collect();
    let [size, dims] = ["size", "dims"].map(|name| golden[name].as_u64().unwrap() as usize);
    let mut d = vec![0.0; points.len()];
    let check = |name: &str, loss: f32, gradients: &[&[f32]]| {
        let want = golden[name]["loss"].as_f64().unwrap();
        assert!((f64::from(loss) - want).abs() < 1e-6 * (1.0 + want), "{name}: {loss} {want}");
        let wanted = golden[name]["gradients"].as_array().unwrap();
        assert_eq!(wanted.len(), gradients.len());
        for (own, want) in gradients.iter().zip(wanted) {
            for (at, (own, want)) in own.iter().zip(numbers(want)).enumerate() {
                assert!((f64::from(*own) - want).abs() < 2e-6, "{name}, gradient at {at}: {own} {want}");
            }
        }
    };
    check("contrastive", contrastive(2.5, &points, dims, size, &mut d).0, &[&d]);
    d.fill(0.0);
    check("nt-xent", nt_xent(0.4, &points, dims, size, &mut d).0, &[&d]);
    d.fill(0.0);
    check("prototypical", prototypical(2, &points, dims, size, &mut d).0, &[&d]);
    d.fill(0.0);
    let triplets = |name: &str| -> Vec<Triplet> {
        let rows = |triplet: &Value| numbers(triplet).iter().map(|&row| row as u32).collect::<Vec<_>>();
        golden[name].as_array().unwrap().iter().map(|triplet| rows(triplet).try_into().unwrap()).collect()
    };
    check("masks", masked_triplet_loss(0.7, &points, dims, 1..3, &triplets("triplets"), &mut d), &[&d]);
    d.fill(0.0);
    let mut d_centroids = vec![0.0; centroids.len()];
    let loss = normalised_softmax(0.3, (&points, &classes), &centroids, dims, &mut d, &mut d_centroids).0;
    check("normalised-classification", loss, &[&d, &d_centroids]);
    d.fill(0.0);
    d_centroids.fill(0.0);
    let both = (&points[..], &centroids[..]);
    let loss = cosine_triplets(0.4, both, dims, &triplets("across"), &mut d, &mut d_centroids).0;
    check("two-towers", loss, &[&d, &d_centroids]);
    let (logits, mut start, mut anchors) = (floats("logits"), 0, Vec::new());
    for sizes in golden["sizes"].as_array().unwrap() {
        let [near, far] = [0, 1].map(|at| sizes[at].as_u64().unwrap() as usize);
        anchors.push([start..start + near, start + near..start + near + far]);
        start += near + far;
    }
    let mut d_logits = vec![0.0; logits.len()];
    check("match-net", match_loss(&anchors, &logits, &mut d_logits).0, &[&d_logits]);
}
