//! What came out, as a table for people and as JSON for programs.

use reward_model::{Metrics, Share};

/// Lines of a table: what, and how much.
pub type Rows = Vec<(&'static str, String)>;

/// Metrics as lines of the table.
pub fn of_metrics(metrics: &Metrics) -> Rows {
    let [low, high] = metrics.reward_range;
    let by_length: Vec<String> = ["shorter", "as long", "longer"]
        .into_iter()
        .zip(metrics.by_length)
        .filter(|(_, part)| part.pairs > 0)
        .map(|(kind, part)| format!("{kind} {:.1} % of {}", 100.0 * part.accuracy, part.pairs))
        .collect();
    let reward = format!(
        "mean {}, from {} to {}",
        four(metrics.mean_reward),
        four(low),
        four(high)
    );
    let spread = metrics
        .spread
        .map(|spread| ("spread of the ensemble", format!("mean {}", four(spread))));
    let mut rows = vec![
        ("accuracy", share(&metrics.accuracy)),
        ("longest wins", share(&metrics.longest_wins)),
        ("accuracy where chosen is", by_length.join(", ")),
        ("log loss", four(metrics.log_loss)),
        ("AUC", four(metrics.auc)),
        ("ECE", four(metrics.ece)),
        ("reward", reward),
        ("mean margin", four(metrics.mean_margin)),
        (
            "reward and length",
            format!("r = {:.3}", metrics.length_correlation),
        ),
    ];
    rows.extend(spread);
    rows
}

/// Four digits behind the point; what is nearly 0 has no sign.
fn four(number: f64) -> String {
    let text = format!("{number:.4}");
    match text.as_str() {
        "-0.0000" => "0.0000".to_owned(),
        _ => text,
    }
}

/// With its 95 % interval.
fn share(share: &Share) -> String {
    let [value, low, high] = [share.value, share.low, share.high].map(|part| 100.0 * part);
    format!("{value:.1} % ({low:.1} to {high:.1})")
}

/// The table, one line each.
pub fn table(rows: &Rows) -> String {
    let width = rows.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(what, value)| format!("{what:width$}  {value}\n"))
        .collect()
}

/// The most memory that this process has had, where the system says so.
pub fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024)
}
