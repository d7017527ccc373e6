//! What a run writes down: a table.

mod append;
mod scalars;
mod table;

pub use scalars::ScalarLog;
pub use table::{Row, ScalarTable};
