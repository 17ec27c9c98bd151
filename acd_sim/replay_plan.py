"""What a record of calls implies for a replay: the queues, the agents with their skills, and the shifts.

The record says who answered what and when, not who was at work. So an agent can do what he is seen doing, and his
shift of a day begins a little before his first conversation and ends with his last one. Shifts are lengthened
where calls that were answered would find nobody: someone is there for every type of call from before its first call
of the day until after its last.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_sim.recorded_calls import RecordedCall

DAY_S = 86_400
EARLY_S = 300
"""So much earlier than his first conversation an agent logs in."""
LATE_S = 300
"""So much longer than the last call of a type was waiting, somebody is there for it."""
SKILL_CALLS_MIN = 10
SKILL_SHARE_MIN = 0.1
"""An agent has the skill of a type of call if he answered so many of them, or such a share of all his calls."""
HEAD_START_S = 90
"""What high priority was worth in the bank's own queue."""
SERVICE_LEVEL_S = 20
_DURATION_MAX_S = 2_592_000


class Shift(Struct, frozen=True):
    """An agent at work; seconds count from the midnight with which the replay begins."""

    agent: str
    start_s: int
    end_s: int


class Plan(Struct, frozen=True):
    """All that a replay needs to know.

    Attributes:
        calls: in the order of their arrival.
        starts_s: arrival of each call, in seconds since the midnight with which the replay begins.
        skills: the types of call that each agent answers.
        shifts: by start.
    """

    calls: tuple[RecordedCall, ...]
    starts_s: tuple[int, ...]
    skills: dict[str, frozenset[str]]
    shifts: tuple[Shift, ...]

    @property
    def types(self) -> list[str]:
        """All types of call, each with a queue of its own."""
        return sorted({call.type for call in self.calls})


def first_days(calls: Sequence[RecordedCall], days: int) -> tuple[RecordedCall, ...]:
    """The calls of the first `days` days that have any; all if `days` is 0."""
    kept = sorted({call.day for call in calls})[: days or None]
    return tuple(call for call in calls if call.day in set(kept))


def make_plan(calls: Sequence[RecordedCall]) -> Plan:
    """The plan for these calls, which are in the order of their arrival."""
    first_day = min((call.day for call in calls), default=0)
    starts = tuple((call.day - first_day) * DAY_S + call.start_s for call in calls)
    skills = _skills(calls)
    by_day: dict[int, list[int]] = defaultdict(list)
    for place, call in enumerate(calls):
        by_day[call.day].append(place)
    shifts: list[Shift] = []
    for places in by_day.values():
        shifts += _shifts([calls[place] for place in places], [starts[place] for place in places], skills)
    return Plan(tuple(calls), starts, skills, tuple(_without_overlap(shifts)))


def _without_overlap(shifts: Iterable[Shift]) -> list[Shift]:
    """The shifts by start. A day that ends after midnight and the next one, begun before, become one of its agent."""
    joined: list[Shift] = []
    for shift in sorted(shifts, key=lambda shift: (shift.agent, shift.start_s)):
        before = joined[-1] if joined else None
        if before is not None and before.agent == shift.agent and shift.start_s <= before.end_s:
            joined[-1] = Shift(shift.agent, before.start_s, max(before.end_s, shift.end_s))
        else:
            joined.append(shift)
    return sorted(joined, key=lambda shift: (shift.start_s, shift.agent))


def _skills(calls: Iterable[RecordedCall]) -> dict[str, frozenset[str]]:
    """Who can answer what. Every type that was ever answered has at least one agent."""
    answered: dict[str, Counter[str]] = defaultdict(Counter)
    types: Counter[str] = Counter()
    for call in calls:
        if call.outcome == "served":
            types[call.type] += 1
            if call.server:
                answered[call.server][call.type] += 1
    skills: dict[str, set[str]] = {}
    for agent, counts in sorted(answered.items()):
        enough = min(SKILL_CALLS_MIN, SKILL_SHARE_MIN * counts.total())
        skills[agent] = {kind for kind, count in counts.items() if count >= enough}
    for kind in sorted(types):
        if not any(kind in known for known in skills.values()):
            able = sorted(answered, key=lambda agent: (-answered[agent][kind], agent))
            skills.setdefault(able[0] if able else "agent-1", set()).add(kind)
    return {agent: frozenset(known) for agent, known in skills.items()}


def _shifts(calls: list[RecordedCall], starts: list[int], skills: dict[str, frozenset[str]]) -> list[Shift]:
    """The shifts of one day."""
    spans: dict[str, list[int]] = {}
    needed: dict[str, list[int]] = {}
    for call, start in zip(calls, starts, strict=True):
        if call.outcome == "served":
            answered = start + call.wait_s
            if call.server:
                span = spans.setdefault(call.server, [answered - EARLY_S, answered])
                span[0] = min(span[0], answered - EARLY_S)
                span[1] = max(span[1], answered + call.service_s)
            need = needed.setdefault(call.type, [start, answered])
            need[1] = max(need[1], answered)
    for kind, (first, last) in sorted(needed.items()):
        able = sorted(agent for agent in spans if kind in skills[agent])
        if not able:
            able = sorted(agent for agent, known in skills.items() if kind in known)[:1]
            spans[able[0]] = [first - EARLY_S, last + LATE_S]
        earliest = min(able, key=lambda agent: spans[agent][0])
        latest = max(able, key=lambda agent: spans[agent][1])
        spans[earliest][0] = min(spans[earliest][0], first - EARLY_S)
        spans[latest][1] = max(spans[latest][1], last + LATE_S)
    return [Shift(agent, start, end) for agent, (start, end) in sorted(spans.items())]


def configuration(plan: Plan, tenant: str, clock_speed: float) -> Config:
    """Queues by type of call, agents by recorded server.

    The times that guard against what never happens here (an agent who lets it ring, a conversation that never ends) are
    long in real seconds too, however fast the server's clock runs: they must not cut into the replay.
    """

    def long(real_s: float, least_s: float) -> float:
        return min(max(least_s, real_s * clock_speed), _DURATION_MAX_S)

    return Config(
        settings=Settings(missed_offers_max=0),
        tenants=(Tenant(name=tenant),),
        queues=tuple(
            Queue(
                tenant=tenant,
                name=kind,
                require=kind,
                priority_step_s=HEAD_START_S,
                offer_timeout_s=long(10, 20),
                reject_cooldown_s=0,
                no_answer_cooldown_s=0,
                max_wait_s=0,
                max_talk_s=long(600, 2 * DAY_S),
                service_level_s=SERVICE_LEVEL_S,
            )
            for kind in plan.types
        ),
        agents=tuple(
            Agent(agent=agent, tenants=(tenant,), skills=dict.fromkeys(sorted(known), 50))
            for agent, known in plan.skills.items()
        ),
    )
