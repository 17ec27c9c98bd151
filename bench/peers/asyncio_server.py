"""A server as one would write it in pure Python: asyncio, the json module, and the core of `python_core`.

It speaks our protocol as far as a lifecycle needs it, and keeps nothing on disk. Its best settings: uvloop, a Protocol
instead of streams, one write for all that one read brought. Each tenant has a core of its own.
"""

import asyncio
import json
import re
import signal
import sys
import time
from typing import Any, cast

import uvloop

from bench.peers.python_core import PythonCore

_dumps = json.JSONEncoder(separators=(",", ":")).encode


class Tenant:
    """One tenant's agents and queues."""

    def __init__(self, config: dict[str, Any], name: str) -> None:
        self.skills = {skill: number for number, skill in enumerate(config["skills"])}
        self.agents = [agent for agent in config["agents"] if name in (agent["tenants"] or [name])]
        self.kinds: dict[tuple[str, str], int] = {}
        self.core = PythonCore(
            [tuple((self.skills[skill], level) for skill, level in agent["skills"].items()) for agent in self.agents],
            [],
        )

    def kind_of(self, queue: str, require: str) -> int:
        """The number of a kind of contact, which is new or known."""
        number = self.kinds.get((queue, require))
        if number is None:
            terms = [(self.skills[name], int(level)) for name, level in re.findall(r"([\w-]+)>=(\d+)", require)]
            number = self.kinds[queue, require] = self.core.add_kind(tuple(terms or [(self.skills[queue], 1)]))
        return number


class Centre:
    """All tenants, contacts and offers."""

    def __init__(self) -> None:
        self.tenants: dict[str, Tenant] = {}
        self.contacts: dict[str, dict[str, Any]] = {}
        self.names: list[str] = []
        self.offers: dict[str, dict[str, Any]] = {}
        self.seq = 0

    def take(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Answer one request, and tell what it caused."""
        kind = asked["type"]
        self.seq += 1
        ok = {"type": "ok", "seq": self.seq, "id": asked.get("id", 0)}
        if kind == "contact.enqueue":
            return [ok, *self.enqueue(asked)]
        if kind == "offer.accept":
            contact = self.offers.pop(asked["offer"])
            contact["connected"] = time.time_ns()
            return [ok, self.event("contact.connected", contact, agent=contact["agent"], offer=asked["offer"])]
        if kind == "contact.complete":
            return [ok, *self.complete(self.contacts.pop(asked["contact"]))]
        if kind == "hello":
            return [{"type": "welcome", "version": 1, "seq": self.seq, "node": "peer", "time": time.time_ns()}]
        if kind == "config.apply":
            config = asked["config"]
            self.tenants = {tenant["name"]: Tenant(config, tenant["name"]) for tenant in config["tenants"]}
        return [ok]

    def event(self, kind: str, contact: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Something that happened to a contact."""
        self.seq += 1
        return {
            "type": kind, "seq": self.seq, "at": time.time_ns(), "contact": contact["contact"],
            "tenant": contact["tenant"], "queue": contact["queue"], **more,
        }  # fmt: skip

    def enqueue(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """A contact comes."""
        tenant = self.tenants[asked["tenant"]]
        number = len(self.names)
        self.names.append(asked["contact"])
        self.contacts[asked["contact"]] = asked
        asked["enqueued"] = time.time_ns()
        agent = tenant.core.enqueue(
            asked["enqueued"],
            number,
            tenant.kind_of(asked["queue"], asked.get("require", "")),
            asked.get("priority", 0),
        )
        queued = self.event("contact.queued", asked, priority=asked.get("priority", 0))
        return [queued] if agent is None else [queued, self.offer(tenant, asked, agent)]

    def offer(self, tenant: Tenant, contact: dict[str, Any], agent: int) -> dict[str, Any]:
        """An agent gets a contact offered."""
        contact["number"], contact["agent"] = agent, tenant.agents[agent]["agent"]
        offer = f"o-{self.seq}"
        self.offers[offer] = contact
        waited = (time.time_ns() - contact["enqueued"]) // 1_000_000_000
        return self.event(
            "contact.offered", contact, offer=offer, agent=contact["agent"], address=tenant.agents[agent]["address"],
            expires_in=20, wait=waited, attributes=contact.get("attributes", {}),
        )  # fmt: skip

    def complete(self, contact: dict[str, Any]) -> list[dict[str, Any]]:
        """A conversation ends, and its agent is free."""
        tenant = self.tenants[contact["tenant"]]
        told = [self.event("contact.ended", contact, agent=contact["agent"], reason="completed_agent")]
        following = tenant.core.free(contact["number"])
        if following is not None:
            told.append(self.offer(tenant, self.contacts[self.names[following]], contact["number"]))
        return told


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        told = [_dumps(said) for line in lines for said in self._centre.take(json.loads(line))]
        if told:
            told.append("")
            self._transport.write("\n".join(told).encode())


async def serve() -> None:
    """Serve on a free port, which is told on standard error, until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    centre = Centre()
    server = await loop.create_server(lambda: Connection(centre), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), file=sys.stderr, flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
