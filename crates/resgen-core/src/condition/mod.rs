//! What a sample is asked to be.

mod class;
mod text;

pub use class::ClassCondition;
pub use text::{Saying, TextConfig, TextEncoder, TextTokens};

use burn::tensor::{Device, Int, Tensor};

/// What the signals of a batch are asked to be, on a device.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The class of each, `[B]`.
    pub labels: Tensor<1, Int>,
    /// What each says, where the generator is one that speaks.
    pub texts: Option<TextTokens>,
}

impl Condition {
    /// Of classes alone.
    pub fn of_classes(classes: impl IntoIterator<Item = usize>, device: &Device) -> Self {
        let labels: Vec<i32> = classes.into_iter().map(|class| class as i32).collect();
        Self { labels: Tensor::from_data(labels.as_slice(), device), texts: None }
    }

    /// The same of signals of so many `positions` that say something.
    #[must_use]
    pub fn saying(self, sayings: &[Saying], positions: usize) -> Self {
        let texts = TextTokens::new(sayings, positions, &self.labels.device());
        Self { texts: Some(texts), ..self }
    }
}
