//! What files are read as, and what is said of those that are not.

use std::io::Write;

use domain::formats::Problem;
use flate2::{Compression, write::GzEncoder};

use super::*;

const LINES: &str = "{\"prompt\":\"a\",\"chosen\":\"ß\",\"rejected\":\"c\"}\n{\"prompt\":\"b\",\"chosen\":\"👍\",\"rejected\":\"\"}\n";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &[(&str, &str)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The records of a file with that content, or why it is not read.
fn read(content: &[u8]) -> Result<Vec<Result<String, Problem>>, String> {
    let path = std::env::temp_dir().join(format!("touchstone-reading-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, content).unwrap();
    let read = records(&path).map_err(|error| error.to_string());
    std::fs::remove_file(&path).unwrap();
    read
}

fn records(path: &Path) -> Result<Vec<Result<String, Problem>>, ReadError> {
    let mut records = Records::of_file(path)?;
    let mut read = Vec::new();
    while let Some((_, record)) = records.next_record()? {
        read.push(record.map(|text| String::from_utf8(text.to_vec()).unwrap()));
    }
    Ok(read)
}

fn lines() -> Vec<Result<String, Problem>> {
    LINES.lines().map(|line| Ok(line.to_owned())).collect()
}

#[test]
fn one_content_is_read_alike_from_every_wrapping() {
    let utf16 = |big: bool, mark: bool| {
        let mark = if mark { "\u{feff}" } else { "" };
        let units = format!("{mark}{LINES}");
        let bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        units.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
    };
    let padded = [gzip(LINES.as_bytes()), vec![0; 700]].concat();
    let members: Vec<u8> = LINES
        .lines()
        .flat_map(|line| gzip(format!("{line}\n").as_bytes()))
        .collect();
    let list = format!("[{}]", LINES.trim().replace('\n', " ,\n"));
    let zipped = zip(
        &[("a/b.jsonl", LINES), ("__MACOSX/b.jsonl", "x")],
        zip::CompressionMethod::Deflated,
    );
    for (name, content) in [
        ("plain", LINES.as_bytes().to_vec()),
        ("byte order mark", format!("\u{feff}{LINES}").into_bytes()),
        ("gzip", gzip(LINES.as_bytes())),
        ("padded gzip", padded),
        ("gzip of several members", members),
        ("UTF-16", utf16(false, true)),
        ("UTF-16, the other way round", utf16(true, true)),
        ("UTF-16 without a mark", utf16(false, false)),
        ("UTF-16 in gzip", gzip(&utf16(false, true))),
        ("list", list.clone().into_bytes()),
        ("list in gzip", gzip(list.as_bytes())),
        ("zip", zipped),
        (
            "zip, stored",
            zip(&[("b", LINES)], zip::CompressionMethod::Stored),
        ),
    ] {
        assert_eq!(read(&content), Ok(lines()), "{name}");
    }
}

#[test]
fn objects_over_several_lines_are_records_and_a_broken_line_is_one_record() {
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let pretty: String = LINES.lines().map(|line| format!("{:#}\n", value(line))).collect();
    let records = read(pretty.as_bytes()).unwrap();
    let values: Vec<_> = records
        .iter()
        .map(|record| value(record.as_ref().unwrap()))
        .collect();
    assert_eq!(values, LINES.lines().map(value).collect::<Vec<_>>());
    let broken = format!("{{\"prompt\": \"a\"\n{LINES}");
    assert_eq!(read(broken.as_bytes()).unwrap()[1..], lines());
    assert_eq!(
        read(format!("a heading\n{LINES}").as_bytes()).unwrap()[1..],
        lines()
    );
}

#[test]
fn tables_are_read_by_the_names_of_their_columns() {
    let table = "\u{feff}prompt,chosen,rejected,margin\n\"a, \"\"b\"\"\nc\",\"[1, 2]\",\"[{\"\"role\"\": \"\"assistant\"\", \"\"content\"\": \"\"x\"\"}]\",0.5\nd,e\n";
    let expected = serde_json::json!({
        "prompt": "a, \"b\"\nc", "chosen": "[1, 2]", "rejected": [{"role": "assistant", "content": "x"}], "margin": 0.5,
    });
    for delimiter in [",", "\t", ";"] {
        let mut records = read(table.replace(',', delimiter).as_bytes())
            .unwrap()
            .into_iter();
        let row: serde_json::Value = serde_json::from_str(&records.next().unwrap().unwrap()).unwrap();
        match delimiter {
            "," => assert_eq!(row, expected),
            _ => assert_eq!(row["margin"], 0.5),
        }
        let short = records.next().unwrap().unwrap_err();
        assert_eq!(short, Problem::OtherCells { found: 2, names: 4 });
    }
}

#[test]
fn a_file_that_is_something_else_is_named_once() {
    let two = zip(&[("a", LINES), ("b", LINES)], zip::CompressionMethod::Stored);
    for (content, said) in [
        (&b"PAR1\x15\x04"[..], "a Parquet file"),
        (b"\x28\xb5\x2f\xfd\0", "compressed with zstd"),
        (b"BZh91AY", "compressed with bzip2"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "git lfs pull",
        ),
        (b"\n <!DOCTYPE html>\n<html>", "a web page"),
        (b"# A heading\n\nand some words\n", "it begins with “# A heading”"),
        (&gzip(&gzip(LINES.as_bytes())), "packed once more"),
        (&gzip(LINES.as_bytes())[..30], "incomplete"),
        (&[gzip(LINES.as_bytes()), b"rest".to_vec()].concat(), "damaged"),
        (&two, "a zip archive with 2 files"),
        (
            &two[..60],
            "This zip archive cannot be read: it is damaged, or a part of it is missing.",
        ),
    ] {
        let error = read(content).unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
    let folder = records(&std::env::temp_dir()).unwrap_err().to_string();
    assert_eq!(folder, "This is a folder: name the files in it.");
    let missing = records(Path::new("/nowhere")).unwrap_err().to_string();
    assert_eq!(missing, "There is no such file or folder.");
}

#[test]
fn what_unpacks_to_more_than_texts_can_is_not_read_on() {
    let spaces = vec![b' '; 80 << 20];
    let packed = gzip(&spaces);
    assert!(packed.len() < 400_000);
    let error = read(&packed).unwrap_err();
    assert!(error.contains("two hundred times"), "{error}");
}
