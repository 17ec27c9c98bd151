from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from server.append_lane import AppendLane
from server.journal.contract import Batch
from server.segment_core import SegmentCore

@disjoint_base
class WriterCore:
    _epoch: int
    _seq: int
    _errands: int
    _put_off: list[Any]
    _inbox: Any
    _batch: Batch | None
    _staged: bytes | None
    _segments: SegmentCore | None
    _on_durable: Callable[[int], None]
    _lane: AppendLane | None
    at_once: bool
    def submit(self, batch: Batch) -> int: ...
    def _store(self, descriptor: int, record: bytes, place: int) -> int: ...
    def _landed(self) -> None: ...
    def _settle(self) -> None: ...
