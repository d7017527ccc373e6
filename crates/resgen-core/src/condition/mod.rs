//! What a sample is asked to be.

mod class;

pub use class::ClassCondition;
