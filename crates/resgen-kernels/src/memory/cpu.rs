//! The body for the CPU: a signal a task, its memory changed in place.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_flex::Flex;
use rayon::prelude::*;

use super::MemoryOps;
use crate::cpu::{blank, writable};
use crate::isa::{Isa, for_every_isa};
use crate::loops::{dot, exp, sum};
use crate::scratch::with_scratch;

impl MemoryOps for Flex {
    fn attend_next(
        qkv: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        place: usize,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let qkv = qkv.to_contiguous();
        let (shape, known) = (qkv.layout().shape().to_vec(), memory.layout().shape().to_vec());
        let (&[batch, parts], &[signals, length, pair]) = (&shape[..], &known[..]) else {
            panic!("attend_next: expected [B, 3·d] and [B, L, 2·d], found {shape:?} and {known:?}")
        };
        let width = parts / 3;
        assert!(
            batch == signals && parts == 3 * width && pair == 2 * width,
            "attend_next: {shape:?} and {known:?}"
        );
        assert!(
            place < length && heads > 0 && width % heads == 0,
            "attend_next: place {place}, {heads} heads of {known:?}"
        );
        let mut memory = writable(memory);
        let mut out = blank(&Shape::new([batch, width]));
        if batch * width == 0 {
            return (out, memory);
        }
        let signals = memory.storage_mut::<f32>().par_chunks_mut(length * pair);
        let outs = out.storage_mut::<f32>().par_chunks_mut(width);
        let new = qkv.storage::<f32>().par_chunks(parts);
        signals.zip(outs).zip(new).for_each(|((memory, out), qkv)| {
            let (queries, own) = qkv.split_at(width);
            memory[place * pair..][..pair].copy_from_slice(own);
            let seen = &memory[..(place + 1) * pair];
            with_scratch(place + 1, |shares| {
                attended(Isa::best(), queries, seen, width / heads, shares, out)
            });
        });
        (out, memory)
    }
}

for_every_isa! {
    /// One signal: queries `[d]`, what is seen `[n, 2, d]`, room for shares `[n]` → `[d]`.
    fn attended(queries: &[f32], seen: &[f32], head: usize, shares: &mut [f32], out: &mut [f32]) {
        let width = queries.len();
        let scale = 1.0 / (head as f32).sqrt();
        for (first, (query, out)) in queries.chunks_exact(head).zip(out.chunks_exact_mut(head)).enumerate() {
            let first = first * head;
            let mut top = f32::NEG_INFINITY;
            for (share, known) in shares.iter_mut().zip(seen.chunks_exact(2 * width)) {
                let key = &known[first..first + head];
                *share = scale * dot(query, key);
                top = if *share > top { *share } else { top };
            }
            for share in shares.iter_mut() {
                *share = exp(*share - top);
            }
            let inverse = 1.0 / sum(shares);
            out.fill(0.0);
            for (share, known) in shares.iter().zip(seen.chunks_exact(2 * width)) {
                let value = &known[width + first..width + first + head];
                out.iter_mut().zip(value).for_each(|(out, value)| *out += share * inverse * value);
            }
        }
    }
}
