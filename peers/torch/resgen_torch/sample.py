"""Draws pictures from a model file into one PNG: a row a class.

python -m resgen_torch.sample model.safetensors --class upper_A --class digit_4 --count 8 --out grid.png
"""

import argparse

import torch
from torchvision.utils import save_image

from . import generator
from .mode import Mode
from .noise import DeviceNoise, KeyedNoise
from .sampler import Preset, Sampler


def main() -> None:
    options = parse()
    device = torch.device(options.device)
    loaded = generator.load(options.model)
    names = loaded.header["classes"]
    chosen = names if options.classes == ["all"] else options.classes
    classes = [names.index(name) if name in names else int(name) for name in chosen]
    classes = [label for label in classes for _ in range(options.count)]
    model, tokenizer = loaded.model.to(device), loaded.tokenizer.to(device).eval()
    preset = Preset.read(loaded.header["preset"])
    preset.steps = options.steps or preset.steps
    preset.guidance = preset.guidance if options.guidance is None else options.guidance
    sampler = Sampler(model, tokenizer.codebooks, preset, Mode(options.dtype))
    if options.noise == "keyed":
        noise = KeyedNoise(len(classes), sampler.shape, device, torch.float32, options.seed)
    else:
        noise = DeviceNoise(len(classes), sampler.shape, device, options.seed)
    codes = sampler.sample(classes, noise)
    with torch.inference_mode():
        pixels = tokenizer.decode(codes).clamp(-1, 1)
    save_image(pixels, options.out, nrow=options.count, normalize=True, value_range=(-1, 1), padding=4)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument(
        "--class", dest="classes", action="append", required=True, help="a name, a number or all"
    )
    parser.add_argument("--count", type=int, default=1, help="samples of each class")
    parser.add_argument("--out", required=True, help="the PNG file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="default: the model's own preset")
    parser.add_argument("--guidance", type=float, help="default: the model's own preset")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument(
        "--noise", choices=["keyed", "device"], default="keyed", help="keyed repeats on any device"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
