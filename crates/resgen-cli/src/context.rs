//! What every command is given: the global options, resolved.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use burn::tensor::Device;
use resgen_core::Error;

use crate::device::DeviceChoice;
use crate::output::Output;

/// More threads than so many only wait for each other.
const THREADS_PER_CORE: usize = 16;

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonArguments {
    /// Where to compute: cpu, cuda, vulkan, wgpu, or cuda:N and so on for the N-th of several.
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
    /// Where so many threads are of no use, or the system does not give them.
    pub fn new(arguments: &CommonArguments) -> anyhow::Result<Self> {
        let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = arguments.threads.unwrap_or_else(available).get();
        let most = THREADS_PER_CORE * available().get();
        if threads > most {
            let reason =
                format!("expected at most {most}, {THREADS_PER_CORE} for each core, found {threads}");
            return Err(Error::argument("--threads", reason).into());
        }
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

    /// The options that give another run of this program the same device and threads.
    pub fn options(&self) -> [String; 4] {
        ["--device".into(), self.device.to_string(), "--threads".into(), self.threads.to_string()]
    }

    /// How many pieces of work the device takes at once: the threads of a CPU; one on any other, which has its own and where
    /// tensors of one thread were seen to go wrong in another.
    pub fn at_once(&self) -> usize {
        match self.device {
            DeviceChoice::Cpu => self.threads,
            DeviceChoice::Cuda(_) | DeviceChoice::Vulkan(_) | DeviceChoice::Wgpu(_) => 1,
        }
    }

    /// Into how many parts a batch of `count` is cut to be worked on side by side: as many as there are threads of a
    /// CPU, or fewer that divide it; one on any other device.
    pub fn micro_batches(&self, count: usize) -> usize {
        (1..=self.at_once()).rev().find(|parts| count.is_multiple_of(*parts)).unwrap_or(1)
    }

    /// How many samples are drawn at once; `asked` is what the user wants in a batch.
    pub fn batch(&self, asked: Option<usize>) -> Batch {
        let usual = if self.device == DeviceChoice::Cpu { 8 } else { 64 };
        Batch { most: asked.unwrap_or(usual), at_once: self.at_once() }
    }
}

/// How samples are cut into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The most samples in one.
    pub most: usize,
    /// Batches at the same time: the threads of a CPU, one on any other device.
    pub at_once: usize,
}

impl Batch {
    /// The size for `count` samples: as few batches as that allows, but one for every thread.
    pub fn size_for(self, count: usize) -> usize {
        self.most.min(count.div_ceil(self.at_once)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_are_spread_over_the_threads() {
        let batch = Batch { most: 8, at_once: 2 };
        assert_eq!([1, 2, 5, 16, 100].map(|count| batch.size_for(count)), [1, 1, 3, 8, 8]);
        assert_eq!(Batch { at_once: 1, ..batch }.size_for(5), 5);
        assert_eq!(batch.size_for(0), 1);
    }
}
