//! Batches of pictures from a folder.

use std::path::PathBuf;
use std::sync::Arc;

use resgen_core::data::{CacheLimit, Layout, Loader, LoaderOptions, PictureFolder};
use resgen_core::signal::resize::{Crop, Flip};

use super::Case;
use crate::context::Context;

/// Arguments of `bench load`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A folder with one sub-folder a class.
    folder: PathBuf,
    /// Side of the crops, in pixels.
    #[arg(long, default_value = "64", value_name = "S", value_parser = clap::value_parser!(u32).range(8..=4096))]
    resolution: u32,
    /// Pictures in a batch.
    #[arg(long, default_value = "64", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Batches that one measurement takes.
    #[arg(long, default_value = "32", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batches: u32,
}

pub struct Loading {
    loader: Loader,
    batches: u32,
}

impl Loading {
    pub fn new(arguments: &Arguments, context: &Context) -> anyhow::Result<Self> {
        let folder = Arc::new(PictureFolder::scan(&arguments.folder, Layout::Classes)?);
        let options = LoaderOptions {
            batch_size: arguments.batch as usize,
            size: arguments.resolution,
            crop: Crop::Center,
            flip: Flip::Half,
            threads: context.threads,
            // Every picture is read from its file: what is measured is reading.
            cache: CacheLimit(0),
            ..LoaderOptions::default()
        };
        Ok(Self { loader: Loader::new(folder, options)?, batches: arguments.batches })
    }
}

impl Case for Loading {
    fn run(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.batches {
            self.loader.next_batch()?;
        }
        Ok(())
    }
}
