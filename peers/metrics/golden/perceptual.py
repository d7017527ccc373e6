"""LPIPS on VGG16, weights by formula."""

import warnings
from pathlib import Path

import lpips
import torch

from .files import Arrays, report, save, scalar
from .formula import state, tensor
from .pictures import degraded, picture, planes

SIZES = {"64x64": (64, 64), "37x53": (37, 53)}


def formula_name(name: str) -> str:
    """torchvision's name of a trunk's tensor: `net.slice2.5.weight` is `features.5.weight`."""
    return "features." + name.split(".", 2)[2] if name.startswith("net.") else name


def network() -> lpips.LPIPS:
    """The package's network. Its heads are listed twice, as `lin0` and as `lins.0`: the same tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchvision's `pretrained`
        found = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False)
    kept = {name for name in found.state_dict() if name.startswith(("scaling_layer.", "lins."))}
    shapes = {name: tuple(values.shape) for name, values in found.state_dict().items() if name not in kept}
    weights = state({formula_name(name): shape for name, shape in shapes.items()})
    loaded = found.load_state_dict({name: weights[formula_name(name)] for name in shapes}, strict=False)
    assert set(loaded.missing_keys) == kept and not loaded.unexpected_keys, loaded
    return found


def perceptual_golden(folder: Path) -> None:
    single, double = network(), network().double()
    arrays: Arrays = {
        f"weight.{name}": tensor(name, shape).flatten()[:8].numpy()
        for name, shape in {"features.0.weight": (64, 3, 3, 3), "lin0.model.1.weight": (1, 64, 1, 1)}.items()
    }
    for name, size in SIZES.items():
        first = picture(f"perceptual.{name}", *size)
        second = degraded(f"perceptual.{name}", first, 0.5)
        given = [torch.from_numpy(planes(one)).double() / 127.5 - 1 for one in (first, second)]
        with torch.no_grad():
            expected, stages = double(*given, retPerLayer=True)
            other = single(*(one.float() for one in given))
        print(f"lpips        {name} by stage: {[round(stage.item(), 4) for stage in stages]}")
        arrays |= {f"first.{name}": first, f"second.{name}": second, f"lpips.{name}": scalar(expected.item())}
        report("lpips", f"lpips.{name}, f32", scalar(expected.item()), scalar(other.item()))
    save(folder, "metrics-lpips", arrays)
