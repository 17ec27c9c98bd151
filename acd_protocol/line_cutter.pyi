from typing_extensions import disjoint_base

from acd_protocol.messages import Error

HEAD_BYTES: int

@disjoint_base
class LineCutter:
    max_line: int
    config_max_line: int
    error: Error | None
    def __init__(self, max_line: int, config_max_line: int = 0) -> None: ...
    @property
    def pending(self) -> int: ...
    def drop_pending(self) -> None: ...
    def feed(self, data: bytes) -> list[bytes]: ...
    def _too_long(self, head: bytes, length: int) -> bool: ...
