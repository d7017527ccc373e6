"""What the bench worker measures: each case is built once, and then run again and again.

Shape legend: B batch, L positions, D depth, H latent width, K components, N rows, S side of a picture.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import flops, generator
from .head import MixtureConfig, MixtureHead
from .mode import Mode
from .noise import DeviceNoise
from .rvq import Codebooks
from .sampler import Preset, Sampler
from .schedule import masked_count
from .train import GeneratorTrainer, TokenizerTrainer
from .weights import OptimizerConfig

LEARNING_RATE = 1e-4
PREPARED = 4  # different batches that a training case goes around
TARGET_NOISE = 0.1
SLICE_SIZES = [2**power for power in range(9, 19)]  # rows quantized at once; the fastest is kept
LARGEST_SLICE = 1 << 27  # distances held at once
TRIED_ROWS = {"cpu": 1 << 14, "cuda": 1 << 18}  # rows that slice sizes are tried on
MIXTURE_SLICE = 1 << 27  # numbers in the largest intermediate of a mixture's loss


@dataclass
class Case:
    """Something to run, and how many floating-point operations a run takes, where that is known."""

    run: Callable[[], object]
    flops: int | None


def build(case: dict, device: torch.device, mode: Mode) -> Case:
    """The case of a description."""
    return KINDS[case["kind"]](case, device, mode)


def sample(case: dict, device: torch.device, mode: Mode) -> Case:
    """Codes of B samples."""
    loaded = generator.load(case["model"])
    preset = Preset.read(loaded.header["preset"])
    preset.steps, preset.guidance = case["steps"], case["guidance"]
    batch, config = case["batch"], loaded.model.config
    books = loaded.tokenizer.codebooks.to(device)
    sampler = Sampler(loaded.model.to(device), books, preset, mode)
    classes = [index % config.classes for index in range(batch)]
    noise = DeviceNoise(batch, sampler.shape, device)
    steps = min(preset.steps, config.positions * config.depth)
    passes = sum(2 - (preset.guidance_at(step, steps) == 1.0) for step in range(steps))
    counted = flops.sampling(config, loaded.tokenizer.config.vocabulary, batch, steps, passes)
    return Case(lambda: sampler.sample(classes, noise), counted)


def train(case: dict, device: torch.device, mode: Mode) -> Case:
    """A training step of a generator on random codes."""
    loaded = generator.load(case["model"])
    model, books, batch = loaded.model.to(device), loaded.tokenizer.codebooks.to(device), case["batch"]
    config, vocabulary = model.config, loaded.tokenizer.config.vocabulary
    trainer = GeneratorTrainer(model, books, OptimizerConfig(), mode)

    def prepared() -> list[Tensor]:
        codes = torch.randint(vocabulary, (batch, config.positions, config.depth))
        labels = torch.randint(config.classes, (batch,))
        labels = torch.where(torch.rand(batch) < 0.1, config.classes, labels)
        noise = TARGET_NOISE * torch.randn(batch * config.positions, config.latent)
        masked = training_masks(batch, config.positions, config.depth)
        return [values.to(device) for values in (codes, masked, labels, noise)]

    batches = around(prepared)
    return Case(lambda: trainer.step(*next(batches), LEARNING_RATE), flops.training(config, batch))


def training_masks(batch: int, positions: int, depth: int) -> Tensor:
    """Masked codes per position: a share by the cosine schedule, spread evenly over all codes: [B, L]."""
    rows = []
    for r in torch.rand(batch).tolist():
        count = max(masked_count("cosine", r, positions * depth), 1)
        hidden = torch.randperm(positions * depth)[:count] // depth
        rows.append(torch.bincount(hidden, minlength=positions))
    return torch.stack(rows)


def tokenizer_inference(case: dict, device: torch.device, mode: Mode) -> Case:
    """Pictures to codes, or codes to pictures."""
    tokenizer = generator.load_tokenizer(case["model"]).eval().requires_grad_(False).to(device)
    config, batch = tokenizer.config, case["batch"]
    mode.laid_out(tokenizer.autoencoder.to(mode.torch_dtype))
    if case["kind"] == "tokenizer-encode":
        coder, run = tokenizer.autoencoder.encoder, mode.compiled(tokenizer.encode)
        given = random_pixels(batch, config.resolution, mode).to(device, mode.torch_dtype)
        counted = flops.quantizing(config.positions, config.vocabulary, config.latent, config.depth)
    else:
        coder, run, counted = tokenizer.autoencoder.decoder, mode.compiled(tokenizer.decode), 0
        given = torch.randint(config.vocabulary, (batch, config.positions, config.depth), device=device)
    is_encoder = case["kind"] == "tokenizer-encode"
    counted = batch * (counted + flops.convolutions(coder, config, is_encoder))
    return Case(inference(lambda: run(given)), counted)


def tokenizer_train(case: dict, device: torch.device, mode: Mode) -> Case:
    """A training step of a tokenizer, codebooks included."""
    tokenizer, batch = generator.load_tokenizer(case["model"]).to(device), case["batch"]
    config = tokenizer.config
    trainer = TokenizerTrainer(tokenizer, OptimizerConfig(), mode)

    def prepared() -> list[Tensor]:
        kept = torch.randint(1, config.depth + 1, (batch,))
        kept = torch.where(torch.rand(batch) < config.codebook.depth_dropout, kept, config.depth)
        pixels = random_pixels(batch, config.resolution, mode)
        return [pixels.to(device), kept.repeat_interleave(config.positions)[:, None].to(device)]

    batches = around(prepared)
    coders = tokenizer.autoencoder
    passes = flops.convolutions(coders.encoder, config, True) + flops.convolutions(
        coders.decoder, config, False
    )
    search = flops.quantizing(config.positions, config.vocabulary, config.latent, config.depth)
    return Case(lambda: trainer.step(*next(batches), LEARNING_RATE), batch * (3 * passes + search))


def rvq_encode(case: dict, device: torch.device, mode: Mode) -> Case:
    """The codes of N vectors, in slices that keep memory bounded."""
    vectors, vocabulary, latent, depth = (case[key] for key in ("vectors", "vocabulary", "latent", "depth"))
    rows = torch.randn(vectors, latent, device=device)
    if case.get("library", "twin") == "twin":
        books = Codebooks(torch.randn(depth, vocabulary, latent, device=device), depth)
        encode = mode.compiled(books.encode)
    else:
        from vector_quantize_pytorch import ResidualVQ

        theirs = ResidualVQ(dim=latent, num_quantizers=depth, codebook_size=vocabulary).to(device).eval()
        compiled = mode.compiled(theirs)
        encode = lambda part: compiled(part[None])[1]  # noqa: E731

    def in_slices(size: int, rows: Tensor) -> Callable[[], list[Tensor]]:
        return inference(lambda: [encode(part) for part in rows.split(size)])

    tried = rows[: TRIED_ROWS[device.type]]
    sizes = [size for size in SLICE_SIZES if size <= len(tried) and size * vocabulary <= LARGEST_SLICE]
    sizes = sizes or [min(vectors, SLICE_SIZES[0])]
    seconds = {size: least_seconds(in_slices(size, tried), device) for size in sizes}
    run = in_slices(min(seconds, key=seconds.get), rows)
    return Case(run, flops.quantizing(vectors, vocabulary, latent, depth))


def mixture(case: dict, device: torch.device, mode: Mode) -> Case:
    """The loss of N mixtures and its gradients, those of raw outputs and of the head's parameters."""
    positions, latent, components, rank = (case[key] for key in ("positions", "latent", "components", "rank"))
    head = MixtureHead(1, latent, MixtureConfig(components, rank, "vector"))
    nn.init.normal_(head.projection, std=(rank * latent) ** -0.5)
    nn.init.normal_(head.centers, std=latent**-0.5)
    head.to(device)
    raw = torch.randn(positions, sum(head.widths), device=device) * 0.3
    target = torch.randn(positions, latent, device=device)
    rows = max(1, MIXTURE_SLICE // ((latent + rank + 1) * (rank + 1)))
    leaves = [part.clone().requires_grad_() for part in raw.split(rows)]
    targets = target.split(rows)

    def loss(raw: Tensor, target: Tensor) -> Tensor:
        return -head.log_density(head.parts(raw), target).sum() / positions

    compiled = mode.compiled(loss)

    def run() -> Tensor:
        for leaf in [*leaves, head.projection, head.centers]:
            leaf.grad = None
        total = torch.zeros((), device=device)
        for leaf, wanted in zip(leaves, targets, strict=True):
            part = compiled(leaf, wanted)
            part.backward()
            total += part.detach()
        return total

    return Case(run, 3 * positions * flops.density(latent, components, rank))


def load(case: dict, device: torch.device, mode: Mode) -> Case:
    """Batches of pictures from files."""
    from .data import loader

    batches = iter(loader(case["folder"], case["resolution"], case["batch"], case["workers"]))

    def run() -> None:
        for _ in range(case["batches"]):
            next(batches)[0].to(device, non_blocking=True)

    return Case(run, None)


KINDS = {
    "sample": sample,
    "train": train,
    "tokenizer-encode": tokenizer_inference,
    "tokenizer-decode": tokenizer_inference,
    "tokenizer-train": tokenizer_train,
    "rvq-encode": rvq_encode,
    "mixture": mixture,
    "load": load,
}


def random_pixels(batch: int, side: int, mode: Mode) -> Tensor:
    """Smooth pictures, [B, 3, S, S] in [-1, 1]."""
    small = torch.rand(batch, 3, max(side // 8, 1), max(side // 8, 1)) * 2 - 1
    pixels = F.interpolate(small, size=(side, side), mode="bilinear")
    return pixels.contiguous(memory_format=torch.channels_last) if mode.channels_last else pixels


def around(prepared: Callable[[], list[Tensor]]) -> Iterator[list[Tensor]]:
    """A few prepared batches, again and again."""
    return itertools.cycle([prepared() for _ in range(PREPARED)])


def inference(run: Callable) -> Callable:
    """The function, run without tracking gradients."""
    return torch.inference_mode()(run)


def least_seconds(run: Callable, device: torch.device) -> float:
    """Of two runs, after one to warm up."""
    from .bench import timed

    run()
    return min(timed(run, device) for _ in range(2))
