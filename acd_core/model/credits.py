"""Who hung up before he was served, and how long he had waited: credit for when he comes back."""

from acd_core.credits import Credit, Key


class Credits:
    """The credits, the earliest given first."""

    def __init__(self) -> None:
        self._credits: list[Credit] = []

    def give(self, now: int, key: Key, waited_ns: int, window_ns: int, most: int) -> None:
        """Remember what a caller has waited, for `window_ns`. Of two credits the larger one counts."""
        waited_ns = max(waited_ns, self.take(now, key))
        self._credits.append(Credit(*key, waited_ns, now + window_ns))
        self.keep(most)

    def take(self, now: int, key: Key) -> int:
        """What a caller has waited; it is forgotten with that. 0 if nothing is known."""
        self._credits = self.rows(now)
        found = [credit for credit in self._credits if (credit.tenant, credit.caller) == key]
        self._credits = [credit for credit in self._credits if credit not in found]
        return found[0].waited_ns if found else 0

    def keep(self, most: int) -> None:
        """Forget the earliest given beyond so many."""
        self._credits = self._credits[max(0, len(self._credits) - most) :]

    def rows(self, now: int) -> list[Credit]:
        """Those that last."""
        return [credit for credit in self._credits if credit.until_ns > now]
