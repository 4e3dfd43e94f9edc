//! `{% generation %}`, a tag of transformers' own around what the assistant said, from which it makes masks.

/// The template with plain scopes, which write the same, in place of these tags, and with line ends as Jinja2 takes them.
pub(super) fn without_marks(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let (mut written, mut rest) = (String::with_capacity(source.len()), source.as_str());
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        written.push_str(before);
        let name = tag.trim_start_matches(['-', '+']).trim_start();
        written.push_str(&tag[..tag.len() - name.len()]);
        rest = name;
        for (mark, plain) in [("generation", "with"), ("endgeneration", "endwith")] {
            let behind = name.strip_prefix(mark).filter(|behind| {
                behind
                    .trim_start()
                    .trim_start_matches(['-', '+'])
                    .starts_with("%}")
            });
            if let Some(behind) = behind {
                written.push_str(plain);
                rest = behind;
            }
        }
    }
    written.push_str(rest);
    written
}
