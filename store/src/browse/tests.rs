//! Looking through a project, on both databases.

use domain::{
    comparison::{ComparisonKind, presented_order},
    correction::Correction,
    formats::{ComparedResponses, Opinion, ResponseText, Row},
    import::ImportProgress,
    judgement::{Grade, Judgement, SkipReason, Strength, Verdict},
    permission::Role,
    prompt::{Message, Speaker},
};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::*;
use crate::{TestDb, import::Importer, project::NewProject, user::NewUser};

/// Prompts of the test's project; the first has a ranking beside its pair, every tenth an imported preference.
const PROMPTS: usize = 90;

struct Library {
    project: Uuid,
    reviewer: Uuid,
}

fn row(n: usize) -> Row {
    let said = |content: String| Message {
        role: Speaker::User,
        content,
    };
    let opinion = n.is_multiple_of(10).then(|| Opinion {
        ranking: vec![vec![1], vec![0]],
        strength: Some(Strength::Clearly),
        ..Opinion::default()
    });
    let mut comparisons = vec![ComparedResponses {
        responses: vec![0, 1],
        opinion,
    }];
    if n == 0 {
        comparisons.push(ComparedResponses {
            responses: vec![0, 1, 2],
            opinion: None,
        });
    }
    Row {
        prompt: vec![said(format!("Вопрос {n}: 100% \"wie\" geht’s_{n}?"))],
        category: Some(if n < 60 { "letters" } else { "numbers" }.into()),
        language: n.is_multiple_of(2).then(|| "ru".into()),
        responses: (0..3)
            .map(|r| ResponseText {
                content: format!("Reply {r} of {n}"),
                model: Some(format!("model-{r}")),
                ..ResponseText::default()
            })
            .collect(),
        comparisons,
        ..Row::default()
    }
}

async fn library(db: &TestDb) -> Library {
    let new = NewProject {
        name: "Library".into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = db.insert_project(new).await.unwrap().id;
    let annotator = db.ensure_annotator("a file").await.unwrap();
    let mut importer = Importer::new(db.store(), project, Uuid::now_v7(), Some(annotator));
    let rows: Vec<Row> = (0..PROMPTS).map(row).collect();
    for batch in rows.chunks(37) {
        importer
            .insert(batch, &mut ImportProgress::default(), None)
            .await
            .unwrap();
    }
    let new = NewUser {
        name: "Rita".into(),
        email: "rita@example.org".into(),
        password_hash: String::new(),
        role: Role::Reviewer,
    };
    let reviewer = db.insert_user(new).await.unwrap().id;
    Library { project, reviewer }
}

impl Library {
    /// The numbers of the prompts that a filter finds, over all pages, forwards.
    async fn numbers(&self, db: &Store, filter: &PromptFilter) -> Vec<usize> {
        let mut numbers = Vec::new();
        let mut turn = Turn::First;
        loop {
            let page = db.list_prompts(self.project, filter, turn).await.unwrap();
            numbers.extend(page.rows.iter().map(number));
            match page.after {
                Some(place) => turn = Turn::After(place),
                None => return numbers,
            }
        }
    }

    /// The prompt of that number, and its pair.
    async fn pair(&self, db: &Store, n: usize) -> (Uuid, ComparisonRecord) {
        let text = Some(format!("geht’s_{n}?"));
        let filter = PromptFilter {
            text,
            ..PromptFilter::default()
        };
        let mut turn = Turn::First;
        loop {
            let page = db.list_prompts(self.project, &filter, turn).await.unwrap();
            if let Some(row) = page.rows.first() {
                let record = db.find_prompt_record(self.project, row.place.id).await.unwrap();
                return (row.place.id, record.comparisons[0].clone());
            }
            turn = Turn::After(page.after.expect("the prompt is there"));
        }
    }

    fn judgement(&self, pair: &ComparisonRecord, verdict: Verdict, ranking: Vec<Vec<Uuid>>) -> Judgement {
        Judgement {
            id: Uuid::new_v4(),
            comparison_id: pair.id,
            user_id: self.reviewer,
            verdict,
            ranking,
            presented: presented_order(pair.id, self.reviewer, &pair.responses),
            flagged: false,
            justification: None,
            confidence: None,
            scheme_version: 1,
            active_ms: None,
            supersedes: None,
            created_at: crate::now(),
        }
    }

    fn graded(&self, pair: &ComparisonRecord) -> Judgement {
        let shown = presented_order(pair.id, self.reviewer, &pair.responses);
        let (verdict, ranking) = Grade::LeftMuch.decide([shown[0], shown[1]]);
        self.judgement(pair, verdict, ranking)
    }
}

fn number(row: &PromptRow) -> usize {
    let text = &row.messages[0].content;
    text.split([' ', ':']).nth(1).unwrap().parse().unwrap()
}

fn state(state: PromptState) -> PromptFilter {
    PromptFilter {
        state: Some(state),
        ..PromptFilter::default()
    }
}

fn text(text: &str) -> PromptFilter {
    PromptFilter {
        text: Some(text.into()),
        ..PromptFilter::default()
    }
}

#[tokio::test]
async fn prompts_come_in_the_order_of_the_file_forwards_and_backwards() {
    for db in TestDb::each().await {
        let library = library(&db).await;
        let all = PromptFilter::default();
        let expected: Vec<usize> = (0..PROMPTS).collect();
        assert_eq!(library.numbers(&db, &all).await, expected, "{:?}", db.backend());
        let first = db.list_prompts(library.project, &all, Turn::First).await.unwrap();
        assert_eq!(first.before, None);
        let second = db
            .list_prompts(library.project, &all, Turn::After(first.after.unwrap()))
            .await
            .unwrap();
        let back = db
            .list_prompts(library.project, &all, Turn::Before(second.before.unwrap()))
            .await
            .unwrap();
        assert_eq!(back, first);
        assert_eq!(first.rows[0].responses.len(), 3);
        let counts = first.rows[0].counts;
        assert_eq!((counts.comparisons, counts.imported, counts.judged), (2, 1, 0));
    }
}

#[tokio::test]
async fn filters_find_what_they_name_and_go_on_where_they_stopped() {
    for db in TestDb::each().await {
        let library = library(&db).await;
        let by = async |filter: PromptFilter| library.numbers(&db, &filter).await;
        let numbers = PromptFilter {
            category: Some("numbers".into()),
            language: Some("ru".into()),
            ..PromptFilter::default()
        };
        let even: Vec<usize> = (60..90).step_by(2).collect();
        assert_eq!(by(numbers).await, even, "{:?}", db.backend());
        let ranking = PromptFilter {
            kind: Some(ComparisonKind::Ranking),
            ..PromptFilter::default()
        };
        assert_eq!(by(ranking).await, [0]);
        let model = PromptFilter {
            model: Some("model-9".into()),
            ..PromptFilter::default()
        };
        assert!(by(model).await.is_empty());
        let tens: Vec<usize> = (0..PROMPTS).step_by(10).collect();
        assert_eq!(by(state(PromptState::Imported)).await, tens);

        let late = db
            .list_prompts(library.project, &text("reply 2 of 88"), Turn::First)
            .await
            .unwrap();
        assert!(late.rows.is_empty() && late.unfinished && late.after.is_some());
        assert_eq!(by(text("reply 2 of 88")).await, [88]);
    }
}

#[tokio::test]
async fn a_search_takes_its_text_as_it_is_in_any_case_and_only_in_what_was_said() {
    for db in TestDb::each().await {
        let library = library(&db).await;
        let by = async |wanted: &str| library.numbers(&db, &text(wanted)).await;
        assert_eq!(by("вопрос 7:").await, [7], "{:?}", db.backend());
        assert_eq!(by("ВОПРОС 7:").await, [7]);
        assert_eq!(by("REPLY 1 OF 12").await, [12]);
        assert_eq!(by("\"WIE\" GEHT’S_31?").await, [31]);
        assert_eq!(by("100%").await.len(), PROMPTS);
        assert!(by("100_").await.is_empty(), "_ is no wildcard");
        assert!(by("role").await.is_empty() && by("content").await.is_empty());
        assert!(by("!").await.is_empty() && by("a\0b").await.is_empty());
    }
}

#[tokio::test]
async fn a_flag_an_undo_a_skip_and_a_correction_are_found_as_they_stand() {
    for db in TestDb::each().await {
        let library = library(&db).await;
        let (judged, pair) = library.pair(&db, 3).await;
        let mut flagged = library.graded(&pair);
        flagged.flagged = true;
        flagged.justification = Some("It hides the <b>date</b>.".into());
        db.insert_judgement(library.project, flagged.clone())
            .await
            .unwrap();
        let (_, other) = library.pair(&db, 64).await;
        let reason = SkipReason::Language;
        let skip = library.judgement(&other, Verdict::Skipped { reason }, Vec::new());
        db.insert_judgement(library.project, skip).await.unwrap();
        let correction = Correction {
            id: Uuid::new_v4(),
            comparison_id: other.id,
            user_id: library.reviewer,
            response_id: None,
            content: "A better one".into(),
            supersedes: None,
            created_at: crate::now(),
        };
        db.insert_correction(library.project, correction).await.unwrap();

        let by = async |wanted| library.numbers(&db, &state(wanted)).await;
        assert_eq!(by(PromptState::Judged).await, [3], "{:?}", db.backend());
        assert_eq!(by(PromptState::Flagged).await, [3]);
        assert_eq!(by(PromptState::Skipped).await, [64]);
        assert_eq!(by(PromptState::Corrected).await, [64]);
        assert!(!by(PromptState::Unjudged).await.contains(&3));
        assert!(!by(PromptState::Unfinished).await.contains(&3));
        db.set_wanted(library.project, 2).await.unwrap();
        assert!(by(PromptState::Unfinished).await.contains(&3), "one of two");
        assert_eq!(db.count_flagged(library.project).await.unwrap(), 1);

        let record = db.find_prompt_record(library.project, judged).await.unwrap();
        let said = &record.comparisons[0].judgements[0];
        assert_eq!(
            (said.annotator.as_str(), said.in_force, said.imported),
            ("Rita", true, false)
        );
        assert_eq!(said.judgement.justification, flagged.justification);

        let undo = Judgement {
            supersedes: Some(flagged.id),
            flagged: false,
            ..library.judgement(&pair, Verdict::Withdrawn, Vec::new())
        };
        db.insert_judgement(library.project, undo).await.unwrap();
        assert!(by(PromptState::Flagged).await.is_empty() && by(PromptState::Judged).await.is_empty());
        assert_eq!(db.count_flagged(library.project).await.unwrap(), 0);
        let record = db.find_prompt_record(library.project, judged).await.unwrap();
        let rows = &record.comparisons[0].judgements;
        assert_eq!(rows.len(), 2, "the history is kept");
        assert!(rows.iter().all(|row| !row.in_force));
    }
}

#[tokio::test]
async fn a_prompt_knows_its_neighbours_and_no_other_project_knows_it() {
    for db in TestDb::each().await {
        let library = library(&db).await;
        let (id, _) = library.pair(&db, 50).await;
        let record = db.find_prompt_record(library.project, id).await.unwrap();
        let next = db
            .find_prompt_record(library.project, record.after.unwrap())
            .await
            .unwrap();
        assert_eq!(next.before, Some(id));
        assert_eq!(next.prompt.messages[0].content, row(51).prompt[0].content);
        let foreign = db.find_prompt_record(Uuid::new_v4(), id).await;
        assert!(matches!(foreign, Err(StoreError::NotFound(_))));
    }
}

#[tokio::test]
async fn prompts_of_before_are_numbered_in_the_order_of_their_comparisons() {
    for db in TestDb::each().await {
        let library = library(&db).await;
        let steps = db
            .migration_status()
            .await
            .unwrap()
            .iter()
            .rev()
            .position(|(name, _)| name.contains("prompt_position"))
            .unwrap();
        db.writer()
            .execute_unprepared("UPDATE prompt SET created_at = 5")
            .await
            .unwrap();
        db.migrate_down(steps as u32 + 1).await.unwrap();
        db.migrate_up().await.unwrap();
        let expected: Vec<usize> = (0..PROMPTS).collect();
        assert_eq!(library.numbers(&db, &PromptFilter::default()).await, expected);
    }
}
