//! What people said of a comparison, in words.

use domain::{
    judgement::{SkipReason, Strength, Verdict},
    prompt::Response,
};
use uuid::Uuid;

/// The number under which a response stands on the page, from 1.
pub fn number_of(responses: &[Response], id: Uuid) -> String {
    let place = responses.iter().position(|response| response.id == id);
    place.map_or_else(|| "?".to_owned(), |place| (place + 1).to_string())
}

/// `1 and 2`, `1, 2 and 3`.
pub fn numbers_of(responses: &[Response], ids: &[Uuid]) -> String {
    let mut places: Vec<usize> = ids
        .iter()
        .filter_map(|id| responses.iter().position(|response| response.id == *id))
        .collect();
    places.sort_unstable();
    let numbers: Vec<String> = places.iter().map(|place| (place + 1).to_string()).collect();
    match &numbers[..] {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A verdict about responses by their numbers on the page.
pub fn in_words(verdict: Verdict, ranking: &[Vec<Uuid>], responses: &[Response]) -> String {
    let group = |group: &Vec<Uuid>| numbers_of(responses, group);
    match verdict {
        Verdict::Preferred { strength } => {
            let much = match strength {
                Some(Strength::Slightly) => "slightly ",
                Some(Strength::Clearly) => "clearly ",
                Some(Strength::Much) => "much ",
                None => "",
            };
            let [better, worse] = [0, 1].map(|place| ranking.get(place).map(group).unwrap_or_default());
            format!("Response {better} is {much}better than {worse}")
        }
        Verdict::Tied => "Equally good".into(),
        Verdict::BothBad => "Neither is acceptable".into(),
        Verdict::Ranked => {
            let groups: Vec<String> = ranking.iter().map(group).collect();
            format!("Best to worst: {}", groups.join("; "))
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
        Verdict::Withdrawn => "Taken back".into(),
    }
}

/// How sure someone was, 1 to 3.
pub fn how_sure(confidence: i32) -> &'static str {
    match confidence {
        1 => "unsure",
        2 => "fairly sure",
        _ => "certain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_name_responses_by_their_numbers() {
        let ids = [1, 2, 3].map(Uuid::from_u128);
        let responses = ids.map(|id| Response {
            id,
            prompt_id: Uuid::nil(),
            content: String::new(),
            model: None,
        });
        let [a, b, c] = ids;
        let clearly = Verdict::Preferred {
            strength: Some(Strength::Clearly),
        };
        assert_eq!(
            in_words(clearly, &[vec![b], vec![a]], &responses),
            "Response 2 is clearly better than 1"
        );
        let unsaid = Verdict::Preferred { strength: None };
        assert_eq!(
            in_words(unsaid, &[vec![b], vec![a]], &responses),
            "Response 2 is better than 1"
        );
        assert_eq!(
            in_words(Verdict::Ranked, &[vec![c, a], vec![b]], &responses),
            "Best to worst: 1 and 3; 2"
        );
        assert_eq!(numbers_of(&responses, &[c, a, b]), "1, 2 and 3");
        assert_eq!(number_of(&responses, Uuid::from_u128(9)), "?");
    }
}
