//! The option that names what makes sound of spectrograms.

use std::path::PathBuf;

use burn::tensor::Device;
use resgen_core::signal::mel::MelConfig;
use resgen_core::vocoder::{BigVgan, Vocoder};
use resgen_core::{Error, Result};

use crate::model;

/// Option of the commands that make sound.
#[derive(Clone, Debug, clap::Args)]
pub struct VocoderArgument {
    /// What makes sound of spectrograms: a vocoder trained here (its model file, or the folder of its run), or bigvgan_generator.pt with its config.json
    /// in the same folder. By default Griffin-Lim, which has no weights.
    #[arg(long, value_name = "MODEL")]
    pub vocoder: Option<PathBuf>,
}

impl VocoderArgument {
    /// The vocoder, which must have been made for such spectrograms.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it, or in what its spectrograms differ.
    pub fn load(&self, mel: &MelConfig, device: &Device) -> Result<Vocoder> {
        let Some(path) = &self.vocoder else { return Ok(Vocoder::default()) };
        let vocoder = match model::is_one_of_ours(path)? {
            true => Vocoder::Vocos(Box::new(model::vocoder(path, device)?)),
            false => Vocoder::BigVgan(Box::new(BigVgan::load(path, device)?)),
        };
        vocoder.check(mel).map_err(|error| Error::file(path, error))?;
        Ok(vocoder)
    }
}
