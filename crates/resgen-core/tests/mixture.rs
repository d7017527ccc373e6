//! The mixture head against a direct computation in f64 that builds every mean, and its gradients
//! against central differences of that computation.

use burn::module::Param;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use resgen_core::head::{MixtureConfig, MixtureHead, MixtureLoss, ScaleKind};
use resgen_core::nn::Builder;

const POSITIONS: usize = 5;
const WIDTH: usize = 3;
const WEIGHT: [f32; POSITIONS] = [1.0, 0.0, 1.0, 1.0, 0.0];

/// `count` irregular numbers in [−scale, scale], the same on every run.
fn irregular(count: usize, phase: f64, scale: f64) -> Vec<f64> {
    (0..count).map(|i| scale * (12.9898 * (i as f64 + 1.0) + 78.233 * phase).sin()).collect()
}

/// Everything the loss depends on, in f64 and row-major.
#[derive(Clone)]
struct Reference {
    config: MixtureConfig,
    vector: usize,
    weight: Vec<f64>,     // [d, K + r + H + A]
    bias: Vec<f64>,       // [K + r + H + A]
    projection: Vec<f64>, // [K, H, r]
    centers: Vec<f64>,    // [K, H]
    hidden: Vec<f64>,     // [N, d]
    target: Vec<f64>,     // [N, H]
}

/// What one position's density is made of.
struct Terms {
    log_priors: Vec<f64>, // [K]
    distances: Vec<f64>,  // [K]
    constant: f64,        // Σ a + H/2·log 2π
}

impl Reference {
    fn new(config: MixtureConfig, vector: usize) -> Self {
        let MixtureConfig { components, rank, scale, .. } = config;
        let columns = components + rank + vector + scale.width(vector);
        Self {
            config,
            vector,
            weight: irregular(WIDTH * columns, 0.1, 0.6),
            bias: irregular(columns, 0.2, 0.4),
            projection: irregular(components * vector * rank, 0.3, 0.8),
            centers: irregular(components * vector, 0.4, 1.2),
            hidden: irregular(POSITIONS * WIDTH, 0.5, 1.5),
            target: irregular(POSITIONS * vector, 0.6, 2.0),
        }
    }

    fn terms(&self, position: usize) -> Terms {
        let (k, r, h) = (self.config.components, self.config.rank, self.vector);
        let columns = self.bias.len();
        let raw: Vec<f64> = (0..columns)
            .map(|column| {
                let input = &self.hidden[position * WIDTH..][..WIDTH];
                let products = input.iter().enumerate().map(|(i, x)| x * self.weight[i * columns + column]);
                self.bias[column] + products.sum::<f64>()
            })
            .collect();
        let (logits, mixer, shift, scales) =
            (&raw[..k], &raw[k..k + r], &raw[k + r..k + r + h], &raw[k + r + h..]);
        let log_scale: Vec<f64> =
            (0..h).map(|i| 7.0 * (scales[i.min(scales.len() - 1)] / 7.0).tanh()).collect();
        let partition = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        let distance = |component: usize| -> f64 {
            (0..h)
                .map(|i| {
                    let row = &self.projection[(component * h + i) * r..][..r];
                    let low_rank: f64 = row.iter().zip(mixer).map(|(m, u)| m * u).sum();
                    let mean = self.centers[component * h + i] + low_rank;
                    let standardised = (self.target[position * h + i] - shift[i]) / log_scale[i].exp();
                    (standardised - mean).powi(2)
                })
                .sum()
        };
        Terms {
            log_priors: logits.iter().map(|logit| logit - partition).collect(),
            distances: (0..k).map(distance).collect(),
            constant: log_scale.iter().sum::<f64>() + 0.5 * h as f64 * std::f64::consts::TAU.ln(),
        }
    }

    fn log_density(&self, position: usize) -> f64 {
        let Terms { log_priors, distances, constant } = self.terms(position);
        log_priors.iter().zip(&distances).map(|(p, d)| (p - 0.5 * d).exp()).sum::<f64>().ln() - constant
    }

    fn closeness(&self, position: usize) -> Vec<f64> {
        let weights: Vec<f64> = self.terms(position).distances.iter().map(|d| (-0.5 * d).exp()).collect();
        weights.iter().map(|weight| weight / weights.iter().sum::<f64>()).collect()
    }

    fn split(&self, position: usize, closeness: &[f64]) -> f64 {
        let Terms { log_priors, distances, constant } = self.terms(position);
        let costs = log_priors.iter().zip(&distances).map(|(p, d)| 0.5 * d - p);
        closeness.iter().zip(costs).map(|(q, cost)| q * cost).sum::<f64>() + constant
    }

    /// The loss, with the closeness taken from `fixed`: the point at which it is held constant.
    fn loss(&self, fixed: &Reference) -> f64 {
        let at = |position: usize| match self.config.loss {
            MixtureLoss::Nll => -self.log_density(position),
            MixtureLoss::Split => self.split(position, &fixed.closeness(position)),
        };
        let counted: Vec<usize> = (0..POSITIONS).filter(|&position| WEIGHT[position] > 0.0).collect();
        counted.iter().map(|&position| at(position)).sum::<f64>() / counted.len() as f64
    }

    /// Central differences of the loss by every number that `part` selects.
    fn differences(&self, part: impl Fn(&mut Reference) -> &mut Vec<f64>) -> Vec<f64> {
        let step = 1e-5;
        let count = part(&mut self.clone()).len();
        let moved = |index: usize, by: f64| {
            let mut other = self.clone();
            part(&mut other)[index] += by;
            other.loss(self)
        };
        (0..count).map(|index| (moved(index, step) - moved(index, -step)) / (2.0 * step)).collect()
    }

    fn head(&self, device: &Device) -> MixtureHead {
        let (k, r, h) = (self.config.components, self.config.rank, self.vector);
        let columns = self.bias.len();
        let mut head = self.config.init(&mut Builder::new(1, device), WIDTH, h);
        head.output.weight = Param::from_tensor(tensor(&self.weight, [WIDTH, columns], device));
        head.output.bias = Some(Param::from_tensor(tensor(&self.bias, [columns], device)));
        head.projection = Param::from_tensor(tensor(&self.projection, [k, h, r], device));
        head.centers = Param::from_tensor(tensor(&self.centers, [k, h], device));
        head
    }
}

fn tensor<const D: usize>(values: &[f64], shape: [usize; D], device: &Device) -> Tensor<D> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Compares numbers that f32 arithmetic made with their f64 values. Both losses and gradients are
/// sums of at most a hundred terms of order 10, so rounding (6e-8 each) stays below 1e-4, while a
/// wrong term would show at order 0.1.
fn assert_close(what: &str, computed: Vec<f32>, expected: &[f64]) {
    assert_eq!(computed.len(), expected.len(), "{what}");
    for (index, (computed, expected)) in computed.into_iter().zip(expected).enumerate() {
        let error = (f64::from(computed) - expected).abs();
        assert!(error < 1e-4 * (1.0 + expected.abs()), "{what}[{index}]: {computed}, expected {expected}");
    }
}

/// Vectors wider and narrower than the number of components, with both kinds of log-scale.
fn cases(loss: MixtureLoss) -> impl Iterator<Item = Reference> {
    [
        (3, 4, ScaleKind::Vector),
        (5, 2, ScaleKind::Scalar),
        (4, 3, ScaleKind::Vector),
        (1, 2, ScaleKind::Scalar),
    ]
    .into_iter()
    .map(move |(components, vector, scale)| {
        Reference::new(MixtureConfig { components, rank: 2, scale, loss }, vector)
    })
}

#[test]
fn density_agrees_with_the_direct_computation() {
    let device = Device::flex();
    for case in cases(MixtureLoss::Nll) {
        let head = case.head(&device);
        let out = head.forward(tensor(&case.hidden, [POSITIONS, WIDTH], &device));
        let density = head.log_density(&out, tensor(&case.target, [POSITIONS, case.vector], &device));
        let expected: Vec<f64> = (0..POSITIONS).map(|position| case.log_density(position)).collect();
        assert_close("log density", density.try_into_vec_as::<f32>().unwrap(), &expected);
    }
}

fn gradient<const D: usize>(of: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    of.grad(gradients).unwrap().try_into_vec_as::<f32>().unwrap()
}

fn check_gradients(case: &Reference) {
    let device = Device::flex().autodiff();
    let head = case.head(&device);
    let hidden = tensor(&case.hidden, [POSITIONS, WIDTH], &device).require_grad();
    let target = tensor(&case.target, [POSITIONS, case.vector], &device).require_grad();
    let weight = Tensor::<1>::from_floats(WEIGHT, &device);
    let loss = head.score(&head.forward(hidden.clone()), target.clone(), weight).loss;
    assert_close("loss", loss.try_to_vec_as::<f32>().unwrap(), &[case.loss(case)]);

    let gradients = loss.backward();
    let check = |what, gradient, differences: Vec<f64>| assert_close(what, gradient, &differences);
    check("hidden", gradient(&hidden, &gradients), case.differences(|case| &mut case.hidden));
    check("target", gradient(&target, &gradients), case.differences(|case| &mut case.target));
    let output = &head.output;
    check("weight", gradient(&output.weight.val(), &gradients), case.differences(|case| &mut case.weight));
    let bias = output.bias.as_ref().map(|bias| bias.val()).unwrap();
    check("bias", gradient(&bias, &gradients), case.differences(|case| &mut case.bias));
    let projection = head.projection.val();
    check("projection", gradient(&projection, &gradients), case.differences(|case| &mut case.projection));
    check("centers", gradient(&head.centers.val(), &gradients), case.differences(|case| &mut case.centers));
}

#[test]
fn gradients_of_nll_are_those_of_the_direct_computation() {
    cases(MixtureLoss::Nll).for_each(|case| check_gradients(&case));
}

#[test]
fn gradients_of_split_are_those_of_the_direct_computation() {
    cases(MixtureLoss::Split).for_each(|case| check_gradients(&case));
}
