//! The difference between two texts, word by word: what a correction took out and what it put in.
//!
//! Myers' greedy algorithm over words and the spaces between them, small enough for the browser. Texts that differ
//! in more than `MAX_EDITS` places are shown as one replacement: nobody reads a finer difference there.

/// Where the search gives up.
const MAX_EDITS: usize = 1_200;

/// A stretch of text and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Kept(String),
    Removed(String),
    Added(String),
}

/// From `old` to `new`. Kept and removed stretches make up `old`, kept and added ones `new`.
pub fn diff_words(old: &str, new: &str) -> Vec<Change> {
    let (old, new) = (words(old), words(new));
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let old_middle = &old_rest[..old_rest.len() - tail];
    let new_middle = &new_rest[..new_rest.len() - tail];
    let mut steps: Vec<(Step, &str)> = old[..head].iter().map(|word| (Step::Keep, *word)).collect();
    match shortest_script(old_middle, new_middle) {
        Some(script) => steps.extend(script),
        None => {
            steps.extend(old_middle.iter().map(|word| (Step::Remove, *word)));
            steps.extend(new_middle.iter().map(|word| (Step::Add, *word)));
        }
    }
    steps.extend(old[old.len() - tail..].iter().map(|word| (Step::Keep, *word)));
    join(&steps)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Remove,
    Add,
}

/// Words, runs of spaces, and other characters one by one (which serves scripts without spaces too).
fn words(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_whitespace() => 1,
        c if is_ideographic(c) => 0,
        c if c.is_alphanumeric() || c == '_' || c == '\'' || c == '’' => 2,
        _ => 0,
    };
    let mut found = Vec::new();
    let mut start = 0;
    let mut previous = None;
    for (at, c) in text.char_indices() {
        let this = class(c);
        if previous.is_some_and(|previous| previous != this || this == 0) {
            found.push(&text[start..at]);
            start = at;
        }
        previous = Some(this);
    }
    if start < text.len() {
        found.push(&text[start..]);
    }
    found
}

fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Myers 1986: the furthest point on each diagonal after 0, 1, 2, … edits; then back along the trace.
fn shortest_script<'a>(old: &[&'a str], new: &[&'a str]) -> Option<Vec<(Step, &'a str)>> {
    let limit = (old.len() + new.len()).min(MAX_EDITS);
    // The furthest x on diagonal k stands at index k + limit + 1.
    let index = |k: isize| (k + limit as isize + 1) as usize;
    let mut furthest = vec![0usize; 2 * limit + 3];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=limit as isize {
        // Only the diagonals that this round can read are kept.
        trace.push(furthest[index(-edits - 1)..=index(edits + 1)].to_vec());
        for k in (-edits..=edits).step_by(2) {
            let down = k == -edits || (k != edits && furthest[index(k - 1)] < furthest[index(k + 1)]);
            let mut x = if down {
                furthest[index(k + 1)]
            } else {
                furthest[index(k - 1)] + 1
            };
            let Some(mut y) = x.checked_add_signed(-k) else {
                continue;
            };
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[index(k)] = x;
            if x >= old.len() && y >= new.len() {
                return Some(back(&trace, old, new));
            }
        }
    }
    None
}

fn back<'a>(trace: &[Vec<usize>], old: &[&'a str], new: &[&'a str]) -> Vec<(Step, &'a str)> {
    let (mut x, mut y) = (old.len(), new.len());
    let mut steps = Vec::new();
    for (edits, furthest) in trace.iter().enumerate().rev() {
        let edits = edits as isize;
        let at = |k: isize| furthest[(k + edits + 1) as usize];
        let k = x as isize - y as isize;
        let down = k == -edits || (k != edits && at(k - 1) < at(k + 1));
        let (from_x, from_y) = match (edits, down) {
            (0, _) => (0, 0),
            (_, true) => (at(k + 1), at(k + 1).wrapping_add_signed(-(k + 1))),
            (_, false) => (at(k - 1), at(k - 1).wrapping_add_signed(-(k - 1))),
        };
        while x > from_x && y > from_y && old[x - 1] == new[y - 1] {
            (x, y) = (x - 1, y - 1);
            steps.push((Step::Keep, old[x]));
        }
        match () {
            () if edits == 0 => {}
            () if down => {
                y -= 1;
                steps.push((Step::Add, new[y]));
            }
            () => {
                x -= 1;
                steps.push((Step::Remove, old[x]));
            }
        }
    }
    steps.reverse();
    steps
}

/// Neighbouring steps of a kind become one change; within a changed stretch, removals come before additions.
fn join(steps: &[(Step, &str)]) -> Vec<Change> {
    let mut changes = Vec::new();
    let stretches = steps.chunk_by(|a, b| (a.0 == Step::Keep) == (b.0 == Step::Keep));
    for stretch in stretches {
        for (step, make) in [
            (Step::Keep, Change::Kept as fn(String) -> Change),
            (Step::Remove, Change::Removed),
            (Step::Add, Change::Added),
        ] {
            let text: String = stretch
                .iter()
                .filter(|(s, _)| *s == step)
                .map(|(_, word)| *word)
                .collect();
            if !text.is_empty() {
                changes.push(make(text));
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str) -> Vec<Change> {
        let changes = diff_words(old, new);
        let side =
            |wanted: fn(&Change) -> Option<&str>| changes.iter().filter_map(wanted).collect::<String>();
        let before = side(|change| match change {
            Change::Kept(text) | Change::Removed(text) => Some(text),
            Change::Added(_) => None,
        });
        let after = side(|change| match change {
            Change::Kept(text) | Change::Added(text) => Some(text),
            Change::Removed(_) => None,
        });
        assert_eq!((before.as_str(), after.as_str()), (old, new));
        changes
    }

    #[test]
    fn one_word_changed_is_one_word_shown() {
        use Change::*;
        assert_eq!(
            check("The cat sat.", "The dog sat."),
            [
                Kept("The ".into()),
                Removed("cat".into()),
                Added("dog".into()),
                Kept(" sat.".into())
            ]
        );
        assert_eq!(check("same", "same"), [Kept("same".into())]);
        assert_eq!(check("", ""), []);
        assert_eq!(check("", "new"), [Added("new".into())]);
        assert_eq!(check("old", ""), [Removed("old".into())]);
    }

    #[test]
    fn both_sides_can_be_put_together_again() {
        // Every pair of short texts over three words.
        let texts: Vec<String> = (0..243u32)
            .map(|n| {
                (0..5)
                    .map(|i| ["a ", "b ", "c "][(n / 3u32.pow(i) % 3) as usize])
                    .collect()
            })
            .collect();
        for old in texts.iter().step_by(7) {
            for new in texts.iter().step_by(5) {
                check(old, new);
            }
        }
        check("日本語の文章です。", "日本語の短い文です。");
        check("שלום עולם", "שלום לכולם 👋🏽");
    }

    #[test]
    fn a_whole_rewrite_of_a_long_text_ends_quickly() {
        let old: String = (0..50_000).map(|n| format!("w{n} ")).collect();
        let new: String = (0..50_000).map(|n| format!("v{n}, ")).collect();
        assert_eq!(check(&old, &new).len(), 3);
    }
}
