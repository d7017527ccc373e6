//! Generators over RVQ codes.

mod resgen;

pub use resgen::{Resgen, ResgenConfig};
