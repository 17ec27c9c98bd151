"""What better routing is worth, lever by lever: the experiment behind docs/routing-quality.md.

Six lines of business with 14 Erlang each. The beginning is a centre as Asterisk's app_queue routes it: 18 agents for
each line, each with one skill, `leastrecent`, first come first served. Then the levers that this engine has are pulled
one by one, and each is switched off once. All variants meet the same callers, replication by replication, so that
differences are sharp; the interval behind ± is the paired 95 % interval over the replications.

`make quality` writes the page. Nothing in it is typed in by hand but the words.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from acd_core.config import Agent, Config, Queue, Reserve, Settings, Strategy, Tenant
from acd_sim import callback_day
from acd_sim.virtual import (
    Backlog,
    Estimate,
    Exponential,
    Figures,
    Kind,
    Model,
    Poisson,
    Study,
    estimate,
    simulate,
    value_of,
)

LINES = 6
LOAD = 14.0
HANDLE_S = 300.0
PATIENCE_S = 300.0
SILO_AGENTS = 108
POOLED_AGENTS = 93
COST_PER_HOUR = 20
VALUE_SD = 0.10
HANDLE_SD = 0.10
OUTBOUND = "outbound"
OUTBOUND_VALUE = 0.5
"""An outbound contact is taken to be worth half an answered caller."""
SEEN_CALLS = 200
"""Conversations of each agent in each line from which his handle time and value are estimated, where they are learned."""
REPLICATIONS = 10
HOURS = 10.0
WARMUP_HOURS = 4.0
RESERVE = 6
"""Agents kept free of those who know a line, where the others do outbound work."""
CLAIM_COST = (-0.25, -0.15)
CLAIM_VALUE = (0.20, 0.35)

Floats = NDArray[np.float64]


class Variant(Struct, frozen=True, kw_only=True):
    """A centre.

    Attributes:
        name: for the table.
        agents: how many.
        skills: of each agent: his line, and the next ones.
        pairing: what a free agent is chosen by: nothing but idle time, `known` or `learned` value per minute, or one of
            its two parts alone.
        reserve: agents kept free for each line while the others also do outbound work; None for no such work.
    """

    name: str
    agents: int
    skills: int
    pairing: str = ""
    reserve: int | None = None


class People(Struct, frozen=True):
    """What agents are worth in each line, by line and agent: factors on handle time and on value."""

    handle: Floats
    value: Floats


BASE = Variant(name="as app_queue routes: one skill each", agents=SILO_AGENTS, skills=1)
BEST = Variant(name="two skills and pairing, known exactly", agents=POOLED_AGENTS, skills=2, pairing="known")
BLENDED = structs.replace(BEST, name="both levers, and outbound work behind a reserve", reserve=RESERVE)
VARIANTS = (
    structs.replace(BASE, name="fewer agents, no lever", agents=POOLED_AGENTS),
    structs.replace(BEST, name="two skills (app_queue can: penalties)", pairing=""),
    BEST,
    structs.replace(BEST, name="two skills and pairing, learned", pairing="learned"),
    structs.replace(BEST, name="… by handle time only, known", pairing="handle"),
    structs.replace(BEST, name="… by value only, known", pairing="value"),
    structs.replace(BEST, name="pairing with all skills, known", skills=LINES),
    structs.replace(BEST, name="pairing without two skills", skills=1),
    structs.replace(BEST, name="both levers, nobody sent home", agents=SILO_AGENTS),
    BLENDED,
    structs.replace(BLENDED, name="… without pairing", pairing=""),
    structs.replace(BLENDED, name="… nobody kept free", reserve=0),
)


def draw_people(seed: int = 1) -> People:
    """The people of the centre, the same in all variants; nobody is chosen for being good."""
    rng = np.random.default_rng(seed)
    shape = (LINES, SILO_AGENTS)
    handle = np.exp(rng.normal(-(HANDLE_SD**2) / 2, HANDLE_SD, shape))
    return People(handle, rng.normal(1.0, VALUE_SD, shape))


def estimated(people: People, pairing: str, seed: int = 2) -> Floats:
    """What the router believes of each agent in each line: higher is better.

    Learned figures are means of `SEEN_CALLS` conversations, drawn back to the mean as much as their noise deserves.
    """
    if pairing == "handle":
        return np.reciprocal(people.handle)
    if pairing == "value":
        return people.value
    score: Floats = people.value / people.handle
    if pairing == "learned":
        rng = np.random.default_rng(seed)
        noise = 1.0 / np.sqrt(SEEN_CALLS)  # of a mean of exponential handle times, relative
        seen = people.value / (people.handle * (1 + rng.normal(0, noise, people.handle.shape)))
        trust = HANDLE_SD**2 / (HANDLE_SD**2 + noise**2)
        score = 1 + trust * (seen - 1)
    return score


def model(variant: Variant, people: People, hours: float = HOURS) -> Model:
    """The centre to simulate."""
    believed = estimated(people, variant.pairing) if variant.pairing else None
    members: list[tuple[int, Agent]] = []
    for number in range(variant.agents):
        line, place = number % LINES, number // LINES
        known = [line, *((line + 1 + (place + j - 1) % (LINES - 1)) % LINES for j in range(1, variant.skills))]
        levels = {f"line{k}": 50 if believed is None else _level(believed[k, number]) for k in known}
        # Without pairing an agent's own line comes first; with it the better agent does.
        ranks = {f"c/line{k}": 1 for k in known[1:]} if believed is None else {}
        if variant.reserve is not None:
            ranks[f"c/{OUTBOUND}"] = 2
        members.append((number, Agent(agent=f"a{number:03}", skills=levels, ranks=ranks, cost=COST_PER_HOUR)))
    names = [f"line{k}" for k in range(LINES)]
    strategy: Strategy = "most_skilled" if variant.pairing else "longest_idle"
    queues = [Queue(tenant="c", name=name, require=name, strategy=strategy, max_wait_s=0) for name in names]
    numbers: tuple[Kind, ...] = ()
    if variant.reserve is not None:
        kept = Reserve(agents=variant.reserve) if variant.reserve else None
        queues = [structs.replace(queue, strict_priority=True, priority=1, reserve=kept) for queue in queues]
        queues.append(Queue(tenant="c", name=OUTBOUND, strict_priority=True, max_wait_s=0))
        numbers = (_outbound(),)
    return Model(
        config=Config(
            settings=Settings(missed_offers_max=0),
            tenants=(Tenant("c"),),
            queues=tuple(queues),
            agents=tuple(agent for _, agent in members),
        ),
        kinds=tuple(
            Kind(
                name=name,
                tenant="c",
                queue=name,
                arrivals=Poisson(per_hour=3600 * LOAD / HANDLE_S),
                talk=Exponential(HANDLE_S),
                patience=Exponential(PATIENCE_S),
                value=1.0,
            )
            for name in names
        )
        + numbers,
        speeds={(name, a.agent): float(people.handle[k, n]) for n, a in members for k, name in enumerate(names)},
        values={(name, a.agent): float(people.value[k, n]) for n, a in members for k, name in enumerate(names)},
        horizon_s=3600 * (WARMUP_HOURS + hours),
        warmup_s=3600 * WARMUP_HOURS,
        interval_s=3600 * (WARMUP_HOURS + hours),
    )


def _outbound() -> Kind:
    """An endless list of numbers; whoever dials them is as good at it as anybody."""
    return Kind(
        name=OUTBOUND,
        tenant="c",
        queue=OUTBOUND,
        arrivals=Backlog(waiting=5),
        talk=Exponential(HANDLE_S),
        value=OUTBOUND_VALUE,
    )


def inbound(study: Study, measure: str) -> list[float]:
    """A measure of each replication, of those who call; cost is of all that is answered or reached, value of all work."""
    found = []
    for replication in study.replications:
        everything = Figures(study.model, replication)
        callers = Figures(study.model, replication, range(LINES))
        if measure == "value_per_offered":
            found.append(everything.value / callers.count("offered"))
        elif measure in ("cost_per_answered", "occupancy"):
            found.append(value_of(measure, study.model, replication))
        elif measure == "outbound":
            hours = everything.length_s / 3600
            found.append((everything.count("answered") - callers.count("answered")) / hours)
        else:
            found.append(value_of(measure, study.model, replication, range(LINES)))
    return found


def _level(believed: float) -> int:
    """A skill level for a figure around 1."""
    return int(np.clip(round(50 + 120 * (believed - 1)), 1, 100))


def relative(study: Study, base: Study, measure: str) -> Estimate:
    """By what share a measure differs, replication by replication."""
    pairs = zip(inbound(study, measure), inbound(base, measure), strict=True)
    return estimate([mine / other - 1 for mine, other in pairs])


class Row(Struct, frozen=True):
    """A line of the page."""

    variant: Variant
    study: Study


class Size(Struct, frozen=True):
    """How long and how often variants are played, from which seed, over how many processes (None: all processors)."""

    hours: float = HOURS
    replications: int = REPLICATIONS
    seed: int = 1
    processes: int | None = None


def play(variants: Sequence[Variant], people: People, size: Size) -> Iterator[Row]:
    """Play variants with the same callers."""
    for variant in variants:
        centre = model(variant, people, size.hours)
        study = simulate(centre, seed=size.seed, replications=size.replications, processes=size.processes)
        yield Row(variant, study)


def fewest_agents(base: Study, people: People, size: Size) -> Row:
    """Both levers with as few agents as answer no smaller share in time than the beginning does."""
    wanted = base.estimate("service_level").mean
    low, high = 78, SILO_AGENTS
    found: dict[int, Row] = {}
    while low < high:
        middle = (low + high) // 2
        variant = structs.replace(BEST, name="both levers, service as at the beginning", agents=middle)
        (found[middle],) = play([variant], people, size)
        if found[middle].study.estimate("service_level").mean >= wanted:
            high = middle
        else:
            low = middle + 1
    if high not in found:
        variant = structs.replace(BEST, name="both levers, service as at the beginning", agents=high)
        (found[high],) = play([variant], people, size)
    return found[high]


def page(size: Size, say: Callable[[str], None] | None = None) -> str:
    """The page, from the simulation of all variants."""
    people = draw_people()
    rows: list[Row] = []
    for row in play([BASE, *VARIANTS], people, size):
        rows.append(row)
        if say is not None:
            say(f"{row.variant.name}: {estimate(inbound(row.study, 'service_level')).mean:.1%} in time")
    base = rows[0].study
    rows.append(fewest_agents(base, people, size))
    table = [
        "| centre | agents | in time | abandoned | occupancy | outbound an hour | cost per contact | value per caller |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(row, base, first=place == 0) for place, row in enumerate(rows)),
    ]
    contacts = round(sum(inbound(base, "offered")))
    days = callback_day.play(round(size.replications * size.hours), size.seed, size.processes)
    return _PAGE.format(
        table="\n".join(table),
        verdict=_verdict(rows, base),
        callbacks=callback_day.table(days),
        peak_days=f"{days[0].study.model.horizon_s / 86_400 * callback_day.REPLICATIONS:g}",
        offer=callback_day.OFFER_S,
        not_reached=f"{callback_day.NOT_REACHED:.0%}",
        reserve=RESERVE,
        outbound_value=OUTBOUND_VALUE,
        contacts=f"{contacts:,}",
        replications=size.replications,
        hours=f"{size.hours:g}",
        load=f"{LOAD:g}",
        handle=f"{HANDLE_S:g}",
        patience=f"{PATIENCE_S:g}",
        seen=SEEN_CALLS,
        cost=COST_PER_HOUR,
        silo=SILO_AGENTS // LINES,
    )


def _line(row: Row, base: Study, *, first: bool) -> str:
    study = row.study

    def share(name: str) -> str:
        return f"{mean(name):.1%}"

    def mean(name: str) -> float:
        return estimate(inbound(study, name)).mean

    cost, value = f"{mean('cost_per_answered'):.3f}", f"{mean('value_per_offered'):.3f}"
    if not first:
        cost += f" ({_percent(relative(study, base, 'cost_per_answered'))})"
        value += f" ({_percent(relative(study, base, 'value_per_offered'))})"
    cells = [
        row.variant.name,
        str(row.variant.agents),
        share("service_level"),
        share("abandonment"),
        share("occupancy"),
        f"{mean('outbound'):.0f}" if row.variant.reserve is not None else "",
        cost,
        value,
    ]
    return f"| {' | '.join(cells)} |"


def _percent(change: Estimate) -> str:
    return f"{100 * change.mean:+.1f} ± {100 * change.half_width:.1f} %"


def _verdict(rows: Sequence[Row], base: Study) -> str:
    """Whether the claim was reached, from the figures alone."""
    by_name = {row.variant.name: row.study for row in rows[1:]}
    best = by_name[BEST.name]
    learned = by_name[VARIANTS[3].name]
    equal = rows[-1]
    sentences = []
    for what, measure, claim in (
        ("cost", "cost_per_answered", CLAIM_COST),
        ("value", "value_per_offered", CLAIM_VALUE),
    ):
        change = relative(best, base, measure)
        low, high = claim
        reached = change.mean <= high if what == "cost" else change.mean >= low
        careful = relative(learned, base, measure)
        sentences.append(
            f"- **{what.capitalize()}**: {_percent(change)} with both levers when values are known exactly, "
            f"{_percent(careful)} when they are learned. The claim is {100 * low:+.0f} to {100 * high:+.0f} %: "
            f"**{'reached' if reached else 'not reached'}**."
        )
    sentences.append(
        f"- At the service of the beginning, both levers need {equal.variant.agents} agents instead of {SILO_AGENTS}: "
        f"cost {_percent(relative(equal.study, base, 'cost_per_answered'))}, "
        f"value {_percent(relative(equal.study, base, 'value_per_offered'))}."
    )
    blended = by_name[BLENDED.name]
    cost = relative(blended, base, "cost_per_answered")
    sentences.append(
        f"- With outbound work behind a reserve of {RESERVE}: cost of a contact, in or out, {_percent(cost)}: "
        f"**{'reached' if cost.mean <= CLAIM_COST[1] else 'not reached'}**; value "
        f"{_percent(relative(blended, base, 'value_per_offered'))}: "
        f"**{'reached' if relative(blended, base, 'value_per_offered').mean >= CLAIM_VALUE[0] else 'not reached'}**."
    )
    return "\n".join(sentences)


_PAGE = """\
# What better routing is worth

<!-- written by `make quality`; change acd_sim/routing_quality.py and not this page -->

A consultancy's claim (Gilson & Khandelwal, "Getting more from call centers", McKinsey Quarterly, April 2005) says that
well-run centres cut cost by 15 to 25 % and raise value by 20 to 35 %. It speaks of strategy, infrastructure and people as
much as of routing. This page asks how much of it routing alone earns, with the engine that serves live calls, in virtual
time. It shows what did not reach the claim as well.

## The centre

Six lines of business, each with {load} Erlang: conversations of {handle} s on average (exponential), callers who wait
for {patience} s on average (exponential). An agent costs {cost} an hour, an answered caller is worth 1 on average. In
each line every agent has a handle time and a value of his own, with a standard deviation of 10 %; nobody is chosen for
being good. {replications} replications of {hours} hours, {contacts} callers in each row, the same callers in all rows;
in brackets the difference from the first row with its paired 95 % interval.

The first row is a centre as Asterisk's app_queue routes it: {silo} agents for each line, `leastrecent`, first come first
served. That is kind to app_queue: its callers ask for agents once a second, and it rests after a missed call; here a
decision takes no time.

## The levers

{table}

{verdict}

How to read it:

- **Two skills** are worth most of the cost, and they need no new engine: app_queue has them as members of two queues
  with penalties. They need people who know two lines.
- **Pairing** sends an arriving contact to the free agent who is worth most in its line (`most_skilled`, with levels made
  from value per minute). It works only while several agents are free: the busier the centre, the less there is to choose.
  A freed agent takes the contact that has waited longest, whatever it is worth.
- **Known exactly** is a bound that no centre reaches. **Learned** is what {seen} conversations of each agent in each line
  tell, drawn back to the mean as far as their noise deserves.
- **Outbound work** is an endless list of numbers with conversations as long as the others, for agents who would be idle. A
  number is dialled only while more than {reserve} of those who know a line are free (`reserve` of its queue). Cost is then
  shared by contacts of both kinds. An outbound contact is taken to be worth {outbound_value:g}: that is an assumption, not
  a result. Without a reserve callers pay for it, as the row shows in which nobody is kept free.
- Levers do not add up: fewer agents leave less choice, and pairing shortens conversations, which leaves more.

## Callbacks at a peak

The centre above has no peak, so callbacks are shown on a day that has one: sixteen half hours of 60 calls on average and
90 in the worst two, conversations of 300 s, callers who wait for 180 s on average. Whose forecast is longer than {offer} s is
asked whether he would rather be called back; {not_reached} of the attempts find nobody. {peak_days} days in each row, the
same callers in all rows.

{callbacks}

A caller who is called back keeps his place, and counts as answered in time when he hung up in time. So callbacks do not cost
those who stay on the phone their turn, and they cannot shorten a queue either: they keep people from giving up. That 37 %
accept is what Hathaway, Emadi and Deshpande saw.

## Levers that are not here

The engine does not have them yet, so nothing is claimed for them: a price on occupancy in the choice of an agent, choice
among several waiting contacts by value, batch matching, and pacing of a dialler. Service objectives are there, but they
decide who waits and not how much, so they change neither cost nor value here; [routing.md](routing.md) tells what they do.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acd_sim.routing_quality",
        description="Simulate all variants and write the page.",
        epilog="example:\n  python -m acd_sim.routing_quality docs/routing-quality.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("page", type=Path, help="the file to write")
    parser.add_argument("--hours", type=float, default=HOURS, help="of each replication (%(default)g)")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, help="of each row (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all (%(default)s)")
    args = parser.parse_args(arguments)
    text = page(Size(args.hours, args.replications, args.seed), lambda line: print(line, flush=True))
    args.page.write_text(text, "utf-8")
    print(f"written to {args.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
