//! How far two lists of numbers move together.

/// Pearson's correlation; None if the lists differ in length, are shorter than two or do not vary.
pub fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    if xs.len() != ys.len() || xs.len() < 2 {
        return None;
    }
    let n = xs.len() as f64;
    let (mean_x, mean_y) = (xs.iter().sum::<f64>() / n, ys.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    let correlation = xy / (xx * yy).sqrt();
    correlation.is_finite().then_some(correlation)
}

/// Spearman's rank correlation: Pearson's over ranks, equal values sharing their mean rank.
pub fn spearman(xs: &[f64], ys: &[f64]) -> Option<f64> {
    pearson(&ranks(xs), &ranks(ys))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean_rank = start as f64 + (group.len() + 1) as f64 / 2.0;
        for &index in group {
            ranks[index] = mean_rank;
        }
        start += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [[f64; 7]; 2] = [
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        [2.1, 3.9, 6.2, 7.8, 9.1, 13.0, 12.5],
    ];
    const TIED: [[f64; 8]; 2] = [
        [1.0, 2.0, 2.0, 3.0, 5.0, 5.0, 5.0, 8.0],
        [0.5, 0.1, 0.7, 0.7, -1.2, 2.0, 0.7, 1.0],
    ];

    fn close(left: Option<f64>, right: f64) -> bool {
        left.is_some_and(|left| (left - right).abs() < 1e-12)
    }

    /// scipy 1.17.1, `scipy.stats.pearsonr` and `spearmanr`.
    #[test]
    fn agrees_with_scipy() {
        assert!(close(pearson(&PLAIN[0], &PLAIN[1]), 0.983_082_706_766_917_4));
        assert!(close(spearman(&PLAIN[0], &PLAIN[1]), 0.964_285_714_285_714_5));
        assert!(close(pearson(&TIED[0], &TIED[1]), 0.156_902_966_008_344_86));
        assert!(close(spearman(&TIED[0], &TIED[1]), 0.465_418_010_019_630_6));
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[1.0], &[1.0]), None);
        assert_eq!(pearson(&[1.0, 2.0], &[1.0]), None);
    }
}
