//! How evenly the codes of each depth are used.

use serde::Serialize;

use super::Codes;

/// Counts of every code at every depth.
#[derive(Clone, Debug)]
pub struct Usage {
    counts: Vec<Vec<u64>>, // [D][V]
}

/// How one depth uses its codebook.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DepthUsage {
    /// Share of codes that occur at all, 0 to 1.
    pub used: f64,
    /// exp of the entropy of the codes in nats: 1 (one code) to V (all equally often).
    pub perplexity: f64,
}

impl Usage {
    /// Nothing counted yet.
    pub fn new(depth: usize, vocabulary: usize) -> Self {
        Self { counts: vec![vec![0; vocabulary]; depth] }
    }

    /// Counts the codes of a batch; depths beyond this count's own are ignored.
    pub fn add(&mut self, codes: &Codes) {
        for row in codes.values().chunks(codes.depth()) {
            for (counts, &code) in self.counts.iter_mut().zip(row) {
                if let Some(count) = counts.get_mut(usize::from(code)) {
                    *count += 1;
                }
            }
        }
    }

    /// One entry per depth, coarsest first.
    pub fn per_depth(&self) -> Vec<DepthUsage> {
        self.counts.iter().map(|counts| depth_usage(counts)).collect()
    }
}

fn depth_usage(counts: &[u64]) -> DepthUsage {
    let used = counts.iter().filter(|&&count| count > 0).count() as f64 / counts.len() as f64;
    DepthUsage { used, perplexity: perplexity(counts.iter().map(|&count| count as f64)) }
}

/// exp of the entropy of the shares that `counts` make: 1 (one code) to V (all alike).
pub(super) fn perplexity(counts: impl Iterator<Item = f64> + Clone) -> f64 {
    let total: f64 = counts.clone().sum();
    let shares = counts.filter(|&count| count > 0.0).map(|count| count / total);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_use_of_half_the_codes() {
        let mut usage = Usage::new(2, 4);
        usage.add(&Codes::new(vec![0, 3, 1, 3], 2, 2, 4).unwrap());
        let depths = usage.per_depth();
        assert_eq!(depths[0].used, 0.5);
        assert!((depths[0].perplexity - 2.0).abs() < 1e-12);
        assert_eq!(depths[1], DepthUsage { used: 0.25, perplexity: 1.0 });
    }
}
