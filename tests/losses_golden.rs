//! Losses and their gradients equal PyTorch's (made by tools/oracle/torch_losses.py).

use std::path::Path;

use homonym::loss::{contrastive, normalised_softmax, nt_xent, prototypical};
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
    let mut d_centroids = vec![0.0; centroids.len()];
    let loss = normalised_softmax(0.3, (&points, &classes), &centroids, dims, &mut d, &mut d_centroids).0;
    check("normalised-classification", loss, &[&d, &d_centroids]);
}
