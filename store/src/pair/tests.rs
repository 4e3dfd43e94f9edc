use domain::{
    correction::Correction,
    formats::{ComparedResponses, Opinion, ResponseText, Row},
    import::ImportProgress,
    judgement::{Grade, Judgement, Strength, Verdict},
    permission::Role,
    project::Project,
    prompt::{Message, Speaker},
    run::{
        State,
        data::{DataChoice, HeldOut, JudgementSource},
        event::RunEvent,
    },
    score::Scored,
};
use recipe::Recipe;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::Chosen;
use crate::{
    Store, TestDb,
    entity::comparison,
    import::Importer,
    now,
    project::NewProject,
    run::{NewRun, RunEnd},
    score::ResponseFilter,
    user::NewUser,
};

/// A project of so many prompts, each with two responses of which an imported annotator prefers the first, longer one.
async fn imported(store: &Store, name: &str, prompts: usize) -> Project {
    let new = NewProject {
        name: name.into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = store.insert_project(new).await.unwrap();
    let annotator = store.ensure_annotator("dataset").await.unwrap();
    let mut importer = Importer::new(store.clone(), project.id, Uuid::now_v7(), Some(annotator));
    let response = |content: String| ResponseText {
        content,
        ..ResponseText::default()
    };
    let rows: Vec<Row> = (0..prompts)
        .map(|n| Row {
            prompt: vec![Message {
                role: Speaker::User,
                content: format!("Question {n}?"),
            }],
            category: Some(if n % 2 == 0 { "even" } else { "odd" }.into()),
            language: None,
            responses: vec![response(format!("Good answer {n}")), response(format!("Bad {n}"))],
            comparisons: vec![ComparedResponses {
                responses: vec![0, 1],
                opinion: Some(Opinion {
                    ranking: vec![vec![0], vec![1]],
                    strength: Some(Strength::Clearly),
                    ..Opinion::default()
                }),
            }],
            ..Row::default()
        })
        .collect();
    importer
        .insert(&rows, &mut ImportProgress::default(), None)
        .await
        .unwrap();
    project
}

async fn person(store: &Store) -> Uuid {
    let new = NewUser {
        name: "Ada".into(),
        email: format!("{}@example.org", Uuid::now_v7()),
        password_hash: "x".into(),
        role: Role::Lead,
    };
    store.insert_user(new).await.unwrap().id
}

async fn comparisons(store: &Store, project: Uuid) -> Vec<comparison::Model> {
    comparison::Entity::find()
        .filter(comparison::Column::ProjectId.eq(project))
        .order_by_asc(comparison::Column::Position)
        .all(store.reader())
        .await
        .unwrap()
}

async fn judge(store: &Store, project: Uuid, user: Uuid, comparison: Uuid, grade: Grade) -> Judgement {
    let members = store.comparison_members(comparison).await.unwrap();
    let (verdict, ranking) = grade.decide([members[0], members[1]]);
    let judgement = Judgement {
        id: Uuid::now_v7(),
        comparison_id: comparison,
        user_id: user,
        verdict,
        ranking,
        presented: members,
        flagged: grade == Grade::LeftMuch,
        justification: None,
        confidence: None,
        scheme_version: 1,
        active_ms: None,
        supersedes: None,
        created_at: now(),
    };
    store.insert_judgement(project, judgement).await.unwrap()
}

fn settings() -> Recipe {
    Recipe {
        seed: 1,
        max_tokens: 64,
        ..Recipe::as_before()
    }
}

fn new_run(project: Uuid, choice: DataChoice) -> NewRun {
    NewRun {
        project_id: project,
        name: String::new(),
        settings: settings(),
        choice,
        created_by: None,
    }
}

fn of_people() -> DataChoice {
    DataChoice {
        source: JudgementSource::People,
        held_out: HeldOut::Share { percent: 0, seed: 0 },
        ..DataChoice::default()
    }
}

#[tokio::test]
async fn a_share_of_the_prompts_is_held_out_with_all_their_pairs() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 200).await;
        let choice = DataChoice {
            held_out: HeldOut::Share { percent: 20, seed: 7 },
            ..DataChoice::default()
        };
        let selection = db.select_pairs(project.id, &choice).await.unwrap();
        let counts = selection.counts;
        assert_eq!((counts.pairs, counts.prompts), (200, 200), "{:?}", db.backend());
        assert!((20..60).contains(&counts.held_out), "{counts:?}");
        assert_eq!(counts.train + counts.held_out, 200);
        let texts = db.load_pairs(&selection.train).await.unwrap();
        assert!(
            texts
                .iter()
                .all(|pair| pair.chosen.starts_with("Good") && pair.rejected.starts_with("Bad"))
        );
        assert_eq!(texts[0].strength, Some(2));
        let again = db.select_pairs(project.id, &choice).await.unwrap();
        assert_eq!(again.held_out, selection.held_out);
    }
}

#[tokio::test]
async fn another_project_is_held_out_without_what_both_know() {
    for db in TestDb::each().await {
        let train = imported(&db, "train", 30).await;
        let test = imported(&db, "test", 10).await;
        let choice = DataChoice {
            held_out: HeldOut::Project { id: test.id },
            ..DataChoice::default()
        };
        let counts = db.select_pairs(train.id, &choice).await.unwrap().counts;
        assert_eq!((counts.train, counts.held_out, counts.overlapping), (20, 10, 10));
    }
}

#[tokio::test]
async fn only_what_stands_and_prefers_something_becomes_pairs() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 5).await;
        let user = person(&db).await;
        let all = comparisons(&db, project.id).await;
        judge(&db, project.id, user, all[0].id, Grade::RightSlightly).await;
        judge(&db, project.id, user, all[1].id, Grade::Tie).await;
        judge(&db, project.id, user, all[2].id, Grade::BothBad).await;
        judge(&db, project.id, user, all[3].id, Grade::LeftMuch).await;
        let taken_back = judge(&db, project.id, user, all[4].id, Grade::LeftClearly).await;
        let withdrawal = Judgement {
            id: Uuid::now_v7(),
            verdict: Verdict::Withdrawn,
            ranking: Vec::new(),
            supersedes: Some(taken_back.id),
            ..taken_back
        };
        db.insert_judgement(project.id, withdrawal).await.unwrap();
        let found = db.select_pairs(project.id, &of_people()).await.unwrap().train;
        let members = db.comparison_members(all[0].id).await.unwrap();
        assert_eq!(found.len(), 1, "the flagged one is left out: {found:?}");
        assert_eq!(
            (found[0].chosen.clone(), found[0].rejected),
            (Chosen::Response(members[1]), members[0])
        );
        let flagged_too = DataChoice {
            exclude_flagged: false,
            ..of_people()
        };
        assert_eq!(
            db.select_pairs(project.id, &flagged_too)
                .await
                .unwrap()
                .train
                .len(),
            2
        );
        let with_ties = DataChoice {
            ties: true,
            ..of_people()
        };
        let found = db.select_pairs(project.id, &with_ties).await.unwrap().train;
        let of_tie: Vec<bool> = found.iter().map(|pair| pair.comparison_id == all[1].id).collect();
        assert_eq!(of_tie, [false, true], "{found:?}");
        assert_eq!(found.iter().map(|pair| pair.tied).collect::<Vec<_>>(), of_tie);
        let others = DataChoice {
            annotators: vec![Uuid::now_v7()],
            ..of_people()
        };
        assert!(
            db.select_pairs(project.id, &others)
                .await
                .unwrap()
                .train
                .is_empty()
        );
        let annotators = db.list_annotators(project.id).await.unwrap();
        assert_eq!(
            annotators.iter().map(|a| a.judgements).collect::<Vec<_>>(),
            [5, 4]
        );
    }
}

/// Someone ranks four responses, in these groups; the project and the responses.
async fn ranked(db: &Store, name: &str, groups: &[&[usize]]) -> (Project, Vec<Uuid>) {
    let project = imported(db, name, 0).await;
    let mut importer = Importer::new(db.clone(), project.id, Uuid::now_v7(), None);
    let response = |n: usize| ResponseText {
        content: format!("Answer {n}"),
        ..ResponseText::default()
    };
    let row = Row {
        prompt: vec![Message {
            role: Speaker::User,
            content: format!("Which, {name}?"),
        }],
        category: None,
        language: None,
        responses: (0..4).map(response).collect(),
        comparisons: vec![ComparedResponses {
            responses: vec![0, 1, 2, 3],
            opinion: None,
        }],
        ..Row::default()
    };
    let mut progress = ImportProgress::default();
    importer.insert(&[row], &mut progress, None).await.unwrap();
    let comparison = comparisons(db, project.id).await.remove(0);
    let members = db.comparison_members(comparison.id).await.unwrap();
    let group = |group: &&[usize]| group.iter().map(|&n| members[n]).collect();
    let judgement = Judgement {
        id: Uuid::now_v7(),
        comparison_id: comparison.id,
        user_id: person(db).await,
        verdict: Verdict::Ranked,
        ranking: groups.iter().map(group).collect(),
        presented: members.clone(),
        flagged: false,
        justification: None,
        confidence: None,
        scheme_version: 1,
        active_ms: None,
        supersedes: None,
        created_at: now(),
    };
    db.insert_judgement(project.id, judgement).await.unwrap();
    (project, members)
}

#[tokio::test]
async fn a_ranking_without_ties_is_learnt_from_as_a_whole_and_measured_as_pairs() {
    for db in TestDb::each().await {
        let (strict, members) = ranked(&db, "strict", &[&[2], &[0], &[3], &[1]]).await;
        let (tied, _) = ranked(&db, "tied", &[&[2], &[0, 3], &[1]]).await;
        let whole = DataChoice {
            whole_rankings: true,
            ..of_people()
        };
        let found = db.select_pairs(strict.id, &whole).await.unwrap().train;
        let order = [2, 0, 3, 1].map(|n| members[n]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].chosen, Chosen::Response(order[0]));
        assert_eq!((found[0].rejected, &found[0].lower[..]), (order[1], &order[2..]));

        let as_pairs = db.select_pairs(strict.id, &of_people()).await.unwrap().train;
        assert_eq!(as_pairs.len(), 6);
        let texts = db.load_pairs(&found).await.unwrap();
        let first_over_last = db.load_pairs(&as_pairs[2..3]).await.unwrap();
        assert_eq!(texts[0].chosen, first_over_last[0].chosen);
        assert_eq!(texts[0].lower[1], first_over_last[0].rejected);
        let held_out = DataChoice {
            held_out: HeldOut::Project { id: strict.id },
            ..whole
        };
        let selection = db.select_pairs(tied.id, &held_out).await.unwrap();
        assert_eq!(selection.train.len(), 5, "a tie among them");
        assert_eq!(selection.held_out, as_pairs);
    }
}

#[tokio::test]
async fn a_correction_beats_every_response() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 1).await;
        let user = person(&db).await;
        let comparison = comparisons(&db, project.id).await.remove(0);
        let correction = Correction {
            id: Uuid::now_v7(),
            comparison_id: comparison.id,
            user_id: user,
            response_id: None,
            content: "A better answer".into(),
            supersedes: None,
            created_at: now(),
        };
        db.insert_correction(project.id, correction).await.unwrap();
        let selection = db.select_pairs(project.id, &of_people()).await.unwrap();
        assert_eq!(
            (selection.counts.train, selection.counts.from_corrections),
            (2, 2)
        );
        let texts = db.load_pairs(&selection.train).await.unwrap();
        assert!(texts.iter().all(|pair| &*pair.chosen == "A better answer"));
    }
}

#[tokio::test]
async fn a_run_tells_in_order_and_ends_once() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 2).await;
        let run = db
            .create_run(new_run(project.id, DataChoice::default()))
            .await
            .unwrap();
        assert_eq!((run.name.as_str(), run.state), ("head 1", State::Queued));
        let (job, lease) = db
            .claim_job("w", &[domain::job::JobKind::Train])
            .await
            .unwrap()
            .unwrap();
        assert_eq!(job.run_id, Some(run.id));
        db.begin_run(run.id, &lease).await.unwrap();
        let steps = [
            RunEvent::Checkpointed { step: 1 },
            RunEvent::Checkpointed { step: 2 },
        ];
        let told = db.append_run_events(run.id, &lease, &steps).await.unwrap();
        assert_eq!(told.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(db.list_run_events(run.id, 2, 10).await.unwrap(), told);
        db.release_job(&lease).await.unwrap();
        assert!(
            db.append_run_events(run.id, &lease, &steps).await.is_err(),
            "the lease is lost"
        );
        assert_eq!(
            db.list_run_events(run.id, 0, 10).await.unwrap().len(),
            4,
            "and nothing was written"
        );
        assert_eq!(db.cancel_run(run.id).await.unwrap(), State::Cancelled);
        assert!(db.begin_run(run.id, &lease).await.is_err());
        let run = db.find_run(run.id).await.unwrap();
        assert!(run.started_at.is_some() && run.finished_at.is_some());
        assert_eq!(db.find_latest_done_run(project.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_run_that_failed_or_was_cancelled_goes_on_with_a_new_job() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 2).await;
        let user = person(&db).await;
        let run = db
            .create_run(new_run(project.id, DataChoice::default()))
            .await
            .unwrap()
            .id;
        assert!(db.resume_run(run, Some(user)).await.is_err(), "it has not ended");
        db.cancel_run(run).await.unwrap();
        let first = db.find_job_of_run(run).await.unwrap().unwrap();
        let metrics = Box::default();
        for end in [RunEnd::Failed("It broke.".into()), RunEnd::Done(metrics)] {
            db.resume_run(run, Some(user)).await.unwrap();
            let again = db.find_run(run).await.unwrap();
            assert_eq!(
                (again.state, again.error, again.finished_at),
                (State::Queued, None, None)
            );
            let (job, lease) = db
                .claim_job("w", &[domain::job::JobKind::Train])
                .await
                .unwrap()
                .unwrap();
            assert!(job.id != first.id && job.run_id == Some(run) && job.attempts == 1);
            db.finish_run(run, &lease, end).await.unwrap();
        }
        assert!(
            db.resume_run(run, Some(user)).await.is_err(),
            "what is done stays done"
        );
        let log = db.list_run_log(run, 100).await.unwrap();
        let states: Vec<State> = log
            .iter()
            .filter_map(|(at, event)| match event {
                RunEvent::State { state, .. } if *at > 0 => Some(*state),
                _ => None,
            })
            .collect();
        let expected = [
            State::Queued,
            State::Cancelled,
            State::Queued,
            State::Failed,
            State::Queued,
            State::Done,
        ];
        assert_eq!(states, expected);
    }
}

#[tokio::test]
async fn scores_stand_beside_what_people_prefer() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 4).await;
        let (run, lease) = db
            .start_run(new_run(project.id, DataChoice::default()), "w")
            .await
            .unwrap();
        let waiting = db.list_unscored_responses(run.id, project.id, 100).await.unwrap();
        assert_eq!(waiting.len(), 8);
        // Agrees with people on all prompts but the third.
        let scores: Vec<_> = waiting
            .iter()
            .map(|response| {
                let good = response.content.starts_with("Good") != response.content.ends_with('2');
                let scored = Scored {
                    reward: if good { 1.0 } else { -0.5 },
                    spread: None,
                    tokens: 5,
                    cut_tokens: 0,
                };
                (response.id, scored)
            })
            .collect();
        db.upsert_scores(run.id, &lease, &scores).await.unwrap();
        db.upsert_scores(run.id, &lease, &scores).await.unwrap();
        assert_eq!(
            db.count_scored_responses(run.id, project.id).await.unwrap(),
            (8, 8)
        );
        assert!(
            db.list_unscored_responses(run.id, project.id, 100)
                .await
                .unwrap()
                .is_empty()
        );

        let compared = db.compare_scores(&run).await.unwrap();
        let all = compared.summary.all;
        assert_eq!((all.model.hits, all.model.of, all.longest.hits), (3.0, 4, 4.0));
        assert_eq!(compared.pairs[0].margin, -1.5);
        let shown = db.show_judged_pairs(run.id, &compared.pairs[..1]).await.unwrap();
        assert_eq!(
            (shown[0].chosen.as_str(), shown[0].rejected.as_str()),
            ("Good answer 2", "Bad 2")
        );

        let filter = ResponseFilter {
            category: Some("even".into()),
            ascending: true,
            offset: 0,
            limit: 2,
        };
        let worst = db
            .list_scored_responses(run.id, &filter, &compared.pairs)
            .await
            .unwrap();
        assert_eq!(
            worst.iter().map(|row| row.reward).collect::<Vec<_>>(),
            [-0.5, -0.5]
        );
        assert!(
            worst
                .iter()
                .all(|row| row.place == (2, 2) && row.category.as_deref() == Some("even"))
        );
        let third = worst.iter().find(|row| row.content == "Good answer 2").unwrap();
        assert_eq!((third.preferred.hits, third.preferred.of), (1.0, 1));
        assert_eq!(third.prompt, "Question 2?");
    }
}

#[tokio::test]
async fn what_a_run_had_stays_apart_from_what_people_say_later() {
    for db in TestDb::each().await {
        let project = imported(&db, "P", 4).await;
        let (run, lease) = db
            .start_run(new_run(project.id, DataChoice::default()), "w")
            .await
            .unwrap();
        let had = db.select_pairs(project.id, &run.data.choice).await.unwrap();
        db.set_run_counts(&run, &lease, had.counts).await.unwrap();
        let run = db.find_run(run.id).await.unwrap();
        let responses = db.list_unscored_responses(run.id, project.id, 100).await.unwrap();
        let scored = |reward| Scored {
            reward,
            tokens: 5,
            cut_tokens: 0,
            spread: None,
        };
        let scores: Vec<_> = responses
            .iter()
            .map(|response| (response.id, scored(response.content.len() as f64)))
            .collect();
        db.upsert_scores(run.id, &lease, &scores).await.unwrap();
        let before = db.compare_scores(&run).await.unwrap();
        assert_eq!(
            (before.summary.all.model.of, before.summary.newer.model.of),
            (4, 0)
        );

        // Someone says otherwise of two pairs, a second later.
        let later = had.counts.selected_at.unwrap() + 1_000;
        let user = person(&db).await;
        let [first, second] = &before.pairs[..2] else {
            panic!("two pairs")
        };
        let says = |of: &domain::score::JudgedPair| Judgement {
            id: Uuid::new_v4(),
            comparison_id: of.comparison_id,
            user_id: user,
            verdict: Verdict::Preferred {
                strength: Some(Strength::Much),
            },
            ranking: vec![vec![of.rejected], vec![of.chosen]],
            presented: vec![of.chosen, of.rejected],
            flagged: false,
            justification: None,
            confidence: None,
            scheme_version: 1,
            active_ms: None,
            supersedes: None,
            created_at: later,
        };
        for pair in [first, second] {
            db.insert_judgement(project.id, says(pair)).await.unwrap();
        }
        let after = db.compare_scores(&run).await.unwrap();
        assert_eq!(after.summary.all, before.summary.all, "{:?}", db.backend());
        assert_eq!(after.summary.newer.model.of, 2);
        assert_eq!(after.pairs.iter().filter(|pair| pair.newer).count(), 2);
        let told = db
            .select_pairs_as_of(project.id, &run.data.choice, had.counts.selected_at.unwrap())
            .await
            .unwrap();
        assert_eq!((told.train, told.held_out), (had.train, had.held_out));
    }
}
