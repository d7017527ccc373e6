//! Pictures in and out.

pub mod decode;
pub mod image;
mod jpeg;
pub mod resize;

pub use image::Picture;
