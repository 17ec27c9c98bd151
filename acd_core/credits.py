"""Who hung up before he was served, and how long he had waited: credit for when he comes back.

A credit lasts for a time, and only so many are kept: beyond that the one given longest ago is forgotten. All
credits of one window run out in the order in which they were given, so each window has a lane of its own, and giving,
taking and running out cost constant time.
"""

from collections import OrderedDict
from typing import NamedTuple

Key = tuple[str, str]


class Credit(NamedTuple):
    """What a caller of a tenant has waited so far, in nanoseconds, and when that is forgotten."""

    tenant: str
    caller: str
    waited_ns: int
    until_ns: int


class Credits:
    """The credits of one engine, the earliest given first."""

    def __init__(self) -> None:
        self._given: OrderedDict[Key, tuple[Credit, int]] = OrderedDict()
        self._lanes: dict[int, OrderedDict[Key, None]] = {}

    def __len__(self) -> int:
        return len(self._given)

    def give(self, now: int, key: Key, waited_ns: int, window_ns: int, most: int) -> None:
        """Remember what a caller has waited, for `window_ns`. Of two credits the larger one counts."""
        self._run_out(now)
        waited_ns = max(waited_ns, self.take(now, key))
        self._given[key] = Credit(*key, waited_ns, now + window_ns), window_ns
        self._lanes.setdefault(window_ns, OrderedDict())[key] = None
        self.keep(most)

    def take(self, now: int, key: Key) -> int:
        """What a caller has waited; it is forgotten with that. 0 if nothing is known."""
        self._run_out(now)
        if key not in self._given:
            return 0
        credit = self._given[key][0]
        self._forget(key)
        return credit.waited_ns

    def keep(self, most: int) -> None:
        """Forget the earliest given beyond so many."""
        while len(self._given) > most:
            self._forget(next(iter(self._given)))

    def rows(self, now: int) -> list[Credit]:
        """Those that last."""
        return [credit for credit, _ in self._given.values() if credit.until_ns > now]

    def kept(self) -> list[tuple[str, str, int, int, int]]:
        """All that is kept, and the window of each, the earliest first: what `load` reads."""
        return [(*credit, window_ns) for credit, window_ns in self._given.values()]

    def load(self, kept: list[tuple[str, str, int, int, int]]) -> None:
        """Keep what other credits kept."""
        for tenant, caller, waited_ns, until_ns, window_ns in kept:
            self._given[tenant, caller] = Credit(tenant, caller, waited_ns, until_ns), window_ns
            self._lanes.setdefault(window_ns, OrderedDict())[tenant, caller] = None

    def _forget(self, key: Key) -> None:
        _, window_ns = self._given.pop(key)
        lane = self._lanes[window_ns]
        del lane[key]
        if not lane:
            del self._lanes[window_ns]

    def _run_out(self, now: int) -> None:
        for lane in list(self._lanes.values()):
            while lane and self._given[first := next(iter(lane))][0].until_ns <= now:
                self._forget(first)
