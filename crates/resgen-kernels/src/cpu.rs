//! Bodies for the CPU: one pass over memory each, rows side by side on all threads of the current pool.

use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, TensorData, bf16};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use crate::isa::Isa;
use crate::loops::{gelu_backward_chunk, gelu_chunk, norm_rows, norm_rows_backward};
use crate::product::{self, Finish};
use crate::{FusedGradients, FusedOps, Sight, group_norm, mixture};

/// Elements that one task works on.
pub(crate) const CHUNK: usize = 16 * 1024;

/// A tensor to be written to. Flex's own way to make one zeroes and then copies it.
pub(crate) fn blank(shape: &Shape) -> FlexTensor {
    tensor_of(vec![0.0; shape.num_elements()], shape.clone())
}

/// A tensor of these numbers.
pub(crate) fn tensor_of(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Numbers that all threads make, a block each; `work` is told the number of a block and gets it zeroed. The thread that works on a
/// block has zeroed it, so that it lies in its cache.
pub(crate) fn made_in_blocks(
    count: usize,
    block: usize,
    work: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(count);
    let room = &mut numbers.spare_capacity_mut()[..count];
    room.par_chunks_mut(block.max(1)).enumerate().for_each(|(index, room)| {
        room.iter_mut().for_each(|place| {
            place.write(0.0);
        });
        // SAFETY: every place of the block has just been written.
        work(index, unsafe { room.assume_init_mut() });
    });
    // SAFETY: the blocks are all `count` places, and each has been written.
    unsafe { numbers.set_len(count) };
    numbers
}

/// A tensor's values in order, those of a bf16 tensor as f32.
pub(crate) fn in_f32(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    if tensor.dtype() != DType::BF16 {
        return tensor;
    }
    let mut out = blank(tensor.layout().shape());
    let values = out.storage_mut::<f32>().iter_mut().zip(tensor.storage::<bf16>());
    values.for_each(|(out, value)| *out = value.to_f32());
    out
}

/// The values of a tensor in order, in a tensor that may be written to.
pub(crate) fn writable(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

impl FusedOps for Flex {
    fn affine(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        product::affine(x, weight, bias, Finish::Plain)
    }

    fn affine_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product::affine(x, weight, bias, Finish::Gelu)
    }

    fn attend(qkv: FloatTensor<Self>, heads: usize, sight: Sight) -> FloatTensor<Self> {
        product::attend(qkv, heads, sight)
    }

    fn cross_attend(
        queries: FloatTensor<Self>,
        said: FloatTensor<Self>,
        along: FloatTensor<Self>,
        places: FloatTensor<Self>,
        nothing: FloatTensor<Self>,
        sharpness: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product::cross_attend([queries, said, along, places, nothing, sharpness])
    }

    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self> {
        product::convolve(x, weight, bias, stride, padding)
    }

    fn group_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        is_gated: bool,
    ) -> FloatTensor<Self> {
        group_norm::group_norm(x, gain, bias, groups, is_gated)
    }

    fn mixture_features(y: FloatTensor<Self>, mixer: FloatTensor<Self>) -> FloatTensor<Self> {
        mixture::cpu::features(y, mixer)
    }

    fn mixture_log_likelihood(logits: FloatTensor<Self>, distances: FloatTensor<Self>) -> FloatTensor<Self> {
        mixture::cpu::log_likelihood(logits, distances)
    }

    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let mut out = blank(x.layout().shape());
        let input = x.storage::<f32>();
        let output = out.storage_mut::<f32>();
        output
            .par_chunks_mut(CHUNK)
            .zip(input.par_chunks(CHUNK))
            .for_each(|(out, x)| gelu_chunk(Isa::best(), x, out));
        out
    }

    fn modulated_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        scale: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [x, shift, scale] = [x, shift, scale].map(|tensor| tensor.to_contiguous());
        let mut out = blank(x.layout().shape());
        let Some((rows, width)) = rows_and_width(&x, &shift, &scale) else { return out };
        let (shift, scale, x) = (shift.storage::<f32>(), scale.storage::<f32>(), x.storage::<f32>());
        let output = out.storage_mut::<f32>();
        let block = rows * width;
        output.par_chunks_mut(block).zip(x.par_chunks(block)).enumerate().for_each(|(signal, (out, x))| {
            let modulation = signal * width..(signal + 1) * width;
            norm_rows(Isa::best(), x, &shift[modulation.clone()], &scale[modulation], out);
        });
        out
    }
}

impl FusedGradients for Flex {
    fn affine_backward_input(weight: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        product::affine_backward_input(weight, gradient)
    }

    fn affine_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product::affine_backward_weight(x, &weight, gradient)
    }

    fn affine_backward_bias(gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        product::affine_backward_bias(gradient)
    }

    fn attend_backward(
        qkv: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        heads: usize,
        sight: Sight,
    ) -> FloatTensor<Self> {
        product::attend_backward(qkv, gradient, heads, sight)
    }

    fn cross_attend_backward(
        inputs: [FloatTensor<Self>; 6],
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 6] {
        product::cross_attend_backward(inputs, gradient)
    }

    fn convolve_backward_input(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        size: [usize; 2],
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self> {
        product::convolve_backward_input(weight, gradient, size, stride, padding)
    }

    fn convolve_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self> {
        product::convolve_backward_weight(x, &weight, gradient, stride, padding)
    }

    fn group_norm_backward(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        groups: usize,
        is_gated: bool,
    ) -> [FloatTensor<Self>; 3] {
        group_norm::group_norm_backward(x, gain, bias, gradient, groups, is_gated)
    }

    fn mixture_features_backward(
        y: FloatTensor<Self>,
        mixer: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        mixture::cpu::features_backward(y, mixer, gradient)
    }

    fn mixture_log_likelihood_backward(
        logits: FloatTensor<Self>,
        distances: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        mixture::cpu::log_likelihood_backward(logits, distances, gradient)
    }

    fn gelu_tanh_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let mut gradient = writable(gradient);
        let input = x.storage::<f32>();
        let output = gradient.storage_mut::<f32>();
        output
            .par_chunks_mut(CHUNK)
            .zip(input.par_chunks(CHUNK))
            .for_each(|(gradient, x)| gelu_backward_chunk(Isa::best(), x, gradient));
        gradient
    }

    fn modulated_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let [x, scale] = [x, scale].map(|tensor| tensor.to_contiguous());
        let mut gradient = writable(gradient);
        let mut shifts = blank(scale.layout().shape());
        let mut scales = shifts.clone();
        if let Some((rows, width)) = rows_and_width(&x, &scale, &scale) {
            let block = rows * width;
            let (x, scale) = (x.storage::<f32>(), scale.storage::<f32>());
            let blocks = gradient.storage_mut::<f32>().par_chunks_mut(block).zip(x.par_chunks(block));
            let sums = shifts
                .storage_mut::<f32>()
                .par_chunks_mut(width)
                .zip(scales.storage_mut::<f32>().par_chunks_mut(width));
            blocks.zip(sums).zip(scale.par_chunks(width)).for_each(
                |(((gradient, x), (shifts, scales)), scale)| {
                    norm_rows_backward(Isa::best(), x, scale, gradient, shifts, scales);
                },
            );
        }
        [gradient, shifts, scales]
    }
}

/// Rows per signal and their width; `None` where there is nothing to do.
///
/// # Panics
/// Where shift or scale is not `[B, 1, d]` of x's `[B, L, d]`: the loops rely on it.
fn rows_and_width(x: &FlexTensor, shift: &FlexTensor, scale: &FlexTensor) -> Option<(usize, usize)> {
    let shape = x.layout().shape().to_vec();
    let [batch, rows, width] = shape[..] else {
        panic!("modulated_norm: expected [B, L, d], found {shape:?}")
    };
    for modulation in [shift, scale] {
        assert_eq!(
            modulation.layout().shape().to_vec(),
            [batch, 1, width],
            "modulated_norm: shape of the modulation"
        );
    }
    (batch * rows * width > 0).then_some((rows, width))
}
