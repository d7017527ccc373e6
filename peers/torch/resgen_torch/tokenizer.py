"""The image tokenizer: a convolutional autoencoder around a residual quantizer.

Shape legend: B batch, S side of a picture, L positions, H latent width, D depth.
"""

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from . import files
from .nn import ResidualBlock, SpatialAttention, conv, group_norm
from .rvq import CodebookConfig, Codebooks


@dataclass
class TokenizerConfig:
    """Sizes of a tokenizer, as model files write them."""

    resolution: int
    channels: list[int]
    latent: int
    vocabulary: int
    depth: int
    stem: int = 1
    blocks: int = 2
    sharing: str = "separate"  # or "shared"
    codebook: CodebookConfig = field(default_factory=CodebookConfig)

    @classmethod
    def read(cls, values: dict) -> "TokenizerConfig":
        """From the JSON of a header."""
        return cls(**{**values, "codebook": CodebookConfig(**values.get("codebook", {}))})

    @property
    def positions(self) -> int:
        """Number of positions L."""
        return (self.resolution // (self.stem << (len(self.channels) - 1))) ** 2


class Middle(nn.Sequential):
    """Residual blocks with attention between, at the lowest resolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.before = ResidualBlock(channels, channels)
        self.attention = SpatialAttention(channels)
        self.after = ResidualBlock(channels, channels)


class Level(nn.Module):
    """Residual blocks of one size, and the convolution that changes it."""

    def __init__(self, inputs: int, outputs: int, blocks: int, resize: nn.Conv2d | None):
        super().__init__()
        self.blocks = nn.Sequential(
            *(ResidualBlock(outputs if index else inputs, outputs) for index in range(blocks))
        )
        self.resize = resize


class Encoder(nn.Module):
    """Pictures to latents."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        channels, self.stem = config.channels, config.stem
        self.first = conv(3 * config.stem**2, channels[0], 3)
        self.levels = nn.ModuleList()
        for before, here in zip(channels[:1] + channels, channels, strict=False):
            is_lowest = len(self.levels) + 1 == len(channels)
            halve = None if is_lowest else conv(here, here, 3, stride=2)
            self.levels.append(Level(before, here, config.blocks, halve))
        self.middle = Middle(channels[-1])
        self.norm = group_norm(channels[-1])
        self.last = conv(channels[-1], config.latent, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, S, S] in [-1, 1] → [B, L, H], positions row by row."""
        x = self.first(F.pixel_unshuffle(pixels, self.stem))
        for level in self.levels:
            x = level.blocks(x)
            if level.resize is not None:
                x = level.resize(x)
        return self.last(F.silu(self.norm(self.middle(x)))).flatten(2).transpose(1, 2)


class Decoder(nn.Module):
    """Latents to pictures."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        channels, self.stem = config.channels[::-1], config.stem
        self.first = conv(config.latent, channels[0], 3)
        self.middle = Middle(channels[0])
        self.levels = nn.ModuleList()
        for before, here in zip(channels[:1] + channels, channels, strict=False):
            is_highest = len(self.levels) + 1 == len(channels)
            resize = None if is_highest else conv(here, here, 3)
            self.levels.append(Level(before, here, config.blocks, resize))
        self.norm = group_norm(channels[-1])
        self.last = conv(channels[-1], 3 * config.stem**2, 3)

    def forward(self, latents: Tensor) -> Tensor:
        """[B, L, H] → [B, 3, S, S]."""
        batch, positions, width = latents.shape
        side = int(positions**0.5)
        x = latents.view(batch, side, side, width).permute(0, 3, 1, 2)
        x = self.middle(self.first(x))
        for level in self.levels:
            x = level.blocks(x)
            if level.resize is not None:
                x = level.resize(F.interpolate(x, scale_factor=2, mode="nearest"))
        return F.pixel_shuffle(self.last(F.silu(self.norm(x))), self.stem)


class Autoencoder(nn.Module):
    """Everything of a tokenizer that gradients train."""

    def __init__(self, config: TokenizerConfig):
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)


class Tokenizer(nn.Module):
    """Pictures to codes and back."""

    def __init__(self, config: TokenizerConfig, vectors: Tensor):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(config)
        self.codebooks = Codebooks(vectors, config.depth)

    @classmethod
    def read(cls, config: dict, tensors: dict[str, Tensor], prefix: str) -> "Tokenizer":
        """From a header's JSON and the tensors named `autoencoder.…` and `codebooks` after `prefix`."""
        tokenizer = cls(TokenizerConfig.read(config), tensors[f"{prefix}codebooks"])
        files.load(tokenizer.autoencoder, tensors, f"{prefix}autoencoder.")
        return tokenizer

    def encode(self, pixels: Tensor) -> Tensor:
        """[B, 3, S, S] in [-1, 1] → codes [B, L, D]."""
        latents = self.autoencoder.encoder(pixels)
        # The nearest codes are looked for in the precision of the codebooks.
        codes = self.codebooks.encode(latents.flatten(0, 1).to(self.codebooks.vectors.dtype))
        return codes.view(*latents.shape[:2], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, L, D'] of at most D depths → pixels [B, 3, S, S], about [-1, 1]."""
        batch, positions, _ = codes.shape
        latents = self.codebooks.weighted_sum(codes.flatten(0, 1)).view(batch, positions, -1)
        decoder = self.autoencoder.decoder
        return decoder(latents.to(decoder.first.weight.dtype))
