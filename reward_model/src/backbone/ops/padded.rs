//! Attention made of candle's own operations: all segments and heads in one product, over rows padded to the longest segment.

use candle_core::{DType, Result, Tensor};

use super::meeting::{Attention, Segment};
use super::softmax::plain_softmax;

/// Added to the score of a key that is not seen. A row that sees none, which is padding, comes out as some mean, not as NaN.
const UNSEEN: f64 = -1e30;

/// Segments side by side, \[segments, longest\]: where their rows lie in the packed tensors, and back. What is padded shows
/// the first row.
struct Padded {
    /// Segments; queries and keys of the longest.
    shape: [usize; 3],
    /// Rows of the queries, and of keys and values.
    queries: Tensor,
    keys: Tensor,
    /// Where each query lies in the padded rows.
    back: Tensor,
    /// 0 where a query sees a key, else [`UNSEEN`]: \[segments, 1, queries, keys\].
    unseen: Tensor,
}

fn keys_of(segment: &Segment) -> usize {
    segment.keys.iter().map(ExactSizeIterator::len).sum()
}

impl Padded {
    fn new(attention: &Attention, q: &Tensor) -> Result<Self> {
        let (segments, device) = (attention.segments.as_slice(), q.device());
        let longest = |of: fn(&Segment) -> usize| segments.iter().map(of).max().unwrap_or(0);
        let (m, n) = (longest(|segment| segment.queries.len()), longest(keys_of));
        let (mut queries, mut keys) = (Vec::new(), Vec::new());
        let mut back = vec![0u32; q.dim(0)?];
        // The first key that each query sees, and the one behind its last.
        let mut seen = [Vec::new(), Vec::new()];
        for (i, segment) in segments.iter().enumerate() {
            let row = |row: usize| row as u32;
            queries.extend(segment.queries.clone().map(row));
            queries.resize((i + 1) * m, 0);
            keys.extend(segment.keys.iter().cloned().flatten().map(row));
            keys.resize((i + 1) * n, 0);
            for (at, query) in segment.queries.clone().enumerate() {
                back[query] = (i * m + at) as u32;
                let visible = attention
                    .span
                    .of_query(at, segment.queries.len(), keys_of(segment));
                seen[0].push(visible.start as f32);
                seen[1].push(visible.end as f32);
            }
            seen.iter_mut().for_each(|ends| ends.resize((i + 1) * m, 0.0));
        }
        let shape = [segments.len(), m, n];
        let [from, to] = seen.map(|ends| Tensor::from_vec(ends, (segments.len(), 1, m, 1), device));
        let key = Tensor::arange(0f32, n as f32, device)?.reshape((1, 1, 1, n))?;
        let seen = (key.broadcast_ge(&from?)?.to_dtype(DType::F32)?
            * key.broadcast_lt(&to?)?.to_dtype(DType::F32)?)?;
        Ok(Self {
            shape,
            queries: Tensor::new(queries, device)?,
            keys: Tensor::new(keys, device)?,
            back: Tensor::new(back, device)?,
            unseen: seen.affine(-UNSEEN, UNSEEN)?,
        })
    }
}

/// In single precision whatever the setting: what candle multiplies in bf16 comes out rounded to it, which large scores do not bear.
/// q \[m, heads · size\], k and v \[n, key_heads · size\] → \[m, heads · size\].
pub(super) fn attention(attention: &Attention, [q, k, v]: [&Tensor; 3]) -> Result<Tensor> {
    let (heads, key_heads) = (attention.heads, attention.key_heads);
    let (group, size) = (heads / key_heads, q.dim(1)? / heads);
    let padded = Padded::new(attention, q)?;
    let [segments, m, n] = padded.shape;
    // The query heads that share a key head lie below one another.
    let q = (q * f64::from(attention.scale))?
        .index_select(&padded.queries, 0)?
        .reshape((segments, m, key_heads, group, size))?
        .permute((0, 2, 3, 1, 4))?
        .contiguous()?
        .reshape((segments * key_heads, group * m, size))?;
    let by_head = |x: &Tensor| {
        x.index_select(&padded.keys, 0)?
            .reshape((segments, n, key_heads, size))?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((segments * key_heads, n, size))
    };
    let mut scores = q.matmul(&by_head(k)?.t()?)?;
    if let Some(cap) = attention.cap {
        let cap = f64::from(cap);
        scores = ((scores / cap)?.tanh()? * cap)?;
    }
    let scores = scores
        .reshape((segments, heads, m, n))?
        .broadcast_add(&padded.unseen)?;
    let p = plain_softmax(&scores)?.reshape((segments * key_heads, group * m, n))?;
    p.matmul(&by_head(v)?)?
        .reshape((segments, key_heads, group, m, size))?
        .permute((0, 3, 1, 2, 4))?
        .contiguous()?
        .reshape((segments * m, heads * size))?
        .index_select(&padded.back, 0)
}
