//! Judging and correcting, on both databases.

use domain::{
    comparison::{ComparisonKind, presented_order},
    correction::{Correction, MAX_CORRECTION_BYTES},
    formats::{ComparedResponses, ResponseText, Row},
    import::ImportProgress,
    judgement::{Grade, Judgement, SkipReason, Verdict},
    permission::Role,
    project::Project,
    prompt::{Message, Speaker},
    task::Submission,
};
use uuid::Uuid;

use crate::{
    Store, StoreError, TestDb,
    assignment::{Claim, LEASE},
    comparison::Worklist,
    import::Importer,
    project::NewProject,
    user::NewUser,
};

pub(crate) struct Place {
    pub(crate) project: Project,
    pub(crate) user: Uuid,
}

/// A project with `pairs` pairs and one ranking of four, and a person.
pub(crate) async fn place(db: &Store, pairs: usize) -> Place {
    let new = NewProject {
        name: "Judging".into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = db.insert_project(new).await.unwrap();
    let mut rows: Vec<Row> = (0..pairs).map(|n| row(n, 2)).collect();
    rows.push(row(pairs, 4));
    insert(db, project.id, &rows).await;
    let user = person(db, "ada").await;
    Place { project, user }
}

/// Adds the pairs of these numbers.
pub(crate) async fn import(db: &Store, project: Uuid, pairs: std::ops::Range<usize>) {
    let rows: Vec<Row> = pairs.map(|n| row(n, 2)).collect();
    insert(db, project, &rows).await;
}

async fn insert(db: &Store, project: Uuid, rows: &[Row]) {
    let mut importer = Importer::new(db.clone(), project, Uuid::nil(), None);
    importer
        .insert(rows, &mut ImportProgress::default(), None)
        .await
        .unwrap();
}

fn row(n: usize, responses: usize) -> Row {
    Row {
        prompt: vec![Message {
            role: Speaker::User,
            content: format!("Question {n}? 🙂 \u{202e}שלום"),
        }],
        category: None,
        language: Some("en".into()),
        responses: (0..responses)
            .map(|r| ResponseText {
                content: format!("Answer {r} to {n}"),
                ..ResponseText::default()
            })
            .collect(),
        comparisons: vec![ComparedResponses {
            responses: (0..responses).collect(),
            opinion: None,
        }],
        ..Row::default()
    }
}

pub(crate) async fn person(db: &Store, name: &str) -> Uuid {
    let new = NewUser {
        name: name.into(),
        email: format!("{name}@example.org"),
        password_hash: String::new(),
        role: Role::Trainer,
    };
    db.insert_user(new).await.unwrap().id
}

impl Place {
    pub(crate) fn list(&self, user: Uuid, kind: ComparisonKind) -> Worklist<'_> {
        Worklist {
            project: &self.project,
            user,
            kind,
        }
    }

    async fn next(&self, db: &Store, user: Uuid) -> Vec<Uuid> {
        self.claim(db, self.list(user, ComparisonKind::Pair), &[], 3)
            .await
    }

    /// What a page of the person gets; its seat is the person's identifier.
    pub(crate) async fn claim(
        &self,
        db: &Store,
        list: Worklist<'_>,
        without: &[Uuid],
        limit: usize,
    ) -> Vec<Uuid> {
        let claim = Claim {
            list,
            seat: list.user,
            lease: LEASE,
            without,
            limit,
        };
        db.claim_comparisons(claim).await.unwrap()
    }

    pub(crate) async fn graded(&self, db: &Store, user: Uuid, comparison: Uuid, grade: Grade) -> Judgement {
        let loaded = db.load_comparison(self.project.id, comparison).await.unwrap();
        let shown = presented_order(comparison, user, &loaded.response_ids());
        let (verdict, ranking) = grade.decide([shown[0], shown[1]]);
        Submission {
            id: Uuid::new_v4(),
            comparison_id: comparison,
            verdict,
            ranking,
            presented: shown,
            flagged: false,
            justification: Some("Because.".into()),
            confidence: Some(2),
            active_ms: Some(1234),
            supersedes: None,
        }
        .into_judgement(user, crate::now())
    }
}

#[tokio::test]
async fn a_retry_is_the_same_row_and_a_different_one_is_refused() {
    for db in TestDb::each().await {
        let place = place(&db, 3).await;
        let first = place.next(&db, place.user).await[0];
        let sent = place.graded(&db, place.user, first, Grade::LeftClearly).await;
        let kept = db.insert_judgement(place.project.id, sent.clone()).await.unwrap();
        let retry = Judgement {
            created_at: sent.created_at + 60_000,
            ..sent.clone()
        };
        assert_eq!(db.insert_judgement(place.project.id, retry).await.unwrap(), kept);
        let other = Judgement {
            flagged: true,
            ..sent.clone()
        };
        let refused = db.insert_judgement(place.project.id, other).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
        let second = Judgement {
            id: Uuid::new_v4(),
            ..sent
        };
        let refused = db.insert_judgement(place.project.id, second).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
        assert_eq!(db.judgement_history(place.user, first).await.unwrap(), [kept]);
    }
}

#[tokio::test]
async fn an_undone_pair_comes_back_and_an_edit_replaces() {
    for db in TestDb::each().await {
        let place = place(&db, 3).await;
        let project = place.project.id;
        let first = place.next(&db, place.user).await[0];
        let sent = place.graded(&db, place.user, first, Grade::Tie).await;
        db.insert_judgement(project, sent.clone()).await.unwrap();
        assert!(!place.next(&db, place.user).await.contains(&first));
        let undo = Judgement {
            id: Uuid::new_v4(),
            verdict: Verdict::Withdrawn,
            ranking: vec![],
            supersedes: Some(sent.id),
            ..sent.clone()
        };
        db.insert_judgement(project, undo.clone()).await.unwrap();
        assert_eq!(place.next(&db, place.user).await[0], first);
        let current = db.current_judgements(place.user, &[first]).await.unwrap();
        assert_eq!(current, std::slice::from_ref(&undo));

        let mut again = place.graded(&db, place.user, first, Grade::RightMuch).await;
        again.supersedes = Some(undo.id);
        db.insert_judgement(project, again.clone()).await.unwrap();
        let mut edit = place.graded(&db, place.user, first, Grade::BothBad).await;
        edit.supersedes = Some(sent.id);
        let refused = db.insert_judgement(project, edit.clone()).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        edit.supersedes = Some(again.id);
        db.insert_judgement(project, edit.clone()).await.unwrap();
        let own = db
            .list_own_judgements(&place.project, place.user, None, 10)
            .await
            .unwrap();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].judgement, edit);
        assert_eq!(db.judgement_history(place.user, first).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_sentence() {
    for db in TestDb::each().await {
        let place = place(&db, 2).await;
        let project = place.project.id;
        let first = place.next(&db, place.user).await[0];
        let good = place.graded(&db, place.user, first, Grade::Tie).await;
        let stranger = person(&db, "bob").await;
        let broken = [
            Judgement {
                presented: vec![good.presented[0]],
                ..good.clone()
            },
            Judgement {
                confidence: Some(4),
                ..good.clone()
            },
            Judgement {
                justification: Some("a\0b".into()),
                ..good.clone()
            },
            Judgement {
                verdict: Verdict::Ranked,
                ..good.clone()
            },
            Judgement {
                verdict: Verdict::Withdrawn,
                ranking: vec![],
                ..good.clone()
            },
        ];
        for judgement in broken {
            let refused = db.insert_judgement(project, judgement).await;
            let Err(StoreError::Invalid(sentence)) = refused else {
                panic!("{refused:?}")
            };
            assert!(sentence.ends_with('.'), "{sentence}");
        }
        db.insert_judgement(project, good.clone()).await.unwrap();
        let theft = Judgement {
            id: Uuid::new_v4(),
            user_id: stranger,
            supersedes: Some(good.id),
            ..good.clone()
        };
        assert!(matches!(
            db.insert_judgement(project, theft).await,
            Err(StoreError::Conflict(_))
        ));
        let elsewhere = db.insert_judgement(Uuid::new_v4(), good).await;
        assert!(matches!(elsewhere, Err(StoreError::NotFound(_))));
    }
}

#[tokio::test]
async fn others_take_what_is_left_and_skips_do_not_count() {
    for db in TestDb::each().await {
        let place = place(&db, 4).await;
        let project = place.project.id;
        let list = place.list(place.user, ComparisonKind::Pair);
        let ids = place.claim(&db, list, &[], 9).await;
        assert_eq!(ids.len(), 4);
        let one = place.graded(&db, place.user, ids[0], Grade::Tie).await;
        db.insert_judgement(project, one).await.unwrap();
        let mut skip = place.graded(&db, place.user, ids[1], Grade::Tie).await;
        skip.verdict = Verdict::Skipped {
            reason: SkipReason::Language,
        };
        skip.ranking = vec![];
        db.insert_judgement(project, skip).await.unwrap();

        assert_eq!(place.next(&db, place.user).await, ids[2..]);
        let bob = person(&db, "bob").await;
        db.give_back_comparisons(place.user, place.user, &ids)
            .await
            .unwrap();
        let mut left = place.next(&db, bob).await;
        left.sort();
        let mut expected = ids[1..].to_vec();
        expected.sort();
        assert_eq!(left, expected);
        db.give_back_comparisons(bob, bob, &left).await.unwrap();
        for (user, done, remaining) in [(place.user, 2, 2), (bob, 0, 3)] {
            let list = place.list(user, ComparisonKind::Pair);
            let progress = db.judging_progress(list).await.unwrap();
            assert_eq!((progress.done, progress.remaining), (done, remaining));
        }
        let list = place.list(bob, ComparisonKind::Pair);
        let without = place.claim(&db, list, &left[..2], 3).await;
        assert_eq!(without, left[2..]);
        let rankings = place.list(bob, ComparisonKind::Ranking);
        assert_eq!(place.claim(&db, rankings, &[], 3).await.len(), 1);
    }
}

#[tokio::test]
async fn two_windows_at_once_leave_one_judgement_in_force() {
    for db in TestDb::each().await {
        let place = place(&db, 1).await;
        let first = place.next(&db, place.user).await[0];
        let mut tries = Vec::new();
        for grade in [Grade::LeftMuch, Grade::RightMuch, Grade::Tie, Grade::BothBad] {
            let judgement = place.graded(&db, place.user, first, grade).await;
            let (store, project) = (db.store(), place.project.id);
            tries.push(tokio::spawn(async move {
                store.insert_judgement(project, judgement).await
            }));
        }
        let mut kept = 0;
        for attempt in tries {
            match attempt.await.unwrap() {
                Ok(_) => kept += 1,
                Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error}"),
            }
        }
        assert_eq!(kept, 1);
    }
}

#[tokio::test]
async fn corrections_are_kept_whole_or_refused() {
    for db in TestDb::each().await {
        let place = place(&db, 1).await;
        let project = place.project.id;
        let first = place.next(&db, place.user).await[0];
        let loaded = db.load_comparison(project, first).await.unwrap();
        let correction = |content: String, supersedes| Correction {
            id: Uuid::new_v4(),
            comparison_id: first,
            user_id: place.user,
            response_id: Some(loaded.responses[0].id),
            content,
            supersedes,
            created_at: 7,
        };
        let long = "слово ".repeat(100_000);
        let refused = [
            " \n".to_owned(),
            "a\0b".to_owned(),
            loaded.responses[1].content.clone(),
            "x".repeat(MAX_CORRECTION_BYTES + 1),
        ];
        for content in refused {
            let result = db.insert_correction(project, correction(content, None)).await;
            assert!(matches!(result, Err(StoreError::Invalid(_))));
        }
        let kept = db
            .insert_correction(project, correction(long, None))
            .await
            .unwrap();
        let retry = db.insert_correction(project, kept.clone()).await.unwrap();
        assert_eq!(retry, kept);
        let second = correction("Better 👩🏽‍🚀 مرحبا".into(), None);
        let blind = db.insert_correction(project, second.clone()).await;
        assert!(matches!(blind, Err(StoreError::Conflict(_))));
        let edit = Correction {
            supersedes: Some(kept.id),
            ..second
        };
        db.insert_correction(project, edit.clone()).await.unwrap();
        assert_eq!(
            db.current_corrections(place.user, &[first]).await.unwrap(),
            std::slice::from_ref(&edit)
        );
        assert_eq!(
            db.list_own_corrections(&place.project, place.user, 9)
                .await
                .unwrap(),
            [edit]
        );
    }
}

#[tokio::test]
async fn an_identifier_that_an_import_would_make_is_refused() {
    for db in TestDb::each().await {
        let place = place(&db, 1).await;
        let project = place.project.id;
        let first = place.next(&db, place.user).await[0];
        let loaded = db.load_comparison(project, first).await.unwrap();
        let annotator = domain::identity::annotator_id("dataset");
        let ranking: Vec<Vec<Uuid>> = loaded
            .responses
            .iter()
            .map(|response| vec![response.id])
            .collect();
        let predicted = domain::identity::imported_judgement_id(annotator, first, &ranking);
        let judgement = Judgement {
            id: predicted,
            ..place.graded(&db, place.user, first, Grade::Tie).await
        };
        let refused = db.insert_judgement(project, judgement).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
        let correction = Correction {
            id: predicted,
            comparison_id: first,
            user_id: place.user,
            response_id: None,
            content: "Better.".into(),
            supersedes: None,
            created_at: 7,
        };
        let refused = db.insert_correction(project, correction).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
}
