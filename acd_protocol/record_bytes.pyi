from typing import Any, TypeVar

_Tail = TypeVar("_Tail", bound=tuple[Any, ...])

__pyx_capi__: dict[str, object]

def record_bytes(
    magic: bytes,
    version: int,
    tail: tuple[Any, ...],
    kind: int,
    epoch: int,
    time_ns: int,
    commands: int,
    payload: bytes,
) -> bytes: ...
def tail_after(tail: _Tail, record: bytes, sealed: bool) -> _Tail: ...
