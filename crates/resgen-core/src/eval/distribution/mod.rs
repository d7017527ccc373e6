//! How far apart two sets of pictures are, seen as features of a network: Fréchet and kernel distance, precision and
//! recall, Inception score. Everything is worked out in f64 from features in f32.

mod frechet;
mod inception_score;
mod interval;
mod kernel;
mod manifold;
mod matrix;
mod moments;

pub use frechet::{Frechet, frechet_distance};
pub use inception_score::ScoreSplits;
pub use interval::{Estimate, IntervalMethod, RunningMean, jackknife, ratio};
pub use kernel::kernel_distance;
pub use manifold::{Manifold, precision_and_recall};
pub use matrix::Rows;
pub(super) use matrix::{multiply, squared_lengths};
pub use moments::{GroupedMoments, Moments};

#[cfg(test)]
mod tests;
