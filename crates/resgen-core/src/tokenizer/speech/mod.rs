//! The speech tokenizer: an autoencoder of mel spectrograms (MelVAE, arXiv 2404.02781) around a residual quantizer.

mod autoencoder;
mod config;

pub use autoencoder::MelAutoencoder;
pub use config::SpeechTokenizerConfig;

use burn::tensor::{Tensor, TensorData};

use super::Tokenizer;
use crate::error::{Error, Result};
use crate::rvq::Codes;
use crate::signal::mel::Mel;

/// Mel spectrograms to codes and back; to its network they are normalised, `[B, 1, frames, bins]`.
pub type SpeechTokenizer = Tokenizer<MelAutoencoder>;

impl SpeechTokenizer {
    /// The codes of one spectrogram; silence is added at its end up to a multiple of so many positions.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a spectrogram of other bins, [`Error::Argument`] for one without frames.
    pub fn encode_mel(&self, mel: &Mel, multiple: usize) -> Result<Codes> {
        let config = self.config();
        if mel.bins != config.mel.bins {
            return Err(Error::mismatch("bins of a spectrogram", config.mel.bins, mel.bins));
        }
        if mel.frames() == 0 {
            return Err(Error::argument("spectrogram", "it has no frames"));
        }
        let frames = mel.frames().next_multiple_of(multiple * config.frames_per_position());
        let listener = config.listener();
        let mut values = listener.normalised(&mel.values);
        values.resize(frames * mel.bins, listener.of_silence());
        let shape = [1, 1, frames, mel.bins];
        self.encode(Tensor::from_data(TensorData::new(values, shape), &self.books().vectors().device()))
    }

    /// The spectrograms of codes.
    ///
    /// # Shapes
    /// codes of B signals → B spectrograms
    ///
    /// # Errors
    /// As [`Tokenizer::decode`], and where the device cannot be read.
    pub fn decode_mels(&self, codes: &Codes) -> Result<Vec<Mel>> {
        let listener = self.config().listener();
        let decoded = self.decode(codes)?; // [B, 1, T, bins]
        let [_, _, frames, bins] = decoded.dims();
        let values = decoded.try_into_vec_as::<f32>().map_err(Error::device)?;
        let each = values.chunks_exact(frames * bins);
        Ok(each.map(|values| Mel { bins, values: listener.denormalised(values) }).collect())
    }
}
