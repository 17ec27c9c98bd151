"""The file of the queue_log: appended to, and right again after a crash.

Beside the file lies `FILE.state`: the translator's memory and the size that the file had then. It is written a moment
after the lines. After a crash the engine sends the events since then once more; their lines are made once more, and
those that are in the file already are not written again. They are compared without their data, since what was known of
a caller may be known no more.
"""

import asyncio
import logging
import os
from collections import deque
from pathlib import Path

import msgspec
from msgspec import Struct

from acd_pbx.asterisk.queue_log import Memory, start_line

_log = logging.getLogger(__name__)

SAVE_AFTER_S = 0.2


class _State(Struct):
    size: int
    memory: Memory


class QueueLogFile:
    """Lines go to `path`; `memory` is that of the earlier life, to be given to a `QueueLog`.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state_path = path.with_name(path.name + ".state")
        self.memory = Memory()
        size = 0
        try:
            state = msgspec.json.decode(self._state_path.read_bytes(), type=_State)
            self.memory, size = state.memory, state.size
        except FileNotFoundError:
            pass
        except msgspec.DecodeError as damage:
            _log.warning("%s cannot be read and is begun anew: %s", self._state_path, damage)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        there = path.read_bytes()[size:]
        if there and not there.endswith(b"\n"):
            # The crash came in the middle of a line.
            os.truncate(path, size + there.rfind(b"\n") + 1)
            there = there[: there.rfind(b"\n") + 1]
        self._again = deque(there.splitlines())
        self._new = size == 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, lines: list[str], at: int) -> None:
        """Append lines of the engine time `at`, but for those that are there already; save soon."""
        data = []
        if lines and self._file.tell() == 0:
            data.append(start_line(at).encode())
        for line in lines:
            encoded = line.encode()
            if self._again and _same(self._again[0], encoded):
                self._again.popleft()
            else:
                data.append(encoded)
        if data:
            self._file.write(b"\n".join([*data, b""]))
            self._file.flush()
        if self._new and data:
            self._new = False
            self.save()  # from now on a crash knows where to go on
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SAVE_AFTER_S, self.save)

    def save(self) -> None:
        """Write the state."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        aside = self._state_path.with_name(self._state_path.name + ".new")
        aside.write_bytes(msgspec.json.encode(_State(self._file.tell(), self.memory)))
        aside.replace(self._state_path)

    def close(self) -> None:
        """Save, and close."""
        self.save()
        self._file.close()


def _same(line: bytes, other: bytes) -> bool:
    """Whether two lines agree in time, call, queue, agent and event."""
    *place, event = line.split(b"|", 5)[:5]
    *other_place, other_event = other.split(b"|", 5)[:5]
    return place == other_place and _PLAIN.get(event, event) == _PLAIN.get(other_event, other_event)


_PLAIN = {b"EXITWITHKEY": b"WITHDRAW", b"ATTENDEDTRANSFER": b"BLINDTRANSFER"}
"""What an event becomes when it is not known any more what was known of the caller."""
