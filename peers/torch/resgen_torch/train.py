"""Training steps of a generator and of a tokenizer, with everything random passed in.

Shape legend: B pictures, L positions, D depth, H latent width, S side of a picture, N = B·L.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .mode import Mode
from .model import Resgen
from .rvq import CodebookLearner, Codebooks, Quantized, quantize
from .tokenizer import Tokenizer
from .weights import OptimizerConfig, Weights

L1, L2 = 0.5, 1.0  # weights of the reconstruction losses


class GeneratorTrainer:
    """A generator in training; the codebooks stay as they are."""

    def __init__(self, model: Resgen, books: Codebooks, config: OptimizerConfig, mode: Mode):
        self.model, self.books, self.mode = model.train(), books, mode
        self.weights = Weights(model, config)
        self.compiled_loss = mode.compiled(self.loss)

    def step(
        self, codes: Tensor, masked: Tensor, labels: Tensor, noise: Tensor, learning_rate: float
    ) -> Tensor:
        """One update; returns the loss, []."""
        with self.mode.autocast(codes.device):
            loss = self.compiled_loss(codes, masked, labels, noise)
        loss.backward()
        self.weights.update(learning_rate)
        return loss.detach()

    def loss(self, codes: Tensor, masked: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        """Codes [B, L, D], masked codes per position [B, L], labels [B], noise on the targets [N, H] → []."""
        visible, target = self.embeddings(codes, masked)
        out = self.model(visible, masked, labels)
        # The density is worked out in f32.
        with torch.autocast(codes.device.type, enabled=False):
            weight = (masked.flatten() > 0).to(target.dtype)
            kind = self.model.config.head.loss
            return self.model.head.loss(out, target + noise, weight, kind)

    def embeddings(self, codes: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled embeddings of what is visible [B, L, H] and of what is masked [N, H]."""
        first = (self.books.depth - masked).view(-1, 1)  # [N, 1], number of visible codes
        visible, target = self.books.split_embedding(codes.flatten(0, 1), first)
        scales = self.model.scales
        return (visible / scales[-1]).view(*masked.shape, -1), target / scales[masked].view(-1, 1)


class TokenizerTrainer:
    """A tokenizer in training: gradients move the networks, averages the codebooks."""

    def __init__(self, tokenizer: Tokenizer, config: OptimizerConfig, mode: Mode):
        self.tokenizer, self.mode = mode.laid_out(tokenizer).train(), mode
        self.weights = Weights(tokenizer.autoencoder, config)
        self.learner = CodebookLearner(tokenizer.codebooks, tokenizer.config.codebook)
        self.compiled_loss = mode.compiled(self.loss)

    def step(self, pixels: Tensor, kept: Tensor, learning_rate: float) -> Tensor:
        """One update of networks and codebooks; returns the loss, []."""
        with self.mode.autocast(pixels.device):
            loss, quantized = self.compiled_loss(pixels, kept)
        loss.backward()
        self.weights.update(learning_rate)
        self.learner.learn(quantized)
        return loss.detach()

    def loss(self, pixels: Tensor, kept: Tensor) -> tuple[Tensor, Quantized]:
        """Pixels [B, 3, S, S], depths that rows are decoded with [N, 1] → [] and what the quantizer saw."""
        encoder, decoder = self.tokenizer.autoencoder.encoder, self.tokenizer.autoencoder.decoder
        latents = encoder(pixels)  # [B, L, H]
        with torch.autocast(pixels.device.type, enabled=False):
            rows = latents.flatten(0, 1).to(self.tokenizer.codebooks.vectors.dtype)
            quantized = quantize(rows, self.tokenizer.codebooks, kept)
        reconstruction = decoder(quantized.latents.view_as(latents)).to(pixels.dtype)
        reconstructed = L1 * F.l1_loss(reconstruction, pixels) + L2 * F.mse_loss(reconstruction, pixels)
        commitment = self.tokenizer.config.codebook.commitment * quantized.commitment
        return reconstructed + commitment, quantized._replace(latents=quantized.latents.detach())
