//! The `resgen` command.
#[expect(dead_code, reason = "no command reports progress yet")]
mod progress;

fn main() {}
