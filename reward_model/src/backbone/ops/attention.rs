//! Multi-head attention within each of several texts that lie packed in one tensor.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Matrix, product};
use super::{Floats, floats, tensor};

/// Where each text's rows lie in packed tensors: text i has rows `offsets[i]..offsets[i + 1]`.
pub(crate) type Offsets = Arc<Vec<usize>>;

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
    /// Where each text's queries lie.
    pub queries: Offsets,
    /// Where each text's keys and values lie.
    pub keys: Offsets,
}

/// Query rows worked on at once: their scores against 512 keys stay in the second-level cache.
const BLOCK: usize = 64;

/// One text, one head, one block of queries: where its rows begin, counted in elements, and what they see.
struct Tile {
    q: usize,
    k: usize,
    rows: usize,
    keys: usize,
    /// Columns that row i sees; nothing where every row sees all.
    visible: Option<Vec<Range<usize>>>,
}

/// What a tile is computed with.
#[derive(Default)]
struct Scratch {
    /// Probabilities, [rows, keys].
    p: Vec<f32>,
    /// Their gradients.
    ds: Vec<f32>,
    /// `tanh(score / cap)`, with a cap.
    bent: Vec<f32>,
}

/// Sizes of a query row, of a key row, and of one head.
#[derive(Clone, Copy)]
struct Widths {
    q: usize,
    k: usize,
    head: usize,
}

impl Attention {
    /// q \[m, heads · size\], k and v \[n, key_heads · size\] → \[m, heads · size\].
    pub fn apply(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        q.apply_op3(k, v, self.clone())
    }

    fn widths(&self, q: usize) -> Widths {
        let head = q / self.heads;
        Widths {
            q,
            k: head * self.key_heads,
            head,
        }
    }

    /// Calls `f` for each tile; every element of a query belongs to one tile.
    fn tiles(&self, widths: Widths, mut f: impl FnMut(Tile)) {
        for (q, k) in self.queries.windows(2).zip(self.keys.windows(2)) {
            let (queries, keys) = (q[1] - q[0], k[1] - k[0]);
            let first = self.span.first_position(queries, keys);
            for head in 0..self.heads {
                let key_head = head / (self.heads / self.key_heads);
                for row in (0..queries).step_by(BLOCK) {
                    let rows = BLOCK.min(queries - row);
                    let (seen, visible) = self.seen(first + row, rows, keys);
                    f(Tile {
                        q: (q[0] + row) * widths.q + head * widths.head,
                        k: (k[0] + seen.start) * widths.k + key_head * widths.head,
                        rows,
                        keys: seen.len(),
                        visible,
                    });
                }
            }
        }
    }

    /// The keys that any of `rows` queries from `position` on sees, and what each sees of them.
    fn seen(&self, position: usize, rows: usize, keys: usize) -> (Range<usize>, Option<Vec<Range<usize>>>) {
        if self.span == Span::Text {
            return (0..keys, None);
        }
        let each = |row: usize| self.span.visible(position + row, keys);
        let seen = each(0).start..each(rows - 1).end;
        let within = |range: Range<usize>| range.start - seen.start..range.end - seen.start;
        let visible = (0..rows).map(|row| within(each(row))).collect();
        (seen, Some(visible))
    }

    /// Probabilities of a tile into the scratch.
    fn probabilities(&self, tile: &Tile, widths: Widths, q: &[f32], k: &[f32], scratch: &mut Scratch) {
        let p = &mut scratch.p;
        p.resize(tile.rows * tile.keys, 0.0);
        let q = Matrix::new(&q[tile.q..], tile.rows, widths.head, widths.q);
        let k = Matrix::new(&k[tile.k..], tile.keys, widths.head, widths.k);
        product(p, tile.keys, q, k.transposed(), false, 1.0);
        let scale = match self.cap {
            Some(cap) => {
                p.iter_mut().for_each(|x| *x = (*x * self.scale / cap).tanh());
                scratch.bent.clone_from(p);
                cap
            }
            None => self.scale,
        };
        for (row, visible) in p.chunks_exact_mut(tile.keys).zip(tile.visible.iter().flatten()) {
            row[..visible.start].fill(f32::NEG_INFINITY);
            row[visible.end..].fill(f32::NEG_INFINITY);
        }
        kernels::softmax_rows(p, tile.keys, scale);
    }

    /// From gradients of probabilities to those of the products of queries and keys, in place.
    fn score_gradients(&self, tile: &Tile, scratch: &mut Scratch) {
        kernels::softmax_backward_rows(&scratch.p, &mut scratch.ds, tile.keys, self.scale);
        if self.cap.is_some() {
            let bent = scratch.bent.iter();
            scratch
                .ds
                .iter_mut()
                .zip(bent)
                .for_each(|(ds, t)| *ds *= 1.0 - t * t);
        }
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
        let (q, k, v) = (floats(q, ql)?, floats(k, kl)?, floats(v, vl)?);
        let widths = self.widths(width);
        let (mut out, mut scratch) = (vec![0.0; rows * width], Scratch::default());
        self.tiles(widths, |tile| {
            self.probabilities(&tile, widths, q, k, &mut scratch);
            let p = Matrix::new(&scratch.p, tile.rows, tile.keys, tile.keys);
            let v = Matrix::new(&v[tile.k..], tile.keys, widths.head, widths.k);
            product(&mut out[tile.q..], width, p, v, false, 1.0);
        });
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
        let widths = self.widths(width);
        let size = widths.head;
        let dout = dout.contiguous()?;
        let (qs, ks, vs, douts) = (Floats::of(q)?, Floats::of(k)?, Floats::of(v)?, Floats::of(&dout)?);
        let mut dq = vec![0.0; m * width];
        let (mut dk, mut dv) = (vec![0.0; n * key_width], vec![0.0; n * key_width]);
        let mut scratch = Scratch::default();
        self.tiles(widths, |tile| {
            self.probabilities(&tile, widths, &qs, &ks, &mut scratch);
            let dout = Matrix::new(&douts[tile.q..], tile.rows, size, width);
            let p = Matrix::new(&scratch.p, tile.rows, tile.keys, tile.keys);
            product(&mut dv[tile.k..], key_width, p.transposed(), dout, true, 1.0);
            let values = Matrix::new(&vs[tile.k..], tile.keys, size, key_width);
            scratch.ds.resize(tile.rows * tile.keys, 0.0);
            product(&mut scratch.ds, tile.keys, dout, values.transposed(), false, 1.0);
            self.score_gradients(&tile, &mut scratch);
            let scores = Matrix::new(&scratch.ds, tile.rows, tile.keys, tile.keys);
            let keys = Matrix::new(&ks[tile.k..], tile.keys, size, key_width);
            product(&mut dq[tile.q..], width, scores, keys, false, 1.0);
            let queries = Matrix::new(&qs[tile.q..], tile.rows, size, width);
            product(
                &mut dk[tile.k..],
                key_width,
                scores.transposed(),
                queries,
                true,
                1.0,
            );
        });
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
    use crate::backbone::ops::testing::{compare, random};

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
        let mut texts = Vec::new();
        for text in 0..attention.keys.len() - 1 {
            let mut heads = Vec::new();
            for h in 0..attention.heads {
                let part = |t: &Var, o: &Offsets, h: usize| {
                    let rows = t.narrow(0, o[text], o[text + 1] - o[text]).unwrap();
                    rows.narrow(1, h * SIZE, SIZE).unwrap().contiguous().unwrap()
                };
                let shared = h * attention.key_heads / attention.heads;
                let q = part(&v[0], &attention.queries, h);
                let [k, v] = [1, 2].map(|i| part(&v[i], &attention.keys, shared));
                heads.push(head(attention, [&q, &k, &v]));
            }
            texts.push(Tensor::cat(&heads, 1).unwrap());
        }
        Tensor::cat(&texts, 0).unwrap()
    }

    /// Two texts of 3 and 70 tokens, of which the second spans two blocks of queries; then one query of each alone.
    #[test]
    fn attention_matches_candle() {
        let keys: Offsets = Arc::new(vec![0, 3, 73]);
        let spans = [Span::Text, Span::Near(5), Span::Past, Span::RecentPast(7)];
        for queries in [keys.clone(), Arc::new(vec![0, 1, 2])] {
            for (span, key_heads, cap) in spans.into_iter().flat_map(|s| [(s, 4, None), (s, 2, Some(1.5))]) {
                let v = [
                    random((queries[2], 4 * SIZE), 1),
                    random((73, key_heads * SIZE), 2),
                    random((73, key_heads * SIZE), 3),
                ];
                let attention = Attention {
                    heads: 4,
                    key_heads,
                    scale: 0.5,
                    cap,
                    span,
                    queries: queries.clone(),
                    keys: keys.clone(),
                };
                compare(
                    &v,
                    || attention.apply(&v[0], &v[1], &v[2]).unwrap(),
                    || plain(&attention, &v),
                );
            }
        }
    }
}
