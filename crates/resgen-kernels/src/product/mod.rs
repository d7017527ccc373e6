//! Products of matrices, and what is made of them: affine layers, attention and convolutions.

mod affine;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bf16;
mod convolution;
mod cross;
mod matrix;
mod packed;
mod rounding;
mod rows;
mod vector;
mod view;

pub use affine::{affine, affine_backward_bias, affine_backward_input, affine_backward_weight};
pub use attention::{attend, attend_backward};
pub use bf16::Unit;
pub use convolution::{convolve, convolve_backward_input, convolve_backward_weight};
pub use cross::{cross_attend, cross_attend_backward};
pub use matrix::Finish;
pub use vector::{LANES, Start, multiply_rows};
