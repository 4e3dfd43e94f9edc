//! What is to be made of responses that nobody has judged: asked after a file was read, before anything is written.

use domain::{comparison::MAX_RESPONSES, formats::Making, import::ImportReport, job::Job};
use leptos::{prelude::*, server_fn::ServerFn};

use crate::{
    server_fns::import::{AnswerImport, DiscardImport},
    text,
};

/// The choices with the number of comparisons that each comes to.
pub(super) fn question(job: &Job, report: &ImportReport) -> impl IntoView + use<> {
    let counts = &report.notes.unjudged;
    let (least, most) = (
        counts.keys().min().copied().unwrap_or(2),
        counts.keys().max().copied().unwrap_or(2),
    );
    let responses = match least == most {
        true => format!("{most} responses each"),
        false => format!("{least} to {most} responses each"),
    };
    let (prompts, noun) = text::count(report.unjudged(), "prompt comes", "prompts come");
    let others = report.rows - report.refused - report.left_out - report.unjudged();
    let more = (others > 0).then(|| format!(" {} more lines bring a preference.", text::number(others)));
    let pairs = most * (most - 1) / 2;
    let choices: Vec<_> = (1..=pairs.min(MAX_PAIRS))
        .map(|per_prompt| {
            let made = report.made_by(Making::RandomPairs {
                per_prompt: per_prompt as u32,
                seed: 0,
            });
            let label = format!("{per_prompt}: {} comparisons", text::number(made));
            view! { <option value=per_prompt selected=per_prompt == 3.min(pairs)>{label}</option> }
        })
        .collect();
    let job = job.id.to_string();
    view! {
        <p>
            {format!("{prompts} {noun} with {responses} that nobody has judged yet.")} {more}
            " Nothing is written until you say what is to be compared."
        </p>
        <form class="stack" method="post" action=AnswerImport::url()>
            <input type="hidden" name="job" value=job.clone() />
            <fieldset class="choices">
                <legend>"What is made of them"</legend>
                {choice(Making::NAMES[0], true, "all responses to a prompt put into one order", report.made_by(Making::Ranking))}
                {choice(Making::NAMES[1], false, "each response beside each other one", report.made_by(Making::AllPairs))}
                <label>
                    <input type="radio" name="make" value=Making::NAMES[2] />
                    "some pairs of each prompt, drawn at random"
                </label>
            </fieldset>
            <div class="cluster">
                <label class="field">
                    "Pairs of each prompt, if drawn"
                    <select name="pairs_per_prompt">{choices}</select>
                </label>
                <label class="field">
                    "Seed: the same one draws the same pairs"
                    <input type="number" name="seed" min="0" max="4294967295" value="0" required />
                </label>
            </div>
            <div class="cluster">
                <button class="primary">"Import"</button>
            </div>
        </form>
        <form method="post" action=DiscardImport::url()>
            <input type="hidden" name="job" value=job />
            <button class="danger small">"Do not import it"</button>
        </form>
    }
}

/// Pairs of as many responses as can be ranked.
const MAX_PAIRS: u64 = (MAX_RESPONSES * (MAX_RESPONSES - 1) / 2) as u64;

fn choice(value: &'static str, checked: bool, label: &'static str, made: u64) -> impl IntoView {
    let (number, noun) = text::count(made, "comparison", "comparisons");
    view! {
        <label>
            <input type="radio" name="make" value=value checked=checked />
            {format!("{label}: {number} {noun}")}
        </label>
    }
}
