use domain::run::{State, data::DataChoice, event::RunEvent};

use crate::{
    TestDb,
    begun::{imported, new_run, person},
    run::RunEnd,
};

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
