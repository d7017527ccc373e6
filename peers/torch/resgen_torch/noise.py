"""Where a sampler's random numbers come from: the device's generator, or keyed streams, which repeat."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .random import CONFIDENCE, SAMPLE, Stream

BELOW_ONE = np.float32(1) - np.float32(2) ** -24  # rounding to f32 can give 1


class Draw(NamedTuple):
    """The random numbers of one step for B samples of L positions."""

    uniform: Tensor  # [B·L] in [0, 1)
    normal: Tensor  # [B·L, H]
    gumbel: Tensor  # one for every token, masked or not, [B, L, D]


class Noise(Protocol):
    """A source of random numbers."""

    def draw(self, step: int) -> Draw:
        """The numbers of a step."""


class DeviceNoise:
    """Fast: drawn where they are used."""

    def __init__(self, batch: int, shape: tuple[int, int, int], device: torch.device, seed: int = 0):
        self.batch, self.shape, self.device = batch, shape, device
        self.generator = torch.Generator(device).manual_seed(seed)

    def draw(self, step: int) -> Draw:
        positions, depth, width = self.shape
        rows, options = self.batch * positions, {"device": self.device}
        waits = torch.empty(self.batch, positions, depth, **options).exponential_(generator=self.generator)
        return Draw(
            torch.rand(rows, generator=self.generator, **options),
            torch.randn(rows, width, generator=self.generator, **options),
            waits.log_().neg_(),
        )


class KeyedNoise:
    """Repeatable: a sample's numbers depend on seed, sample index and step alone."""

    def __init__(
        self,
        batch: int,
        shape: tuple[int, int, int],
        device: torch.device,
        dtype: torch.dtype,
        seed: int,
        first_index: int = 0,
    ):
        self.samples = range(first_index, first_index + batch)
        self.shape, self.device, self.dtype, self.seed = shape, device, dtype, seed

    def draw(self, step: int) -> Draw:
        positions, depth, width = self.shape
        uniform, normal, gumbel = [], [], []
        for index in self.samples:
            stream = Stream(self.seed, SAMPLE, index, step)
            uniform.append(np.minimum(stream.uniform(positions).astype(np.float32), BELOW_ONE))
            normal.append(stream.fill_normal(positions * width).reshape(positions, width))
            gumbel.append(Stream(self.seed, CONFIDENCE, index, step).gumbel(positions * depth))
        return Draw(
            self._tensor(np.concatenate(uniform)),
            self._tensor(np.concatenate(normal)),
            self._tensor(np.stack(gumbel).reshape(-1, positions, depth)),
        )

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device, self.dtype)
