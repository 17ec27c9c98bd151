from collections.abc import Sequence
from typing import Any, final

from typing_extensions import disjoint_base

from acd_core import Machine
from acd_core.event_lines import EventLine, LineTaker
from server.counters import Counters
from server.ring import EventRing

@final
class Way: ...

@disjoint_base
class RouterCore(LineTaker):
    @property
    def ring(self) -> EventRing: ...
    receivers: dict[str, Any]
    subscribers: dict[str, Any]
    def __init__(self, ring: EventRing, counters: Counters) -> None: ...
    def remember(self, event: EventLine) -> None: ...
    def hand_out(self, machine: Machine) -> None: ...
    def route(self, events: Sequence[EventLine]) -> None: ...
