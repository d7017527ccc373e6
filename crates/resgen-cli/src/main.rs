//! The `resgen` command.
#[allow(dead_code, reason = "no command reports progress yet")]
mod progress;

fn main() {}
