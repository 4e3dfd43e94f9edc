//! Multi-head attention within each of several texts that lie packed in one tensor.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Matrix, Packed, packed_product, share};
use super::{Floats, floats, known, padded, plain, tensor};

/// Where each text's rows lie in packed tensors: text i has rows `offsets[i]..offsets[i + 1]`.
pub(crate) type Offsets = Arc<Vec<usize>>;

/// Some queries, by their rows, and the rows of the keys and values that they meet: those of a beginning that several texts
/// share, and then those of one text alone. Either may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub queries: Range<usize>,
    pub keys: [Range<usize>; 2],
}

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// All of its text's.
    Text,
    /// Those at most so far away, before or after.
    Near(usize),
    /// Itself and those before it.
    Past,
    /// Itself and those before it, so many in all.
    RecentPast(usize),
}

impl Span {
    /// The keys that the query at `position` sees, of a text of `keys`.
    fn visible(self, position: usize, keys: usize) -> Range<usize> {
        match self {
            Self::Text => 0..keys,
            Self::Near(distance) => position.saturating_sub(distance)..keys.min(position + distance + 1),
            Self::Past => 0..position + 1,
            Self::RecentPast(count) => (position + 1).saturating_sub(count)..position + 1,
        }
    }

    /// Where the first of `queries` stands: with fewer of them than keys, they are the last of a text that is read
    /// forwards, and the first of one that is read both ways.
    fn first_position(self, queries: usize, keys: usize) -> usize {
        match self {
            Self::Text | Self::Near(_) => 0,
            Self::Past | Self::RecentPast(_) => keys - queries,
        }
    }

    /// The keys, of so many, that one of some queries sees.
    pub(super) fn of_query(self, query: usize, queries: usize, keys: usize) -> Range<usize> {
        self.visible(self.first_position(queries, keys) + query, keys)
    }
}

/// Attention (Vaswani et al. 2017, eq. 1) with fewer key heads than query heads if need be (Ainslie et al. 2023).
#[derive(Clone)]
pub(crate) struct Attention {
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / key_heads` query heads that stand side by side.
    pub key_heads: usize,
    /// What scores are multiplied by, usually 1 / √size.
    pub scale: f32,
    /// Scores are bent to stay below it: `cap · tanh(score / cap)` (Gemma 2).
    pub cap: Option<f32>,
    /// Which keys a query sees.
    pub span: Span,
    /// Which queries meet which keys.
    pub segments: Arc<Vec<Segment>>,
}

/// Query rows worked on at once: their scores against 512 keys stay in the second-level cache.
const BLOCK: usize = 48;

/// Some queries of a segment, and the keys that any of them sees.
struct Block {
    rows: Range<usize>,
    keys: Range<usize>,
    /// Of these keys, those that each row sees; nothing where every row sees all.
    visible: Option<Vec<Range<usize>>>,
    /// Elements from one row of scores to the next: never a power of two, which would put a column into few places of the cache.
    stride: usize,
}

impl Block {
    fn scores<'a>(&self, scores: &'a [f32]) -> Matrix<'a> {
        Matrix::new(scores, self.rows.len(), self.keys.len(), self.stride)
    }
}

/// What one head of one segment is computed with.
#[derive(Default)]
struct Scratch {
    /// Probabilities of a block.
    p: Vec<f32>,
    /// Their gradients.
    ds: Vec<f32>,
    /// `tanh(score / cap)`, with a cap.
    bent: Vec<f32>,
    /// Keys as columns, and values as the forward needs them: as rows.
    keys: Packed,
    values: Packed,
    /// The other way around, for gradients.
    key_rows: Packed,
    value_columns: Packed,
    /// A block's queries and gradients.
    queries: Packed,
    douts: Packed,
    /// Keys and values that lie apart, gathered.
    gathered: [Vec<f32>; 2],
}

/// One head of one segment: queries and gradients of the result \[queries, size\], keys and values \[keys, size\].
struct Head<'a> {
    q: Matrix<'a>,
    k: Matrix<'a>,
    v: Matrix<'a>,
}

/// Gradients by a head's queries, keys and values.
struct HeadGradients {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Attention {
    /// q \[m, heads · size\], k and v \[n, key_heads · size\] → \[m, heads · size\].
    pub fn apply(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        if plain::is_for(q.device()) {
            let attention = self.clone();
            return known::recomputed([q, k, v], move |inputs| padded::attention(&attention, inputs));
        }
        q.apply_op3(k, v, self.clone())
    }

    /// Segments and heads, each pair once, and the key head that serves it.
    fn heads(&self) -> impl Iterator<Item = [usize; 3]> {
        let (heads, group) = (self.heads, self.heads / self.key_heads);
        (0..self.segments.len())
            .flat_map(move |segment| (0..heads).map(move |head| [segment, head, head / group]))
    }

    /// The part of `data`, rows of `heads` heads, that is one head of some rows.
    fn part<'a>(data: &'a [f32], rows: &Range<usize>, [head, heads, size]: [usize; 3]) -> Matrix<'a> {
        let start = (rows.start * heads + head) * size;
        Matrix::new(
            data.get(start..).unwrap_or_default(),
            rows.len(),
            size,
            heads * size,
        )
    }

    /// The same of two ranges of rows, copied together only where both are there.
    fn parts<'a>(
        data: &'a [f32],
        [shared, own]: &[Range<usize>; 2],
        head: [usize; 3],
        gathered: &'a mut Vec<f32>,
    ) -> Matrix<'a> {
        if shared.is_empty() || own.is_empty() {
            return Self::part(data, if shared.is_empty() { own } else { shared }, head);
        }
        let (size, split) = (head[2], shared.len() * head[2]);
        gathered.resize((shared.len() + own.len()) * size, 0.0);
        Self::part(data, shared, head).copy_rows(&mut gathered[..split], size);
        Self::part(data, own, head).copy_rows(&mut gathered[split..], size);
        Matrix::new(gathered, shared.len() + own.len(), size, size)
    }

    fn head<'a>(
        &self,
        [q, k, v]: [&'a [f32]; 3],
        [segment, head, key_head]: [usize; 3],
        size: usize,
        gathered: &'a mut [Vec<f32>; 2],
    ) -> Head<'a> {
        let (segment, shared) = (&self.segments[segment], [key_head, self.key_heads, size]);
        let [keys, values] = gathered;
        Head {
            q: Self::part(q, &segment.queries, [head, self.heads, size]),
            k: Self::parts(k, &segment.keys, shared, keys),
            v: Self::parts(v, &segment.keys, shared, values),
        }
    }

    /// The blocks of a segment's queries; key ranges begin where a panel of the packed keys does.
    fn blocks(&self, head: &Head, packed: &Packed) -> Vec<Block> {
        let (queries, keys) = (head.q.rows(), head.k.rows());
        let first = self.span.first_position(queries, keys);
        let block = |row: usize| {
            let rows = row..queries.min(row + BLOCK);
            let each = |row: usize| self.span.visible(first + row, keys);
            let seen = packed.panel_start(each(rows.start).start)..each(rows.end - 1).end;
            let within = |range: Range<usize>| range.start - seen.start..range.end - seen.start;
            let visible =
                (self.span != Span::Text).then(|| rows.clone().map(|row| within(each(row))).collect());
            Block {
                stride: (seen.len().div_ceil(16) | 1) * 16,
                keys: seen,
                rows,
                visible,
            }
        };
        (0..queries).step_by(BLOCK).map(block).collect()
    }

    /// Probabilities of a block into the scratch, whose keys are packed.
    fn probabilities(&self, block: &Block, q: Matrix, scratch: &mut Scratch) {
        let (p, columns) = (&mut scratch.p, block.keys.len());
        p.resize(block.rows.len() * block.stride, 0.0);
        let keys = scratch.keys.part(0..q.columns(), block.keys.clone());
        packed_product(p, block.stride, q, keys, false);
        let scale = match self.cap {
            Some(cap) => {
                p.iter_mut().for_each(|x| *x = (*x * self.scale / cap).tanh());
                scratch.bent.clone_from(p);
                cap
            }
            None => self.scale,
        };
        for (row, visible) in p
            .chunks_exact_mut(block.stride)
            .zip(block.visible.iter().flatten())
        {
            row[..visible.start].fill(f32::NEG_INFINITY);
            row[visible.end..columns].fill(f32::NEG_INFINITY);
        }
        kernels::softmax_rows(p, columns, block.stride, scale);
    }

    fn forward(&self, head: &Head, scratch: &mut Scratch) -> Vec<f32> {
        let size = head.q.columns();
        scratch.keys.pack(head.k.transposed());
        scratch.values.pack(head.v);
        let mut out = vec![0.0; head.q.rows() * size];
        for block in self.blocks(head, &scratch.keys) {
            self.probabilities(&block, head.q.part(block.rows.clone(), 0..size), scratch);
            let values = scratch.values.part(block.keys.clone(), 0..size);
            let out = &mut out[block.rows.start * size..];
            packed_product(out, size, block.scores(&scratch.p), values, false);
        }
        out
    }

    /// The probabilities are computed again: keeping them would take more memory than all else.
    fn backward(&self, head: &Head, dout: Matrix, scratch: &mut Scratch) -> HeadGradients {
        let (size, queries, keys) = (head.q.columns(), head.q.rows(), head.k.rows());
        scratch.keys.pack(head.k.transposed());
        scratch.key_rows.pack(head.k);
        scratch.value_columns.pack(head.v.transposed());
        let mut gradients = HeadGradients {
            q: vec![0.0; queries * size],
            k: vec![0.0; keys * size],
            v: vec![0.0; keys * size],
        };
        for block in self.blocks(head, &scratch.keys) {
            let (q, dout) = (
                head.q.part(block.rows.clone(), 0..size),
                dout.part(block.rows.clone(), 0..size),
            );
            self.probabilities(&block, q, scratch);
            scratch.queries.pack(q);
            scratch.douts.pack(dout);
            let seen = block.keys.start * size;
            let p = block.scores(&scratch.p).transposed();
            packed_product(&mut gradients.v[seen..], size, p, scratch.douts.whole(), true);
            scratch.ds.resize(scratch.p.len(), 0.0);
            let values = scratch.value_columns.part(0..size, block.keys.clone());
            packed_product(&mut scratch.ds, block.stride, dout, values, false);
            self.score_gradients(&block, scratch);
            let ds = block.scores(&scratch.ds);
            let key_rows = scratch.key_rows.part(block.keys.clone(), 0..size);
            packed_product(
                &mut gradients.q[block.rows.start * size..],
                size,
                ds,
                key_rows,
                false,
            );
            packed_product(
                &mut gradients.k[seen..],
                size,
                ds.transposed(),
                scratch.queries.whole(),
                true,
            );
        }
        gradients
    }

    /// From gradients of probabilities to those of the products of queries and keys, in place.
    fn score_gradients(&self, block: &Block, scratch: &mut Scratch) {
        let Scratch { p, ds, bent, .. } = scratch;
        kernels::softmax_backward_rows(p, ds, block.keys.len(), block.stride, self.scale);
        if self.cap.is_some() {
            ds.iter_mut().zip(bent).for_each(|(ds, t)| *ds *= 1.0 - *t * *t);
        }
    }
}

/// Adds one head of some rows, \[rows, size\], to these rows of all heads.
fn add_head(to: &mut [f32], head: &[f32], rows: &Range<usize>, [index, heads, size]: [usize; 3]) {
    let to = &mut to[rows.start * heads * size..rows.end * heads * size];
    let rows = to.chunks_exact_mut(heads * size);
    for (row, head) in rows.zip(head.chunks_exact(size)) {
        let to = row[index * size..(index + 1) * size].iter_mut();
        to.zip(head).for_each(|(to, from)| *to += from);
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        k: &CpuStorage,
        kl: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = ql.shape().dims2()?;
        let size = width / self.heads;
        let data = [floats(q, ql)?, floats(k, kl)?, floats(v, vl)?];
        let parts: Vec<_> = self.heads().collect();
        let work = |i: usize, scratch: &mut Scratch| {
            let mut gathered = std::mem::take(&mut scratch.gathered);
            let out = self.forward(&self.head(data, parts[i], size, &mut gathered), scratch);
            scratch.gathered = gathered;
            out
        };
        let results = share::map(parts.len(), work);
        let mut out = vec![0.0; rows * width];
        for (result, [segment, head, _]) in results.iter().zip(&parts) {
            let queries = &self.segments[*segment].queries;
            add_head(&mut out, result, queries, [*head, self.heads, size]);
        }
        Ok((CpuStorage::F32(out), (rows, width).into()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((m, width), (n, key_width)) = (q.dims2()?, k.dims2()?);
        let size = width / self.heads;
        let dout = dout.contiguous()?;
        let (q, k, v, dout) = (Floats::of(q)?, Floats::of(k)?, Floats::of(v)?, Floats::of(&dout)?);
        let data: [&[f32]; 3] = [&q, &k, &v];
        let dout: &[f32] = &dout;
        let parts: Vec<_> = self.heads().collect();
        let work = |i: usize, scratch: &mut Scratch| {
            let [segment, head, _] = parts[i];
            let dout = Self::part(dout, &self.segments[segment].queries, [head, self.heads, size]);
            let mut gathered = std::mem::take(&mut scratch.gathered);
            let head = self.head(data, parts[i], size, &mut gathered);
            let gradients = self.backward(&head, dout, scratch);
            scratch.gathered = gathered;
            gradients
        };
        let results = share::map(parts.len(), work);
        let mut dq = vec![0.0; m * width];
        let (mut dk, mut dv) = (vec![0.0; n * key_width], vec![0.0; n * key_width]);
        for (result, [segment, head, key_head]) in results.iter().zip(&parts) {
            let (segment, shared) = (&self.segments[*segment], [*key_head, self.key_heads, size]);
            add_head(&mut dq, &result.q, &segment.queries, [*head, self.heads, size]);
            let [first, own] = &segment.keys;
            for (to, from) in [(&mut dk, &result.k), (&mut dv, &result.v)] {
                let (beginning, rest) = from.split_at(first.len() * size);
                add_head(to, beginning, first, shared);
                add_head(to, rest, own, shared);
            }
        }
        Ok((
            Some(tensor(dq, (m, width))?),
            Some(tensor(dk, (n, key_width))?),
            Some(tensor(dv, (n, key_width))?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::backbone::ops::testing::{as_on_gpu, compare, random};

    const SIZE: usize = 4;

    /// One head of one text, with candle's own operations.
    fn head(attention: &Attention, [q, k, v]: [&Tensor; 3]) -> Tensor {
        let (rows, keys) = (q.dim(0).unwrap(), k.dim(0).unwrap());
        let mut scores = (q.matmul(&k.t().unwrap()).unwrap() * f64::from(attention.scale)).unwrap();
        if let Some(cap) = attention.cap {
            let cap = f64::from(cap);
            scores = ((scores / cap).unwrap().tanh().unwrap() * cap).unwrap();
        }
        let first = attention.span.first_position(rows, keys);
        let seen: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let visible = attention.span.visible(first + row, keys);
                (0..keys).map(move |key| f32::from(u8::from(visible.contains(&key))))
            })
            .collect();
        let seen = Tensor::from_vec(seen, (rows, keys), &Device::Cpu).unwrap();
        let powers = (scores.exp().unwrap() * seen).unwrap();
        let sums = powers.sum_keepdim(1).unwrap();
        powers.broadcast_div(&sums).unwrap().matmul(v).unwrap()
    }

    fn plain(attention: &Attention, v: &[Var]) -> Tensor {
        let mut segments = Vec::new();
        for Segment { queries, keys } in attention.segments.iter() {
            let mut heads = Vec::new();
            for h in 0..attention.heads {
                let part = |t: &Var, rows: &Range<usize>, h: usize| {
                    let rows = t.narrow(0, rows.start, rows.len()).unwrap();
                    rows.narrow(1, h * SIZE, SIZE).unwrap().contiguous().unwrap()
                };
                let shared = h * attention.key_heads / attention.heads;
                let q = part(&v[0], queries, h);
                let [k, v] = [1, 2].map(|i| {
                    let parts = keys.each_ref().map(|rows| part(&v[i], rows, shared));
                    Tensor::cat(&parts, 0).unwrap()
                });
                heads.push(head(attention, [&q, &k, &v]));
            }
            segments.push(Tensor::cat(&heads, 1).unwrap());
        }
        Tensor::cat(&segments, 0).unwrap()
    }

    fn segment(queries: Range<usize>, keys: [Range<usize>; 2]) -> Segment {
        Segment { queries, keys }
    }

    fn check(segments: Vec<Segment>, spans: &[Span]) {
        let queries = segments.last().unwrap().queries.end;
        let segments = Arc::new(segments);
        for (&span, key_heads, cap) in spans.iter().flat_map(|s| [(s, 4, None), (s, 2, Some(1.5))]) {
            let v = [
                random((queries, 4 * SIZE), 1),
                random((73, key_heads * SIZE), 2),
                random((73, key_heads * SIZE), 3),
            ];
            let attention = Attention {
                heads: 4,
                key_heads,
                scale: 0.5,
                cap,
                span,
                segments: segments.clone(),
            };
            let apply = || attention.apply(&v[0], &v[1], &v[2]).unwrap();
            compare(&v, apply, || plain(&attention, &v));
            compare(&v, || as_on_gpu(apply), || plain(&attention, &v));
        }
    }

    /// Two texts of 3 and 70 tokens, of which the second spans two blocks of queries; then one query of each alone.
    #[test]
    fn attention_matches_candle() {
        let spans = [Span::Text, Span::Near(5), Span::Past, Span::RecentPast(7)];
        let keys = [[0..0, 0..3], [0..0, 3..73]];
        let [short, long] = keys.clone();
        check(vec![segment(0..3, short), segment(3..73, long)], &spans);
        let [short, long] = keys;
        check(vec![segment(0..1, short), segment(1..2, long)], &spans);
    }

    /// Two texts that go on from the same 60 tokens; then their last queries alone.
    #[test]
    fn attention_to_a_shared_beginning_matches_candle() {
        let spans = [Span::Past, Span::RecentPast(7), Span::RecentPast(65)];
        let (beginning, ends) = ([0..0, 0..60], [60..64, 64..73]);
        let [first, second] = ends.clone().map(|end| segment(end.clone(), [0..60, end]));
        check(vec![segment(0..60, beginning), first, second], &spans);
        let [first, second] = ends;
        check(
            vec![segment(0..1, [0..60, first]), segment(1..2, [0..60, second])],
            &spans,
        );
    }
}
