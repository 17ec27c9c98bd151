from typing_extensions import disjoint_base

from acd_protocol.journal_records import Tail

@disjoint_base
class SegmentCore:
    _tail: Tail
    _descriptor: int
    _end: int
    _size: int
    _look_at: int
    @property
    def descriptor(self) -> int: ...
    def _note(self, tail: Tail, length: int) -> int: ...
