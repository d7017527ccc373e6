"""The weights of one network in training: gradient clipping, AdamW, and the weights' moving average.

Nothing here waits for the device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

EPSILON = 1e-8


@dataclass
class OptimizerConfig:
    """Settings of AdamW, clipping and averaging."""

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average_decay: float = 0.999


class Weights:
    """A network with its optimizer and its average."""

    def __init__(self, network: nn.Module, config: OptimizerConfig):
        self.config = config
        self.parameters = list(network.parameters())
        self.average = [values.detach().clone() for values in self.parameters]
        self.updates = 0
        # Biases and gains do not decay.
        groups = [
            {
                "params": [values for values in self.parameters if values.dim() >= 2],
                "weight_decay": config.weight_decay,
            },
            {"params": [values for values in self.parameters if values.dim() < 2], "weight_decay": 0.0},
        ]
        betas = (config.beta1, config.beta2)
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=EPSILON, fused=True)

    def update(self, learning_rate: float) -> Tensor:
        """One step with the gradients at hand, which are then dropped; their norm before clipping, []."""
        norm = self._clip()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.updates += 1
        self._move_average()
        return norm

    def _clip(self) -> Tensor:
        """Scales the whole gradient down to the largest norm allowed."""
        gradients = [values.grad for values in self.parameters]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        factor = (self.config.clip_norm / norm.clamp_min(1e-12)).clamp_max(1.0)
        torch._foreach_mul_(gradients, factor)
        return norm

    @torch.no_grad()
    def _move_average(self) -> None:
        """The average starts quickly, so that short trainings do not remember their first weights."""
        warm = (1 + self.updates) / (10 + self.updates)
        decay = min(self.config.average_decay, warm)
        torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
