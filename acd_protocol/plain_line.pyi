from typing import final

from acd_core.commands import Command

@final
class PlainLine: ...

def read_plain(line: bytes) -> Command | None: ...
