//! The masking process: counts per position, marginals and posteriors (ResGen, arXiv 2412.10208).
//!
//! ```text
//! L positions · D depth · k_i codes masked at position i · n = Σ k_i
//!
//! forward    k^t            ~ q(k^t | x)         = MVH(D, …, D; n_t)
//! reverse    k^{t−1} | k^t  ~ q(k^{t−1} | k^t)   = MVH(k^t_1, …, k^t_L; n_{t−1})
//! schedule   0 = n_0 < n_1 < … < n_T = L·D
//! ```
//!
//! Tokens are masked from the finest depth towards the coarsest, so one number says what is masked at a
//! position: k_i masked codes are the depths j ≥ D − k_i. MVH(c; n) is the multivariate hypergeometric
//! distribution: draw n of Σ c_i tokens without replacement and count them per position. Thinning composes,
//! so the steps are consistent: Σ_{k^t} q(k^t | x)·q(k^{t−1} | k^t) = q(k^{t−1} | x).
//!
//! Nothing assumes that the first mask is full. Where codes are known from the start (a prompt, an image
//! region to keep) k^T is below D there, and the same posterior never masks them again.

mod counts;
mod probability;
mod sampling;

pub use counts::MaskCounts;
pub use probability::{ln_choose, log_marginal, log_posterior};
pub use sampling::{sample_marginal, sample_posterior, sample_training};
