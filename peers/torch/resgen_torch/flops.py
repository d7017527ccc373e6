"""Floating-point operations of networks, counted from their sizes.

Two for each multiply-add of a matrix product or a convolution; everything else is left out.
"""

from torch import nn

from .model import ResgenConfig
from .tokenizer import TokenizerConfig


def density(latent: int, components: int, rank: int) -> int:
    """The distances of one position to all means."""
    return 2 * (latent + rank + 1) * (rank + 1) * components


def network(config: ResgenConfig) -> int:
    """One pass of the network over one sample."""
    width, layers, length = config.trunk["width"], config.trunk["layers"], config.positions
    head, scales = config.head, config.latent if config.head.scale == "vector" else 1
    block = length * (12 * width**2 + 2 * length * width) + 6 * width**2
    outputs = head.components + head.rank + config.latent + scales
    edges = length * width * (config.latent + outputs) + 2 * width**2
    return 2 * (layers * block + edges)


def quantizing(rows: int, vocabulary: int, latent: int, depth: int) -> int:
    """The search of the nearest codes of some rows."""
    return 2 * rows * vocabulary * latent * depth


def sampling(config: ResgenConfig, vocabulary: int, samples: int, steps: int, passes: int) -> int:
    """Drawing some samples with `passes` passes of the network for each, in all steps together."""
    head, length = config.head, config.positions
    tail = length * density(config.latent, head.components, head.rank)
    tail += quantizing(length, vocabulary, config.latent, config.depth)
    return samples * (passes * network(config) + steps * tail)


def training(config: ResgenConfig, samples: int) -> int:
    """A step over some samples: the backward pass costs twice the forward pass."""
    positions = config.positions * density(config.latent, config.head.components, config.head.rank)
    return 3 * samples * (network(config) + positions)


def convolutions(coder: nn.Module, config: TokenizerConfig, is_encoder: bool) -> int:
    """One pass of an encoder or a decoder over one picture."""
    side = config.resolution // config.stem
    lowest = side >> (len(config.channels) - 1)
    total = 0
    for name, layer in coder.named_modules():
        if isinstance(layer, nn.Linear):
            total += layer.weight.numel() * lowest**2
        if isinstance(layer, nn.Conv2d):
            total += layer.weight.numel() * _side(name, side, lowest, is_encoder) ** 2
    channels = config.channels[-1]
    return 2 * (total + 2 * lowest**4 * channels)


def _side(name: str, side: int, lowest: int, is_encoder: bool) -> int:
    """The side of a convolution's output, by the name of its layer."""
    parts = name.split(".")
    if parts[0] == "levels":
        level = int(parts[1]) + (parts[2] == "resize")
        return side >> level if is_encoder else lowest << level
    is_highest = parts[0] == ("first" if is_encoder else "last")
    return side if is_highest else lowest
