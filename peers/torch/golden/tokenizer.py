"""A tokenizer: encoder, quantizer and decoder, and their gradients through the quantizer."""

from pathlib import Path

import torch

from resgen_torch import files
from resgen_torch.rvq import quantize
from resgen_torch.tokenizer import Tokenizer, TokenizerConfig
from resgen_torch.train import L1, L2

from .common import F32, F64, Tensors, compare, prefixed, random_weights, save, stored

COMMITMENT = 0.25


def tokenizer_config() -> dict:
    """A small tokenizer, as a model file writes it."""
    codebook = {"decay": 0.99, "revive_below": 0.05, "depth_dropout": 0.3, "commitment": COMMITMENT}
    sizes = {"resolution": 16, "stem": 2, "channels": [8, 12], "blocks": 1, "latent": 5}
    books = {"vocabulary": 11, "depth": 3, "sharing": "separate"}
    return {**sizes, **books, "codebook": {**codebook, "kmeans_iterations": 10}}


def tokenizer_outputs(weights: Tensors, given: Tensors, dtype: torch.dtype) -> Tensors:
    """Codes, reconstructions, and the gradient of a training step."""
    tokenizer = Tokenizer.read(tokenizer_config(), weights, "").to(dtype)
    encoder, decoder = tokenizer.autoencoder.encoder, tokenizer.autoencoder.decoder
    pixels, kept = given["pixels"].to(dtype), given["kept"]
    latents = encoder(pixels)
    codes = tokenizer.encode(pixels)
    quantized = quantize(latents.flatten(0, 1), tokenizer.codebooks, kept)
    straight = quantized.latents.view_as(latents)
    error = decoder(straight) - pixels
    loss = L1 * error.abs().mean() + L2 * error.square().mean() + COMMITMENT * quantized.commitment
    loss.backward()
    found = {
        "latents": latents,
        "codes": codes,
        "decoded": tokenizer.decode(codes),
        "decoded.1": tokenizer.decode(codes[:, :, :1]),
        "straight": straight,
        "commitment": quantized.commitment,
        "loss": loss,
        **prefixed("gradient.", files.gradients(tokenizer.autoencoder)),
    }
    return {name: values.detach() for name, values in found.items()}


def tokenizer_golden(folder: Path, seed: int) -> None:
    """Encoder, quantizer and decoder, and their gradients through the quantizer."""
    config = TokenizerConfig.read(tokenizer_config())
    random = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([1.0, 0.5, 0.25])[:, None, None]
    vectors = sizes * torch.randn(config.depth, config.vocabulary, config.latent, generator=random)
    tokenizer = Tokenizer(config, vectors)
    random_weights(tokenizer.autoencoder, seed + 1)
    weights = {**prefixed("autoencoder.", files.weights(tokenizer.autoencoder)), "codebooks": vectors}
    given = {
        "pixels": 2 * torch.rand(2, 3, config.resolution, config.resolution, generator=random) - 1,
        "kept": torch.randint(1, config.depth + 1, (2 * config.positions, 1), generator=random),
    }
    expected = tokenizer_outputs(weights, given, F64)
    single = tokenizer_outputs(weights, given, F32)
    assert torch.equal(expected["codes"], single["codes"]), "the codes hang on a rounding: take another seed"
    expected = stored(expected)
    compare("tokenizer", expected, single)
    save(
        folder,
        "tokenizer",
        {**prefixed("weight.", weights), **given, **expected},
        {"config": tokenizer_config()},
    )
