//! Attention from the positions of a signal to what is said about them: a text, say.
//!
//! Both are ordered, and it is known, more or less, when each part of the text is said. A head therefore looks around the place in
//! the text that is said at the position, `−s_h·(p_position − p_text)²` beside the usual product, with a sharpness s_h that it learns.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use resgen_kernels::cross_attend;

use super::Builder;
use super::convnext::Norm;
use super::precision::project;

/// How far from the place, in positions, a head that is the first or the last of all hears with half weight at first.
/// Wide heads hear what is around, sharp ones say what is there.
const REACH: [f32; 2] = [10.0, 0.7];

/// What is said about the signals of a batch.
#[derive(Clone, Debug)]
pub struct Said {
    /// States, `[B, S, w]`.
    pub states: Tensor<3>,
    /// When each state is said, in positions, `[B, S]`.
    pub places: Tensor<2>,
    /// 0, or where there is nothing a number far below it, `[B, S]`.
    pub nothing: Tensor<2>,
    /// The middle of each position of the signals, in positions, `[B, L]`.
    pub along: Tensor<2>,
}

/// [`Said`] as one block's attention sees it, the same in every step of sampling.
#[derive(Clone, Debug)]
pub struct Heard {
    states: Tensor<3>, // [B, S, 2·d], keys and values
    places: Tensor<2>,
    nothing: Tensor<2>,
    along: Tensor<2>,
}

/// Attention that adds nothing at first.
#[derive(Module, Debug)]
pub struct CrossAttention {
    norm: Norm,
    query: Linear,
    hear: Linear,
    out: Linear,
    sharpness: Param<Tensor<1>>, // [heads], logarithms
}

impl CrossAttention {
    /// Of positions of width `width` to states of width `said`; `heads` must divide `width`.
    pub fn new(builder: &mut Builder, width: usize, said: usize, heads: usize) -> Self {
        Self {
            norm: Norm::new(builder, width),
            query: builder.linear(width, width),
            hear: builder.linear(said, 2 * width),
            out: builder.zero_linear(width, width),
            sharpness: builder.parameter([heads], |_, device| sharpness(heads, device)),
        }
    }

    /// What the positions will attend to.
    pub fn hear(&self, said: &Said) -> Heard {
        let Said { states, places, nothing, along } = said.clone();
        Heard { states: project(&self.hear, states), places, nothing, along }
    }

    /// What is added to positions, of which the first is the one at `first`.
    ///
    /// # Shapes
    /// `[B, l, d]` → `[B, l, d]`
    pub fn forward(&self, x: Tensor<3>, heard: &Heard, first: usize) -> Tensor<3> {
        let Heard { states, places, nothing, along } = heard.clone();
        let along = along.narrow(1, first, x.dims()[1]);
        let queries = project(&self.query, self.norm.forward(x));
        let sharpness = self.sharpness.val().exp();
        project(&self.out, cross_attend(queries, states, along, places, nothing, sharpness))
    }
}

/// What heads begin with, from wide to sharp, logarithms.
fn sharpness(heads: usize, device: &Device) -> Tensor<1> {
    let [wide, sharp] = REACH.map(|reach| (std::f32::consts::LN_2 / (reach * reach)).ln());
    let each = |head: usize| wide + (sharp - wide) * (head as f32 + 0.5) / heads as f32;
    let values: Vec<f32> = (0..heads).map(each).collect();
    Tensor::from_data(TensorData::new(values, [heads]), device)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    fn attention() -> CrossAttention {
        let mut layer = CrossAttention::new(&mut Builder::new(1, &Device::flex()), 8, 6, 2);
        layer.out = Builder::new(2, &Device::flex()).linear(8, 8);
        layer
    }

    fn said(states: Tensor<3>, nothing_from: usize) -> Said {
        let [batch, length, _] = states.dims();
        let rows_of = |length: usize, value: &dyn Fn(usize) -> f32| {
            let row: Vec<f32> = (0..length).map(value).collect();
            Tensor::from_data(TensorData::new(row.repeat(batch), [batch, length]), &Device::flex())
        };
        let rows = |value: &dyn Fn(usize) -> f32| rows_of(length, value);
        Said {
            states,
            places: rows(&|at| (at as f32 + 0.5) / nothing_from as f32),
            nothing: rows(&|at| if at < nothing_from { 0.0 } else { -1e9 }),
            along: rows_of(5, &|at| (at as f32 + 0.5) / 5.0),
        }
    }

    fn worst<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn where_nothing_is_said_nothing_is_heard() {
        let (layer, x, states) = (attention(), normal([2, 5, 8]), normal([2, 7, 6]));
        let whole = layer.forward(x.clone(), &layer.hear(&said(states.clone(), 4)), 0);
        let short = said(states.narrow(1, 0, 4), 4);
        assert!(worst(whole, layer.forward(x, &layer.hear(&short), 0)) < 1e-5);
    }

    #[test]
    fn one_position_is_the_same_as_in_all() {
        let (layer, x) = (attention(), normal([2, 5, 8]));
        let heard = layer.hear(&said(normal([2, 7, 6]), 7));
        let whole = layer.forward(x.clone(), &heard, 0);
        for position in 0..5 {
            let one = layer.forward(x.clone().narrow(1, position, 1), &heard, position);
            assert!(worst(one, whole.clone().narrow(1, position, 1)) < 1e-5);
        }
    }

    #[test]
    fn a_sharp_head_hears_what_is_said_at_its_place() {
        let mut layer = attention();
        layer.sharpness = Param::from_tensor(Tensor::full([2], 12.0, &Device::flex()));
        let states = normal([1, 5, 6]);
        let x = normal([1, 5, 8]);
        let whole = layer.forward(x.clone(), &layer.hear(&said(states.clone(), 5)), 0);
        for position in 0..5 {
            // Only the state at the same place.
            let mut alone = said(states.clone().narrow(1, position, 1), 1);
            alone.places = Tensor::full([1, 1], 0.1 + 0.2 * position as f32, &Device::flex());
            let one = layer.forward(x.clone().narrow(1, position, 1), &layer.hear(&alone), position);
            assert!(worst(one, whole.clone().narrow(1, position, 1)) < 1e-3);
        }
    }

    #[test]
    fn it_adds_nothing_at_first() {
        let layer = CrossAttention::new(&mut Builder::new(1, &Device::flex()), 8, 6, 2);
        let added = layer.forward(normal([1, 3, 8]), &layer.hear(&said(normal([1, 4, 6]), 4)), 0);
        assert_eq!(added.abs().max().into_scalar::<f32>(), 0.0);
    }
}
