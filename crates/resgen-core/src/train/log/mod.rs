//! What a run writes down: a table, TensorBoard events, curves.

mod append;
mod protobuf;
mod scalars;
mod table;
mod tensorboard;

pub use scalars::ScalarLog;
pub use table::{Row, ScalarTable};
pub use tensorboard::EventWriter;
