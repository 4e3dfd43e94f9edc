//! What tests of pairs, runs and scores begin with.

use domain::{
    formats::{ComparedResponses, Opinion, ResponseText, Row},
    import::ImportProgress,
    judgement::{Grade, Judgement, Strength},
    permission::Role,
    project::Project,
    prompt::{Message, Speaker},
    run::data::{DataChoice, HeldOut, JudgementSource},
};
use recipe::Recipe;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::{
    Store, entity::comparison, import::Importer, now, project::NewProject, run::NewRun, user::NewUser,
};

/// A project of so many prompts, each with two responses of which an imported annotator prefers the first, longer one.
pub async fn imported(store: &Store, name: &str, prompts: usize) -> Project {
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

pub async fn person(store: &Store) -> Uuid {
    let new = NewUser {
        name: "Ada".into(),
        email: format!("{}@example.org", Uuid::now_v7()),
        password_hash: "x".into(),
        role: Role::Lead,
    };
    store.insert_user(new).await.unwrap().id
}

pub async fn comparisons(store: &Store, project: Uuid) -> Vec<comparison::Model> {
    comparison::Entity::find()
        .filter(comparison::Column::ProjectId.eq(project))
        .order_by_asc(comparison::Column::Position)
        .all(store.reader())
        .await
        .unwrap()
}

pub async fn judge(store: &Store, project: Uuid, user: Uuid, comparison: Uuid, grade: Grade) -> Judgement {
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

pub fn settings() -> Recipe {
    Recipe {
        seed: 1,
        max_tokens: 64,
        ..Recipe::as_before()
    }
}

pub fn new_run(project: Uuid, choice: DataChoice) -> NewRun {
    NewRun {
        project_id: project,
        name: String::new(),
        settings: settings(),
        choice,
        created_by: None,
    }
}

pub fn of_people() -> DataChoice {
    DataChoice {
        source: JudgementSource::People,
        held_out: HeldOut::Share { percent: 0, seed: 0 },
        ..DataChoice::default()
    }
}
