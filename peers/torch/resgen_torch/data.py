"""Pictures from a folder, cropped as ADM does it."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torchvision.datasets import ImageFolder


class CropAndFlip:
    """The middle square at `size`×`size`, mirrored for one picture in two: `[3, size, size]` bytes."""

    def __init__(self, size: int):
        self.size = size

    def __call__(self, picture: Image.Image) -> Tensor:
        pixels = np.asarray(center_crop(picture, self.size)).transpose(2, 0, 1)
        if torch.rand(()) < 0.5:
            pixels = pixels[:, :, ::-1]
        return torch.from_numpy(np.ascontiguousarray(pixels))


def center_crop(picture: Image.Image, size: int) -> Image.Image:
    """Halved by averaging while twice too large, then resized (bicubic) by the shorter side, then cut."""
    while min(picture.size) >= 2 * size:
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
    scale = size / min(picture.size)
    shrunk = (round(picture.width * scale), round(picture.height * scale))
    picture = picture.resize(shrunk, Image.Resampling.BICUBIC)
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return picture.crop((left, top, left + size, top + size))


def normalised(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """A batch of pictures in [-1, 1], and their classes; a worker makes it."""
    pixels = torch.stack([picture for picture, _ in samples])
    return pixels.float().div_(127.5).sub_(1.0), torch.tensor([label for _, label in samples])


class EndlessBatches(Sampler):
    """Places of pictures in batches that run on across the ends of epochs, each epoch in another order."""

    def __init__(self, pictures: int, batch: int):
        self.pictures, self.batch = pictures, batch

    def __iter__(self) -> Iterator[list[int]]:
        epochs = (torch.randperm(self.pictures).tolist() for _ in itertools.count())
        places = itertools.chain.from_iterable(epochs)
        while True:
            yield list(itertools.islice(places, self.batch))


def loader(folder: str, size: int, batch: int, workers: int) -> DataLoader:
    """Endless shuffled batches."""
    pictures = ImageFolder(folder, CropAndFlip(size))
    return DataLoader(
        pictures,
        batch_sampler=EndlessBatches(len(pictures), batch),
        num_workers=workers,
        collate_fn=normalised,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
    )
