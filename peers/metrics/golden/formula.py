"""Weights that are not stored: every language makes them from the name of a tensor.

For element i of a tensor (row-major), with `seed` the FNV-1a hash (32 bits) of its name:

    u = i * 2654435761 + seed           all of it modulo 2^32
    u ^= u >> 16;  u *= 0x7feb352d;  u ^= u >> 15;  u *= 0x846ca68b;  u ^= u >> 16
    v = u / 2^31 - 1                    in f64, from [-1, 1)

`scaled` says what becomes of v; it is rounded to f32 after that.
"""

from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor

Weights = dict[str, Tensor]


def fnv1a(name: str) -> int:
    """The 32-bit FNV-1a hash of a name in UTF-8."""
    found = 0x811C9DC5
    for byte in name.encode():
        found = (found ^ byte) * 0x01000193 % 2**32
    return found


def hashed(name: str, count: int) -> np.ndarray:
    """The first `count` values of u, as u32."""
    wrap = np.uint64(2**32 - 1)
    u = (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(fnv1a(name))) & wrap
    u ^= u >> np.uint64(16)
    u = u * np.uint64(0x7FEB352D) & wrap
    u ^= u >> np.uint64(15)
    u = u * np.uint64(0x846CA68B) & wrap
    u ^= u >> np.uint64(16)
    return u.astype(np.uint32)


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """v of every element, f64."""
    return (hashed(name, prod(shape)) / 2.0**31 - 1.0).reshape(shape)


def scaled(name: str, v: np.ndarray) -> np.ndarray:
    """The values of a tensor, by what its name says it is."""
    if name.startswith("lin"):  # heads of LPIPS, none of them negative
        return np.abs(v)
    if name.endswith(".bn.weight"):
        return 1.0 + 0.1 * v
    if name.endswith((".bn.bias", ".running_mean")):
        return 0.1 * v
    if name.endswith(".running_var"):
        return 1.0 + 0.2 * v
    if name.endswith(".bias"):
        return 0.05 * v
    return v * sqrt(6.0 / prod(v.shape[1:]))


def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of weights, f32."""
    return torch.from_numpy(scaled(name, uniform(name, shape)).astype(np.float32))


def state(shapes: dict[str, tuple[int, ...]]) -> Weights:
    """A whole network's weights; counts of batches, which nothing reads, are 0."""
    counts = {name for name in shapes if name.endswith("num_batches_tracked")}
    return {
        name: torch.tensor(0) if name in counts else tensor(name, shape) for name, shape in shapes.items()
    }
