//! The inner loop of products of bf16 on AMX tiles. The compiler does not offer these instructions yet, so they are
//! written in assembly.
//!
//! Tiles 0 to 3 hold the sums of 32 rows and 32 columns, 4 and 5 the rows, 6 and 7 the columns.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Whether processor and system have the instructions, and the system lets this process use them.
pub fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| has_instructions() && may_use_tiles())
}

fn has_instructions() -> bool {
    /// In EDX of leaf 7: AMX-BF16 and AMX-TILE.
    const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    /// In ECX of leaf 1: the system has turned on XSAVE.
    const OSXSAVE: u32 = 1 << 27;
    /// In XCR0: the system keeps the configuration and the contents of tiles.
    const TILES: u64 = 0b11 << 17;
    if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & BF16_AND_TILE != BF16_AND_TILE {
        return false;
    }
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    // SAFETY: OSXSAVE says that the instruction may be used.
    #[target_feature(enable = "xsave")]
    unsafe fn kept_by_the_system() -> u64 {
        // SAFETY: as its caller has made sure.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: as above.
    unsafe { kept_by_the_system() & TILES == TILES }
}

/// Linux gives a process the memory for tiles when it asks for it.
fn may_use_tiles() -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    const ARCH_PRCTL: u64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let result: i64;
    // SAFETY: a system call that changes nothing but what this process may do; it clobbers rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _,
            options(nostack)
        );
    }
    result == 0
}

/// This thread's tiles, set up for [`multiply`] until the value goes.
pub struct Tiles {
    /// They belong to the thread.
    _thread: PhantomData<*const ()>,
}

impl Tiles {
    /// # Panics
    /// Where the instructions are not there.
    pub fn set_up() -> Self {
        assert!(is_there(), "AMX tiles on a processor without them");
        /// Palette 1: eight tiles of 16 rows of 64 bytes.
        #[repr(C, align(64))]
        struct Configuration([u8; 64]);
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1;
        for tile in 0..8 {
            configuration.0[16 + 2 * tile] = 64; // bytes of a row, in 16 bits
            configuration.0[48 + tile] = 16; // rows
        }
        // SAFETY: the instructions are there, and the operand has the 64 bytes that are read.
        unsafe { asm!("ldtilecfg [{}]", in(reg) configuration.0.as_ptr(), options(nostack, readonly)) };
        Self { _thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: they were set up, so the instruction is there.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Adds up the product of a tile and a panel.
///
/// # Shapes
/// tile `[32, K]`, panel `[2, K/2, 16, 2]` → sums `[32, 32]`
///
/// # Safety
/// This thread holds [`Tiles`], the slices have these sizes, and K is a multiple of 32.
pub unsafe fn multiply(tile: &[u16], panel: &[u16], sums: &mut [f32], terms: usize) {
    let row_bytes = 2 * terms;
    // SAFETY: every load reads 16 rows of 64 bytes: of the tile, rows K apart, 32 numbers further each time; of a half
    // panel, rows one after another, 1024 bytes further each time. K/32 times that is what the slices hold. The stores
    // write four quarters of 32 rows of 128 bytes.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "test {count}, {count}",
            "jz 3f",
            "2:",
            "tileloadd tmm4, [{upper} + {row_bytes}*1]",
            "tileloadd tmm6, [{left} + {line}*1]",
            "tileloadd tmm7, [{right} + {line}*1]",
            "tileloadd tmm5, [{lower} + {row_bytes}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, 64",
            "add {lower}, 64",
            "add {left}, 1024",
            "add {right}, 1024",
            "dec {count}",
            "jnz 2b",
            "3:",
            "add {line}, {line}",
            "tilestored [{sums} + {line}*1], tmm0",
            "tilestored [{sums} + {line}*1 + 64], tmm1",
            "add {sums}, 2048",
            "tilestored [{sums} + {line}*1], tmm2",
            "tilestored [{sums} + {line}*1 + 64], tmm3",
            count = inout(reg) terms / 32 => _,
            upper = inout(reg) tile.as_ptr() => _,
            lower = inout(reg) tile.as_ptr().add(16 * terms) => _,
            left = inout(reg) panel.as_ptr() => _,
            right = inout(reg) panel.as_ptr().add(16 * terms) => _,
            sums = inout(reg) sums.as_mut_ptr() => _,
            row_bytes = in(reg) row_bytes,
            line = inout(reg) 64usize => _,
            options(nostack)
        );
    }
}
