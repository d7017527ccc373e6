//! Backward passes of the fused operations.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

use crate::{FusedGradients, FusedOps, Sight};

/// Hands every input that asks for it its gradient, where all are worked out together.
fn register<B: FusedGradients, S, const N: usize>(
    ops: Ops<S, N>,
    grads: &mut Gradients,
    gradients: impl FnOnce(S, FloatTensor<B>) -> [FloatTensor<B>; N],
) {
    let gradient = grads.consume::<B>(&ops.node);
    for (parent, gradient) in ops.parents.into_iter().zip(gradients(ops.state, gradient)) {
        if let Some(parent) = parent {
            grads.register::<B>(parent.id, gradient);
        }
    }
}

/// What `forward` makes of the inputs. Where one of them asks for a gradient, `step` will work it out from what `state`
/// keeps of them.
fn tracked<B, C, S, const N: usize>(
    step: S,
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    state: impl FnOnce(&[FloatTensor<B>; N]) -> S::State,
    forward: impl FnOnce([FloatTensor<B>; N]) -> FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>>
where
    B: FusedGradients,
    C: CheckpointStrategy,
    S: Backward<B, N>,
{
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive());
    match step.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let state = state(&inputs);
            prep.finish(state, forward(inputs))
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(inputs)),
    }
}

#[derive(Debug)]
struct GeluTanh;

impl<B: FusedGradients> Backward<B, 1> for GeluTanh {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let x = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| B::gelu_tanh_backward(x, gradient));
    }
}

#[derive(Debug)]
struct ModulatedNorm;

impl<B: FusedGradients> Backward<B, 3> for ModulatedNorm {
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _, 3>(ops, grads, |[x, scale], gradient| {
            B::modulated_norm_backward(x, scale, gradient)
        });
    }
}

#[derive(Debug)]
struct Linear;

impl<B: FusedGradients> Backward<B, 3> for Linear {
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, weight] = ops.state;
        let [of_x, of_weight, of_bias] = ops.parents;
        let gradient = grads.consume::<B>(&ops.node);
        if let Some(parent) = of_bias {
            grads.register::<B>(parent.id, B::affine_backward_bias(gradient.clone()));
        }
        if let Some(parent) = of_weight {
            grads.register::<B>(parent.id, B::affine_backward_weight(x, weight.clone(), gradient.clone()));
        }
        if let Some(parent) = of_x {
            grads.register::<B>(parent.id, B::affine_backward_input(weight, gradient));
        }
    }
}

#[derive(Debug)]
struct Attend {
    heads: usize,
    sight: Sight,
}

impl<B: FusedGradients> Backward<B, 1> for Attend {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let qkv = ops.state;
        let Self { heads, sight } = self;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| {
            B::attend_backward(qkv, gradient, heads, sight)
        });
    }
}

#[derive(Debug)]
struct CrossAttend;

impl<B: FusedGradients> Backward<B, 6> for CrossAttend {
    type State = [B::FloatTensorPrimitive; 6];

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _, 6>(ops, grads, B::cross_attend_backward);
    }
}

#[derive(Debug)]
struct Convolution {
    size: [usize; 2],
    stride: usize,
    padding: [usize; 2],
}

impl<B: FusedGradients> Backward<B, 3> for Convolution {
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, weight] = ops.state;
        let [of_x, of_weight, of_bias] = ops.parents;
        let Self { size, stride, padding } = self;
        let gradient = grads.consume::<B>(&ops.node);
        if let Some(parent) = of_bias {
            grads.register::<B>(parent.id, B::affine_backward_bias(gradient.clone()));
        }
        if let Some(parent) = of_weight {
            let of_weight = B::convolve_backward_weight(x, weight.clone(), gradient.clone(), stride, padding);
            grads.register::<B>(parent.id, of_weight);
        }
        if let Some(parent) = of_x {
            grads.register::<B>(
                parent.id,
                B::convolve_backward_input(weight, gradient, size, stride, padding),
            );
        }
    }
}

#[derive(Debug)]
struct GroupNorm {
    groups: usize,
    is_gated: bool,
}

impl<B: FusedGradients> Backward<B, 3> for GroupNorm {
    type State = [B::FloatTensorPrimitive; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _, 3>(ops, grads, |[x, gain, bias], gradient| {
            B::group_norm_backward(x, gain, bias, gradient, self.groups, self.is_gated)
        });
    }
}

#[derive(Debug)]
struct MixtureFeatures;

impl<B: FusedGradients> Backward<B, 2> for MixtureFeatures {
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _, 2>(ops, grads, |[y, mixer], gradient| {
            B::mixture_features_backward(y, mixer, gradient)
        });
    }
}

#[derive(Debug)]
struct MixtureLogLikelihood;

impl<B: FusedGradients> Backward<B, 2> for MixtureLogLikelihood {
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _, 2>(ops, grads, |[logits, distances], gradient| {
            B::mixture_log_likelihood_backward(logits, distances, gradient)
        });
    }
}

impl<B: FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn affine(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let kept = |[x, weight, _]: &[_; 3]| [x, weight].map(Clone::clone);
        tracked::<B, C, _, 3>(Linear, [x, weight, bias], kept, |[x, weight, bias]| B::affine(x, weight, bias))
    }

    fn affine_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // The backward pass needs what enters the GELU.
        Self::gelu_tanh(Self::affine(x, weight, bias))
    }

    fn attend(qkv: FloatTensor<Self>, heads: usize, sight: Sight) -> FloatTensor<Self> {
        let backward = Attend { heads, sight };
        tracked::<B, C, _, 1>(backward, [qkv], |[qkv]| qkv.clone(), |[qkv]| B::attend(qkv, heads, sight))
    }

    fn cross_attend(
        queries: FloatTensor<Self>,
        said: FloatTensor<Self>,
        along: FloatTensor<Self>,
        places: FloatTensor<Self>,
        nothing: FloatTensor<Self>,
        sharpness: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let inputs = [queries, said, along, places, nothing, sharpness];
        tracked::<B, C, _, 6>(
            CrossAttend,
            inputs,
            Clone::clone,
            |[queries, said, along, places, nothing, sharpness]| {
                B::cross_attend(queries, said, along, places, nothing, sharpness)
            },
        )
    }

    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self> {
        let shape = x.primitive().shape();
        let step = Convolution { size: [shape[1], shape[2]], stride, padding };
        let kept = |[x, weight, _]: &[_; 3]| [x, weight].map(Clone::clone);
        tracked::<B, C, _, 3>(step, [x, weight, bias], kept, |[x, weight, bias]| {
            B::convolve(x, weight, bias, stride, padding)
        })
    }

    fn group_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        is_gated: bool,
    ) -> FloatTensor<Self> {
        let step = GroupNorm { groups, is_gated };
        tracked::<B, C, _, 3>(step, [x, gain, bias], Clone::clone, |[x, gain, bias]| {
            B::group_norm(x, gain, bias, groups, is_gated)
        })
    }

    fn mixture_features(y: FloatTensor<Self>, mixer: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<B, C, _, 2>(MixtureFeatures, [y, mixer], Clone::clone, |[y, mixer]| {
            B::mixture_features(y, mixer)
        })
    }

    fn mixture_log_likelihood(logits: FloatTensor<Self>, distances: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<B, C, _, 2>(
            MixtureLogLikelihood,
            [logits, distances],
            Clone::clone,
            |[logits, distances]| B::mixture_log_likelihood(logits, distances),
        )
    }

    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<B, C, _, 1>(GeluTanh, [x], |[x]| x.clone(), |[x]| B::gelu_tanh(x))
    }

    fn modulated_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        scale: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let kept = |[x, _, scale]: &[_; 3]| [x, scale].map(Clone::clone);
        tracked::<B, C, _, 3>(ModulatedNorm, [x, shift, scale], kept, |[x, shift, scale]| {
            B::modulated_norm(x, shift, scale)
        })
    }
}
