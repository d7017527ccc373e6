//! The inner loop of products of bf16 in AVX-512.

use std::arch::x86_64::*;

/// Most rows of a tile: 24 sums, two columns of a panel and what they meet fill the 32 registers.
const ROWS: usize = 12;

/// Whether processor and system have the instructions.
pub fn is_there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
}

/// Adds up the product of a tile and a panel.
///
/// # Shapes
/// tile `[rows, K]` with 4, 8 or 12 rows, panel `[2, K/2, 16, 2]` → sums `[rows, 32]`
///
/// # Safety
/// [`is_there`], the slices have these sizes, and K is even.
///
/// # Panics
/// For other numbers of rows.
#[target_feature(enable = "avx512f,avx512bf16")]
pub unsafe fn multiply(tile: &[u16], panel: &[u16], sums: &mut [f32], terms: usize) {
    // SAFETY: as the caller says.
    unsafe {
        match sums.len() / 32 {
            ROWS => multiply_rows::<ROWS>(tile, panel, sums, terms),
            8 => multiply_rows::<8>(tile, panel, sums, terms),
            4 => multiply_rows::<4>(tile, panel, sums, terms),
            rows => panic!("a tile of {rows} rows"),
        }
    }
}

/// See [`multiply`], whose conditions are these too.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
unsafe fn multiply_rows<const ROWS: usize>(tile: &[u16], panel: &[u16], sums: &mut [f32], terms: usize) {
    let mut own = [[_mm512_setzero_ps(); 2]; ROWS];
    let (tile, left, right) = (tile.as_ptr(), panel.as_ptr(), panel[16 * terms..].as_ptr());
    for pair in 0..terms / 2 {
        // SAFETY: each half holds K/2 times 32 numbers, and each row of the tile K/2 pairs.
        unsafe {
            let columns = [left, right].map(|half| {
                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(half.add(32 * pair).cast()))
            });
            for (row, own) in own.iter_mut().enumerate() {
                let values = tile.add(row * terms + 2 * pair).cast::<i32>().read_unaligned();
                let values = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(values));
                own[0] = _mm512_dpbf16_ps(own[0], values, columns[0]);
                own[1] = _mm512_dpbf16_ps(own[1], values, columns[1]);
            }
        }
    }
    for (own, sums) in own.iter().zip(sums.chunks_exact_mut(32)) {
        for (own, sums) in own.iter().zip(sums.chunks_exact_mut(16)) {
            // SAFETY: 16 numbers.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), *own) };
        }
    }
}
