//! A few seconds of `examples/fuzz`, from a fixed seed.

#[path = "../examples/fuzz/cases.rs"]
mod cases;
#[path = "../examples/fuzz/mutate.rs"]
mod mutate;

use std::path::Path;

/// Whatever number fails here: `cargo run --release -p reward_model --example fuzz -- case NUMBER`.
#[test]
fn fifteen_hundred_broken_folders_and_odd_texts_do_not_panic() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let all = cases::Cases::new(&fixtures, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzzing"));
    let worked = (0..1500)
        .filter(|&number| all.run(number) == cases::Outcome::Worked)
        .count();
    assert!(
        (100..1400).contains(&worked),
        "{worked} of 1,500 worked: the changes are too harmless or too crude"
    );
}
