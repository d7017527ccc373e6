//! What a sample is asked to be.

mod alignment;
mod class;
mod frozen;
mod t5;
mod text;

pub use class::ClassCondition;
pub use frozen::{EncoderIdentity, FrozenEncoder};
pub use t5::{T5Config, T5Encoder};
pub use text::{Saying, TextConfig, TextEncoder, Texts};

use burn::tensor::{Device, Int, Tensor};

/// Where a text has ended: weights of attention vanish.
const NOTHING: f32 = -1e9;
/// Texts are filled up to a multiple of this, so that shapes repeat.
const STRIDE: usize = 16;

/// What the signals of a batch are asked to be.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The class of each, `[B]`, on a device.
    pub labels: Tensor<1, Int>,
    /// What each says, where the generator is one that speaks.
    pub texts: Option<Texts>,
}

impl Condition {
    /// Of classes alone.
    pub fn of_classes(classes: impl IntoIterator<Item = usize>, device: &Device) -> Self {
        let labels: Vec<i32> = classes.into_iter().map(|class| class as i32).collect();
        Self { labels: Tensor::from_data(labels.as_slice(), device), texts: None }
    }

    /// The same of signals of so many `positions` that say something.
    #[must_use]
    pub fn saying(self, sayings: Vec<Saying>, positions: usize) -> Self {
        Self { texts: Some(Texts::new(sayings, positions)), ..self }
    }
}
