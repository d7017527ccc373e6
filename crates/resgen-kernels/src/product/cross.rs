//! Attention of the positions of a signal to what is said about it, on the CPU, a head of a signal at a time, as [`super::attend`].

use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::attention::{gather, softmax_rows, softmax_rows_backward};
use super::matrix::{row_products, small_product};
use super::view::View;
use crate::cpu::blank;
use crate::isa::{Isa, for_every_isa};
use crate::loops::sum_of;

/// The inputs of [`crate::cross_attend`], in its order.
pub type Inputs = [FlexTensor; 6];

/// See [`crate::cross_attend`].
pub fn cross_attend(inputs: Inputs) -> FlexTensor {
    let inputs = inputs.map(|input| input.to_contiguous());
    let sizes = Sizes::of(&inputs);
    let mut out = blank(&Shape::new([sizes.batch, sizes.length, sizes.width()]));
    if out.storage::<f32>().is_empty() {
        return out;
    }
    let values = inputs.each_ref().map(|input| input.storage::<f32>());
    let attended: Vec<Vec<f32>> =
        sizes.par_each_head().map(|head| sizes.at(values, head).attended()).collect();
    gather(&attended, [sizes.heads, sizes.head], [0, 1], out.storage_mut());
    out
}

/// The gradients of [`cross_attend`]'s inputs.
pub fn cross_attend_backward(inputs: Inputs, gradient: FlexTensor) -> Inputs {
    let inputs = inputs.map(|input| input.to_contiguous());
    let gradient = gradient.to_contiguous();
    let sizes = Sizes::of(&inputs);
    let mut out = inputs.each_ref().map(|input| blank(input.layout().shape()));
    let values = inputs.each_ref().map(|input| input.storage::<f32>());
    let wanted = gradient.storage::<f32>();
    let of_heads: Vec<Gradients> = sizes
        .par_each_head()
        .map(|head @ [signal, number]| {
            let wanted = &wanted[signal * sizes.length * sizes.width() + number * sizes.head..];
            let wanted = View::within(wanted, sizes.length, sizes.head, sizes.width());
            sizes.at(values, head).gradients(wanted)
        })
        .collect();
    let [queries, said, along, places, nothing, sharpness] =
        out.each_mut().map(|out| out.storage_mut::<f32>());
    let part = |part: fn(&Gradients) -> &Vec<f32>| of_heads.iter().map(part).collect::<Vec<_>>();
    let heads = [sizes.heads, sizes.head];
    gather(&part(|gradients| &gradients.queries), heads, [0, 1], queries);
    gather(&part(|gradients| &gradients.keys), heads, [0, 2], said);
    gather(&part(|gradients| &gradients.values), heads, [1, 2], said);
    // Results are zeros until something is added to them.
    for ([signal, head], gradients) in sizes.each_head().zip(&of_heads) {
        add(&mut along[signal * sizes.length..], &gradients.along);
        add(&mut places[signal * sizes.said..], &gradients.places);
        add(&mut nothing[signal * sizes.said..], &gradients.nothing);
        sharpness[head] += gradients.sharpness;
    }
    out
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    length: usize,
    said: usize,
    heads: usize,
    head: usize,
}

impl Sizes {
    /// # Panics
    /// Where the shapes do not fit together.
    fn of(inputs: &Inputs) -> Self {
        let shapes = inputs.each_ref().map(|input| input.layout().shape().to_vec());
        let ([batch, length, width], [_, said, _], [heads]) =
            (&shapes[0][..], &shapes[1][..], &shapes[5][..])
        else {
            panic!("cross_attend: expected [B, L, d], [B, S, 2·d], …, [heads], found {shapes:?}")
        };
        let (batch, length, said, heads) = (*batch, *length, *said, *heads);
        let sizes = Self { batch, length, said, heads, head: width / heads.max(1) };
        let expected = [
            vec![batch, length, sizes.width()],
            vec![batch, said, 2 * sizes.width()],
            vec![batch, length],
            vec![batch, said],
            vec![batch, said],
            vec![heads],
        ];
        assert!(heads > 0 && said > 0 && shapes == expected, "cross_attend: shapes {shapes:?}");
        sizes
    }

    fn width(self) -> usize {
        self.heads * self.head
    }

    /// Which signal, and which head.
    fn each_head(self) -> impl Iterator<Item = [usize; 2]> {
        (0..self.batch * self.heads).map(move |index| self.place_of(index))
    }

    /// The same, by all threads.
    fn par_each_head(self) -> impl IndexedParallelIterator<Item = [usize; 2]> {
        (0..self.batch * self.heads).into_par_iter().map(move |index| self.place_of(index))
    }

    fn place_of(self, index: usize) -> [usize; 2] {
        [index / self.heads, index % self.heads]
    }

    fn at(self, values: [&[f32]; 6], [signal, number]: [usize; 2]) -> Head<'_> {
        let [queries, said, along, places, nothing, sharpness] = values;
        let width = self.width();
        let of_said = |part: usize| {
            let first = signal * self.said * 2 * width + part * width + number * self.head;
            View::within(&said[first..], self.said, self.head, 2 * width)
        };
        let first = signal * self.length * width + number * self.head;
        Head {
            queries: View::within(&queries[first..], self.length, self.head, width),
            keys: of_said(0),
            values: of_said(1),
            along: &along[signal * self.length..][..self.length],
            places: &places[signal * self.said..][..self.said],
            nothing: &nothing[signal * self.said..][..self.said],
            sharpness: sharpness[number],
            scale: 1.0 / (self.head as f32).sqrt(),
        }
    }
}

/// One head of one signal.
struct Head<'a> {
    queries: View<'a>, // [L, h]
    keys: View<'a>,    // [S, h]
    values: View<'a>,  // [S, h]
    along: &'a [f32],
    places: &'a [f32],
    nothing: &'a [f32],
    sharpness: f32,
    scale: f32,
}

struct Gradients {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    along: Vec<f32>,
    places: Vec<f32>,
    nothing: Vec<f32>,
    sharpness: f32,
}

impl Head<'_> {
    /// `[L, h]`
    fn attended(&self) -> Vec<f32> {
        row_products(Isa::best(), self.queries, self.keys.transposed(), self.values, |first, products| {
            self.shares(first, products);
        })
    }

    /// Products of the positions from `first` on become shares.
    fn shares(&self, first: usize, products: &mut [f32]) {
        let length = self.places.len();
        let along = &self.along[first..][..products.len() / length];
        lean_rows(Isa::best(), products, along, self.places, self.nothing, self.scale, self.sharpness);
        softmax_rows(Isa::best(), products, length, length, 0, 1.0);
    }

    /// Where `wanted` is that of the result.
    fn gradients(&self, wanted: View) -> Gradients {
        let isa = Isa::best();
        let (positions, said) = (self.along.len(), self.places.len());
        let matrix = |values| View::new(values, positions, said);
        let mut shares = small_product(isa, self.queries, self.keys.transposed());
        self.shares(0, &mut shares);
        let values = small_product(isa, matrix(&shares).transposed(), wanted);
        let mut of_scores = small_product(isa, wanted, self.values.transposed());
        softmax_rows_backward(isa, &shares, &mut of_scores, said, 1.0);
        let (mut along, mut places, mut nothing) = (vec![0.0; positions], vec![0.0; said], vec![0.0; said]);
        let mut sharpness = [0.0];
        lean_rows_backward(
            isa,
            &of_scores,
            [self.along, self.places],
            self.sharpness,
            [&mut along, &mut places, &mut nothing, &mut sharpness],
        );
        let scaled = |values: Vec<f32>| values.into_iter().map(|value| value * self.scale).collect();
        Gradients {
            queries: scaled(small_product(isa, matrix(&of_scores), self.keys)),
            keys: scaled(small_product(isa, matrix(&of_scores).transposed(), self.queries)),
            values,
            along,
            places,
            nothing,
            sharpness: sharpness[0],
        }
    }
}

for_every_isa! {
    /// Products become scores: those of what lies elsewhere are lower.
    fn lean_rows(products: &mut [f32], along: &[f32], places: &[f32], nothing: &[f32], scale: f32, sharpness: f32) {
        for (row, along) in products.chunks_exact_mut(places.len()).zip(along) {
            for ((score, place), nothing) in row.iter_mut().zip(places).zip(nothing) {
                let apart = along - place;
                *score = *score * scale + nothing - sharpness * apart * apart;
            }
        }
    }
}

for_every_isa! {
    /// The gradients of where positions are and where states are, of what is nothing, and of the sharpness, which are zeros before.
    fn lean_rows_backward(of_scores: &[f32], along_and_places: [&[f32]; 2], sharpness: f32, gradients: [&mut [f32]; 4]) {
        let [along, places] = along_and_places;
        let [of_along, of_places, of_nothing, of_sharpness] = gradients;
        for ((row, along), of_along) in of_scores.chunks_exact(places.len()).zip(along).zip(of_along) {
            let towards = sum_of([row, places], |[gradient, place]| gradient * (along - place));
            *of_along = -2.0 * sharpness * towards;
            of_sharpness[0] -= sum_of([row, places], |[gradient, place]| gradient * (along - place) * (along - place));
            for ((place, gradient), (of_place, of_nothing)) in places.iter().zip(row).zip(of_places.iter_mut().zip(&mut *of_nothing)) {
                *of_place += 2.0 * sharpness * gradient * (along - place);
                *of_nothing += gradient;
            }
        }
    }
}
