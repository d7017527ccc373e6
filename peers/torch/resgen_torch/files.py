"""Model files: safetensors, with a sealed JSON header under one metadata key.

The weights keep the layout and the names of the framework that wrote them: linear layers hold [in, out],
group norms call their gain and shift gamma and beta. Everything else is as PyTorch has it.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from safetensors import safe_open
from torch import Tensor, nn

HEADER_KEY = "resgen"
GROUP_NORM_NAMES = {"weight": "gamma", "bias": "beta"}


@dataclass
class ModelFile:
    """What a file says, and its tensors by name, as f32."""

    header: dict
    tensors: dict[str, Tensor]


def read(path: str) -> ModelFile:
    """Reads and checks a model file."""
    with safe_open(path, "pt") as file:
        sealed = (file.metadata() or {}).get(HEADER_KEY)
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if sealed is None:
        raise ValueError(f"{path}: a safetensors file, but not one of resgen: it has no header")
    seal, _, header = sealed.partition("\n")
    if seal != _checksum(header, tensors):
        raise ValueError(f"{path}: damaged: its content is not what its checksum says")
    return ModelFile(json.loads(header), {name: values.float() for name, values in tensors.items()})


def _checksum(header: str, tensors: dict[str, Tensor]) -> str:
    """CRC-32 of the header, and of name, shape and bytes of every tensor, in the order of the names."""
    crc = zlib.crc32(header.encode())
    for name in sorted(tensors):
        values = tensors[name]
        crc = zlib.crc32(name.encode(), crc)
        crc = zlib.crc32(str(list(values.shape)).encode(), crc)
        crc = zlib.crc32(values.contiguous().flatten().view(torch.uint8).numpy().tobytes(), crc)
    return f"{crc:08x}"


def named_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Every parameter with its name in a file, and whether the file holds it transposed."""
    for path, part in module.named_modules():
        for name, parameter in part.named_parameters(recurse=False):
            is_transposed = isinstance(part, nn.Linear) and name == "weight"
            name = GROUP_NORM_NAMES[name] if isinstance(part, nn.GroupNorm) else name
            yield f"{path}.{name}" if path else name, parameter, is_transposed


def load(module: nn.Module, tensors: dict[str, Tensor], prefix: str = "") -> None:
    """Fills every parameter with the tensor of its name after `prefix`; none may be missing or too many."""
    parameters = {prefix + name: entry for name, *entry in named_parameters(module)}
    given = {name for name in tensors if name.startswith(prefix)}
    if parameters.keys() != given:
        missing, unexpected = sorted(parameters.keys() - given), sorted(given - parameters.keys())
        raise ValueError(f"tensors do not fit the model: missing {missing}, unexpected {unexpected}")
    for name, (parameter, is_transposed) in parameters.items():
        values = tensors[name].t() if is_transposed else tensors[name]
        if values.shape != parameter.shape:
            raise ValueError(f"tensor `{name}`: expected {list(parameter.shape)}, found {list(values.shape)}")
        with torch.no_grad():
            parameter.copy_(values)


def weights(module: nn.Module) -> dict[str, Tensor]:
    """The parameters as a file holds them."""
    return {name: _as_stored(values, turned) for name, values, turned in named_parameters(module)}


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """The gradients of the parameters, in the layout in which a file holds those."""
    return {name: _as_stored(values.grad, turned) for name, values, turned in named_parameters(module)}


def _as_stored(values: Tensor, is_transposed: bool) -> Tensor:
    values = values.detach()
    return (values.t() if is_transposed else values).contiguous().clone()
