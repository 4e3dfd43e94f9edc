//! The project that is judged, its people, and what stands in it in the end.

use anyhow::{Context, Result};
use domain::{
    comparison::{ComparisonKind, presented_order},
    formats::{ComparedResponses, ResponseText, Row},
    import::ImportProgress,
    judgement::Grade,
    permission::Role,
    prompt::{Message, Speaker},
    task::Submission,
};
use server::auth::password;
use store::{
    Store,
    assignment::{Claim, LEASE},
    comparison::Worklist,
    import::Importer,
    project::NewProject,
    sea_orm::{ConnectionTrait, Statement},
    user::NewUser,
};
use uuid::Uuid;

pub const PASSWORD: &str = "a few words do well";

/// Who works where.
pub struct Place {
    pub project: Uuid,
    pub emails: Vec<String>,
    people: Vec<Uuid>,
    pairs: usize,
}

/// What the rows say, counted without the store's own counts.
#[derive(Debug, Clone, Copy)]
pub struct Verdicts {
    /// Judgements in force that are no skips.
    pub in_force: u64,
    /// Of these, over the wanted number of their comparison.
    pub over: u64,
    /// The same by the store's own counts.
    pub counted_over: u64,
}

impl Place {
    /// A project of so many pairs, and people with accounts.
    pub async fn fill(store: &Store, pairs: usize, wanted: i32, people: usize) -> Result<Place> {
        let new = NewProject {
            name: "Load".into(),
            instructions: String::new(),
            demo: false,
            created_by: None,
        };
        let project = store.insert_project(new).await?.id;
        store.set_wanted(project, wanted).await?;
        let mut importer = Importer::new(store.clone(), project, Uuid::nil(), None);
        let rows: Vec<Row> = (0..pairs).map(row).collect();
        let mut progress = ImportProgress::default();
        for rows in rows.chunks(1_000) {
            importer.insert(rows, &mut progress, None).await?;
        }
        let hash = password::hash(PASSWORD.to_owned()).await?;
        let mut place = Place {
            project,
            emails: (0..people).map(|n| format!("person-{n}@example.org")).collect(),
            people: Vec::new(),
            pairs,
        };
        for email in &place.emails {
            let new = NewUser {
                name: email.clone(),
                email: email.clone(),
                password_hash: hash.clone(),
                role: Role::Trainer,
            };
            place.people.push(store.insert_user(new).await?.id);
        }
        Ok(place)
    }

    /// Everyone judges their share of the first half, without the server.
    pub async fn judge_half(&self, store: &Store) -> Result<()> {
        let project = store.find_project(self.project).await?;
        let mut left = self.pairs / 2;
        for (n, &user) in self.people.iter().enumerate() {
            for _ in 0..left.div_ceil(self.people.len() - n) {
                let list = Worklist {
                    project: &project,
                    user,
                    kind: ComparisonKind::Pair,
                };
                let claim = Claim {
                    list,
                    seat: user,
                    lease: LEASE,
                    without: &[],
                    limit: 1,
                };
                let pair = store.claim_comparisons(claim).await?;
                let &pair = pair.first().context("nothing is left")?;
                let members = store.comparison_members(pair).await?;
                let presented = presented_order(pair, user, &members);
                let (verdict, ranking) = Grade::LeftClearly.decide([presented[0], presented[1]]);
                let submission = Submission {
                    id: Uuid::new_v4(),
                    comparison_id: pair,
                    verdict,
                    ranking,
                    presented,
                    flagged: false,
                    justification: None,
                    confidence: None,
                    active_ms: None,
                    supersedes: None,
                };
                store
                    .insert_judgement(self.project, submission.into_judgement(user, store::now()))
                    .await?;
                left -= 1;
            }
        }
        Ok(())
    }

    /// Counts what is in force.
    pub async fn count(&self, store: &Store) -> Result<Verdicts> {
        const COUNT: &str = "SELECT CAST(COALESCE(SUM(given), 0) AS BIGINT),
          CAST(COALESCE(SUM(CASE WHEN given > wanted THEN given - wanted ELSE 0 END), 0) AS BIGINT)
        FROM (SELECT c.id, c.wanted AS wanted, COUNT(*) AS given FROM judgement j JOIN comparison c ON c.id = j.comparison_id
          WHERE c.project_id = $1 AND j.verdict NOT IN ('withdrawn', 'skipped')
            AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id)
          GROUP BY c.id, c.wanted) AS counted";
        let statement = Statement::from_sql_and_values(store.backend(), COUNT, [self.project.into()]);
        let row = store.reader().query_one_raw(statement).await?.context("no row")?;
        let counted = store.list_workload(self.project).await?;
        Ok(Verdicts {
            in_force: row.try_get_by_index::<i64>(0)? as u64,
            over: row.try_get_by_index::<i64>(1)? as u64,
            counted_over: counted.iter().map(|group| group.surplus).sum(),
        })
    }
}

fn row(n: usize) -> Row {
    let text = |what: &str| {
        format!(
            "{what} {n}: {}",
            "some *words* of an answer that goes on. ".repeat(30)
        )
    };
    let response = |side: &str| ResponseText {
        content: text(side),
        ..ResponseText::default()
    };
    Row {
        prompt: vec![Message {
            role: Speaker::User,
            content: text("Question"),
        }],
        category: None,
        language: None,
        responses: vec![response("One"), response("Other")],
        comparisons: vec![ComparedResponses {
            responses: vec![0, 1],
            opinion: None,
        }],
        ..Row::default()
    }
}
