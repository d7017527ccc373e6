//! `eval neighbours`: the training pictures nearest to generated ones.

use std::path::PathBuf;
use std::sync::Arc;

use resgen_core::Error;
use resgen_core::data::{Layout, Pass, PassOptions, PictureFolder};
use resgen_core::eval::{Labelled, NeighbourReport, neighbours};
use resgen_core::signal::Picture;
use serde::Serialize;

use crate::commands::sample::{self, draw_labelled};
use crate::context::Context;
use crate::model;

/// Arguments of `eval neighbours`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval neighbours runs/model --data pictures/ --heldout heldout/ --out neighbours.png

The distance is the root mean square over pixels and channels, in levels of 0 to 255, to every training picture
of the same class.")]
pub struct Arguments {
    /// A generator: its model file, or the folder of its run.
    model: PathBuf,
    /// Folder of its training pictures.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of held-out pictures with the same classes, for comparison.
    #[arg(long, value_name = "DIR")]
    heldout: PathBuf,
    /// Pictures compared, spread evenly over the classes.
    #[arg(long, default_value = "62", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Seed of the samples.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Pairs drawn of each kind, the nearest ones.
    #[arg(long, default_value_t = 16, value_name = "N")]
    most: usize,
    /// The picture to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Nearest {
    out: PathBuf,
    generated_median: Option<f64>,
    heldout_median: Option<f64>,
    #[serde(flatten)]
    report: NeighbourReport,
}

/// Compares.
///
/// # Errors
/// Where the model or pictures cannot be read, or do not fit each other.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let device = context.device()?;
    let generator = model::generator(&arguments.model, &device)?;
    let size = generator.tokenizer.config().resolution as u32;
    let classes = generator.header.classes.len();
    let count = arguments.count as usize;
    let labels: Vec<usize> = (0..count).map(|index| index * classes / count).collect();
    let drawn = draw_labelled(&generator, &labels, arguments.seed, context.batch(None))?;
    let training = Arc::new(PictureFolder::scan(&arguments.data, Layout::Classes)?);
    let heldout = PictureFolder::scan(&arguments.heldout, Layout::Classes)?;
    for (folder, path) in [(training.classes(), &arguments.data), (heldout.classes(), &arguments.heldout)] {
        if folder != generator.header.classes {
            let expected = format!("those of the model, {}", sample::summary(&generator.header.classes));
            return Err(Error::mismatch(
                format!("classes of {}", path.display()),
                expected,
                sample::summary(folder),
            )
            .into());
        }
    }
    let label = |(picture, &class): (Picture, &usize)| Labelled { picture, class: class as u32 };
    let generated = drawn.into_iter().zip(&labels).map(label).collect();
    let known = heldout_pictures(&heldout, size, count)?;
    let pass = Pass::new(training, &PassOptions { batch_size: 256, size, ..Default::default() })?;
    let report = neighbours(generated, known, pass)?;
    report.draw("Nearest training pictures of the same class", arguments.most)?.save_png(&arguments.out)?;
    let result = Nearest {
        out: arguments.out.clone(),
        generated_median: report.generated_median(),
        heldout_median: report.heldout_median(),
        report,
    };
    context.output.print(&result, |result| {
        let median = |value: Option<f64>| value.map_or_else(|| "none".into(), |value| format!("{value:.1}"));
        format!(
            "{}: median distance of generated pictures {}, of held-out ones {}, to {} training pictures",
            result.out.display(),
            median(result.generated_median),
            median(result.heldout_median),
            result.report.pictures
        )
    })
}

/// Held-out pictures spread evenly over the folder.
fn heldout_pictures(folder: &PictureFolder, size: u32, count: usize) -> resgen_core::Result<Vec<Labelled>> {
    let items = folder.items();
    let count = count.min(items.len());
    let mut found = Vec::with_capacity(count);
    for part in 0..count {
        let item = &items[(2 * part + 1) * items.len() / (2 * count)];
        let picture = Picture::open(folder.path_of(item))?;
        found.push(Labelled {
            picture: resgen_core::signal::resize::center_crop(&picture, size)?,
            class: item.class,
        });
    }
    Ok(found)
}
