//! Training: one loop, its optimizer, its checkpoints and its logs.

pub mod atomic;
pub mod log;
pub mod progress;
