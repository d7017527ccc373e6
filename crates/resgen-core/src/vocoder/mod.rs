//! From spectrograms to sound.

mod griffin_lim;
mod vocos;

pub use griffin_lim::{GriffinLim, Phases};
pub use vocos::{
    Critics, CriticsConfig, Fourier, Judgement, LogMels, VocoderHeader, VocoderKind, Vocos, VocosConfig,
    VocosNetwork,
};

use crate::error::Result;
use crate::signal::mel::{Mel, MelConfig, MelTransform};
use crate::signal::sound::Sound;

/// Any of the vocoders.
#[derive(Clone, Debug)]
pub enum Vocoder {
    /// Without weights.
    GriffinLim(GriffinLim),
    /// Trained here.
    Vocos(Box<Vocos>),
}

impl Default for Vocoder {
    fn default() -> Self {
        Self::GriffinLim(GriffinLim::default())
    }
}

impl Vocoder {
    /// Tells it from others.
    pub fn identity(&self) -> String {
        match self {
            Self::GriffinLim(search) => format!("griffin-lim {search:?}"),
            Self::Vocos(vocos) => format!("vocos {}", vocos.fingerprint()),
        }
    }

    /// # Errors
    /// [`crate::Error::Mismatch`] where it was made for other spectrograms.
    pub fn expect_fits(&self, mel: &MelConfig) -> Result<()> {
        match self {
            Self::GriffinLim(_) => Ok(()),
            Self::Vocos(vocos) => vocos.config().listener.mel.expect_same(mel),
        }
    }

    /// The sound of a spectrogram, as long as its frames are.
    ///
    /// # Errors
    /// As [`Vocoder::expect_fits`]; [`crate::Error::Argument`] for values that are no numbers, [`crate::Error::Device`].
    pub fn sound(&self, transform: &MelTransform, mel: &Mel) -> Result<Sound> {
        match self {
            Self::GriffinLim(search) => search.sound(transform, mel),
            Self::Vocos(vocos) => vocos.sound(transform, mel),
        }
    }
}
