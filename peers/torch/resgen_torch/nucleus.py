"""Top-p choice of a mixture's component, on the device and without waiting for it.

Shape legend: N positions, K components.
"""

import torch
from torch import Tensor


def choose(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """One component per row: [N, K], [N] numbers in [0, 1) → [N].

    Kept are the components at least as probable as the least probable of the smallest set of most probable
    ones with the mass `top_p`. Their cumulated probabilities are inverted in the order of the components.
    """
    if temperature == 0.0:
        return logits.argmax(1)
    weights = torch.exp((logits - logits.amax(1, keepdim=True)) / temperature)  # [N, K], the largest is 1
    if top_p < 1.0:
        is_fused = weights.dtype == torch.float32 and (weights.is_cuda or torch.compiler.is_compiling())
        least = (least_by_search if is_fused else least_by_sorting)(weights, top_p)  # [N, 1]
        weights = torch.where(weights >= least, weights, 0.0)
    cumulated = weights.cumsum(1)
    total = cumulated[:, -1:].contiguous()
    chosen = torch.searchsorted(cumulated, uniform[:, None] * total, right=True)
    # Rounding can make the aim the whole mass: the last component that adds to it is meant.
    return torch.minimum(chosen, torch.searchsorted(cumulated, total)).squeeze(1)


def least_by_sorting(weights: Tensor, top_p: float) -> Tensor:
    """The least weight that is kept in each row: [N, K] → [N, 1]."""
    ordered = weights.sort(dim=1, descending=True).values
    cumulated = ordered.cumsum(1)
    before = (cumulated[:, :-1] < top_p * cumulated[:, -1:]).sum(1, keepdim=True)
    return ordered.gather(1, before)


def least_by_search(weights: Tensor, top_p: float) -> Tensor:
    """As by sorting, for f32 weights in [0, 1]: bit by bit.

    Floats that are not negative have the order of their bits. Compiled, thirty sums over a row take a
    fraction of the time of a sort.
    """
    bits = weights.view(torch.int32)
    aim = top_p * weights.sum(1, keepdim=True)
    least = torch.zeros_like(bits[:, :1])
    for bit in range(29, -1, -1):  # no weight is above 1, so none has bit 30
        raised = least | (1 << bit)
        mass = torch.where(bits >= raised, weights, 0.0).sum(1, keepdim=True)
        least = torch.where(mass >= aim, raised, least)
    return least.view(torch.float32)
