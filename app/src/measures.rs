//! What was measured of a run's model, as rows for pages and for the command line: no less than `evaluate` prints.

use domain::run::Metrics;
use recipe::{Keep, Recipe};

use crate::text;

/// What, and how much; nothing where nothing was held out.
pub fn measure_rows(metrics: &Metrics) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    rows.extend(metrics.held_out_loss.map(|loss| ("Log loss", four(loss))));
    rows.extend(metrics.train_loss.map(|loss| ("Training loss", four(loss))));
    let Some(measures) = &metrics.measures else {
        return rows;
    };
    rows.push(("AUC", four(measures.auc)));
    rows.push(("ECE", four(measures.ece)));
    let rewards = &measures.rewards;
    rows.push((
        "Reward",
        format!(
            "mean {}, from {} to {}",
            four(rewards.mean),
            four(rewards.lowest),
            four(rewards.highest)
        ),
    ));
    rows.push(("Mean margin", four(rewards.margin)));
    rows.push((
        "Reward and length",
        format!("r = {:.3}", measures.length_correlation),
    ));
    rows.extend(
        measures
            .spread
            .map(|spread| ("Spread of the ensemble", format!("mean {}", four(spread)))),
    );
    let kinds = ["Chosen is shorter", "Chosen is as long", "Chosen is longer"];
    for (kind, part) in kinds.into_iter().zip(measures.by_length) {
        if let Some(share) = part.share() {
            rows.push((
                kind,
                format!("{:.1} % of {}", 100.0 * share, text::number(part.of)),
            ));
        }
    }
    rows
}

/// What is to be said of pairs that were left out because to the model they are one text.
pub fn alike_sentence(metrics: &Metrics) -> Option<String> {
    let [train, held_out] = metrics.alike;
    (train + held_out > 0).then(|| {
        format!(
            "{} pairs to learn from and {} held-out ones were left out: to the model their two responses are one text, cut before they \
             differ or not told apart by its tokenizer.",
            text::number(train),
            text::number(held_out)
        )
    })
}

/// What is to be said where an earlier evaluation was better than the one of the weights that were kept.
pub fn better_sentence(metrics: &Metrics, settings: &Recipe) -> Option<String> {
    let better = metrics.better.filter(|_| settings.keep == Keep::Last)?;
    Some(format!(
        "The weights of the last step were kept, and those of step {} were better: log loss {}, accuracy {}. With “Keep” set to best, \
         they would have been kept.",
        text::number(better.step),
        four(better.loss),
        better.correct
    ))
}

/// Four digits behind the point; what is nearly 0 has no sign.
fn four(number: f64) -> String {
    let text = format!("{number:.4}");
    match text.as_str() {
        "-0.0000" => "0.0000".to_owned(),
        _ => text,
    }
}
