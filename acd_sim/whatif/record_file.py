"""Finds out what kind of record a file is, and reads it."""

import gzip
from pathlib import Path
from typing import Literal

from acd_protocol.journal_file import is_file_of_one, read_copy
from acd_sim import recorded_calls
from acd_sim.whatif import from_calls, from_journal, from_queue_log
from acd_sim.whatif.past import Past, PastError

Source = Literal["journal", "calls", "queue_log"]


def source_of(path: Path) -> Source:
    """What a path holds: a directory with a journal, recorded calls as CSV, or Asterisk's queue_log.

    Raises:
        PastError: it is not there, or is none of these.
    """
    if path.is_dir() or is_file_of_one(path):
        return "journal"
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as unpacked:
                head = unpacked.read(4096)
    except (OSError, EOFError) as error:
        raise PastError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    first = head.split(b"\n", 1)[0]
    if b"call_id" in first:
        return "calls"
    if first.count(b"|") >= 4:
        return "queue_log"
    raise PastError(
        f"{path} is no record that can be replayed: give a server's data directory, recorded calls as CSV with a "
        "heading, or a queue_log of Asterisk"
    )


def read(path: Path, source: Source | None = None, days: int = 0) -> Past:
    """The past that a path holds; of recorded calls the first `days` only, if not 0.

    Raises:
        PastError: it is no record that can be replayed, or an empty one.
        UnreadableJournal, DamagedRecord: see `acd_protocol.journal_file.read_copy`.
        RecordError: see `acd_sim.recorded_calls.read`.
    """
    source = source or source_of(path)
    if days and source != "calls":
        raise PastError("only recorded calls can be limited to their first days")
    if source == "journal":
        directory = path.parent if is_file_of_one(path) else path
        return from_journal.read(read_copy(directory), str(path))
    if source == "calls":
        return from_calls.read(recorded_calls.read(path), str(path), days)
    return from_queue_log.read(path)
