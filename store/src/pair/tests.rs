use domain::{
    correction::Correction,
    formats::{ComparedResponses, ResponseText, Row},
    import::ImportProgress,
    judgement::{Grade, Judgement, Verdict},
    project::Project,
    prompt::{Message, Speaker},
    run::data::{DataChoice, HeldOut},
};
use uuid::Uuid;

use super::Chosen;
use crate::{
    Store, TestDb,
    begun::{comparisons, imported, judge, of_people, person},
    import::Importer,
    now,
};

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
