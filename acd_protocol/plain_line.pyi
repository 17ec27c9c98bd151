from typing import final

from acd_core.commands import Command

__pyx_capi__: dict[str, object]

@final
class PlainLine: ...

def plain_commands() -> tuple[type[Command] | None, ...]: ...
def read_plain(line: bytes) -> Command | None: ...
