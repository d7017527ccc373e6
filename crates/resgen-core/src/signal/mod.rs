//! Pictures in and out.

mod canvas;
pub(crate) mod chart;
pub mod decode;
pub mod draw;
pub mod image;
mod jpeg;
pub mod resize;
pub mod text;

pub use image::Picture;
