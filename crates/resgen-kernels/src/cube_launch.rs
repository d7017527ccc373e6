//! What launches on GPUs have in common.

use burn::tensor::DType;
use burn_cubecl::cubecl::prelude::*;

/// Cubes along the first axis of a launch; Vulkan promises no more than 65,535.
const MOST_CUBES: usize = 32_768;

/// At least `count` cubes, those beyond it within the last line.
pub fn cubes(count: usize) -> CubeCount {
    CubeCount::Static(count.min(MOST_CUBES) as u32, count.div_ceil(MOST_CUBES) as u32, 1)
}

/// How a kernel names the type.
pub fn storage(dtype: DType) -> ElemType {
    burn::backend::cubecl::dtype_to_storage_type(dtype)
}
