from collections.abc import Mapping
from typing import final

from acd_core import Config, Engine
from acd_core.commands import Command
from acd_core.event_lines import EventLine
from server.access.walls import Reach

@final
class Wall:
    def __init__(self, tenants: frozenset[str], reach: Reach, walls: Mapping[type[Command], str]) -> None: ...
    def passes(self, engine: Engine, line: bytes, client: str) -> bool: ...
    def passes_decoded(self, engine: Engine, command: Command, client: str) -> bool: ...
    def shows_event(self, config: Config, event: EventLine) -> bool: ...
