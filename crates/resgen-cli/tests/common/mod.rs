//! Runs the program on tiny data.

// Every test file uses its own share of these.
#![allow(dead_code)]

pub mod speech;

use std::path::PathBuf;
use std::process::{Command, Output};

use resgen_core::signal::Picture;

/// The side of the pictures, in pixels.
pub const SIDE: u32 = 16;
/// The classes of the pictures.
pub const CLASSES: [&str; 2] = ["lion", "zebra"];

/// A folder that the program works in.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with pictures in `pictures/` and a tokenizer's config in `tokenizer.toml`.
    pub fn with_pictures() -> Self {
        let place = Self::new();
        for (index, class) in CLASSES.iter().enumerate() {
            for number in 0..6 {
                place.picture(&format!("pictures/{class}/{number}.png"), 100 * index as u32 + number);
            }
        }
        place.write("tokenizer.toml", TOKENIZER);
        place
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes a picture of noise.
    pub fn picture(&self, name: &str, seed: u32) {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let noise = (0..SIDE * SIDE * 3).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let picture = Picture::new(SIDE, SIDE, noise.collect()).unwrap();
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save_png(path).unwrap();
    }

    /// The program, in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resgen"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().unwrap())
    }

    /// Runs the program, which must succeed, and reads the JSON that it prints.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no JSON object: {}", ended.stdout))
    }

    /// Trains the tiny tokenizer to `runs/tokenizer`.
    pub fn train_tokenizer(&self) {
        self.run(&TRAIN_TOKENIZER).succeeds();
    }

    /// As [`Workplace::with_pictures`], with the tiny tokenizer, its codes in `codes/` and a generator's config in `generator.toml`.
    pub fn with_codes() -> Self {
        let place = Self::with_pictures();
        place.write("generator.toml", GENERATOR);
        place.train_tokenizer();
        let made = place.json(&TOKENIZE);
        assert_eq!((&made["outcome"], &made["signals"]), (&"finished".into(), &12.into()));
        place
    }

    /// The names of the files in a folder, in order.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(self.path(folder)).unwrap().map(name).collect();
        names.sort();
        names
    }
}

/// The training of the tiny tokenizer.
pub const TRAIN_TOKENIZER: [&str; 6] =
    ["tokenizer", "train", "--config", "tokenizer.toml", "--out", "runs/tokenizer"];

/// The config of the tiny tokenizer.
pub const TOKENIZER: &str = r#"
licence = "CC0-1.0"

[data]
train = "pictures"
heldout = "pictures"

[tokenizer]
resolution = 16
stem = 4
channels = [8]
blocks = 1
latent = 4
vocabulary = 8
depth = 2

[losses]
quantize_from = 1

[train]
steps = 2
batch = 4
checkpoint_every = 1
preview_every = 2
rate = { warmup = 1 }
"#;

/// The config of a tiny generator.
pub const GENERATOR: &str = r#"
licence = "CC0-1.0"

[codes]
cache = "codes"
tokenizer = "runs/tokenizer"

[model]
kind = "resgen"
trunk = "nano"
head = { components = 4, rank = 2, scale = "vector", loss = "nll" }

[sample]
steps = 3

[train]
steps = 2
batch = 4
preview_every = 0
rate = { warmup = 1 }
"#;
/// From pictures to codes.
pub const TOKENIZE: [&str; 7] =
    ["tokenize", "--tokenizer", "runs/tokenizer", "--data", "pictures", "--out", "codes"];

/// How a run of the program ended.
pub struct Ended {
    /// Its exit status; -1 after a signal.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Makes sure that all went well.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.stderr);
        self
    }

    /// Makes sure that the program failed with this status and said all of this in its last line.
    #[track_caller]
    pub fn fails(self, status: i32, sentence: &[&str]) -> Self {
        assert_eq!(self.status, status, "{}{}", self.stdout, self.stderr);
        let line = self.stderr.lines().find(|line| line.starts_with("error: "));
        let line = line.unwrap_or_else(|| panic!("no error line: {}", self.stderr));
        for part in sentence {
            assert!(line.contains(part), "`{part}` is not in: {line}");
        }
        self
    }
}
