"""From a scenario file to the model that it means."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from acd_core.toml import TABLES
from acd_sim.scenario import document, shape
from acd_sim.scenario.configuration import configuration, merge
from acd_sim.scenario.document import Document, ScenarioError, Steps
from acd_sim.scenario.faults import explained
from acd_sim.scenario.lawbook import Lawbook
from acd_sim.scenario.moments import DAY_S, Days
from acd_sim.virtual import (
    Arrivals,
    Backlog,
    Break,
    CalledBack,
    Crew,
    Kind,
    Model,
    ModelError,
    Onward,
    Outage,
    Poisson,
    Profile,
    Recorded,
    Retry,
    Shift,
    Surge,
    find_warmup,
)
from acd_sim.virtual.model import MONDAY_NS, check

DAY_NS = 86_400 * 10**9


class Planned(Struct, frozen=True):
    """A scenario, ready to be played.

    Attributes:
        name: of the file, without its ending.
        scenario: what it says.
        model: what that means.
        teams: ids of the agents by team.
    """

    name: str
    scenario: shape.Scenario
    model: Model
    teams: dict[str, tuple[str, ...]]


def read(path: Path) -> Document:
    """Read a scenario, with the tables of the configuration that it names. Raises `ScenarioError`."""
    found = document.read(path)
    named = found.data.get("config")
    if isinstance(named, str) and named:
        merge(found, found.folder / named)
    return found


def build(found: Document) -> Planned:
    """What a scenario means.

    Raises:
        ScenarioError: for the first error, with line and key.
    """
    own = {key: value for key, value in found.data.items() if key not in TABLES}
    try:
        scenario = msgspec.convert(own, shape.Scenario)
    except msgspec.ValidationError as error:
        raise explained(found, error) from error
    config, teams = configuration(found, scenario)
    queues = {f"{queue.tenant}/{queue.name}" for queue in config.queues}
    for number, contacts in enumerate(scenario.contacts):
        if contacts.queue not in queues:
            known = ", ".join(sorted(queues)) or "none"
            raise found.error(("contacts", number, "queue"), f"there is no queue {contacts.queue!r}; known are {known}")
        for step, onward in enumerate(contacts.onward):
            if onward.to not in [other.name for other in scenario.contacts]:
                raise found.error(
                    ("contacts", number, "onward", step, "to"), f"there are no contacts called {onward.to!r}"
                )
    run = scenario.run
    if run.days is not None and run.hours is not None:
        raise found.error(("run", "hours"), "give days or hours, not both")
    horizon = run.hours * 3600 if run.hours is not None else (run.days or 1) * DAY_S
    days = Days(found, shape.WEEKDAYS.index(run.start), horizon)
    laws = Lawbook(found)
    model = Model(
        config=config,
        kinds=tuple(_kind(found, scenario, number, days, laws) for number in range(len(scenario.contacts))),
        crews=tuple(_crew(team, teams[team.name], laws, ("teams", n)) for n, team in enumerate(scenario.teams)),
        shifts=tuple(shift for n, team in enumerate(scenario.teams) for shift in _shifts(team, teams, days, laws, n)),
        outages=tuple(outage for n in range(len(scenario.outages)) for outage in _outages(found, scenario, n, teams, days)),
        speeds={
            (kind, agent): factor
            for team in scenario.teams
            for kind, factor in team.speeds.items()
            for agent in teams[team.name]
        },
        horizon_s=horizon,
        warmup_s=run.warmup_s if isinstance(run.warmup_s, float | int) else 0.0,
        interval_s=run.interval_minutes * 60,
        line_minute=scenario.costs.line_minute,
        lost=scenario.costs.lost,
        start_ns=MONDAY_NS + days.first * DAY_NS,
    )  # fmt: skip
    try:
        check(model)
    except ModelError as error:
        raise ScenarioError(f"{found.source}: {error}") from error
    return Planned(Path(found.source).stem, scenario, model, teams)


def with_warmup(planned: Planned, processes: int | None = None) -> Planned:
    """The scenario with its warm-up found, if it asks for that."""
    if planned.scenario.run.warmup_s != "auto":
        return planned
    seconds = find_warmup(planned.model, seed=planned.scenario.run.seed, processes=processes)
    return msgspec.structs.replace(planned, model=msgspec.structs.replace(planned.model, warmup_s=seconds))


# Contacts


def _kind(found: Document, scenario: shape.Scenario, number: int, days: Days, laws: Lawbook) -> Kind:
    entry = scenario.contacts[number]
    place: Steps = ("contacts", number)
    tenant, _, queue = entry.queue.partition("/")
    surges = tuple(_surges(found, scenario, entry.name, days))
    retry = None
    if entry.retry is not None:
        retry = Retry(share=entry.retry.share, after=laws.some(entry.retry.after, (*place, "retry", "after")))
    callback = None
    if entry.callback is not None:
        callback = CalledBack(**msgspec.structs.asdict(entry.callback))
    return Kind(
        name=entry.name,
        tenant=tenant,
        queue=queue,
        arrivals=_arrivals(found, entry.arrivals, (*place, "arrivals"), days, laws, surges),
        talk=laws.some(entry.talk, (*place, "talk")),
        wrapup=laws.law(entry.wrapup, (*place, "wrapup")),
        patience=laws.law(entry.patience, (*place, "patience")),
        retry=retry,
        callback=callback,
        onward=tuple(Onward(to=step.to, share=step.share) for step in entry.onward),
        priority=entry.priority,
        require=entry.require,
        attributes=entry.attributes,
        value=entry.value,
    )


def _surges(found: Document, scenario: shape.Scenario, name: str, days: Days) -> Iterator[Surge]:
    names = [contacts.name for contacts in scenario.contacts]
    for number, surge in enumerate(scenario.surges):
        for other in surge.contacts:
            if other not in names:
                raise found.error(("surges", number, "contacts"), f"there are no contacts called {other!r}")
        if surge.contacts and name not in surge.contacts:
            continue
        for since, until in days.stretches(surge.from_, surge.to, ("surges", number)):
            yield Surge(from_s=since, to_s=until, factor=surge.factor)


def _arrivals(
    found: Document,
    entry: shape.ArrivalsEntry,
    place: Steps,
    days: Days,
    laws: Lawbook,
    surges: tuple[Surge, ...],
) -> Arrivals:
    ways = [name for name in ("per_hour", "counts", "backlog", "file") if getattr(entry, name) is not None]
    if len(ways) != 1:
        given = " and ".join(ways) or "none"
        raise found.error(place, f"give exactly one of per_hour, counts, backlog and file, not {given}")
    since = days.clock(entry.from_) if entry.from_ else 0.0
    if entry.backlog is not None:
        until = days.stretches(entry.from_ or "0:00", entry.to, place)[0][1] if entry.to else None
        return Backlog(waiting=entry.backlog, total=entry.total, from_s=since, to_s=until)
    if entry.file is not None:
        at = laws.numbers(entry.file, entry.column, (*place, "file"))
        order = np.argsort(at, kind="stable")
        columns = {
            name: laws.numbers(entry.file, column, place)[order]
            for name, column in (("talk_s", entry.talk_column), ("patience_s", entry.patience_column))
            if column is not None
        }
        for name, column in columns.items():
            if len(column) != len(at):
                raise found.error(place, f"{entry.file}: {name} is missing in some rows")
        return Recorded(at_s=at[order], **columns)
    if entry.counts is not None:
        counts, slot = entry.counts, entry.slot_minutes * 60
    else:
        assert entry.per_hour is not None
        if not entry.from_ and not entry.to and not entry.weekdays and not entry.day_cv:
            return Poisson(per_hour=entry.per_hour, surges=surges)
        length = (days.clock(entry.to) if entry.to else DAY_S) - since
        if length <= 0:
            raise found.error((*place, "to"), "it must be later than from, on the same day")
        counts, slot = (entry.per_hour * length / 3600,), length
    if since + len(counts) * slot > DAY_S + 1e-6:
        raise found.error(
            place, f"{len(counts)} slots of {slot / 60:g} minutes from {since / 3600:g}:00 end after midnight"
        )
    factors = tuple(entry.weekdays.get(days.weekday(day), 1.0) for day in range(days.count)) if entry.weekdays else ()  # type: ignore[call-overload]
    return Profile(counts=counts, slot_s=slot, from_s=since, day_cv=entry.day_cv, days=factors, surges=surges)


# Teams


def _crew(team: shape.Team, agents: tuple[str, ...], laws: Lawbook, place: Steps) -> Crew:
    return Crew(
        agents=agents,
        answer=laws.law(team.answer, (*place, "answer")),
        no_answer=team.no_answer,
        reject=team.reject,
        speed=team.speed,
        returns_s=team.returns_s,
    )


def _shifts(
    team: shape.Team, teams: dict[str, tuple[str, ...]], days: Days, laws: Lawbook, number: int
) -> Iterator[Shift]:
    """Each shift of a team on each of its days."""
    members = teams[team.name]
    pause = laws.law(team.pauses.length, ("teams", number, "pauses", "length")) if team.pauses else None
    often = team.pauses.per_hour if team.pauses else 0.0
    if not team.shifts:
        if team.absent or team.pauses:
            yield Shift(
                agents=members, from_s=0, to_s=days.horizon_s, absent=team.absent, pauses_per_hour=often, pause=pause
            )
        return
    taken = 0
    counted: list[tuple[shape.ShiftEntry, tuple[str, ...]]] = []
    for entry in team.shifts:
        if entry.count is not None:
            counted.append((entry, members[taken : taken + entry.count]))
            taken += entry.count
    others = [(entry, members[taken:]) for entry in team.shifts if entry.count is None]
    for entry, agents in counted + others:
        for day in range(days.count):
            if days.weekday(day) not in entry.weekdays:
                continue
            since = day * DAY_S + days.clock(entry.from_)
            until = day * DAY_S + days.clock(entry.to)
            until += DAY_S if until <= since else 0
            for part in [(agent,) for agent in agents] if any(rest.until for rest in entry.breaks) else [agents]:
                place = agents.index(part[0]) / max(1, len(agents) - 1) if part else 0.0
                yield Shift(
                    agents=part, from_s=since, to_s=until, absent=team.absent, pauses_per_hour=often, pause=pause,
                    breaks=tuple(_break(rest, place, since, day, days) for rest in entry.breaks),
                )  # fmt: skip


def _break(entry: shape.BreakEntry, place: float, since: float, day: int, days: Days) -> Break:
    """A break of the agent at a place in his shift, from 0 for the first to 1 for the last."""
    start = days.clock(entry.at)
    end = days.clock(entry.until) if entry.until is not None else start
    end += DAY_S if end < start else 0
    at = day * DAY_S + start
    at += DAY_S if at < since else 0
    return Break(at_s=at + (end - start) * place, length_s=entry.minutes * 60)


def _outages(
    found: Document, scenario: shape.Scenario, number: int, teams: dict[str, tuple[str, ...]], days: Days
) -> Iterator[Outage]:
    outage = scenario.outages[number]
    agents: list[str] = []
    for name in outage.teams:
        if name not in teams:
            raise found.error(("outages", number, "teams"), f"there is no team {name!r}; known are {', '.join(teams)}")
        agents += teams[name]
    for since, until in days.stretches(outage.from_, outage.to, ("outages", number)):
        yield Outage(agents=tuple(agents), from_s=since, to_s=until)
