//! Files as people have them: for each kind the right answer, through the command. What is read is exported again, what is not
//! is told in a sentence.

use serde_json::{Value, json};

use crate::{gzip, place::Place};

/// A file, what is told of it, and its preferences as prompt, chosen and rejected, each as text where it is one plain message.
#[derive(Clone)]
struct Case {
    name: &'static str,
    content: Vec<u8>,
    told: &'static [&'static str],
    preferences: Value,
}

fn case(
    name: &'static str,
    content: impl Into<Vec<u8>>,
    told: &'static [&'static str],
    preferences: Value,
) -> Case {
    Case {
        name,
        content: content.into(),
        told,
        preferences,
    }
}

fn line(value: Value) -> String {
    format!("{value}\n")
}

/// A message that is its role and a text becomes that text.
fn short(messages: &Value, role: &str) -> Value {
    match messages.as_array().map(Vec::as_slice) {
        Some([one])
            if one["role"] == role && one["content"].is_string() && one.as_object().unwrap().len() == 2 =>
        {
            one["content"].clone()
        }
        _ => messages.clone(),
    }
}

/// Every kind of odd file, each with the right answer: a prompt is never made from what answers share while a column can hold it,
/// messages come out as they came in, a container is read or named in one sentence.
#[test]
fn every_odd_file_is_read_rightly_or_named() {
    let place = Place::new();
    let cases = [
        prompts_under_another_name(),
        prompts_within_the_answers(),
        messages(),
        other_containers(),
    ];
    for case in cases.concat() {
        let file = place.file(case.name, &case.content);
        let (ok, report, error) = place.import_into(case.name, &file, &["--on-error", "skip"]);
        let told = format!("{report}{error}");
        for said in case.told {
            assert!(told.contains(said), "{}: {said}: {told}", case.name);
        }
        let expected = case.preferences.as_array().unwrap();
        assert_eq!(ok, !expected.is_empty(), "{}: {told}", case.name);
        if !ok {
            let (exported, _, error) = place.run(&["export", "--project", case.name]);
            assert!(
                !exported && error.contains("there is no project"),
                "{}: a project is left",
                case.name
            );
            continue;
        }
        let exported: Vec<Value> = place
            .export_of(case.name)
            .iter()
            .map(|line| {
                let answer = |name: &str| short(&line[name], "assistant");
                json!([
                    short(&line["prompt"], "user"),
                    answer("chosen"),
                    answer("rejected")
                ])
            })
            .collect();
        for preference in expected {
            assert!(
                exported.contains(preference),
                "{}: {preference} in {exported:#?}",
                case.name
            );
        }
        assert_eq!(exported.len(), expected.len(), "{}: {exported:#?}", case.name);
    }
}

fn prompts_under_another_name() -> Vec<Case> {
    let talk =
        |text: &str| json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]);
    vec![
        case(
            "system-and-question",
            line(
                json!({"system": "Be brief.", "question": "Which bird?", "chosen": "The bird is a wren.", "rejected": "The bird is a rock."}),
            ) + &line(
                json!({"system": "", "question": "Is 9 odd?", "chosen": "Yes, it is.", "rejected": "Yes, no."}),
            ),
            &[],
            json!([
                [talk("Which bird?"), "The bird is a wren.", "The bird is a rock."],
                ["Is 9 odd?", "Yes, it is.", "Yes, no."]
            ]),
        ),
        case(
            "instruction-and-input",
            line(
                json!({"instruction": "Sum up.", "input": "A long day.", "chosen": "A day.", "rejected": "A night."}),
            ),
            &[],
            json!([["Sum up.\n\nA long day.", "A day.", "A night."]]),
        ),
        case(
            "answers-of-other-names",
            line(json!({"question": "Which tree?", "response_j": "An oak.", "response_k": "A spoon."})),
            &[],
            json!([["Which tree?", "An oak.", "A spoon."]]),
        ),
        case(
            "from-and-value",
            line(
                json!({"conversations": [{"from": "human", "value": "Which tree?"}], "chosen": {"from": "gpt", "value": "An oak."}, "rejected": {"from": "gpt", "value": "A spoon."}}),
            ),
            &[],
            json!([["Which tree?", "An oak.", "A spoon."]]),
        ),
        case(
            "a-name-nobody-knows",
            line(
                json!({"riddle": "Which tree?", "chosen": "The tree is an oak.", "rejected": "The tree is a spoon."}),
            ),
            &["may hold it: riddle. Rename it to prompt"],
            json!([]),
        ),
        case(
            "only-a-system-text",
            line(
                json!({"system": "Be brief.", "chosen": "The tree is an oak.", "rejected": "The tree is a spoon."}),
            ),
            &["may hold it: system"],
            json!([]),
        ),
        case(
            "columns-nobody-knows",
            line(json!({"text": "Which tree?", "label": 1})),
            &["its columns are text, label"],
            json!([]),
        ),
    ]
}

fn prompts_within_the_answers() -> Vec<Case> {
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let talk = |answer: &str| json!([turn("user", "Which bird?"), turn("assistant", answer)]);
    vec![
        case(
            "implicit",
            line(json!({"chosen": "Which bird? A wren", "rejected": "Which bird? A wren or a rock"})),
            &[
                "1 line was read with the common beginning",
                "1 answer has no words left",
            ],
            json!([["Which bird? A wren", "", "or a rock"]]),
        ),
        case(
            "one-goes-on",
            line(
                json!({"chosen": talk("A wren"), "rejected": [turn("user", "Which bird?"), turn("assistant", "A wren"), turn("user", "And?"), turn("assistant", "A crow")]}),
            ),
            &["1 line was read with the common beginning"],
            json!([[
                "Which bird?",
                "A wren",
                [
                    turn("assistant", "A wren"),
                    turn("user", "And?"),
                    turn("assistant", "A crow")
                ]
            ]]),
        ),
        case(
            "repeated-as-text",
            line(
                json!({"prompt": "Q: which bird?\nA:", "chosen": "Q: which bird?\nA: a wren", "rejected": "Q: which bird?\nA:"}),
            ),
            &["1 answer has no words left"],
            json!([["Q: which bird?\nA:", "a wren", ""]]),
        ),
        case(
            "beside-whole-conversations",
            line(
                json!({"prompt": "Which bird?", "prompt_id": "b1", "chosen": talk("A wren"), "rejected": talk("A rock"), "score_chosen": 7.5}),
            ),
            &["Columns kept beside the texts: prompt_id, score_chosen"],
            json!([["Which bird?", "A wren", "A rock"]]),
        ),
        case(
            "with-a-system-turn-more",
            line(
                json!({"prompt": "Which bird?", "chosen": [turn("system", "Be brief."), turn("user", "Which bird?"), turn("assistant", "A wren")], "rejected": [turn("system", "Be brief."), turn("user", "Which bird?"), turn("assistant", "A rock")]}),
            ),
            &[],
            json!([[
                [turn("system", "Be brief."), turn("user", "Which bird?")],
                "A wren",
                "A rock"
            ]]),
        ),
        case(
            "each-line-by-its-own-shape",
            line(
                json!({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}),
            ) + &line(json!({"prompt": "d", "chosen": "e", "rejected": "f"}))
                + &line(json!({"question": "g", "chosen": "h", "rejected": "i"})),
            &["3 of 3 rows imported"],
            json!([["a", "b", "c"], ["d", "e", "f"], ["g", "h", "i"]]),
        ),
        case(
            "transcripts",
            line(
                json!({"chosen": "\r\n\r\nHuman: a\r\n\r\nAssistant: b", "rejected": "\r\n\r\nHuman: a\r\n\r\nAssistant: c"}),
            ) + &line(json!({"chosen": "Human: d\n\nAssistant: 1", "rejected": "Human: d\n\nAssistant: 2"}))
                + &line(
                    json!({"chosen": "\n\nHuman: e\n\nHuman: f\n\nAssistant: g", "rejected": "\n\nHuman: e\n\nHuman: f\n\nAssistant:"}),
                ),
            &[],
            json!([
                ["a", "b", "c"],
                ["d", "1", "2"],
                [[turn("user", "e"), turn("user", "f")], "g", ""]
            ]),
        ),
    ]
}

fn messages() -> Vec<Case> {
    let user = json!({"role": "user", "content": "Rain in Bonn?"});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "rain", "arguments": "{\"town\":\"Bonn\"}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "t1", "content": "{\"mm\": 3}"});
    let parts = |role: &str, text: &str| json!([{"role": role, "content": [{"type": "text", "text": text}]}]);
    let several = json!([{"role": "assistant", "content": "Yes"}, {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Quite"}]);
    let thought = |name: &str| json!([{"role": "assistant", name: "hm", "content": "Yes"}]);
    [
        (
            "roles",
            json!([{"role": "User", "content": "Hi"}]),
            json!("a"),
            json!("b"),
        ),
        (
            "more-roles",
            json!([{"role": "developer", "content": "Be nice"}, {"role": "human", "content": "Hi"}]),
            json!("a"),
            json!("b"),
        ),
        (
            "names",
            json!([{"role": "user", "content": "Hi", "name": "kim", "weight": 0}]),
            json!("a"),
            json!("b"),
        ),
        (
            "parts",
            parts("user", "Hi"),
            parts("assistant", "a"),
            parts("assistant", "b"),
        ),
        ("tools", json!([user, call, result]), json!("3 mm."), json!("No.")),
        (
            "calls-as-answers",
            json!("Rain in Bonn?"),
            json!([call]),
            json!("No."),
        ),
        ("several-turns", json!("Rain?"), several, json!("No.")),
        (
            "thoughts",
            json!("Rain?"),
            thought("reasoning_content"),
            thought("thinking"),
        ),
    ]
    .map(|(name, prompt, chosen, rejected)| {
        case(
            name,
            line(json!({"prompt": prompt, "chosen": chosen, "rejected": rejected, "tools": []})),
            &["1 of 1 rows imported"],
            json!([[prompt, chosen, rejected]]),
        )
    })
    .into()
}

#[test]
fn margins_and_labels_are_kept_or_named() {
    let place = Place::new();
    let preference = |more: &str| {
        format!("{{\"prompt\": \"a\", \"chosen\": \"b{more}\", \"rejected\": \"c\", {more}}}\n").replacen(
            &format!("b{more}"),
            "b",
            1,
        )
    };
    for (more, said) in [
        ("\"margin\": NaN", "f.jsonl:1: margin: NaN is no value in JSON"),
        (
            "\"score\": -Infinity",
            "f.jsonl:1: score: -Infinity is no value in JSON",
        ),
        ("\"margin\": -0.5", "margin: must be a number from 0 up, not -0.5"),
        (
            "\"margin\": \"2\"",
            "margin: must be a number from 0 up, not \"2\"",
        ),
        ("\"margin\": true", "margin: must be a number from 0 up, not true"),
        (
            "\"margin\": 1e39",
            "margin: must be a number from 0 up, not 1e+39",
        ),
        (
            "\"margin\": 1e999",
            "margin: the line is not JSON: a number is too large",
        ),
    ] {
        let (ok, _, error) = place.import(&place.file("f.jsonl", preference(more).as_bytes()), &[]);
        assert!(!ok && error.contains(said), "{said}: {error}");
        assert!(
            !error.contains("--on-error"),
            "no other line could be imported: {error}"
        );
    }
    let lines = [
        json!({"prompt": "a", "chosen": "b", "rejected": "c", "category": 3, "margin": 0.75, "source": "a book"}),
        json!({"prompt": "a", "chosen": "b", "rejected": "d", "category": ["sums", "easy"], "strength": 3}),
        json!({"prompt": "a", "chosen": "b", "rejected": "e", "category": {"of": "x"}, "language": null, "turn": 2}),
    ];
    let file = place.file("kept.jsonl", lines.map(line).concat().as_bytes());
    let (ok, report, error) = place.import(&file, &[]);
    assert!(
        ok && report.starts_with("3 of 3 rows imported"),
        "{report}{error}"
    );
    let exported = place.export();
    let of = |rejected: &str| {
        let found = exported
            .iter()
            .find(|line| line["rejected"][0]["content"] == rejected);
        found.unwrap_or_else(|| panic!("{rejected} in {exported:?}"))
    };
    let columns = |line: &Value| -> Value {
        serde_json::from_str(line["metadata"]["columns"].as_str().unwrap()).unwrap()
    };
    assert_eq!(
        (&of("c")["margin"], &of("c")["strength"]),
        (&json!(0.75), &json!(0))
    );
    assert_eq!(
        (&of("d")["margin"], &of("d")["strength"]),
        (&json!(0.0), &json!(3))
    );
    assert_eq!(columns(of("c")), json!({"source": "a book"}));
    assert_eq!(columns(of("e")), json!({"category": {"of": "x"}, "turn": 2}));
    assert!(exported.iter().all(|line| line["source"] == "imported"));
    // Nothing is lost, and nothing added, on the way through a second project.
    let (ok, exported_lines, _) = place.run(&["export", "--project", "P"]);
    assert!(ok);
    let again = place.file("again.jsonl", exported_lines.as_bytes());
    let (ok, report, error) = place.import_into("Q", &again, &[]);
    assert!(ok, "{report}{error}");
    let said = |line: &Value| {
        json!([
            line["prompt"],
            line["chosen"],
            line["rejected"],
            line["margin"],
            line["strength"],
            line["metadata"]
        ])
    };
    let mut both =
        [place.export(), place.export_of("Q")].map(|lines| lines.iter().map(said).collect::<Vec<_>>());
    both.iter_mut()
        .for_each(|lines| lines.sort_by_key(Value::to_string));
    assert_eq!(both[0], both[1]);
}

fn other_containers() -> Vec<Case> {
    let plain = line(json!({"prompt": "Which tree?", "chosen": "An oak.", "rejected": "A spoon."}));
    let utf16: Vec<u8> = format!("\u{feff}{plain}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let padded = [gzip(plain.as_bytes()), vec![0; 512]].concat();
    let read = || json!([["Which tree?", "An oak.", "A spoon."]]);
    vec![
        case("list.json", format!("[{plain}]"), &[], read()),
        case(
            "pretty.json",
            format!("{:#}", json!([serde_json::from_str::<Value>(&plain).unwrap()])),
            &[],
            read(),
        ),
        case(
            "table.csv",
            "prompt,chosen,rejected\nWhich tree?,\"An oak.\",A spoon.\n",
            &[],
            read(),
        ),
        case("utf16.jsonl", utf16, &[], read()),
        case("padded.jsonl.gz", padded, &[], read()),
        case(
            "parquet.parquet",
            b"PAR1....PAR1".to_vec(),
            &["This is a Parquet file"],
            json!([]),
        ),
        case(
            "part-of.zip",
            b"PK\x03\x04\x14\0\0\0".to_vec(),
            &["This zip archive cannot be read: it is damaged, or a part of it is missing."],
            json!([]),
        ),
        case(
            "pointer.jsonl",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
            &["git lfs pull"],
            json!([]),
        ),
        case(
            "page.jsonl",
            "<!doctype html>\n<html lang=en>\n",
            &["This is a web page"],
            json!([]),
        ),
        case(
            "latin.jsonl",
            b"{\"prompt\": \"Stra\xdfe?\", \"chosen\": \"a\", \"rejected\": \"b\"}\n".to_vec(),
            &["latin.jsonl:1: prompt: byte 17 of the line is not UTF-8: save the file as UTF-8"],
            json!([]),
        ),
        case(
            "tasks.jsonl",
            line(json!({"prompt": "Tasks", "chosen": "- [x] a\n- [ ] b", "rejected": "- [ ] a\n- [x] b"})),
            &[],
            json!([["Tasks", "- [x] a\n- [ ] b", "- [ ] a\n- [x] b"]]),
        ),
    ]
}

#[test]
fn what_is_no_file_is_said_in_words_and_leaves_no_project() {
    let place = Place::new();
    for (path, said) in [
        (place.0.clone(), "This is a folder"),
        (place.0.join("nowhere.jsonl"), "there is no such file or folder"),
        (place.file("empty.jsonl", b""), "no lines to import"),
    ] {
        let (ok, _, error) = place.import(&path, &[]);
        assert!(
            !ok && error.contains(said) && !error.contains("os error"),
            "{said}: {error}"
        );
    }
    assert!(!place.has_project());
    let folder = place.0.join("out");
    std::fs::create_dir(&folder).unwrap();
    let plain = line(json!({"prompt": "a", "chosen": "b", "rejected": "c"}));
    assert!(place.import(&place.file("a.jsonl", plain.as_bytes()), &[]).0);
    let (ok, _, error) = place.run(&["export", "--project", "P", "--out", folder.to_str().unwrap()]);
    assert!(!ok && error.contains("is a folder"), "{error}");
    assert!(!place.0.join("out.partial").exists());
}

#[test]
fn a_line_with_more_values_than_memory_is_refused() {
    let place = Place::new();
    let bomb = format!("{{\"prompt\": [{}0]}}\n", "0,".repeat(7 << 20));
    let packed = gzip(bomb.as_bytes());
    assert!(packed.len() < 20_000);
    let file = place.file("values.jsonl.gz", &packed);
    let (ok, _, error, peak) = place.measured(&["import", file.to_str().unwrap(), "--project", "P"]);
    assert!(
        !ok && error.contains("values.jsonl.gz:1: the line holds more than 200000 values"),
        "{error}"
    );
    assert!(peak < 200, "{peak} MB; it was 1,300");
}

#[test]
fn an_export_of_very_long_texts_goes_page_by_page() {
    let place = Place::new();
    let long = |name: &str, n: usize| format!("{name} {n} {}", "and so on ".repeat(150_000));
    let lines: String = (0..40)
        .map(|n| line(json!({"prompt": "Go on.", "chosen": long("a", n), "rejected": long("b", n)})))
        .collect();
    let file = place.file("long.jsonl", lines.as_bytes());
    let (ok, _, error, peak) = place.measured(&["import", file.to_str().unwrap(), "--project", "P"]);
    assert!(ok && peak < 400, "{peak} MB: {error}");
    let out = place.0.join("out.jsonl");
    let (ok, _, error, peak) = place.measured(&["export", "--project", "P", "--out", out.to_str().unwrap()]);
    assert!(ok && peak < 200, "{peak} MB: {error}");
    assert_eq!(std::fs::metadata(out).unwrap().len() / 3_000_000, 40);
}

#[test]
fn standard_input_is_read() {
    use std::io::Write;
    let place = Place::new();
    for name in ["-", "/dev/stdin"] {
        let mut child = place
            .command(&["import", name, "--project", "P"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let plain = line(json!({"prompt": name, "chosen": "b", "rejected": "c"}));
        child.stdin.take().unwrap().write_all(plain.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(report.starts_with("1 of 1 rows imported"), "{name}: {report}");
    }
}
