//! Work for one person as it crosses the wire: a comparison as it is shown, and what comes back.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Millis,
    comparison::ComparisonKind,
    judgement::{Judgement, Verdict},
    project::SCHEME_VERSION,
    prompt::Speaker,
};

/// A comparison as one person sees it: in their order, without the models' names, Markdown already made safe HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub comparison_id: Uuid,
    pub kind: ComparisonKind,
    pub turns: Vec<ShownTurn>,
    pub category: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// In the order in which they stand on the screen.
    pub responses: Vec<ShownResponse>,
    /// The person's own last row on this comparison, if there is one: the next one supersedes it.
    pub supersedes: Option<Uuid>,
    /// What that row says, in a sentence, if it is in force.
    pub said: Option<String>,
    /// What the person wrote beside that row, or beside the one that it took back: the draft begins with it.
    #[serde(default)]
    pub written: Written,
    /// The person's own correction, if there is one.
    pub corrected: bool,
}

/// What a person writes beside a verdict, and the places of an order that is not given yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Written {
    pub flagged: bool,
    pub justification: String,
    /// How sure the person is: 1 unsure, 2 fairly, 3 certain.
    pub confidence: Option<i32>,
    /// The place of each response as it stands on the screen, 1 the best; empty where none has one.
    pub places: Vec<Option<u8>>,
}

impl Written {
    /// What a row says beside its verdict; its responses in the order in which they stood on the screen.
    pub fn of(row: &Judgement) -> Written {
        Written {
            flagged: row.flagged,
            justification: row.justification.clone().unwrap_or_default(),
            confidence: row.confidence,
            places: match row.verdict {
                Verdict::Ranked => places_by_group(&row.ranking, &row.presented),
                _ => Vec::new(),
            },
        }
    }
}

/// One turn of the conversation, as safe HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTurn {
    pub role: Speaker,
    pub html: String,
}

/// One response, as safe HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownResponse {
    pub id: Uuid,
    pub html: String,
}

/// How far a person and a project are with one kind of comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Comparisons that the person has judged or skipped.
    pub done: u64,
    /// Comparisons that still wait for this person.
    pub remaining: u64,
    /// Comparisons that would wait for this person, had not others them in hand at the moment.
    pub elsewhere: u64,
    /// Judgements that the project has, of those wanted.
    pub judged: u64,
    /// Judgements that are wanted in the project: each comparison counts as often as it is to be judged.
    pub wanted: u64,
    /// Judgements over the wanted number.
    pub surplus: u64,
}

/// A judgement as the client sends it. Who said it, and when, is the server's to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Made by the client, so that a retry is the same row.
    pub id: Uuid,
    pub comparison_id: Uuid,
    pub verdict: Verdict,
    pub ranking: Vec<Vec<Uuid>>,
    pub presented: Vec<Uuid>,
    pub flagged: bool,
    pub justification: Option<String>,
    pub confidence: Option<i32>,
    pub active_ms: Option<i64>,
    pub supersedes: Option<Uuid>,
}

impl Submission {
    /// The row that this makes for `user_id`.
    pub fn into_judgement(self, user_id: Uuid, created_at: Millis) -> Judgement {
        Judgement {
            id: self.id,
            comparison_id: self.comparison_id,
            user_id,
            verdict: self.verdict,
            ranking: self.ranking,
            presented: self.presented,
            flagged: self.flagged,
            justification: self.justification.filter(|text| !text.trim().is_empty()),
            confidence: self.confidence,
            scheme_version: SCHEME_VERSION,
            active_ms: self.active_ms.map(|ms| ms.clamp(0, MAX_ACTIVE_MS)),
            supersedes: self.supersedes,
            created_at,
        }
    }
}

/// A day: more active time than that on one comparison is a broken clock.
const MAX_ACTIVE_MS: i64 = 24 * 3600 * 1000;

/// The letter under which the response at this place is shown: A, B, C, …
pub fn letter(place: usize) -> char {
    u8::try_from(place)
        .ok()
        .filter(|&place| place < 26)
        .map_or('?', |place| char::from(b'A' + place))
}

/// From a place per item (1 is best, equal places tie) to groups, best first. None if an item has no place.
pub fn groups_by_place(ids: &[Uuid], places: &[Option<u8>]) -> Option<Vec<Vec<Uuid>>> {
    let mut placed = Vec::with_capacity(ids.len());
    for (index, &id) in ids.iter().enumerate() {
        placed.push((places.get(index).copied().flatten()?, id));
    }
    placed.sort_by_key(|&(place, _)| place);
    let groups = placed.chunk_by(|a, b| a.0 == b.0);
    Some(
        groups
            .map(|group| group.iter().map(|&(_, id)| id).collect())
            .collect(),
    )
}

/// The other way round: the place of each response shown, by the groups of a ranking. Empty if nothing is ranked.
pub fn places_by_group(ranking: &[Vec<Uuid>], presented: &[Uuid]) -> Vec<Option<u8>> {
    if ranking.is_empty() {
        return Vec::new();
    }
    let place = |id: &Uuid| {
        let group = ranking.iter().position(|group| group.contains(id))?;
        u8::try_from(group + 1).ok()
    };
    presented.iter().map(place).collect()
}

/// What a verdict says, as a person reads it: responses by the letters they were shown under.
pub fn describe(verdict: Verdict, ranking: &[Vec<Uuid>], presented: &[Uuid]) -> String {
    use crate::judgement::{SkipReason, Strength};
    let name = |id: &Uuid| {
        let place = presented.iter().position(|shown| shown == id);
        place.map_or('?', letter).to_string()
    };
    match verdict {
        Verdict::Preferred { strength } => {
            let best = ranking
                .first()
                .and_then(|group| group.first())
                .map(name)
                .unwrap_or_default();
            let much = match strength {
                Some(Strength::Slightly) => "slightly ",
                Some(Strength::Clearly) => "clearly ",
                Some(Strength::Much) => "much ",
                None => "",
            };
            format!("{best} is {much}better")
        }
        Verdict::Tied => "Equally good".into(),
        Verdict::BothBad => "Neither is acceptable".into(),
        Verdict::Ranked => {
            let groups = ranking.iter().map(|group| {
                let mut names: Vec<String> = group.iter().map(name).collect();
                names.sort_unstable();
                names.join(" = ")
            });
            groups.collect::<Vec<_>>().join(" > ")
        }
        Verdict::Skipped { reason } => {
            let why = match reason {
                SkipReason::NotMyField => "not my field",
                SkipReason::Language => "not my language",
                SkipReason::UnclearPrompt => "unclear prompt",
                SkipReason::Distressing => "distressing",
                SkipReason::Other => "another reason",
            };
            format!("Skipped: {why}")
        }
        Verdict::Withdrawn => "Withdrawn".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_places_tie() {
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let groups = groups_by_place(&ids, &[Some(2), Some(1), Some(2), Some(4)]);
        assert_eq!(
            groups,
            Some(vec![vec![ids[1]], vec![ids[0], ids[2]], vec![ids[3]]])
        );
        assert_eq!(groups_by_place(&ids, &[Some(1), None, Some(2), Some(3)]), None);
        assert_eq!(groups_by_place(&ids, &[Some(1)]), None);
    }

    #[test]
    fn a_ranking_of_nine_gives_its_places_back() {
        let ids: Vec<Uuid> = (1..=9).map(Uuid::from_u128).collect();
        let places: Vec<Option<u8>> = [3, 1, 2, 2, 7, 5, 4, 6, 6].map(Some).to_vec();
        let groups = groups_by_place(&ids, &places).unwrap();
        assert_eq!(places_by_group(&groups, &ids), places);
        assert_eq!(
            describe(Verdict::Ranked, &groups, &ids),
            "B > C = D > A > G > F > H = I > E"
        );
        assert_eq!(places_by_group(&[], &ids), []);
    }

    #[test]
    fn verdicts_read_by_the_letters_shown() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let ranking = [vec![b], vec![a, c]];
        assert_eq!(describe(Verdict::Ranked, &ranking, &[c, b, a]), "B > A = C");
        let strength = Some(crate::judgement::Strength::Clearly);
        let pair = [vec![a], vec![b]];
        assert_eq!(
            describe(Verdict::Preferred { strength }, &pair, &[b, a]),
            "B is clearly better"
        );
    }
}
