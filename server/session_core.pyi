import asyncio
from typing import Any

from typing_extensions import disjoint_base

from acd_core.commands import Command
from acd_protocol.framing import LineReader
from server.access.identity import Identity
from server.outlet import Outlet
from server.pace import Pace
from server.sequencer_core import SequencerCore
from server.wall import Wall

@disjoint_base
class Cursor:
    cursor: int

@disjoint_base
class SessionCore(Outlet):
    name: str
    identity: Identity
    _transport: asyncio.Transport
    _lines: list[bytes]
    _index: int
    _unsent: int
    _errors_in_a_row: int
    _put_off: bool
    _stalled: bool
    _paused: bool
    _ended: bool
    _closing: bool
    _descriptor: int
    _walled: bool
    _paces: tuple[Pace, ...]
    @property
    def _free(self) -> frozenset[type[Command]]: ...
    def set_free(self, free: frozenset[type[Command]]) -> None: ...
    def set_wall(self, behind: Wall) -> None: ...
    @property
    def _sequencer(self) -> SequencerCore: ...
    @property
    def _reader(self) -> LineReader: ...
    @property
    def _following(self) -> Cursor: ...
    def __init__(
        self, sequencer: SequencerCore, reader: LineReader, following: Cursor, long_lines: set[Any]
    ) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def _read_lines(self, data: bytes) -> None: ...
    def run(self) -> None: ...
    def send(self, data: bytes) -> None: ...
