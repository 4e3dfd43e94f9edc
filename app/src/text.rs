//! Numbers and times as people read them, and texts for addresses.

use domain::Millis;

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

/// A number with commas, and its noun.
pub fn count(value: u64, one: &'static str, many: &'static str) -> (String, &'static str) {
    (number(value), if value == 1 { one } else { many })
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

/// A text as a name or a value in the query of an address.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// A time as `2026-11-23 20:15 UTC`.
pub fn date_time(time: Millis) -> String {
    let minutes = time.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{} {:02}:{:02} UTC", date(time), minutes / 60, minutes % 60)
}

/// A time as `2026-11-23 20:15:07 UTC`.
pub fn time(time: Millis) -> String {
    let seconds = time.div_euclid(1000).rem_euclid(24 * 3600);
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    format!("{} {hours:02}:{minutes:02}:{:02} UTC", date(time), seconds % 60)
}

/// A time's day as `2026-11-23`, by Howard Hinnant's `civil_from_days`.
pub fn date(time: Millis) -> String {
    let days = time.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The first moment of a day written as `2026-11-23`, UTC; the inverse of [`date`].
pub fn day(text: &str) -> Option<Millis> {
    let mut parts = text.trim().splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    Some((era * 146_097 + of_era - 719_468) * 86_400_000)
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
        assert_eq!(date_time(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29");
        assert_eq!(day("2000-02-29"), Some(951_782_400_000));
        for read in ["1970-01-01", "1999-12-31", "2026-11-23", "2100-03-01"] {
            assert_eq!(day(read).map(date).as_deref(), Some(read));
        }
        assert_eq!(["", "2026", "2026-13-01", "x-1-1"].map(day), [None; 4]);
        assert_eq!(date_time(1_795_464_900_000), "2026-11-23 20:15 UTC");
        assert_eq!(time(1_795_464_907_999), "2026-11-23 20:15:07 UTC");
    }
}
