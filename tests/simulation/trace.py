"""A fingerprint of everything that was seen, to tell whether a seed replays exactly; and, if asked for, its text."""

import hashlib

from tests.simulation.loop import NS, SimLoop


class Trace:
    """See the module.

    Args:
        lines: where to keep the text as well.
    """

    def __init__(self, loop: SimLoop, lines: list[str] | None = None) -> None:
        self._loop = loop
        self._hash = hashlib.blake2b(digest_size=16)
        self._lines = lines

    def note(self, *words: object) -> None:
        """Something happened now."""
        line = f"{self._loop.now_ns / NS:12.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode())
        if self._lines is not None:
            self._lines.append(line)

    def digest(self) -> str:
        """Of all that was noted."""
        return self._hash.hexdigest()
