"""A server with a centre on it and connections to it: what the measurements through TCP are made on."""

import time
from collections.abc import Mapping

from acd_core.commands import AgentLogin, ConfigApply
from acd_protocol.framing import encode
from acd_sim.load.floor import Centre, Shape
from acd_sim.load.link import Link
from acd_sim.load.sender import Sender
from bench.server_process import ServerProcess

TIMEOUT_S = 60.0
CAPACITY = 1 << 16


class Site:
    """A server, its centre, and connections that it is driven by.

    Args:
        process: the server.
        shape: of the centre.
        connections: each has a tenant and agents of its own.
    """

    def __init__(self, process: ServerProcess, shape: Shape, connections: int) -> None:
        self.process = process
        self.tenants = tuple(f"tenant-{number}" for number in range(connections))
        self.centre = Centre(shape, tenants=self.tenants, wrapup_s=0)
        self.links = [Link("127.0.0.1", process.port) for _ in self.tenants]

    def log_in(self, *, staffed: bool = True, tokens: Mapping[str, str] | None = None) -> None:
        """Apply the configuration and, if it is to be `staffed`, log everybody in; with tokens, by tenant and of `root`."""
        if tokens:
            root = Link("127.0.0.1", self.process.port)
            root.hello("root", tokens["root"])
            root.ask(encode(ConfigApply(id=0, config=self.centre.config)))
            root.close()
        for link, tenant in zip(self.links, self.tenants, strict=True):
            link.hello(tenant, tokens[tenant] if tokens else "")
        if not tokens:
            self.links[0].ask(encode(ConfigApply(id=0, config=self.centre.config)))
        for link, tenant in zip(self.links, self.tenants, strict=True):
            if staffed:
                agents = [agent.agent for agent in self.centre.config.agents if agent.tenants in ((tenant,), ())]
                link.ask(*(encode(AgentLogin(id=0, agent=agent, ready=True)) for agent in agents))
            link.quiet()

    def sender(
        self, used: int, *, plain: bool = False, echo: bool = False, repeat: bool = False, awake: bool = False
    ) -> Sender:
        """A sender on the first `used` connections, for contacts that no one else has named."""
        return Sender(
            [link.fileno() for link in self.links[:used]],
            [self.centre.tails(tenant, plain=plain) for tenant in self.tenants[:used]],
            f"c{time.time_ns() // 1_000_000:x}-".encode(),
            agents=self.centre.shape.agents,
            capacity=CAPACITY,
            echo=echo,
            repeat=repeat,
            awake=awake,
        )

    def closed_loop(self, sender: Sender, depth: int, lifecycles: int) -> None:
        """So many lifecycles, `depth` of them in flight."""
        sender.run(TIMEOUT_S, depth=depth, most=lifecycles)
        self._to_the_end(sender)

    def open_loop(self, sender: Sender, rate: float, lifecycles: int) -> None:
        """So many lifecycles, `rate` of them a second."""
        sender.run(lifecycles / rate + TIMEOUT_S, rate=rate, most=lifecycles)
        self._to_the_end(sender)

    @staticmethod
    def _to_the_end(sender: Sender) -> None:
        if not sender.drain(TIMEOUT_S):
            raise RuntimeError(sender.failure or f"{sender.alive} lifecycles did not end")
        if sender.refusal:
            raise RuntimeError(f"the server refused: {sender.refusal}")

    def close(self) -> None:
        """Hang up."""
        for link in self.links:
            link.close()
