"""Keys of a terminal: bytes in, names out, and the terminal as it was afterwards."""

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import AsyncIterator

ESCAPE_S = 0.05
"""An escape that nothing follows within this time is the Esc key and not the beginning of another."""

_SEQUENCES = {
    b"[A": "up",
    b"[B": "down",
    b"[C": "right",
    b"[D": "left",
    b"[H": "home",
    b"[F": "end",
    b"[1~": "home",
    b"[4~": "end",
    b"[5~": "page-up",
    b"[6~": "page-down",
    b"OA": "up",
    b"OB": "down",
    b"OC": "right",
    b"OD": "left",
    b"OH": "home",
    b"OF": "end",
}
_CONTROLS = {0x0D: "enter", 0x0A: "enter", 0x7F: "backspace", 0x08: "backspace", 0x03: "q", 0x09: "tab"}


class KeyReader:
    """Turns what a terminal sends into names of keys: a character stands for itself."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def waiting(self) -> bool:
        """Whether an escape has come that may be the beginning of a sequence."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[str]:
        """The keys in `data`; an unfinished sequence waits for more."""
        data = self._rest + data
        self._rest = b""
        keys = []
        while data:
            if data[:1] == b"\x1b":
                key, size = self._sequence(data)
                if not size:
                    self._rest = data
                    break
                if key:
                    keys.append(key)
            elif data[0] in _CONTROLS:
                keys.append(_CONTROLS[data[0]])
                size = 1
            else:
                size = _size(data[0])
                if len(data) < size:
                    self._rest = data
                    break
                text = data[:size].decode(errors="replace")
                if text.isprintable():
                    keys.append(text)
            data = data[size:]
        return keys

    def flush(self) -> list[str]:
        """What waits is all there is: an Esc key."""
        rest, self._rest = self._rest, b""
        return ["escape"] if rest[:1] == b"\x1b" else []

    @staticmethod
    def _sequence(data: bytes) -> tuple[str, int]:
        """Name and length of the sequence that `data` begins with; no length when it is not complete."""
        if len(data) < 2:
            return "", 0
        if data[1:2] not in {b"[", b"O"}:
            return "escape", 1
        for end in range(2, min(len(data), 8)):
            if 0x40 <= data[end] <= 0x7E:
                return _SEQUENCES.get(data[1 : end + 1], ""), end + 1
        return ("", 0) if len(data) < 8 else ("", len(data))


def _size(first: int) -> int:
    """Bytes of the UTF-8 character that begins with `first`."""
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4


@contextlib.asynccontextmanager
async def keyboard(fd: int) -> AsyncIterator["asyncio.Queue[str]"]:
    """A queue of the keys pressed at the terminal `fd`, which gives them one by one and without echo meanwhile."""
    loop = asyncio.get_running_loop()
    keys: asyncio.Queue[str] = asyncio.Queue()
    reader = KeyReader()
    timer: asyncio.TimerHandle | None = None

    def put(names: list[str]) -> None:
        for name in names:
            keys.put_nowait(name)

    def readable() -> None:
        nonlocal timer
        if timer is not None:
            timer.cancel()
            timer = None
        data = os.read(fd, 1024)
        if not data:
            loop.remove_reader(fd)
            keys.put_nowait("q")
        put(reader.feed(data))
        if reader.waiting:
            timer = loop.call_later(ESCAPE_S, lambda: put(reader.flush()))

    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    loop.add_reader(fd, readable)
    try:
        yield keys
    finally:
        loop.remove_reader(fd)
        if timer is not None:
            timer.cancel()
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
