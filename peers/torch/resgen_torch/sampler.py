"""The reverse process, from all masked to all known.

A step predicts the mixture of every position's masked part, draws a point of it, quantizes that with the
masked depths, and reveals the codes of the surest tokens. Nothing in the loop waits for the device: how many
tokens a step reveals is known beforehand, and which ones is decided there.

Shape legend: B samples, L positions, D depth, H width of a code vector, N = B·L.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .capture import Captured
from .head import guided
from .mode import Mode
from .model import Resgen
from .noise import DeviceNoise, Draw, Noise
from .nucleus import choose
from .reveal import reveal
from .rvq import Codebooks
from .schedule import ramp, step_counts


@dataclass
class Preset:
    """How samples are drawn, as model files write it."""

    steps: int = 16
    schedule: str = "cosine"
    guidance: float = 2.0
    guidance_ramp: str = "linear"
    temperature: float = 1.0
    component_temperature: float = 1.0
    top_p: float = 0.95
    choice_temperature: float = 20.0

    @classmethod
    def read(cls, values: dict) -> "Preset":
        """From the JSON of a header. What the twin cannot do is refused unless it is off."""
        own = dict(values)
        if own.pop("guidance_on", "condition") != "condition" or own.pop("top_k", None) is not None:
            raise ValueError("the twin has no guidance on known codes and no top-k")
        return cls(**own)

    def guidance_at(self, step: int, steps: int) -> float:
        """The guidance scale of a step, counted from 0."""
        progress = 1.0 if steps < 2 else step / (steps - 1)
        if self.guidance_ramp == "constant":
            return self.guidance
        return ramp(self.guidance_ramp, 1.0, self.guidance, progress)

    def choice_temperature_at(self, step: int, steps: int) -> float:
        """The scale of the noise on the choice of tokens."""
        return self.choice_temperature * (1.0 - (step + 1) / steps)


@dataclass
class Known:
    """Codes that are given: [L, D], and how many of the deepest of each position are drawn, [L]."""

    codes: Tensor
    masked: Tensor


class Sampler:
    """Draws codes from a model; both are changed to the precision of the mode."""

    def __init__(self, model: Resgen, books: Codebooks, preset: Preset, mode: Mode | None = None):
        self.mode = mode or Mode()
        if self.mode.dtype == "bf16":
            model = model.cast(torch.bfloat16)
        self.model, self.books, self.preset = model.eval().requires_grad_(False), books, preset
        self.table = model.head.density_table()
        self.depths = torch.arange(books.depth, device=books.vectors.device)
        self.network = self.mode.compiled(self.predict)
        self.tail = self.mode.compiled(self.advance)
        self.captured: dict[tuple, Captured] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """L, D and H."""
        config = self.model.config
        return config.positions, config.depth, config.latent

    @torch.inference_mode()
    def sample(self, classes: list[int], noise: Noise | None = None, known: Known | None = None) -> Tensor:
        """Codes of one sample a class: [B, L, D]."""
        device, batch = self.depths.device, len(classes)
        noise = noise or DeviceNoise(batch, self.shape, device)
        codes, masked, total = self._start(batch, known)
        steps = min(self.preset.steps, total)
        if steps == 0:
            return codes
        counts = step_counts(self.preset.schedule, steps, total)
        scalars = self._scalars(counts).to(device)  # [T, 3]
        labels = torch.tensor(classes + [self.model.config.classes] * batch, device=device)
        both, plain = self.model.modulate(labels), None
        for step in range(steps):
            is_guided = self.preset.guidance_at(step, steps) != 1.0
            if not is_guided and plain is None:
                plain = self.model.modulate(labels[:batch])
            modulations = both if is_guided else plain
            codes, masked = self._run(codes, masked, modulations, noise.draw(step), scalars[step])
        return codes.clone()

    def _start(self, batch: int, known: Known | None) -> tuple[Tensor, Tensor, int]:
        """Codes [B, L, D], masked codes per position [B, L], and how many those are in each sample."""
        positions, depth, _ = self.shape
        if known is None:
            codes = self.depths.new_zeros(batch, positions, depth)
            return codes, torch.full_like(codes[:, :, 0], depth), positions * depth
        codes, masked = (
            values.to(self.depths.device).expand(batch, *values.shape).contiguous()
            for values in (known.codes, known.masked)
        )
        return codes, masked, int(known.masked.sum())

    def _scalars(self, counts: list[int]) -> Tensor:
        """For every step its guidance, its choice temperature, and how many tokens it reveals: [T, 3]."""
        steps = len(counts) - 1
        rows = [
            (
                self.preset.guidance_at(step, steps),
                self.preset.choice_temperature_at(step, steps),
                counts[step] - counts[step + 1],
            )
            for step in range(steps)
        ]
        return torch.tensor(rows, dtype=self.model.scales.dtype)

    def _run(self, codes: Tensor, masked: Tensor, modulations: list, draw: Draw, scalars: Tensor):
        if not (self.mode.graphs and codes.is_cuda):
            return self.step(codes, masked, modulations, draw, scalars)
        key = (*codes.shape, len(modulations[-1][0]))
        if key not in self.captured:
            self.captured[key] = Captured(self.step, codes, masked, modulations, draw, scalars)
        return self.captured[key](codes, masked, modulations, draw, scalars)

    def step(self, codes: Tensor, masked: Tensor, modulations: list, draw: Draw, scalars: Tensor):
        """One step: the codes [B, L, D] and masked counts [B, L] after it."""
        raw = self.network(codes, masked, modulations)
        return self.tail(codes, masked, raw, draw, scalars)

    def predict(self, codes: Tensor, masked: Tensor, modulations: list) -> Tensor:
        """Raw outputs, those without the condition after those with it."""
        is_visible = self.depths < self.books.depth - masked[:, :, None]  # [B, L, D]
        weights = is_visible.flatten(0, 1) / self.model.scales[-1]
        visible = self.books.weighted_sum(codes.flatten(0, 1), weights)  # [N, H]
        x = self.model.embed(visible.view(*masked.shape, -1), masked)
        halves = len(modulations[-1][0]) // len(codes)
        return self.model.raw(x.repeat(halves, 1, 1), modulations)

    def advance(self, codes: Tensor, masked: Tensor, raw: Tensor, draw: Draw, scalars: Tensor):
        """All of a step after the network."""
        model, depth = self.model, self.books.depth
        guidance, choice_temperature, count = scalars.unbind()
        out = model.head.parts(guided(raw, guidance) if len(raw) > masked.numel() else raw)
        components = choose(out.logits, draw.uniform, self.preset.component_temperature, self.preset.top_p)
        means = model.head.component_means(components, out.mixer)
        standardised = torch.add(means, draw.normal, alpha=self.preset.temperature)  # [N, H]
        log_density = model.head.standardised_log_density(out, standardised, self.table)
        scales = model.scales[masked].view(-1, 1)  # [N, 1]
        first = depth - masked[:, :, None]  # [B, L, 1], number of visible codes
        candidates = self.books.encode(out.place(standardised) * scales, first.view(-1, 1))
        noise = choice_temperature * draw.gumbel
        revealed = reveal(masked, log_density.view_as(masked), noise, count)
        is_new = (self.depths >= first) & (self.depths < first + revealed[:, :, None])
        return torch.where(is_new, candidates.view_as(codes), codes), masked - revealed
