use domain::{
    judgement::{Judgement, Strength, Verdict},
    run::data::DataChoice,
    score::Scored,
};
use uuid::Uuid;

use crate::{
    TestDb,
    begun::{imported, new_run, person},
    score::ResponseFilter,
};

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
