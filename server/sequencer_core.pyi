import asyncio
from collections import deque
from typing import Any

from typing_extensions import disjoint_base

from acd_core import Machine
from acd_core.commands import Command
from server.clock import Clock
from server.config import Limits
from server.counters import Counters
from server.journal.records import Tick
from server.journal.writer import JournalWriter
from server.router import Router

__pyx_capi__: dict[str, object]
LINE_NS: int

def apply_command(machine: Machine, command: Command, now: int, client: str) -> int: ...
def replay_lines(machine: Machine, away: set[str], now: int, lines: list[tuple[str, bytes]]) -> int: ...
def note_presence(away: set[str], command: Command, client: str) -> None: ...

@disjoint_base
class SequencerCore:
    machine: Machine
    clock: Clock
    away: set[str]
    state: str
    budget: int
    congested: bool
    read_only: bool
    commands_journaled: int
    _now: int
    _commands: list[tuple[str, bytes]]
    _ticks: list[Tick]
    _tick_bytes: int
    _tick_commands: int
    _outputs: list[Any]
    _in_flight: list[tuple[Any, bytes]] | None
    _deferred: deque[Any]
    _turn_scheduled: bool
    _timer: asyncio.TimerHandle | None
    _timer_deadline: int
    _behind: bool
    _loop: asyncio.AbstractEventLoop
    _writer: JournalWriter | None
    _idle: asyncio.Event
    @property
    def router(self) -> Router: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def limits(self) -> Limits: ...
    def __init__(self, machine: Machine, clock: Clock, router: Router, counters: Counters, limits: Limits) -> None: ...
    def execute(self, client: str, line: bytes, command: Command) -> int: ...
    def send(self, output: Any, data: bytes) -> None: ...
    def _stopped_by(self, error: Exception) -> int: ...
    def hand_out_events(self) -> None: ...
    def _need_turn(self) -> None: ...
    def _open_tick(self) -> None: ...
    def _close_tick(self) -> None: ...
    def _end_turn(self) -> None: ...
    def _arm(self) -> None: ...
    def _durable(self, flush_ns: int) -> None: ...
