"""Golden files: tensors as numpy arrays, the same bytes every time."""

import json
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]

DTYPES = {"float64": "F64", "float32": "F32", "uint8": "U8"}


def save(folder: Path, name: str, arrays: Arrays) -> None:
    """Writes a safetensors file; wide numbers first, so that each lies at a multiple of its size."""
    order = sorted(arrays, key=lambda key: (-arrays[key].itemsize, key))
    header, end = {}, 0
    for key in order:
        start, end = end, end + arrays[key].nbytes
        dtype, shape = DTYPES[arrays[key].dtype.name], list(arrays[key].shape)
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    parts = [len(written).to_bytes(8, "little"), written]
    write(folder / f"{name}.safetensors", b"".join(parts + [arrays[key].tobytes() for key in order]))


def write(path: Path, contents: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    print(f"{path.name}: {len(contents)} bytes")


def scalar(value: float) -> np.ndarray:
    """A number as the file holds it: a vector of one, f64."""
    return np.array([value], dtype=np.float64)


def report(file: str, name: str, expected: np.ndarray, other: np.ndarray) -> None:
    """Prints the largest difference as a share of the largest magnitude."""
    size = np.abs(expected).max()
    off = np.abs(np.asarray(expected, np.float64) - np.asarray(other, np.float64)).max()
    print(f"{file:12} {name:44} {off / size if size else off:.1e} of {size:.3g}")
