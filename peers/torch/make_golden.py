"""Writes the small tensors that the Rust tests check: python make_golden.py [folder].

Everything is worked out in f64 and stored as f32; weights and inputs are f32 numbers to begin with. What a
test has to bear at least is how far the same in f32 is from that. Measured, as the largest difference in a
tensor over the largest magnitude in it (of gradients and of updated weights, in all of them together, since
some gradients are 0 but for rounding):

    logits, mixer, shift, log_scale         2.3e-7
    log_density, losses                     4.6e-7
    gradients of a generator                6.2e-7
    weights and averages after two updates  1.7e-7
    latents and pixels of a tokenizer       6.7e-7
    commitment, loss, gradients of it       3.5e-7

The updates start from the stored gradient, not from one worked out anew: AdamW divides a gradient by its own
size, so one that is 0 but for rounding (that of the keys' bias) would move weights by its rounding.

Codes are compared exactly. Those of a tokenizer are the same in f32; each sampling run gives the same codes
in f32, and in f64 with every weight off by a millionth. Where one does not, the script stops: take another
seed.
"""

import sys
from pathlib import Path

import torch

from golden.generator import generator_golden
from golden.sampling import sampling_golden
from golden.tokenizer import tokenizer_golden

FOLDER = Path(__file__).parent / "../../crates/resgen-core/tests/golden"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    torch.set_num_threads(1)
    generator_golden(folder, "generator", {}, seed=10)
    small = {"components": 4, "rank": 3, "scale": "scalar", "loss": "nll"}
    trunk = {"width": 16, "layers": 1, "heads": 2}
    generator_golden(folder, "generator-scalar", {"head": small, "trunk": trunk}, seed=20)
    tokenizer_golden(folder, seed=30)
    sampling_golden(folder, seed=40)


if __name__ == "__main__":
    main()
