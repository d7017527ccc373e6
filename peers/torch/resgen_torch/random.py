"""Keyed random streams: every draw belongs to a stream named by (seed, purpose, index, step).

The four numbers, 8 little-endian bytes each, are the key of ChaCha8 with a block counter that starts at 0. A
real number consumes a fixed number of 64-bit words, so all numbers of a stream can be worked out at once.
"""

import numpy as np

SAMPLE = 6  # the component and the Gaussian noise of a drawn latent
CONFIDENCE = 7  # the Gumbel noise on the scores that choose which tokens are revealed

ROUNDS = 8
CONSTANTS = np.frombuffer(b"expand 32-byte k", dtype="<u4")
# The places that the quarter rounds of a double round mix: columns, then diagonals.
COLUMNS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
DIAGONALS = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]


class Stream:
    """The 64-bit words of one key, in order."""

    def __init__(self, seed: int, purpose: int, index: int, step: int):
        self.key = np.array([seed, purpose, index, step], dtype="<u8").view("<u4")  # [8]
        self.used = 0

    def words(self, count: int) -> np.ndarray:
        """The next `count` words, `[count]`."""
        first, last = self.used // 8, -(-(self.used + count) // 8)  # a block holds 8 words
        start = self.used - 8 * first
        self.used += count
        return chacha(self.key, first, last - first)[start : start + count]

    def uniform(self, count: int) -> np.ndarray:
        """Uniform in [0, 1): multiples of 2^-53."""
        return uniform(self.words(count))

    def normal(self) -> np.float32:
        """One standard normal number; its pair's other number is lost."""
        return self.fill_normal(2)[0]

    def fill_normal(self, count: int) -> np.ndarray:
        """Independent standard normal numbers by Box and Muller, both of every pair."""
        words = self.words(2 * -(-count // 2)).reshape(-1, 2)
        radius = np.sqrt(-2.0 * np.log(uniform_open(words[:, 0])))
        angle = 2.0 * np.pi * uniform(words[:, 1])
        pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return pairs.astype(np.float32).reshape(-1)[:count]

    def gumbel(self, count: int) -> np.ndarray:
        """Standard Gumbel numbers, -ln(-ln u)."""
        return (-np.log(-np.log(uniform_open(self.words(count))))).astype(np.float32)


def uniform(words: np.ndarray) -> np.ndarray:
    """Words to [0, 1)."""
    return (words >> np.uint64(11)) * 2.0**-53


def uniform_open(words: np.ndarray) -> np.ndarray:
    """Words to (0, 1): odd multiples of 2^-53, whose logarithms are finite and not zero."""
    return ((words >> np.uint64(12)) + 0.5) * 2.0**-52


def chacha(key: np.ndarray, first: int, count: int) -> np.ndarray:
    """Blocks `first` to `first + count` of a key's stream as 64-bit words, `[8·count]`."""
    counter = np.arange(first, first + count, dtype="<u8").view("<u4").reshape(count, 2)
    start = np.zeros((16, count), dtype=np.uint32)
    start[0:4] = CONSTANTS[:, None]
    start[4:12] = key[:, None]
    start[12:14] = counter.T
    state = start.copy()
    for _ in range(ROUNDS // 2):
        for places in COLUMNS + DIAGONALS:
            _quarter_round(state, *places)
    return np.ascontiguousarray((state + start).T).view("<u8").reshape(-1)


def _quarter_round(state: np.ndarray, a: int, b: int, c: int, d: int) -> None:
    for (into, other, turned), bits in zip([(a, b, d), (c, d, b)] * 2, [16, 12, 8, 7], strict=True):
        state[into] += state[other]
        mixed = state[turned] ^ state[into]
        state[turned] = (mixed << np.uint32(bits)) | (mixed >> np.uint32(32 - bits))
