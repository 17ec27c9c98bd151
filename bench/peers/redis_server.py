"""Redis as the matcher: a trace played to `matcher.lua`, in a Redis of our own, pipelined.

Its best settings: nothing on disk unless asked for, EVALSHA, 64 commands in one write. What is measured is the CPU time of
the Redis process, so the client's language does not matter.
"""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from acd_sim.load import usage
from bench.peers.python_core import digest
from bench.trace import ABANDON, ACCEPT, COMPLETE, ENQUEUE, FREE, Trace, step_ns_of

SCRIPT = Path(__file__).with_name("matcher.lua")
PIPELINE = 64
AOF = {"none": ("no", "no"), "everysec": ("yes", "everysec"), "always": ("yes", "always")}
START_S = 10.0
Pair = tuple[int | None, int | None]
"""Contact and agent of a command, as far as the command names them."""


class Redis:
    """A Redis in a process of its own, and a connection to it that speaks just enough of its protocol."""

    def __init__(self, pid: int, path: str) -> None:
        self.pid = pid
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rb")
        (self.sha,) = self.ask([("SCRIPT", "LOAD", SCRIPT.read_text())])

    def ask(self, commands: list[tuple[object, ...]]) -> list[str]:
        """Send them in one write; gives their answers, of which lists are not expected."""
        out = []
        for words in commands:
            out.append(b"*%d\r\n" % len(words))
            for word in words:
                data = str(word).encode()
                out.append(b"$%d\r\n%b\r\n" % (len(data), data))
        self._socket.sendall(b"".join(out))
        return [self._answer() for _ in commands]

    def _answer(self) -> str:
        line = self._file.readline().rstrip().decode()
        if line.startswith("-"):
            raise RuntimeError(f"Redis says {line[1:]}")
        if line.startswith("$"):
            return self._file.read(int(line[1:]) + 2)[:-2].decode()
        return line[1:]

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def _connected(pid: int, path: str) -> Redis | None:
    try:
        return Redis(pid, path)
    except OSError:
        return None


@contextlib.contextmanager
def running(aof: str = "none") -> Iterator[Redis]:
    """A Redis with nothing in it. Raises `FileNotFoundError` where it is not installed."""
    with tempfile.TemporaryDirectory(prefix="acd-redis-") as directory:
        path = f"{directory}/socket"
        only, sync = AOF[aof]
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
        options += ["--appendonly", only, "--appendfsync", sync if only == "yes" else "everysec"]
        with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as process:
            try:
                deadline = time.monotonic() + START_S
                while (redis := _connected(process.pid, path)) is None:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("redis-server did not start")
                    time.sleep(0.01)
                yield redis
                redis.close()
            finally:
                process.terminate()
                process.wait()


def measure(trace: Trace, aof: str = "none") -> list[float]:
    """CPU time of Redis for each assignment in nanoseconds, by segment.

    Raises:
        RuntimeError: it gave other contacts to other agents than our engine.
    """
    people, asked = trace.people(), trace.asked()
    holders: dict[int, int] = {}
    for skills in people:
        for skill, _ in skills:
            holders[skill] = holders.get(skill, 0) + 1
    with running(aof) as redis:
        call = ("EVALSHA", redis.sha, 0)
        commands: list[tuple[object, ...]] = []
        for number, terms in enumerate(asked):
            rarest, _ = min(terms, key=lambda term: holders.get(term[0], 0))
            commands.append(("RPUSH", f"k:{number}", rarest, *(word for term in terms for word in term)))
        for number, skills in enumerate(people):
            commands.append(("HSET", f"a:{number}", *(word for term in skills for word in term)))
            commands.append((*call, "free", 0, "", number))
        _pipelined(redis, commands)
        found: list[float] = []
        assigned: list[tuple[int, int]] = []
        now, step = 0, step_ns_of(trace.centre.shape)
        commands, accepted, began = [], 0, 0
        pairs: list[Pair] = []
        for number, (operation, contact, value, priority) in enumerate(trace.rows()):
            now += step
            if number == trace.setup:
                assigned += _matched(_pipelined(redis, commands), pairs)
                commands, pairs, began = [], [], usage.cpu_ns(redis.pid)
            if operation == ENQUEUE:
                commands.append((*call, "enqueue", now, contact, value, priority))
                pairs.append((contact, None))
            elif operation == ACCEPT:
                commands.append((*call, "accept", now, contact))
                pairs.append((None, None))
                accepted += number >= trace.setup
            elif operation == FREE:
                commands.append((*call, "free", now, contact, value))
                pairs.append((None, value))
            elif operation == ABANDON:
                commands.append((*call, "abandon", now, contact))
                pairs.append((None, None))
            else:
                assert operation == COMPLETE  # one call with the next: the agent is free at once
            if operation == ACCEPT and accepted and accepted % trace.assignments == 0:
                assigned += _matched(_pipelined(redis, commands), pairs)
                commands, pairs = [], []
                found.append((usage.cpu_ns(redis.pid) - began) / trace.assignments)
                began = usage.cpu_ns(redis.pid)
        assigned += _matched(_pipelined(redis, commands), pairs)
    if digest(assigned) != trace.digest:
        raise RuntimeError("Redis gave other contacts to other agents than the engine")
    return found


def _pipelined(redis: Redis, commands: list[tuple[object, ...]]) -> list[str]:
    return [
        answer
        for start in range(0, len(commands), PIPELINE)
        for answer in redis.ask(commands[start : start + PIPELINE])
    ]


def _matched(answers: list[str], pairs: list[Pair]) -> list[tuple[int, int]]:
    """Who got whom: the answer is the agent of an arriving contact, or the contact of a freed agent."""
    found = []
    for answer, (contact, agent) in zip(answers, pairs, strict=True):
        if answer == "-1":
            continue
        if contact is not None:
            found.append((contact, int(answer)))
        elif agent is not None:
            found.append((int(answer), agent))
    return found


def version() -> str:
    """As it says."""
    done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2].removeprefix("v=")
