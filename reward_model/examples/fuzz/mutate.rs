//! Mutations that one number decides: of bytes, of JSON's nodes, of the header of a `.safetensors` file, and texts.

use serde_json::{Value, json};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`; 0 for none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    pub fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A file's content, changed in one to four places, with respect for what kind of file it is.
pub fn file(dice: &mut Dice, name: &str, content: &[u8]) -> Vec<u8> {
    let by_kind = dice.below(4) > 0;
    let mut content = content.to_vec();
    for _ in 0..1 + dice.below(4) {
        content = match name.rsplit('.').next() {
            Some("json") if by_kind => json_nodes(dice, &content),
            Some("safetensors") if by_kind => header(dice, &content),
            _ => bytes(dice, content),
        };
    }
    content
}

/// Flips, overwrites, cuts, repeats or moves bytes.
fn bytes(dice: &mut Dice, mut content: Vec<u8>) -> Vec<u8> {
    let at = dice.below(content.len());
    let longest = *dice.of(&[4, 64, 4096]);
    let length = 1 + dice.below(longest);
    let end = (at + length).min(content.len());
    match dice.below(6) {
        _ if content.is_empty() => content.push(dice.roll() as u8),
        0 => content[at] ^= 1 << dice.below(8),
        1 => content[at..end].fill_with(|| dice.roll() as u8),
        2 => content.truncate(at),
        3 => drop(content.drain(at..end)),
        4 => {
            let part = content[at..end].to_vec();
            let to = dice.below(content.len());
            content.splice(to..to, part);
        }
        _ => {
            let value = *dice.of(&[0u64, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 62, u64::MAX]);
            let end = (at + 8).min(content.len());
            content[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
        }
    }
    content
}

/// Changes one node of a JSON document.
fn json_nodes(dice: &mut Dice, content: &[u8]) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<Value>(content) else {
        return bytes(dice, content.to_vec());
    };
    let other = node(&mut document, dice).clone();
    let place = node(&mut document, dice);
    *place = match (dice.below(8), &*place) {
        (0..=2, Value::Number(number)) => {
            let n = number.as_f64().unwrap_or(0.0);
            let n = *dice.of(&[n + 1.0, n - 1.0, n * 2.0, n / 2.0, -n, 0.0]);
            if n.fract() == 0.0 {
                json!(n as i64)
            } else {
                json!(n)
            }
        }
        (0..=2, Value::Object(fields)) => {
            let mut fields = fields.clone();
            if let Some(name) = fields.keys().nth(dice.below(fields.len())).cloned() {
                fields.remove(&name);
            }
            Value::Object(fields)
        }
        (0..=1, Value::String(text)) => json!(text_from(dice, text)),
        (3, _) => other,
        _ => dice
            .of(&[
                json!(null),
                json!(true),
                json!(0),
                json!(1),
                json!(3),
                json!(-1),
                json!(1e308),
                json!(1e-320),
                json!(65_537),
                json!(i32::MAX),
                json!(u32::MAX),
                json!(1u64 << 62),
                json!(u64::MAX),
                json!(""),
                json!("\u{0}é\u{10ffff}"),
                json!("bert"),
                json!([]),
                json!({}),
                json!([1, 2]),
            ])
            .clone(),
    };
    document.to_string().into_bytes()
}

/// A node of the document, deep ones as likely as others.
fn node<'a>(value: &'a mut Value, dice: &mut Dice) -> &'a mut Value {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if children == 0 || dice.below(8) == 0 {
        return value;
    }
    let child = dice.below(children);
    match value {
        Value::Array(items) => node(&mut items[child], dice),
        Value::Object(fields) => match fields.values_mut().nth(child) {
            Some(value) => node(value, dice),
            None => unreachable!("counted above"),
        },
        _ => value,
    }
}

/// Changes the header of a `.safetensors` file and, most often, its length to fit.
fn header(dice: &mut Dice, content: &[u8]) -> Vec<u8> {
    let length = content
        .first_chunk()
        .map(|length| u64::from_le_bytes(*length) as usize);
    let Some(old) = length.and_then(|length| content.get(8..length.checked_add(8)?)) else {
        return bytes(dice, content.to_vec());
    };
    let new = match dice.below(3) {
        0 => bytes(dice, old.to_vec()),
        1 => json_nodes(dice, old),
        _ => {
            let types = [
                "F32", "F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F4", "I32",
            ];
            let text = String::from_utf8_lossy(old);
            let [from, to] = [*dice.of(&types), *dice.of(&types)];
            text.replacen(from, to, 1 + dice.below(9)).into_bytes()
        }
    };
    let told = if dice.below(8) == 0 {
        dice.below(1 << 20)
    } else {
        new.len()
    };
    let rest = &content[8 + old.len()..];
    [&(told as u64).to_le_bytes(), new.as_slice(), rest].concat()
}

/// A text of up to a few thousand characters: pieces of `sample`, of Unicode's corners and of noise.
pub fn text_from(dice: &mut Dice, sample: &str) -> String {
    const ODD: [&str; 14] = [
        "",
        " ",
        "\n\n",
        "\u{0}",
        "\u{200f}",
        "👩‍👩‍👧",
        "\u{feff}",
        "e\u{301}\u{301}\u{301}",
        "שלום",
        "漢字",
        "\u{10ffff}",
        "ﷺ",
        "##",
        "[CLS]",
    ];
    let mut text = String::new();
    for _ in 0..dice.below(24) {
        match dice.below(5) {
            0 => text.push_str(sample),
            1 => {
                let skipped = dice.below(sample.chars().count());
                text.extend(sample.chars().skip(skipped).take(12));
            }
            2 => text.push_str(ODD[dice.below(ODD.len())]),
            3 => {
                let noise: Vec<u8> = (0..dice.below(40)).map(|_| dice.roll() as u8).collect();
                text.push_str(&String::from_utf8_lossy(&noise));
            }
            _ => {
                let letter = char::from_u32(dice.below(0x3000) as u32).unwrap_or('a');
                text.extend(std::iter::repeat_n(letter, dice.below(300)));
            }
        }
    }
    text
}
