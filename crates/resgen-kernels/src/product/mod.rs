//! Products of matrices, and what is made of them: affine layers and attention.

mod affine;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bf16;
mod matrix;
mod view;

pub use affine::{affine, affine_backward_bias, affine_backward_input, affine_backward_weight};
pub use attention::{attend, attend_backward};
pub use matrix::Finish;
