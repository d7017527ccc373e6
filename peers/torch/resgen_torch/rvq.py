"""Residual vector quantization: encoding, look-up, and how codebooks learn.

Shape legend: N rows, D depth, V codebook size, H width of a code vector, books: D, or 1 where one is shared.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_USE = 1e-6  # average uses per step below which a code's averages say nothing


@dataclass
class CodebookConfig:
    """Settings of codebook learning; of the two rules the twin has the plain one."""

    learning: str = "plain"
    decay: float = 0.99
    revive_below: float = 0.05
    depth_dropout: float = 0.3
    commitment: float = 0.25
    kmeans_iterations: int = 10

    def __post_init__(self):
        if self.learning != "plain":
            raise ValueError(f"codebook learning {self.learning!r}: the twin has only 'plain'")


class Codebooks(nn.Module):
    """D codebooks of V vectors in R^H; gradients never train them."""

    def __init__(self, vectors: Tensor, depth: int):
        super().__init__()
        self.depth = depth
        self.register_buffer("vectors", vectors)  # [books, V, H]
        self.register_buffer("table", torch.empty(0))  # -2·vectors as [books, H, V]
        self.register_buffer("norms", torch.empty(0))  # [books, V]
        self.place(vectors)

    def place(self, vectors: Tensor) -> None:
        """Replaces the vectors, and what is worked out from them once: [books, V, H]."""
        self.vectors = vectors
        self.table = (-2.0 * vectors.transpose(1, 2)).contiguous()
        self.norms = vectors.square().sum(2)

    @property
    def books(self) -> int:
        """The number of codebooks that differ."""
        return self.vectors.shape[0]

    def book_of(self, depth: int) -> int:
        """Which codebook a depth reads."""
        return min(depth, self.books - 1)

    def nearest(self, rows: Tensor, depth: int) -> Tensor:
        """The index of each row's nearest vector: [N, H] → [N]."""
        book = self.book_of(depth)
        return torch.addmm(self.norms[book], rows, self.table[book]).argmin(1)

    def encode(self, latents: Tensor, first: Tensor | None = None) -> Tensor:
        """Encodes every row depth by depth, from depth `first` of that row on: [N, H], [N, 1] → [N, D].

        Codes above `first` are no codes: only those from it on may be used.
        """
        residual, codes = latents, []
        for depth in range(self.depth):
            code = self.nearest(residual, depth)
            codes.append(code)
            if depth + 1 < self.depth:
                chosen = F.embedding(code, self.vectors[self.book_of(depth)])
                residual = residual - (chosen if first is None else chosen * (first <= depth))
        return torch.stack(codes, 1)

    def rows_of(self, codes: Tensor) -> Tensor:
        """Where codes stand in all codebooks one after another: [N, D'] → [N, D']."""
        books = torch.arange(codes.shape[1], device=codes.device).clamp_max(self.books - 1)
        return codes + books * self.vectors.shape[1]

    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors of all codes: [N, D'] → [N, D', H]."""
        return F.embedding(self.rows_of(codes), self.vectors.flatten(0, 1))

    def weighted_sum(self, codes: Tensor, weights: Tensor | None = None) -> Tensor:
        """The sum over depths of the codes' vectors, times weights where given: [N, D'] twice → [N, H]."""
        return F.embedding_bag(
            self.rows_of(codes), self.vectors.flatten(0, 1), mode="sum", per_sample_weights=weights
        )

    def split_embedding(self, codes: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """The sums of the first `visible` codes of a row, and of the rest: [N, D], [N, 1] → 2 × [N, H]."""
        is_visible = (torch.arange(self.depth, device=codes.device) < visible).to(self.vectors.dtype)
        return self.weighted_sum(codes, is_visible), self.weighted_sum(codes, 1 - is_visible)


class Quantized(NamedTuple):
    """What one pass through the quantizer gives a training step."""

    latents: Tensor  # the decoding forwards, the identity backwards, [N, H]
    codes: Tensor  # [N, D]
    commitment: Tensor  # mean over depths of the squared distance to the approximation so far, []
    residuals: Tensor  # what each code encoded, [N, D, H]


def quantize(latents: Tensor, books: Codebooks, kept: Tensor | None = None) -> Quantized:
    """Quantizes with a straight-through gradient; row n is decoded with `kept[n]` depths: [N, H], [N, 1]."""
    plain = latents.detach()
    partial, decoded = torch.zeros_like(plain), torch.zeros_like(plain)
    commitment = latents.new_zeros(())
    codes, residuals = [], []
    for depth in range(books.depth):
        residuals.append(plain - partial)
        codes.append(books.nearest(residuals[-1], depth))
        chosen = F.embedding(codes[-1], books.vectors[books.book_of(depth)])
        partial = partial + chosen
        decoded = decoded + (chosen if kept is None else chosen * (kept > depth))
        commitment = commitment + F.mse_loss(latents, partial)
    straight = latents + (decoded - plain)
    return Quantized(straight, torch.stack(codes, 1), commitment / books.depth, torch.stack(residuals, 1))


class CodebookLearner:
    """Moving averages of what each code encodes; the codebooks follow them."""

    def __init__(self, books: Codebooks, config: CodebookConfig):
        self.books, self.config = books, config
        # As after placing by k-means: as if every code had been used once a step.
        self.counts = torch.ones_like(books.norms)  # [books, V]
        self.sums = books.vectors.clone()  # [books, V, H]

    @torch.no_grad()
    def learn(self, seen: Quantized) -> None:
        """One step of the averages, then revival of codes that fell out of use; all on the device."""
        counts, sums = self._statistics(seen)
        self.counts.lerp_(counts, 1 - self.config.decay)
        self.sums.lerp_(sums, 1 - self.config.decay)
        self._revive(seen.residuals)
        is_forgotten = (self.counts < LEAST_USE)[:, :, None]
        means = self.sums / self.counts.clamp_min(LEAST_USE)[:, :, None]
        self.books.place(torch.where(is_forgotten, self.books.vectors, means))

    def _statistics(self, seen: Quantized) -> tuple[Tensor, Tensor]:
        """How often each code was used, and the sum of the residuals it encoded."""
        books, vocabulary, width = self.books.vectors.shape
        rows = self.books.rows_of(seen.codes).flatten()  # [N·D]
        residuals = seen.residuals.flatten(0, 1).to(self.sums.dtype)
        counts = self.counts.new_zeros(books * vocabulary).index_add_(0, rows, residuals.new_ones(len(rows)))
        sums = self.sums.new_zeros(books * vocabulary, width).index_add_(0, rows, residuals)
        return counts.view(books, vocabulary), sums.view(books, vocabulary, width)

    def _revive(self, residuals: Tensor) -> None:
        """Moves codes that nobody uses to random residuals of this step, as if used once; without waiting."""
        is_unused = self.counts < self.config.revive_below  # [books, V]
        picks = torch.randint(len(residuals), self.counts.shape, device=residuals.device)
        depths = torch.arange(self.books.books, device=residuals.device)[:, None]
        moved = residuals[picks, depths].to(self.sums.dtype)  # [books, V, H]
        self.sums = torch.where(is_unused[:, :, None], moved, self.sums)
        self.counts = self.counts.masked_fill(is_unused, 1.0)
