"""Recorded calls, read from a CSV file whose rows may be broken.

One row is one call, with the columns of the "Anonymous Bank" data set: `line`, `call_id`, `customer`, `priority`
(0 and 1 ordinary, 2 high), `type`, `date`, then seconds since midnight or durations in whole seconds:
`vru_entry_s`, `vru_time_s`, `queue_start_s` (empty: never queued), `queue_time_s`, `outcome` (`AGENT` served,
`HANG` gave up, `PHANTOM` not a call), `service_start_s` (empty: not served), `service_time_s`, `server`.

A row that cannot be used becomes a `BadRow` with its line and the reason; reading goes on behind it.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct

COLUMNS = (
    "line",
    "call_id",
    "priority",
    "type",
    "date",
    "vru_entry_s",
    "vru_time_s",
    "queue_start_s",
    "queue_time_s",
    "outcome",
    "service_start_s",
    "service_time_s",
    "server",
)
"""The columns that must be there, in any order; others are ignored."""

SECONDS_MAX = 2 * 86_400
"""A time of day or duration beyond this is taken for a fault of the record."""

RecordedOutcome = Literal["served", "abandoned"]


class RecordError(Exception):
    """The file as a whole cannot be read as recorded calls; the message says why."""


class RecordedCall(Struct, frozen=True, kw_only=True):
    """A call that sought an agent.

    Attributes:
        row: its line in the file, from 1 for the heading.
        day: of the call, as `date.toordinal` counts.
        start_s: second of the day at which it sought an agent: when it entered the queue, or when it was
            answered if it never queued.
        queued: whether it entered the queue.
        wait_s: time in the queue; for an abandoned call the recorded patience.
        service_s: length of the conversation; 0 if there was none.
        server: who answered; empty when nobody did, or the record does not say.
    """

    row: int
    day: int
    start_s: int
    type: str
    high_priority: bool
    outcome: RecordedOutcome
    queued: bool
    wait_s: int
    service_s: int
    server: str


class BadRow(Struct, frozen=True):
    """A row that cannot be used: its line in the file, and why."""

    row: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.row}: {self.problem}"


class Record(Struct, frozen=True):
    """All that a file holds.

    Attributes:
        calls: those that sought an agent, by day and time.
        left_in_vru: calls given up in the voice menu, before they sought an agent.
        phantom: rows that the record itself marks as no calls.
        bad: rows that cannot be used.
    """

    calls: tuple[RecordedCall, ...]
    left_in_vru: int
    phantom: int
    bad: tuple[BadRow, ...]

    @property
    def rows(self) -> int:
        """All rows below the heading: every one is a call, left in the voice menu, phantom or bad."""
        return len(self.calls) + self.left_in_vru + self.phantom + len(self.bad)


class _RowError(ValueError):
    """Why one row cannot be used."""


def read(path: Path) -> Record:
    """Read a CSV file, gzipped if its first bytes say so.

    Raises:
        RecordError: the file cannot be opened, or lacks a column.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with (
            gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
            if packed
            else path.open(encoding="utf-8", errors="replace", newline="")
        ) as text:
            return _read(text, path)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror or error}") from error


def _read(text: IO[str], path: Path) -> Record:
    calls: list[RecordedCall] = []
    bad: list[BadRow] = []
    left_in_vru = phantom = 0
    heading: list[str] | None = None
    for row, fields in _rows(text):
        if isinstance(fields, BadRow):
            bad.append(fields)
        elif heading is None:
            heading = [name.strip().lstrip("\ufeff") for name in fields]
            missing = [name for name in COLUMNS if name not in heading]
            if missing:
                raise RecordError(
                    f"{path} is not a record of calls: its heading lacks {', '.join(missing)};"
                    " the first line must name the columns"
                )
        else:
            try:
                call = _call(row, heading, fields)
            except _RowError as problem:
                bad.append(BadRow(row, str(problem)))
                continue
            if isinstance(call, RecordedCall):
                calls.append(call)
            elif call == "phantom":
                phantom += 1
            else:
                left_in_vru += 1
    if heading is None:
        raise RecordError(f"{path} is empty; the first line must name the columns")
    calls.sort(key=lambda call: (call.day, call.start_s, call.row))
    return Record(tuple(calls), left_in_vru, phantom, tuple(bad))


def _rows(text: IO[str]) -> Iterator[tuple[int, list[str] | BadRow]]:
    """The lines of a CSV file that are not blank, with their numbers; what cannot be parsed as a `BadRow`."""
    reader = csv.reader(text)
    while True:
        row = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield row, BadRow(row, f"not a line of CSV: {error}")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield row, BadRow(row, f"the compressed file is damaged from here on: {error}")
            return
        else:
            if fields:
                yield row, fields


def _call(row: int, heading: list[str], fields: list[str]) -> RecordedCall | Literal["left_in_vru", "phantom"]:
    if len(fields) != len(heading):
        raise _RowError(f"{len(fields)} fields where the heading has {len(heading)}")
    value = dict(zip(heading, (field.strip() for field in fields), strict=True))
    outcome = value["outcome"]
    if outcome == "PHANTOM":
        return "phantom"
    if outcome not in {"AGENT", "HANG"}:
        raise _RowError(f"outcome is {outcome!r}; it must be AGENT, HANG or PHANTOM")
    queue_start = _seconds(value, "queue_start_s")
    if outcome == "HANG" and queue_start is None:
        return "left_in_vru"
    served = outcome == "AGENT"
    kind = value["type"]
    if not kind or len(kind) > 16 or not kind.isalnum():
        raise _RowError(f"type is {kind!r}; it must be a word of at most 16 letters and digits")
    priority = value["priority"]
    if priority not in {"0", "1", "2"}:
        raise _RowError(f"priority is {priority!r}; it must be 0, 1 or 2")
    return RecordedCall(
        row=row,
        day=_day(value["date"]),
        start_s=_start(value) if queue_start is None else queue_start,
        type=kind,
        high_priority=priority == "2",
        outcome="served" if served else "abandoned",
        queued=queue_start is not None,
        wait_s=0 if queue_start is None else _needed(value, "queue_time_s"),
        service_s=_needed(value, "service_time_s") if served else 0,
        server=_server(value["server"]) if served else "",
    )


def _start(value: dict[str, str]) -> int:
    """When a call that never queued sought an agent: when it was answered, else when it left the voice menu."""
    start = _seconds(value, "service_start_s")
    return _needed(value, "vru_entry_s") + _needed(value, "vru_time_s") if start is None else start


def _day(text: str) -> int:
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        raise _RowError(f"date is {text!r}; it must be like 1999-08-31") from None


def _server(text: str) -> str:
    if len(text) > 60:
        raise _RowError("server has more than 60 characters")
    return text


def _seconds(value: dict[str, str], column: str) -> int | None:
    text = value[column]
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > SECONDS_MAX:
        raise _RowError(f"{column} is {text[:20]!r}; it must be whole seconds from 0 to {SECONDS_MAX}")
    return int(text)


def _needed(value: dict[str, str], column: str) -> int:
    seconds = _seconds(value, column)
    if seconds is None:
        raise _RowError(f"{column} is empty")
    return seconds
