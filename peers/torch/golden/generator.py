"""A generator: forward pass, density, losses, gradients and updates."""

from dataclasses import asdict
from pathlib import Path

import torch

from resgen_torch import files
from resgen_torch.model import Resgen, ResgenConfig
from resgen_torch.weights import OptimizerConfig, Weights

from .common import F32, F64, Tensors, compare, prefixed, random_weights, save, stored, without

LEARNING_RATE = 0.01
OPTIMIZER = OptimizerConfig(clip_norm=0.25, average_decay=0.9)


def generator_config(**changes) -> dict:
    """A small network, as a model file writes it."""
    head = {"components": 7, "rank": 3, "scale": "vector", "loss": "nll"}
    sizes = {"positions": 9, "depth": 4, "latent": 6, "classes": 5}
    trunk = {"width": 24, "layers": 2, "heads": 3}
    scales = {"embedding_scales": [1.0, 0.25, 0.5, 0.875, 1.25]}
    return {"trunk": trunk, "head": head, **sizes, **scales, **changes}


def generator_inputs(config: ResgenConfig, seed: int) -> Tensors:
    """Three samples; counts of masked codes from none to all, labels with the one of "no condition"."""
    random = torch.Generator().manual_seed(seed)
    rows = 3 * config.positions
    masked = torch.randint(config.depth + 1, (3, config.positions), generator=random)
    masked[0, :2] = torch.tensor([0, config.depth])
    return {
        "visible": torch.randn(3, config.positions, config.latent, generator=random),
        "masked": masked,
        "labels": torch.tensor([config.classes, 0, 3]),
        "target": torch.randn(rows, config.latent, generator=random),
        "weight": (masked.flatten() > 0).float(),
    }


def generator_outputs(config: ResgenConfig, given: Tensors, weights: Tensors, dtype: torch.dtype) -> Tensors:
    """What a network of these weights gives, with the gradients of both losses."""
    model = Resgen(config)
    files.load(model, weights)
    model.to(dtype)
    visible, target, weight = (given[name].to(dtype) for name in ("visible", "target", "weight"))
    out = model(visible, given["masked"], given["labels"])
    found = {**out._asdict(), "log_density": model.head.log_density(out, target)}
    for kind in ("nll", "split"):
        model.zero_grad()
        loss = model.head.loss(model(visible, given["masked"], given["labels"]), target, weight, kind)
        loss.backward()
        found[f"loss.{kind}"] = loss
        found.update(prefixed(f"gradient.{kind}.", files.gradients(model)))
    return {name: values.detach() for name, values in found.items()}


def two_updates(config: ResgenConfig, weights: Tensors, gradients: Tensors, dtype: torch.dtype) -> Tensors:
    """The weights and their average after two updates with the same gradient."""
    model = Resgen(config)
    files.load(model, weights)
    training = Weights(model.to(dtype), OPTIMIZER)
    for _ in range(2):
        for name, values, is_transposed in files.named_parameters(model):
            gradient = gradients[name].t() if is_transposed else gradients[name]
            values.grad = gradient.to(dtype, copy=True).contiguous()  # clipping works in place
        norm = training.update(LEARNING_RATE)
        assert norm > 1.5 * OPTIMIZER.clip_norm, f"a gradient of norm {norm} is not clipped"
    updated = files.weights(model)
    with torch.no_grad():
        for values, average in zip(training.parameters, training.average, strict=True):
            values.copy_(average)
    return {**prefixed("updated.", updated), **prefixed("average.", files.weights(model))}


def generator_golden(folder: Path, name: str, changes: dict, seed: int) -> None:
    """Forward pass, density, losses, gradients and updates of a network."""
    written = generator_config(**changes)
    config = ResgenConfig.read(written)
    model = Resgen(config)
    random_weights(model, seed)
    weights, given = files.weights(model), generator_inputs(config, seed + 1)
    expected = stored(generator_outputs(config, given, weights, F64))
    compare(name, expected, generator_outputs(config, given, weights, F32))
    gradients = without("gradient.nll.", expected)
    updated = stored(two_updates(config, weights, gradients, F64))
    compare(name, updated, two_updates(config, weights, gradients, F32))
    metadata = {"config": written, "optimizer": asdict(OPTIMIZER), "learning_rate": LEARNING_RATE}
    save(folder, name, {**prefixed("weight.", weights), **given, **expected, **updated}, metadata)
