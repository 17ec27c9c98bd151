"""`make performance`: writes docs/performance.md and its pictures from what `make goals` and `make peers` measured last.

Nothing on the page is typed in by hand but the words. What was measured is kept in docs/performance/, so the page can be
written anew without measuring; `tried.md` beside this file holds what was tried and did not help.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.curves import draw_all
from bench.figures.core import FEW_OF_WAITING
from bench.figures.samples import Figures
from bench.figures.scale import FULL
from bench.goals import Line, lines_of
from bench.peers.__main__ import as_data, shown
from bench.workload import MIX

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
KEPT = ROOT / "docs" / "performance"
PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "pictures"
TRIED = Path(__file__).with_name("tried.md")
CENTRES = ((50, 1), (500, 10), (5_000, 100), (50_000, 1_000))
"""Agents, and contacts that wait in the worst minute."""
HANDLE_S = 210
OCCUPANCY = 0.85
QUIET_LOAD = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when the page was written, 2 when nothing was measured yet."""
    parser = argparse.ArgumentParser(prog="make performance", description="Write docs/performance.md and its pictures.")
    parser.add_argument("--goals", type=Path, metavar="FILE.json", help="figures of 'make goals' (the last ones)")
    parser.add_argument("--peers", type=Path, metavar="FILE.json", help="figures of 'make peers' (the last ones)")
    args = parser.parse_args(arguments)
    found = {}
    for name, given in (("goals", args.goals), ("peers", args.peers)):
        source = given or next(
            (path for path in (BUILD / f"{name}.json", KEPT / f"{name}.json") if path.exists()), None
        )
        if source is None or not source.exists():
            print(f"there are no figures yet: run 'make {name}' first", file=sys.stderr)
            return 2
        found[name] = Figures.read(source)
    for name, figures in found.items():
        figures.write(KEPT / f"{name}.json")
    rows = as_data(found["peers"], FULL)
    pictures = draw_all(found["goals"], rows, PICTURES)
    PAGE.write_text(page(found["goals"], found["peers"], rows, pictures), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}, {len(pictures)} pictures, figures in {KEPT.relative_to(ROOT)}")
    return 0


def page(goals: Figures, peers: Figures, rows: list[dict[str, Any]], pictures: list[tuple[str, str]]) -> str:
    """The page."""
    lines = lines_of(goals, FULL)
    made = {name.removeprefix("performance-").removesuffix(".png"): (name, title) for name, title in pictures}

    def picture(name: str) -> list[str]:
        if name not in made:
            return []
        file, title = made[name]
        return ["", f"![{title}](pictures/{file})", "", f"*{title}.*"]

    parts = [
        "# Performance",
        "",
        "What the engine shall reach, what it reaches, and beside what. This page is written by `make performance` from what",
        "`make goals` and `make peers` measured last; all of it can be had again on any machine, in about ten minutes.",
        "",
        *_in_short(lines),
        "",
        "## The machine, and how it was measured",
        "",
        *(f"- {name}: {value}" for name, value in goals.environment.items()),
        *(f"- {name}: {peers.notes[name]}" for name in ("Redis", "PostgreSQL", "Asterisk") if name in peers.notes),
        "",
        *_provisional(goals),
        "Times are CPU time of what is measured (of a server: all its threads) wherever that means something, because it",
        "compares well on a machine that does other things too. Latency and throughput are by the wall clock. What is compared",
        "was measured in the same run by turns; a ratio is the median of the rounds' ratios, between their least and most. Load comes",
        "from `acd load`'s own sender, in a process of its own, and latency counts from the planned time of a contact; for goals",
        "11 and 12, the server has real-time priority (`SCHED_FIFO`) where that is allowed, and the sender never sleeps, beside the",
        "echo as beside the server: a processor that slept is 20 to 50 µs late on machines like this. Each has its own processor; snapshots are made on the load's, which lets them wait.",
        f"The traffic: {MIX}.",
        "",
        "The modules are built as those of a wheel are (`tuned`): gcc lays them out by what runs while they do traffic of this kind,",
        "in other centres, and each dear feature of the routing for a while. The plain cores and the echo, which have nothing that",
        "seldom runs, are compiled without a profile. `ACD_BUILD=release make goals` measures the build without one.",
        "",
        f"Memory of a waiting contact is what the process grows by from {FULL.large[1] // FEW_OF_WAITING:,} to",
        f"{FULL.large[1]:,} who wait: what agents talk with then is no contact that waits, and what the load keeps of contacts",
        "to come is not the engine's.",
        "",
        '"Not durable" is the same server with its journal in memory (`/dev/shm`), where a flush costs nothing; it has no mode',
        "that answers before it has written.",
        "",
        "## Goals",
        "",
        *_table(["", "goal", "must", "ambitious", "measured", "least .. most", "verdict"], map(_goal, lines)),
        "",
        "A goal is *reached* where its ambitious value is, *met* where its must is. Those that are **MISSED** are explained by",
        "the profile below.",
        "",
        "## How it grows",
        *picture("agents"),
        *picture("waiting"),
        "",
        "## The whole path",
        *picture("depth"),
        *picture("latency"),
        "",
        "## Beside others",
        "",
        *_table(["peer", "what", "theirs", "ours", "ratio", "least .. most"], map(_peer, rows)),
        *picture("peers"),
        "",
        *_peers_in_words(peers),
        "",
        "## Where the time goes",
        "",
        *_profile(goals),
        *picture("profile"),
        *_symbols(goals),
        "",
        "## What was tried and did not help",
        "",
        TRIED.read_text("utf-8").strip(),
        "",
        "## How large a machine",
        "",
        *_sizing(goals),
    ]
    return "\n".join(parts) + "\n"


def _table(heads: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]


def _goal(line: Line) -> list[str]:
    sign = "≥" if line.at_least else "≤"
    measured = "" if line.median is None else f"{line.median:,.2f} {line.unit}"
    between = "" if line.low is None else f"{line.low:,.2f} .. {line.high:,.2f}"
    verdict = (
        f"**{line.verdict}**" if line.verdict == "MISSED" else line.verdict + (f" ({line.why})" if line.why else "")
    )
    return [line.number, line.what, f"{sign} {line.must:g}", f"{sign} {line.ambitious:g}", measured, between, verdict]


def _peer(row: dict[str, Any]) -> list[str]:
    ratio = row["ratio"]
    word = "" if ratio is None else f"{ratio['median']:,.2f}" + (" x the limit" if row["limit"] else "")
    between = "not measured" if ratio is None else f"{ratio['low']:,.2f} .. {ratio['high']:,.2f}"
    return [
        row["peer"],
        row["what"],
        shown(row["their_value"], row["unit"]),
        shown(row["our_value"], row["unit"]),
        word,
        between,
    ]


def _in_short(lines: list[Line]) -> list[str]:
    counts = {
        word: sum(line.verdict == word for line in lines) for word in ("reached", "met", "MISSED", "not measured")
    }
    said = [
        f"Of {len(lines)} goals {counts['reached']} are reached, {counts['met']} are met, {counts['MISSED']} are missed"
    ]
    if counts["not measured"]:
        said.append(f" and {counts['not measured']} were not measured")
    return ["".join(said) + "."]


def _provisional(figures: Figures) -> list[str]:
    """A word on a machine that had other work."""
    loads = figures.environment.get("load average", "").split()
    if not loads or float(loads[-1]) < QUIET_LOAD:
        return []
    return [
        "**The machine had other work while this was measured** (see its load average), so latency, throughput and what two",
        "processes reach are worse than they are on a quiet one. CPU times suffer less.",
        "",
    ]


def _peers_in_words(peers: Figures) -> list[str]:
    said = [
        "A ratio above 1 says how many times more the peer needs than ours (for PostgreSQL: how many times more contacts a second",
        "ours does); for a limit it says how many times more ours needs than the limit. Each peer is written by us for the same",
        "work and has its best settings:",
        "",
        "- *C epoll echo*: one read, one write of the same bytes, nothing else.",
        "- *plain C++ core, same semantics*: all that our engine does for this traffic, and nothing for any other. It plays the",
        "  commands of our engine, and decides, tells and shows the same, event by event and number by number, or the comparison",
        "  fails.",
        "- *plain C++ core, decisions alone*: the same decisions without names, events, timers, counters, forecasts. It gives the",
        "  same contacts to the same agents, or the comparison fails. So do the *plain Python core* and Redis.",
        "- *readable model*: the specification that our tests compare the engine with; it looks through everything at each decision.",
        "- *asyncio server*: uvloop, a protocol object, one write for each read, the plain Python core, the json module.",
        "- *Redis*: one Lua script called by hash, 64 calls in one write, over a Unix socket, which is cheaper than the TCP that ours",
        "  has; nothing on disk unless said.",
        "- *PostgreSQL*: functions with `FOR UPDATE SKIP LOCKED`, prepared statements, pgbench with 8 clients over a Unix socket.",
        "- *Asterisk's app_queue*: the same synthetic callers and agents on the same Asterisk, ours through its adapter.",
    ]
    if peers.missing:
        said += ["", *(f"Not measured: {name}: {why}" for name, why in peers.missing.items())]
    return said


def _profile(figures: Figures) -> list[str]:
    shares = {
        name.removeprefix("profile."): values[0]
        for name, values in figures.values.items()
        if name.startswith("profile.")
    }
    if not shares:
        return [f"No profile: {figures.missing.get('profile', 'it was left out')}."]
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return [
        "Samples of the server's CPU time with 64 contacts in flight, by the file that the code is in:",
        "",
        *_table(["part", "share"], ([name, f"{share:.1f} %"] for name, share in ordered)),
    ]


def _symbols(figures: Figures) -> list[str]:
    if "symbols" not in figures.notes:
        return []
    return ["", "The hottest functions:", "", "```", figures.notes["symbols"], "```"]


def _sizing(figures: Figures) -> list[str]:
    """What a planner needs: from agents to processors, memory, disk."""
    costs = {
        int(found[1]): figures.spread(name).median / 1e3
        for name in figures.values
        if (found := re.fullmatch(r"rates\.durable (\d+) cpu", name))
    }
    needed = ("memory.agent", "memory.waiting", "cost.journal", "cost.wire", "cost.recovery", "cost.rss")
    if not costs or not figures.has(*needed):
        return ["Not measured: run `make goals` without `--only`."]
    agent, waiting, journal, wire, recovery, resident = (figures.spread(name).median for name in needed)
    slowest = min(costs)
    rows = []
    for agents, queue in CENTRES:
        rate = agents * OCCUPANCY / HANDLE_S
        cost = costs[max((known for known in costs if known <= rate), default=slowest)]
        busy = rate * cost / 1e6
        memory = resident + (max(0, agents - FULL.centre.agents) * agent + queue * waiting) / 1e6
        disk = rate * journal * 86_400 / 3 / 1e9
        rows.append(
            [
                f"{agents:,}",
                f"{rate:,.2f}",
                f"{busy:.2%}",
                f"{memory:,.0f} MB",
                f"{disk:,.3f} GB",
                f"{rate * wire / 1e3:,.1f} kB/s",
            ]
        )
    return [
        f"For agents who are busy {OCCUPANCY:.0%} of the time with contacts of {HANDLE_S} s, after-work included, and a day of eight such",
        "hours:",
        "",
        *_table(["agents", "contacts a second", "of one processor", "memory", "journal a day", "network"], rows),
        "",
        f"- **Processor.** A contact costs {costs[slowest]:,.0f} µs where few come at a time, for each wakes the server by itself, and",
        f"  {costs[max(costs)]:,.0f} µs at {max(costs):,} a second, where they share wake-ups and flushes. Keep a server below 50 % of a",
        "  processor at its busiest, so that a storm after an outage is over soon. One routing domain uses one processor.",
        f"- **Memory.** {resident:,.0f} MB with {FULL.centre.agents:,} agents after a storm, ended contacts and events that are remembered included;",
        f"  then {agent:,.0f} bytes for each further agent, {waiting:,.0f} for each contact that waits.",
        f"- **Disk.** {journal:,.0f} bytes a contact. What counts is the time of a flush: every answer waits for one, and a disk",
        "  without a protected cache takes milliseconds. `acd doctor` measures it.",
        f"- **Network.** {wire:,.0f} bytes a contact, both ways, when each client gets its own events only.",
        f"- **Restart.** {recovery / 1e3:,.0f} µs of CPU time for each contact in the journal, which is read from its beginning.",
        "",
        "To know it for your traffic, machine and disk: `acd load --own-server --rate 10,100,1000 --for 30s` on that machine,",
        "and [docs/load.md](load.md).",
    ]


if __name__ == "__main__":
    sys.exit(main())
