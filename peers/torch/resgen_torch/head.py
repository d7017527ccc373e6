"""The mixture-of-Gaussians head over the collective embedding z of a position's masked codes.

    y = (z - s)·exp(-a)          standardised target
    μ_k = M_k u + c_k            mean of component k
    log p(z) = logsumexp_k [ log π_k + log N(y; μ_k, I) ] - Σ a

Shape legend: N positions, d hidden width, K components, r rank, H code-vector width, A log-scales (H or 1).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOG_SCALE_BOUND = 7.0


@dataclass
class MixtureConfig:
    """Sizes of a mixture."""

    components: int
    rank: int
    scale: str  # "vector" or "scalar"
    loss: str = "nll"  # or "split"


class MixtureOutput(NamedTuple):
    """Raw parameters of N mixtures."""

    logits: Tensor  # π [N, K]
    mixer: Tensor  # u [N, r]
    shift: Tensor  # s [N, H]
    log_scale: Tensor  # before its bound, [N, A]

    def bounded_log_scale(self) -> Tensor:
        """a, softly bounded: [N, A]."""
        return torch.tanh(self.log_scale / LOG_SCALE_BOUND) * LOG_SCALE_BOUND

    def log_determinant(self) -> Tensor:
        """Σ a over the H coordinates: [N]."""
        repeats = self.shift.shape[1] // self.log_scale.shape[1]
        return self.bounded_log_scale().sum(1) * repeats

    def standardise(self, target: Tensor) -> Tensor:
        """z → y, [N, H]."""
        return (target - self.shift) * torch.exp(-self.bounded_log_scale())

    def place(self, standardised: Tensor) -> Tensor:
        """y → z, [N, H]."""
        return torch.addcmul(self.shift, torch.exp(self.bounded_log_scale()), standardised)


def guided(raw: Tensor, scale: Tensor) -> Tensor:
    """Guidance on raw outputs, whose first half of rows has the condition: [2·N, ·] → [N, ·]."""
    conditional, unconditional = raw.chunk(2)
    # Weighting the two ends is exact at scale 0 and 1.
    return conditional * scale + unconditional * (1 - scale)


class MixtureHead(nn.Module):
    """Hidden states to mixtures, and the density of those."""

    def __init__(self, width: int, vector: int, config: MixtureConfig):
        super().__init__()
        scales = {"vector": vector, "scalar": 1}[config.scale]
        self.widths = [config.components, config.rank, vector, scales]
        self.output = nn.Linear(width, sum(self.widths))
        self.projection = nn.Parameter(torch.empty(config.components, vector, config.rank))  # M
        self.centers = nn.Parameter(torch.empty(config.components, vector))  # c

    def forward(self, hidden: Tensor) -> Tensor:
        """[N, d] → raw outputs side by side, [N, K + r + H + A], in the precision of the density."""
        return self.output(hidden).to(self.centers.dtype)

    def parts(self, raw: Tensor) -> MixtureOutput:
        """Raw outputs apart."""
        return MixtureOutput(*raw.split(self.widths, 1))

    def density_table(self) -> Tensor:
        """Turns the products of (y, u, 1) with (u, 1) into (|y|² - |y - μ_k|²)/2: [(H + r + 1)·(r + 1), K].

        |y - c - M u|² = |y|² - 2 yᵀM u - 2 yᵀc + uᵀG u + 2 cᵀM u + |c|² with G = MᵀM: all but |y|² is linear
        in those products, so the distances to all means are one matrix product, and [N, K, H] is never built.
        The table depends on parameters only: a sampler makes it once.
        """
        m, c = self.projection, self.centers
        lean = torch.einsum("khr,kh->kr", m, c)  # cᵀM
        gram = torch.einsum("kha,khb->kab", m, m)
        y_rows = torch.cat([m, c[:, :, None]], 2)  # [K, H, r + 1]
        u_rows = torch.cat([-0.5 * gram, -lean[:, :, None]], 2)  # [K, r, r + 1]
        one_row = torch.cat([torch.zeros_like(lean), -0.5 * c.square().sum(1, keepdim=True)], 1)  # [K, r + 1]
        return torch.cat([y_rows, u_rows, one_row[:, None]], 1).flatten(1).t()

    def component_means(self, components: Tensor, mixer: Tensor) -> Tensor:
        """μ of one chosen component per position: [N], [N, r] → [N, H]."""
        projection = self.projection.index_select(0, components)  # [N, H, r]
        return torch.baddbmm(self.centers[components][:, :, None], projection, mixer[:, :, None]).squeeze(2)

    def log_density(self, out: MixtureOutput, target: Tensor, table: Tensor | None = None) -> Tensor:
        """log p(z) of every position: z [N, H] → [N]."""
        return self.standardised_log_density(out, out.standardise(target), table)

    def standardised_log_density(self, out: MixtureOutput, y: Tensor, table: Tensor | None = None) -> Tensor:
        """log p(z) by z's standardised form, [N, H] → [N]: a sampler has that before it has z."""
        table = self.density_table() if table is None else table
        joint = torch.addmm(out.logits, features(y, out.mixer), table)  # [N, K]
        energy = 0.5 * y.square().sum(1) + normalizer(y.shape[1])
        return joint.logsumexp(1) - out.logits.logsumexp(1) - energy - out.log_determinant()

    def split_losses(self, out: MixtureOutput, target: Tensor) -> Tensor:
        """An upper bound of -log p(z) that keeps all components in use: [N, H] → [N].

        Classification -Σ q log π plus regression Σ q |y - μ|²/2, with q = softmax(-|y - μ|²/2) held constant.
        """
        y = out.standardise(target)
        closeness = features(y, out.mixer) @ self.density_table()  # [N, K]
        energies = 0.5 * y.square().sum(1, keepdim=True) - closeness
        costs = energies - F.log_softmax(out.logits, 1)
        weighted = (closeness.detach().softmax(1) * costs).sum(1)
        return weighted + out.log_determinant() + normalizer(y.shape[1])

    def loss(self, out: MixtureOutput, target: Tensor, weight: Tensor, kind: str = "nll") -> Tensor:
        """The mean loss over the positions with weight 1, in nats: z [N, H], weight [N] → []."""
        losses = -self.log_density(out, target) if kind == "nll" else self.split_losses(out, target)
        return (losses * weight).sum() / weight.sum().clamp_min(1.0)


def features(y: Tensor, u: Tensor) -> Tensor:
    """The products of (y, u, 1) with (u, 1): [N, H], [N, r] → [N, (H + r + 1)·(r + 1)]."""
    one = torch.ones_like(u[:, :1])
    return (torch.cat([y, u, one], 1)[:, :, None] * torch.cat([u, one], 1)[:, None]).flatten(1)


def normalizer(vector: int) -> float:
    """H/2·log 2π, the constant of a unit normal in R^H."""
    return 0.5 * vector * math.log(2 * math.pi)
