//! Runs that version 0.1.0 stopped go on, to the numbers that it would have come to itself. Made by its binary:
//! `train --data pairs.jsonl --base TINY --max-tokens 96` with the flags below, and Ctrl-C on the way.

use std::fs;
use std::path::Path;

use super::*;

const LORA: &str = "--method lora --lora-rank 2 --batch-pairs 4 --epochs 6 --evaluate-every-steps 4 --seed 5";
const HEAD: &str =
    "--method head --batch-pairs 1 --epochs 40 --evaluate-every-steps 50 --checkpoint-every-steps 25";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), &place).unwrap();
        }
    }
}

#[test]
fn a_run_that_the_version_before_stopped_goes_on_to_its_numbers() {
    let place = Place::new();
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/before"),
        &place.0,
    );
    // What its own binary came to, from the same checkpoints.
    for (run, flags, from, log_loss, margin) in [
        (
            "lora",
            LORA,
            15,
            0.661_211_266_413_771_3,
            0.065_083_162_713_563_07,
        ),
        ("head", HEAD, 150, 0.164_792_446_871_0, 1.778_359_144_926_071_3),
    ] {
        let base = base();
        let train = format!(
            "train --data pairs.jsonl --base {} --max-tokens 96 --out {run} {flags}",
            base.display()
        );
        let refused = place.refused(&format!("{train} --weight-decay 0.5"));
        assert!(
            refused.contains("other settings, pairs or base model"),
            "{refused}"
        );
        let (ok, _, error) = place.run(&train);
        assert!(
            ok && error.contains(&format!("from step {from} on")),
            "{run}: {error}"
        );
        let metrics = &place.json(&format!("{run}/metrics.json"))["metrics"];
        let found = |name: &str| metrics[name].as_f64().unwrap();
        assert!((found("log_loss") - log_loss).abs() < 1e-6, "{run}: {metrics}");
        assert!((found("mean_margin") - margin).abs() < 1e-5, "{run}: {metrics}");
        let (ok, _, error) = place.run(&train);
        assert!(ok && error.contains("has ended before"), "{run}: {error}");
    }
}
