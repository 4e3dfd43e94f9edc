//! Numbers and times as people read them.

/// With commas between thousands: `12,421`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A stretch of time, roughly: `45 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// One digit after the point below 10, none above: a speed.
pub fn rate(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1}")
    } else {
        number(value.round() as u64)
    }
}

/// The beginning of a text on one line, with an ellipsis if something is left out.
pub fn shorten(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        let numbers = [0, 999, 1000, 12_421, 1_234_567].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "12,421", "1,234,567"]);
        assert_eq!(
            [59.6, 200.0, 7500.0].map(duration),
            ["1 min 0 s", "3 min 20 s", "2 h 5 min"]
        );
        assert_eq!(shorten("a  b\nc d", 5), "a b c…");
        assert_eq!(shorten("кот 🐈", 5), "кот 🐈");
    }
}
