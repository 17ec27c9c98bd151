"""What goes wrong, and when: a plan that the seed draws from a mix of its own, since faults hide in combinations."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tests.simulation.loop import NS, Process
from tests.simulation.machine import Node
from tests.simulation.network import Network
from tests.simulation.trace import Trace
from tests.simulation.workload import Program


class Faults:
    """The plan of one seed.

    Attributes:
        counts: how often each fault happened.
        mix: the faults of this seed.
    """

    def __init__(self, rng: Random, node: Node, network: Network, programs: list[Program], trace: Trace) -> None:
        self._rng = rng
        self._node = node
        self._network = network
        self._programs = programs
        self._trace = trace
        self._tasks: list[asyncio.Task[None]] = []
        kinds: dict[str, Callable[[], Awaitable[None] | None]] = {
            "kill the server": node.kill,
            "kill the server at the disk": self._kill_at_disk,
            "power loss": node.lose_power,
            "stop the server": node.terminate,
            "pause the server": self._pause_server,
            "pause a client": self._pause_client,
            "kill a client": self._kill_client,
            "unplug a client": self._unplug_client,
            "twin of a client": self._twin,
            "cut": self._cut,
            "half-open": self._vanish,
            "partition": self._partition,
            "slow network": self._slow_network,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "EIO on write": self._eio_write,
            "EIO on sync": self._eio_sync,
            "clock jump": self._clock_jump,
            "damaged snapshot": node.damage_snapshot,
        }
        share = rng.choice((0.1, 0.3, 0.6))
        self.mix = {name: kind for name, kind in kinds.items() if rng.random() < share}
        self.mean_s = rng.choice((0.3, 1, 3))
        self.counts = dict.fromkeys(kinds, 0)

    async def run(self) -> None:
        """Make things go wrong, until cancelled."""
        rng = self._rng
        while self.mix:
            await asyncio.sleep(rng.expovariate(1 / self.mean_s))
            name = rng.choice(list(self.mix))
            self.counts[name] += 1
            self._trace.note("fault:", name)
            lasting = self.mix[name]()
            if lasting is not None:
                self._tasks.append(asyncio.ensure_future(lasting))

    def cease(self) -> None:
        """Nothing is wrong any more, and everybody is there again."""
        for task in self._tasks:
            task.cancel()
        node = self._node
        self._network.heal()
        node.slow_s = 0.003
        node.disk.full = False
        node.disk.eio_writes = node.disk.eio_syncs = 0
        node.disk.kill_after = -1
        for program in self._programs:
            if not program.process.alive:
                program.start(remember=self._rng.random() < 0.7)

    def _kill_at_disk(self) -> None:
        self._node.disk.kill_after = self._rng.randrange(30)

    def _pause_server(self) -> None:
        self._pause(self._node.process)

    def _pause_client(self) -> None:
        self._pause(self._rng.choice(self._programs).process)

    def _pause(self, process: Process) -> None:
        process.pause(self._network.loop.now_ns + int(self._rng.choice((0.1, 1, 5)) * NS))

    async def _kill_client(self) -> None:
        program = self._rng.choice(self._programs)
        program.kill()
        await self._comes_back(program)

    async def _unplug_client(self) -> None:
        program = self._rng.choice(self._programs)
        program.unplug()
        await self._comes_back(program)

    async def _comes_back(self, program: Program) -> None:
        await asyncio.sleep(self._rng.choice((0.01, 1, 5)) * self._rng.random())
        if not program.process.alive:
            program.start(remember=self._rng.random() < 0.7)

    def _twin(self) -> None:
        program = self._rng.choice(self._programs)
        if program.process.alive:
            program.start(remember=self._rng.random() < 0.7)

    def _cut(self) -> None:
        links = self._network.live()
        if links:
            self._rng.choice(links).cut()

    def _vanish(self) -> None:
        links = self._network.live()
        if links:
            self._rng.choice(links).vanish()

    def _partition(self) -> None:
        self._network.partition(self._rng.choice(self._programs).name, self._rng.choice((0.2, 2, 8)))

    async def _slow_network(self) -> None:
        self._network.spikes = 0.3
        await asyncio.sleep(self._rng.uniform(0.1, 3))
        self._network.spikes = 0.0

    async def _slow_disk(self) -> None:
        self._node.slow_s = self._rng.choice((0.05, 0.5, 2))
        await asyncio.sleep(self._rng.uniform(0.1, 3))
        self._node.slow_s = 0.003

    async def _full_disk(self) -> None:
        self._node.disk.full = True
        self._node.disk.spare = 0
        await asyncio.sleep(self._rng.uniform(0.1, 3))
        self._node.disk.full = False

    def _eio_write(self) -> None:
        self._node.disk.eio_writes += 1

    def _eio_sync(self) -> None:
        self._node.disk.eio_syncs += 1

    def _clock_jump(self) -> None:
        self._node.wall_offset_ns += self._rng.choice((-3600, -5, 5, 20)) * NS
