//! Parts of a test that not every machine has, named by variables of the environment.

use std::ffi::OsString;

/// What the variable names; None, said loudly, where it is not set.
///
/// # Panics
/// Where it is not set and every part must be there: `TOUCHSTONE_TEST_NEEDS_ALL` or `CI` is set.
pub fn part(name: &str) -> Option<OsString> {
    find(name, |name| std::env::var_os(name))
}

fn find(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<OsString> {
    let found = variable(name).filter(|value| !value.is_empty());
    if found.is_none() {
        let is_set = |flag| {
            variable(flag).is_some_and(|value| !["", "0", "false"].contains(&&*value.to_string_lossy()))
        };
        let missing = format!("{name} is not set: `cargo xtask test` runs the tests with all that they need");
        assert!(!is_set("TOUCHSTONE_TEST_NEEDS_ALL") && !is_set("CI"), "{missing}");
        eprintln!("SKIPPED: {missing}");
    }
    found
}

#[test]
fn a_missing_python_fails_the_tests_where_every_part_is_needed() {
    let with = |flag: Option<(&'static str, &'static str)>| {
        std::panic::catch_unwind(|| {
            find("TOUCHSTONE_PYTHON", |name| {
                flag.filter(|(flag, _)| *flag == name)
                    .map(|(_, value)| value.into())
            })
        })
    };
    assert_eq!(with(None).unwrap(), None);
    assert_eq!(with(Some(("CI", "false"))).unwrap(), None);
    assert!(with(Some(("CI", "true"))).is_err());
    assert!(with(Some(("TOUCHSTONE_TEST_NEEDS_ALL", "1"))).is_err());
    assert_eq!(
        with(Some(("TOUCHSTONE_PYTHON", "python3"))).unwrap(),
        Some("python3".into())
    );
}
