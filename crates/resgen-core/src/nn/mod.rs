//! Blocks shared by every network, and access to a network's parameters by name.

pub mod attention;
pub mod builder;
pub mod conv;
pub mod convnext;
pub mod cross;
mod named_weights;
pub mod parameters;
pub mod precision;
pub mod pretrained;
pub mod stack;
pub mod transformer;

pub use builder::Builder;
pub(crate) use named_weights::NamedWeights;
pub use precision::Precision;
pub use resgen_kernels::{Operation, instructions};
