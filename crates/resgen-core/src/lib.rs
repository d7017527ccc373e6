//! Masked generative modelling on residual-vector-quantized (RVQ) tokens.
//!
//! The modules stand in the order a signal passes through them:
//! signal → tokenizer → rvq codes → mask → model + head → sample → rvq codes → tokenizer → signal.

pub mod atomic;
mod digest;
pub mod error;
pub mod progress;
pub mod random;
pub mod schedule;
pub mod sealed;
pub mod text;
pub mod workers;

pub mod signal;

pub mod nn;

pub mod features;

pub mod rvq;

pub mod mask;

pub mod condition;
pub mod head;

pub mod model;
pub mod tokenizer;
pub mod vocoder;

pub mod sample;

pub mod data;
pub mod eval;
pub mod train;

pub mod compare;
pub mod speak;

pub use error::{Error, Result};
