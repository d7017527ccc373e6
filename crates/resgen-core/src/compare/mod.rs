//! Generators beside each other, on the same codes and in the same measure: what the file of a comparison says, and what is
//! told of what was found.

mod draw;
mod effects;
mod report;
mod study;

pub use draw::draw_quality_and_time;
pub use effects::{Effects, effects};
pub use report::{Contest, Report, Run, Scored, Timing};
pub use study::{Contender, Grid, Measure, Point, Study};
