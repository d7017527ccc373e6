"""Layers: DiT blocks with adaLN-zero conditioning, and the convolutional blocks of the tokenizer.

Shape legend: B batch, L positions, d width, C channels, h and w height and width of a feature map.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPSILON = 1e-6
SHORT = 128  # positions up to which attention by parts is worth a try

# Shift, gain and gate of the attention, then those of the MLP; six of [B, 1, d].
Modulation = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def modulated_norm(x: Tensor, shift: Tensor, gain: Tensor) -> Tensor:
    """Layer norm without gain or shift of its own: [B, L, d], and two of [B, 1, d] → [B, L, d]."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=NORM_EPSILON), gain)


def attend(qkv: Tensor, heads: int) -> Tensor:
    """Attention among all positions: queries, keys and values side by side, [B, L, 3·d] → [B, L, d]."""
    batch, length, width = qkv.shape
    q, k, v = qkv.view(batch, length, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    if qkv.device.type == "cpu" and qkv.dtype == torch.bfloat16 and length <= SHORT:
        # The fused kernel takes nearly twice as long as its parts here.
        mixed = (q * q.shape[-1] ** -0.5 @ k.transpose(2, 3)).softmax(3) @ v
    else:
        mixed = F.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).reshape(batch, length, width // 3)


def gelu(x: Tensor) -> Tensor:
    """x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))."""
    if not torch.compiler.is_compiling():
        return F.gelu(x, approximate="tanh")
    # As (1 + tanh t)/2 = sigmoid(2t): a compiler fuses it, and exp is far cheaper than tanh on a CPU.
    return x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))


class SelfAttention(nn.Module):
    """Projections around attention."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        return self.out(attend(self.qkv(x), self.heads))


class Block(nn.Module):
    """Attention and an MLP, each normalised, modulated by the condition, and gated."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.modulation = nn.Linear(width, 6 * width)
        self.attention = SelfAttention(width, heads)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def modulate(self, condition: Tensor) -> Modulation:
        """What the block needs of a condition [B, d], after its SiLU."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(condition)[:, None].chunk(6, 2)
        return shift_a, 1 + scale_a, gate_a, shift_m, 1 + scale_m, gate_m

    def forward(self, x: Tensor, modulation: Modulation) -> Tensor:
        shift_a, gain_a, gate_a, shift_m, gain_m, gate_m = modulation
        x = torch.addcmul(x, self.attention(modulated_norm(x, shift_a, gain_a)), gate_a)
        hidden = gelu(self.widen(modulated_norm(x, shift_m, gain_m)))
        return torch.addcmul(x, self.narrow(hidden), gate_m)


class Trunk(nn.Module):
    """All blocks, and the modulated norm after the last."""

    def __init__(self, width: int, layers: int, heads: int):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.modulation = nn.Linear(width, 2 * width)

    def modulate(self, condition: Tensor) -> list[tuple[Tensor, ...]]:
        """What all blocks and the last norm need of a condition [B, d]; the same in every sampling step."""
        condition = F.silu(condition)
        shift, scale = self.modulation(condition)[:, None].chunk(2, 2)
        return [block.modulate(condition) for block in self.blocks] + [(shift, 1 + scale)]

    def forward(self, x: Tensor, modulations: list[tuple[Tensor, ...]]) -> Tensor:
        """[B, L, d] → [B, L, d]"""
        for block, modulation in zip(self.blocks, modulations[:-1], strict=True):
            x = block(x, modulation)
        return modulated_norm(x, *modulations[-1])


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps (stride 1) or halves (stride 2) the size."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)


def group_norm(channels: int) -> nn.GroupNorm:
    """Over at most 32 groups of at least 4 channels."""
    groups = (count for count in range(32, 0, -1) if channels % count == 0 and channels // count >= 4)
    return nn.GroupNorm(next(groups, 1), channels, eps=NORM_EPSILON)


class ResidualBlock(nn.Module):
    """Two normalised convolutions, with a 1×1 convolution on the skip where the width changes."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm_in = group_norm(inputs)
        self.conv_in = conv(inputs, outputs, 3)
        self.norm_out = group_norm(outputs)
        self.conv_out = conv(outputs, outputs, 3)
        self.skip = conv(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv_in(F.silu(self.norm_in(x)))
        hidden = self.conv_out(F.silu(self.norm_out(hidden)))
        return (x if self.skip is None else self.skip(x)) + hidden


class SpatialAttention(nn.Module):
    """Residual single-head attention over the places of a feature map."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)  # [B, h·w, C]
        mixed = self.out(attend(self.qkv(places), 1))
        return x + mixed.transpose(1, 2).view_as(x)
