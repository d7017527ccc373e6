//! The body for GPUs: one launch for all depths. A cube takes a few rows, its units share the codes.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::ops::permute;

use super::{QuantizerOps, codes_shape};
use crate::cube_launch::{cubes, storage};

/// Units of a cube.
const UNITS: u32 = 128;
/// Rows of a cube, whose sums every unit keeps in registers.
const ROWS: u32 = 8;

impl QuantizerOps for CubeBackend {
    fn quantize(
        latents: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        first: IntTensor<Self>,
        depth: usize,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let (latents, vectors, first) =
            (into_contiguous(latents), into_contiguous(vectors), into_contiguous(first));
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
            first.clone().into_tensor_arg(),
            codes.clone().into_tensor_arg(),
            width as u32,
            [storage(first.dtype), storage(codes.dtype)],
        );
        codes
    }
}

#[cube(launch)]
fn quantize_kernel<I: Numeric, C: Numeric>(
    latents: &Tensor<f32>,  // [N, H]
    columns: &Tensor<f32>,  // [D or 1, H, V]
    vectors: &Tensor<f32>,  // [D or 1, V, H]
    first: &Tensor<I>,      // [N]
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
        let mut code = unit;
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
                if u32::cast_from(first[start + unit]) as usize <= depth {
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
            if start + row < count {
                if u32::cast_from(first[start + row]) as usize <= depth {
                    let vector = book * vocabulary + winners[row] as usize;
                    residual[index] -= vectors[vector * width + index % width];
                }
            }
            index += units;
        }
        sync_cube();
    }
}
