"""A staged incident: agents vanish, an adapter is gone, a queue is flooded, the journal is slow, the server dies.

The right alerts fire, no others, and they clear. The clock of the server runs `SPEED` times as fast, and the rules'
durations are divided by the same, so that five minutes pass in five seconds. `ACD_DRILL_FILE` names a file that gets
the log of the drill.

The drill waits for states and not for instants. A machine that stands still for a second makes callers wait for a minute
here, and then the alerts that say so are right. So stalls are measured, in the drill itself and by the gaps between
scrapes: an alert that nobody foresaw is a fault, unless it comes right after a stall, and then it must clear.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from tests.monitoring.floor import Floor
from tests.monitoring.prometheus import Prometheus
from tests.support.server_process import ServerProcess

SPEED = 60
SPEED_OPTION = ("--clock-speed", str(SPEED))
INTERVAL_MS = 200
PATIENCE_S = 120
CALM_S = 6.0
STALL_S = 0.7
"""Nothing that takes so long should; at rest a look takes some hundredths of a second."""
AFTER_STALL_S = 40.0
"""So long after a stall its consequences may show: some rules look back over half an hour, and then wait for five minutes."""
STALLED = (
    f"max(max_over_time(scrape_duration_seconds[2s])) > {STALL_S} "
    f"or min(count_over_time(up[2s])) < {round((2 - STALL_S) * 1000 / INTERVAL_MS)} or min(min_over_time(up[2s])) == 0"
)

Action = Callable[[], Awaitable[object]]


class SlowServer(ServerProcess):
    """The server whose disk can be made slow."""

    program = ("tests.monitoring.slow_server",)

    def again(self) -> "SlowServer":
        """Another process on the same data and ports."""
        ports = ("--port", str(self.port), "--metrics-port", str(self.metrics_port))
        return SlowServer(self.data, *SPEED_OPTION, *ports)


class Drill:
    """Stages of an incident, and a log of what was done and seen."""

    def __init__(self, prometheus: Prometheus, server: SlowServer, floor: Floor) -> None:
        self.server = server
        self.floor = floor
        self.lines: list[str] = []
        self._prometheus = prometheus
        self._begin = self._looked = time.monotonic()
        self._stalled = float("-inf")
        self._killed = False
        self._seen: dict[str, str] = {}
        self._fired: set[str] = set()

    def log(self, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{time.monotonic() - self._begin:6.1f} s  {text}")

    async def kill(self) -> None:
        """Kill the server."""
        self._killed = True
        await self.server.kill()

    async def restart(self) -> None:
        """Start the server that was killed again."""
        self.server = self.server.again()
        await self.server.start()
        self._killed = False

    async def look(self) -> set[str]:
        """The names of the alerts that fire; changes and stalls are logged."""
        states = await self._prometheus.alerts()
        stalled = bool(await self._prometheus.query(STALLED)) and not self._killed
        now = time.monotonic()
        if stalled or now - self._looked > STALL_S:
            if now - self._stalled > AFTER_STALL_S:
                self.log("    (the machine stalls)")
            self._stalled = now
        self._looked = now
        for name in sorted(states.keys() | self._seen.keys()):
            state = states.get(name, "cleared")
            if state != self._seen.get(name, "cleared"):
                self.log(f"    {name} {state}")
        self._seen = states
        firing = {name for name, state in states.items() if state == "firing"}
        self._fired |= firing
        return firing

    async def until(self, condition: Callable[[set[str]], bool], allowed: AbstractSet[str], what: str) -> None:
        """Look until the alerts are as expected; none but those allowed may fire meanwhile, unless after a stall."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            firing = await self.look()
            calm = time.monotonic() - self._stalled > AFTER_STALL_S
            assert not calm or firing <= allowed, "\n".join([*self.lines, f"{firing - allowed} should not fire"])
            if firing <= allowed and condition(firing):
                return
            assert time.monotonic() < deadline, "\n".join([*self.lines, f"not in time: {what}; firing: {firing}"])
            await asyncio.sleep(0.1)

    async def calm(self, seconds: float) -> None:
        """Nothing fires for a while."""
        deadline = time.monotonic() + seconds
        await self.until(lambda firing: not firing and time.monotonic() > deadline, set(), "calm")

    async def stage(
        self,
        what: str,
        happen: Action,
        after: str,
        repair: Action,
        *,
        fires: set[str],
        may: frozenset[str] = frozenset(),
    ) -> None:
        """Let something happen until all of `fires` do; repair it until nothing fires."""
        self.log(what)
        self._fired.clear()
        await happen()
        await self.until(lambda _: fires <= self._fired, fires | may, f"{fires} fire")
        self.log(after)
        await repair()
        await self.until(lambda firing: not firing & fires, fires | may, f"{fires} clear")
        self.log("over")
        deadline = time.monotonic() + PATIENCE_S  # for what has piled up to be dealt with before the next stage
        while not await self._prometheus.query('sum(acd_agents{state="ready"}) >= 6'):
            agents = await self._prometheus.query("acd_agents")
            assert time.monotonic() < deadline, "\n".join([*self.lines, f"the agents stay busy: {agents}"])
            await asyncio.sleep(0.1)


@pytest.fixture
async def drill(tmp_path: Path) -> AsyncIterator[Drill]:
    """A calm floor."""
    server = SlowServer(tmp_path / "data", *SPEED_OPTION)
    await server.start()
    floor = Floor(server.port, SPEED)
    try:
        await floor.open()
        directory = tmp_path / "prometheus"
        async with Prometheus(directory, server.metrics_port, faster=SPEED, interval_ms=INTERVAL_MS) as prometheus:
            while not await prometheus.query("up == 1"):  # noqa: ASYNC110 - Prometheus tells nobody
                await asyncio.sleep(0.1)
            # Before its first scrapes the server counts as down, and the machine as stalled.
            while await prometheus.alerts() or await prometheus.query(STALLED):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
            made = Drill(prometheus, server, floor)
            yield made
            server = made.server
    finally:
        await floor.close()
        await server.kill()


async def test_the_right_alerts_fire_and_clear(drill: Drill) -> None:
    floor, server = drill.floor, drill.server
    slow = server.data / "slow"
    drill.log(f"a calm floor: 20 agents, half of them busy; all durations {SPEED} times shorter")
    await drill.calm(CALM_S)
    # These look back over half an hour, so they speak later than what caused them.
    late = frozenset({"AcdServiceLevelLow", "AcdAbandonmentHigh", "AcdWaitTooLong"})
    await drill.stage(
        "all agents log out while callers keep coming",
        floor.log_out,
        "the agents log in again",
        floor.log_in,
        fires={"AcdNoAgents", "AcdAgentsVanished", "AcdWaitTooLong"},
        may=late,
    )
    await drill.stage(
        "the adapter vanishes with its agents",
        floor.vanish,
        "the adapter comes back under its name",
        floor.connect,
        fires={"AcdAdapterGone", "AcdAgentsUnreachable"},
        may=late | {"AcdNoAgents", "AcdAgentsVanished"},
    )
    await drill.stage(
        "40 callers at once in a queue that takes 20",
        lambda: floor.flood(40),
        "they give up",
        lambda: floor.ebb(20),
        fires={"AcdQueueNearlyFull", "AcdContactsTurnedAway"},
        may=late,
    )
    await drill.stage(
        "each append to the journal takes 0.3 s longer",
        lambda: asyncio.to_thread(slow.touch),
        "the disk is as fast as before",
        lambda: asyncio.to_thread(slow.unlink),
        fires={"AcdJournalSlow"},
        may=late | {"AcdNoAgents", "AcdAgentsVanished", "AcdOffersMissed"},
    )
    await drill.stage(
        "the server is killed",
        drill.kill,
        "it is started again on its journal",
        drill.restart,
        fires={"AcdServerDown"},
        may=late | {"AcdAdapterGone", "AcdAgentsUnreachable", "AcdNoAgents", "AcdAgentsVanished"},
    )
    await drill.until(lambda firing: not firing, late, "all clear")
    drill.log("all clear")
    path = os.environ.get("ACD_DRILL_FILE")
    if path:
        await asyncio.to_thread(Path(path).write_text, "\n".join(drill.lines) + "\n")
    sys.stdout.write("\n".join(drill.lines) + "\n")
