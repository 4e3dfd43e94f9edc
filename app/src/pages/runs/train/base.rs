//! What can be named as base model, and whether the one that is chosen reads the prompts' languages.

use domain::run::{Run, State};
use leptos::prelude::*;

use crate::{scoring::Base, server_fns::runs::TrainForm};

/// The names that the form offers are an element of this identifier.
pub const OFFERED: &str = "base-models";

/// Base models on this machine, and the languages of prompts that the chosen one does not read.
#[derive(Debug, Clone)]
pub struct Bases {
    offered: Vec<Base>,
    /// BCP 47 tags.
    unread: Vec<String>,
}

impl Bases {
    /// For a form as it is filled in; `languages` are those of the project's prompts.
    pub fn of(form: &TrainForm, offered: Vec<Base>, languages: Vec<String>) -> Bases {
        let chosen = offered.iter().find(|base| base.name == form.base());
        let english_alone = chosen.is_some_and(|base| base.reads_english_alone);
        let is_other = |tag: &String| {
            let language = tag.split(['-', '_']).next().unwrap_or_default();
            !language.eq_ignore_ascii_case("en") && !language.eq_ignore_ascii_case("english")
        };
        Bases {
            unread: languages
                .into_iter()
                .filter(is_other)
                .filter(|_| english_alone)
                .collect(),
            offered,
        }
    }
}

/// What the installation's own base model is, a warning where it does not read the prompts, and what else can be named.
pub fn base_part(bases: Bases, runs: &[Run]) -> impl IntoView + use<> {
    let own = bases.offered.iter().find(|base| base.name.is_empty());
    let own = own.map(|base| base.what.clone()).unwrap_or_default();
    let unread = (!bases.unread.is_empty()).then(|| {
        let languages = bases.unread.join(", ");
        view! {
            <p class="alert note">
                {format!(
                    "Some prompts are in other languages ({languages}), and the base model reads English alone: what it learns of them means \
                     little. Name one that reads them under “What learns”.",
                )}
            </p>
        }
    });
    let kept = bases
        .offered
        .into_iter()
        .filter(|base| !base.name.is_empty())
        .map(|base| view! { <option value=base.name.clone()>{format!("{}: {}", base.name, base.what)}</option> });
    let trained = runs.iter().filter(|run| run.state == State::Done).map(
        |run| view! { <option value=run.id.to_string()>{format!("{}, trained here", run.name)}</option> },
    );
    let offered: Vec<_> = kept.chain(trained).collect();
    view! {
        <p class="soft small">
            {format!("Base model: {own}. Another is named under “What learns”: a model trained here, a folder among this installation’s models, or a name on the Hugging Face hub.")}
        </p>
        {unread}
        <datalist id=OFFERED>{offered}</datalist>
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn languages_that_the_chosen_base_does_not_read_are_told() {
        let base = |name: &str, reads_english_alone| Base {
            name: name.into(),
            what: String::new(),
            reads_english_alone,
        };
        let offered = vec![base("", true), base("wide", false)];
        let languages = || ["en", "en-GB", "ar", "zh-Hans"].map(String::from).to_vec();
        let mut form = TrainForm::new(Uuid::nil());
        assert_eq!(
            Bases::of(&form, offered.clone(), languages()).unread,
            ["ar", "zh-Hans"]
        );
        form.settings.insert("base_model".into(), "wide".into());
        assert_eq!(Bases::of(&form, offered.clone(), languages()).unread, [""; 0]);
        form.settings.insert("base_model".into(), "some/name".into());
        assert_eq!(Bases::of(&form, offered, languages()).unread, [""; 0]);
    }
}
