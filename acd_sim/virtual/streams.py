"""Independent streams of random numbers, one for each purpose and thing.

A stream is known by words, such as `("patience", "acme/support")`, and by seed and replication. Two alternatives that
are run with equal seeds draw equal numbers for equal purposes, whatever else differs between them: common random
numbers. The k-th caller of a kind then comes with the same patience and the same length of talk in both.
"""

import hashlib

import numpy as np

NS_PER_S = 1_000_000_000


class Streams:
    """The streams of one replication.

    Args:
        seed: of the study, 0 or more.
        replication: its number in the study; replications are independent of each other.
    """

    def __init__(self, seed: int, replication: int = 0) -> None:
        if seed < 0 or replication < 0:
            raise ValueError("seed and replication are whole numbers from 0")
        self._entropy = (seed, replication)

    def stream(self, *words: str) -> np.random.Generator:
        """The stream of that name, from its beginning."""
        digest = hashlib.blake2b("\x1f".join(words).encode(), digest_size=16).digest()
        key = (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big"))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._entropy, spawn_key=key)))
