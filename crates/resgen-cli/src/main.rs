//! The `resgen` command.
fn main() {}
