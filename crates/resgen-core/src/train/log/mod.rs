//! What a run writes down: a table, TensorBoard events, curves.

mod append;
mod axis;
mod curves;
mod legend;
mod protobuf;
mod scalars;
mod series;
mod style;
mod table;
mod tensorboard;
mod ticks;

pub use curves::{Panel, draw_curves};
pub use scalars::ScalarLog;
pub use series::Scale;
pub use table::{Row, ScalarTable};
pub use tensorboard::EventWriter;
