//! Vocos (arXiv 2306.00814): a network that gives the Fourier coefficients of every frame of a spectrogram, all frames at once, and an inverse
//! transform that makes sound of them.

mod config;
mod critics;
mod fourier;
mod header;
mod log_mels;
mod network;

pub use config::VocosConfig;
pub use critics::{Critics, CriticsConfig, Judgement};
pub use fourier::Fourier;
pub use header::{VocoderHeader, VocoderKind};
pub use log_mels::LogMels;
pub use network::VocosNetwork;

use burn::tensor::{Device, Tensor, TensorData};
use realfft::num_complex::Complex;

use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};
use crate::signal::mel::{Mel, MelTransform, Spectrum};
use crate::signal::sound::Sound;

/// A trained vocoder.
#[derive(Debug)]
pub struct Vocos {
    config: VocosConfig,
    network: VocosNetwork,
    device: Device,
}

impl Vocos {
    /// With the weights of a file.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Mismatch`] where sizes and weights do not fit each other.
    pub fn load(config: VocosConfig, tensors: &NamedTensors, device: &Device) -> Result<Self> {
        config.validate()?;
        let device = device.clone().without_autodiff();
        let network =
            parameters::load(VocosNetwork::new(&mut Builder::blank(&device), &config), tensors, "")?;
        Ok(Self { config, network, device })
    }

    /// With weights rounded to a precision.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { network: precision.of(self.network), ..self }
    }

    /// Of its weights; see [`parameters::fingerprint`].
    pub fn fingerprint(&self) -> String {
        parameters::fingerprint(&parameters::read(&self.network))
    }

    /// The sizes.
    pub fn config(&self) -> &VocosConfig {
        &self.config
    }

    /// The sound of a spectrogram such as the network was trained on, as long as its frames are.
    ///
    /// # Errors
    /// [`Error::Device`]; [`Error::Argument`] for values that are no numbers.
    pub fn sound(&self, transform: &MelTransform, mel: &Mel) -> Result<Sound> {
        let frames = mel.frames();
        if frames == 0 {
            return Sound::new(transform.config().rate, Vec::new());
        }
        let values = self.config.listener.normalised(&mel.values);
        let mels = Tensor::from_data(TensorData::new(values, [1, frames, mel.bins]), &self.device);
        let spectrum: Vec<f32> = self.network.forward(mels).try_into_vec_as().map_err(Error::device)?;
        let coefficients = transform.stft().config().coefficients();
        let rows = spectrum.chunks_exact(2 * coefficients);
        let values = rows.flat_map(|row| {
            let (real, imaginary) = row.split_at(coefficients);
            real.iter().zip(imaginary).map(|(&re, &im)| Complex::new(re, im))
        });
        let spectrum = Spectrum { coefficients, values: values.collect() };
        Sound::new(
            transform.config().rate,
            transform.stft().inverse(&spectrum, frames * transform.config().stft.hop),
        )
    }
}
