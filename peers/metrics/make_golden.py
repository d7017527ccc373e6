"""Writes the values of evaluation metrics that the Rust tests check: python make_golden.py [folder].

All of them come from the packages that people evaluate with, or are the exact ones beside theirs. They are
worked out in f64; `metrics-inception` is stored as f32. How far the same is in f32, as the largest
difference in a tensor over the largest magnitude in it:

    mean of features                              1.8e-7
    kid                                           5.4e-7
    ssim; ms-ssim                                 2.1e-7; 3.5e-6
    lpips                                         2.3e-8
    pooled features, logits of Inception          4.7e-7, 6.1e-7
    spatial features of Inception                 5.7e-6
    resized pixels: PyTorch, TensorFlow, Pillow   4.6e-6, 2.1e-6, none

The packages differ from each other, in f64, by

    fid of a and b, of size 11.9: pytorch-fid, torch-fidelity, scipy's root, eigenvalues    4.4e-13
    fid of few and b, of size 25.0, a singular covariance                                   5.1e-7
    fid of a and a, which is 0                                                              1.2e-12
    kid: torch-fidelity and numpy                                                           3.8e-16
    ssim: scikit-image and pytorch-msssim                                                   3.8e-16
    ms-ssim: with the f32 window that pytorch-msssim makes, and with one in f64             6.3e-7

Where the covariance is singular, the root of a rounding error is a larger error: `fid.few-b` is what
pytorch-fid gives, `fid.few-b.exact` what the singular values of the product of the centred rows give.
Precision and recall are counts: no distance is nearer to a radius than a share of 1.7e-4.

On another machine, the last bit of an f64 may be another.
"""

import sys
from pathlib import Path

import torch

from golden.inception import inception_golden
from golden.perceptual import perceptual_golden
from golden.similarity import similarity_golden
from golden.statistics import statistics_golden
from golden.words import words_golden

FOLDER = Path(__file__).parent / "../../crates/resgen-core/tests/golden"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    torch.set_num_threads(1)
    statistics_golden(folder, seed=50)
    similarity_golden(folder)
    words_golden(folder)
    inception_golden(folder)
    perceptual_golden(folder)


if __name__ == "__main__":
    main()
