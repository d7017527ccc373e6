"""What both checks share: small pictures, small configs, and a way to run the program."""

import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import tempfile
import zlib

CLASSES = ("blue", "green", "red")
GIB = 1 << 30


# Pictures


def png(width, height, rgb):
    """A PNG file of `rgb`, the bytes of an RGB picture row by row."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + rgb[row * width * 3 : (row + 1) * width * 3] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def png_is_whole(data):
    """Whether every chunk of a PNG file has its checksum, and its pixels are as many as it says."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return False
    at, pixels, size, end = 8, b"", None, False
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != struct.pack(">I", zlib.crc32(body)):
            return False
        if body[:4] == b"IHDR":
            size = struct.unpack(">II", body[4:12])
        pixels += body[4:] if body[:4] == b"IDAT" else b""
        end = body[:4] == b"IEND"
        at += 12 + length
    try:
        return end and len(zlib.decompress(pixels)) == size[1] * (size[0] * 3 + 1)
    except zlib.error:
        return False


def rectangle(rng, kind, side=16):
    """A rectangle on a dark ground; the class decides the colour that leads."""
    ground = bytes(rng.randrange(40) for _ in range(3))
    colour = [rng.randrange(80) for _ in range(3)]
    colour[2 - kind] = 200 + rng.randrange(56)
    left, top = rng.randrange(side // 2), rng.randrange(side // 2)
    right, bottom = left + rng.randrange(3, side // 2), top + rng.randrange(3, side // 2)
    rgb = bytearray()
    for y in range(side):
        for x in range(side):
            rgb += bytes(colour) if left <= x < right and top <= y < bottom else ground
    return bytes(rgb)


def pictures(folder, count, seed=1, side=16):
    """`count` pictures of each class in sub-folders of `folder`."""
    rng = random.Random(seed)
    for kind, name in enumerate(CLASSES):
        place = pathlib.Path(folder, name)
        place.mkdir(parents=True)
        for index in range(count):
            (place / f"{index:05}.png").write_bytes(png(side, side, rectangle(rng, kind, side)))


def jpeg(rng, blocks=3):
    """A baseline JPEG file of `blocks` x `blocks` blocks, each with a few coefficients.

    All codes of its Huffman tables have one length, 4 bits for DC and 5 for AC, so that no table of the
    standard is needed.
    """
    dc = list(range(9))
    ac = [0x00] + [run << 4 | size for run in (0, 1) for size in range(1, 7)]
    bits = []

    def put(value, length):
        bits.extend(value >> place & 1 for place in reversed(range(length)))

    def number(value):
        size = abs(value).bit_length()
        return size, value if value > 0 else value + (1 << size) - 1

    last = [0, 0, 0]
    for _ in range(blocks * blocks):
        for component in range(3):
            level = rng.randrange(-60, 60)
            size, code = number(level - last[component])
            last[component] = level
            put(dc.index(size), 4)
            put(code, size)
            for _ in range(rng.randrange(6)):
                size, code = number(rng.choice([-20, -7, -3, -1, 1, 2, 5, 15]))
                put(ac.index(rng.randrange(2) << 4 | size), 5)
                put(code, size)
            put(0, 5)
    bits += [1] * (-len(bits) % 8)
    data = bytes(int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8))

    def segment(mark, body):
        return bytes([0xFF, mark]) + struct.pack(">H", len(body) + 2) + bytes(body)

    def huffman(target, symbols, length):
        counts = [len(symbols) if place == length else 0 for place in range(1, 17)]
        return segment(0xC4, bytes([target, *counts, *symbols]))

    side = struct.pack(">HH", 8 * blocks, 8 * blocks)
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
        + segment(0xDB, bytes([0] + [8] * 64))
        + segment(0xC0, b"\x08" + side + b"\3" + b"\1\x11\0\2\x11\0\3\x11\0")
        + huffman(0x00, dc, 4)
        + huffman(0x10, ac, 5)
        + segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0")
        + data.replace(b"\xff", b"\xff\0")
        + b"\xff\xd9"
    )


# Configs


def tokenizer_config(data, steps, checkpoint_every, preview_every, quantize_from, keep=2):
    """The TOML of a tokenizer of 4 x 4 positions, 2 codes each."""
    return f"""licence = "none"

[data]
train = "{data}"
heldout = "{data}"

[tokenizer]
resolution = 16
stem = 2
channels = [8, 8]
blocks = 1
latent = 4
vocabulary = 8
depth = 2

[losses]
quantize_from = {quantize_from}

[train]
steps = {steps}
batch = 8
micro_batches = 2
checkpoint_every = {checkpoint_every}
preview_every = {preview_every}
keep = {keep}
rate = {{ peak = 1e-3, warmup = 5 }}
"""


def generator_config(cache, tokenizer, steps, checkpoint_every, preview_every, keep=2):
    """The TOML of a generator of one block."""
    return f"""licence = "none"

[codes]
cache = "{cache}"
tokenizer = "{tokenizer}"

[model]
kind = "resgen"
trunk = {{ width = 32, layers = 1, heads = 2 }}
head = {{ components = 4, rank = 2, scale = "vector", loss = "nll" }}

[sample]
steps = 8

[train]
steps = {steps}
batch = 8
micro_batches = 2
checkpoint_every = {checkpoint_every}
preview_every = {preview_every}
keep = {keep}
rate = {{ peak = 1e-3, warmup = 5 }}
"""


# Models

# What differs where all that two files say is the same.
ORDER = "the order of what its header says"


def safetensors(path):
    """The header of a safetensors file, parsed, and the bytes of each tensor."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", None)
    body = data[8 + length :]
    return metadata, {
        name: (about["dtype"], about["shape"], body[slice(*about["data_offsets"])]) for name, about in header.items()
    }


def differing_tensors(first, second):
    """What two safetensors files differ in, in words; empty where they are the same byte for byte."""
    if pathlib.Path(first).read_bytes() == pathlib.Path(second).read_bytes():
        return []
    (header_a, a), (header_b, b) = safetensors(first), safetensors(second)
    found = ["the header"] if header_a != header_b else []
    found += [f"tensor {name}" for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
    return found or [ORDER]


# Running


class Program:
    """The program under check, run with low priority so that it disturbs nobody."""

    def __init__(self, path, folder, threads=1, memory=8 * GIB):
        self.path = str(pathlib.Path(path).resolve())
        self.folder, self.threads, self.memory = folder, threads, memory

    def _options(self, arguments):
        def lower():
            os.nice(19)
            # A wrong size in a file must not take the machine's memory.
            resource.setrlimit(resource.RLIMIT_AS, (self.memory, self.memory))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        words = [self.path, *map(str, arguments), "--threads", str(self.threads)]
        environment = {**os.environ, "RUST_BACKTRACE": "0"}
        return dict(args=words, cwd=self.folder, preexec_fn=lower, env=environment, stdin=subprocess.DEVNULL)

    def start(self, *arguments, log):
        """Starts a command whose output goes to the open file `log`."""
        return subprocess.Popen(**self._options(arguments), stdout=log, stderr=log)

    def run(self, *arguments, timeout=None):
        """(exit status, stdout, stderr); the status is None after `timeout` seconds."""
        try:
            done = subprocess.run(**self._options(arguments), capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            return None, error.stdout or b"", (error.stderr or b"").decode(errors="replace")
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def must(self, *arguments):
        """Runs a command that has to succeed."""
        status, out, err = self.run(*arguments)
        if status != 0:
            raise SystemExit(f"{' '.join(map(str, arguments))} ended with {status}:\n{err}")
        return out


def default_program():
    return pathlib.Path(__file__).resolve().parents[2] / "target/release/resgen"


def scratch(asked):
    """The folder to work in: the one asked for, which must be empty, or a temporary one."""
    if asked is None:
        return pathlib.Path(tempfile.mkdtemp(prefix="resgen-check-"))
    asked.mkdir(parents=True, exist_ok=True)
    if any(asked.iterdir()):
        raise SystemExit(f"{asked} is not empty")
    return asked.resolve()
