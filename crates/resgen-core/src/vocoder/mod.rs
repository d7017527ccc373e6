//! From spectrograms to sound.

mod griffin_lim;

pub use griffin_lim::{GriffinLim, Phases};
