"""Writes what librosa, torch, pyloudnorm and libsndfile make of a short sound, for the Rust tests: python make_golden.py [folder].

The sound is half a second of a buzz with a moving pitch and some noise, 24,000 samples a second.
"""

import sys
from pathlib import Path

import librosa
import numpy as np
import pyloudnorm
import soundfile
import torch
from safetensors.numpy import save_file

TESTS = Path(__file__).parent / "../../crates/resgen-core/tests"
RATE = 24_000


def sound() -> np.ndarray:
    seconds = np.arange(RATE // 2) / RATE
    phase = np.cumsum(180 + 60 * np.sin(9 * seconds)) / RATE
    buzz = sum(np.sin(2 * np.pi * phase * n) / n for n in range(1, 25))
    envelope = np.minimum(1, 8 * seconds) * np.exp(-seconds)
    noise = np.random.default_rng(7).normal(size=len(seconds))
    return (0.2 * envelope * buzz + 0.003 * noise).astype(np.float32)


def bigvgan_mel(samples: np.ndarray, rate: int, bins: int, highest: float) -> np.ndarray:
    """As the published vocoder's own code reads its training data: reflected by half of what a transform is longer than a hop."""
    size, hop = 1024, 256
    filters = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=size, n_mels=bins, fmin=0, fmax=highest))
    padded = torch.nn.functional.pad(torch.from_numpy(samples)[None, None], ((size - hop) // 2,) * 2, mode="reflect")[0]
    spectrum = torch.stft(padded, size, hop, window=torch.hann_window(size), center=False, return_complex=True)[0]
    magnitude = torch.sqrt(spectrum.abs() ** 2 + 1e-9)
    return torch.log(torch.clamp(filters @ magnitude, min=1e-5)).numpy().T


def vocos_mel(samples: np.ndarray) -> np.ndarray:
    """What torchaudio's MelSpectrogram is by its documentation: HTK's scale, no norm, centred frames."""
    filters = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=100, fmin=0, fmax=RATE / 2, htk=True, norm=None))
    spectrum = torch.stft(torch.from_numpy(samples), 1024, 256, window=torch.hann_window(1024), center=True, return_complex=True)
    return torch.log(torch.clip(filters @ spectrum.abs(), min=1e-7)).numpy().T


def librosa_mel(samples: np.ndarray) -> np.ndarray:
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=512, win_length=400, hop_length=160, n_mels=40, pad_mode="reflect")
    return np.log(np.maximum(mel, 1e-10)).T


def golden(folder: Path) -> None:
    samples = sound()
    options = {"n_fft": 512, "win_length": 400, "hop_length": 160}
    spectrum = librosa.stft(samples, pad_mode="reflect", **options)
    part = np.abs(spectrum)[:, :60]
    phases_of_one = {"init": None, "n_iter": 8, "momentum": 0.99, "length": 59 * 160, "pad_mode": "reflect"}
    tensors = {
        "samples": samples,
        "stft.re": spectrum.real.T,
        "stft.im": spectrum.imag.T,
        "istft": librosa.istft(spectrum[:, 10:50], length=39 * 160, **options),
        "magnitudes": part.T,
        "griffin-lim": librosa.griffinlim(part, **phases_of_one, **options),
        "filters.slaney": librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40),
        "filters.htk": librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40, htk=True, norm=None),
        "mel.librosa": librosa_mel(samples),
        "mel.bigvgan-24": bigvgan_mel(samples, RATE, 100, 12_000),
        "mel.bigvgan-22": bigvgan_mel(samples, 22_050, 80, 8_000),
        "mel.vocos": vocos_mel(samples),
        "loudness": np.array([pyloudnorm.Meter(RATE, block_size=0.4).integrated_loudness(samples.astype(np.float64))], np.float32),
    }
    save_file({name: np.ascontiguousarray(values, np.float32) for name, values in tensors.items()}, folder / "sound.safetensors")


def formats(folder: Path) -> None:
    """A fifth of a second of 440 Hz on the left, silence on the right, in every format that is read and not written."""
    left = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8_820) / 44_100)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    folder.mkdir(exist_ok=True)
    for name, subtype in [("tone-u8.wav", "PCM_U8"), ("tone-24.wav", "PCM_24"), ("tone-float.wav", "FLOAT"), ("tone-24.flac", "PCM_24")]:
        soundfile.write(folder / name, both, 44_100, subtype=subtype)
    soundfile.write(folder / "tone.ogg", both, 44_100, format="OGG", subtype="VORBIS")
    soundfile.write(folder / "tone.mp3", both, 44_100, format="MP3", subtype="MPEG_LAYER_III")


def main() -> None:
    tests = Path(sys.argv[1]) if len(sys.argv) > 1 else TESTS
    torch.set_num_threads(1)
    golden(tests / "golden")
    formats(tests / "data/sound")


if __name__ == "__main__":
    main()
