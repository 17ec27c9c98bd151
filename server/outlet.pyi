from typing_extensions import disjoint_base

from acd_core.event_lines import EventLine

@disjoint_base
class Outlet:
    def write(self, data: bytes) -> None: ...
    def deliver(self, event: EventLine) -> None: ...
