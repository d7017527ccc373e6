"""Which positions reveal how many of their codes in a step; on the device and without waiting for it.

Shape legend: B samples, L positions, D depth.
"""

import torch
from torch import Tensor


def reveal(masked: Tensor, log_density: Tensor, noise: Tensor, count: Tensor) -> Tensor:
    """Reveals the `count` best-scored masked tokens of each sample: how many that is at each position.

    Token j of position i is masked where j ≥ D - k_i. It has the score `log_density[i]` plus its own noise,
    and of equal scores the earlier goes first. Which of a position's tokens are chosen does not matter, only
    how many.

    masked k [B, L], log_density [B, L], noise [B, L, D], count [] → [B, L]
    """
    depth = noise.shape[2]
    # A density that is no number goes last, but not behind tokens that are not masked.
    surety = torch.nan_to_num(log_density, nan=torch.finfo(log_density.dtype).min)
    is_visible = torch.arange(depth, device=noise.device) < depth - masked[:, :, None]  # [B, L, D]
    scores = (surety[:, :, None] + noise).masked_fill(is_visible, -torch.inf).flatten(1)
    order = scores.sort(dim=1, descending=True, stable=True).indices  # [B, L·D]
    is_chosen = torch.arange(order.shape[1], device=order.device) < count
    return torch.zeros_like(masked).scatter_add(
        1, order // depth, is_chosen.to(masked.dtype).expand_as(order)
    )
