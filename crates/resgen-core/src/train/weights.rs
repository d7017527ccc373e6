//! The weights of one network in training: the optimizer's moments, and the weights' moving average.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};

/// Settings of AdamW, clipping and averaging.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Decay of the mean of the gradients.
    pub beta1: f32,
    /// Decay of the mean of their squares.
    pub beta2: f32,
    /// Decoupled weight decay of everything with two or more dimensions; biases and gains have none.
    pub weight_decay: f32,
    /// Largest norm of the whole gradient; larger ones are scaled down to it.
    pub clip_norm: f64,
    /// Decay of the weights' moving average, the weights that sampling uses.
    pub average_decay: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, weight_decay: 0.01, clip_norm: 1.0, average_decay: 0.999 }
    }
}

impl OptimizerConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        let decays = [
            ("beta1", f64::from(self.beta1)),
            ("beta2", f64::from(self.beta2)),
            ("average_decay", self.average_decay),
        ];
        for (key, value) in decays {
            if !(0.0..1.0).contains(&value) {
                let reason = format!("expected at least 0 and less than 1, found {value}");
                return Err(Error::config(format!("train.optimizer.{key}"), reason));
            }
        }
        if !(0.0..=1e3).contains(&self.weight_decay) {
            let reason = format!("expected 0 to 1000, found {}", self.weight_decay);
            return Err(Error::config("train.optimizer.weight_decay", reason));
        }
        if !(self.clip_norm > 0.0 && self.clip_norm.is_finite()) {
            let reason = format!("expected a number greater than 0, found {}", self.clip_norm);
            return Err(Error::config("train.optimizer.clip_norm", reason));
        }
        Ok(())
    }
}

/// A network, its optimizer's moments and its average, all on one device, none of them tracked.
pub struct Weights<M> {
    model: M,
    config: OptimizerConfig,
    names: Vec<String>,
    decays: Vec<bool>,
    moments: Vec<Option<AdamWState<1>>>,
    average: Vec<Tensor<1>>,
    updates: u64,
}

/// A gradient that may be applied, and its norm before clipping.
pub struct Gradient {
    parts: Vec<Tensor<1>>,
    /// Euclidean norm over all parameters.
    pub norm: f64,
}

impl Gradient {
    /// The mean of gradients whose weighted sum is `sum`, and whose weights add up to `weight`.
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot be read.
    pub fn mean(sum: Vec<Tensor<1>>, weight: f64) -> Result<Self> {
        let parts: Vec<_> = sum.into_iter().map(|part| part.div_scalar(weight)).collect();
        let squares = parts.iter().map(|part| part.clone().square().sum()).collect();
        let norm: f32 = Tensor::cat(squares, 0).sum().try_into_scalar().map_err(Error::device)?;
        Ok(Self { parts, norm: f64::from(norm).sqrt() })
    }
}

/// The sum of two gradients, parameter by parameter.
pub fn added(a: Vec<Tensor<1>>, b: Vec<Tensor<1>>) -> Vec<Tensor<1>> {
    a.into_iter().zip(b).map(|(a, b)| a + b).collect()
}

impl<M: Module> Weights<M> {
    /// A fresh network before its first update.
    pub fn new(model: M, config: OptimizerConfig) -> Self {
        let (names, shapes): (Vec<_>, Vec<_>) = parameters::names_and_shapes(&model).into_iter().unzip();
        let average = parameters::flat(&model);
        Self {
            model,
            config,
            decays: shapes.iter().map(|shape| shape.len() >= 2).collect(),
            moments: vec![None; names.len()],
            names,
            average,
            updates: 0,
        }
    }

    /// The network as trained so far.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The settings of the optimizer.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// How many updates there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The network with its averaged weights: the one to evaluate, sample from and keep.
    pub fn averaged(&self) -> M {
        parameters::with_flat(self.model.clone(), self.average.clone())
    }

    /// One step of AdamW, with the gradient clipped to the configured norm, and of the average.
    pub fn update(&mut self, gradient: Gradient, learning_rate: f64) {
        let clip = (self.config.clip_norm / gradient.norm.max(1e-12)).min(1.0);
        let weights = parameters::flat(&self.model);
        let (with_decay, without_decay) = (self.optimizer(self.config.weight_decay), self.optimizer(0.0));
        let mut updated = Vec::with_capacity(weights.len());
        for (index, (weight, part)) in weights.into_iter().zip(gradient.parts).enumerate() {
            let optimizer = if self.decays[index] { &with_decay } else { &without_decay };
            let part = if clip < 1.0 { part.mul_scalar(clip) } else { part };
            let (weight, state) = optimizer.step(learning_rate, weight, part, self.moments[index].take());
            self.moments[index] = state;
            updated.push(weight);
        }
        self.updates += 1;
        self.average(&updated);
        self.model = parameters::with_flat(self.model.clone(), updated);
    }

    fn optimizer(&self, weight_decay: f32) -> AdamW {
        AdamWConfig::new()
            .with_beta_1(self.config.beta1)
            .with_beta_2(self.config.beta2)
            .with_epsilon(1e-8)
            .with_weight_decay(weight_decay)
            .build()
    }

    /// The average starts quickly, so that short trainings do not remember their first weights.
    fn average(&mut self, weights: &[Tensor<1>]) {
        let warm = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
        let decay = self.config.average_decay.min(warm);
        for (average, weight) in self.average.iter_mut().zip(weights) {
            *average = average.clone().mul_scalar(decay) + weight.clone().mul_scalar(1.0 - decay);
        }
    }

    /// Everything that the next updates depend on, under names that start with `prefix`.
    pub fn state(&self, prefix: &str) -> NamedTensors {
        let mut state = NamedTensors::new();
        let weights = parameters::flat(&self.model);
        for (index, name) in self.names.iter().enumerate() {
            let mut keep = |kind: &str, tensor: Tensor<1>| {
                state.insert(format!("{prefix}{kind}.{name}"), tensor.into_data())
            };
            keep("weight", weights[index].clone());
            keep("average", self.average[index].clone());
            if let Some(AdamWState { momentum }) = &self.moments[index] {
                keep("moment1", momentum.moment_1.clone());
                keep("moment2", momentum.moment_2.clone());
            }
        }
        state.insert(format!("{prefix}updates"), TensorData::new(vec![self.updates as f32], [1]));
        state
    }

    /// Continues from what [`Weights::state`] gave.
    ///
    /// # Errors
    /// [`Error::Mismatch`] names the first tensor that is missing or has another size.
    pub fn restore(&mut self, state: &NamedTensors, prefix: &str, device: &Device) -> Result<()> {
        let updates = vector(state, &format!("{prefix}updates"), 1, device)?.into_scalar::<f32>() as u64;
        let sizes: BTreeMap<String, usize> = parameters::names_and_shapes(&self.model)
            .into_iter()
            .map(|(name, shape)| (name, shape.iter().product()))
            .collect();
        let (mut weights, mut average, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        for name in &self.names {
            let read = |kind: &str| vector(state, &format!("{prefix}{kind}.{name}"), sizes[name], device);
            weights.push(read("weight")?);
            average.push(read("average")?);
            moments.push(match updates {
                0 => None,
                _ => Some(AdamWState::new(AdaptiveMomentumState {
                    time: updates as usize,
                    moment_1: read("moment1")?,
                    moment_2: read("moment2")?,
                    max_moment_2: None,
                })),
            });
        }
        self.model = parameters::with_flat(self.model.clone(), weights);
        (self.average, self.moments, self.updates) = (average, moments, updates);
        Ok(())
    }
}

/// The tensor `name` as a vector of `size` values.
fn vector(state: &NamedTensors, name: &str, size: usize, device: &Device) -> Result<Tensor<1>> {
    let data = state
        .get(name)
        .ok_or_else(|| Error::mismatch(format!("tensor `{name}`"), format!("{size} values"), "none"))?;
    if data.num_elements() != size {
        return Err(Error::mismatch(
            format!("tensor `{name}`"),
            format!("{size} values"),
            data.num_elements(),
        ));
    }
    Ok(Tensor::<1>::from_data(data.clone(), device))
}
