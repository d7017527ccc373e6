//! Backward passes of the fused operations.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;

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

impl<B: FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
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
