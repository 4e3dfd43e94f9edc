//! What the system says, for people.

/// A message without the system's own numbers, such as ` (os error 2)`.
pub fn without_codes(message: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(message.len()), message);
    while let Some(at) = rest.find(" (os error ") {
        let (before, code) = rest.split_at(at);
        kept.push_str(before);
        rest = code.split_once(')').map_or("", |(_, behind)| behind);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_and_the_rest_stays() {
        let said = without_codes(
            "cannot read a: No such file or directory (os error 2); b: Is a directory (os error 21)",
        );
        assert_eq!(
            said,
            "cannot read a: No such file or directory; b: Is a directory"
        );
        assert_eq!(without_codes("all (is) well"), "all (is) well");
    }
}
