//! The bodies for GPUs: one launch for all depths. A cube quantizes a few rows, its units share the codes.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::ops::permute;

use super::{QuantizerOps, codes_shape, embedding_shape};
use crate::cube_launch::{cubes, storage};

/// Units of a cube.
const UNITS: u32 = 128;
/// Rows of a cube, whose sums every unit keeps in registers.
const ROWS: u32 = 8;

impl QuantizerOps for CubeBackend {
    fn quantize(
        latents: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        span: IntTensor<Self>,
        depth: usize,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let (latents, vectors, span) =
            (into_contiguous(latents), into_contiguous(vectors), into_contiguous(span));
        // Neighbouring units read neighbouring codes.
        let columns = into_contiguous(permute(vectors.clone(), &[0, 2, 1]));
        let shape = codes_shape(latents.meta.shape(), depth);
        let [rows, _] = shape.dims::<2>();
        let [_, _, width] = vectors.meta.shape().dims::<3>();
        let codes =
            empty_device_dtype(latents.client.clone(), latents.device.clone(), shape, DType::from(dtype));
        if rows == 0 {
            return codes;
        }
        quantize_kernel::launch(
            &latents.client.clone(),
            cubes(rows.div_ceil(ROWS as usize)),
            CubeDim::new_1d(UNITS),
            latents.into_tensor_arg(),
            columns.into_tensor_arg(),
            vectors.into_tensor_arg(),
            span.clone().into_tensor_arg(),
            codes.clone().into_tensor_arg(),
            width as u32,
            [storage(span.dtype), storage(codes.dtype)],
        );
        codes
    }

    fn embed(codes: IntTensor<Self>, vectors: FloatTensor<Self>, span: IntTensor<Self>) -> FloatTensor<Self> {
        let (codes, vectors, span) =
            (into_contiguous(codes), into_contiguous(vectors), into_contiguous(span));
        let shape = embedding_shape(codes.meta.shape(), vectors.meta.shape());
        let count = shape.num_elements();
        let sums = empty_device_dtype(vectors.client.clone(), vectors.device.clone(), shape, vectors.dtype);
        if count == 0 {
            return sums;
        }
        embed_kernel::launch(
            &vectors.client.clone(),
            cubes(count.div_ceil(UNITS as usize)),
            CubeDim::new_1d(UNITS),
            codes.clone().into_tensor_arg(),
            vectors.into_tensor_arg(),
            span.clone().into_tensor_arg(),
            sums.clone().into_tensor_arg(),
            [storage(codes.dtype), storage(span.dtype)],
        );
        sums
    }
}

#[cube(launch)]
fn quantize_kernel<I: Numeric, C: Numeric>(
    latents: &Tensor<f32>,  // [N, H]
    columns: &Tensor<f32>,  // [D or 1, H, V]
    vectors: &Tensor<f32>,  // [D or 1, V, H]
    span: &Tensor<I>,       // [N, 2]
    codes: &mut Tensor<C>,  // [N, D]
    #[comptime] width: u32, // H
    #[define(I, C)] _dtypes: [ElemType; 2],
) {
    let width = comptime!(width as usize);
    let rows = comptime!(ROWS as usize);
    let units = comptime!(UNITS as usize);
    let unit = UNIT_POS_X as usize;
    let books = vectors.shape(0);
    let vocabulary = vectors.shape(1);
    let count = codes.shape(0);
    let depths = codes.shape(1);
    let start = CUBE_POS as usize * rows;
    if start >= count {
        terminate!();
    }
    let mut residual = Shared::<[f32]>::new_slice(comptime!(width * rows));
    let mut distances = Shared::<[f32]>::new_slice(comptime!(rows * units));
    let mut nearest = Shared::<[u32]>::new_slice(comptime!(rows * units));
    let mut winners = Shared::<[u32]>::new_slice(rows);

    let mut index = unit;
    while index < rows * width {
        let mut value = f32::new(0.0);
        if start * width + index < count * width {
            value = latents[start * width + index];
        }
        residual[index] = value;
        index += units;
    }
    sync_cube();

    for depth in 0..depths {
        let book = min(depth, books - 1);
        let mut least = Array::<f32>::new(rows);
        let mut found = Array::<u32>::new(rows);
        let mut dots = Array::<f32>::new(rows);
        #[unroll]
        for row in 0..rows {
            least[row] = f32::new(3.0e38);
            found[row] = 0u32;
        }
        // A depth that none of the rows is quantized by is not searched.
        let mut code = vocabulary;
        for row in 0..rows {
            if start + row < count && is_within::<I>(span, start + row, depth) {
                code = unit;
            }
        }
        while code < vocabulary {
            #[unroll]
            for row in 0..rows {
                dots[row] = f32::new(0.0);
            }
            let mut norm = f32::new(0.0);
            for coordinate in 0..width {
                let e = columns[(book * width + coordinate) * vocabulary + code];
                norm += e * e;
                #[unroll]
                for row in 0..rows {
                    dots[row] += e * residual[row * width + coordinate];
                }
            }
            #[unroll]
            for row in 0..rows {
                let distance = norm - f32::new(2.0) * dots[row];
                if distance < least[row] {
                    least[row] = distance;
                    found[row] = code as u32;
                }
            }
            code += units;
        }
        #[unroll]
        for row in 0..rows {
            distances[row * units + unit] = least[row];
            nearest[row * units + unit] = found[row];
        }
        sync_cube();

        // A unit a row: of equally near codes the first.
        if unit < rows {
            let mut best = distances[unit * units];
            let mut winner = nearest[unit * units];
            for other in 1..units {
                let distance = distances[unit * units + other];
                let rival = nearest[unit * units + other];
                if distance < best || (distance == best && rival < winner) {
                    best = distance;
                    winner = rival;
                }
            }
            winners[unit] = winner;
            if start + unit < count {
                let place = (start + unit) * depths + depth;
                if is_within::<I>(span, start + unit, depth) {
                    codes[place] = C::cast_from(winner);
                } else {
                    codes[place] = C::cast_from(0u32);
                }
            }
        }
        sync_cube();

        let mut index = unit;
        while index < rows * width {
            let row = index / width;
            if start + row < count && is_within::<I>(span, start + row, depth) {
                let vector = book * vocabulary + winners[row] as usize;
                residual[index] -= vectors[vector * width + index % width];
            }
            index += units;
        }
        sync_cube();
    }
}

/// Whether a depth is in the span of a row.
#[cube]
fn is_within<I: Numeric>(span: &Tensor<I>, row: usize, depth: usize) -> bool {
    u32::cast_from(span[2 * row]) as usize <= depth && depth < u32::cast_from(span[2 * row + 1]) as usize
}

#[cube(launch)]
fn embed_kernel<C: Numeric, I: Numeric>(
    codes: &Tensor<C>,      // [N, D']
    vectors: &Tensor<f32>,  // [D or 1, V, H]
    span: &Tensor<I>,       // [N, 2]
    sums: &mut Tensor<f32>, // [N, H]
    #[define(C, I)] _dtypes: [ElemType; 2],
) {
    let (books, vocabulary, width) = (vectors.shape(0), vectors.shape(1), vectors.shape(2));
    let depths = codes.shape(1);
    let place = ABSOLUTE_POS as usize;
    if place >= sums.len() {
        terminate!();
    }
    let row = place / width;
    let mut sum = f32::new(0.0);
    for depth in 0..depths {
        if is_within::<I>(span, row, depth) {
            let code = u32::cast_from(codes[row * depths + depth]) as usize;
            let vector = min(depth, books - 1) * vocabulary + code;
            sum += vectors[vector * width + place % width];
        }
    }
    sums[place] = sum;
}
