//! A trained network in use: recordings in, embeddings out.

use burn::tensor::{Device, Tensor, TensorData};

use super::{SpeakerHeader, SpeakerNetwork};
use crate::error::{Error, Result};
use crate::features::ExtractorIdentity;
use crate::nn::parameters::{NamedTensors, fingerprint};
use crate::signal::mel::{Listener, Mel};
use crate::signal::sound::{Sound, Usable};

/// The spectrogram that a voice is told by: a recording shorter than `segment` frames is repeated.
///
/// # Errors
/// [`Error::Argument`] for less than 0.3 or more than 60 seconds without silence at the ends, and for what is clipped to nothing.
pub fn spectrogram(listener: &Listener, recording: &Sound, segment: usize) -> Result<Mel> {
    recording.check(Usable::VOICE)?;
    let prepared = listener.prepared(recording)?;
    Ok(listener.transform().forward(&prepared)?.repeated(segment))
}

/// Tells voices by a trained network.
pub struct SpeakerEncoder {
    network: SpeakerNetwork,
    listener: Listener,
    segment: usize,
    identity: ExtractorIdentity,
    device: Device,
}

impl SpeakerEncoder {
    /// The network of a model file.
    ///
    /// # Errors
    /// As [`SpeakerNetwork::load`].
    pub fn new(header: SpeakerHeader, tensors: &NamedTensors, device: &Device) -> Result<Self> {
        let SpeakerHeader { encoder: config, speakers, .. } = header;
        let device = device.clone().without_autodiff();
        let network = SpeakerNetwork::load(&config, speakers.len(), tensors, &device)?;
        let mel = &config.listener.mel;
        let identity = ExtractorIdentity {
            name: "speaker-encoder".into(),
            fingerprint: fingerprint(tensors),
            input: format!("{} mel bins at {} Hz", mel.bins, mel.rate),
            width: config.embedding,
        };
        let listener = Listener::new(config.listener)?;
        Ok(Self { network, listener, segment: config.segment, identity, device })
    }

    /// Tells it from others.
    pub fn identity(&self) -> &ExtractorIdentity {
        &self.identity
    }

    /// What the voice of a recording is, of any rate: a vector of length 1, so that cosines are products.
    ///
    /// # Errors
    /// As [`spectrogram`]; [`Error::Device`].
    pub fn embedding(&self, recording: &Sound) -> Result<Vec<f32>> {
        let mel = spectrogram(&self.listener, recording, self.segment)?;
        let values = self.listener.config().normalised(&mel.values);
        let data = TensorData::new(values, [1, mel.frames(), mel.bins]);
        let embedding = self.network.embeddings(Tensor::from_data(data, &self.device));
        embedding.try_into_vec_as::<f32>().map_err(Error::device)
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::config;
    use super::super::{SpeakerHeader, SpeakerKind};
    use super::*;
    use crate::nn::Builder;
    use crate::nn::parameters;

    fn encoder() -> SpeakerEncoder {
        let device = Device::flex();
        let tensors = parameters::read(&SpeakerNetwork::new(&mut Builder::new(1, &device), &config(), 2));
        let header = SpeakerHeader {
            kind: SpeakerKind::SpeakerEncoder,
            encoder: config(),
            speakers: vec!["ann".into(), "bob".into()],
            heldout_equal_error_rate: None,
            heldout_nearer: None,
            step: 0,
            licence: "none".into(),
            version: "0".into(),
        };
        SpeakerEncoder::new(header, &tensors, &device).unwrap()
    }

    /// A tone of 400 Hz, whole waves long, with an amplitude.
    fn tone(rate: u32, seconds: f64, amplitude: f64) -> Sound {
        let count = (seconds * f64::from(rate)) as usize;
        let wave = |n: usize| (std::f64::consts::TAU * 400.0 * n as f64 / f64::from(rate)).sin();
        Sound::new(rate, (0..count).map(|n| (amplitude * wave(n)) as f32).collect()).unwrap()
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn rate_and_loudness_of_a_recording_change_little() {
        let encoder = encoder();
        let embedding = encoder.embedding(&tone(16_000, 1.0, 0.1)).unwrap();
        assert!((cosine(&embedding, &embedding) - 1.0).abs() < 1e-5);
        let other = encoder.embedding(&tone(44_100, 1.0, 0.5)).unwrap();
        assert!(cosine(&embedding, &other) > 0.995, "{}", cosine(&embedding, &other));
    }

    #[test]
    fn what_is_too_short_is_refused_and_what_is_short_repeated() {
        let encoder = encoder();
        let refused = |sound: Sound| encoder.embedding(&sound).unwrap_err().to_string();
        assert!(
            refused(tone(16_000, 0.2, 0.3))
                .contains("it has 0.20 s beside silence at its ends, at least 0.3 s are needed")
        );
        assert!(refused(Sound::new(16_000, vec![0.0; 16_000]).unwrap()).contains("it is silent"));
        assert!(refused(tone(16_000, 61.0, 0.3)).contains("at most 60 s"));
        // 0.4 s are 25 frames, of at least 32.
        let listener = Listener::new(config().listener).unwrap();
        let mel = spectrogram(&listener, &tone(16_000, 0.4, 0.3), 32).unwrap();
        assert_eq!(mel.frames(), 32);
        assert_eq!(mel.values[..7 * 100], mel.values[25 * 100..]);
        encoder.embedding(&tone(16_000, 0.4, 0.3)).unwrap();
    }
}
