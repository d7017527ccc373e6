"""Writes small BigVGAN generators of random weights, and what the published code makes of spectrograms with them, for the Rust tests:
python make_golden.py CHECKOUT [folder].

All is worked out in f64 and stored as f32.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).parent / "../../crates/resgen-core/tests/golden/bigvgan"

# As the published v2 models, for spectrograms of speech at 16 kHz.
CLAMPED = {
    "resblock": "1",
    "learning_rate": 0.0001,
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 7],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 2]],
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
    "activation": "snakebeta",
    "snake_logscale": True,
    "num_mels": 80,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 16000,
    "fmin": 0,
    "fmax": None,
}
# All that may be otherwise; what ends it is left to the defaults, as in the configs of the first version.
BENT = {
    "resblock": "2",
    "upsample_rates": [3, 2],
    "upsample_kernel_sizes": [7, 2],
    "upsample_initial_channel": 12,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [2, 1]],
    "activation": "snake",
    "snake_logscale": False,
    "num_mels": 10,
    "n_fft": 64,
    "hop_size": 6,
    "win_size": 48,
    "sampling_rate": 8000,
    "fmin": 50,
    "fmax": 3500,
}


def generator(config: dict, seed: int, final_gain: float) -> torch.nn.Module:
    """A generator whose signals neither die away nor grow from layer to layer."""
    from bigvgan import BigVGAN
    from env import AttrDict

    model = BigVGAN(AttrDict(config))
    draw = torch.Generator().manual_seed(seed)
    normal = lambda like: torch.randn(like.shape, generator=draw)
    gains = {"conv_pre": 0.3, "conv_post": final_gain, "ups": 1.5, "resblocks": 0.6}
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            kind = name.rsplit(".", 1)[-1]
            if kind == "weight_g":
                tensor.copy_(gains[name.split(".")[0]] * (1 + 0.1 * normal(tensor)))
            elif kind == "weight_v":
                tensor.copy_(normal(tensor))
            elif kind in ("alpha", "beta"):
                tensor.copy_(0.4 * normal(tensor) if config["snake_logscale"] else 0.7 + normal(tensor).abs())
            else:
                tensor.copy_(0.1 * normal(tensor))
    return model.eval()


def spectrogram(config: dict, seed: int, frames: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return -4 + 2 * torch.randn(config["num_mels"], frames, generator=draw)


def newly_named(weights: dict) -> dict:
    """As torch.nn.utils.parametrizations.weight_norm calls them."""
    names = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    new = lambda name: ".".join([*name.split(".")[:-1], names.get(name.split(".")[-1], name.split(".")[-1])])
    return {new(name): tensor for name, tensor in weights.items()}


def stored(weights: dict) -> dict:
    return {name: tensor.float().contiguous() for name, tensor in weights.items()}


def with_config(folder: Path, config: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config) + "\n")
    return folder


def sound_of(model: torch.nn.Module, mel: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.double()(mel.double()[None])[0, 0]


def activations(seed: int) -> dict:
    """One activation alone: seven channels, loud enough to go round several times."""
    from activations import SnakeBeta
    from alias_free_activation.torch.act import Activation1d

    draw = torch.Generator().manual_seed(seed)
    x = 5 * torch.randn(7, 23, generator=draw)
    snake = SnakeBeta(7, alpha_logscale=True)
    with torch.no_grad():
        snake.alpha.copy_(torch.randn(7, generator=draw))
        snake.beta.copy_(torch.randn(7, generator=draw))
        layer = Activation1d(snake).double()
        out = layer(x.double()[None])[0]
    parts = {"in": x.T, "out": out.T, "alpha": snake.alpha, "beta": snake.beta, "filter": layer.upsample.filter.flatten()}
    return {f"activation.{name}": tensor for name, tensor in parts.items()}


def main() -> None:
    checkout = sys.argv[1]
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else GOLDEN
    sys.path.insert(0, checkout)
    torch.set_num_threads(1)

    golden = activations(1)
    model = generator(CLAMPED, 2, 0.4)
    weights = stored(model.state_dict())
    clamped = with_config(folder / "clamped", CLAMPED)
    torch.save({"generator": weights}, clamped / "bigvgan_generator.pt")
    save_file(weights, clamped / "weights.safetensors")
    golden["clamped.mel"] = spectrogram(CLAMPED, 3, 6)
    golden["clamped.sound"] = sound_of(model, golden["clamped.mel"])
    model.remove_weight_norm()
    save_file(stored(model.state_dict()), clamped / "folded.safetensors")

    model = generator(BENT, 4, 0.5)
    save_file(newly_named(stored(model.state_dict())), with_config(folder / "bent", BENT) / "weights.safetensors")
    golden["bent.mel"] = spectrogram(BENT, 5, 9)
    golden["bent.sound"] = sound_of(model, golden["bent.mel"])

    golden["clamped.mel"], golden["bent.mel"] = golden["clamped.mel"].T, golden["bent.mel"].T
    save_file(stored({name: tensor.detach() for name, tensor in golden.items()}), folder / "golden.safetensors")
    for name in ("clamped.sound", "bent.sound"):
        sound = golden[name]
        print(f"{name}: {len(sound)} samples, deviation {sound.std():.3f}, {int((sound.abs() >= 1).sum())} at the limit")


if __name__ == "__main__":
    main()
