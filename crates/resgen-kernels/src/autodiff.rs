//! Backward passes of the fused operations.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

use crate::{FusedGradients, FusedOps};

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
        let [x, scale] = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let gradients = B::modulated_norm_backward(x, scale, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
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
}

impl<B: FusedGradients> Backward<B, 1> for Attend {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let qkv = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| B::attend_backward(qkv, gradient, self.heads));
    }
}

#[derive(Debug)]
struct Convolution {
    size: [usize; 2],
    stride: usize,
    padding: usize,
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
        let [x, gain, bias] = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let gradients = B::group_norm_backward(x, gain, bias, gradient, self.groups, self.is_gated);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct MixtureLogLikelihood;

impl<B: FusedGradients> Backward<B, 2> for MixtureLogLikelihood {
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [logits, distances] = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let gradients = B::mixture_log_likelihood_backward(logits, distances, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn affine(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match Backward::<B, 3>::prepare::<C>(Linear, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = [x.primitive().clone(), weight.primitive().clone()];
                let out = B::affine(x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                prep.finish(state, out)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::affine(x.into_primitive(), weight.into_primitive(), bias.into_primitive()))
            }
        }
    }

    fn affine_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // The backward pass needs what enters the GELU.
        Self::gelu_tanh(Self::affine(x, weight, bias))
    }

    fn attend(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        match Backward::<B, 1>::prepare::<C>(Attend { heads }, [qkv.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(qkv.primitive().clone(), B::attend(qkv.into_primitive(), heads))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::attend(qkv.into_primitive(), heads)),
        }
    }

    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        let shape = x.primitive().shape();
        let size = [shape[1], shape[2]];
        let nodes = [x.node(), weight.node(), bias.node()];
        let forward = |x, weight, bias| B::convolve(x, weight, bias, stride, padding);
        let step = Convolution { size, stride, padding };
        match Backward::<B, 3>::prepare::<C>(step, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = [x.primitive().clone(), weight.primitive().clone()];
                prep.finish(
                    state,
                    forward(x.into_primitive(), weight.into_primitive(), bias.into_primitive()),
                )
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(forward(x.into_primitive(), weight.into_primitive(), bias.into_primitive()))
            }
        }
    }

    fn group_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        is_gated: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gain.node(), bias.node()];
        let forward = |x, gain, bias| B::group_norm(x, gain, bias, groups, is_gated);
        match Backward::<B, 3>::prepare::<C>(GroupNorm { groups, is_gated }, nodes).compute_bound().stateful()
        {
            OpsKind::Tracked(prep) => {
                let state = [x.primitive().clone(), gain.primitive().clone(), bias.primitive().clone()];
                prep.finish(state, forward(x.into_primitive(), gain.into_primitive(), bias.into_primitive()))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(forward(x.into_primitive(), gain.into_primitive(), bias.into_primitive()))
            }
        }
    }

    fn mixture_log_likelihood(logits: FloatTensor<Self>, distances: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [logits.node(), distances.node()];
        match Backward::<B, 2>::prepare::<C>(MixtureLogLikelihood, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = [logits.primitive().clone(), distances.primitive().clone()];
                let out = B::mixture_log_likelihood(logits.into_primitive(), distances.into_primitive());
                prep.finish(state, out)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::mixture_log_likelihood(logits.into_primitive(), distances.into_primitive()))
            }
        }
    }

    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Backward::<B, 1>::prepare::<C>(GeluTanh, [x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x.primitive().clone(), B::gelu_tanh(x.into_primitive())),
            OpsKind::UnTracked(prep) => prep.finish(B::gelu_tanh(x.into_primitive())),
        }
    }

    fn modulated_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        scale: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), shift.node(), scale.node()];
        let forward = B::modulated_norm;
        match Backward::<B, 3>::prepare::<C>(ModulatedNorm, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = [x.primitive().clone(), scale.primitive().clone()];
                prep.finish(
                    state,
                    forward(x.into_primitive(), shift.into_primitive(), scale.into_primitive()),
                )
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(forward(x.into_primitive(), shift.into_primitive(), scale.into_primitive()))
            }
        }
    }
}
