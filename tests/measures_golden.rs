//! ARI, AMI and EER equal scikit-learn's (made by tools/oracle/sklearn_measures.py).

use std::path::Path;

use homonym::eval::measures::{Score, adjusted_mutual_information, adjusted_rand_index, equal_error_rate};
use serde_json::Value;

fn golden(part: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/measures.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[part].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn agreement() {
    for case in golden("agreements") {
        let labels = |key: &str| numbers(&case[key]).iter().map(|&x| x as usize).collect::<Vec<_>>();
        let (truth, labels) = (labels("truth"), labels("labels"));
        let own = [adjusted_rand_index(&truth, &labels), adjusted_mutual_information(&truth, &labels)];
        for (own, key) in own.into_iter().zip(["ari", "ami"]) {
            let expected = case[key].as_f64().unwrap();
            assert!((own - expected).abs() < 1e-9, "{key} {own}, scikit-learn {expected}: {truth:?} {labels:?}");
        }
    }
}

#[test]
fn error_rates() {
    for case in golden("rates") {
        let score = |genuine| move |&distance: &f64| Score { distance, genuine, weight: 1.0 };
        let mut scores: Vec<Score> = numbers(&case["genuine"]).iter().map(score(true)).collect();
        scores.extend(numbers(&case["impostors"]).iter().map(score(false)));
        scores.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        let own = equal_error_rate(scores.into_iter()).unwrap().rate;
        let expected = case["eer"].as_f64().unwrap();
        assert!((own - expected).abs() < 1e-9, "{own}, scikit-learn {expected}");
    }
}
