//! Against transformers 5.23 with Jinja2 3.1.6: tests/python/make_chat_fixtures.py.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::data::Encoder;

/// What this process had at most, in megabytes, where the system says so.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}

#[test]
fn a_template_that_repeats_itself_ends_before_it_takes_much_memory() {
    let before = peak();
    let prompt = [Message {
        role: "user".to_owned(),
        content: "help".to_owned(),
    }];
    for source in [
        "{{ 'x' * 3000000000 }}",
        "{{ 'x' * 300000000 }}",
        "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% for i in range(90000) %}{% for j in range(90000) %}{{ messages[0].content }}{% endfor %}{% endfor %}",
        "{{ 'a' | indent(2000000000, first=true) }}",
        "{{ ['a'] * 100000000 | join('b') }}",
        "{{ ['a'] * 100000000 }}",
        "{% set ns = namespace(s=['x']) %}{% for i in range(30) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
        "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | string }}",
        "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | join }}",
        "{% set ns = namespace(s={'k': 'x'}) %}{% for i in range(60) %}{% set ns.s = {'a': ns.s, 'b': ns.s} %}{% endfor %}{{ ns.s }}",
    ] {
        let error = template(source).unwrap().render(&prompt, "yes");
        assert!(error.is_err(), "{source}");
    }
    // Text is doubled at most once more than may be paid for.
    assert!(peak() - before < 700, "{} MB", peak() - before);
    let long = [Message {
        role: "user".to_owned(),
        content: "help ".repeat(400_000),
    }];
    let usual = "{% for message in messages %}{{ '<|' ~ message.role ~ '|>' }}{{ message.content | trim }}{% endfor %}";
    assert!(
        template(usual).unwrap().render(&long, "yes").is_ok(),
        "two million characters are read"
    );
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn chat() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join("chat.json")).unwrap()).unwrap()
}

fn conversations(chat: &Value) -> Vec<(Vec<Message>, String)> {
    let all: Vec<Vec<Message>> = serde_json::from_value(chat["conversations"].clone()).unwrap();
    all.into_iter()
        .map(|mut messages| {
            let response = messages.pop().unwrap().content;
            (messages, response)
        })
        .collect()
}

fn template(source: &str) -> Result<ChatTemplate, ModelError> {
    let tokens: BTreeMap<String, String> = serde_json::from_value(chat()["tokens"].clone()).unwrap();
    ChatTemplate::new(Path::new("base"), source.to_owned(), tokens)
}

/// A decoder's folder with BERT's kind of tokenizer, which puts `[CLS]` and `[SEP]` around a text.
fn folder(name: &str, tokenizer_config: &Value) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("touchstone-chat-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(fixtures().join("qwen3/config.json"), folder.join("config.json")).unwrap();
    std::fs::copy(
        fixtures().join("tiny/tokenizer.json"),
        folder.join("tokenizer.json"),
    )
    .unwrap();
    std::fs::write(folder.join("tokenizer_config.json"), tokenizer_config.to_string()).unwrap();
    folder
}

/// transformers 5.23: `tokenizer.apply_chat_template(messages, tokenize=False)`.
#[test]
fn conversations_are_written_as_transformers_writes_them() {
    let chat = chat();
    let conversations = conversations(&chat);
    let mut wrong = Vec::new();
    for (name, source) in chat["templates"].as_object().unwrap() {
        let template = template(source.as_str().unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (i, (prompt, response)) in conversations.iter().enumerate() {
            let ours = template
                .render(prompt, response)
                .map_err(|error| error.to_string());
            let theirs = &chat["expected"][name][i];
            let theirs = match theirs["raised"].as_str() {
                Some(raised) => Err(format!(
                    "base: the chat template refuses a conversation: {raised}"
                )),
                None => Ok(theirs.as_str().unwrap().to_owned()),
            };
            if ours != theirs {
                wrong.push(format!("{name} {i}:\n{ours:?}\n{theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// transformers 5.23: `tokenizer.apply_chat_template(messages)`, which adds no special tokens to those of the template.
#[test]
fn a_rendered_conversation_has_one_beginning() {
    let chat = chat();
    let mut config = chat["tokens"].clone();
    config["chat_template"] = json!([
        {"name": "tool_use", "template": "not this one"},
        {"name": "default", "template": chat["templates"]["llama3"]},
    ]);
    let folder = folder("ids", &config);
    let encoder = Encoder::load(&folder, 1000).unwrap();
    let ids: Vec<Vec<u32>> = serde_json::from_value(chat["llama3_ids"].clone()).unwrap();
    for ((prompt, response), ids) in conversations(&chat).iter().zip(ids) {
        let text = encoder.text(prompt, response).unwrap();
        assert_eq!(encoder.encode(&text).unwrap().ids, ids);
    }
    // An encoder keeps its plain text, and what its tokenizer puts around it.
    std::fs::copy(fixtures().join("tiny/config.json"), folder.join("config.json")).unwrap();
    let encoder = Encoder::load(&folder, 1000).unwrap();
    let text = encoder.text(&[], "yes").unwrap();
    assert_eq!(text, "Assistant: yes");
    assert_eq!(encoder.encode(&text).unwrap().ids[0], 2);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_template_in_its_own_file_goes_first() {
    let config = json!({
        "chat_template": "old",
        "bos_token": {"content": "<s>", "lstrip": false},
        "eos_token": null,
    });
    let folder = folder("file", &config);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let render = || {
        ChatTemplate::of_model(&folder)
            .unwrap()
            .unwrap()
            .render(&[], "a")
            .unwrap()
    };
    assert_eq!(render(), "old");
    let old = ChatTemplate::of_model(&folder).unwrap().unwrap().identity();
    write(
        "chat_template.jinja",
        "{{ bos_token }}new{{ messages[0].content }}{{ eos_token }}",
    );
    assert_eq!(render(), "<s>newa");
    write("special_tokens_map.json", r#"{"eos_token": "</s>"}"#);
    assert_eq!(render(), "<s>newa</s>");
    assert_ne!(ChatTemplate::of_model(&folder).unwrap().unwrap().identity(), old);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_a_template_cannot_do_is_said() {
    let error = |source: &str| match template(source).and_then(|template| template.render(&[], "a")) {
        Ok(text) => panic!("{text}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        error("{% macro m() %}{{ raise_exception('No ' ~ messages[0].role) }}{% endmacro %}{{ m() }}"),
        "base: the chat template refuses a conversation: No assistant"
    );
    assert!(error("a\n{% if %}").starts_with("base: the chat template cannot be read, line 2: "));
    assert!(error("\n{{ messages.nothing.more }}").starts_with("base: the chat template fails in line 2: "));
    assert!(error("{{ strftime_now('%Q') }}").ends_with("strftime_now does not know %Q"));
    assert!(
        error("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")
            .contains("fuel")
    );
    assert_eq!(
        error("{# nothing #}"),
        "base: the chat template wrote nothing for a conversation"
    );
}

#[test]
fn text_behind_the_marks_of_generation_stays() {
    let marked = "{%- generation -%}a{% endgeneration +%}{% generations %}{{ '{% generation' }}\r\n";
    let plain = "{%- with -%}a{% endwith +%}{% generations %}{{ '{% generation' }}\n";
    assert_eq!(generation::without_marks(marked), plain);
}
