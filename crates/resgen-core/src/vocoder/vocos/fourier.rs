//! Short-time Fourier transforms as products of matrices: what [`Stft`](crate::signal::mel::Stft) does with numbers, on tensors, so that
//! gradients pass through.

use burn::tensor::{Device, Tensor, TensorData};

use crate::signal::mel::StftConfig;

/// A transform and its inverse on a device.
#[derive(Clone, Debug)]
pub struct Fourier {
    config: StftConfig,
    analysis: Tensor<2>,  // [size, 2·coefficients]: windowed cosines, then windowed sines
    synthesis: Tensor<2>, // [2·coefficients, size]: of a frame's samples, windowed again
}

impl Fourier {
    /// Of a configuration that is valid.
    pub fn new(config: &StftConfig, device: &Device) -> Self {
        let (size, coefficients) = (config.size, config.coefficients());
        let window = config.hann();
        let turn = |coefficient: usize, sample: usize| {
            std::f64::consts::TAU * ((coefficient * sample) % size) as f64 / size as f64
        };
        let wave = |column: usize, sample: usize| match column < coefficients {
            true => turn(column, sample).cos(),
            false => -turn(column - coefficients, sample).sin(),
        };
        // All but the first and the last coefficient of a real signal stand for two.
        let share = |column: usize| match (column % coefficients).is_multiple_of(coefficients - 1) {
            true => 1.0 / size as f64,
            false => 2.0 / size as f64,
        };
        let columns = 2 * coefficients;
        let analysis = (0..size)
            .flat_map(|sample| (0..columns).map(move |column| (sample, column)))
            .map(|(sample, column)| f64::from(window[sample]) * wave(column, sample));
        let synthesis = (0..columns)
            .flat_map(|column| (0..size).map(move |sample| (sample, column)))
            .map(|(sample, column)| f64::from(window[sample]) * share(column) * wave(column, sample));
        let tensor = |values: Vec<f32>, shape| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            analysis: tensor(analysis.map(|value| value as f32).collect(), [size, columns]),
            synthesis: tensor(synthesis.map(|value| value as f32).collect(), [columns, size]),
            config: config.clone(),
        }
    }

    /// Coefficients of the frames that lie within the samples: real parts, then imaginary ones. Nothing is added at the ends.
    ///
    /// # Shapes
    /// `[B, samples]` → `[B, frames, 2·coefficients]`
    pub fn forward(&self, samples: Tensor<2>) -> Tensor<3> {
        let StftConfig { size, hop, .. } = self.config;
        let [batch, count] = samples.dims();
        let frames = (count.max(size) - size) / hop + 1;
        let parts = size.div_ceil(hop);
        let samples = filled(samples, 1, (frames + parts - 1) * hop);
        let hops: Tensor<3> = samples.reshape([batch, frames + parts - 1, hop]);
        let shifted = (0..parts).map(|part| hops.clone().narrow(1, part, frames)).collect();
        let rows = Tensor::cat(shifted, 2).narrow(2, 0, size); // [B, frames, size]
        product(rows, &self.analysis)
    }

    /// The samples whose spectrum is nearest to the given one: windowed frames are added up and divided by the sum of squared windows, what the
    /// configuration adds at the ends is cut off.
    ///
    /// # Shapes
    /// `[B, frames, 2·coefficients]` → `[B, samples]`
    pub fn inverse(&self, spectrum: Tensor<3>, samples: usize) -> Tensor<2> {
        let StftConfig { size, hop, .. } = self.config;
        let [batch, frames, _] = spectrum.dims();
        let parts = size.div_ceil(hop);
        let rows = filled(product(spectrum, &self.synthesis), 2, parts * hop);
        let rows: Tensor<4> = rows.reshape([batch, frames, parts, hop]);
        let part = |part: usize| {
            let hops: Tensor<3> = rows.clone().narrow(2, part, 1).reshape([batch, frames, hop]);
            let before = Tensor::zeros([batch, part, hop], &hops.device());
            filled(Tensor::cat(vec![before, hops], 1), 1, frames + parts - 1)
        };
        let sum = (1..parts).fold(part(0), |sum, next| sum + part(next)); // [B, frames + parts − 1, hop]
        let sum = filled(sum.reshape([batch, (frames + parts - 1) * hop]), 1, self.config.pad() + samples);
        let device = sum.device();
        sum.narrow(1, self.config.pad(), samples) * self.weights(frames, samples, &device)
    }

    /// One over the sum of the squared windows over each sample; where there is none, nothing is heard.
    ///
    /// # Shapes
    /// → `[1, samples]`
    fn weights(&self, frames: usize, samples: usize, device: &Device) -> Tensor<2> {
        let sums = self.config.overlap(frames).into_iter().chain(std::iter::repeat(0.0));
        let inverse = |sum: f32| if sum > 1e-11 { sum.recip() } else { 0.0 };
        let values: Vec<f32> = sums.skip(self.config.pad()).take(samples).map(inverse).collect();
        Tensor::from_data(TensorData::new(values, [1, samples]), device)
    }
}

/// `x` followed by zeros along `dim`, or cut off, so that it has `length` there.
fn filled<const D: usize>(x: Tensor<D>, dim: usize, length: usize) -> Tensor<D> {
    let mut shape = x.dims();
    if shape[dim] >= length {
        return x.narrow(dim, 0, length);
    }
    shape[dim] = length - shape[dim];
    let zeros = Tensor::zeros(shape, &x.device());
    Tensor::cat(vec![x, zeros], dim)
}

/// With a constant matrix; no gradient is kept for it.
///
/// # Shapes
/// `[B, n, a]`, `[a, b]` → `[B, n, b]`
pub(super) fn product(rows: Tensor<3>, matrix: &Tensor<2>) -> Tensor<3> {
    let [batch, count, width] = rows.dims();
    let matrix = if rows.is_autodiff() { matrix.clone().autodiff() } else { matrix.clone() };
    let columns = matrix.dims()[1];
    rows.reshape([batch * count, width]).matmul(matrix).reshape([batch, count, columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::mel::{Padding, Stft};

    fn noise(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * at) as f32 * 0.37).sin()).collect()
    }

    fn row(values: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), &Device::flex())
    }

    fn worst(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// As the transform of numbers has it, ends apart.
    #[test]
    fn both_ways_are_those_of_the_transform_of_numbers() {
        for (size, window, hop, padding) in
            [(16, 16, 4, Padding::Same), (16, 12, 4, Padding::Centre), (18, 18, 4, Padding::Same)]
        {
            let config = StftConfig { size, window, hop, padding };
            let (stft, fourier) = (Stft::new(config.clone()), Fourier::new(&config, &Device::flex()));
            let samples = noise(64);
            let spectrum = stft.forward(&samples);
            let parts = |part: fn(&realfft::num_complex::Complex<f32>) -> f32| {
                spectrum.rows().map(move |row| row.iter().map(part).collect::<Vec<f32>>())
            };
            let rows: Vec<f32> = parts(|value| value.re)
                .zip(parts(|value| value.im))
                .flat_map(|(re, im)| [re, im].concat())
                .collect();
            let shape = [1, spectrum.frames(), 2 * config.coefficients()];
            let tensor = Tensor::from_data(TensorData::new(rows.clone(), shape), &Device::flex());
            let sound: Vec<f32> = fourier.inverse(tensor, 64).try_to_vec_as().unwrap();
            assert!(worst(&sound, &stft.inverse(&spectrum, 64)) < 1e-5);

            // The frames that need nothing beyond the ends: from the one that begins at sample 0 or later.
            let inner = config.pad().div_ceil(hop);
            let offset = inner * hop - config.pad();
            let found = fourier.forward(row(&samples[offset..]));
            let [_, frames, width] = found.dims();
            let found: Vec<f32> = found.try_to_vec_as().unwrap();
            assert!(worst(&found, &rows[inner * width..(inner + frames) * width]) < 1e-4);
        }
    }

    #[test]
    fn gradients_reach_the_samples() {
        let config = StftConfig { size: 8, window: 8, hop: 2, padding: Padding::Same };
        let fourier = Fourier::new(&config, &Device::flex());
        let samples = row(&noise(12)).autodiff().require_grad();
        let energy = fourier.forward(samples.clone()).square().sum();
        let gradient = samples.grad(&energy.backward()).unwrap();
        let values: Vec<f32> = gradient.try_to_vec_as().unwrap();
        // By a small change of one sample.
        let of = |change: f32| {
            let mut changed = noise(12);
            changed[5] += change;
            fourier.forward(row(&changed)).square().sum().into_scalar::<f32>()
        };
        let expected = (of(0.01) - of(-0.01)) / 0.02;
        assert!((values[5] - expected).abs() < 1e-2 * expected.abs().max(1.0), "{} {expected}", values[5]);
    }
}
