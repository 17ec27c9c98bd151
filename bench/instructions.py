"""`make instructions`: how many instructions some work takes, which is the same on a busy machine as on a quiet one.

Each piece of work runs once under callgrind, between two marks, with everything before it left out. The counts are kept in
`instructions.json` beside this file; more than a tolerance above them is a regression, and more than that below them an
improvement that should be kept (`ARGS=--keep`). Counts depend on compiler, Python and packages, so those made with others are
shown and not judged.
"""

import argparse
import gc
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from acd_protocol.framing import decode_from_client
from acd_sim.load.floor import Centre, Shape
from bench import drive
from bench.drive import measured
from bench.path import recorded
from bench.trace import traffic_of
from bench.workload import record
from server.access.identity import ANYONE, Identity
from server.pace import Pace

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.02
ASSIGNMENTS = 300
SETTLED = 2_000
RATE = 9_000_000
VERSIONS = ("Cython", "msgspec")

Work = Callable[[], object]


def core(shape: Shape) -> Callable[[], tuple[Work, int]]:
    """Assignments in the core, from compiled code."""

    def prepare() -> tuple[Work, int]:
        traffic = traffic_of(Centre(shape))
        traffic.open()
        traffic.settle(SETTLED)
        traffic.prepare(4 * ASSIGNMENTS)
        return lambda: traffic.run(ASSIGNMENTS), ASSIGNMENTS

    return prepare


def path(identity: Identity = ANYONE) -> tuple[Work, int]:
    """From the bytes of a connection to the bytes to it, through all of the server but sockets, thread and disk."""
    served, chunks = recorded(Shape(200, 8), ASSIGNMENTS, 16, 4 * ASSIGNMENTS, identity)
    return lambda: served.feed(chunks), ASSIGNMENTS


def guarded() -> tuple[Work, int]:
    """The same from a client with a role, a wall around its tenant, and a rate that it never reaches."""
    return path(Identity(role="adapter", tenants=frozenset({"acme"}), paces=(Pace(RATE, RATE),)))


def decoding() -> tuple[Work, int]:
    """Lines to commands."""
    lines = [step.line for step in record(Shape(50, 8), 1, ASSIGNMENTS).segments[0]]
    return lambda: [decode_from_client(line) for line in lines], len(lines)


WORKS: dict[str, Callable[[], tuple[Work, int]]] = {
    "core, an assignment: 1,000 agents, 64 skills, none waiting": core(Shape(1_000, 64)),
    "core, an assignment: 1,000 agents, 64 skills, 1,000 waiting": core(Shape(1_000, 64, 1_000)),
    "path without sockets, thread and disk, an assignment": path,
    "the same path from behind a wall, an assignment": guarded,
    "decoding, a command": decoding,
}


def work_all() -> None:
    """Under callgrind: all pieces, one after the other, each in a dump of its own."""
    for prepare in WORKS.values():
        work, _ = prepare()
        gc.collect()
        gc.disable()
        measured(work)
        gc.enable()


def mark() -> str:
    """The symbol of `measured` in the compiled module; callgrind dumps by whole names only."""
    found = re.search(rb"__pyx_pw_\w*measured(?=\0)", Path(drive.__file__).read_bytes())
    if found is None:
        raise RuntimeError("the mark is not in bench.drive; was it built with its symbols stripped?")
    return found[0].decode()


def count() -> dict[str, int]:
    """Instructions of each piece, for one unit. Raises `RuntimeError`, or `FileNotFoundError` without valgrind."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "counts"
        command = [
            *(
                "valgrind",
                "--tool=callgrind",
                "--collect-atstart=no",
                f"--toggle-collect={mark()}",
                f"--dump-after={mark()}",
            ),
            *(f"--callgrind-out-file={out}", sys.executable, "-m", "bench.instructions", "--work"),
        ]
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"callgrind failed: {done.stderr[-2000:]}")
        dumps = sorted(Path(directory).glob("counts.*"), key=lambda dump: int(dump.suffix[1:]))
        totals = [
            int(found[1]) for dump in dumps if (found := re.search(r"^summary: (\d+)", dump.read_text(), re.MULTILINE))
        ]
    totals = [total for total in totals if total]
    if len(totals) != len(WORKS):
        raise RuntimeError(
            f"callgrind gave {len(totals)} counts for {len(WORKS)} pieces of work: {done.stderr[-2000:]}"
        )
    units = {"decoding, a command": decoding()[1]}
    return {name: round(total / units.get(name, ASSIGNMENTS)) for name, total in zip(WORKS, totals, strict=True)}


def made_with() -> dict[str, str]:
    """What counts depend on."""
    compiler = subprocess.run([os.environ.get("CC", "gcc"), "--version"], capture_output=True, text=True, check=False)
    return {
        "machine": platform.machine(),
        "Python": platform.python_version(),
        "compiler": compiler.stdout.splitlines()[0] if compiler.stdout else "",
        **{name: version(name) for name in VERSIONS},
    }


def judged(counts: dict[str, int], kept: dict[str, int]) -> list[tuple[str, int, int | None, str]]:
    """Name, count, what was kept, and a word."""
    rows = []
    for name, found in counts.items():
        before = kept.get(name)
        if before is None:
            word = "new"
        elif found > before * (1 + TOLERANCE):
            word = "MORE"
        else:
            word = "fewer" if found < before * (1 - TOLERANCE) else "same"
        rows.append((name, found, before, word))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when nothing takes more than it did, 1 when something does, 2 without valgrind."""
    parser = argparse.ArgumentParser(prog="make instructions", description="Count instructions, and compare.")
    parser.add_argument("--keep", action="store_true", help="keep the counts in bench/instructions.json")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.work:
        work_all()
        return 0
    try:
        counts = count()
    except FileNotFoundError:
        print("valgrind is not installed: on Debian and Ubuntu install the package valgrind", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    stored = json.loads(KEPT.read_text()) if KEPT.exists() else {"made with": {}, "counts": {}}
    alike = stored["made with"] == made_with()
    rows = judged(counts, stored["counts"])
    if args.keep:
        KEPT.write_text(json.dumps({"made with": made_with(), "counts": counts}, indent=1) + "\n")
    if args.json:
        print(json.dumps({"made with": made_with(), "comparable": alike, "counts": counts, "kept": stored["counts"]}))
    else:
        for name, found, before, word in rows:
            change = "" if before is None else f"{found / before - 1:+8.1%} of {before:>10,}"
            print(f"{name:<62} {found:>10,} {change}  {word}".rstrip())
        if not alike and stored["counts"]:
            print("the kept counts were made with other versions, so nothing is judged; 'ARGS=--keep' keeps these")
    return 1 if alike and any(word == "MORE" for *_, word in rows) and not args.keep else 0


if __name__ == "__main__":
    sys.exit(main())
