//! Fields of plain forms.

use leptos::prelude::*;

/// A labelled line of text.
#[component]
pub fn Field(
    /// The form's name of it; also makes its id.
    name: &'static str,
    #[prop(into)] label: String,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] hint: String,
    #[prop(optional)] autocomplete: &'static str,
    #[prop(default = 254)] max: u32,
    #[prop(default = true)] required: bool,
    #[prop(optional)] autofocus: bool,
) -> impl IntoView {
    let id = format!("field-{name}");
    let hint_id = format!("{id}-hint");
    let described = (!hint.is_empty()).then(|| hint_id.clone());
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <input
                id=id
                name=name
                type=kind
                value=value
                required=required
                maxlength=max
                autofocus=autofocus
                autocomplete=(!autocomplete.is_empty()).then_some(autocomplete)
                aria-describedby=described
            />
            {(!hint.is_empty()).then(|| view! { <small id=hint_id>{hint}</small> })}
        </div>
    }
    .into_any()
}

/// A labelled password; `new` asks for one to be made.
#[component]
pub fn PasswordField(
    #[prop(default = "password")] name: &'static str,
    #[prop(default = "Password")] label: &'static str,
    #[prop(optional)] new: bool,
    #[prop(optional)] autofocus: bool,
) -> impl IntoView {
    let id = format!("field-{name}");
    let hint_id = format!("{id}-hint");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <input
                id=id
                name=name
                type="password"
                required
                autofocus=autofocus
                minlength=new.then_some(10)
                maxlength="200"
                autocomplete=if new { "new-password" } else { "current-password" }
                aria-describedby=new.then(|| hint_id.clone())
            />
            {new.then(|| view! { <small id=hint_id>"At least 10 characters; a few words do well."</small> })}
        </div>
    }
    .into_any()
}
