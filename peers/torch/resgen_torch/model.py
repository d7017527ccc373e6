"""ResGen: predicts, for each position, the collective embedding of its masked codes.

Shape legend: B batch, L positions, D depth, H code-vector width, d width, C classes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .head import MixtureConfig, MixtureHead, MixtureOutput
from .nn import Trunk


@dataclass
class ResgenConfig:
    """Sizes of a network, as model files write them."""

    trunk: dict  # width, layers, heads
    head: MixtureConfig
    positions: int
    depth: int
    latent: int
    classes: int
    embedding_scales: list[float]  # [D + 1]

    @classmethod
    def read(cls, values: dict) -> "ResgenConfig":
        """From the JSON of a header. What says which generator it is, and what only the others need, is left out."""
        if values.get("kind", "resgen") != "resgen":
            raise ValueError(f"a {values['kind']} is not in this twin")
        own = {key: value for key, value in values.items() if key not in ("kind", "vocabulary")}
        return cls(**{**own, "head": MixtureConfig(**values["head"])})


class ClassCondition(nn.Module):
    """A learned vector per class, and one for "no condition"."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(classes + 1, width))

    def forward(self, labels: Tensor) -> Tensor:
        return F.embedding(labels, self.table)


class Resgen(nn.Module):
    """The network."""

    def __init__(self, config: ResgenConfig):
        super().__init__()
        width = config.trunk["width"]
        self.config = config
        self.visible = nn.Linear(config.latent, width)
        self.masked = nn.Parameter(torch.empty(config.depth + 1, width))
        self.positions = nn.Parameter(torch.empty(config.positions, width))
        self.condition = ClassCondition(config.classes, width)
        self.trunk = Trunk(**config.trunk)
        self.head = MixtureHead(width, config.latent, config.head)
        # What the collective embedding of k masked codes is divided by; visible embeddings by the last.
        self.register_buffer("scales", torch.tensor(config.embedding_scales, dtype=torch.float32))

    def modulate(self, labels: Tensor) -> list[tuple[Tensor, ...]]:
        """All that depends on the labels [B] alone."""
        return self.trunk.modulate(self.condition(labels))

    def embed(self, visible: Tensor, masked: Tensor) -> Tensor:
        """What enters the trunk: scaled visible embeddings [B, L, H], masked counts [B, L] → [B, L, d]."""
        visible = self.visible(visible.to(self.visible.weight.dtype))
        return visible + F.embedding(masked, self.masked) + self.positions

    def raw(self, x: Tensor, modulations: list[tuple[Tensor, ...]]) -> Tensor:
        """[B, L, d] → raw outputs of B·L mixtures."""
        return self.head(self.trunk(x, modulations).flatten(0, 1))

    def forward(self, visible: Tensor, masked: Tensor, labels: Tensor) -> MixtureOutput:
        """[B, L, H], [B, L], [B] → parameters of B·L mixtures."""
        return self.head.parts(self.raw(self.embed(visible, masked), self.modulate(labels)))

    def cast(self, dtype: torch.dtype) -> "Resgen":
        """Weights in another precision for inference, but for those of the density."""
        for part in (self.visible, self.condition, self.trunk, self.head.output):
            part.to(dtype)
        self.masked = nn.Parameter(self.masked.to(dtype))
        self.positions = nn.Parameter(self.positions.to(dtype))
        return self
