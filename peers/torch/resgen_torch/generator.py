"""A generator with its tokenizer, or a tokenizer alone, as one model file holds them."""

from dataclasses import dataclass

from . import files
from .model import Resgen, ResgenConfig
from .tokenizer import Tokenizer


@dataclass
class Generator:
    """What a file says, and its networks in f32 on the CPU."""

    header: dict
    model: Resgen
    tokenizer: Tokenizer


def load(path: str) -> Generator:
    """Reads a generator; a name that is missing, or one too many, is an error."""
    file = files.read(path)
    model = Resgen(ResgenConfig.read(file.header["model"]))
    files.load(model, file.tensors, "generator.")
    tokenizer = Tokenizer.read(file.header["tokenizer"], file.tensors, "tokenizer.")
    expected = ("generator.", "tokenizer.autoencoder.", "tokenizer.codebooks")
    unknown = [name for name in file.tensors if not name.startswith(expected)]
    if unknown:
        raise ValueError(f"{path}: unexpected tensors {unknown}")
    return Generator(file.header, model, tokenizer)


def load_tokenizer(path: str) -> Tokenizer:
    """The tokenizer of a tokenizer's or a generator's file."""
    file = files.read(path)
    is_alone = file.header["kind"] == "tokenizer"
    return Tokenizer.read(file.header["tokenizer"], file.tensors, "" if is_alone else "tokenizer.")
