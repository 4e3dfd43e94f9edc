//! Good lines of each shape, and a table of bad ones.

use super::*;
use crate::prompt::Speaker;

fn read(format: Format, line: &str) -> Result<Row, Fault> {
    assert_eq!(
        Format::detect(line.as_bytes()).unwrap_or(format),
        format,
        "{line}"
    );
    format.read(7, line.as_bytes())
}

fn summary(row: &Row) -> (Vec<(&str, &str)>, &str, &str) {
    let turns = row.prompt.iter().map(|m| (m.role.as_str(), m.content.as_str()));
    (
        turns.collect(),
        &row.responses[0].content,
        &row.responses[1].content,
    )
}

#[test]
fn trl_explicit_conversational_with_metadata() {
    let line = r#"{"prompt":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],
        "chosen":[{"role":"assistant","content":"Hello"}],"rejected":[{"role":"assistant","content":"Go away"}],
        "metadata":{"category":"chat","chosen_model":"a","rejected_model":"b","language":null}}"#;
    let row = read(Format::Trl, line).unwrap();
    assert_eq!(
        summary(&row),
        (vec![("system", "Be brief."), ("user", "Hi")], "Hello", "Go away")
    );
    assert_eq!((row.category.as_deref(), row.language), (Some("chat"), None));
    assert_eq!(row.responses[1].model.as_deref(), Some("b"));
    let opinion = row.comparisons[0].opinion.as_ref().unwrap();
    assert_eq!(
        (&opinion.ranking, opinion.strength),
        (&vec![vec![0], vec![1]], None)
    );
}

#[test]
fn trl_explicit_plain_with_margin_and_with_the_prompt_repeated() {
    let row = read(
        Format::Trl,
        r#"{"prompt":"Hi","chosen":"Hello","rejected":"","margin":2.5}"#,
    )
    .unwrap();
    assert_eq!(summary(&row), (vec![("user", "Hi")], "Hello", ""));
    let opinion = row.comparisons[0].opinion.as_ref().unwrap();
    assert_eq!((opinion.margin, opinion.strength), (Some(2.5), None));
    let repeated = r#"{"prompt":"Hi",
        "chosen":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}],
        "rejected":[{"role":"user","content":"Hi"},{"role":"assistant","content":"No"}]}"#;
    assert_eq!(
        summary(&read(Format::Trl, repeated).unwrap()),
        (vec![("user", "Hi")], "Hello", "No")
    );
}

#[test]
fn trl_implicit_finds_the_shared_beginning() {
    let talk = r#"{"chosen":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}],
        "rejected":[{"role":"user","content":"Hi"},{"role":"assistant","content":"No"}]}"#;
    assert_eq!(
        summary(&read(Format::TrlImplicit, talk).unwrap()),
        (vec![("user", "Hi")], "Hello", "No")
    );
    // The example of TRL's documentation; the words that begin alike stay whole.
    let plain = r#"{"chosen":"The sky is blue.","rejected":"The sky is black."}"#;
    assert_eq!(
        summary(&read(Format::TrlImplicit, plain).unwrap()),
        (vec![("user", "The sky is")], "blue.", "black.")
    );
}

#[test]
fn hh_splits_off_the_last_turn_of_the_assistant() {
    let line = r#"{"chosen":"\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Why\n\nthough?\n\nAssistant: Because.",
        "rejected":"\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Why\n\nthough?\n\nAssistant: No."}"#;
    let row = read(Format::Hh, line).unwrap();
    let talk = vec![("user", "Hi"), ("assistant", "Yes?"), ("user", "Why\n\nthough?")];
    assert_eq!(summary(&row), (talk, "Because.", "No."));
    assert_eq!(row.prompt[1].role, Speaker::Assistant);
}

#[test]
fn hh_keeps_turns_that_a_response_goes_on_with() {
    let line = r#"{"chosen":"\n\nHuman: Hi\n\nAssistant: A\n\nHuman: B\n\nAssistant: C","rejected":"\n\nHuman: Hi\n\nAssistant: "}"#;
    let row = read(Format::Hh, line).unwrap();
    assert_eq!(
        summary(&row),
        (vec![("user", "Hi")], "A\n\nHuman: B\n\nAssistant: C", "")
    );
    let prefix = r#"{"chosen":"\n\nHuman: Hi\n\nAssistant: A\n\nAssistant: B","rejected":"\n\nHuman: Hi\n\nAssistant: A"}"#;
    assert_eq!(
        summary(&read(Format::Hh, prefix).unwrap()),
        (vec![("user", "Hi")], "A\n\nAssistant: B", "A")
    );
}

#[test]
fn strange_but_sound_text_is_kept_as_it_is() {
    let words = "word ".repeat(100_000);
    for text in [
        "👩‍👩‍👧‍👦 é́ 🏳️‍🌈",
        "مرحبا \u{202e}שלום",
        "\u{feff}a\u{200b}b",
        "a\r\nb\tc\u{1}",
        words.trim(),
    ] {
        let line =
            serde_json::json!({"prompt": text, "chosen": format!("{text}!"), "rejected": ""}).to_string();
        let row = read(Format::Trl, &line).unwrap();
        assert_eq!(row.prompt[0].content, text);
        assert_eq!(row.responses[0].content, format!("{text}!"));
    }
    let paired = read(
        Format::Trl,
        r#"{"prompt":"\ud83d\ude00","chosen":"a","rejected":"b"}"#,
    )
    .unwrap();
    assert_eq!(paired.prompt[0].content, "😀");
}

#[test]
fn each_bad_line_is_refused_with_its_field_and_a_sentence() {
    let message = r#"[{"role":"assistant","content":"x"}]"#;
    let table: Vec<(Format, String, Option<&str>, &str)> = vec![
        (Format::Trl, "{".into(), None, "not JSON"),
        (
            Format::Trl,
            "[]".into(),
            None,
            "must be a JSON object, not a list",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a","chosen":"b"}"#.into(),
            Some("rejected"),
            "is missing",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a","chosen":null,"rejected":"c"}"#.into(),
            Some("chosen"),
            "not null",
        ),
        (
            Format::Trl,
            r#"{"prompt":3,"chosen":"b","rejected":"c"}"#.into(),
            Some("prompt"),
            "text or a list of messages, not a number",
        ),
        (
            Format::Trl,
            r#"{"prompt":[],"chosen":"b","rejected":"c"}"#.into(),
            Some("prompt"),
            "no messages",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a","chosen":"b","rejected":"\ud800"}"#.into(),
            Some("rejected"),
            "surrogate",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a","chosen":"b\udc00","rejected":"c"}"#.into(),
            Some("chosen"),
            "surrogate",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a\u0000","chosen":"b","rejected":"c"}"#.into(),
            Some("prompt"),
            "NUL",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a","chosen":"b","rejected":"c","margin":-1}"#.into(),
            Some("margin"),
            "not -1",
        ),
        (
            Format::Trl,
            r#"{"prompt":"a","chosen":"b","rejected":"c","strength":4}"#.into(),
            Some("strength"),
            "1, 2 or 3",
        ),
        (
            Format::Trl,
            r#"{"prompt":[{"role":"narrator","content":"a"}],"chosen":"b","rejected":"c"}"#.into(),
            Some("prompt[0].role"),
            "“narrator” is no role",
        ),
        (
            Format::Trl,
            r#"{"prompt":[{"role":"user"}],"chosen":"b","rejected":"c"}"#.into(),
            Some("prompt[0].content"),
            "is missing",
        ),
        (
            Format::Trl,
            r#"{"prompt":[{"role":"user","content":[]}],"chosen":"b","rejected":"c"}"#.into(),
            Some("prompt[0].content"),
            "must be text, not a list",
        ),
        (
            Format::Trl,
            r#"{"prompt":["a"],"chosen":"b","rejected":"c"}"#.into(),
            Some("prompt[0]"),
            "a message with role and content, not text",
        ),
        (
            Format::Trl,
            format!(r#"{{"prompt":"a","chosen":{message},"rejected":[]}}"#),
            Some("rejected"),
            "no messages",
        ),
        (
            Format::Trl,
            format!(r#"{{"prompt":"a","chosen":[{{"role":"user","content":"x"}}],"rejected":{message}}}"#),
            Some("chosen"),
            "not of the user",
        ),
        (
            Format::TrlImplicit,
            r#"{"chosen":"blue","rejected":"black"}"#.into(),
            None,
            "share no beginning",
        ),
        (
            Format::TrlImplicit,
            format!(r#"{{"chosen":"a b","rejected":{message}}}"#),
            Some("rejected"),
            "must be text, not a list",
        ),
        (
            Format::Hh,
            r#"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"a"}"#.into(),
            Some("rejected"),
            "does not start",
        ),
        (
            Format::Hh,
            r#"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"\n\nHuman: c\n\nAssistant: b"}"#.into(),
            None,
            "differ before the assistant",
        ),
    ];
    for (format, line, field, sentence) in table {
        let fault = format.read(7, line.as_bytes()).expect_err(&line);
        assert_eq!(fault.field.as_deref(), field, "{line}: {fault:?}");
        assert!(fault.sentence.contains(sentence), "{line}: {}", fault.sentence);
        assert!(fault.broken && fault.line == 7, "{line}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_with_their_place() {
    let fault = Format::Trl
        .read(2, b"{\"prompt\":\"a\",\"chosen\":\"\xff\"}")
        .unwrap_err();
    assert_eq!(
        fault.located("f.jsonl"),
        "f.jsonl:2: chosen: byte 25 of the line is not UTF-8: save the file as UTF-8 (it may be in an older encoding such as Windows-1252)"
    );
}

#[test]
fn equal_answers_are_left_out_not_broken() {
    for (format, line) in [
        (Format::Trl, r#"{"prompt":"a","chosen":"b","rejected":"b"}"#),
        (Format::TrlImplicit, r#"{"chosen":"a b","rejected":"a b"}"#),
        (
            Format::Hh,
            r#"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"\n\nHuman: a\n\nAssistant: b"}"#,
        ),
    ] {
        let fault = read(format, line).unwrap_err();
        assert!(
            !fault.broken && fault.sentence.contains("nothing is preferred"),
            "{fault:?}"
        );
    }
}

#[test]
fn what_is_written_reads_back() {
    let prompt = vec![Message {
        role: Speaker::User,
        content: "Say “ü”.".into(),
    }];
    let exported = ExportedPreference {
        prompt: Conversation::of(&prompt, None),
        chosen: Conversation::answer("ü", None),
        rejected: Conversation::answer("u", None),
        source: ExportedSource::Judgement,
        source_id: uuid::Uuid::nil(),
        annotator: uuid::Uuid::nil(),
        strength: Some(3),
        margin: Some(0.25),
        created_at: 0,
        metadata: ExportedMetadata {
            category: Some("letters"),
            rejected_model: Some("m"),
            columns: columns_text(Some(&serde_json::json!({"turn": 2})), None, None),
            ..ExportedMetadata::default()
        },
    };
    let mut line = Vec::new();
    exported.write_to(&mut line).unwrap();
    assert_eq!(Format::detect(&line), Some(Format::Trl));
    let row = Format::Trl.read(1, &line).unwrap();
    assert_eq!((&row.prompt, row.category.as_deref()), (&prompt, Some("letters")));
    assert_eq!(row.responses[1].model.as_deref(), Some("m"));
    let opinion = row.comparisons[0].opinion.as_ref().unwrap();
    assert_eq!(
        (opinion.strength, opinion.margin),
        (Some(Strength::Much), Some(0.25))
    );
    assert_eq!(
        (row.columns.len(), &row.columns["turn"]),
        (1, &serde_json::json!(2))
    );
}
