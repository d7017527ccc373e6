//! A discriminator that tells signals from reconstructions, and the losses that follow from it.

mod discriminator;
mod losses;

pub use discriminator::{Discriminator, DiscriminatorConfig};
pub use losses::{
    AdversarialConfig, Balance, SignalGradients, adaptive_weight, discriminator_loss, generator_loss,
};
