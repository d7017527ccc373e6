//! The inner loop of products in f32: a few rows meet a panel of columns, and their sums stay in registers.
//!
//! Written in the processor's own instructions: of a plain loop the compiler makes gathers for AVX-512. Sums run over the terms
//! in order, whatever the width of the vectors; where a product and a sum are one instruction they are rounded once.

use crate::isa::Isa;

/// Columns of a panel.
pub const LANES: usize = 16;

/// What sums begin with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// What they are.
    Sums,
    /// The same in every row, `[n, LANES]` for n panels.
    Rows(&'a [[f32; LANES]]),
}

/// Adds up the products of some rows and panels.
///
/// # Shapes
/// rows: [`Isa::tile_rows`] of `[K]`, panels `[n, K, LANES]` → sums `[n, rows, LANES]`
///
/// # Panics
/// Where the sizes are not those.
pub fn multiply_rows(
    isa: Isa,
    rows: &[&[f32]],
    panels: &[[f32; LANES]],
    start: Start,
    sums: &mut [[f32; LANES]],
) {
    assert_eq!(rows.len(), isa.tile_rows(), "number of rows");
    let terms = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == terms), "length of a row");
    // SAFETY: there are as many rows as asked for, and each has so many terms.
    unsafe { multiply::<false>(isa, terms, |row| rows[row].as_ptr(), panels, start, sums) }
}

/// Adds up the product of a tile and a panel.
///
/// # Shapes
/// tile `[K, rows]`, of [`Isa::tile_rows`] rows, panel `[K, LANES]` → sums `[rows, LANES]`
///
/// # Panics
/// Where the sizes are not those.
pub fn multiply_tile(
    isa: Isa,
    tile: &[f32],
    panel: &[[f32; LANES]],
    start: Start,
    sums: &mut [[f32; LANES]],
) {
    assert_eq!(tile.len(), panel.len() * isa.tile_rows(), "size of a tile");
    // SAFETY: the tile has a number for every one of its rows and every row of the panel.
    unsafe { multiply::<true>(isa, panel.len(), |_| tile.as_ptr(), panel, start, sums) }
}

/// # Safety
/// See [`Left`], for `isa.tile_rows()` rows and so many terms.
unsafe fn multiply<const PACKED: bool>(
    isa: Isa,
    terms: usize,
    row: impl Fn(usize) -> *const f32,
    panels: &[[f32; LANES]],
    start: Start,
    sums: &mut [[f32; LANES]],
) {
    let rows = isa.tile_rows();
    assert_eq!(sums.len() * terms, panels.len() * rows, "sums of panels");
    if let Start::Rows(starts) = start {
        assert_eq!(starts.len() * rows, sums.len(), "starts of panels");
    }
    if terms == 0 {
        match start {
            Start::Zero => sums.fill([0.0; LANES]),
            Start::Sums => (),
            Start::Rows(starts) => {
                sums.chunks_exact_mut(rows).zip(starts).for_each(|(sums, start)| sums.fill(*start));
            }
        }
        return;
    }
    // The instructions must be there, whatever a caller names.
    assert!(isa <= Isa::best(), "instructions that this processor has not");
    // SAFETY: just checked, and promised by the caller.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::avx512(Left::<PACKED, _>::of(terms, row), panels, start, sums),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::avx2(Left::<PACKED, _>::of(terms, row), panels, start, sums),
            _ => portable(Left::<PACKED, _>::of(terms, row), panels, start, sums),
        }
    }
}

/// The numbers of some rows: each row's from its start on, or, packed, the rows' first terms, then their second ones, and so on.
#[derive(Clone, Copy)]
struct Left<const PACKED: bool, const ROWS: usize> {
    terms: usize,
    starts: [*const f32; ROWS],
}

impl<const PACKED: bool, const ROWS: usize> Left<PACKED, ROWS> {
    #[inline(always)]
    fn of(terms: usize, start_of: impl Fn(usize) -> *const f32) -> Self {
        let mut starts = [std::ptr::null(); ROWS];
        starts.iter_mut().enumerate().for_each(|(row, place)| *place = start_of(row));
        Self { terms, starts }
    }

    /// # Safety
    /// The row must have so many terms.
    #[inline(always)]
    unsafe fn at(&self, row: usize, term: usize) -> f32 {
        // SAFETY: promised by the caller.
        unsafe { if PACKED { *self.starts[0].add(term * ROWS + row) } else { *self.starts[row].add(term) } }
    }
}

/// # Safety
/// Every row of `left` has its number of terms, which is not 0.
unsafe fn portable<const PACKED: bool>(
    left: Left<PACKED, { Isa::PORTABLE_ROWS }>,
    panels: &[[f32; LANES]],
    start: Start,
    sums: &mut [[f32; LANES]],
) {
    let sums = sums.as_chunks_mut::<{ Isa::PORTABLE_ROWS }>().0;
    for (number, (panel, sums)) in panels.chunks_exact(left.terms).zip(sums).enumerate() {
        let mut own = match start {
            Start::Zero => [[0.0; LANES]; Isa::PORTABLE_ROWS],
            Start::Sums => *sums,
            Start::Rows(starts) => [starts[number]; Isa::PORTABLE_ROWS],
        };
        for (term, lanes) in panel.iter().enumerate() {
            for (row, own) in own.iter_mut().enumerate() {
                // SAFETY: promised by the caller.
                let value = unsafe { left.at(row, term) };
                own.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += value * lane);
            }
        }
        *sums = own;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Isa, LANES, Left, Start};

    /// # Safety
    /// Every row of `left` has its number of terms, which is not 0, and the processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2<const PACKED: bool>(
        left: Left<PACKED, { Isa::AVX2_ROWS }>,
        panels: &[[f32; LANES]],
        start: Start,
        sums: &mut [[f32; LANES]],
    ) {
        let sums = sums.as_chunks_mut::<{ Isa::AVX2_ROWS }>().0;
        for (number, (panel, sums)) in panels.chunks_exact(left.terms).zip(sums).enumerate() {
            // SAFETY: eight numbers are there at both halves of a row of LANES; rows of `left` as promised by the caller.
            unsafe {
                let mut own = [[_mm256_setzero_ps(); 2]; Isa::AVX2_ROWS];
                let begun = |row: usize| match start {
                    Start::Zero => &[0.0; LANES],
                    Start::Sums => &sums[row],
                    Start::Rows(starts) => &starts[number],
                };
                for (row, own) in own.iter_mut().enumerate() {
                    let start = begun(row);
                    *own = [_mm256_loadu_ps(start.as_ptr()), _mm256_loadu_ps(start.as_ptr().add(LANES / 2))];
                }
                for (term, lanes) in panel.iter().enumerate() {
                    let right =
                        [_mm256_loadu_ps(lanes.as_ptr()), _mm256_loadu_ps(lanes.as_ptr().add(LANES / 2))];
                    for (row, own) in own.iter_mut().enumerate() {
                        let value = _mm256_set1_ps(left.at(row, term));
                        own[0] = _mm256_fmadd_ps(value, right[0], own[0]);
                        own[1] = _mm256_fmadd_ps(value, right[1], own[1]);
                    }
                }
                for (sums, own) in sums.iter_mut().zip(own) {
                    _mm256_storeu_ps(sums.as_mut_ptr(), own[0]);
                    _mm256_storeu_ps(sums.as_mut_ptr().add(LANES / 2), own[1]);
                }
            }
        }
    }

    /// # Safety
    /// Every row of `left` has its number of terms, which is not 0, and the processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn avx512<const PACKED: bool>(
        left: Left<PACKED, { Isa::AVX512_ROWS }>,
        panels: &[[f32; LANES]],
        start: Start,
        sums: &mut [[f32; LANES]],
    ) {
        let sums = sums.as_chunks_mut::<{ Isa::AVX512_ROWS }>().0;
        for (number, (panel, sums)) in panels.chunks_exact(left.terms).zip(sums).enumerate() {
            // SAFETY: a row of LANES is a vector; rows of `left` as promised by the caller.
            unsafe {
                let mut own = [_mm512_setzero_ps(); Isa::AVX512_ROWS];
                let begun = |row: usize| match start {
                    Start::Zero => &[0.0; LANES],
                    Start::Sums => &sums[row],
                    Start::Rows(starts) => &starts[number],
                };
                for (row, own) in own.iter_mut().enumerate() {
                    *own = _mm512_loadu_ps(begun(row).as_ptr());
                }
                for (term, lanes) in panel.iter().enumerate() {
                    let right = _mm512_loadu_ps(lanes.as_ptr());
                    for (row, own) in own.iter_mut().enumerate() {
                        *own = _mm512_fmadd_ps(_mm512_set1_ps(left.at(row, term)), right, *own);
                    }
                }
                for (sums, own) in sums.iter_mut().zip(own) {
                    _mm512_storeu_ps(sums.as_mut_ptr(), own);
                }
            }
        }
    }
}
