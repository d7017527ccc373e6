//! What every command is given: the global options, resolved.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use burn::tensor::Device;

use crate::device::DeviceChoice;
use crate::output::Output;

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonArguments {
    /// Where to compute: cpu, cuda, vulkan, or cuda:N and vulkan:N for the N-th of several.
    #[arg(long, global = true, default_value = "cpu", value_name = "DEVICE")]
    device: DeviceChoice,
    /// Print the result as one JSON object. Progress and notes go to stderr as ever.
    #[arg(long, global = true)]
    json: bool,
    /// Threads to work with. By default all cores. Results do not depend on it.
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Where a command computes and how it answers.
pub struct Context {
    device: DeviceChoice,
    /// The form of the result.
    pub output: Output,
    /// Threads to work with, at least one.
    pub threads: usize,
}

impl Context {
    /// Resolves the options and sizes the pool of threads that everything shares.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn new(arguments: &CommonArguments) -> anyhow::Result<Self> {
        let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = arguments.threads.unwrap_or_else(available).get();
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("--threads")?;
        let output = if arguments.json { Output::Json } else { Output::Text };
        Ok(Self { device: arguments.device, output, threads })
    }

    /// The chosen device.
    ///
    /// # Errors
    /// As [`DeviceChoice::open`].
    pub fn device(&self) -> resgen_core::Result<Device> {
        self.device.open()
    }
}
