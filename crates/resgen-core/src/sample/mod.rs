//! Sampling, for any model of [`crate::model`].

mod autoregress;
mod filling;
mod noise;
mod preset;
mod request;
mod unmask;

pub use autoregress::{Autoregressor, DrawsPosition};
pub use filling::FillsMasks;
pub use preset::Preset;
pub use request::{Known, Request};
pub use unmask::Unmasker;
