//! Products with matrices as they lie in memory: a right side is packed, multiplied with and forgotten.

use std::cell::Cell;
use std::ops::Range;

use super::share;
use super::unit_tile::NR;
use super::unit_write::bits;
use super::units::{Left, Panels, Rows, Transposed, Write, multiply_columns};
use recipe::Precision;

#[derive(Default)]
struct Sides {
    left: Rows,
    transposed: Transposed,
    right: Rows,
    panels: Panels,
}

thread_local! {
    static SIDES: Cell<Sides> = Cell::default();
}

/// Work with this thread's buffers. They are away meanwhile: work of another pool's that comes in between has its own.
fn with_sides<T>(work: impl FnOnce(&mut Sides) -> T) -> T {
    let mut sides = SIDES.take();
    let result = work(&mut sides);
    SIDES.set(sides);
    result
}

/// A result that several threads write, each its own columns.
#[derive(Clone, Copy)]
struct Out {
    start: *mut f32,
    stride: usize,
}

// SAFETY: `by_columns` gives each thread columns of its own of a slice that is borrowed mutably meanwhile.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// `out ← left · right` and what `write` adds, where `fill` packs some of the right side's columns.
fn by_columns(
    out: &mut [f32],
    columns: usize,
    left: Left,
    write: Write,
    fill: impl Fn(Range<usize>, &mut Sides) + Sync,
) {
    assert_eq!(out.len(), left.rows * columns, "elements of a product");
    let out = Out {
        start: out.as_mut_ptr(),
        stride: columns,
    };
    share::parts(columns, NR, &|part| {
        with_sides(|sides| {
            fill(part.clone(), sides);
            let own = write.of_columns(part.clone());
            let Out { start, stride } = { out };
            // SAFETY: the result was checked to hold all columns of all rows, and each part is one thread's.
            unsafe { multiply_columns(start.add(part.start), stride, left, sides.panels.whole(), own) };
        });
    });
}

/// `y ← x · wᵀ` and what `write` adds: x \[n, inner\], w \[outer, inner\], y \[n, outer\].
pub(crate) fn by_transposed(
    precision: Precision,
    y: &mut [f32],
    (x, w): (&[f32], &[f32]),
    [n, inner, outer]: [usize; 3],
    write: Write,
) {
    assert_eq!(w.len(), outer * inner, "elements of a weight");
    with_sides(|sides| {
        let left = sides.left.view(precision, x, [n, inner], inner);
        by_columns(y, outer, left, write, |part, sides| {
            let own = &w[part.start * inner..part.end * inner];
            let shape = [inner, part.len()];
            match precision {
                Precision::F32 => sides.panels.fill_turned(precision, bits(own), shape, inner),
                Precision::Bf16 => {
                    sides.right.fill(precision, own, inner);
                    let units = sides.right.units;
                    sides
                        .panels
                        .fill_turned(precision, &sides.right.data, shape, units);
                }
            }
        });
    });
}

/// `y ← x · w` and what `write` adds: x \[n, inner\], w \[inner, outer\], y \[n, outer\].
pub(crate) fn by_rows(
    precision: Precision,
    y: &mut [f32],
    (x, w): (&[f32], &[f32]),
    [n, inner, outer]: [usize; 3],
    write: Write,
) {
    with_sides(|sides| {
        let left = sides.left.view(precision, x, [n, inner], inner);
        by_columns(y, outer, left, write, |part, sides| {
            fill_columns(precision, w, [inner, outer], part, sides);
        });
    });
}

/// `y ← xᵀ · w` and what `write` adds: x \[inner, n\], w \[inner, outer\], y \[n, outer\].
pub(crate) fn transposed_by_rows(
    precision: Precision,
    y: &mut [f32],
    (x, w): (&[f32], &[f32]),
    [n, inner, outer]: [usize; 3],
    write: Write,
) {
    with_sides(|sides| {
        sides.transposed.fill(precision, x, [inner, n], n);
        by_columns(y, outer, sides.transposed.left(), write, |part, sides| {
            fill_columns(precision, w, [inner, outer], part, sides);
        });
    });
}

fn fill_columns(
    precision: Precision,
    w: &[f32],
    [inner, outer]: [usize; 2],
    part: Range<usize>,
    sides: &mut Sides,
) {
    assert_eq!(w.len(), inner * outer, "elements of a right side");
    let from = w.get(part.start..).unwrap_or_default();
    sides.panels.fill(precision, from, [inner, part.len()], outer);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let number = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16;
        (0..count).map(|i| number(i) as f32 / 65_536.0 - 0.5).collect()
    }

    fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
        (0..columns)
            .flat_map(|j| x.iter().skip(j).step_by(columns).copied())
            .collect()
    }

    /// Each way of lying, added to what is there and to a row, alone and shared between threads.
    #[test]
    fn products_equal_plain_sums() {
        type Way = fn(Precision, &mut [f32], (&[f32], &[f32]), [usize; 3], Write);
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
            for shape @ [n, inner, outer] in [[1, 1, 1], [13, 5, 7], [50, 33, 140], [7, 401, 30]] {
                let (x, w) = (numbers(n * inner, 1), numbers(inner * outer, 2));
                let (xt, wt) = (transposed(&x, inner), transposed(&w, outer));
                let ways: [(Way, &[f32], &[f32]); 3] = [
                    (by_transposed, &x, &wt),
                    (by_rows, &x, &w),
                    (transposed_by_rows, &xt, &w),
                ];
                let row = numbers(outer, 3);
                for (way, x_as, w_as) in ways {
                    for write in [Write::Over, Write::Add, Write::Onto(&row)] {
                        let mut y = vec![1.0; n * outer];
                        let mut again = y.clone();
                        way(precision, &mut y, (x_as, w_as), shape, write);
                        for (at, got) in y.iter().enumerate() {
                            let (i, j) = (at / outer, at % outer);
                            let product =
                                |k: usize| f64::from(x[i * inner + k]) * f64::from(w[k * outer + j]);
                            let want = (0..inner).map(product).sum::<f64>()
                                + match write {
                                    Write::Over => 0.0,
                                    Write::Add => 1.0,
                                    Write::Onto(row) => f64::from(row[j]),
                                };
                            assert!(
                                (f64::from(*got) - want).abs() < tolerance,
                                "{shape:?}: {got} {want}"
                            );
                        }
                        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
                        let share = || way(precision, &mut again, (x_as, w_as), shape, write);
                        pool.install(|| share::shared(share));
                        assert_eq!(y, again);
                    }
                }
            }
        }
    }
}
