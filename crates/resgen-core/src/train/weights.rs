//! The weights of one network in training: the optimizer's moments, and the weights' moving average.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use resgen_kernels::optimizer::{AdamW, Trained, adamw, square_sum};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};
use crate::workers::Workers;

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
    moments: Vec<[Tensor<1>; 2]>, // of the gradient and of its square
    average: Vec<Tensor<1>>,
    updates: u64,
}

/// A gradient that may be applied, and its norm before clipping.
pub struct Gradient {
    sum: Vec<Tensor<1>>,
    weight: f64,
    /// Euclidean norm over all parameters.
    pub norm: f64,
}

impl Gradient {
    /// The mean of gradients whose weighted sum is `sum`, and whose weights add up to `weight`.
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot be read.
    pub fn mean(sum: Vec<Tensor<1>>, weight: f64, workers: &Workers) -> Result<Self> {
        let squares = workers.run(sum.iter().collect(), |_, part| Ok(square_sum(part.clone())))?;
        let all = workers.alone(|| Tensor::cat(squares, 0).sum().try_into_scalar::<f32>());
        let norm = f64::from(all.map_err(Error::device)?).sqrt() / weight;
        Ok(Self { sum, weight, norm })
    }
}

/// The sum of two gradients, parameter by parameter.
///
/// # Errors
/// [`Error::Training`] where a worker is lost.
pub fn added(a: Vec<Tensor<1>>, b: Vec<Tensor<1>>, workers: &Workers) -> Result<Vec<Tensor<1>>> {
    workers.run(a.into_iter().zip(b).collect(), |_, (a, b)| Ok(a + b))
}

impl<M: Module + Sync> Weights<M> {
    /// A fresh network before its first update.
    pub fn new(model: M, config: OptimizerConfig) -> Self {
        let (names, shapes): (Vec<_>, Vec<_>) = parameters::names_and_shapes(&model).into_iter().unzip();
        let average = parameters::flat(&model);
        Self {
            model,
            config,
            decays: shapes.iter().map(|shape| shape.len() >= 2).collect(),
            moments: average.iter().map(no_moments).collect(),
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
    ///
    /// # Errors
    /// [`Error::Training`] where a worker is lost; the weights are then not whole.
    pub fn update(&mut self, gradient: Gradient, learning_rate: f64, workers: &Workers) -> Result<()> {
        self.updates += 1;
        let step = self.step(&gradient, learning_rate);
        let weights = workers.alone(|| parameters::flat(&self.model)).into_iter();
        let (moments, average) = (std::mem::take(&mut self.moments), std::mem::take(&mut self.average));
        let trained = weights.zip(moments).zip(average).map(|((weight, [mean, square]), average)| Trained {
            weight,
            mean,
            square,
            average,
        });
        let parts = trained.zip(gradient.sum).collect();
        let decays = &self.decays;
        let updated = workers.run(parts, |index, (trained, part)| {
            let weight_decay = if decays[index] { step.weight_decay } else { 0.0 };
            Ok(adamw(trained, part, AdamW { weight_decay, ..step }))
        })?;
        let mut weights = Vec::with_capacity(updated.len());
        for Trained { weight, mean, square, average } in updated {
            weights.push(weight);
            self.moments.push([mean, square]);
            self.average.push(average);
        }
        self.model = workers.alone(|| parameters::with_flat(self.model.clone(), weights));
        Ok(())
    }

    /// The average starts quickly, so that short trainings do not remember their first weights.
    fn step(&self, gradient: &Gradient, learning_rate: f64) -> AdamW {
        let warm = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
        let clip = (self.config.clip_norm / gradient.norm.max(1e-12)).min(1.0);
        AdamW {
            update: self.updates,
            rate: learning_rate as f32,
            beta1: self.config.beta1,
            beta2: self.config.beta2,
            epsilon: 1e-8,
            weight_decay: self.config.weight_decay,
            gradient_scale: (clip / gradient.weight) as f32,
            average_decay: self.config.average_decay.min(warm) as f32,
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
            if self.updates > 0 {
                let [mean, square] = self.moments[index].clone();
                keep("moment1", mean);
                keep("moment2", square);
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
            let weight = read("weight")?;
            average.push(read("average")?);
            moments.push(match updates {
                0 => no_moments(&weight),
                _ => [read("moment1")?, read("moment2")?],
            });
            weights.push(weight);
        }
        self.model = parameters::with_flat(self.model.clone(), weights);
        (self.average, self.moments, self.updates) = (average, moments, updates);
        Ok(())
    }
}

/// The moments of a parameter before its first update.
fn no_moments(weight: &Tensor<1>) -> [Tensor<1>; 2] {
    [weight.zeros_like(), weight.zeros_like()]
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
