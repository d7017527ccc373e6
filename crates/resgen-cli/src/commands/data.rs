//! `data inspect` and `data pack`: what is in a folder of pictures or a set of recordings, and pictures as one file.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use resgen_core::data::inspect::{InspectOptions, Inspection, Spread, inspect};
use resgen_core::data::speech::{self, SpeechInspection};
use resgen_core::data::{Layout, Problem, SpeechSet};
use resgen_core::progress::Progress;

use crate::commands::pack;
use crate::context::Context;
use crate::named;
use crate::progress::TerminalProgress;

/// How many problems, and contradictions, the text lists; JSON lists all.
const LISTED: usize = 20;

/// The commands about data.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read every picture of a folder, or every recording of a set, and tell what there is and what is wrong with it.
    Inspect(Arguments),
    /// Put pictures into a NumPy archive, as ADM's evaluation reads them.
    Pack(pack::Arguments),
}

/// How pictures lie in a folder.
#[derive(Debug, clap::Args)]
pub struct LayoutArgument {
    /// One sub-folder a class, or pictures of no class.
    #[arg(long, default_value = "classes", value_parser = named::parser::<Layout>(&["classes", "flat"]))]
    pub layout: Layout,
}

/// Arguments of `data inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen data inspect pictures/
  resgen data inspect pictures/ --size 128 --sheet sheet.png
  resgen data inspect photos/ --layout flat --json
  resgen data inspect voices/train                     (recordings: hours, speakers, lengths, texts that do not fit)")]
pub struct Arguments {
    /// The folder of pictures; or recordings, a list or a folder with one.
    folder: PathBuf,
    #[command(flatten)]
    layout: LayoutArgument,
    /// The side that pictures will be cropped to, in pixels; smaller ones are counted.
    #[arg(long, default_value_t = 64, value_name = "PIXELS")]
    size: u32,
    /// Write a contact sheet, some pictures of some classes, to this PNG file.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

/// Does what is asked about data.
///
/// # Errors
/// Where the folder cannot serve, or the sheet cannot be written.
pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Inspect(arguments) => look(&arguments, context),
        Command::Pack(arguments) => pack::run(&arguments, context),
    }
}

fn look(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    if SpeechSet::is_at(&arguments.folder) {
        return listen(arguments, context);
    }
    let options = InspectOptions {
        layout: arguments.layout.layout,
        size: arguments.size,
        threads: context.threads,
        ..InspectOptions::default()
    };
    let progress = Mutex::new(Reading::default());
    let found = inspect(&arguments.folder, &options, &|done, files| {
        progress.lock().unwrap_or_else(PoisonError::into_inner).picture(done, files);
    })?;
    drop(progress);
    if let (Some(path), Some(sheet)) = (&arguments.sheet, &found.sheet) {
        sheet.save_png(path)?;
    }
    context.output.print(&found, |found| text(arguments, found))
}

fn listen(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let progress = Mutex::new(Reading::default());
    let set = SpeechSet::open(&arguments.folder)?;
    let found = speech::inspect(&set, context.threads, &|done, files| {
        progress.lock().unwrap_or_else(PoisonError::into_inner).picture(done, files);
    })?;
    drop(progress);
    context.output.print(&found, |found| speech_text(arguments, found))
}

fn speech_text(arguments: &Arguments, found: &SpeechInspection) -> String {
    let mut lines = vec![format!(
        "{}: {} recordings, {} of them usable, {:.2} hours, {} speakers",
        arguments.folder.display(),
        found.recordings,
        found.usable,
        found.hours,
        found.speakers.len()
    )];
    lines.extend(
        found
            .seconds
            .map(|[least, middle, most]| format!("  seconds   {least:.1} to {most:.1}, median {middle:.1}")),
    );
    let rates = found.rates.iter().map(|(rate, count)| (rate.to_string(), *count));
    lines.push(format!(
        "  rates     {}",
        counts(rates.collect::<Vec<_>>().iter().map(|(rate, count)| (&**rate, *count)))
    ));
    lines
        .push(format!("  formats   {}", counts(found.formats.iter().map(|(name, count)| (&**name, *count)))));
    let speakers = found.speakers.iter().take(LISTED).map(|speaker| (&*speaker.name, speaker.recordings));
    lines.push(format!(
        "  speakers  {}{}",
        counts(speakers),
        if found.speakers.len() > LISTED { ", …" } else { "" }
    ));
    let doubtful = found.doubtful.iter().map(|doubt| {
        let (path, text) = (doubt.path.display(), &doubt.text);
        format!("{path}: {:.1} s, where its text usually takes {:.1} s: {text}", doubt.seconds, doubt.usual)
    });
    lines.extend(listed("texts that do not fit", doubtful.collect()));
    lines.extend(listed("problems", found.problems.iter().map(problem).collect()));
    lines.join("\n")
}

/// The progress of reading; files are counted by several threads, out of order.
#[derive(Default)]
struct Reading {
    terminal: TerminalProgress,
    most: usize,
}

impl Reading {
    fn picture(&mut self, done: usize, files: usize) {
        if self.most == 0 {
            self.terminal.begin("reading", 0, files as u64);
        }
        self.most = self.most.max(done);
        self.terminal.step(self.most as u64, "");
    }
}

fn text(arguments: &Arguments, found: &Inspection) -> String {
    let mut lines = vec![format!(
        "{}: {} pictures, {} of them readable, {} classes",
        arguments.folder.display(),
        found.files,
        found.readable,
        found.classes.len()
    )];
    lines.extend(found.width.map(|width| format!("  width     {}", spread(width))));
    lines.extend(found.height.map(|height| format!("  height    {}", spread(height))));
    lines.push(format!("  smaller   {} have a side shorter than {} pixels", found.smaller, found.size));
    lines.push(format!("  formats   {}", counts(found.formats.iter().map(|(name, count)| (*name, *count)))));
    lines.push(format!("  pixels    {}", counts(found.pixels.iter().map(|(name, count)| (*name, *count)))));
    lines.push(format!("  repeats   {} files repeat an earlier one of their class", found.repeats));
    if !found.classes.is_empty() {
        let classes = found.classes.iter().map(|class| (&*class.name, class.pictures));
        lines.push(format!("  classes   {}", counts(classes)));
    }
    let contradictions = found.contradictions.iter().map(|files| {
        let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
        names.join(" = ")
    });
    lines.extend(listed("the same picture in different classes", contradictions.collect()));
    lines.extend(listed("problems", found.problems.iter().map(problem).collect()));
    lines.join("\n")
}

/// A problem as one line.
pub fn problem(problem: &Problem) -> String {
    match problem.path.as_os_str().is_empty() {
        true => problem.reason.clone(),
        false => format!("{}: {}", problem.path.display(), problem.reason),
    }
}

fn spread(Spread { min, median, max }: Spread) -> String {
    if min == max { format!("{min}") } else { format!("{min} to {max}, median {median}") }
}

fn counts<'a>(counts: impl Iterator<Item = (&'a str, usize)>) -> String {
    counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// A heading and the first of its entries; nothing where there are none.
fn listed(what: &str, entries: Vec<String>) -> Vec<String> {
    if entries.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("  {what} ({})", entries.len())];
    lines.extend(entries.iter().take(LISTED).map(|entry| format!("    {entry}")));
    if entries.len() > LISTED {
        lines.push(format!("    … and {} more (--json lists all)", entries.len() - LISTED));
    }
    lines
}
