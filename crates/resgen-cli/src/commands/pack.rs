//! `data pack`: pictures as a NumPy archive.

use std::path::PathBuf;

use resgen_core::data::PictureSet;
use resgen_core::data::archive::write_pictures;
use resgen_core::progress::Progress;
use serde::Serialize;

use crate::commands::eval::SetArguments;
use crate::context::Context;
use crate::progress::TerminalProgress;

/// Pictures read at once.
const BATCH: usize = 64;
/// The label of pictures without a class.
const NO_LABEL: i64 = -1;

/// Arguments of `data pack`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen data pack samples/ --out samples.npz
  resgen data pack photos/ --size 256 --out reference.npz

Writes pictures as arr_0, bytes of shape [N, height, width, 3], and the numbers of their classes as arr_1 (-1 for none).")]
pub struct Arguments {
    /// The folder: samples that `resgen sample` wrote, or pictures.
    folder: PathBuf,
    #[command(flatten)]
    set: SetArguments,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Packed {
    out: PathBuf,
    pictures: usize,
    size: [usize; 2],
    classes: Vec<String>,
}

/// Packs.
///
/// # Errors
/// Where a picture cannot be read or has another size than the first, or the file cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let set = PictureSet::open(&arguments.folder, arguments.set.options())?;
    let size = set.size()?;
    let labels: Vec<i64> = set.labels().into_iter().map(|label| label.map_or(NO_LABEL, i64::from)).collect();
    let mut progress = TerminalProgress::default();
    progress.begin("packing", 0, set.count() as u64);
    let mut done = 0;
    write_pictures(&arguments.out, size, &labels, |take| {
        set.for_each(BATCH, |batch| {
            done += batch.labels.len() as u64;
            progress.step(done, "");
            take(batch.levels)
        })
    })?;
    progress.end();
    let classes = set.classes().to_vec();
    let packed = Packed { out: arguments.out.clone(), pictures: set.count(), size, classes };
    context.output.print(&packed, |packed| format!("{}: {} pictures", packed.out.display(), packed.pictures))
}
