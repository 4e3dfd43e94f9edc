//! Multi-head attention within each of several texts that lie packed in one tensor.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::share;
use super::heads::{Head, Lines, Scratch};
use super::meeting::Attention;
use super::{Floats, floats, known, padded, plain, tensor};

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

    /// One head of one segment of queries, keys and values of all.
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
            precision: self.precision,
            span: self.span,
            scale: self.scale,
            cap: self.cap,
            size,
            q: Lines::of(q, &segment.queries, [head, self.heads, size]),
            k: Lines::of_both(k, &segment.keys, shared, keys),
            v: Lines::of_both(v, &segment.keys, shared, values),
        }
    }

    /// `work` on each head of each segment, with buffers of the thread that does it.
    fn each<T: Send>(
        &self,
        data: [&[f32]; 3],
        (parts, size): (&[[usize; 3]], usize),
        work: impl Fn(usize, Head, &mut Scratch) -> T + Sync,
    ) -> Vec<T> {
        share::map(parts.len(), |i, scratch: &mut Scratch| {
            let mut gathered = std::mem::take(&mut scratch.gathered);
            let result = work(i, self.head(data, parts[i], size, &mut gathered), scratch);
            scratch.gathered = gathered;
            result
        })
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
        let work = |_: usize, head: Head, scratch: &mut Scratch| head.forward(scratch);
        let results = self.each(data, (&parts, size), work);
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
        let work = |i: usize, own: Head, scratch: &mut Scratch| {
            let [segment, head, _] = parts[i];
            let queries = &self.segments[segment].queries;
            own.backward(Lines::of(dout, queries, [head, self.heads, size]), scratch)
        };
        let results = self.each(data, (&parts, size), work);
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
    use std::sync::Arc;

    use candle_core::{Device, Var};

    use super::super::meeting::{Segment, Span};
    use super::*;
    use crate::backbone::ops::testing::{as_on_gpu, compare, random};
    use recipe::Precision;

    const SIZE: usize = 4;

    /// One head of one text, with candle's own operations.
    fn head(attention: &Attention, [q, k, v]: [&Tensor; 3]) -> Tensor {
        let (rows, keys) = (q.dim(0).unwrap(), k.dim(0).unwrap());
        let mut scores = (q.matmul(&k.t().unwrap()).unwrap() * f64::from(attention.scale)).unwrap();
        if let Some(cap) = attention.cap {
            let cap = f64::from(cap);
            scores = ((scores / cap).unwrap().tanh().unwrap() * cap).unwrap();
        }
        let seen: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let visible = attention.span.of_query(row, rows, keys);
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
        let last = segments.last().unwrap();
        let (queries, keys) = (last.queries.end, last.keys[1].end);
        let segments = Arc::new(segments);
        for (&span, key_heads, cap) in spans.iter().flat_map(|s| [(s, 4, None), (s, 2, Some(1.5))]) {
            let v = [
                random((queries, 4 * SIZE), 1),
                random((keys, key_heads * SIZE), 2),
                random((keys, key_heads * SIZE), 3),
            ];
            let attention = Attention {
                heads: 4,
                key_heads,
                scale: 0.5,
                cap,
                span,
                precision: Precision::F32,
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
    /// So many keys that a product's inner dimension takes several blocks, of which late queries see none of the first.
    #[test]
    fn attention_of_a_long_text_matches_candle() {
        let spans = [Span::Past, Span::RecentPast(230)];
        check(vec![segment(0..500, [0..0, 0..500])], &spans);
    }
}
