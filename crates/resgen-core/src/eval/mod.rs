//! How good a tokenizer or a model is.

pub mod distribution;
pub mod embeddings;
pub mod growth;
pub mod held_out;
pub mod images;
pub mod likelihood;
pub mod likeness;
mod looking;
pub mod manifest;
pub mod nearest;
pub mod neighbours;
pub mod reconstruction;
pub mod reference;
pub mod similarity;
pub mod speakers;
pub mod transcripts;
pub mod words;

pub use growth::{Growth, draw_growths};
pub use held_out::{HeldOutCodes, HeldOutLoss, held_out_loss};
pub use neighbours::{Labelled, Neighbour, NeighbourReport, neighbours};
pub use reconstruction::{Judges, Reconstruction, measure};
