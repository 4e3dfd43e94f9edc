//! Judgements: what a person says of a comparison. Rows are only ever added; an edit or an undo supersedes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Millis;

/// The longest justification, in characters.
pub const MAX_JUSTIFICATION: usize = 4_000;

/// What was decided. The order of the responses stands in [`Judgement::ranking`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// One of two is better, by so much; None where a dataset does not say, which people always do.
    Preferred { strength: Option<Strength> },
    /// Two are equally good.
    Tied,
    /// Neither of two is acceptable.
    BothBad,
    /// Three or more were put into order.
    Ranked,
    /// Left out, for a reason.
    Skipped { reason: SkipReason },
    /// An undo: the judgement it supersedes no longer counts, and nothing stands in its place.
    Withdrawn,
}

/// How much better the chosen response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    Slightly,
    Clearly,
    Much,
}

/// Why a comparison was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Needs knowledge that the person does not have.
    NotMyField,
    /// In a language that the person does not read.
    Language,
    /// The prompt makes no sense or is broken.
    UnclearPrompt,
    /// The person would rather not deal with this content.
    Distressing,
    Other,
}

/// One row of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Made by the client before it is sent, so that a retry is the same row.
    pub id: Uuid,
    pub comparison_id: Uuid,
    pub user_id: Uuid,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Groups of equally good responses, best first; empty if skipped or withdrawn.
    pub ranking: Vec<Vec<Uuid>>,
    /// The responses as they stood on the screen, first to last.
    pub presented: Vec<Uuid>,
    /// Marked for a reviewer to look at.
    pub flagged: bool,
    pub justification: Option<String>,
    /// How sure the person is: 1 unsure, 2 fairly, 3 certain.
    pub confidence: Option<i32>,
    pub scheme_version: i32,
    /// Time the person spent with the page in view and not idle, in milliseconds.
    pub active_ms: Option<i64>,
    /// The row that this one replaces.
    pub supersedes: Option<Uuid>,
    pub created_at: Millis,
}

/// The seven steps of the pair scale, left to right, as the keys 1 to 7 give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    LeftMuch,
    LeftClearly,
    LeftSlightly,
    Tie,
    RightSlightly,
    RightClearly,
    RightMuch,
    /// Key 0: neither is acceptable.
    BothBad,
}

impl Strength {
    /// From least to most.
    pub const ALL: [Strength; 3] = [Strength::Slightly, Strength::Clearly, Strength::Much];

    /// 1, 2 or 3, as the database keeps it.
    pub fn steps(self) -> i32 {
        match self {
            Strength::Slightly => 1,
            Strength::Clearly => 2,
            Strength::Much => 3,
        }
    }
}

impl SkipReason {
    pub const ALL: [SkipReason; 5] = [
        SkipReason::NotMyField,
        SkipReason::Language,
        SkipReason::UnclearPrompt,
        SkipReason::Distressing,
        SkipReason::Other,
    ];

    /// The spelling in the database and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            SkipReason::NotMyField => "not_my_field",
            SkipReason::Language => "language",
            SkipReason::UnclearPrompt => "unclear_prompt",
            SkipReason::Distressing => "distressing",
            SkipReason::Other => "other",
        }
    }
}

impl Grade {
    /// In the order of the keys 1 to 7, then 0.
    pub const ALL: [Grade; 8] = [
        Grade::LeftMuch,
        Grade::LeftClearly,
        Grade::LeftSlightly,
        Grade::Tie,
        Grade::RightSlightly,
        Grade::RightClearly,
        Grade::RightMuch,
        Grade::BothBad,
    ];

    /// The key that gives this grade.
    pub fn key(self) -> char {
        match self {
            Grade::LeftMuch => '1',
            Grade::LeftClearly => '2',
            Grade::LeftSlightly => '3',
            Grade::Tie => '4',
            Grade::RightSlightly => '5',
            Grade::RightClearly => '6',
            Grade::RightMuch => '7',
            Grade::BothBad => '0',
        }
    }

    /// The verdict and the ranking of `[left, right]` that this grade means.
    pub fn decide(self, [left, right]: [Uuid; 2]) -> (Verdict, Vec<Vec<Uuid>>) {
        let preferred = |strength, best, worst| {
            (
                Verdict::Preferred {
                    strength: Some(strength),
                },
                vec![vec![best], vec![worst]],
            )
        };
        match self {
            Grade::LeftMuch => preferred(Strength::Much, left, right),
            Grade::LeftClearly => preferred(Strength::Clearly, left, right),
            Grade::LeftSlightly => preferred(Strength::Slightly, left, right),
            Grade::Tie => (Verdict::Tied, vec![vec![left, right]]),
            Grade::RightSlightly => preferred(Strength::Slightly, right, left),
            Grade::RightClearly => preferred(Strength::Clearly, right, left),
            Grade::RightMuch => preferred(Strength::Much, right, left),
            Grade::BothBad => (Verdict::BothBad, vec![vec![left, right]]),
        }
    }
}

/// A judgement says something that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgementError {
    #[error("the ranking must name each response that was shown exactly once")]
    RankingIncomplete,
    #[error("the responses shown are not those of this comparison")]
    PresentedMismatch,
    #[error("this verdict does not fit a comparison of {0} responses")]
    VerdictMismatch(usize),
    #[error("confidence must be 1, 2 or 3")]
    Confidence,
    #[error("the justification is longer than {MAX_JUSTIFICATION} characters")]
    JustificationTooLong,
    #[error("text must not contain NUL characters")]
    Nul,
}

impl Judgement {
    /// Checks this row against the responses of its comparison.
    pub fn check(&self, responses: &[Uuid]) -> Result<(), JudgementError> {
        if !same_members(&self.presented, responses) {
            return Err(JudgementError::PresentedMismatch);
        }
        let ranked: Vec<Uuid> = self.ranking.iter().flatten().copied().collect();
        let groups = self.ranking.len();
        let fits = match self.verdict {
            Verdict::Preferred { strength } => responses.len() == 2 && groups == 2 && strength.is_some(),
            Verdict::Tied | Verdict::BothBad => responses.len() == 2 && groups == 1,
            Verdict::Ranked => responses.len() > 2,
            Verdict::Skipped { .. } | Verdict::Withdrawn => groups == 0,
        };
        if !fits {
            return Err(JudgementError::VerdictMismatch(responses.len()));
        }
        if !self.ranking.is_empty()
            && (self.ranking.iter().any(Vec::is_empty) || !same_members(&ranked, responses))
        {
            return Err(JudgementError::RankingIncomplete);
        }
        if self
            .confidence
            .is_some_and(|confidence| !(1..=3).contains(&confidence))
        {
            return Err(JudgementError::Confidence);
        }
        let justification = self.justification.as_deref().unwrap_or_default();
        if justification.chars().count() > MAX_JUSTIFICATION {
            return Err(JudgementError::JustificationTooLong);
        }
        if justification.contains('\0') {
            return Err(JudgementError::Nul);
        }
        Ok(())
    }
}

/// The pairs (chosen, rejected) that an order says, best group first: every response of a better group over every one of a worse one.
pub fn preferences<T: Copy>(ranking: &[Vec<T>]) -> impl Iterator<Item = (T, T)> {
    ranking.iter().enumerate().flat_map(|(place, better)| {
        let worse = ranking[place + 1..].iter().flatten();
        worse.flat_map(move |worse| better.iter().map(move |chosen| (*chosen, *worse)))
    })
}

fn same_members(left: &[Uuid], right: &[Uuid]) -> bool {
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    left.sort_unstable();
    right.sort_unstable();
    left == right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>() -> [Uuid; N] {
        std::array::from_fn(|i| Uuid::from_u128(i as u128 + 1))
    }

    fn judgement(verdict: Verdict, ranking: Vec<Vec<Uuid>>, presented: &[Uuid]) -> Judgement {
        Judgement {
            id: Uuid::from_u128(100),
            comparison_id: Uuid::from_u128(101),
            user_id: Uuid::from_u128(102),
            verdict,
            ranking,
            presented: presented.to_vec(),
            flagged: false,
            justification: None,
            confidence: None,
            scheme_version: 1,
            active_ms: None,
            supersedes: None,
            created_at: 0,
        }
    }

    #[test]
    fn every_grade_makes_a_judgement_that_checks() {
        let sides = ids::<2>();
        for grade in Grade::ALL {
            let (verdict, ranking) = grade.decide(sides);
            assert_eq!(
                judgement(verdict, ranking, &sides).check(&sides),
                Ok(()),
                "{grade:?}"
            );
        }
    }

    #[test]
    fn a_ranking_with_a_tie_implies_five_preferences_of_four() {
        let [a, b, c, d] = ids::<4>();
        let ranked = judgement(Verdict::Ranked, vec![vec![b], vec![a, d], vec![c]], &[a, b, c, d]);
        assert_eq!(ranked.check(&[a, b, c, d]), Ok(()));
        let pairs: Vec<_> = preferences(&ranked.ranking).collect();
        assert_eq!(pairs, [(b, a), (b, d), (b, c), (a, c), (d, c)]);
    }

    #[test]
    fn a_ranking_that_leaves_one_out_is_refused() {
        let [a, b, c] = ids::<3>();
        let ranked = judgement(Verdict::Ranked, vec![vec![a], vec![b]], &[a, b, c]);
        assert_eq!(ranked.check(&[a, b, c]), Err(JudgementError::RankingIncomplete));
        let foreign = judgement(Verdict::Tied, vec![vec![a, c]], &[a, c]);
        assert_eq!(foreign.check(&[a, b]), Err(JudgementError::PresentedMismatch));
    }
}
