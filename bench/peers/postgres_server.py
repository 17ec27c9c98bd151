"""PostgreSQL as the matcher: whole lifecycles by pgbench, in a cluster of our own that is removed.

Its best settings: shared buffers that hold everything, prepared statements, eight clients over a Unix socket, and a
function call for each step, each in a transaction of its own, so durable as our answers are. What counts is how many
lifecycles it does in a second.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.trace import Trace

SCHEMA = Path(__file__).with_name("matcher.sql")
CLIENTS = 8
USER = "postgres"
SETTINGS = "shared_buffers=256MB max_wal_size=4GB checkpoint_timeout=30min autovacuum_naptime=5s listen_addresses=''"
LIFECYCLE = """\\set kind random(0, {kinds})
\\set priority random(0, 3)
SELECT enqueue(:kind, :priority) AS contact \\gset
SELECT accept(:contact);
SELECT complete(:contact);
"""


def programs() -> Path:
    """Where PostgreSQL's programs are. Raises `FileNotFoundError` where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError("pgbench")
    return found[-1].parent


class Cluster:
    """A running cluster."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, program: str, *options: str, given: str | None = None) -> str:
        """Run one of its programs; gives what it prints."""
        command = [*_AS_USER, str(programs() / program), *options]
        # What is preloaded here, as for a build with sanitizers, is not meant for programs of others.
        env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd="/", env=env)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


_AS_USER = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def running(folder: Path, *, durable: bool) -> Iterator[Cluster]:
    """A cluster with nothing in it, in a folder on the disk that is to be measured."""
    programs()
    directory = Path(tempfile.mkdtemp(prefix="acd-postgres-", dir=folder if not _AS_USER else None))
    if _AS_USER:
        shutil.chown(directory, USER)
    cluster = Cluster(directory)
    try:
        cluster.run("initdb", "-D", f"{directory}/data", "-U", USER, "-A", "trust", "--locale=C", "--no-sync")
        settings = [
            *SETTINGS.split(),
            f"unix_socket_directories={directory}",
            f"synchronous_commit={'on' if durable else 'off'}",
        ]
        options = " ".join(f"-c {setting}" for setting in settings)
        cluster.run("pg_ctl", "-D", f"{directory}/data", "-w", "-l", f"{directory}/log", "-o", options, "start")
        try:
            yield cluster
        finally:
            cluster.run("pg_ctl", "-D", f"{directory}/data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def measure(trace: Trace, folder: Path, seconds: float, rounds: int, *, durable: bool) -> list[float]:
    """Lifecycles a second, by round; after one that is not measured."""
    people, asked = trace.people(), trace.asked()
    holders: dict[int, int] = {}
    for skills in people:
        for skill, _ in skills:
            holders[skill] = holders.get(skill, 0) + 1
    lines = [SCHEMA.read_text(), "COPY agents (id) FROM STDIN;", *map(str, range(len(people))), "\\."]
    lines += ["COPY agent_skills FROM STDIN;"]
    lines += [f"{skill}\t{agent}\t{level}" for agent, skills in enumerate(people) for skill, level in skills]
    lines += ["\\.", "COPY kinds FROM STDIN;"]
    for number, terms in enumerate(asked):
        rarest, _ = min(terms, key=lambda term: holders.get(term[0], 0))
        levels, numbers = (",".join(str(term[place]) for term in terms) for place in (1, 0))
        lines.append(f"{number}\t{rarest}\t{{{numbers}}}\t{{{levels}}}")
    lines += ["\\.", "ANALYZE;"]
    rates: list[float] = []
    with running(folder, durable=durable) as cluster:
        at = ["-h", str(cluster.directory), "-U", USER]
        cluster.run("psql", *at, "-q", "-v", "ON_ERROR_STOP=1", given="\n".join(lines) + "\n")
        script = LIFECYCLE.format(kinds=len(asked) - 1)
        for number in range(rounds + 1):
            told = cluster.run(
                *(
                    "pgbench",
                    *at,
                    "-n",
                    "-M",
                    "prepared",
                    "-c",
                    str(CLIENTS),
                    "-j",
                    "2",
                    "-T",
                    f"{max(1, round(seconds))}",
                ),
                *("-f", "-", "postgres"),
                given=script,
            )
            if number:
                rates.append(float(re.search(r"tps = ([\d.]+)", told)[1]))  # type: ignore[index]
    return rates


def version() -> str:
    """As it says."""
    done = subprocess.run([programs() / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]
