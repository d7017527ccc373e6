//! How good a tokenizer or a model is.

pub mod neighbours;
pub mod reconstruction;

pub use neighbours::{Labelled, Neighbour, NeighbourReport, neighbours};
pub use reconstruction::{DepthQuality, ReconstructionReport, measure};
