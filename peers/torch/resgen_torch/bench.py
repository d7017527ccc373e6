"""The bench worker: builds one case, warms it up, and then measures one run for every line it reads.

    python -m resgen_torch.bench '{"kind": "sample", "model": "model.safetensors", "batch": 8, ...}'

On standard output it writes one JSON object a line and nothing else: first `ready` with the floating-point
operations of a run, then `ms` of each run, at the end of input `peak_bytes`. A failure is an `error`, and
exit status 1.
"""

import ctypes
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import TextIO

import torch

from .mode import Mode

WARM_UPS, ENOUGH_SECONDS = 3, 20.0  # runs before the first that counts; fewer where they take long
# Of glibc's mallopt, and that memory is never handed back: large tensors would otherwise be mapped, and their
# pages cleared, in every step. Allocators that are made for speed, which would have to be preloaded, do so by
# themselves.
TRIM_THRESHOLD, MMAP_THRESHOLD, NEVER = -1, -3, 1 << 30


def main() -> int:
    output = own_output()
    try:
        work(json.loads(sys.argv[1]), output)
    except BaseException as error:  # whatever it is, whoever waits for a line must get one
        say(output, error=f"{type(error).__name__}: {error}")
        return 1
    return 0


def work(case: dict, output: TextIO) -> None:
    """The whole life of a worker."""
    keep_memory()
    device = torch.device(case.get("device", "cpu"))
    prepare(device, case)
    from .cases import build

    names = ("dtype", "compile", "channels_last", "graphs")
    built = build(case, device, Mode(**{name: case[name] for name in names if name in case}))
    warm_up(built.run, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    say(output, ready=True, flops=built.flops)
    for _ in sys.stdin:
        say(output, ms=1000 * timed(built.run, device))
    say(output, peak_bytes=peak_bytes(device))


def own_output() -> TextIO:
    """Standard output for the protocol alone: what else is printed there goes to standard error."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return output


def say(output: TextIO, **values: object) -> None:
    print(json.dumps(values), file=output, flush=True)


def prepare(device: torch.device, case: dict) -> None:
    """Threads, and products of f32 on tensor cores where bf16 is good enough for the rest."""
    torch.manual_seed(0)
    if case.get("threads"):
        torch.set_num_threads(case["threads"])
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high" if case.get("dtype") == "bf16" else "highest")
        torch.backends.cudnn.benchmark = True


def keep_memory() -> None:
    """Has freed memory stay with the process, where the C library can."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, NEVER)
        mallopt(TRIM_THRESHOLD, NEVER)


def warm_up(run: Callable[[], object], device: torch.device) -> None:
    """The first run compiles, and chooses kernels."""
    spent = 0.0
    for _ in range(WARM_UPS):
        spent += timed(run, device)
        if spent > ENOUGH_SECONDS:
            break


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one run, to the end of what it has the device do."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(device: torch.device) -> int:
    """The most memory held so far, by the device's allocator or by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
