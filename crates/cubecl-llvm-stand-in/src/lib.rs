//! Takes the place of `cubecl-llvm` in builds for CUDA.
//!
//! CubeCL's CUDA runtime knows two ways from a kernel to the card: through C++ and NVIDIA's own compiler (NVRTC,
//! a library of the CUDA toolkit, found at run time), or through LLVM. It always names both, and the second makes
//! `cargo build` download LLVM. `resgen` takes the first (`cubecl/cuda-cpp`), so all that is needed of the second
//! are its names: this crate has them, and a compiler that refuses.

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::compiler::CompilationError;
use cubecl_runtime::kernel::BufferIOAttr;

/// What would be compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA's cards.
    Nvptx,
}

/// The compiler that refuses.
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    /// What it would compile for.
    pub target: LlvmTarget,
}

/// Options that nobody reads.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// Alignment of buffers, on processors.
    pub cpu_buffer_alignment: Option<u32>,
    /// Generation of an AMD card.
    pub arch: Option<()>,
    /// Generation of an NVIDIA card.
    pub sm_arch: Option<SmArch>,
    /// The PTX version the driver reads.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether launch parameters are constants of the grid.
    pub grid_constants: bool,
}

/// A compiled kernel; none is ever made.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// Its PTX text, ended by a zero.
    pub ptx: Vec<core::ffi::c_char>,
    /// The function to launch.
    pub entrypoint: String,
    /// The text before PTX.
    pub ir: String,
    /// Bytes of shared memory.
    pub shared_memory_size: usize,
    /// How each buffer is used.
    pub io: Vec<BufferIOAttr>,
}

/// What compilation would give.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// For an NVIDIA card.
    NvptxCode(NvptxModule),
    /// For anything else.
    Other,
}

impl PlironCompiler {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn compile(&mut self, _: KernelDefinition, _: &PlironOptions) -> Result<PlironArtifact, CompilationError> {
        let reason = "this program has no LLVM; CUDA kernels need the feature `cubecl/cuda-cpp`".into();
        Err(CompilationError::Generic { reason, backtrace: BackTrace::capture() })
    }

    /// The name of the language kernels would be written in.
    pub fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}

/// About PTX, the assembly of NVIDIA's cards.
pub mod nvptx {
    /// Its versions.
    pub mod ptx_version {
        use core::fmt;

        /// A version of PTX; there is none, since none is written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// The newest that a driver reads.
            pub fn for_driver(_: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }
    }
}

/// What all targets share.
pub mod shared {
    /// What a device can do, less what LLVM cannot express.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// A target.
        pub enum GpuTarget {
            /// NVIDIA's cards.
            Nvptx,
        }

        /// Called only for kernels that LLVM compiles: nothing to restrict.
        pub fn restrict_features(_: &mut DeviceProperties, _: GpuTarget) {}
    }
}
