//! The options of the commands that speak.

use std::path::Path;

use burn::tensor::Device;
use resgen_core::Result;
use resgen_core::model::AnyNetwork;
use resgen_core::nn::Precision;
use resgen_core::nn::parameters::NamedTensors;
use resgen_core::sample::Preset;
use resgen_core::tokenizer::speech::MelAutoencoder;
use resgen_core::train::generator::Generator;
use resgen_core::vocoder::Vocoder;

use crate::commands::sample::settings::SettingArguments;
use crate::model;
use crate::named::{PrecisionArgument, TextEncoderArgument};
use crate::vocoder::VocoderArgument;

/// Options of the commands that speak.
#[derive(Debug, clap::Args)]
pub struct SpeechArguments {
    #[command(flatten)]
    vocoder: VocoderArgument,
    #[command(flatten)]
    encoder: TextEncoderArgument,
    #[command(flatten)]
    precision: PrecisionArgument,
    #[command(flatten)]
    settings: SettingArguments,
}

/// All that it takes to speak.
pub struct Speech {
    /// The generator.
    pub generator: Generator<AnyNetwork, MelAutoencoder>,
    /// The tensors of its file.
    pub tensors: NamedTensors,
    /// How it samples.
    pub preset: Preset,
    /// What makes sound of its spectrograms.
    pub vocoder: Vocoder,
    /// In which both work.
    pub precision: Precision,
}

impl SpeechArguments {
    /// The generator in `path` with these options.
    ///
    /// # Errors
    /// Where a file cannot be read or is of something else, or a setting is out of range.
    pub fn load(&self, path: &Path, device: &Device) -> Result<Speech> {
        let precision = self.precision.precision.unwrap_or_default();
        let encoder = self.encoder.text_encoder.as_deref();
        let (generator, tensors) = model::speech_generator(path, encoder, device)?;
        let generator = generator.in_precision(precision);
        let vocoder = self.vocoder.load(&generator.tokenizer.config().mel, device)?.in_precision(precision);
        let preset = self.settings.over(generator.header.preset, generator.header.model.kind)?;
        Ok(Speech { generator, tensors, preset, vocoder, precision })
    }
}
