//! The settings of the form, in groups that fold.

use leptos::prelude::*;
use recipe::{Group, Kind, Method, Recipe, Refusal, Setting, of_group, shown};

use super::base::OFFERED;
use crate::server_fns::runs::{TrainForm, setting_field};

/// All groups. One is open where something in it is typed or refused.
pub fn settings_part(
    form: &TrainForm,
    defaults: &[Recipe],
    refused: Option<&Refusal>,
) -> impl IntoView + use<> {
    let groups: Vec<_> = Group::ALL
        .map(|group| group_part(group, form, defaults, refused))
        .into_iter()
        .collect();
    view! {
        <section class="stack tight" aria-labelledby="train-settings">
            <h2 id="train-settings">"Settings"</h2>
            <p class="soft small">
                "What is left empty takes the method’s default. Settings of other methods than the chosen one are left out."
            </p>
            {groups}
        </section>
    }
}

fn group_part(
    group: Group,
    form: &TrainForm,
    defaults: &[Recipe],
    refused: Option<&Refusal>,
) -> impl IntoView + use<> {
    let typed = |setting: &Setting| form.settings.get(setting.name).cloned().unwrap_or_default();
    let wrong = |setting: &Setting| refused.filter(|refused| setting.name == refused.setting);
    let open = of_group(group).any(|setting| !typed(setting).is_empty() || wrong(setting).is_some());
    let fields: Vec<_> = of_group(group)
        .map(|setting| {
            let wrong = wrong(setting).map(|refused| refused.reason.clone());
            setting_part(setting, typed(setting), defaults, wrong)
        })
        .collect();
    view! {
        <details class="card train-settings" open=open>
            <summary>{group.title()}</summary>
            <fieldset class="settings-grid">
                <legend class="sr-only">{group.title()}</legend>
                {fields}
            </fieldset>
        </details>
    }
}

fn setting_part(
    setting: &'static Setting,
    typed: String,
    defaults: &[Recipe],
    wrong: Option<String>,
) -> impl IntoView + use<> {
    let id = format!("train-{}", setting.name);
    let hint = format!("{id}-hint");
    let methods: Vec<&str> = setting.methods.iter().map(|method| method.as_str()).collect();
    let only = (!methods.is_empty()).then(|| format!("For {}. ", methods.join(", ")));
    let class = if wrong.is_some() { "field wrong" } else { "field" };
    let invalid = wrong.is_some().then_some("true");
    let control = control(setting, (id.clone(), hint.clone()), typed, invalid);
    view! {
        <div class=class data-methods=(!methods.is_empty()).then(|| methods.join(" "))>
            <label for=id>{setting.label}</label>
            {control}
            <small id=hint>
                {wrong.map(|reason| view! { <b>{format!("{reason}. ")}</b> })}
                {only} {setting.about} " " <span class="default">{default_text(setting, defaults)}</span>
            </small>
        </div>
    }
}

fn control(
    setting: &'static Setting,
    (id, hint): (String, String),
    typed: String,
    invalid: Option<&'static str>,
) -> AnyView {
    let name = setting_field(setting.name);
    let words: &[&str] = match setting.kind {
        Kind::Choice(words) => words,
        Kind::YesNo => &["yes", "no"],
        Kind::Whole | Kind::Decimal | Kind::Names | Kind::Device | Kind::Base => {
            let mode = match setting.kind {
                Kind::Whole => "numeric",
                Kind::Names | Kind::Device | Kind::Base => "text",
                _ => "decimal",
            };
            let offered = (setting.kind == Kind::Base).then_some(OFFERED);
            return view! {
                <input id=id name=name list=offered inputmode=mode value=typed aria-describedby=hint aria-invalid=invalid autocomplete="off" />
            }
            .into_any();
        }
    };
    let options: Vec<_> = words
        .iter()
        .map(|word| view! { <option value=*word selected=*word == typed>{*word}</option> })
        .collect();
    view! {
        <select id=id name=name aria-describedby=hint aria-invalid=invalid>
            <option value="">"Default"</option>
            {options}
        </select>
    }
    .into_any()
}

/// `Default: 512.`, or by method where they differ: `Default: head 20; lora, layers, full 1.`
fn default_text(setting: &Setting, defaults: &[Recipe]) -> String {
    let mut groups: Vec<(String, Vec<Method>)> = Vec::new();
    for settings in defaults.iter().filter(|settings| setting.is_of(settings.method)) {
        let value = match shown(settings, setting.name) {
            none if none.is_empty() && setting.kind == Kind::Base => "this installation’s own".to_owned(),
            none if none.is_empty() => "none".to_owned(),
            value => value,
        };
        match groups.iter_mut().find(|(known, _)| *known == value) {
            Some((_, methods)) => methods.push(settings.method),
            None => groups.push((value, vec![settings.method])),
        }
    }
    match &groups[..] {
        [] => String::new(),
        [(value, _)] => format!("Default: {value}."),
        several => {
            let texts = several.iter().map(|(value, methods)| {
                let names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
                format!("{} {value}", names.join(", "))
            });
            format!("Default: {}.", texts.collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recipe::SETTINGS;

    #[test]
    fn a_default_is_told_by_method_only_where_they_differ() {
        let of = |method, epochs| Recipe {
            method,
            epochs,
            ..Recipe::as_before()
        };
        let defaults = [of(Method::Head, 20), of(Method::Lora, 1), of(Method::Full, 1)];
        let text = |name| {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            default_text(setting.unwrap(), &defaults)
        };
        assert_eq!(text("epochs"), "Default: head 20; lora, full 1.");
        assert_eq!(text("max_tokens"), "Default: 512.");
        assert_eq!(text("head_learning_rate"), "Default: none.");
        assert_eq!(text("ensemble"), "Default: 1.");
    }
}
