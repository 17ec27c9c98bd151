"""A plain core in pure Python with the same behaviour as core.cpp: what a careful Python programmer would write.

Free agents stand in a dict for each skill, in the order in which they became idle; an arriving contact goes along that of
its rarest skill until somebody qualifies. Waiting contacts stand in a heap for each kind and are removed lazily; a freed
agent looks at the heads of those kinds that ask for one of his skills.
"""

from heapq import heappop, heappush

Terms = tuple[tuple[int, int], ...]
PRIORITY_NS = 60_000_000_000


class PythonCore:
    """Agents by number, all free from the start in this order, and kinds of contact by number.

    Args:
        people: skills with levels of each agent.
        asked: what each kind of contact asks.

    Attributes:
        assigned: (contact, agent) of every assignment, in their order.
    """

    def __init__(self, people: list[Terms], asked: list[Terms]) -> None:
        self.people = [dict(skills) for skills in people]
        self.asked: list[Terms] = []
        self.assigned: list[tuple[int, int]] = []
        self._idle: dict[int, dict[int, None]] = {}
        self._holders: dict[int, int] = {}
        for skills in self.people:
            for skill in skills:
                self._holders[skill] = self._holders.get(skill, 0) + 1
                self._idle.setdefault(skill, {})
        self._index: list[int] = []
        self._lines: list[list[tuple[int, int]]] = []
        for terms in asked:
            self.add_kind(terms)
        self._waiting: dict[int, dict[int, None]] = {}
        self._gone: set[int] = set()
        for agent in range(len(people)):
            self.free(agent)

    def add_kind(self, terms: Terms) -> int:
        """Another kind of contact; gives its number."""
        rarest, _ = min(terms, key=lambda term: self._holders.get(term[0], 0))
        self._idle.setdefault(rarest, {})
        self.asked.append(terms)
        self._index.append(rarest)
        self._lines.append([])
        return len(self.asked) - 1

    def enqueue(self, now: int, contact: int, kind: int, priority: int) -> int | None:
        """A contact comes; gives its agent, None when it has to wait."""
        line = self._lines[kind]
        self._drop_gone(line)
        if not line:
            terms = self.asked[kind]
            for agent in self._idle[self._index[kind]]:
                skills = self.people[agent]
                if all(skills.get(skill, 0) >= level for skill, level in terms):
                    for skill in skills:
                        del self._idle[skill][agent]
                    self.assigned.append((contact, agent))
                    return agent
            self._waiting.setdefault(self._index[kind], {})[kind] = None
        heappush(line, (now - priority * PRIORITY_NS, contact))
        return None

    def abandon(self, contact: int) -> None:
        """A contact that waits leaves."""
        self._gone.add(contact)

    def _drop_gone(self, line: list[tuple[int, int]]) -> None:
        while line and line[0][1] in self._gone:
            self._gone.discard(heappop(line)[1])

    def free(self, agent: int) -> int | None:
        """An agent has nothing to do; gives the contact that he gets, None when he becomes idle."""
        skills = self.people[agent]
        best: tuple[int, int] | None = None
        best_kind = -1
        for skill in skills:
            kinds = self._waiting.get(skill, {})
            for kind in list(kinds):
                line = self._lines[kind]
                self._drop_gone(line)
                if not line:
                    del kinds[kind]
                elif (best is None or line[0] < best) and all(
                    skills.get(term, 0) >= level for term, level in self.asked[kind]
                ):
                    best, best_kind = line[0], kind
        if best is None:
            for skill in skills:
                self._idle[skill][agent] = None
            return None
        line = self._lines[best_kind]
        heappop(line)
        if not line:
            del self._waiting[self._index[best_kind]][best_kind]
        self.assigned.append((best[1], agent))
        return best[1]


def digest(assigned: list[tuple[int, int]]) -> int:
    """Over who got whom, as `bench.drive` has it."""
    state = 14695981039346656037
    for pair in assigned:
        for number in pair:
            state = (state ^ number) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return state
