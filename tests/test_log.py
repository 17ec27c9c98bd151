"""The log: readable on a terminal, JSON elsewhere, and no client can break a line."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from server import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def handlers_kept() -> Iterator[None]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    root.handlers[:] = kept
    root.setLevel(level)


def test_lines_for_a_terminal() -> None:
    stream = Terminal()
    log.configure(stream)
    log.note(logging.WARNING, "a client was cut off", client="pbx\n12:00 all is well", seq=7)
    (line,) = stream.getvalue().splitlines()
    assert "warning  a client was cut off (client='pbx\\n12:00 all is well', seq=7)" in line


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_json_elsewhere_or_on_demand(stream: io.StringIO) -> None:
    log.configure(stream, json=True)
    try:
        raise ZeroDivisionError("half\nway")
    except ZeroDivisionError:
        log.logger.exception("a command failed")
    log.note(logging.INFO, "serving", port=7410)
    failed, serving = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (failed["level"], failed["message"]) == ("error", "a command failed")
    assert "ZeroDivisionError" in failed["traceback"]
    assert serving["port"] == 7410
    assert serving["time"] > 1_500_000_000
