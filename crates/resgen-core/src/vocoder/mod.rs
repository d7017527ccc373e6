//! From spectrograms to sound.

mod bigvgan;
mod griffin_lim;
mod vocos;

use rayon::prelude::*;

pub use bigvgan::{BigVgan, BigVganConfig};
pub use griffin_lim::{GriffinLim, Phases};
pub use vocos::{
    Critics, CriticsConfig, Fourier, Judgement, LogMels, VocoderHeader, VocoderKind, Vocos, VocosConfig,
    VocosNetwork,
};

use crate::error::{Error, Result};
use crate::nn::Precision;
use crate::signal::mel::{Mel, MelConfig, MelTransform};
use crate::signal::sound::Sound;

/// What makes sound of spectrograms.
pub enum Vocoder {
    /// A search, for spectrograms of any kind.
    GriffinLim(GriffinLim),
    /// A network, for the spectrograms that it was trained on.
    BigVgan(Box<BigVgan>),
    /// One that was trained here, likewise.
    Vocos(Box<Vocos>),
}

impl Default for Vocoder {
    fn default() -> Self {
        Self::GriffinLim(GriffinLim::default())
    }
}

impl Vocoder {
    /// What it is, with a hash of its weights where it has some.
    pub fn identity(&self) -> String {
        match self {
            Self::GriffinLim(_) => "griffin-lim".into(),
            Self::BigVgan(network) => format!("bigvgan {}", network.fingerprint()),
            Self::Vocos(network) => format!("vocos {}", network.fingerprint()),
        }
    }

    /// With convolutions in this precision, where there are any.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        match self {
            Self::GriffinLim(search) => Self::GriffinLim(search),
            Self::BigVgan(network) => Self::BigVgan(Box::new(network.in_precision(precision))),
            Self::Vocos(network) => Self::Vocos(Box::new(network.in_precision(precision))),
        }
    }

    /// The spectrograms that it was made for; none where any will do.
    fn mel(&self) -> Option<MelConfig> {
        match self {
            Self::GriffinLim(_) => None,
            Self::BigVgan(network) => Some(network.config().mel()),
            Self::Vocos(network) => Some(network.config().listener.mel.clone()),
        }
    }

    /// Makes sure that it was made for such spectrograms.
    ///
    /// # Errors
    /// [`Error::Mismatch`] names what is different and both values: `mel` is what is expected, the vocoder's is what was found.
    pub fn check(&self, mel: &MelConfig) -> Result<()> {
        self.mel().map_or(Ok(()), |own| expect_mel(mel, &own))
    }

    /// The sound of a spectrogram, as long as its frames are.
    ///
    /// # Errors
    /// As [`Vocoder::check`]; [`Error::Argument`] for a spectrogram with values that are no numbers.
    pub fn sound(&self, transform: &MelTransform, mel: &Mel) -> Result<Sound> {
        self.check(transform.config())?;
        match self {
            Self::GriffinLim(search) => search.sound(transform, mel),
            Self::BigVgan(network) => network.sound(mel),
            Self::Vocos(network) => network.sound(transform, mel),
        }
    }

    /// The sounds of several spectrograms. Searches go side by side; a network works on one with all threads.
    ///
    /// # Errors
    /// As [`Vocoder::sound`].
    pub fn sounds(&self, transform: &MelTransform, mels: &[Mel]) -> Result<Vec<Sound>> {
        let sound = |mel| self.sound(transform, mel);
        match self {
            Self::GriffinLim(_) => mels.par_iter().map(sound).collect(),
            Self::BigVgan(_) | Self::Vocos(_) => mels.iter().map(sound).collect(),
        }
    }
}

/// Makes sure that a vocoder's own spectrograms are those that it will get.
fn expect_mel(mel: &MelConfig, own: &MelConfig) -> Result<()> {
    match mel.first_difference(own) {
        Some((what, [expected, found])) => {
            Err(Error::mismatch(format!("{what} of the vocoder's spectrograms"), expected, found))
        }
        None => Ok(()),
    }
}
