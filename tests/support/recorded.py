"""Records of calls for tests: the real month if it is there, and small ones made up."""

import os
from pathlib import Path
from random import Random

import pytest

from acd_sim.recorded_calls import COLUMNS

ROOT = Path(__file__).resolve().parent.parent.parent
CALLS_FILE = Path(os.environ.get("ACD_CALLS_FILE") or ROOT.parent / "shared" / "data" / "anonymous-bank-1999-08.csv.gz")

needs_month = pytest.mark.skipif(
    not CALLS_FILE.is_file(), reason="the month of recorded calls is not here; name it with ACD_CALLS_FILE"
)

ROW = {
    "line": "L1",
    "call_id": "1",
    "priority": "0",
    "type": "PS",
    "date": "1999-08-01",
    "vru_entry_s": "36000",
    "vru_time_s": "10",
    "queue_start_s": "36010",
    "queue_time_s": "30",
    "outcome": "AGENT",
    "service_start_s": "36040",
    "service_time_s": "100",
    "server": "ann",
}
"""A served call; tests change what they are about."""


def row(**changes: str) -> str:
    """A line of CSV: `ROW` with changes."""
    return ",".join({**ROW, **changes}[column] for column in COLUMNS)


def text(*rows: str) -> str:
    """A whole file."""
    return "\n".join([",".join(COLUMNS), *rows]) + "\n"


def busy_hour(path: Path, calls: int, seed: int = 1) -> dict[str, int]:
    """Write an hour in which `calls` callers of two types meet five agents; tells how many rows of which outcome."""
    random = Random(seed)
    agents = {"PS": ["ann", "bob", "cid"], "NW": ["cid", "dee", "eve"]}
    rows = []
    counts = {"AGENT": 0, "HANG": 0, "PHANTOM": 0, "vru": 0}
    for number in range(calls):
        kind = random.choice(["PS", "NW"])
        start = 36_000 + number * 3600 // calls
        outcome = random.choices(["AGENT", "HANG", "PHANTOM", "vru"], [80, 12, 3, 5])[0]
        counts[outcome] += 1
        wait = random.randrange(5, 90)
        served = outcome in {"AGENT", "PHANTOM"}
        rows.append(
            row(
                call_id=str(number),
                type=kind,
                priority=random.choice("0012"),
                queue_start_s="" if outcome == "vru" else str(start),
                queue_time_s=str(wait),
                outcome="HANG" if outcome == "vru" else outcome,
                service_start_s=str(start + wait) if served else "",
                service_time_s=str(random.randrange(5, 60)) if served else "0",
                server=random.choice(agents[kind]) if served else "",
            )
        )
    path.write_text(text(*rows))
    return counts
