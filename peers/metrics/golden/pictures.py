"""Pictures: waves and noise, from a name. They are stored, so nothing else needs to make them."""

import numpy as np

from .formula import hashed, uniform


def picture(name: str, height: int, width: int) -> np.ndarray:
    """u8 [height, width, 3]; brightness, contrast, colours and wavelengths differ from name to name."""
    level, swing, down, across, *phases = uniform(f"picture.{name}.wave", (7,))
    y, x, channel = np.mgrid[:height, :width, :3]
    turn = y * (0.2 + 0.15 * down) + x * (0.2 + 0.15 * across) + 3.0 * np.array(phases)[channel]
    wave = 128.0 + 60.0 * level + (70.0 + 30.0 * swing) * np.sin(turn)
    return mixed(wave, noise(name, wave.shape), 0.3)


def degraded(name: str, first: np.ndarray, amount: float) -> np.ndarray:
    """The same picture somewhat darker, shifted by a pixel in part, and noisier."""
    moved = np.roll(first, (1, 1), axis=(0, 1)).astype(np.float64)
    dull = 0.95 * ((1 - amount) * first + amount * moved)
    return mixed(dull, noise(f"{name}.degraded", first.shape), 0.5 * amount)


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Whole numbers from 0 to 255."""
    height, width, channels = shape
    return (hashed(f"picture.{name}", height * width * channels) >> 24).reshape(shape)


def mixed(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return ((1 - share) * one + share * other).clip(0, 255).astype(np.uint8)


def planes(picture: np.ndarray) -> np.ndarray:
    """[1, 3, height, width], as networks take it."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
