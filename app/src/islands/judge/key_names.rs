//! What a key means here. Keys are named by what they write; where that is no Latin letter and no digit (Cyrillic,
//! Greek, Arabic, Hebrew, the digits of other scripts), by where they lie.

use leptos::ev::KeyboardEvent;

/// `s`, `4`, `=`, `?`, `enter`: lower case, whatever the layout writes.
pub fn meaning(event: &KeyboardEvent) -> String {
    name(&event.key(), &event.code(), event.shift_key())
}

fn name(key: &str, code: &str, shift: bool) -> String {
    let mut letters = key.chars();
    let written = letters.next().filter(|_| letters.next().is_none());
    match written {
        Some(letter) if letter.is_ascii_alphanumeric() => return letter.to_ascii_lowercase().to_string(),
        Some(letter @ ('=' | '?')) => return letter.to_string(),
        // Enter, Backspace, ArrowLeft; but a dead key and one that an input method took have no name of their own.
        None if key != "Dead" && key != "Unidentified" => return key.to_lowercase(),
        _ => {}
    }
    if let Some(letter) = code.strip_prefix("Key") {
        return letter.to_lowercase();
    }
    // With shift the row of digits writes signs, or on a French keyboard the digits, which are known by then.
    let digit = match shift {
        true => None,
        false => code.strip_prefix("Digit"),
    };
    if let Some(digit) = digit.or(code.strip_prefix("Numpad").filter(|name| name.len() == 1)) {
        return digit.to_owned();
    }
    match (code, shift) {
        ("Equal", false) | ("NumpadEqual", _) => "=".to_owned(),
        ("Slash", true) => "?".to_owned(),
        _ => key.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn letters_and_digits_of_every_layout_mean_the_same() {
        let rows = [
            // What the key writes, where it lies, whether shift is down, what it means.
            ("s", "KeyS", false, "s"),
            ("S", "KeyS", true, "s"),
            ("ы", "KeyS", false, "s"),   // Russian
            ("Ы", "KeyS", true, "s"),    // … with caps lock or shift
            ("σ", "KeyS", false, "s"),   // Greek
            (";", "KeyQ", false, "q"),   // Greek: its question mark
            ("س", "KeyS", false, "s"),   // Arabic
            ("؟", "Slash", true, "?"),   // … and its question mark
            ("'", "KeyW", false, "w"),   // Hebrew
            ("ı", "KeyI", false, "i"),   // Turkish
            ("ㄴ", "KeyS", false, "s"),  // Korean
            ("z", "KeyY", false, "z"),   // German: by what is written
            ("q", "KeyA", false, "q"),   // French: by what is written
            ("&", "Digit1", false, "1"), // … and its digits without shift
            ("é", "Digit2", false, "2"),
            ("1", "Digit1", true, "1"),
            ("!", "Digit1", true, "!"),   // no grade by accident
            ("٤", "Digit4", false, "4"),  // Arabic digits
            ("۷", "Numpad7", false, "7"), // Persian, on the block of digits
            ("7", "Numpad7", false, "7"),
            ("Home", "Numpad7", false, "home"),
            ("+", "NumpadAdd", false, "+"),
            ("ě", "Digit2", false, "2"), // Czech
            ("=", "Digit0", true, "="),  // German
            ("=", "Equal", false, "="),
            ("?", "Digit7", true, "?"), // Russian
            ("Dead", "KeyE", false, "e"),
            ("Enter", "Enter", false, "enter"),
            ("Escape", "Escape", false, "escape"),
            ("ö", "Semicolon", false, "ö"),
        ];
        for (key, code, shift, meant) in rows {
            assert_eq!(name(key, code, shift), meant, "{key} at {code}");
        }
    }
}
