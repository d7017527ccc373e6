//! The mixture's loss, and its gradients: those of the raw outputs and of the head's parameters.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use resgen_core::head::{MixtureConfig, MixtureHead, MixtureLoss, MixtureOutput, ScaleKind};
use resgen_core::nn::{Builder, parameters};
use resgen_core::workers::Workers;

use super::quantizer::normal;
use super::{Case, wait};
use crate::context::Context;

/// Arguments of `bench mixture`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Positions, those of all signals together.
    #[arg(long, default_value = "2048", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    positions: u32,
    /// Width H of a target.
    #[arg(long, default_value = "64", value_name = "H", value_parser = clap::value_parser!(u32).range(1..=4096))]
    latent: u32,
    /// Components K.
    #[arg(long, default_value = "1024", value_name = "K", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    components: u32,
    /// Rank r of the means.
    #[arg(long, default_value = "16", value_name = "R", value_parser = clap::value_parser!(u32).range(1..=4096))]
    rank: u32,
}

pub struct Loss {
    head: MixtureHead,
    parts: Vec<(MixtureOutput, Tensor<2>)>, // raw outputs, and targets [N', H]
    workers: Workers,
    device: Device,
}

impl Loss {
    pub fn new(arguments: &Arguments, context: &Context, device: &Device) -> anyhow::Result<Self> {
        let [positions, latent, components, rank] =
            [arguments.positions, arguments.latent, arguments.components, arguments.rank]
                .map(|value| value as usize);
        let config = MixtureConfig { components, rank, scale: ScaleKind::Vector, loss: MixtureLoss::Nll };
        config.validate()?;
        let head = config.init(&mut Builder::new(0, device), 1, latent);
        let parts = context.micro_batches(positions);
        let rows = positions / parts;
        let part = |part: usize| {
            let random = |columns, index| normal([rows, columns], (5 * part + index) as u64, device);
            let raw = MixtureOutput {
                logits: random(components, 0) * 0.3,
                mixer: random(rank, 1) * 0.3,
                shift: random(latent, 2) * 0.3,
                log_scale: random(latent, 3) * 0.3,
            };
            (raw, random(latent, 4))
        };
        let (parts, device) = ((0..parts).map(part).collect::<Vec<_>>(), device.clone());
        Ok(Self { head, workers: Workers::new(parts.len())?, parts, device })
    }
}

impl Case for Loss {
    fn run(&mut self) -> anyhow::Result<()> {
        self.workers.run(self.parts.clone(), |_, (raw, target)| {
            let head = self.head.clone().train();
            let leaf = |values: &Tensor<2>| values.clone().autodiff().require_grad();
            let raw = MixtureOutput {
                logits: leaf(&raw.logits),
                mixer: leaf(&raw.mixer),
                shift: leaf(&raw.shift),
                log_scale: leaf(&raw.log_scale),
            };
            let loss = head.log_density(&raw, target.autodiff()).mean().neg();
            Ok(parameters::take_gradients(&head, &mut loss.backward()))
        })?;
        Ok(wait(&self.device)?)
    }
}
