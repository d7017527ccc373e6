//! Convolutions of channels-last pictures on the CPU, as products whose left matrix is never there: its rows are what the windows
//! show, and are read where they lie.
//!
//! - Forward: a strip of lines is copied with its borders; windows of the strip times the kernel `[kh·kw·C, O]`.
//! - Backward to the input: windows of the gradient times the kernel turned round `[taps·O, C]`. With a stride of s, pixels that are
//!   s apart see the same taps, and no others: s² such convolutions, each of its own part of the kernel.
//! - Backward to the kernel: windows of the input, as columns, times the gradient; groups of pictures one by one, added in order.

use burn::tensor::{DType, Shape};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::packed::{Factor, LeftNumber, Packed, Product, Weights, as_multiplied, multiplies_rounded};
use super::rows::{Places, Rows};
use super::view::View;
use crate::cpu::{blank, in_f32};
use crate::scratch::with_scratch;

/// Windows of a strip: their part of the result stays in the second-level cache.
const STRIP: usize = 96;
/// Windows whose gradients of the kernel are one sum; more are added up group by group.
const GROUP: usize = 2048;

/// See [`crate::convolve`].
pub fn convolve(
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    stride: usize,
    padding: [usize; 2],
) -> FlexTensor {
    let weight = weight.to_contiguous();
    let (kernel, bias) = (Kernel::of(&weight), in_f32(bias));
    let x = as_multiplied(x, kernel.precision);
    let pictures = Pictures::of(&x);
    kernel.assert_channels(pictures.channels);
    let size = kernel.size_of_result(pictures.size, stride, padding);
    let mut out = blank(&Shape::new([pictures.count, size[0], size[1], kernel.outputs]));
    let window = Window { taps: kernel.taps, stride, offset: padding.map(|padding| -(padding as isize)) };
    let taps = kernel.taps[0] * kernel.taps[1];
    let make = || kernel.taps_first(); // [O, kh, kw, C]
    let matrix = Factor::Made(View::of_size(kernel.outputs, taps * kernel.channels), &make).transposed();
    let layer = Product::plain(kernel.precision);
    let layer = Product {
        bias: Some(bias.storage()),
        weights: Some(Weights { tensor: &weight, order: taps }),
        ..layer
    };
    layer.with_packed(matrix, |right| {
        pictures.slide(window, size, right, kernel.outputs, out.storage_mut());
    });
    out
}

/// The gradient of the input, pictures of `size`.
pub fn convolve_backward_input(
    weight: FlexTensor,
    gradient: FlexTensor,
    size: [usize; 2],
    stride: usize,
    padding: [usize; 2],
) -> FlexTensor {
    let kernel = Kernel::of(&weight);
    let gradient = as_multiplied(gradient, kernel.precision);
    let pictures = Pictures::of(&gradient);
    let mut out = blank(&Shape::new([pictures.count, size[0], size[1], kernel.channels]));
    for phase in (0..stride * stride).map(|phase| [phase / stride, phase % stride]) {
        let taps = [0, 1].map(|axis| Taps::of_phase(phase[axis], kernel.taps[axis], stride, padding[axis]));
        let window = Window {
            taps: taps.map(|taps| taps.count),
            stride: 1,
            offset: taps.map(|taps| taps.before as isize - taps.count as isize + 1),
        };
        let part = [0, 1].map(|axis| size[axis].saturating_sub(phase[axis]).div_ceil(stride));
        let values = kernel.turned_round(taps, stride); // [taps, O, C]
        let matrix = View::new(&values, values.len() / kernel.channels.max(1), kernel.channels);
        Product::plain(kernel.precision).with_packed(Factor::F32(matrix), |right| {
            if stride == 1 {
                return pictures.slide(window, part, right, kernel.channels, out.storage_mut());
            }
            with_scratch(pictures.count * part[0] * part[1] * kernel.channels, |values| {
                pictures.slide(window, part, right, kernel.channels, values);
                spread(values, part, phase, stride, size, kernel.channels, out.storage_mut());
            });
        });
    }
    out
}

/// The gradient of the kernel, in f32.
pub fn convolve_backward_weight(
    x: FlexTensor,
    weight: &FlexTensor,
    gradient: FlexTensor,
    stride: usize,
    padding: [usize; 2],
) -> FlexTensor {
    let kernel = Kernel::of(weight);
    let (x, gradient) = (as_multiplied(x, kernel.precision), gradient.to_contiguous());
    let (pictures, wanted) = (Pictures::of(&x), Pictures::of(&gradient));
    let window = Window { taps: kernel.taps, stride, offset: padding.map(|padding| -(padding as isize)) };
    let rows = kernel.taps[0] * kernel.taps[1] * kernel.channels;
    let mut out = blank(&Shape::new(kernel.shape()));
    if wanted.values.is_empty() || rows == 0 {
        return out;
    }
    let sums = if multiplies_rounded(kernel.precision) { sums_of::<u16> } else { sums_of::<f32> };
    let mut sums = sums(&kernel, &pictures, &wanted, window);
    let (first, others) = sums.split_at_mut(rows * kernel.outputs);
    for other in others.chunks_exact(rows * kernel.outputs) {
        first.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
    }
    kernel.taps_last(first, out.storage_mut());
    out
}

/// The gradients of the kernel that groups of pictures ask for, `[groups, kh·kw·C, O]`.
fn sums_of<T: LeftNumber>(
    kernel: &Kernel,
    pictures: &Pictures,
    wanted: &Pictures,
    window: Window,
) -> Vec<f32> {
    let [lines, columns] = window.seen(wanted.size);
    let (picture, places) = (lines * columns * kernel.channels, wanted.size[0] * wanted.size[1]);
    let rows = kernel.taps[0] * kernel.taps[1] * kernel.channels;
    let group = (GROUP / places).clamp(1, pictures.count);
    let mut sums = vec![0.0; pictures.count.div_ceil(group) * rows * kernel.outputs];
    with_scratch(pictures.count * picture, |padded: &mut [T]| {
        let parts = padded.par_chunks_mut(picture).enumerate();
        parts.for_each(|(number, out)| pictures.cut(number, window.offset, [lines, columns], out));
        let groups = sums.par_chunks_mut(rows * kernel.outputs).zip(padded.par_chunks(group * picture));
        let gradients = wanted.values.par_chunks(group * places * kernel.outputs);
        groups.zip(gradients).for_each(|((out, padded), gradient)| {
            let count = gradient.len() / kernel.outputs;
            let seen = window.rows(padded, count, wanted.size, columns, kernel.channels).transposed();
            let gradient = View::new(gradient, count, kernel.outputs);
            Product::plain(kernel.precision).write(&seen, Factor::F32(gradient), out);
        });
    });
    sums
}

/// A kernel `[O, C, kh, kw]`.
struct Kernel {
    weight: FlexTensor,
    precision: DType,
    outputs: usize,
    channels: usize,
    taps: [usize; 2],
}

impl Kernel {
    /// # Panics
    /// Where the tensor has not four dimensions.
    fn of(weight: &FlexTensor) -> Self {
        let shape = weight.layout().shape().to_vec();
        let [outputs, channels, height, width] = shape[..] else {
            panic!("convolve: expected a weight [O, C, kh, kw], found {shape:?}")
        };
        Self { weight: weight.clone(), precision: weight.dtype(), outputs, channels, taps: [height, width] }
    }

    fn shape(&self) -> [usize; 4] {
        [self.outputs, self.channels, self.taps[0], self.taps[1]]
    }

    fn assert_channels(&self, channels: usize) {
        assert_eq!(channels, self.channels, "convolve: channels of the pictures and of the weight");
    }

    fn size_of_result(&self, size: [usize; 2], stride: usize, padding: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            (size[axis] + 2 * padding[axis]).checked_sub(self.taps[axis]).map_or(0, |rest| rest / stride + 1)
        })
    }

    /// `[O, kh·kw, C]`
    fn taps_first(&self) -> Vec<f32> {
        let (taps, channels) = (self.taps[0] * self.taps[1], self.channels);
        let mut out = vec![0.0; self.outputs * taps * channels];
        let parts = out.chunks_exact_mut((taps * channels).max(1));
        let weight = in_f32(self.weight.clone());
        for (out, values) in parts.zip(weight.storage::<f32>().chunks_exact((taps * channels).max(1))) {
            transpose(values, channels, taps, out);
        }
        out
    }

    /// `[kh·kw·C, O]` → `[O, C, kh·kw]`
    fn taps_last(&self, values: &[f32], out: &mut [f32]) {
        let (taps, channels, outputs) = (self.taps[0] * self.taps[1], self.channels, self.outputs);
        out.par_chunks_mut((taps * channels).max(1)).enumerate().for_each(|(output, out)| {
            for (channel, out) in out.chunks_exact_mut(taps).enumerate() {
                for (tap, out) in out.iter_mut().enumerate() {
                    *out = values[(tap * channels + channel) * outputs + output];
                }
            }
        });
    }

    /// The taps of a phase, the last one first: `[taps, O, C]`.
    fn turned_round(&self, taps: [Taps; 2], stride: usize) -> Vec<f32> {
        let [height, width] = self.taps;
        let weight = in_f32(self.weight.clone());
        let kernel = weight.storage::<f32>();
        let mut out = Vec::with_capacity(taps[0].count * taps[1].count * self.outputs * self.channels);
        for row in (0..taps[0].count).rev().map(|tap| taps[0].first + tap * stride) {
            for column in (0..taps[1].count).rev().map(|tap| taps[1].first + tap * stride) {
                let of_output = kernel.chunks_exact((self.channels * height * width).max(1));
                let values = of_output.flat_map(|of_output| of_output.chunks_exact(height * width));
                out.extend(values.map(|taps| taps[row * width + column]));
            }
        }
        out
    }
}

/// The taps that pixels of one phase see along an axis: every `stride`-th from `first` on.
#[derive(Clone, Copy)]
struct Taps {
    first: usize,
    count: usize,
    /// How far the place that `first` leads to lies behind the pixel's own number within its phase.
    before: usize,
}

impl Taps {
    fn of_phase(phase: usize, taps: usize, stride: usize, padding: usize) -> Self {
        let first = (phase + padding) % stride;
        Self { first, count: taps.saturating_sub(first).div_ceil(stride), before: (phase + padding) / stride }
    }
}

/// Pictures `[B, h, w, C]`.
struct Pictures<'a> {
    values: &'a [f32],
    count: usize,
    size: [usize; 2],
    channels: usize,
}

impl<'a> Pictures<'a> {
    /// # Panics
    /// Where the tensor has not four dimensions.
    fn of(tensor: &'a FlexTensor) -> Self {
        let shape = tensor.layout().shape().to_vec();
        let [count, height, width, channels] = shape[..] else {
            panic!("convolve: expected pictures [B, h, w, C], found {shape:?}")
        };
        Self { values: tensor.storage(), count, size: [height, width], channels }
    }

    /// Writes the product of what every window shows and the packed kernel.
    fn slide(&self, window: Window, size: [usize; 2], right: &Packed, outputs: usize, out: &mut [f32]) {
        match right {
            Packed::F32(_) => self.slide_over::<f32>(window, size, right, outputs, out),
            Packed::Bf16(_) => self.slide_over::<u16>(window, size, right, outputs, out),
        }
    }

    /// [`Pictures::slide`]; a strip of a picture is rounded once, not in every window that shows it.
    fn slide_over<T: LeftNumber>(
        &self,
        window: Window,
        size: [usize; 2],
        right: &Packed,
        outputs: usize,
        out: &mut [f32],
    ) {
        if out.is_empty() {
            return;
        }
        let [lines, width] = size;
        let strip = STRIP.div_ceil(width).min(lines);
        let pictures = out.par_chunks_mut(lines * width * outputs).enumerate();
        let strips = pictures.flat_map(|(number, out)| {
            let strips = out.par_chunks_mut(strip * width * outputs).enumerate();
            strips.map(move |(index, out)| (number, index * strip, out))
        });
        strips.for_each(|(number, first, out)| {
            let lines = out.len() / (width * outputs);
            let seen = window.seen([lines, width]);
            let offset = [window.offset[0] + (first * window.stride) as isize, window.offset[1]];
            with_scratch(seen[0] * seen[1] * self.channels, |part: &mut [T]| {
                self.cut(number, offset, seen, part);
                let rows = window.rows(part, lines * width, [lines, width], seen[1], self.channels);
                right.multiply(&rows, 0, out);
            });
        });
    }

    /// Copies a part of a picture, from `offset` on; zeros where there is no picture.
    fn cut<T: LeftNumber>(&self, number: usize, offset: [isize; 2], size: [usize; 2], out: &mut [T]) {
        let ([height, width], channels) = (self.size, self.channels);
        let picture = &self.values[number * height * width * channels..];
        // Of a line: nothing, then what is there, then nothing.
        let left = offset[1].min(0).unsigned_abs().min(size[1]);
        let from = offset[1].max(0) as usize;
        let there = width.saturating_sub(from).min(size[1] - left);
        for (line, out) in out.chunks_exact_mut((size[1] * channels).max(1)).enumerate().take(size[0]) {
            let source = offset[0] + line as isize;
            if source < 0 || source as usize >= height {
                out.fill(T::default());
                continue;
            }
            let source =
                &picture[(source as usize * width + from.min(width)) * channels..][..there * channels];
            let (before, rest) = out.split_at_mut(left * channels);
            let (middle, after) = rest.split_at_mut(there * channels);
            before.fill(T::default());
            T::copy_all(source, middle);
            after.fill(T::default());
        }
    }
}

/// What a place of the result sees.
#[derive(Clone, Copy)]
struct Window {
    taps: [usize; 2],
    stride: usize,
    /// From the picture's corner to that of the first window.
    offset: [isize; 2],
}

impl Window {
    /// Lines and columns that the windows of a result of `size` see together.
    fn seen(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| match size[axis] {
            0 => 0,
            places => (places - 1) * self.stride + self.taps[axis],
        })
    }

    /// The windows of `count` places, of results of `size`, in pictures that are `width` wide, one after the other.
    fn rows<'a, T>(
        &self,
        values: &'a [T],
        count: usize,
        size: [usize; 2],
        width: usize,
        channels: usize,
    ) -> Rows<'a, T> {
        let line = width * channels;
        let places = Places {
            count,
            per_line: size[1],
            lines: size[0],
            step: self.stride * channels,
            line_step: self.stride * line,
            image_step: self.seen(size)[0] * line,
        };
        let stretches = (0..self.taps[0]).map(|tap| tap * line..tap * line + self.taps[1] * channels);
        Rows::new(values, places, stretches)
    }
}

/// Puts the pixels of a phase where they belong.
fn spread(
    values: &[f32],
    part: [usize; 2],
    phase: [usize; 2],
    stride: usize,
    size: [usize; 2],
    channels: usize,
    out: &mut [f32],
) {
    if values.is_empty() {
        return;
    }
    let (picture, line) = (size[0] * size[1] * channels, size[1] * channels);
    let pictures = out.par_chunks_mut(picture).zip(values.par_chunks(part[0] * part[1] * channels));
    pictures.for_each(|(out, values)| {
        for (row, values) in values.chunks_exact(part[1] * channels).enumerate() {
            let out = &mut out[(phase[0] + row * stride) * line..][..line];
            for (column, values) in values.chunks_exact(channels).enumerate() {
                out[(phase[1] + column * stride) * channels..][..channels].copy_from_slice(values);
            }
        }
    });
}

/// `[rows, columns]` → `[columns, rows]`
fn transpose(values: &[f32], rows: usize, columns: usize, out: &mut [f32]) {
    for (column, out) in out.chunks_exact_mut(rows.max(1)).enumerate().take(columns) {
        out.iter_mut()
            .zip(values.iter().skip(column).step_by(columns.max(1)))
            .for_each(|(out, value)| *out = *value);
    }
}
