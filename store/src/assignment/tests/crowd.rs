//! Thirty-two people at once.

use std::{collections::HashMap, sync::Arc};

use domain::judgement::Grade;
use uuid::Uuid;

use super::*;

const PEOPLE: u128 = 32;

async fn crowd(db: &Store) -> Vec<Uuid> {
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(person(db, &format!("person-{n}")).await);
    }
    people
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_who_begin_together_get_different_pairs() {
    for db in TestDb::each().await {
        let place = Arc::new(place(&db, 300).await);
        let mut pages = Vec::new();
        for user in crowd(&db).await {
            let (store, place) = (db.store(), place.clone());
            pages.push(tokio::spawn(async move {
                place.get(&store, (user, user), 4, LEASE).await
            }));
        }
        let mut handed_out = Vec::new();
        for page in pages {
            let got = page.await.unwrap();
            assert_eq!(got.len(), 4, "{:?}", db.backend());
            handed_out.extend(got);
        }
        handed_out.sort();
        handed_out.dedup();
        assert_eq!(handed_out.len(), 128, "{:?}", db.backend());
    }
}

/// Works until the project is done: judges, and now and then takes back, skips, reloads, or lets a lease run out.
async fn work(db: Store, place: Arc<Place>, user: Uuid, mut dice: u64) {
    loop {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let throw = dice >> 60;
        let lease = if throw == 0 { Duration::ZERO } else { LEASE };
        let seat = Uuid::from_u64_pair(dice, dice);
        let got = place.get(&db, (user, seat), 3, lease).await;
        let Some((&first, rest)) = got.split_first() else {
            let progress = place.progress(&db, user).await;
            if progress.remaining + progress.elsewhere == 0 {
                return;
            }
            tokio::task::yield_now().await;
            continue;
        };
        match throw {
            // Ran out at once: what is not held again must not be judged.
            0 => {
                if place.hold(&db, (user, seat), &got).await.contains(&first) {
                    place.judge(&db, user, first).await;
                }
            }
            1 if user.as_u128().is_multiple_of(2) => drop(place.skip(&db, user, first).await),
            2 | 3 => {
                let said = place.judge(&db, user, first).await;
                let withdrawal = place.take_back(&db, &said).await;
                let mut again = place.graded(&db, user, first, Grade::Tie).await;
                again.supersedes = Some(withdrawal.id);
                db.insert_judgement(place.project.id, again).await.unwrap();
            }
            4 => db.give_back_comparisons(user, seat, &got).await.unwrap(),
            _ => {
                place.judge(&db, user, first).await;
                if let Some(&next) = rest.first() {
                    place.judge(&db, user, next).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_at_once_judge_nothing_more_often_than_wanted() {
    for (db, wanted) in TestDb::each()
        .await
        .iter()
        .zip([1, 1])
        .chain(TestDb::each().await.iter().zip([3, 3]))
    {
        let place = Arc::new(place(db, 60).await);
        db.set_wanted(place.project.id, wanted).await.unwrap();
        let mut people = Vec::new();
        for (n, user) in crowd(db).await.into_iter().enumerate() {
            people.push(tokio::spawn(work(db.store(), place.clone(), user, n as u64)));
        }
        for someone in people {
            someone.await.unwrap();
        }
        let progress = place.progress(db, place.user).await;
        assert_eq!(
            progress.surplus,
            0,
            "{:?}, {wanted} wanted: {progress:?}",
            db.backend()
        );
        assert_eq!(
            progress.judged,
            progress.wanted,
            "{:?}: work was left",
            db.backend()
        );
        let counted = in_force(db, &place).await;
        assert!(
            counted.values().all(|&count| count == wanted as usize),
            "{counted:?}"
        );
    }
}

/// Judgements in force of each pair that are no skips, counted without what the store counts by.
async fn in_force(db: &Store, place: &Place) -> HashMap<Uuid, usize> {
    use crate::entity::judgement;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let rows = judgement::Entity::find()
        .filter(judgement::Column::ProjectId.eq(place.project.id))
        .all(db.reader())
        .await
        .unwrap();
    let superseded: Vec<Uuid> = rows.iter().filter_map(|row| row.supersedes).collect();
    let mut counted = HashMap::new();
    for row in &rows {
        let says = !matches!(row.verdict.as_str(), "withdrawn" | "skipped");
        if says && !superseded.contains(&row.id) {
            *counted.entry(row.comparison_id).or_default() += 1;
        }
    }
    counted
}
