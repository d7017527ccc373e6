"""The Inception network of FID, weights by formula, after three ways of resizing pictures."""

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from cleanfid.resize import build_resizer
from pytorch_fid import inception
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from .files import Arrays, report, save
from .formula import Weights, state, tensor
from .pictures import picture, planes

SIDE = 299
F32, F64 = torch.float32, torch.float64
SIZES = {"small.0": (37, 53), "small.1": (37, 53), "square.0": (64, 64), "square.1": (64, 64)}
LARGE = (350, 301)
RESIZED = ("small.0", "large")
CHECKED = {"Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3), "Mixed_7c.branch_pool.bn.running_var": (192,)}
SOME = 4  # of the features, every so many are stored; all of them for tf1-bilinear
SPATIAL = 7  # the channels that ADM's sFID keeps


def doubled(half: np.ndarray) -> np.ndarray:
    """The large picture: every stored pixel stands for 2x2; what goes beyond the width is cut off."""
    return half.repeat(2, axis=0).repeat(2, axis=1)[: LARGE[0], : LARGE[1]]


def formula_weights() -> Weights:
    """Every tensor of the network, under torchvision's names: those that pytorch-fid wants."""
    with (
        mock.patch.object(inception, "load_state_dict_from_url", return_value={}),
        mock.patch.object(nn.Module, "load_state_dict"),
    ):
        network = inception.fid_inception_v3()
    return state({name: tuple(values.shape) for name, values in network.state_dict().items()})


def authors_network(weights: Weights, dtype: torch.dtype, **options: bool) -> nn.Module:
    """pytorch-fid's wrapper."""
    with mock.patch.object(inception, "load_state_dict_from_url", return_value=weights):
        return inception.InceptionV3(**options).eval().to(dtype)


def fidelity_network(weights: Weights, dtype: torch.dtype) -> FeatureExtractorInceptionV3:
    """torch-fidelity's; it reads weights from a file. In 0.4.0, its own setting "float64" gives f32."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "weights.pth")
        torch.save(weights, path)
        found = FeatureExtractorInceptionV3("formula", ["2048", "logits_unbiased"], path)
    found.feature_extractor_internal_dtype = dtype
    return found.to(dtype)


def pytorch_resize(pixels: Tensor) -> Tensor:
    """pytorch-fid: half-pixel centres, no averaging when it makes smaller, on values from 0 to 1."""
    return F.interpolate(pixels / 255, size=(SIDE, SIDE), mode="bilinear", align_corners=False) * 255


def tensorflow_resize(pixels: Tensor) -> Tensor:
    """torch-fidelity, as TensorFlow 1 did: output i reads at i * scale, scale = in / out is an f32."""
    return interpolate_bilinear_2d_like_tensorflow1x(pixels, size=(SIDE, SIDE), align_corners=False)


def pillow_resize(pixels: Tensor) -> Tensor:
    """clean-fid: Pillow's bicubic in f32, averaging when it makes smaller; clipped to 0..255, not rounded."""
    resize = build_resizer("clean")
    resized = [resize(one.permute(1, 2, 0).numpy()) for one in pixels.to(torch.uint8)]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(pixels.dtype)


RESIZES = {
    "pytorch-bilinear": pytorch_resize,
    "tf1-bilinear": tensorflow_resize,
    "pil-bicubic": pillow_resize,
}


class Networks:
    """Both packages' networks in one precision."""

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.authors = authors_network(weights, dtype, resize_input=True, normalize_input=True)
        self.plain = authors_network(weights, dtype, resize_input=False, normalize_input=False)
        self.fidelity = fidelity_network(weights, dtype)
        self.fidelity.Mixed_6d.branch1x1.register_forward_hook(self.keep)

    def keep(self, _module: nn.Module, _given: tuple, found: Tensor) -> None:
        self.spatial = found[:, :SPATIAL].permute(0, 2, 3, 1).contiguous()

    def pooled(self, pixels: Tensor, resize: str) -> Tensor:
        """Features after a way of resizing, [1, 2048]."""
        if resize == "pytorch-bilinear":
            return self.authors(pixels / 255)[0].flatten(1)
        return self.plain((RESIZES[resize](pixels) - 128) / 128)[0].flatten(1)

    def found(self, pixels: Tensor) -> dict[str, Tensor]:
        """All that is stored of one picture u8 [1, 3, H, W]."""
        features, unbiased = self.fidelity(pixels)
        pixels = pixels.to(self.dtype)
        pooled = {name: self.pooled(pixels, name) for name in RESIZES}
        # torch-fidelity rounds features to f32 in the end, so those of pytorch-fid's network are stored.
        off = (pooled["tf1-bilinear"] - features).abs().max().item()
        assert off < 1e-6, f"the packages' networks differ by {off}"
        return {
            **{f"pooled.{name}": values for name, values in pooled.items()},
            "unbiased.tf1-bilinear": unbiased,
            "spatial.tf1-bilinear": self.spatial,
        }


def outputs(pictures: Arrays, weights: Weights, dtype: torch.dtype) -> Arrays:
    """What the networks give for all pictures, one after the other."""
    networks = Networks(weights, dtype)
    with torch.no_grad():
        found = [networks.found(torch.from_numpy(planes(one))) for one in pictures.values()]
    return {name: torch.cat([one[name] for one in found]).numpy() for name in found[0]}


def resized(pictures: Arrays, dtype: torch.dtype) -> Arrays:
    """Some of the pixels that the network is given, before they are normalised; 0 to 255."""
    return {
        f"resized.{way}.{name}": resize(torch.from_numpy(planes(pictures[name])).to(dtype))[0]
        .permute(1, 2, 0)[::23, ::29]
        .numpy()
        for way, resize in RESIZES.items()
        for name in RESIZED
    }


def describe(found: Arrays) -> None:
    """How much features vary, from picture to picture and with the way of resizing."""
    pooled = {way: found[f"pooled.{way}"] for way in RESIZES}
    reference = pooled["tf1-bilinear"]
    print(f"inception    features: mean {reference.mean():.3g}, deviation {reference.std():.3g}")
    print(f"inception    between pictures: {np.abs(reference - reference.mean(axis=0)).mean():.2g}")
    for way, values in pooled.items():
        off = np.abs(values - reference).max(axis=1)
        print(f"inception    {way} against tf1-bilinear, by picture: {np.array2string(off, precision=2)}")


def inception_golden(folder: Path) -> None:
    stored = {name: picture(f"inception.{name}", *size) for name, size in SIZES.items()}
    half = picture("inception.large", LARGE[0] // 2, (LARGE[1] + 1) // 2)
    pictures = {**stored, "large": doubled(half)}
    weights = formula_weights()
    expected = {**outputs(pictures, weights, F64), **resized(pictures, F64)}
    single = {**outputs(pictures, weights, F32), **resized(pictures, F32)}
    for name, values in expected.items():
        report("inception", f"{name}, f32", values, single[name])
    describe(expected)
    for way in set(RESIZES) - {"tf1-bilinear"}:
        expected[f"pooled.{way}"] = expected[f"pooled.{way}"][:, ::SOME]
    arrays = {name: np.ascontiguousarray(values, np.float32) for name, values in expected.items()}
    checked = {f"weight.{name}": tensor(name, shape).flatten()[:8].numpy() for name, shape in CHECKED.items()}
    given = {**{f"picture.{name}": values for name, values in stored.items()}, "picture.large.half": half}
    save(folder, "metrics-inception", {**arrays, **checked, **given})
