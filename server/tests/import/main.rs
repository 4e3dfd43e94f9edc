//! `touchstone import` and `touchstone export` as commands, killed in the middle too.

mod odd_files;
mod place;
#[path = "../support/mod.rs"]
mod support;
mod unjudged;
mod whole_way;

use std::{
    io::Write,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use place::Place;
use serde_json::json;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn trl(prompt: &str, chosen: &str, rejected: &str) -> String {
    json!({"prompt": prompt, "chosen": chosen, "rejected": rejected}).to_string()
}

#[test]
fn each_shape_is_found_out_and_a_second_import_adds_nothing() {
    let place = Place::new();
    let talk =
        |answer: &str| json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]);
    let files = [
        (
            "trl.jsonl",
            format!(
                "\u{feff}{}\r\n\r\n{}\n",
                trl("a", "b", "c"),
                trl("a", "d", "👍 مرحبا")
            ),
        ),
        (
            "implicit.jsonl",
            format!("{}\n", json!({"chosen": talk("yes"), "rejected": talk("no")})),
        ),
        (
            "hh.jsonl",
            format!(
                "{}\n",
                json!({"chosen": "\n\nHuman: x\n\nAssistant: y", "rejected": "\n\nHuman: x\n\nAssistant: "})
            ),
        ),
    ];
    for (name, content) in &files {
        let zipped = place.file(&format!("{name}.gz"), &gzip(content.as_bytes()));
        let (ok, report, error) = place.import(&zipped, &[]);
        assert!(ok && !report.starts_with('0'), "{name}: {report}{error}");
        let plain = place.file(name, content.as_bytes());
        let (ok, report, error) = place.import(&plain, &[]);
        assert!(ok && report.starts_with("0 of"), "{name}: {report}{error}");
    }
    let lines = place.export();
    assert_eq!(lines.len(), 4);
    for rejected in ["c", "👍 مرحبا", "no", ""] {
        let found = lines
            .iter()
            .any(|line| line["rejected"][0]["content"] == rejected);
        assert!(found, "{rejected}: {lines:?}");
    }
}

#[test]
fn broken_lines_stop_everything_or_are_passed_over_as_chosen() {
    let place = Place::new();
    let content = [
        trl("a", "b", "c"),
        "{\"prompt\":\"a\",\"chosen\":\"\\ud800\",\"rejected\":\"c\"}".into(),
        trl("a", "nul \0", "c"),
        trl("a", "same", "same"),
        "{\"prompt\":\"a\"".into(),
        trl("a", "b", "d"),
    ]
    .join("\n");
    let file = place.file("mixed.jsonl", content.as_bytes());
    let (ok, _, error) = place.import(&file, &[]);
    assert!(!ok);
    for said in [
        "mixed.jsonl:2: chosen: half of a surrogate pair",
        "mixed.jsonl:3: chosen: contains a NUL character",
        "left out: mixed.jsonl:4: chosen and rejected are the same text",
        "mixed.jsonl:5: ",
        "3 lines are broken, so nothing was imported",
    ] {
        assert!(error.contains(said), "{said}\n{error}");
    }
    assert!(!place.has_project());
    let (ok, report, _) = place.import(&file, &["--on-error", "skip"]);
    assert!(
        ok && report.starts_with("2 of 6 rows imported, 0 already there, 1 left out, 3 refused"),
        "{report}"
    );
    assert_eq!(place.export().len(), 2);
}

#[test]
fn a_file_that_breaks_off_is_refused_whole() {
    let place = Place::new();
    let many: String = (0..2000)
        .map(|n| trl(&format!("p{n}"), &format!("a{n}"), "b") + "\n")
        .collect();
    let zipped = gzip(many.as_bytes());
    let file = place.file("cut.jsonl.gz", &zipped[..zipped.len() / 2]);
    let (ok, _, error) = place.import(&file, &["--on-error", "skip"]);
    assert!(!ok && error.contains("incomplete"), "{error}");
    assert!(!place.has_project());
}

#[test]
fn an_import_that_is_killed_loses_nothing_and_doubles_nothing() {
    const ROWS: usize = 20_000;
    let place = Place::new();
    let long = "word ".repeat(200);
    let many: String = (0..ROWS)
        .map(|n| trl(&format!("p{}", n / 3), &format!("a{n} {long}"), "b") + "\n")
        .collect();
    let file = place.file("many.jsonl", many.as_bytes());
    let args = ["import", file.to_str().unwrap(), "--project", "P"];
    let mut child = place
        .command(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let acknowledged = wait_for_rows(&place, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let after_kill = place.export().len();
    assert!(
        after_kill >= acknowledged && after_kill < ROWS,
        "{acknowledged} then {after_kill} of {ROWS}"
    );

    // A worker goes on with the dead one's job, behind the last batch.
    let mut worker = place
        .command(&["work"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while place.export().len() < ROWS && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(300));
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(place.export().len(), ROWS);
    let (ok, report, error) = place.import(&file, &[]);
    assert!(
        ok && report.starts_with(&format!("0 of {ROWS} rows imported, {ROWS} already there")),
        "{report}{error}"
    );
    assert_eq!(place.export().len(), ROWS);
}

/// Waits until some rows are committed and gives their number.
/// Whatever the machine's default is, and however a version before left it.
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let place = Place::new();
    let file = place.file("one.jsonl", trl("a", "b", "c").as_bytes());
    assert!(place.import(&file, &[]).0);
    let data = place.0.join("data");
    let open_ones = || -> Vec<String> {
        let entries = fs::read_dir(&data).unwrap().map(Result::unwrap);
        entries
            .filter(|entry| entry.metadata().unwrap().permissions().mode() & 0o077 != 0)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    assert!(data.join("touchstone.db").is_file());
    assert_eq!(open_ones(), [""; 0]);
    fs::set_permissions(data.join("touchstone.db"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.export().len(), 1);
    assert_eq!(open_ones(), [""; 0]);
}

fn wait_for_rows(place: &Place, child: &mut Child) -> usize {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "nothing was imported");
        assert!(
            child.try_wait().unwrap().is_none(),
            "the import ended too soon to be killed"
        );
        if place.0.join("data/touchstone.db").exists() {
            let (ok, lines, _) = place.run(&["export", "--project", "P"]);
            if ok && !lines.is_empty() {
                return lines.lines().count();
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
