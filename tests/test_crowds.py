"""Very many at once: connections, waiting contacts, changes of agents; some here, all of them by `make faults`.

Nothing here asserts how long something took. What must not happen is asserted by order: a decision that had to wait for
the end of a storm comes after the storm.
"""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults.sizes import full_or, tell
from tests.support.line_client import LineClient
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.timeout(full_or(3600, 600))

CONNECTIONS = full_or(10_000, 500)
CONTACTS = full_or(1_000_000, 10_000)
AGENTS = full_or(185_000, 40_000)
PIECE = 500

encode = msgspec.json.Encoder().encode


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as the system lets us have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def config(agents: int) -> dict[str, Any]:
    """One queue, and agents of whom the first has a skill that the others lack."""
    return {
        "settings": {"missed_offers_max": 0, "client_grace_s": 0},
        "tenants": [{"name": "acme"}],
        "queues": [
            {"tenant": "acme", "name": "many", "max_wait_s": 0},
            {"tenant": "acme", "name": "few", "require": "probe", "wrapup_s": 0},
        ],
        "agents": [{"agent": "probe", "skills": {"probe": 100}}, *({"agent": f"a-{n}"} for n in range(agents))],
    }


def resident_mib(pid: int) -> int:
    """Memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def journal_mib(data: Path) -> int:
    """Size of a data directory."""
    return sum(path.stat().st_size for path in data.iterdir()) >> 20


class Storm:
    """Lines that are sent as fast as the server takes them.

    Attributes:
        answered: how many answers have come, all of which must be `ok`.
    """

    def __init__(self, client: LineClient, lines: Iterator[bytes]) -> None:
        self.answered = 0
        self._sent = 0
        self._client = client
        self._lines = lines

    async def run(self) -> int:
        """To the end; gives how many were answered."""
        writing = asyncio.create_task(self._write())
        while not writing.done() or self.answered < self._sent:
            line = await self._client.reader.readline()
            if line.startswith(b'{"type":"ok"'):
                self.answered += 1
            else:
                assert line.startswith(b'{"type":"'), line
                assert not line.startswith(b'{"type":"error"'), line
        await writing
        return self.answered

    async def _write(self) -> None:
        for piece in batched(self._lines, PIECE):
            self._client.send_bytes(b"\n".join(piece) + b"\n")
            self._sent += len(piece)
            await self._client.writer.drain()


def batched(lines: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Lines in pieces."""
    while piece := list(islice(lines, size)):
        yield piece


async def test_very_many_connections_are_served_and_one_more_client_is_none_the_worse(
    tmp_path: Path, many_files: None
) -> None:
    async with ServerProcess(tmp_path) as server:
        admin = await LineClient.connect(server.port, "admin")
        assert (await admin.ask("config.apply", config=config(3)))["type"] == "ok"
        empty = resident_mib(server.pid)
        clients: list[LineClient] = []
        while len(clients) < CONNECTIONS:
            some = range(len(clients), min(len(clients) + 200, CONNECTIONS))
            clients += await asyncio.gather(*(LineClient.connect(server.port, f"c-{number}") for number in some))
        full = resident_mib(server.pid)
        for number, client in enumerate(clients):
            client.send({"type": "contact.enqueue", "contact": f"c-{number}", "tenant": "acme", "queue": "many"})
        for number, client in enumerate(clients):
            assert (await client.answer())["type"] == "ok", number
        assert (await admin.ask("stats"))["result"]["domain"]["contacts"] == CONNECTIONS
        for client in clients:
            client.writer.transport.abort()
        while (await admin.ask("list", what="contacts", limit=1))["type"] != "ok":
            pass
        assert await server.stop() == 0
    tell(f"{CONNECTIONS:,} connections, a contact from each: {empty} MiB before, {full} MiB with all of them")


async def test_very_many_waiting_contacts_survive_a_kill_and_are_served_in_order(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        pbx = await LineClient.connect(server.port, "pbx")
        assert (await pbx.ask("config.apply", config=config(3)))["type"] == "ok"
        started = time.monotonic()
        command = {"type": "contact.enqueue", "tenant": "acme", "queue": "many"}
        lines = (encode({**command, "contact": f"c-{number}"}) for number in range(CONTACTS))
        assert await Storm(pbx, lines).run() == CONTACTS
        took = time.monotonic() - started
        memory = resident_mib(server.pid)
        await server.kill()
    started = time.monotonic()
    async with ServerProcess(tmp_path) as server:
        back = time.monotonic() - started
        pbx = await LineClient.connect(server.port, "pbx")
        counts = (await pbx.ask("stats"))["result"]["domain"]
        assert counts["contacts"] == CONTACTS
        for number in range(3):
            assert (await pbx.ask("agent.login", agent=f"a-{number}", ready=True))["type"] == "ok"
            assert (await pbx.event("contact.offered"))["contact"] == f"c-{number}"
        assert await server.stop() == 0
    tell(
        f"{CONTACTS:,} waiting contacts: enqueued in {took:.0f} s, {memory} MiB; after kill -9 all are back in "
        f"{back:.1f} s from {journal_mib(tmp_path)} MiB of journal"
    )


async def test_storm_of_agent_changes_does_not_hold_up_decisions(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        floor = await LineClient.connect(server.port, "floor")
        assert (await floor.ask("config.apply", config=config(AGENTS)))["type"] == "ok"
        probe = await LineClient.connect(server.port, "probe")
        assert (await probe.ask("agent.login", agent="probe", ready=True))["type"] == "ok"
        waits: dict[str, list[float]] = {}
        for name, fields in (
            ("login", {"type": "agent.login", "ready": True}),
            ("pause", {"type": "agent.pause", "reason": "storm"}),
            ("ready", {"type": "agent.ready"}),
        ):
            lines = (encode({**fields, "agent": f"a-{number}"}) for number in range(AGENTS))
            storm = Storm(floor, lines)
            raging = asyncio.create_task(storm.run())
            waits[name] = []
            while not raging.done():
                contact = f"{name}-{len(waits[name])}"
                started, so_far = time.monotonic(), storm.answered
                await probe.ask("contact.enqueue", contact=contact, tenant="acme", queue="few")
                offer = await probe.event("contact.offered")
                waits[name].append(time.monotonic() - started)
                assert offer["contact"] == contact
                # One that has to wait for the end of the storm waits for all of it.
                assert storm.answered - so_far < AGENTS // 2
                await probe.ask("offer.accept", offer=offer["offer"])
                await probe.ask("contact.complete", contact=contact)
            assert await raging == AGENTS
            assert len(waits[name]) > 1
        assert (await probe.ask("stats"))["result"]["domain"]["agents"]["ready"] == AGENTS + 1
        assert await server.stop() == 0
    for name, seconds in waits.items():
        seconds.sort()
        tell(
            f"{AGENTS:,} x agent.{name} at once: {len(seconds):,} decisions meanwhile, half of them within "
            f"{1000 * seconds[len(seconds) // 2]:.0f} ms, the slowest {1000 * seconds[-1]:.0f} ms"
        )
