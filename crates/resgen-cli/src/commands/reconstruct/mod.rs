//! `tokenizer reconstruct`: signals beside their approximations.

mod speech;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::atomic::write_atomically;
use resgen_core::data::set::RECORD;
use resgen_core::data::{Layout, PictureFolder, spread};
use resgen_core::progress::Progress;
use resgen_core::signal::Picture;
use resgen_core::signal::draw::Grid;
use resgen_core::signal::resize::center_crop;
use resgen_core::tokenizer::ImageTokenizer;
use resgen_core::train::preview::doublings;
use resgen_core::{Error, Result};
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::model::{self, AnyTokenizer};
use crate::progress::TerminalProgress;
use crate::vocoder::VocoderArgument;

/// Pictures that are coded at once.
const BATCH: usize = 16;
/// Pictures that the grid shows; the others are measured only.
const SHOWN: usize = 16;

/// Arguments of `tokenizer reconstruct`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen tokenizer reconstruct runs/tokenizer cat.jpg dog.jpg --out reconstructed/
  resgen tokenizer reconstruct runs/tokenizer/model.safetensors heldout/ --depth 4 --out reconstructed/
  resgen tokenizer reconstruct runs/tokenizer heldout/ --count 1000 --each --out reconstructed/
  resgen tokenizer reconstruct runs/voices-tokenizer voices/heldout --count 100 --out reconstructed/

Writes DIR/grid.png: the first 16 pictures above their approximations at depth 1, 2, 4, … and the largest.
PSNR is that of all pictures. With --each the folder can be measured by `resgen eval images`.
Of speech it writes DIR/original/ and DIR/depth-D/, sounds of the spectrograms themselves and of the approximations, both by the vocoder, and
texts.tsv with what is said; with --each every depth.")]
pub struct Arguments {
    /// A tokenizer: its model file, or the folder of its run.
    model: PathBuf,
    /// Picture files, or folders of them; with a tokenizer of speech, sound files, manifests or folders of recordings.
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The largest depth to decode with. By default that of the tokenizer.
    #[arg(long, value_name = "DEPTH")]
    depth: Option<usize>,
    /// Take only so many of the pictures, spread evenly over them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Write every approximation of the largest depth too, and in samples.json its class, which is the folder it came from.
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    vocoder: VocoderArgument,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Reconstruction {
    grid: PathBuf,
    pictures: usize,
    depths: Vec<DepthError>,
}

/// How far the pictures are from their approximations at one depth.
#[derive(Debug, Serialize)]
struct DepthError {
    depth: usize,
    /// Of the mean squared error over all pixels of all pictures, in dB; absent where there is no error.
    psnr: Option<f64>,
}

/// Reconstructs signals.
///
/// # Errors
/// Where the model or a picture cannot be read, the depth is out of range, or the folder cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let device = context.device()?;
    let tokenizer = match model::any_tokenizer(&arguments.model, &device)? {
        AnyTokenizer::Image(tokenizer) => tokenizer,
        AnyTokenizer::Speech(tokenizer) => return speech::run(arguments, &tokenizer, &device, context),
    };
    if arguments.vocoder.vocoder.is_some() {
        return Err(Error::argument("--vocoder", "the tokenizer is one of pictures").into());
    }
    let depths = doublings(largest_depth(arguments.depth, tokenizer.config().depth)?);
    std::fs::create_dir_all(&arguments.out).map_err(Error::io(&arguments.out))?;
    let files = files(&arguments.pictures, arguments.count)?;

    let mut progress = TerminalProgress::default();
    progress.begin("reconstructing", 0, files.len() as u64);
    let mut rows: Vec<Vec<Picture>> = vec![Vec::new(); depths.len() + 1];
    let mut squares = vec![0; depths.len()];
    for (index, batch) in files.chunks(BATCH).enumerate() {
        let originals = read(batch, tokenizer.config().resolution)?;
        let decoded = decode(&tokenizer, &originals, &depths, &device)?;
        if let Some(deepest) = decoded.last().filter(|_| arguments.each) {
            for (place, picture) in deepest.iter().enumerate() {
                picture.save_png(arguments.out.join(name_of(index * BATCH + place)))?;
            }
        }
        for (sum, decoded) in squares.iter_mut().zip(&decoded) {
            *sum += originals.iter().zip(decoded).map(|(a, b)| squared_error(a, b)).sum::<u64>();
        }
        for (row, pictures) in rows.iter_mut().zip(std::iter::once(originals).chain(decoded)) {
            row.extend(pictures.into_iter().take(SHOWN - row.len().min(SHOWN)));
        }
        progress.step((index * BATCH + batch.len()) as u64, "");
    }
    progress.end();

    if arguments.each {
        let record = serde_json::to_vec_pretty(&record(arguments, &files))?;
        write_atomically(arguments.out.join(RECORD), |writer| writer.write_all(&record))?;
    }
    let grid = arguments.out.join("grid.png");
    draw(&depths, rows)?.save_png(&grid)?;
    let values = files.len() * 3 * tokenizer.config().resolution.pow(2);
    let depths = depths.iter().zip(squares);
    let depths = depths.map(|(&depth, sum)| DepthError { depth, psnr: psnr(sum, values) }).collect();
    context.output.print(&Reconstruction { grid, pictures: files.len(), depths }, text)
}

fn largest_depth(asked: Option<usize>, depth: usize) -> Result<usize> {
    match asked {
        None => Ok(depth),
        Some(asked) if (1..=depth).contains(&asked) => Ok(asked),
        Some(asked) => {
            Err(Error::argument("--depth", format!("expected 1 to {depth}, the tokenizer's, found {asked}")))
        }
    }
}

/// The approximation of a picture as a file.
fn name_of(index: usize) -> String {
    format!("{index:05}.png")
}

/// What the approximations are.
fn record(arguments: &Arguments, files: &[PathBuf]) -> serde_json::Value {
    let class = |file: &PathBuf| {
        let folder = file.parent().and_then(Path::file_name);
        folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let sample = |(index, file)| json!({ "file": name_of(index), "class": class(file), "of": file });
    json!({
        "tokenizer": arguments.model,
        "depth": arguments.depth,
        "samples": files.iter().enumerate().map(sample).collect::<Vec<_>>(),
    })
}

/// The files themselves, and the pictures of the folders, or some of them.
fn files(paths: &[PathBuf], count: Option<u32>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let folder = PictureFolder::scan(path, Layout::Flat)?;
            files.extend(folder.items().iter().map(|item| folder.path_of(item)));
        } else {
            files.push(path.clone());
        }
    }
    let (total, count) = (files.len(), count.map_or(files.len(), |count| count as usize));
    if count > total {
        let reason = format!("expected at most {total}, the pictures that were named, found {count}");
        return Err(Error::argument("--count", reason));
    }
    Ok(spread(total, count).map(|index| files[index].clone()).collect())
}

fn read(files: &[PathBuf], side: usize) -> Result<Vec<Picture>> {
    let read = |path: &PathBuf| {
        center_crop(&Picture::open(path)?, side as u32).map_err(|error| fitting(path, error))
    };
    files.iter().map(read).collect()
}

/// A picture that cannot be cropped is a matter of its file.
fn fitting(path: &Path, error: Error) -> Error {
    Error::file(path, error)
}

/// The approximations of `originals` at each depth.
fn decode(
    tokenizer: &ImageTokenizer,
    originals: &[Picture],
    depths: &[usize],
    device: &Device,
) -> Result<Vec<Vec<Picture>>> {
    let side = tokenizer.config().resolution;
    let values: Vec<f32> = originals.iter().flat_map(Picture::to_unit).collect();
    let data = TensorData::new(values, [originals.len(), 3, side, side]);
    let codes = tokenizer.encode(Tensor::from_data(data, device))?;
    depths.iter().map(|&depth| tokenizer.pictures(tokenizer.decode(&codes.truncated(depth)?)?)).collect()
}

fn squared_error(a: &Picture, b: &Picture) -> u64 {
    a.rgb().iter().zip(b.rgb()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
}

fn psnr(squares: u64, values: usize) -> Option<f64> {
    (squares > 0).then(|| 10.0 * (255.0 * 255.0 * values as f64 / squares as f64).log10())
}

fn draw(depths: &[usize], rows: Vec<Vec<Picture>>) -> Result<Picture> {
    let labels = std::iter::once("original".to_owned()).chain(depths.iter().map(|d| format!("depth {d}")));
    labels.zip(rows).fold(Grid::new(""), |grid, (label, row)| grid.row(label, row)).draw()
}

fn text(result: &Reconstruction) -> String {
    let mut lines = vec![format!("{} ({} pictures)", result.grid.display(), result.pictures)];
    lines.extend(result.depths.iter().map(|DepthError { depth, psnr }| match psnr {
        Some(psnr) => format!("  depth {depth}: PSNR {psnr:.2} dB"),
        None => format!("  depth {depth}: no error"),
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_level_everywhere_is_48_db() {
        let [dark, light] = [7, 8].map(|level| Picture::filled(4, 4, [level; 3]).unwrap());
        // 10 log10(255²) = 48.13
        assert!((psnr(squared_error(&dark, &light), 48).unwrap() - 48.1308).abs() < 1e-3);
        assert_eq!(psnr(squared_error(&dark, &dark), 48), None);
    }
}
