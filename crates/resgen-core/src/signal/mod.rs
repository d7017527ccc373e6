//! Pictures and sound in and out.

mod canvas;
pub(crate) mod chart;
pub mod decode;
pub mod draw;
pub mod image;
mod jpeg;
pub mod mel;
pub mod resize;
pub mod sound;
pub mod text;

pub use image::Picture;
