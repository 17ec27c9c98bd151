from collections.abc import Iterable, Iterator
from typing import Generic, Self, TypeVar

from typing_extensions import disjoint_base

from acd_core.commands import Command

_K = TypeVar("_K")

@disjoint_base
class Histogram:
    @property
    def counts(self) -> list[int]: ...
    @property
    def total(self) -> int: ...
    @property
    def count(self) -> int: ...
    def observe(self, value: int) -> None: ...
    def copy(self) -> Histogram: ...

@disjoint_base
class Counts(Generic[_K]):
    def __new__(cls, keys: Iterable[_K], /) -> Self: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: _K, /) -> int: ...
    def __setitem__(self, key: _K, number: int, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    def __iter__(self) -> Iterator[_K]: ...
    def items(self) -> list[tuple[_K, int]]: ...
    def values(self) -> list[int]: ...

@disjoint_base
class Counters:
    @property
    def commands(self) -> Counts[type[Command]]: ...
    @property
    def outcomes(self) -> Counts[int]: ...
    @property
    def apply_ns(self) -> dict[type[Command], Histogram]: ...
    @property
    def batch_commands(self) -> Histogram: ...
    @property
    def batch_bytes(self) -> Histogram: ...
    @property
    def flush_ns(self) -> Histogram: ...
    @property
    def lag_ns(self) -> Histogram: ...
    refused_lines: int
    forbidden: int
    logins_refused: int
    reload_failures: int
    audit_failures: int
    requests: int
    ticks: int
    batches: int
    events: int
    events_sent: int
    bytes_in: int
    bytes_out: int
    connections: int
    connections_total: int
    sessions_dropped: int
    sessions_replaced: int
    resumed: int
    gaps: int
    ahead: int
    snapshots: int
    snapshots_failed: int
    snapshot_ns: int
    snapshot_bytes: int
    snapshot_seq: int
    snapshot_taken_ns: int
    ballast_missing: bool
    disk_bytes: int
    disk_free_bytes: int
    internal_errors: int
    def copy(self) -> Counters: ...
