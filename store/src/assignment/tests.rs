//! Handing out, holding and using up places, on both databases.

mod crowd;

use std::time::Duration;

use domain::{
    comparison::ComparisonKind,
    judgement::{Grade, Judgement, SkipReason, Verdict},
    task::Progress,
};
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::{Claim, Hold, LEASE, MOST_HELD, search::free_sql};
use crate::{
    Store, StoreError, TestDb,
    judging_tests::{Place, person, place},
    overlap::Chosen,
};

const NONE: [Uuid; 0] = [];

impl Place {
    /// What a page of the person at this seat gets of the pairs, for so long.
    async fn get(&self, db: &Store, (user, seat): (Uuid, Uuid), limit: usize, lease: Duration) -> Vec<Uuid> {
        let claim = Claim {
            list: self.list(user, ComparisonKind::Pair),
            seat,
            lease,
            without: &[],
            limit,
        };
        db.claim_comparisons(claim).await.unwrap()
    }

    /// Renews; what is first is on the screen.
    async fn hold(&self, db: &Store, (user, seat): (Uuid, Uuid), comparisons: &[Uuid]) -> Vec<Uuid> {
        let (shown, ahead) = comparisons.split_at(1);
        let hold = Hold {
            list: self.list(user, ComparisonKind::Pair),
            seat,
            shown,
            ahead,
        };
        db.hold_comparisons(hold).await.unwrap()
    }

    /// Judges one; nothing else can come of it than a row.
    async fn judge(&self, db: &Store, user: Uuid, comparison: Uuid) -> Judgement {
        let judgement = self.graded(db, user, comparison, Grade::LeftClearly).await;
        db.insert_judgement(self.project.id, judgement).await.unwrap()
    }

    async fn skip(&self, db: &Store, user: Uuid, comparison: Uuid) -> Judgement {
        let mut skip = self.graded(db, user, comparison, Grade::Tie).await;
        skip.verdict = Verdict::Skipped {
            reason: SkipReason::Language,
        };
        skip.ranking = vec![];
        db.insert_judgement(self.project.id, skip).await.unwrap()
    }

    async fn take_back(&self, db: &Store, judgement: &Judgement) -> Judgement {
        let withdrawal = Judgement {
            id: Uuid::new_v4(),
            verdict: Verdict::Withdrawn,
            ranking: vec![],
            supersedes: Some(judgement.id),
            ..judgement.clone()
        };
        db.insert_judgement(self.project.id, withdrawal).await.unwrap()
    }

    async fn progress(&self, db: &Store, user: Uuid) -> Progress {
        let list = self.list(user, ComparisonKind::Pair);
        db.judging_progress(list).await.unwrap()
    }
}

#[tokio::test]
async fn whoever_comes_next_gets_another_one() {
    for db in TestDb::each().await {
        let place = place(&db, 9).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let hers = place.get(&db, (ada, ada), 3, LEASE).await;
        let his = place.get(&db, (bob, bob), 3, LEASE).await;
        assert_eq!((hers.len(), his.len()), (3, 3));
        let of_hers = place.progress(&db, ada).await;
        assert_eq!((of_hers.remaining, of_hers.elsewhere), (6, 3));
        let mut handed_out = [hers.clone(), his].concat();
        for name in ["carl", "dora"] {
            let user = person(&db, name).await;
            handed_out.extend(place.get(&db, (user, user), 1, LEASE).await);
        }
        handed_out.sort();
        handed_out.dedup();
        assert_eq!(handed_out.len(), 8);
        db.give_back_comparisons(ada, ada, &hers[1..]).await.unwrap();
        let eve = person(&db, "eve").await;
        let last = place.get(&db, (eve, eve), 1, LEASE).await;
        let given_back = place.get(&db, (person(&db, "fay").await, eve), 1, LEASE).await;
        let free = [last, given_back].concat();
        assert_eq!(free.len(), 2);
        assert!(
            free.iter()
                .all(|id| !handed_out.contains(id) || hers[1..].contains(id))
        );
    }
}

#[tokio::test]
async fn a_reload_and_a_second_tab_get_what_the_person_holds() {
    for db in TestDb::each().await {
        let place = place(&db, 9).await;
        let (ada, tabs) = (place.user, [Uuid::new_v4(), Uuid::new_v4()]);
        let first = place.get(&db, (ada, tabs[0]), 3, LEASE).await;
        assert_eq!(place.get(&db, (ada, tabs[1]), 3, LEASE).await, first);
        // The first page goes late: what the second one shows is not its to give back.
        db.give_back_comparisons(ada, tabs[0], &first).await.unwrap();
        let bob = person(&db, "bob").await;
        let his = place.get(&db, (bob, bob), 9, LEASE).await;
        assert!(his.iter().all(|id| !first.contains(id)), "{his:?}");
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_renewed_or_goes_to_whoever_comes() {
    for db in TestDb::each().await {
        let place = place(&db, 2).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let hers = place.get(&db, (ada, ada), 2, Duration::ZERO).await;
        assert_eq!(hers.len(), 2);
        assert_eq!(place.hold(&db, (ada, ada), &hers[..1]).await, hers[..1]);
        let his = place.get(&db, (bob, bob), 2, LEASE).await;
        assert_eq!(his, hers[1..], "the one that was not renewed");
        assert_eq!(place.hold(&db, (ada, ada), &hers).await, hers[..1]);
        assert_eq!(db.delete_expired_assignments().await.unwrap(), 1);
        assert_eq!(place.hold(&db, (bob, bob), &his).await, his);
    }
}

#[tokio::test]
async fn a_judgement_after_its_lease_is_kept_and_counted_as_surplus() {
    for db in TestDb::each().await {
        let place = place(&db, 1).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let pair = place.get(&db, (ada, ada), 1, Duration::ZERO).await[0];
        assert_eq!(place.get(&db, (bob, bob), 1, LEASE).await, [pair]);
        place.judge(&db, ada, pair).await;
        let progress = place.progress(&db, bob).await;
        assert_eq!((progress.judged, progress.surplus), (1, 0), "a place was free");
        assert_eq!(place.hold(&db, (bob, bob), &[pair]).await, NONE);
        let second = place.judge(&db, bob, pair).await;
        let progress = place.progress(&db, ada).await;
        assert_eq!((progress.judged, progress.wanted, progress.surplus), (1, 1, 1));
        let counts = db.count_exportable(place.project.id).await.unwrap();
        assert_eq!(counts.people, 2, "a surplus judgement is used like all others");
        let workload = db.list_workload(place.project.id).await.unwrap();
        assert_eq!(workload[0].surplus, 1);
        place.take_back(&db, &second).await;
        assert_eq!(place.progress(&db, ada).await.surplus, 0);
        assert_eq!(
            place.get(&db, (bob, bob), 1, LEASE).await,
            NONE,
            "no place to come back to"
        );
    }
}

#[tokio::test]
async fn a_judgement_taken_back_keeps_its_place() {
    for db in TestDb::each().await {
        let place = place(&db, 1).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let pair = place.get(&db, (ada, ada), 1, LEASE).await[0];
        let said = place.judge(&db, ada, pair).await;
        let withdrawal = place.take_back(&db, &said).await;
        // A retry of it is no second undo.
        db.insert_judgement(place.project.id, withdrawal.clone())
            .await
            .unwrap();
        assert_eq!(place.get(&db, (bob, bob), 1, LEASE).await, NONE);
        assert_eq!(place.get(&db, (ada, ada), 1, LEASE).await, [pair]);
        let mut again = place.graded(&db, ada, pair, Grade::Tie).await;
        again.supersedes = Some(withdrawal.id);
        db.insert_judgement(place.project.id, again.clone())
            .await
            .unwrap();
        let mut edit = place.graded(&db, ada, pair, Grade::BothBad).await;
        edit.supersedes = Some(again.id);
        db.insert_judgement(place.project.id, edit).await.unwrap();
        let progress = place.progress(&db, bob).await;
        assert_eq!((progress.judged, progress.surplus, progress.remaining), (1, 0, 0));
    }
}

#[tokio::test]
async fn a_skip_frees_the_place_for_others_and_not_for_the_same_person() {
    for db in TestDb::each().await {
        let place = place(&db, 1).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let pair = place.get(&db, (ada, ada), 1, LEASE).await[0];
        let skip = place.skip(&db, ada, pair).await;
        assert_eq!(place.get(&db, (ada, ada), 1, LEASE).await, NONE);
        assert_eq!(place.hold(&db, (ada, ada), &[pair]).await, NONE);
        assert_eq!(place.get(&db, (bob, bob), 1, LEASE).await, [pair]);
        // Who thinks better of a skip whose place is taken has nothing to come back to.
        place.take_back(&db, &skip).await;
        assert_eq!(place.get(&db, (ada, ada), 1, LEASE).await, NONE);
        place.judge(&db, bob, pair).await;
        assert_eq!(place.progress(&db, bob).await.surplus, 0);
    }
}

#[tokio::test]
async fn raising_the_number_opens_again_and_lowering_it_closes() {
    for db in TestDb::each().await {
        let place = place(&db, 3).await;
        let project = place.project.id;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let pairs = place.get(&db, (ada, ada), 3, LEASE).await;
        for &pair in &pairs {
            place.judge(&db, ada, pair).await;
        }
        assert_eq!(place.get(&db, (bob, bob), 3, LEASE).await, NONE);
        db.set_wanted(project, 2).await.unwrap();
        let progress = place.progress(&db, bob).await;
        assert_eq!((progress.judged, progress.wanted, progress.remaining), (3, 6, 3));
        let his = place.get(&db, (bob, bob), 3, LEASE).await;
        assert_eq!(his.len(), 3);
        assert_eq!(place.get(&db, (ada, ada), 3, LEASE).await, NONE);
        place.judge(&db, bob, his[0]).await;

        let chosen = |comparison| Chosen {
            comparison: Some(comparison),
            ..Chosen::default()
        };
        assert_eq!(
            db.set_wanted_apart(project, &chosen(his[1]), Some(3))
                .await
                .unwrap(),
            1
        );
        db.set_wanted(project, 1).await.unwrap();
        assert_eq!(
            place.hold(&db, (bob, bob), &his[1..]).await,
            his[1..2],
            "in hand, and closed"
        );
        let progress = place.progress(&db, bob).await;
        assert_eq!((progress.judged, progress.wanted, progress.surplus), (3, 5, 1));
        let all = Chosen::default();
        assert_eq!(db.set_wanted_apart(project, &all, None).await.unwrap(), 4);
        assert_eq!(place.progress(&db, bob).await.wanted, 3);
        for wrong in [0, 10] {
            let refused = [
                db.set_wanted(project, wrong).await,
                db.set_wanted_apart(project, &all, Some(wrong)).await.map(drop),
            ];
            assert!(
                refused
                    .iter()
                    .all(|refused| matches!(refused, Err(StoreError::Invalid(_))))
            );
        }
    }
}

#[tokio::test]
async fn a_number_of_their_own_goes_by_kind_category_and_language_and_imports_go_by_the_projects() {
    for db in TestDb::each().await {
        let place = place(&db, 2).await;
        let project = place.project.id;
        db.set_wanted(project, 4).await.unwrap();
        let rankings = Chosen {
            kind: Some(ComparisonKind::Ranking),
            language: Some("en".into()),
            ..Chosen::default()
        };
        assert_eq!(db.set_wanted_apart(project, &rankings, Some(9)).await.unwrap(), 1);
        let none = Chosen {
            category: Some("cooking".into()),
            ..Chosen::default()
        };
        assert_eq!(db.set_wanted_apart(project, &none, Some(9)).await.unwrap(), 0);
        crate::judging_tests::import(&db, project, 10..12).await;
        let workload = db.list_workload(project).await.unwrap();
        let found: Vec<_> = workload
            .iter()
            .map(|group| (group.kind, group.apart, group.wanted, group.comparisons))
            .collect();
        let expected = [
            (ComparisonKind::Pair, false, 4, 4),
            (ComparisonKind::Ranking, true, 9, 1),
        ];
        assert_eq!(found, expected);
        let groups = db.list_prompt_groups(project, 9).await.unwrap();
        assert_eq!(groups, (vec![], vec!["en".to_owned()]));
    }
}

#[tokio::test]
async fn where_little_is_left_there_is_something_for_everyone() {
    for db in TestDb::each().await {
        let place = place(&db, 6).await;
        let ada = place.user;
        assert_eq!(place.get(&db, (ada, ada), 2, LEASE).await.len(), 2);
        let bob = person(&db, "bob").await;
        assert_eq!(
            place.get(&db, (bob, bob), 4, LEASE).await.len(),
            2,
            "half of what is left"
        );
        let carl = person(&db, "carl").await;
        assert_eq!(place.get(&db, (carl, carl), 4, LEASE).await.len(), 1);
        let dora = person(&db, "dora").await;
        assert_eq!(place.get(&db, (dora, dora), 4, LEASE).await.len(), 1);
        // Nothing is free now: whoever holds more than the next one gives it up with the next renewal.
        let hers = place.get(&db, (ada, ada), 2, LEASE).await;
        assert_eq!(place.hold(&db, (ada, ada), &hers).await, hers);
        let his = place.get(&db, (bob, bob), 2, LEASE).await;
        db.give_back_comparisons(dora, dora, &his).await.unwrap();
        assert_eq!(
            place.hold(&db, (bob, bob), &his).await,
            his,
            "another's page takes nothing"
        );
    }
}

#[tokio::test]
async fn what_was_fetched_ahead_is_given_up_where_nothing_else_is_left() {
    for db in TestDb::each().await {
        let place = place(&db, 4).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let hers = place.get(&db, (ada, ada), 4, LEASE).await;
        assert_eq!(hers.len(), 4);
        assert_eq!(place.get(&db, (bob, bob), 4, LEASE).await, NONE);
        assert_eq!(place.hold(&db, (ada, ada), &hers).await, hers[..2]);
        let mut his = place.get(&db, (bob, bob), 1, LEASE).await;
        his.extend(place.get(&db, (bob, Uuid::nil()), 4, LEASE).await);
        assert!(his.iter().all(|id| hers[2..].contains(id)), "{his:?}");
    }
}

#[tokio::test]
async fn one_person_cannot_keep_a_project_from_the_others() {
    for db in TestDb::each().await {
        let place = place(&db, MOST_HELD + 6).await;
        let (ada, bob) = (place.user, person(&db, "bob").await);
        let hers = place.get(&db, (ada, ada), MOST_HELD + 6, LEASE).await;
        assert_eq!(hers.len(), MOST_HELD);
        let his = place.get(&db, (bob, bob), 4, LEASE).await;
        assert_eq!(place.hold(&db, (ada, ada), &his).await, NONE);
        assert_eq!(place.hold(&db, (ada, ada), &hers).await, hers);
    }
}

#[tokio::test]
async fn the_search_walks_along_open_comparisons_alone() {
    let db = TestDb::sqlite().await;
    let sql = format!("EXPLAIN QUERY PLAN {}", free_sql());
    let values: [sea_orm::Value; 7] = [
        Uuid::nil().into(),
        0.into(),
        Uuid::nil().into(),
        "pair".into(),
        0.into(),
        9.into(),
        4.into(),
    ];
    let statement = Statement::from_sql_and_values(db.store().backend(), sql, values);
    let rows = db.reader().query_all_raw(statement).await.unwrap();
    let plan: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "detail").unwrap())
        .collect();
    let plan = plan.join("\n");
    assert!(plan.contains("USING INDEX idx_comparison_open"), "{plan}");
    assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
}

#[tokio::test]
async fn places_are_counted_anew_when_an_older_database_comes_up() {
    for db in TestDb::each().await {
        let place = place(&db, 3).await;
        let ada = place.user;
        let pairs = place.get(&db, (ada, ada), 3, LEASE).await;
        place.judge(&db, ada, pairs[0]).await;
        place.skip(&db, ada, pairs[1]).await;
        let said = place.judge(&db, ada, pairs[2]).await;
        place.take_back(&db, &said).await;
        let before = place.progress(&db, ada).await;
        let all = db.migration_status().await.unwrap();
        let own = all
            .iter()
            .position(|(name, _)| name.ends_with("000100_assignment"));
        db.migrate_down((all.len() - own.unwrap()) as u32).await.unwrap();
        db.migrate_up().await.unwrap();
        assert_eq!(place.progress(&db, ada).await, before);
        assert_eq!((before.judged, before.wanted, before.remaining), (1, 3, 1));
    }
}
