//! Judgements and corrections in force, as they are read, and the pairs that a judgement says.

use std::sync::Arc;

use domain::judgement::preferences;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Chosen, SelectedPair};
use crate::StoreError;
use crate::in_force::in_force;

/// The verdict that two responses are as good.
pub(super) const TIED: &str = "tied";

/// Verdicts that prefer something, and ties; a row was in force at the time `$2` if nothing superseded it by then.
pub(super) const JUDGEMENTS: &str = concat!(
    r#"SELECT j.id, j.comparison_id, j.user_id, u.kind AS user_kind, j.verdict, j.strength,
    j.ranking, j.flagged, c.prompt_id, p.category, COALESCE(p.near_hash, p.content_hash) AS prompt_hash, i.margin
  FROM judgement j
  LEFT JOIN imported_judgement i ON i.judgement_id = j.id
  JOIN comparison c ON c.id = j.comparison_id
  JOIN prompt p ON p.id = c.prompt_id
  JOIN "user" u ON u.id = j.user_id
  WHERE j.project_id = $1 AND j.verdict IN ('preferred', 'ranked', 'tied')
    AND j.created_at <= $2
    AND "#,
    in_force!(judgement j as of "$2"),
    "
  ORDER BY c.position, c.id, j.created_at, j.id"
);

pub(super) const CORRECTIONS: &str = concat!(
    r#"SELECT k.id, k.comparison_id, k.user_id, u.kind AS user_kind, k.content,
    c.prompt_id, p.category, COALESCE(p.near_hash, p.content_hash) AS prompt_hash, r.id AS rejected, r.content AS rejected_content
  FROM correction k
  JOIN comparison c ON c.id = k.comparison_id
  JOIN prompt p ON p.id = c.prompt_id
  JOIN "user" u ON u.id = k.user_id
  JOIN comparison_response o ON o.comparison_id = c.id
  JOIN response r ON r.id = o.response_id
  WHERE k.project_id = $1 AND k.created_at <= $2
    AND "#,
    in_force!(correction k as of "$2"),
    "
  ORDER BY c.position, c.id, k.created_at, k.id, o.position"
);

pub(super) const ANNOTATORS: &str = concat!(
    r#"SELECT u.id, u.name, u.kind, COUNT(*) AS judgements
  FROM judgement j JOIN "user" u ON u.id = j.user_id
  WHERE j.project_id = $1 AND j.verdict <> 'withdrawn'
    AND "#,
    in_force!(judgement j),
    "
  GROUP BY u.id, u.name, u.kind ORDER BY COUNT(*) DESC, u.name"
);

#[derive(Debug, FromQueryResult)]
pub(super) struct JudgementRow {
    pub id: Uuid,
    pub comparison_id: Uuid,
    pub user_id: Uuid,
    pub user_kind: String,
    pub verdict: String,
    pub strength: Option<i32>,
    pub ranking: serde_json::Value,
    pub flagged: bool,
    pub prompt_id: Uuid,
    pub category: Option<String>,
    pub prompt_hash: String,
    pub margin: Option<f64>,
}

impl JudgementRow {
    /// Its [`preferences`]; with `whole`, a ranking of three or more without ties as one.
    pub fn add_pairs(self, whole: bool, pairs: &mut Vec<SelectedPair>) -> Result<(), StoreError> {
        let groups: Vec<Vec<Uuid>> =
            serde_json::from_value(self.ranking).map_err(|error| StoreError::Corrupt {
                what: "ranking",
                value: error.to_string(),
            })?;
        let prompt_hash: Arc<str> = self.prompt_hash.into();
        let tied = self.verdict == TIED;
        let mut add = |chosen: Uuid, rejected: Uuid, lower: Vec<Uuid>| {
            pairs.push(SelectedPair {
                source: self.id,
                comparison_id: self.comparison_id,
                prompt_id: self.prompt_id,
                category: self.category.clone(),
                chosen: Chosen::Response(chosen),
                rejected,
                lower,
                strength: self.strength,
                margin: self.margin,
                tied,
                prompt_hash: prompt_hash.clone(),
            });
        };
        if tied && let [[one, other]] = groups.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
            add(*one, *other, Vec::new());
        }
        if whole && groups.len() > 2 && groups.iter().all(|group| group.len() == 1) {
            add(groups[0][0], groups[1][0], groups[2..].concat());
            return Ok(());
        }
        for (chosen, rejected) in preferences(&groups) {
            add(chosen, rejected, Vec::new());
        }
        Ok(())
    }
}

#[derive(Debug, FromQueryResult)]
pub(super) struct CorrectionRow {
    pub id: Uuid,
    pub comparison_id: Uuid,
    pub user_id: Uuid,
    pub user_kind: String,
    pub content: String,
    pub prompt_id: Uuid,
    pub category: Option<String>,
    pub prompt_hash: String,
    pub rejected: Uuid,
    pub rejected_content: String,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct AnnotatorRow {
    pub id: Uuid,
    pub name: String,
    pub kind: String,
    pub judgements: i64,
}
