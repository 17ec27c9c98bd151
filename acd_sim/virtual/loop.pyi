from collections.abc import Callable
from typing import Any, final

from acd_sim.virtual.driver import Driver

TALLIES: tuple[str, ...]
TOTALS: tuple[str, ...]
TRACE: tuple[str, ...]
OUTCOMES: tuple[str, ...]
OPERATIONS: dict[str, int]
WAIT_BINS: int

@final
class Supply:
    def __init__(self, refill: Callable[[], Any]) -> None: ...

@final
class Loop:
    start: int
    now: int
    steps: int
    finished_contacts: int
    def __init__(
        self,
        driver: Driver,
        *,
        start: int,
        warmup: int,
        horizon: int,
        interval: int,
        kinds: list[Any],
        arrivals: list[Any],
        again: list[Any],
        backlog: Any,
        asking: Any,
        ahead: Any,
        moved_to: list[str],
        ringing: Any,
        answering: list[Any],
        group: Any,
        returns: Any,
        speed: Any,
        operations: Any,
        clients: list[Any],
        client_of: Any,
        commands: list[Any],
        traced: int,
        counters: Any,
    ) -> None: ...
    def run(self, steps: int) -> bool: ...
    def close(self, finished: bool) -> int: ...
    def trace(self) -> bytearray: ...
