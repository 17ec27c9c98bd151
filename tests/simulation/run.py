"""One seed: a centre is set up, things go wrong for a while, then nothing does, and everything must come to its end."""

import asyncio
import gc
from random import Random
from typing import Literal

from msgspec import Struct

from acd_core.model import Model
from server.config import Limits, Settings
from tests.simulation.checks import Replay, Violation, check, check_same_state
from tests.simulation.disk import SimDisk, SimPath
from tests.simulation.faults import Faults
from tests.simulation.history import History
from tests.simulation.loop import NS, Process, SimLoop, Stuck
from tests.simulation.machine import Node, data_directory
from tests.simulation.network import Network
from tests.simulation.trace import Trace
from tests.simulation.workload import HOST, Program, centre, configure

STEPS_MAX = 400_000
TIME_MAX_S = 300.0
SERVED_S = 3.0
"""After the faults, callers are served for so long; then those who are left hang up."""
SETTLED_S = 60.0
"""So long after the faults everything must be over: the longest waits of client and server are shorter."""
OVERDUE_NS = 2 * NS
"""A deadline may be late by a slow disk or a pause of the machine, but not by more."""


class Result(Struct):
    """What one seed came to.

    Attributes:
        violation: what did not hold; empty if all did.
        trace: fingerprint of all that was seen.
        virtual_s: how long it was, in virtual time.
        acknowledged: commands that were answered with ok.
        events: that clients got.
        kills: of the server; restarts: starts after the first.
        faults: how often each happened.
    """

    seed: int
    violation: str
    trace: str
    virtual_s: float
    acknowledged: int
    events: int
    kills: int
    restarts: int
    faults: dict[str, int]


def simulate(seed: int, lines: list[str] | None = None) -> Result:
    """Run one seed; its text goes to `lines`, if given. It never raises for what the seed finds.

    Objects are not collected meanwhile, since that would end what was killed at any time; so collect before.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        simulation = Simulation(seed, lines)
        with simulation.node.installed():
            violation = simulation.run()
            simulation.node.let_go()
        return simulation.result(violation)
    finally:
        if collecting:
            gc.enable()


def simulate_all(seeds: list[int]) -> list[Result]:
    """Run some seeds in a process that does nothing else, so that the collector need not look at the program itself."""
    gc.collect()
    gc.freeze()
    return [simulate(seed) for seed in seeds]


class Simulation:
    """The parts of one seed."""

    def __init__(self, seed: int, lines: list[str] | None) -> None:
        rng = self.rng = Random(seed)
        self.seed = seed
        self.loop = loop = SimLoop(Random(rng.random()))  # type: ignore[abstract]  # it has what is used
        self.trace = Trace(loop, lines)
        self.network = network = Network(loop, Random(rng.random()))
        loop.network = network
        network.delay_s = rng.choice((0.0002, 0.002, 0.02))
        network.window = rng.choice((4096, 65_536)) if network.delay_s < 0.01 else 65_536
        network.cut_pieces = rng.choice((0, 0.5, 1))
        self.disk = SimPath.disk = SimDisk(Random(rng.random()))
        own = Random(f"snapshots {seed}")
        limits = Limits(
            ballast_bytes=Random(f"ballast {seed}").choice((0, 40_000, 400_000)),
            snapshot_commands=own.choice((0, 3, 20, 100)),
            journal_hours=own.choice((0, 0.0000001, 0.0001)),
            silence_s=3,
            hello_s=3,
            linger_s=1,
            tick_lines_max=rng.choice((2, 512)),
            tick_deadlines_max=rng.choice((1, 500)),
            batch_bytes_max=rng.choice((200, 16 * 1024 * 1024)),
            unsent_bytes_max=rng.choice((500, 256 * 1024)),
            page_bytes=rng.choice((200, 128 * 1024)),
            ring_events_max=rng.choice((20, 200, 65_536)),
        )
        kind: Literal["segments", "sqlite"] = "sqlite" if Random(f"journal {seed}").random() < 1 / 3 else "segments"
        settings = Settings(host=HOST, data=data_directory(), node=f"sim-{seed}", limits=limits, journal=kind)
        self.node = Node(loop, network, self.disk, Random(rng.random()), settings, self.trace)
        names = [f"pbx-{number}" for number in range(rng.choice((1, 2, 3)))]
        agents = rng.choice((1, 3))
        self.history = History()
        self.programs = [
            Program(name, loop, network, Random(rng.random()), self.history, self.trace, agents) for name in names
        ]
        self.config = centre(rng, names, agents)
        self.faults = Faults(Random(rng.random()), self.node, network, self.programs, self.trace)
        self.faults_s = rng.choice((1, 3, 6))

    def run(self) -> str:
        """To the end; gives what does not hold."""
        try:
            self.loop.run(self.main(), STEPS_MAX, TIME_MAX_S)
        except (Violation, Stuck) as found:
            return f"{type(found).__name__}: {found}"
        except Exception as found:  # noqa: BLE001 - whatever it is, the seed has found it
            return f"the simulation failed: {found!r}"
        return ""

    async def main(self) -> None:
        """Raises `Violation`, or `Stuck` when there is no end to it."""
        self.node.start()
        operator = configure(self.config, self.rng, self.history, self.loop)
        await self.loop.start(Process("operator"), operator)
        for program in self.programs:
            program.start()
        going_wrong = asyncio.ensure_future(self.faults.run())
        end_ns = self.loop.now_ns + int(self.faults_s * NS)
        while self.loop.now_ns < end_ns:
            await asyncio.sleep(0.5)
            self._no_deadline_is_overdue()
        going_wrong.cancel()
        self.trace.note("the faults cease")
        self.faults.cease()
        await self._settle()
        await self._one_goes_for_good()
        await self._stop()
        self._judge()

    async def _settle(self) -> None:
        """All callers are served or have hung up, all clients are there and have their answers."""
        began_ns = self.loop.now_ns
        for program in self.programs:
            program.ending = True
        while True:
            await asyncio.sleep(0.25)
            passed_ns = self.loop.now_ns - began_ns
            for program in self.programs:
                if not program.process.alive:
                    program.start()
                program.giving_up = passed_ns > SERVED_S * NS
            service = self.node.service
            if service is not None and service.sequencer.state == "serving":
                left = service.sequencer.machine.domain().contacts
                if not left and all(program.settled for program in self.programs):
                    return
            if passed_ns > SETTLED_S * NS:
                raise Violation(
                    f"no end {SETTLED_S:g} s after the faults: "
                    f"{'no server' if service is None else f'{left} contacts'}, "
                    + ", ".join(
                        f"{program.name}: {program.client.state}, {program.client.unanswered} unanswered"
                        for program in self.programs
                        if program.client is not None
                    )
                )

    def _no_deadline_is_overdue(self) -> None:
        """Every deadline of the engine is kept, but for those of a disk that hangs."""
        service = self.node.service
        if service is None or service.sequencer.phase != "serving" or not self.node.process.alive:
            return
        if self.loop.now_ns < self.node.process.paused_until_ns + OVERDUE_NS:
            return
        sequencer = service.sequencer
        deadline = sequencer.machine.next_deadline()
        late_ns = sequencer.clock.now() - deadline if deadline else 0
        if late_ns > OVERDUE_NS + 2 * int(self.node.slow_s * NS) and sequencer._in_flight is None:
            raise Violation(f"a deadline is {late_ns / NS:.3f} s late, and nothing is done about it")

    async def _one_goes_for_good(self) -> None:
        """A client goes and stays away: past its grace time its agents are not ready, whatever else happens."""
        grace_s = self.config.settings.client_grace_s
        gone = self.rng.choice(self.programs)
        contact = gone.enqueue_for_nobody()
        await asyncio.sleep(1)
        service = self.node.service
        assert service is not None
        machine = service.sequencer.machine
        waits = machine.contact(contact) is not None
        gone.go_for_good(unplugged=self.rng.random() < 0.5)
        if self.rng.random() < 0.3:
            await asyncio.sleep(self.rng.uniform(0, 1 + grace_s))
            self.node.kill()
        await asyncio.sleep(self.node.settings.limits.silence_s + grace_s + 4)
        service = self.node.service
        if service is None:
            raise Violation("the server does not come back")
        self._no_deadline_is_overdue()
        machine = service.sequencer.machine
        ready = [view.agent for view in machine.agents() if view.client == gone.name and view.presence == "ready"]
        if grace_s and ready:
            raise Violation(f"{gone.name} is away for longer than its grace time, and its agents are ready: {ready}")
        if not grace_s and gone.name in service.sequencer.away:
            raise Violation(f"{gone.name} may be away for ever, and was said to be away")
        kept = not grace_s or self.config.settings.absent_client_contacts == "keep"
        view = machine.contact(contact)
        if waits and kept and view is None and machine.ended_reason(contact) != "max_wait":
            raise Violation(f"{contact} was not kept")
        if not kept and view is not None:
            raise Violation(f"{contact} of a client that is away was not ended")

    async def _stop(self) -> None:
        """The server stops as it should, and its clients know the end of their events."""
        service = self.node.service
        assert service is not None
        last = service.sequencer.machine.seq
        await asyncio.sleep(2)
        for program in self.programs:
            if program.heard is not None and program.process.alive and program.settled:
                program.heard.due_until = last
                for sent in self.history.sent:
                    if (sent.client, sent.life) == (program.name, program.life) and sent.answer is None:
                        raise Violation(f"a command was never answered: {sent}")
        self.live_machine = service.sequencer.machine
        self.away = service.sequencer.away
        await self.node.stop()

    def _judge(self) -> None:
        node = self.node
        if node.problems:
            raise Violation(node.problems[0])
        if self.loop.problems:
            raise Violation(f"nobody caught: {self.loop.problems[0]}")
        tail, records = node.read_journal()
        if not tail.sealed:
            raise Violation("the server stopped cleanly, and its journal is not sealed")
        replay = Replay(records)
        check_same_state(replay.machine, self.live_machine, "the journal and the server")
        replay.machine.check()
        if self.seed % 16 == 0:
            model = Replay(records, Model())
            check_same_state(replay.machine, model.machine, "the engine and the readable model")
            if model.answers != replay.answers:
                raise Violation("the readable model answers otherwise")
        check(self.history, replay)

    def result(self, violation: str) -> Result:
        """The sum of it."""
        if not violation and (problems := [*self.node.problems, *self.loop.problems]):
            violation = problems[0]
        return Result(
            seed=self.seed,
            violation=violation,
            trace=self.trace.digest(),
            virtual_s=self.loop.time(),
            acknowledged=sum(
                sent.answer is not None and not isinstance(sent.answer, tuple) for sent in self.history.sent
            ),
            events=sum(len(heard.items) for heard in self.history.heard),
            kills=self.node.kills,
            restarts=self.node.starts - 1,
            faults=self.faults.counts,
        )
