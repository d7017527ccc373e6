"""Whole samples: codes from keyed noise."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from resgen_torch import files
from resgen_torch.model import Resgen, ResgenConfig
from resgen_torch.noise import KeyedNoise
from resgen_torch.rvq import Codebooks
from resgen_torch.sampler import Known, Preset, Sampler

from .common import F32, F64, Tensors, prefixed, random_weights, save
from .generator import generator_config

SAMPLING_RUNS = [
    {"seed": 1, "first_index": 0, "classes": [0, 4, 2], "preset": Preset()},
    {
        "seed": 2,
        "first_index": 5,
        "classes": [3, 1],
        "preset": Preset(
            steps=20,
            schedule="circle",
            guidance=5.0,
            guidance_ramp="constant",
            temperature=0.6,
            top_p=0.7,
            choice_temperature=1000.0,
        ),
    },
    {
        "seed": 3,
        "first_index": 0,
        "classes": [2],
        "preset": Preset(steps=7, schedule="square", component_temperature=0.0, choice_temperature=0.0),
    },
    {
        "seed": 4,
        "first_index": 1,
        "classes": [1, 5],
        "preset": Preset(steps=30, guidance=3.0, guidance_ramp="cosine", top_p=1.0, choice_temperature=5.0),
        "known": [0, 1, 2, 3, 4, 0, 2, 4, 1],
    },
    {
        "seed": 5,
        "first_index": 0,
        "classes": [0, 3],
        "preset": Preset(steps=36, schedule="linear", guidance=1.0, component_temperature=0.5, top_p=0.9),
    },
]


def sampled(
    run: dict, weights: Tensors, vectors: Tensor, known_codes: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """The codes of one run, [B, L, D]."""
    config = ResgenConfig.read(generator_config())
    model = Resgen(config)
    model.to(dtype)
    files.load(model, weights)
    sampler = Sampler(model, Codebooks(vectors.to(dtype), config.depth), replace(run["preset"]))
    noise = KeyedNoise(
        len(run["classes"]), sampler.shape, torch.device("cpu"), dtype, run["seed"], run["first_index"]
    )
    known = None if known_codes is None else Known(known_codes[0], torch.tensor(run["known"]))
    return sampler.sample(run["classes"], noise, known)


def is_robust(codes: Tensor, draw: Callable, weights: Tensors, seed: int) -> bool:
    """Whether f32, and weights that are off by a millionth, give the same codes."""
    random = torch.Generator().manual_seed(seed)
    if not torch.equal(codes, draw(weights, F32)):
        return False
    for _ in range(4):
        noise = {
            name: torch.randn(values.shape, generator=random, dtype=F64) for name, values in weights.items()
        }
        disturbed = {name: values.double() * (1 + 1e-6 * noise[name]) for name, values in weights.items()}
        if not torch.equal(codes, draw(disturbed, F64)):
            return False
    return True


def sampling_golden(folder: Path, seed: int) -> None:
    """Whole samples: codes from keyed noise."""
    config = ResgenConfig.read(generator_config())
    random = torch.Generator().manual_seed(seed)
    vectors = torch.tensor([1.0, 0.5, 0.25, 0.125])[:, None, None] * torch.randn(4, 16, 6, generator=random)
    model = Resgen(config)
    random_weights(model, seed + 1)
    weights = files.weights(model)
    tensors, runs = {**prefixed("weight.", weights), "codebooks": vectors}, []
    for index, run in enumerate(SAMPLING_RUNS):
        known = None
        if "known" in run:
            known = torch.randint(16, (1, config.positions, config.depth), generator=random)
            tensors[f"known_codes.{index}"] = known

        def draw(
            weights: Tensors, dtype: torch.dtype, run: dict = run, known: Tensor | None = known
        ) -> Tensor:
            return sampled(run, weights, vectors, known, dtype)

        codes = draw(weights, F64)
        assert is_robust(codes, draw, weights, index), f"run {index} hangs on a rounding: take another seed"
        tensors[f"codes.{index}"] = codes
        mask = {"masked": run["known"]} if "known" in run else None
        runs.append({**run, "preset": asdict(run["preset"]), "known": mask})
    save(folder, "sampling", tensors, {"config": generator_config(), "runs": runs})
