"""How many agents are needed, by team and interval, for a target: a formula's guess, then a simulated search.

The guess is Erlang A (or C, when callers are patient for ever) for each team and interval, as if it were a centre of
its own in its steady state. The search plays the whole day with it: intervals hand their queues on to the next, teams
help each other out, agents are absent or pause as the scenario says. Where a target is missed it adds the agents who
help most for their cost; then it takes away whoever is not missed. All plays see the same callers, so one plan is
compared with the next without noise between them. At the end the plan is played once more with other callers, since a
plan that was fitted to some is a little too good for them.
"""

import math
from collections.abc import Callable

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from acd_core import requirement
from acd_core.config import requirements_of
from acd_core.views import AGENT_STATES
from acd_sim.formulas.erlang import agents_needed
from acd_sim.planner.alternatives import Alternative, Played
from acd_sim.scenario import shape
from acd_sim.scenario.build import Planned, build
from acd_sim.scenario.document import Document, ScenarioError
from acd_sim.virtual import Backlog, Kind, Model, Recorded, Shift, Streams, Study, simulate
from acd_sim.virtual.arrivals import cumulated_rate
from acd_sim.virtual.loop import TALLIES
from acd_sim.virtual.measures import AVAILABLE, WORKING

ROUNDS_MAX = 60
TRIM_ROUNDS_MAX = 12
ALONE_CONTACTS = 300_000
"""Up to so many contacts a play is quicker in this process than spread over several."""
Plan = dict[str, NDArray[np.int64]]
Told = Callable[[str, int], None]
"""Told what is done, and how many agent hours the plan has by now."""


class Staffing(Struct, frozen=True):
    """What was found.

    Attributes:
        starts_s: second of the run at which each interval begins.
        guess, plan: agents by team and interval: by the formula, and after the search.
        reached: whether the plan meets its goals with the callers that it was made for.
        plays: how many plans were tried.
        played: the plan with other callers.
        hours: of scheduled agents, in the guess and in the plan.
    """

    starts_s: list[float]
    guess: dict[str, list[int]]
    plan: dict[str, list[int]]
    reached: bool
    plays: int
    played: Played
    guess_hours: float
    plan_hours: float


def find_staff(
    document: Document,
    goals: shape.Goals,
    *,
    seed: int = 1,
    replications: int = 40,
    processes: int | None = None,
    told: Told | None = None,
) -> Staffing:
    """The agents that each team of new agents needs in each interval; their own `count` and `shifts` do not matter.

    Args:
        document: the scenario.
        goals: what each kind of contacts must reach in each interval.
        seed: of the callers.
        replications: of each play.
        processes: over how many to spread a large play.
        told: told how far it is.

    Raises:
        ScenarioError: there is no team to staff, or no goal.
    """
    return _Search(document, goals, seed, replications, processes, told).run()


class _Search:
    def __init__(
        self,
        document: Document,
        goals: shape.Goals,
        seed: int,
        replications: int,
        processes: int | None,
        told: Told | None,
    ) -> None:
        self._document = document
        self._goals = goals
        self._seed = seed
        self._replications = replications
        self._processes = processes
        self._told = told
        self._plays = 0
        first = build(document)
        if goals.service_level is None and goals.abandonment is None:
            raise ScenarioError(f"{document.source}: there is no goal; give --service-level or --abandonment")
        self._teams = {team.name: team for team in first.scenario.teams if team.count is not None}
        if not self._teams:
            raise ScenarioError(f"{document.source}: there is no team with a count, so nobody to staff")
        self._first = first
        model = first.model
        self._intervals = math.ceil(model.horizon_s / model.interval_s - 1e-9)
        self._hours = model.interval_s / 3600
        self._arriving = np.stack([_expected(kind, model, self._intervals) for kind in model.kinds])
        self._serves = {
            name: np.array([_can_serve(team, kind, model) for kind in model.kinds])
            for name, team in self._teams.items()
        }

    def run(self) -> Staffing:
        """All of it."""
        guess = self._guess()
        plan = {name: staff.copy() for name, staff in guess.items()}
        plan, reached = self._repair(plan)
        if reached:
            plan = self._trim(plan)
        self._tell("checking with other callers", plan)
        played = self._final(plan)
        return Staffing(
            starts_s=[number * self._first.model.interval_s for number in range(self._intervals)],
            guess={name: staff.tolist() for name, staff in guess.items()},
            plan={name: staff.tolist() for name, staff in plan.items()},
            reached=reached,
            plays=self._plays,
            played=played,
            guess_hours=self._total(guess),
            plan_hours=self._total(plan),
        )

    def _total(self, plan: Plan) -> float:
        return float(sum(staff.sum() for staff in plan.values())) * self._hours

    def _tell(self, what: str, plan: Plan) -> None:
        if self._told is not None:
            self._told(what, round(self._total(plan)))

    # -- the guess

    def _guess(self) -> Plan:
        """Each kind is given to the cheapest team that can serve it, of these to the one with the fewest skills."""
        model = self._first.model
        owners = []
        for number in range(len(model.kinds)):
            able = [name for name in self._teams if self._serves[name][number]]
            able.sort(key=lambda name: (self._cost(name), len(self._teams[name].skills)))
            owners.append(able[0] if able else None)
        if not any(owners):
            raise ScenarioError(f"{self._document.source}: no team with a count can serve any contacts; see its skills")
        plan = {name: np.zeros(self._intervals, dtype=np.int64) for name in self._teams}
        for name in self._teams:
            mine = [number for number, owner in enumerate(owners) if owner == name]
            for interval in range(self._intervals):
                counts = self._arriving[mine, interval]
                if counts.sum() > 0:
                    plan[name][interval] = self._formula([model.kinds[number] for number in mine], counts, name)
        return plan

    def _cost(self, team: str) -> float:
        return self._teams[team].cost or 1

    def _formula(self, kinds: list[Kind], counts: NDArray[np.float64], team: str) -> int:
        """Agents for these contacts in one interval; more by the share that does not come."""
        rate = float(counts.sum()) / self._first.model.interval_s
        queues = {(queue.tenant, queue.name): queue for queue in self._first.model.config.queues}
        weights = counts / counts.sum()
        handle = target = leaving = 0.0
        for kind, weight in zip(kinds, weights, strict=True):
            queue = queues[kind.tenant, kind.queue]
            work = min(kind.wrapup.mean_s, queue.wrapup_s) if kind.wrapup is not None else queue.wrapup_s
            handle += weight * (kind.talk.mean_s * self._teams[team].speed + work)
            target += weight * queue.service_level_s
            leaving += weight / kind.patience.mean_s if kind.patience is not None else 0.0
        wanted = self._goals.service_level
        if wanted is None:
            wanted = 1 - (self._goals.abandonment or 0.05)
        needed = agents_needed(rate, 1 / handle, target=min(wanted, 0.999), within=target, patience=leaving)
        return math.ceil(needed / max(0.1, 1 - self._teams[team].absent))

    # -- playing

    def _model(self, plan: Plan) -> Planned:
        """The scenario with a plan in place of counts and shifts."""
        changed = self._document.copy()
        for name, staff in plan.items():
            changed.set(f"teams.{name}.count", int(staff.max(initial=0)))
        planned = build(changed)
        model = planned.model
        mine = {agent for name in plan for agent in planned.teams[name]}
        shifts = [shift for shift in model.shifts if not mine.intersection(shift.agents)]
        pauses = {shift.agents[0]: shift for shift in model.shifts if shift.agents and shift.agents[0] in mine}
        for name, staff in plan.items():
            pattern = next((pauses[agent] for agent in planned.teams[name] if agent in pauses), None)
            for number, agent in enumerate(planned.teams[name]):
                for since, until in _stretches(staff > number):
                    shifts.append(
                        Shift(
                            agents=(agent,),
                            from_s=since * model.interval_s,
                            to_s=min(until * model.interval_s, model.horizon_s),
                            absent=self._teams[name].absent,
                            pauses_per_hour=pattern.pauses_per_hour if pattern else 0,
                            pause=pattern.pause if pattern else None,
                        )
                    )
        return structs.replace(planned, model=structs.replace(model, shifts=tuple(shifts)))

    def _play(self, plan: Plan, seed: int) -> tuple[Planned, Study]:
        planned = self._model(plan)
        self._plays += 1
        alone = self._arriving.sum() * self._replications < ALONE_CONTACTS
        study = simulate(
            planned.model,
            seed=seed,
            replications=self._replications,
            processes=1 if alone else self._processes,
        )
        if study.interrupted:
            raise KeyboardInterrupt
        return planned, study

    def _missed(self, plan: Plan) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """By kind and interval: whether a goal is missed, and by how much."""
        _, study = self._play(plan, self._seed)
        tallies = np.sum([replication.tallies for replication in study.replications], axis=0)
        offered = tallies[TALLIES.index("offered")]
        known = np.maximum(offered, 1)
        lack = np.zeros(offered.shape)
        if self._goals.service_level is not None:
            level = tallies[TALLIES.index("answered_in_target")] / known
            lack = np.maximum(lack, self._goals.service_level - level)
        if self._goals.abandonment is not None:
            lack = np.maximum(lack, tallies[TALLIES.index("abandoned")] / known - self._goals.abandonment)
        if self._goals.occupancy is not None:
            states = np.sum([replication.state_by_interval for replication in study.replications], axis=0)
            working = states[[AGENT_STATES.index(state) for state in WORKING]].sum(axis=0)
            there = states[[AGENT_STATES.index(state) for state in AVAILABLE]].sum(axis=0)
            lack = np.maximum(lack, working / np.maximum(there, 1) - self._goals.occupancy)
        able: NDArray[np.bool_] = np.logical_or.reduce(list(self._serves.values()))
        lack = np.where((offered > 0) & able.reshape(-1, 1), np.maximum(lack, 0), 0)
        return lack > 1e-9, lack

    # -- the search

    def _repair(self, plan: Plan) -> tuple[Plan, bool]:
        """Add agents until nothing is missed."""
        before: NDArray[np.float64] | None = None
        for _ in range(ROUNDS_MAX):
            self._tell("adding where a goal is missed", plan)
            missed, lack = self._missed(plan)
            if not np.any(missed):
                return plan, True
            for interval in np.flatnonzero(missed.any(axis=0)):
                worst = float(lack[:, interval].max())
                stuck = before is not None and worst > before[:, interval].max() - 0.005
                team = self._helper(missed[:, interval])
                size = int(plan[team][interval])
                plan[team][interval] += max(1, round(worst * math.sqrt(max(size, 1))))
                if stuck and interval + 1 < self._intervals:
                    plan[team][interval + 1] += 1  # they wait on into the next interval, where too few are left
            before = lack
        return plan, not self._missed(plan)[0].any()

    def _helper(self, missed: NDArray[np.bool_]) -> str:
        """The team that serves most of those who are badly off, for its cost."""
        return max(self._teams, key=lambda name: float((self._serves[name] & missed).sum()) / self._cost(name))

    def _trim(self, plan: Plan) -> Plan:
        """Take agents away, dearest teams first, in every third interval at a time: the next two feel it at most."""
        order = sorted(self._teams, key=self._cost, reverse=True)
        settled = {name: plan[name] == 0 for name in order}
        for _ in range(TRIM_ROUNDS_MAX):
            changed = False
            for name in order:
                for phase in range(3):
                    places = [i for i in range(phase, self._intervals, 3) if not settled[name][i] and plan[name][i] > 0]
                    if not places:
                        continue
                    self._tell("taking away who is not missed", plan)
                    trial = {team: staff.copy() for team, staff in plan.items()}
                    trial[name][places] -= 1
                    missed = self._missed(trial)[0]
                    for place in places:
                        if missed[:, max(0, place - 1) : place + 2].any():
                            settled[name][place] = True
                        else:
                            plan[name][place] -= 1
                            changed = True
                    if self._missed(plan)[0].any():
                        plan, _ = self._repair(plan)
            if not changed:
                break
        return plan

    def _final(self, plan: Plan) -> Played:
        planned, study = self._play(plan, self._seed + 1_000_003)
        planned = structs.replace(planned, scenario=structs.replace(planned.scenario, goals=self._goals))
        return Played(Alternative("plan", planned), study)


def _stretches(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and behind-last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _expected(kind: Kind, model: Model, intervals: int) -> NDArray[np.float64]:
    """Contacts expected in each interval, without those who call again; backlogs can wait and count for nothing."""
    edges = np.minimum(np.arange(intervals + 1) * model.interval_s, model.horizon_s)
    if isinstance(kind.arrivals, Backlog):
        return np.zeros(intervals)
    if isinstance(kind.arrivals, Recorded):
        return np.histogram(np.asarray(kind.arrivals.at_s), edges)[0].astype(np.float64)
    plain = structs.replace(kind.arrivals, day_cv=0.0) if hasattr(kind.arrivals, "day_cv") else kind.arrivals
    seconds, numbers = cumulated_rate(plain, Streams(0), kind.name, model.horizon_s)
    return np.diff(np.interp(edges, seconds, numbers))


def _can_serve(team: shape.Team, kind: Kind, model: Model) -> bool:
    """Whether the team's agents may be offered such a contact, by the queue's own rule or one of its steps."""
    queue = next(q for q in model.config.queues if (q.tenant, q.name) == (kind.tenant, kind.queue))
    if team.tenants and kind.tenant not in team.tenants:
        return False
    return any(_meets(team, text, kind.require) for text in requirements_of(queue))


def _meets(team: shape.Team, *requirements: str) -> bool:
    nodes = [node for text in requirements for node in requirement.parse(text)]
    return all(requirement.meets(node, team.skills, team.attributes) for node in nodes)
