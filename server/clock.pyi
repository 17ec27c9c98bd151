from collections.abc import Callable
from typing import Self

from typing_extensions import disjoint_base

__pyx_capi__: dict[str, object]
NS_PER_S: int
monotonic_ns: Callable[[], int]

def wall_ns() -> int: ...

@disjoint_base
class Clock:
    @property
    def speed(self) -> float: ...
    def __init__(self, start_ns: int, speed: float = 1.0) -> None: ...
    @classmethod
    def after(cls, last_ns: int, speed: float = 1.0) -> Self: ...
    def now(self) -> int: ...
    def seconds_until(self, deadline_ns: int) -> float: ...
