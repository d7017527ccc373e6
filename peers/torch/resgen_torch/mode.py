"""How networks run: precision, compilation, memory layout."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

MOST_SHAPES = 64  # of one function; beyond it, calls would silently run without being compiled


@dataclass(frozen=True)
class Mode:
    """Switches for speed."""

    dtype: str = "f32"  # or "bf16"
    compile: str = "none"  # or "default", or "freeze": weights become constants, for inference alone
    channels_last: bool = False  # of the tokenizer's feature maps
    graphs: bool = False  # CUDA: a sampling step as one recorded graph of kernels

    def __post_init__(self) -> None:
        if self.dtype not in ("f32", "bf16") or self.compile not in ("none", "default", "freeze"):
            raise ValueError(f"unknown mode: {self}")

    @property
    def torch_dtype(self) -> torch.dtype:
        """Of the weights in inference, and of autocast in training."""
        return torch.bfloat16 if self.dtype == "bf16" else torch.float32

    def compiled(self, function: Callable) -> Callable:
        """The function, compiled for the shapes it meets."""
        if self.compile == "none":
            return function
        import torch._dynamo  # takes seconds
        import torch._inductor.config

        torch._dynamo.config.recompile_limit = MOST_SHAPES
        torch._inductor.config.freezing = self.compile == "freeze"
        return torch.compile(function, dynamic=False)

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context of a forward pass in training."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.dtype == "bf16")

    def laid_out(self, network: nn.Module) -> nn.Module:
        """A convolutional network with its weights in the memory format of the mode."""
        return network.to(memory_format=torch.channels_last) if self.channels_last else network
