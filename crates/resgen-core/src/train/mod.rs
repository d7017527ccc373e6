//! Training: one loop, its optimizer, its checkpoints and its logs.

pub mod checkpoint;
pub mod config;
pub mod generator;
pub mod learner;
pub mod log;
pub mod model_file;
pub mod pictures;
pub mod preview;
pub mod rate;
pub mod run;
pub mod tokenizer;
pub mod tokens;
pub mod weights;
