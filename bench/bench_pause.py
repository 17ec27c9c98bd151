"""A snapshot while the server decides: for how long are others held up?

The server's own loop, sequencer and journal serve a centre with many waiting contacts. Meanwhile a beat wants to run each
millisecond, carries a few commands out and notes how late it is, and how long its commands wait for their answers: first
without a snapshot, then while one is made. No beat may come more than 5 ms late on account of a snapshot. On a machine that
does other things too a beat is late for their sake as well; so it is also told for how much of that time this process worked
at all, which bounds what it can have done to itself.
"""

import asyncio
import os
import time
from collections import deque
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop

from acd_core.commands import AgentWrapupDone, Command, ContactComplete, OfferAccept
from acd_core.event_lines import EventLine
from acd_core.events import AgentChanged, ContactConnected, ContactOffered
from acd_protocol.framing import decode_from_server, encode
from acd_protocol.journal_records import Tail
from acd_protocol.snapshot_file import store
from acd_sim.load.floor import Centre, Shape
from bench.measure import measure, quantiles
from bench.sizes import Size
from bench.workload import CLIENT, record
from server.clock import wall_ns
from server.config import Limits, Settings
from server.journal.segments import SegmentJournal
from server.recovery import Replica, replay
from server.sequencer import Sequencer
from server.service import running
from server.snapshotter import Snapshotter

BEAT_S = 0.001
COMMANDS_PER_BEAT = 2
EVENTS_KEPT = 65_536


class Beats:
    """What is done each millisecond, as an adapter would, and what was seen by it.

    One conversation after the other ends, the agent gets the next contact and accepts it, and another contact comes.

    Attributes:
        name, unsent, subscription: as the router wants to know of a connection.
        late_ns: of each beat, how much later it came than it wanted to; worked_ns: CPU time of the process meanwhile.
        answer_ns: of each beat's commands, the time until their answers may leave.
        connected: conversations that began.
    """

    name = CLIENT
    unsent = 0
    subscription = None

    def __init__(self, sequencer: Sequencer, centre: Centre) -> None:
        self.late_ns: list[int] = []
        self.worked_ns: list[int] = []
        self.answer_ns: list[int] = []
        self.connected = 0
        self._sequencer = sequencer
        self._centre = centre
        self._rng = Random(2)
        self._talking = deque(view.contact for view in sequencer.machine.contacts(state="connected"))
        self._due: deque[Command] = deque()

    async def run(self, until: "asyncio.Future[None]") -> None:
        """Beat until this is done."""
        self._sequencer.router.receivers[CLIENT] = self
        while not until.done():
            began, worked = time.perf_counter_ns(), time.process_time_ns()
            await asyncio.sleep(BEAT_S)
            now = time.perf_counter_ns()
            self.late_ns.append(max(0, now - began - int(BEAT_S * 1e9)))
            self.worked_ns.append(time.process_time_ns() - worked)
            for _ in range(COMMANDS_PER_BEAT):
                if not self._due and not self._talking:
                    break  # all agents are being offered something
                command = self._due.popleft() if self._due else ContactComplete(contact=self._talking.popleft())
                self._sequencer.execute(CLIENT, encode(command).rstrip(), command)
            self._sequencer.send(Answer(self.answer_ns, now), b"ok")

    def deliver(self, line: EventLine) -> None:
        """Take an event, and note what is to be done about it."""
        event = decode_from_server(line.line.rstrip())
        if isinstance(event, ContactOffered):
            self._due.append(OfferAccept(offer=event.offer))
        elif isinstance(event, ContactConnected):
            self._talking.append(event.contact)
            self.connected += 1
            self._due.append(self._centre.enqueue(self._rng, f"next-{self.connected}"))
        elif isinstance(event, AgentChanged) and event.state == "wrapup":
            self._due.append(AgentWrapupDone(agent=event.agent))

    def seen(self) -> dict[str, float]:
        """The figures, in milliseconds."""
        late = quantiles(self.late_ns)
        return {
            "beats": len(self.late_ns),
            "late_p99_ms": round(late["p99"] / 1e6, 2),
            "late_most_ms": round(max(self.late_ns) / 1e6, 2),
            "own_most_ms": round(max(map(min, self.late_ns, self.worked_ns)) / 1e6, 2),
            "answer_p99_ms": round(quantiles(self.answer_ns)["p99"] / 1e6, 2),
            "answer_most_ms": round(max(self.answer_ns) / 1e6, 2),
        }


class Answer:
    """Notes when it may be seen by others."""

    def __init__(self, times: list[int], began_ns: int) -> None:
        self.gathered: list[bytes] = []
        self._times = times
        self._began_ns = began_ns

    def write(self, _: bytes) -> None:
        """What waited for the journal leaves."""
        self._times.append(time.perf_counter_ns() - self._began_ns)

    def run(self) -> None:
        """Nothing is put off."""

    def abort(self) -> None:
        """There is no connection."""


def prepare(directory: Path, size: Size) -> None:
    """A data directory that begins with a snapshot of the centre."""
    steps = record(size.paused, 0, 1).setup
    shift = wall_ns() - steps[-1].now
    replica = Replica(EVENTS_KEPT)
    for now, line in steps:
        replay(replica.machine, replica.away, (now + shift, [(CLIENT, line)]), 1)
        replica.events.extend(replica.machine.take_lines())
    begin = Tail(os.urandom(16), 1, 1, bytes(8), steps[-1].now + shift)
    store(directory, *replica.snapshot(begin))
    SegmentJournal(directory).restore(begin, ())


async def watch(directory: Path, shape: Shape, snapshot: str, quiet_s: float) -> dict[str, float]:
    """What beats see for a while without a snapshot, or beside one."""
    settings = Settings(data=directory, port=0, metrics_port=0, limits=Limits(snapshot_commands=0))
    async with running(settings) as service:
        beats = Beats(service.sequencer, Centre(shape))
        snapshotter = Snapshotter(service.sequencer, directory, 0)
        work = asyncio.ensure_future(asyncio.sleep(quiet_s) if snapshot == "none" else snapshotter.take())
        await beats.run(work)
        await work
        await service.sequencer.flushed()
        assert beats.connected > len(beats.late_ns) * COMMANDS_PER_BEAT / 8
        return beats.seen()


@pytest.mark.parametrize("snapshot", ["none", "one"])
def bench_pause(benchmark: Any, size: Size, tmp_path: Path, snapshot: str) -> None:
    prepare(tmp_path, size)
    found: dict[str, float] = {}

    def work() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found.update(runner.run(watch(tmp_path, size.paused, snapshot, size.quiet_s)))

    contacts = size.paused.waiting
    measure(
        benchmark,
        iter([work]),
        1,
        group="pause",
        unit="run",
        units=1,
        contacts=contacts,
        snapshot=snapshot,
    )
    benchmark.extra_info.update(found)
