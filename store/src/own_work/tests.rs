//! Looking back, on both databases.

use domain::{
    comparison::ComparisonKind,
    correction::Correction,
    judgement::{Grade, SkipReason, Verdict},
    own_work::{OwnFilter, OwnKind},
};
use uuid::Uuid;

use super::{OwnWork, Selection};
use crate::{
    Store, TestDb,
    judging_tests::{person, place},
};

/// What is selected: each row's comparison, newest first.
async fn listed(db: &Store, project: Uuid, user: Uuid, filter: OwnFilter) -> Vec<Uuid> {
    let selection = Selection {
        project,
        user,
        filter: &filter,
    };
    let rows = db.list_own_work(selection, 0, 50).await.unwrap();
    let count = db.count_own_work(selection).await.unwrap();
    assert_eq!(count, rows.len() as u64);
    rows.iter().map(OwnWork::comparison).collect()
}

fn only(kind: OwnKind) -> OwnFilter {
    OwnFilter {
        kind,
        ..OwnFilter::default()
    }
}

fn with(search: &str) -> OwnFilter {
    OwnFilter {
        search: search.into(),
        ..OwnFilter::default()
    }
}

#[tokio::test]
async fn own_work_is_listed_searched_and_paged() {
    for db in TestDb::each().await {
        let place = place(&db, 20).await;
        let (project, user) = (place.project.id, place.user);
        let list = place.list(user, ComparisonKind::Pair);
        let pairs = place.claim(&db, list, &[], 4).await;
        let reasons = ["Because of Ёлка", "100 % sure_ly", "Because", ""];
        for (index, (&pair, reason)) in pairs.iter().zip(reasons).enumerate() {
            let mut row = place.graded(&db, user, pair, Grade::LeftMuch).await;
            row.justification = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
            row.flagged = index == 1;
            row.created_at = 1_000 * (index as i64 + 1);
            if index == 2 {
                row.verdict = Verdict::Skipped {
                    reason: SkipReason::Language,
                };
                row.ranking = Vec::new();
            }
            db.insert_judgement(project, row).await.unwrap();
        }
        let correction = Correction {
            id: Uuid::new_v4(),
            comparison_id: pairs[0],
            user_id: user,
            response_id: None,
            content: "How it should be said".into(),
            supersedes: None,
            created_at: 9_000,
        };
        db.insert_correction(project, correction).await.unwrap();

        let all = [pairs[0], pairs[3], pairs[2], pairs[1], pairs[0]];
        assert_eq!(listed(&db, project, user, OwnFilter::default()).await, all);
        for (kind, wanted) in [
            (OwnKind::Pairs, vec![pairs[3], pairs[1], pairs[0]]),
            (OwnKind::Rankings, vec![]),
            (OwnKind::Skipped, vec![pairs[2]]),
            (OwnKind::Flagged, vec![pairs[1]]),
            (OwnKind::Justified, vec![pairs[2], pairs[1], pairs[0]]),
            (OwnKind::Corrections, vec![pairs[0]]),
        ] {
            assert_eq!(listed(&db, project, user, only(kind)).await, wanted, "{kind:?}");
        }
        for (search, wanted) in [
            ("ёЛКА", vec![pairs[0]]),
            ("100 %", vec![pairs[1]]),
            ("sure_", vec![pairs[1]]),
            ("e_a", vec![]),
            ("SHOULD be", vec![pairs[0]]),
            // In the prompt, not in how it is stored.
            ("שלום", all.to_vec()),
            ("content", vec![]),
            ("user", vec![]),
        ] {
            assert_eq!(listed(&db, project, user, with(search)).await, wanted, "{search}");
        }
        let between = OwnFilter {
            since: Some(2_000),
            until: Some(3_001),
            ..OwnFilter::default()
        };
        assert_eq!(listed(&db, project, user, between).await, [pairs[2], pairs[1]]);

        let selection = Selection {
            project,
            user,
            filter: &OwnFilter::default(),
        };
        let page = db.list_own_work(selection, 2, 2).await.unwrap();
        let page: Vec<Uuid> = page.iter().map(OwnWork::comparison).collect();
        assert_eq!(page, all[2..4]);
        let other = person(&db, "eve").await;
        assert!(listed(&db, project, other, OwnFilter::default()).await.is_empty());
    }
}
