"""Pictures beside pictures: PSNR, SSIM, MS-SSIM."""

import warnings
from pathlib import Path

import numpy as np
import torch
from pytorch_msssim import ms_ssim, ssim
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from .files import Arrays, report, save, scalar
from .pictures import degraded, picture, planes

RANGE = 255
SIZES = {"33x47": (33, 47), "64x64": (64, 64), "180x193": (180, 193), "equal": (16, 16)}
AMOUNTS = {"33x47": 0.6, "64x64": 0.15, "180x193": 0.4, "equal": 0.0}


def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    first = picture(f"similarity.{name}", *SIZES[name])
    amount = AMOUNTS[name]
    return first, degraded(f"similarity.{name}", first, amount) if amount else first.copy()


def window(dtype: torch.dtype) -> torch.Tensor:
    """The Gaussian of 11 pixels in this precision: left alone, the package makes it in f32."""
    offsets = torch.arange(11, dtype=dtype) - 5
    values = torch.exp(-(offsets**2) / (2 * 1.5**2))
    return (values / values.sum()).repeat(3, 1, 1, 1)


def ssim_skimage(first: np.ndarray, second: np.ndarray) -> float:
    """A Gaussian of 1.5 pixels, cut off at 3.5 of them: 11 wide. The 5 pixels at each edge do not count."""
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(first, second, data_range=RANGE, channel_axis=2, **gaussian))


def ssim_torch(first: np.ndarray, second: np.ndarray, dtype: torch.dtype) -> float:
    given = [torch.from_numpy(planes(one)).to(dtype) for one in (first, second)]
    return ssim(*given, data_range=RANGE, win=window(dtype)).item()


def ms_ssim_torch(first: np.ndarray, second: np.ndarray, dtype: torch.dtype, own: bool = False) -> float:
    """Five scales. Both sides must be above 160 = (11 - 1) * 2^4, so 161 is the least.

    Between scales, 2x2 pixels are averaged. An odd side gets a zero before its first and after its last
    pixel first, and the zero counts: of s pixels there become (s + 1) / 2, of which the first is half the
    first pixel (in that direction) and number k averages pixels 2k - 1 and 2k; the last zero drops out.
    Contrast terms, and the whole of the last scale, are per channel and not below 0 before they are raised
    to the weights; channels are averaged after that.
    """
    given = [torch.from_numpy(planes(one)).to(dtype) for one in (first, second)]
    return ms_ssim(*given, data_range=RANGE, win=None if own else window(dtype)).item()


def measured(name: str, first: np.ndarray, second: np.ndarray) -> Arrays:
    wide = [one.astype(np.float64) for one in (first, second)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # equal pictures: infinite
        psnr = scalar(peak_signal_noise_ratio(*wide, data_range=RANGE))
    found = {f"psnr.{name}": psnr, f"ssim.{name}": scalar(ssim_skimage(*wide))}
    single = [one.astype(np.float32) for one in (first, second)]
    expected = found[f"ssim.{name}"]
    report("similarity", f"ssim.{name}, f32", expected, scalar(ssim_skimage(*single)))
    report(
        "similarity",
        f"ssim.{name}, pytorch-msssim",
        expected,
        scalar(ssim_torch(first, second, torch.float64)),
    )
    if min(SIZES[name]) > 160:
        expected = found[f"ms-ssim.{name}"] = scalar(ms_ssim_torch(first, second, torch.float64))
        report(
            "similarity",
            f"ms-ssim.{name}, f32",
            expected,
            scalar(ms_ssim_torch(first, second, torch.float32)),
        )
        own = ms_ssim_torch(first, second, torch.float64, own=True)
        report("similarity", f"ms-ssim.{name}, the package's window", expected, scalar(own))
    return found


def similarity_golden(folder: Path) -> None:
    arrays: Arrays = {}
    for name in SIZES:
        first, second = pair(name)
        arrays |= {f"first.{name}": first, f"second.{name}": second, **measured(name, first, second)}
    for name, value in arrays.items():
        if value.size == 1:
            print(f"similarity   {name:20} {value[0]:.17g}")
    save(folder, "metrics-similarity", arrays)
