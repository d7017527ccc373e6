//! Instruction sets that the bodies for CPUs are compiled for.

use std::sync::OnceLock;

/// An instruction set, from the narrowest vectors to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the compiler's target has.
    Portable,
    /// AVX2 with FMA: vectors of 8 numbers.
    Avx2,
    /// AVX-512 (F and VL): vectors of 16 numbers.
    Avx512,
}

impl Isa {
    /// Those that this processor has.
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|isa| isa.is_there()).collect()
    }

    fn is_there(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                let has_wider = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
                has_wider && Self::Avx2.is_there()
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The widest that this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().into_iter().max().unwrap_or(Self::Portable))
    }

    /// [`Isa::tile_rows`] where the compiler chooses the instructions.
    pub const PORTABLE_ROWS: usize = 4;
    /// Two vectors a row, twelve registers of sums.
    pub const AVX2_ROWS: usize = 6;
    /// One vector a row: as many sums on their way as two units with four steps each can take, and some more.
    pub const AVX512_ROWS: usize = 12;
    /// The most that [`Isa::tile_rows`] gives.
    pub const MOST_TILE_ROWS: usize = Self::AVX512_ROWS;

    /// Rows of 16 numbers whose sums fill the vector registers, with room for what is multiplied.
    pub fn tile_rows(self) -> usize {
        match self {
            Self::Portable => Self::PORTABLE_ROWS,
            Self::Avx2 => Self::AVX2_ROWS,
            Self::Avx512 => Self::AVX512_ROWS,
        }
    }
}

/// Compiles a function for every instruction set; the first argument says which one runs.
macro_rules! for_every_isa {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $visibility fn $name(isa: $crate::isa::Isa, $($arg: $type),*) {
            #[inline(always)]
            fn body($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::isa::Isa;
                #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
                fn avx512($($arg: $type),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) { body($($arg),*) }
                // A caller may name an instruction set that this processor does not have.
                match isa.min(Isa::best()) {
                    // SAFETY: the processor has every feature that the function was compiled for.
                    Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    Isa::Portable => (),
                }
            }
            body($($arg),*)
        }
    };
}

pub(crate) use for_every_isa;
