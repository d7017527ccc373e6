//! How good a tokenizer or a model is.

pub mod growth;
pub mod neighbours;
pub mod reconstruction;

pub use growth::{Growth, draw_growths};
pub use neighbours::{Labelled, Neighbour, NeighbourReport, neighbours};
pub use reconstruction::{DepthQuality, ReconstructionReport, measure};
