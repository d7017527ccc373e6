//! Sampling, for any model of [`crate::model`].

mod autoregress;
mod filling;
mod noise;
mod preset;
mod request;
mod unmask;

pub use autoregress::{Autoregressor, DrawsPosition};
pub use filling::FillsMasks;
pub use preset::{GuidanceOn, Preset};
pub use request::{Known, Request};
pub use unmask::Unmasker;

use crate::error::Result;
use crate::model::{AnyNetwork, Masked, Network, Sequential, with_any_network};
use crate::rvq::{Codebooks, Codes};

/// Draws codes from a network.
pub trait Sampler: Sync {
    /// Draws all samples of a request as one batch.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a class the model does not have, or predictions that are no numbers;
    /// [`crate::Error::Mismatch`] for known codes of another shape.
    fn sample(&self, request: &Request) -> Result<Codes>;
}

impl<H: FillsMasks> Sampler for Unmasker<'_, H> {
    fn sample(&self, request: &Request) -> Result<Codes> {
        self.sample(request)
    }
}

impl<H: DrawsPosition> Sampler for Autoregressor<'_, H> {
    fn sample(&self, request: &Request) -> Result<Codes> {
        self.sample(request)
    }
}

/// A network that can be drawn from.
pub trait Samples: Network {
    /// Its sampler.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] names a setting that is out of range.
    fn sampler<'a>(&'a self, books: &'a Codebooks, preset: Preset) -> Result<Box<dyn Sampler + 'a>>;
}

impl<H: FillsMasks> Samples for Masked<H> {
    fn sampler<'a>(&'a self, books: &'a Codebooks, preset: Preset) -> Result<Box<dyn Sampler + 'a>> {
        Ok(Box::new(Unmasker::new(self, books, preset)?))
    }
}

impl<H: DrawsPosition> Samples for Sequential<H> {
    fn sampler<'a>(&'a self, books: &'a Codebooks, preset: Preset) -> Result<Box<dyn Sampler + 'a>> {
        Ok(Box::new(Autoregressor::new(self, books, preset)?))
    }
}

/// The sampler of whichever network it is.
///
/// # Errors
/// As [`Samples::sampler`].
pub fn sampler<'a>(
    network: &'a AnyNetwork,
    books: &'a Codebooks,
    preset: Preset,
) -> Result<Box<dyn Sampler + 'a>> {
    with_any_network!(network, network => network.sampler(books, preset))
}
