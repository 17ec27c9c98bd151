from collections.abc import Callable
from typing import Any, final

from acd_core import Config, Engine
from acd_sim.load.histogram import Histogram

OPERATIONS: tuple[str, ...]
START_NS: int
CLIENT: str

@final
class Traffic:
    assigned: int
    commands: int
    def __init__(
        self,
        config: Config,
        agents: list[str],
        kinds: list[Any],
        *,
        waiting: int = 0,
        step_ns: int = 1_000_000,
        traced: bool = False,
        seed: int = 1,
        eventful: bool = False,
        called_back: bool = False,
    ) -> None: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def waiting_now(self) -> int: ...
    @property
    def digest(self) -> int: ...
    @property
    def events(self) -> int: ...
    def trace(self) -> bytes: ...
    def prepare(self, more: int) -> None: ...
    def open(self, waiting: int = ...) -> None: ...
    def settle(self, assignments: int) -> None: ...
    def run(self, assignments: int) -> tuple[int, int]: ...
    def run_timing_each(self, assignments: int) -> Histogram: ...
    def abandon_some(self, count: int) -> int: ...

def measured(work: Callable[[], object]) -> object: ...
