//! How long work tells how far it is.

/// Where long work reports to. The library prints nothing; the program decides what to show.
pub trait Progress: Send {
    /// A piece of work begins at `start` of `total` steps: not at 0 when it is resumed.
    fn begin(&mut self, what: &str, start: u64, total: u64);

    /// `done` of the steps are behind; `message` tells how it goes, such as the loss.
    fn step(&mut self, done: u64, message: &str);

    /// Something worth a line of its own.
    fn note(&mut self, message: &str);

    /// The piece of work is over.
    fn end(&mut self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _what: &str, _start: u64, _total: u64) {}

    fn step(&mut self, _done: u64, _message: &str) {}

    fn note(&mut self, _message: &str) {}

    fn end(&mut self) {}
}
