//! Attention on the CPU, a head of a signal at a time: few rows of scores at once, never all of them, forward; the
//! scores of one head, worked out again, backward.

use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::matrix::{row_products, small_product};
use super::view::View;
use crate::Sight;
use crate::cpu::blank;
use crate::isa::{Isa, for_every_isa};
use crate::loops::{dot, exp, largest_of, sum};

/// See [`crate::attend`].
pub fn attend(qkv: FlexTensor, heads: usize, sight: Sight) -> FlexTensor {
    let qkv = qkv.to_contiguous();
    let sizes = Sizes::of(&qkv, heads, sight);
    let mut out = blank(&Shape::new([sizes.batch, sizes.length, sizes.width]));
    if out.storage::<f32>().is_empty() {
        return out;
    }
    let values = qkv.storage::<f32>();
    let attended: Vec<Vec<f32>> =
        sizes.heads().map(|head| sizes.at(values, head).attended(Isa::best())).collect();
    gather(&attended, [sizes.heads, sizes.head], [0, 1], out.storage_mut());
    out
}

/// The gradient of [`attend`]'s input.
pub fn attend_backward(qkv: FlexTensor, gradient: FlexTensor, heads: usize, sight: Sight) -> FlexTensor {
    let (qkv, gradient) = (qkv.to_contiguous(), gradient.to_contiguous());
    let sizes = Sizes::of(&qkv, heads, sight);
    let mut out = blank(qkv.layout().shape());
    if out.storage::<f32>().is_empty() {
        return out;
    }
    let (values, wanted) = (qkv.storage::<f32>(), gradient.storage::<f32>());
    assert_eq!(wanted.len(), sizes.batch * sizes.length * sizes.width, "attend: size of the gradient");
    let gradients = sizes.heads().map(|head| {
        let wanted = &wanted[head.signal * sizes.length * sizes.width + head.number * sizes.head..];
        let wanted = View::within(wanted, sizes.length, sizes.head, sizes.width);
        sizes.at(values, head).gradients(Isa::best(), wanted)
    });
    let gradients: Vec<[Vec<f32>; 3]> = gradients.collect();
    for part in 0..3 {
        let part_of: Vec<&[f32]> = gradients.iter().map(|gradients| &gradients[part][..]).collect();
        gather(&part_of, [sizes.heads, sizes.head], [part, 3], out.storage_mut());
    }
    out
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    length: usize,
    width: usize,
    heads: usize,
    head: usize,
    sight: Sight,
}

/// Which head of which signal.
#[derive(Clone, Copy)]
struct HeadIndex {
    signal: usize,
    number: usize,
}

impl Sizes {
    /// # Panics
    /// Where the shape is not that of queries, keys and values of so many heads.
    fn of(qkv: &FlexTensor, heads: usize, sight: Sight) -> Self {
        let shape = qkv.layout().shape().to_vec();
        let [batch, length, parts] = shape[..] else {
            panic!("attend: expected [B, L, 3·d], found {shape:?}")
        };
        let width = parts / 3;
        assert!(heads > 0 && parts % 3 == 0 && width % heads == 0, "attend: {heads} heads of {shape:?}");
        Self { batch, length, width, heads, head: width / heads, sight }
    }

    fn heads(self) -> impl IndexedParallelIterator<Item = HeadIndex> {
        let heads = self.heads;
        (0..self.batch * heads)
            .into_par_iter()
            .map(move |index| HeadIndex { signal: index / heads, number: index % heads })
    }

    fn at(self, qkv: &[f32], head: HeadIndex) -> Head<'_> {
        let signal = &qkv[head.signal * self.length * 3 * self.width..];
        let part = |part: usize| {
            let first = part * self.width + head.number * self.head;
            View::within(&signal[first..], self.length, self.head, 3 * self.width)
        };
        Head {
            queries: part(0),
            keys: part(1),
            values: part(2),
            length: self.length,
            sight: self.sight,
            scale: 1.0 / (self.head as f32).sqrt(),
        }
    }
}

/// Puts what every head of every signal gave, `[L, h]` each, side by side as part `part` of `parts`.
///
/// # Shapes
/// out `[B, L, parts·heads·h]`
pub fn gather<H: AsRef<[f32]> + Sync>(
    of_heads: &[H],
    [heads, head]: [usize; 2],
    [part, parts]: [usize; 2],
    out: &mut [f32],
) {
    let width = heads * head;
    let length = out.len() * heads / (of_heads.len() * parts * width).max(1);
    let signals = out.par_chunks_mut((length * parts * width).max(1)).zip(of_heads.par_chunks(heads));
    signals.for_each(|(out, of_heads)| {
        for (position, out) in out.chunks_exact_mut(parts * width).enumerate() {
            let out = out[part * width..][..width].chunks_exact_mut(head);
            for (out, of_head) in out.zip(of_heads) {
                out.copy_from_slice(&of_head.as_ref()[position * head..][..head]);
            }
        }
    });
}

/// One head of one signal: `[L, h]` three times.
struct Head<'a> {
    queries: View<'a>,
    keys: View<'a>,
    values: View<'a>,
    length: usize,
    sight: Sight,
    scale: f32,
}

impl Head<'_> {
    /// `softmax(scale·Q·Kᵀ)·V`, `[L, h]`.
    fn attended(&self, isa: Isa) -> Vec<f32> {
        row_products(isa, self.queries, self.keys.transposed(), self.values, |first, scores| {
            self.shares(isa, first, scores);
        })
    }

    /// Scores of the positions from `first` on become shares.
    fn shares(&self, isa: Isa, first: usize, scores: &mut [f32]) {
        let [seen, grows] = match self.sight {
            Sight::All => [self.length, 0],
            Sight::Past => [first + 1, 1],
        };
        softmax_rows(isa, scores, self.length, seen, grows, self.scale);
    }

    /// Of queries, keys and values, where `wanted` is that of the result.
    fn gradients(&self, isa: Isa, wanted: View) -> [Vec<f32>; 3] {
        let square = |values| View::new(values, self.length, self.length);
        let mut shares = small_product(isa, self.queries, self.keys.transposed()); // [L, L]
        self.shares(isa, 0, &mut shares);
        let for_values = small_product(isa, square(&shares).transposed(), wanted);
        let mut for_scores = small_product(isa, wanted, self.values.transposed()); // [L, L]
        softmax_rows_backward(isa, &shares, &mut for_scores, self.length, self.scale);
        let for_queries = small_product(isa, square(&for_scores), self.keys);
        let for_keys = small_product(isa, square(&for_scores).transposed(), self.queries);
        [for_queries, for_keys, for_values]
    }
}

for_every_isa! {
    /// Every row of `length` scores, times `scale`, becomes the softmax of those that are seen: `seen` in the first row, and
    /// `grows` more in each that follows. The others become 0.
    pub fn softmax_rows(scores: &mut [f32], length: usize, seen: usize, grows: usize, scale: f32) {
        for (number, row) in scores.chunks_exact_mut(length).enumerate() {
            let (row, hidden) = row.split_at_mut(seen + number * grows);
            let top = largest_of([row], |[score]| score);
            for score in row.iter_mut() {
                *score = exp((*score - top) * scale);
            }
            let inverse = 1.0 / sum(row);
            for score in row.iter_mut() {
                *score *= inverse;
            }
            hidden.fill(0.0);
        }
    }
}

for_every_isa! {
    /// Gradients of the shares become those of the scores before scaling.
    pub fn softmax_rows_backward(shares: &[f32], gradient: &mut [f32], length: usize, scale: f32) {
        for (shares, gradient) in shares.chunks_exact(length).zip(gradient.chunks_exact_mut(length)) {
            let along = dot(shares, gradient);
            for (share, gradient) in shares.iter().zip(gradient) {
                *gradient = share * (*gradient - along) * scale;
            }
        }
    }
}
