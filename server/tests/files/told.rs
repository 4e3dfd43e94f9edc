//! What the commands tell of what they left out, could not read, or found to be no number.

use super::*;

/// A Qwen 3 of 100 kB whose chat template wants speakers to take turns and takes no system prompt.
fn picky(place: &Place) -> PathBuf {
    let folder = place.0.join("picky");
    fs::create_dir(&folder).unwrap();
    let fixtures = base();
    let fixtures = fixtures.parent().unwrap();
    for (from, name) in [
        ("qwen3", "config.json"),
        ("qwen3", "model.safetensors"),
        ("tiny", "tokenizer.json"),
    ] {
        fs::copy(fixtures.join(from).join(name), folder.join(name)).unwrap();
    }
    let template = "{% for message in messages %}{% if message.role == 'system' %}\
                    {{ raise_exception('System role not supported') }}{% endif %}\
                    {{ message.role + ': ' + message.content + ' ' }}{% endfor %}";
    fs::write(folder.join("chat_template.jinja"), template).unwrap();
    folder
}

fn with_system(chosen: &str) -> String {
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    json!({
        "prompt": [said("system", "be kind"), said("user", "please help")],
        "chosen": [said("assistant", chosen)],
        "rejected": [said("assistant", "no, rude")],
    })
    .to_string()
        + "\n"
}

#[test]
fn a_refused_conversation_is_named_by_its_line_and_skipped_if_asked() {
    let place = Place::new();
    picky(&place);
    place.file(
        "pairs.jsonl",
        lines(12) + &with_system("yes") + &with_system("thanks"),
    );
    let train = "train --data pairs.jsonl --base picky --max-tokens 64 --out out --held-out-share 0.3";
    let refused = place.refused(train);
    for said in [
        "pairs.jsonl:13: ",
        "pairs.jsonl:14: ",
        "System role not supported",
        "--on-error skip",
    ] {
        assert!(refused.contains(said), "{refused}");
    }
    assert!(!place.0.join("out/model").exists());
    let (ok, table, error) = place.run(&format!("{train} --on-error skip"));
    assert!(ok && error.contains("pairs.jsonl:13: "), "{error}");
    let metrics = place.json("out/metrics.json");
    let pairs = |side: &str| metrics[side].as_u64().unwrap();
    assert_eq!(pairs("train_pairs") + pairs("held_out_pairs"), 12, "{table}");

    let evaluate = "evaluate --model out/model --data pairs.jsonl";
    let refused = place.refused(evaluate);
    assert!(
        refused.contains("pairs.jsonl:13: ") && refused.contains("System role"),
        "{refused}"
    );
    let table = place.done(&format!("{evaluate} --on-error skip"));
    assert_eq!(row(&table, "pairs"), "12");

    let (ok, _, error) = place.score(&(lines(1) + &with_system("yes")));
    assert!(
        !ok && error.contains(":2: ") && error.contains("System role"),
        "{error}"
    );
}

/// Equal as far as the model reads.
fn cut_alike(n: usize) -> String {
    let long = "good ".repeat(80);
    trl(
        &format!("help {n}"),
        &format!("{long} yes"),
        &format!("{long} no"),
    ) + "\n"
}

#[test]
fn pairs_that_are_one_text_to_the_model_are_told_left_out_and_refused_if_all_are() {
    let place = Place::new();
    place.file("some.jsonl", lines(20) + &cut_alike(1) + &cut_alike(2));
    place.file("all.jsonl", (0..6).map(cut_alike).collect::<String>());
    place.file("test.jsonl", lines(6) + &cut_alike(30));
    let train = |data: &str, out: &str| {
        format!("train --data {data} --held-out test.jsonl --truncation end --max-tokens 64 --out {out}")
    };
    let (ok, table, error) = place.run(&train("some.jsonl", "out"));
    assert!(ok && error.contains("one text"), "{error}");
    assert_eq!(row(&table, "one text to the model"), "2 and 1 more, left out");
    let metrics = place.json("out/metrics.json");
    assert_eq!(metrics["alike"], json!({"train": 2, "held_out": 1}));
    assert_eq!(metrics["metrics"]["pairs"], 6);

    let refused = place.refused(&train("all.jsonl", "all"));
    assert!(
        refused.contains("all 6 training pairs") && refused.contains("max_tokens"),
        "{refused}"
    );

    let table = place.done("evaluate --model out/model --data test.jsonl");
    assert_eq!(row(&table, "pairs"), "6");
    assert_eq!(row(&table, "one text to the model"), "1 more, left out");
    let refused = place.refused("evaluate --model out/model --data all.jsonl");
    assert!(refused.contains("all 6 pairs are left out"), "{refused}");
}

#[test]
fn a_base_model_that_reads_less_is_taken_at_what_it_reads_where_nothing_was_asked() {
    let place = Place::new();
    place.file("train.jsonl", lines(12));
    place.done("train --data train.jsonl --out out");
    assert_eq!(place.json("out/metrics.json")["config"]["max_tokens"], 96);
    let refused = place.refused("train --data train.jsonl --out other --max-tokens 97");
    assert!(
        refused.contains("max_tokens") && refused.contains("at most 96"),
        "{refused}"
    );
    place.file("run.toml", "max_tokens = 512\n");
    let refused = place.refused("train --data train.jsonl --out other --config run.toml");
    assert!(refused.contains("at most 96"), "{refused}");
}

#[test]
fn a_command_repeated_says_that_its_run_has_ended_before() {
    let place = Place::new();
    place.file("train.jsonl", lines(12));
    place.file("test.jsonl", lines(4));
    let train = "train --data train.jsonl --held-out test.jsonl --out out";
    let (ok, first, error) = place.run(train);
    assert!(ok && !error.contains("ended before"), "{error}");
    let (ok, second, error) = place.run(train);
    assert!(ok && error.contains("This run has ended before"), "{error}");
    assert_eq!(row(&first, "log loss"), row(&second, "log loss"));
}

#[test]
fn fields_of_a_line_and_an_ensembles_spread_are_handed_on_by_score() {
    let place = Place::new();
    place.file("train.jsonl", lines(20));
    place.file("test.jsonl", lines(6));
    place.done("train --data train.jsonl --held-out test.jsonl --out out --ensemble 3");
    assert!(
        place.json("out/metrics.json")["metrics"]["spread"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let asked = json!({"id": 7, "source": {"a": [1]}, "prompt": "a", "responses": ["yes", "no"]});
    let mut preference: Value = serde_json::from_str(&trl("a", "yes", "no")).unwrap();
    preference["id"] = json!("x-1");
    let (ok, out, error) = place.score(&format!("{asked}\n{preference}\n"));
    assert!(ok, "{error}");
    let answers: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&answers[0]["id"], &answers[0]["source"]),
        (&json!(7), &json!({"a": [1]}))
    );
    assert!(answers[0]["prompt"].is_null() && answers[0]["responses"].is_null());
    assert!(answers[0]["scores"][0]["spread"].as_f64().unwrap() > 0.0);
    assert_eq!(answers[1]["id"], "x-1");
    assert_eq!(answers[1]["chosen"], answers[0]["scores"][0]["reward"]);
    assert_eq!(answers[1]["chosen_spread"], answers[0]["scores"][0]["spread"]);
}

#[test]
fn a_broken_line_is_answered_in_its_place_and_the_others_are_scored() {
    let place = Place::new();
    place.file("train.jsonl", lines(12));
    place.done("train --data train.jsonl --out out");
    let input = lines(1) + "{\"prompt\": \"cut off\n" + &lines(2);
    let (ok, told, error) = place.score(&input);
    let answers: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 4, "{told}");
    let is_error: Vec<bool> = answers.iter().map(|answer| answer["error"].is_string()).collect();
    assert_eq!(is_error, [false, true, false, false], "{told}");
    assert!(!ok && error.contains("standard input:2"), "{error}");
}

#[test]
fn files_are_measured_each_and_together_and_pairs_one_by_one() {
    let place = Place::new();
    place.file("train.jsonl", lines(30));
    place.file("one.jsonl", lines(8));
    place.file(
        "other.jsonl",
        lines(14)
            .lines()
            .skip(8)
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    );
    place.done("train --data train.jsonl --out out --held-out one.jsonl");
    let predictions = |file: &str| -> Vec<Value> {
        let text = place.text(file);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let of_run = predictions("out/predictions.jsonl");
    assert_eq!((of_run.len(), &of_run[0]["id"]), (8, &json!("one.jsonl:1")));

    let evaluate = "evaluate --model out/model --data one.jsonl other.jsonl --predictions all.jsonl --json";
    let told: Value = serde_json::from_str(&place.done(evaluate)).unwrap();
    let pairs = |about: &Value| about["metrics"]["pairs"].as_u64().unwrap();
    assert_eq!(
        (pairs(&told), pairs(&told["files"][0]), pairs(&told["files"][1])),
        (14, 8, 6)
    );
    assert_eq!(told["files"][1]["file"], "other.jsonl");
    let bins = told["metrics"]["reliability"].as_array().unwrap();
    let in_bins: u64 = bins.iter().map(|bin| bin["pairs"].as_u64().unwrap()).sum();
    assert_eq!((bins.len(), in_bins), (10, 14));
    let all = predictions("all.jsonl");
    assert_eq!(all.len(), 14);
    for (of_run, of_file) in of_run.iter().zip(&all) {
        assert_eq!(of_run["id"], of_file["id"]);
        let apart = of_run["chosen"].as_f64().unwrap() - of_file["chosen"].as_f64().unwrap();
        assert!(apart.abs() < 1e-4, "{of_run} {of_file}");
    }
}

#[test]
fn a_reward_that_is_no_number_ends_score_and_evaluate_with_the_line_and_the_cause() {
    let place = Place::new();
    let model = place.0.join("out/model");
    fs::create_dir_all(&model).unwrap();
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(base().join(name), model.join(name)).unwrap();
    }
    // The weights of the last layer, in the file's own order, made NaN.
    let mut bytes = fs::read(base().join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let about: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let place_of =
        |end: usize| 8 + header + about["classifier.weight"]["data_offsets"][end].as_u64().unwrap() as usize;
    for four in bytes[place_of(0)..place_of(1)].chunks_exact_mut(4) {
        four.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    fs::write(model.join("model.safetensors"), bytes).unwrap();
    let (ok, out, error) = place.score(&lines(3));
    assert!(!ok && out.is_empty(), "{out}");
    for said in ["input:1: ", "no finite reward", "classifier.weight"] {
        assert!(error.contains(said), "{error}");
    }
    place.file("test.jsonl", lines(3));
    let error = place.refused("evaluate --model out/model --data test.jsonl --json");
    assert!(
        error.contains("test.jsonl:1: ") && error.contains("classifier.weight"),
        "{error}"
    );
}

#[test]
fn weights_worse_than_the_best_ones_seen_are_told() {
    let place = Place::new();
    // Learning by heart what the held-out prompts contradict: the log loss there rises.
    let contrary: String = (0..8)
        .map(|n| {
            trl(
                &format!("help {n}"),
                &format!("no, rude {n}"),
                &format!("yes, thanks {n}"),
            ) + "\n"
        })
        .collect();
    place.file("train.jsonl", lines(30));
    place.file("test.jsonl", contrary);
    let train = "train --data train.jsonl --held-out test.jsonl --epochs 10 --out out";
    let table = place.done(train);
    let better = row(&table, "better on the way");
    assert!(
        better.contains("step 1 ") && better.contains("--keep best"),
        "{better}"
    );
    let metrics = place.json("out/metrics.json");
    assert!(metrics["better"]["metrics"]["log_loss"].as_f64() < metrics["metrics"]["log_loss"].as_f64());
}

#[test]
fn logs_that_go_to_a_file_have_no_colours_and_offline_is_obeyed() {
    let place = Place::new();
    let fetch = place
        .command("--data-dir data admin fetch-base-model")
        .env_remove("TOUCHSTONE_BASE_MODEL")
        .env("HF_HUB_OFFLINE", "1")
        // No pip either.
        .env("PATH", "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (ok, _, error) = told(fetch);
    assert!(!ok && error.contains("WARN"), "{error}");
    assert!(error.contains("HF_HUB_OFFLINE"), "{error}");
    assert!(!error.contains('\u{1b}'), "{error:?}");

    place.file("train.jsonl", lines(4));
    let train = place
        .command("train --data train.jsonl --base someone/some-model --out out")
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", place.0.join("hub"))
        .output()
        .unwrap();
    let (ok, _, error) = told(train);
    assert!(!ok && error.contains("HF_HUB_OFFLINE forbids"), "{error}");
}
