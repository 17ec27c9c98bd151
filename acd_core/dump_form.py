"""The form of a dump: an engine's whole state as named columns and lists, in MessagePack.

It is made of what the state means and of nothing that a memory layout would change: rows are named by their place, texts
and rules are written out. What a later release adds is absent in an earlier dump and has a default here, or in dump.pyx;
nothing is ever taken away or given another meaning under the same name. So each release reads the dumps of those
before it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from acd_core.config import Config, from_json
from acd_core.wishes import Wishes

VERSION = 1
"""Raised when an earlier release would misread a dump: it refuses one of a later version."""


class DumpError(Exception):
    """A dump that cannot be read; nothing can be said of the engine that was to be made of it."""


class Column(Struct, frozen=True, array_like=True, gc=False):
    """Numbers: the least one, and how far each is above it, in `width` bytes, little-endian."""

    least: int
    width: int
    data: bytes


class Shared(Struct, frozen=True, array_like=True):
    """A list in which values are repeated: the different ones, and which of them stands at each place."""

    values: list[Any]
    places: Column


class Dump(Struct, frozen=True, kw_only=True):
    """See the module.

    Attributes:
        words: names of the values that small numbers stand for, by kind; later releases add at the end only.
        config: JSON of the configuration.
        counters: single numbers.
        rows: how many there are, by table.
        columns: by table and field.
        lists: one value a row, by name.
        requirements: what contacts ask themselves, as texts; wishes: what they brought beside.
        places: values of single rows, by name and place of the row.
        pace_terms: what the contacts of each pace ask themselves.
        shares: how many contacts each group had of a queue, in the order of the configuration.
        turns: (queue, agent, number) of last offers, where offers go round.
        queues: of each, the supervisor's reason for closing it, and the cause and reason last told.
        calendars: of each, whether it is open, and its instants.
        ended: ids, reasons and clients of contacts that ended, the oldest first.
        last_agents: tenant, caller and agent, the oldest first.
        credits: tenant, caller, his wait, until when that is kept, and for how long, the oldest first.
        last_position, last_estimate: what the latest enqueue gave.
    """

    version: int
    words: dict[str, list[str]]
    config: bytes
    counters: dict[str, int]
    rows: dict[str, int]
    columns: dict[str, dict[str, Column]]
    lists: dict[str, list[Any]]
    clients: Shared
    requirements: Shared
    wishes: list[Wishes]
    wish_places: Column
    places: dict[str, dict[int, Any]]
    pace_terms: list[str]
    shares: list[int]
    turns: list[tuple[int, int, int]]
    queues: list[tuple[str | None, tuple[str, str] | None]]
    calendars: list[tuple[bool, list[int]]]
    ended: tuple[list[str], list[int], list[str]]
    last_agents: list[tuple[str, str, str]] = []
    credits: list[tuple[str, str, int, int, int]] = []
    last_position: int = 0
    last_estimate: tuple[int, int, int] | None = None


_as_json = msgspec.json.Encoder().encode
encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Dump).decode


def as_written(config: Config) -> bytes:
    """The JSON of a configuration; unlike the canonical one it keeps the order of names, which views show."""
    return _as_json(from_json(_as_json(config)))  # a number of seconds is a float then, wherever it came from


def decode(data: bytes) -> Dump:
    """Read a dump. Raises `DumpError`."""
    try:
        dump = _decode(data)
    except msgspec.DecodeError as error:
        raise DumpError(f"it cannot be read ({error})") from error
    if dump.version > VERSION:
        raise DumpError(f"it has version {dump.version}, this release reads up to {VERSION}")
    return dump
