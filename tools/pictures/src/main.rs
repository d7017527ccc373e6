//! Makes picture sets from fonts.
fn main() {}
