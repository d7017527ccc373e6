"""What all golden files share: random weights, rounding for storage, comparison, and the files themselves."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from resgen_torch import files

F32, F64 = torch.float32, torch.float64
DTYPES = {torch.float32: "F32", torch.int64: "I64"}

Tensors = dict[str, Tensor]


def random_weights(network: nn.Module, seed: int) -> None:
    """Values that make everything matter, adaLN included; f32 numbers."""
    random = torch.Generator().manual_seed(seed)
    for name, values, _ in files.named_parameters(network):
        drawn = torch.randn(values.shape, generator=random)
        fan_in = values[0].numel() if values.dim() >= 2 else 25
        is_table = name in ("masked", "positions", "condition.table", "head.projection", "head.centers")
        # Log-scales of a few units would make densities of thousands of nats.
        size = 0.5 if is_table else (0.4 if name.startswith("head.output") else 1.0) * fan_in**-0.5
        with torch.no_grad():
            values.copy_(drawn * size + (1.0 if name.endswith("gamma") else 0.0))


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}{name}": values for name, values in tensors.items()}


def without(prefix: str, tensors: Tensors) -> Tensors:
    return {name[len(prefix) :]: values for name, values in tensors.items() if name.startswith(prefix)}


def stored(tensors: Tensors) -> Tensors:
    """As the file holds them: f32 or i64, scalars as vectors of one."""
    return {
        name: (values.float() if values.is_floating_point() else values).reshape(values.shape or (1,))
        for name, values in tensors.items()
    }


def compare(file: str, expected: Tensors, single: Tensors) -> None:
    """Prints how far f32 is from f64, a line for each kind of tensor."""
    worst: dict[str, tuple[float, float]] = {}
    for name, values in expected.items():
        kind = name.split(".")[0] if name.startswith(("updated", "average")) else name
        kind = (
            ".".join(name.split(".")[: 2 if file != "tokenizer" else 1])
            if name.startswith("gradient")
            else kind
        )
        off = (values.double() - single[name].double().reshape(values.shape)).abs().max().item()
        before = worst.get(kind, (0.0, 0.0))
        worst[kind] = (max(before[0], off), max(before[1], values.abs().max().item()))
    for kind, (off, size) in worst.items():
        print(f"{file:18} {kind:16} {off / size:.1e} of {size:.3g}")


def save(folder: Path, name: str, tensors: Tensors, metadata: dict) -> None:
    """Writes a safetensors file, the same bytes every time: the package's own order of metadata is random."""
    contents = {key: values.contiguous() for key, values in sorted(stored(tensors).items())}
    header = {"__metadata__": {key: json.dumps(value) for key, value in metadata.items()}}
    end = 0
    for key, values in contents.items():
        start, end = end, end + values.numel() * values.element_size()
        entry = {"dtype": DTYPES[values.dtype], "shape": list(values.shape), "data_offsets": [start, end]}
        header[key] = entry
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    parts = [len(written).to_bytes(8, "little"), written]
    path.write_bytes(b"".join(parts + [values.numpy().tobytes() for values in contents.values()]))
    print(f"{path.name}: {path.stat().st_size} bytes, {len(contents)} tensors")
