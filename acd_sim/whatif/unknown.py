"""What a record does not tell, drawn from what it tells of others.

Who was answered after ten seconds might have waited for minutes: his patience is known only to be longer. Kaplan and
Meier's product-limit estimate (Journal of the American Statistical Association 53, 1958) takes such half-known lengths
for what they are; the same holds for conversations that the record cuts off.

Chance is a function of draw, contact and question, so two rules of one draw meet callers of the same patience.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from acd_sim.whatif.past import AFTERWARDS, TALKING, WAITING, Answer, Contact, Past

ENOUGH = 30
"""With so many known lengths a queue speaks for itself; with fewer, all queues speak for it."""
_MASK = (1 << 64) - 1


def chance(*key: int) -> float:
    """A number in (0, 1) that is as good as random and depends on the key alone (the mixing of splitmix64)."""
    state = 0x9E3779B97F4A7C15
    for part in key:
        state = (state ^ (part & _MASK)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return ((state >> 11) + 0.5) / (1 << 53)


class Lengths:
    """Lengths of which some are only known to be longer than observed; in nanoseconds.

    Args:
        lengths: as observed.
        known: for each whether it ended there by itself.
    """

    def __init__(self, lengths: Iterable[int], known: Iterable[bool]) -> None:
        lasted = np.fromiter(lengths, dtype=np.int64)
        ended = np.fromiter(known, dtype=bool)
        self.observed = len(lasted)
        self.known = int(ended.sum())
        times, leaving = np.unique(lasted[ended], return_counts=True)
        at_risk = len(lasted) - np.searchsorted(np.sort(lasted), times, side="left")
        self._times: list[int] = times.tolist()
        self._survival: list[float] = [1.0, *np.cumprod(1 - leaving / at_risk).tolist()]
        self._falling = [-share for share in self._survival]

    def survival(self, after: int) -> float:
        """Share that lasts longer than `after`."""
        return self._survival[bisect_right(self._times, after)]

    def beyond(self, after: int, u: float) -> int | None:
        """A length above `after`, by the chance `u`; None when it is longer than any that is known."""
        passed = bisect_right(self._times, after)
        # The first time behind `after` from which on no more are left than that share of those left at `after`.
        place = max(passed + 1, bisect_left(self._falling, -u * self._survival[passed]))
        return self._times[place - 1] if place <= len(self._times) else None


class Unknown:
    """Draws of all that a past leaves open.

    Args:
        past: what is known.
        seed: of all draws.
    """

    def __init__(self, past: Past, seed: int) -> None:
        self._seed = seed
        contacts = past.contacts.values()
        self.lengths = {what: _by_queue(contacts, what) for what in (WAITING, TALKING, AFTERWARDS)}
        answers: dict[str, list[Answer]] = defaultdict(list)
        for contact in contacts:
            for (agent, _), answer in contact.answers.items():
                if not answer.cut:
                    answers[agent].append(answer)
                    answers[""].append(answer)
        self._answers = {agent: sorted(given, key=_lasted) for agent, given in answers.items()}

    def length(self, draw: int, contact: Contact, what: str, number: int, after: int = -1) -> int | None:
        """How long a stage lasts that lasted longer than `after`; None for until the engine ends it."""
        by_queue = self.lengths[what]
        lengths = by_queue.get(contact.path)
        if lengths is None or lengths.known < ENOUGH:
            lengths = by_queue[""]
        return lengths.beyond(after, chance(self._seed, draw, contact.number, _CODE[what], number))

    def answer(self, draw: int, contact: Contact, agent: str, number: int, after: int = -1) -> Answer | None:
        """How an agent answers who did not answer until `after`; None when nobody is known to have taken so long."""
        given = self._answers.get(agent) or self._answers.get("", [])
        first = bisect_right(given, after, key=_lasted)
        if first == len(given):
            return None
        u = chance(self._seed, draw, contact.number, _CODE["answer"], number)
        return given[first + math.floor(u * (len(given) - first))]


_CODE = {WAITING: 1, TALKING: 2, AFTERWARDS: 3, "answer": 4}


def _lasted(answer: Answer) -> int:
    return answer.lasted


def _by_queue(contacts: Iterable[Contact], what: str) -> dict[str, Lengths]:
    """By queue, and of all under the empty name."""
    found: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for contact in contacts:
        for (name, _), stage in contact.stages.items():
            if name == what:
                found[contact.path].append((stage.lasted, stage.closed))
                found[""].append((stage.lasted, stage.closed))
    found.setdefault("", [])
    return {path: Lengths((n for n, _ in rows), (known for _, known in rows)) for path, rows in found.items()}
