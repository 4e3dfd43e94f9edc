//! Numbers and times as people read them.

use domain::Millis;

/// A number with thousands set apart, and its noun.
pub fn count(number: u64, one: &'static str, many: &'static str) -> (String, &'static str) {
    (grouped(number), if number == 1 { one } else { many })
}

/// A number with thousands set apart by commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time as `2026-11-23 20:15 UTC`.
pub fn date_time(time: Millis) -> String {
    let minutes = time.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{} {:02}:{:02} UTC", date(time), minutes / 60, minutes % 60)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(date_time(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29");
        assert_eq!(date_time(1_795_464_900_000), "2026-11-23 20:15 UTC");
    }
}
