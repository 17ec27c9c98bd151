from collections.abc import Sequence
from typing import Any

from typing_extensions import disjoint_base

from acd_core.event_lines import EventLine
from server.counters import Counters
from server.ring import EventRing

@disjoint_base
class RouterCore:
    @property
    def ring(self) -> EventRing: ...
    receivers: dict[str, Any]
    subscribers: dict[str, Any]
    def __init__(self, ring: EventRing, counters: Counters) -> None: ...
    def remember(self, event: EventLine) -> EventLine: ...
    def route(self, events: Sequence[EventLine]) -> None: ...
