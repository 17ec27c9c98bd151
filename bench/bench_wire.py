"""Lifecycles through TCP, durable: a real server in a process of its own, with its default journal.

One lifecycle is enqueue, offer, accept, complete, each step after the answer to the one before; the server sends ten
messages for the three that it gets. The load comes from raw sockets, see `bench.load`. Each connection has a tenant
and agents of its own. CPU time is that of the server alone, all its threads.

The reference is an echo of the same three requests on the same event loop. Latency is taken from the planned time of an
enqueue to the arrival of its offer, at a steady rate that does not wait for the server.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from acd_core.commands import AgentLogin, ConfigApply
from acd_protocol.framing import encode
from bench.load import AcdTalk, Connection, EchoTalk, Talk, closed_loop, open_loop
from bench.measure import measure, quantiles
from bench.server_process import ServerProcess, acd_server, echo_server
from bench.sizes import Size
from bench.workload import Centre


class Site:
    """A server with a centre on it, and connections that it is driven by.

    Attributes:
        process: the server; None before `start`.
        centre: with one tenant for each connection.
        connections: all that may be used.
    """

    def __init__(self, process: ServerProcess, size: Size) -> None:
        self.process = process
        self.tenants = tuple(f"tenant-{number}" for number in range(size.connections))
        self.centre = Centre(size.wire_shape, tenants=self.tenants, wrapup_s=0)
        self.connections = [Connection(process.port) for _ in self.tenants]
        self._rng = Random(2)
        self._contacts = 0

    def log_in(self) -> None:
        """Apply the configuration and log everybody in."""
        for connection, tenant in zip(self.connections, self.tenants, strict=True):
            connection.hello(tenant)
        self.connections[0].ask(encode(ConfigApply(id=0, config=self.centre.config)))
        for connection, tenant in zip(self.connections, self.tenants, strict=True):
            agents = [agent.agent for agent in self.centre.config.agents if agent.tenants in ((tenant,), ())]
            connection.ask(*(encode(AgentLogin(id=0, agent=agent, ready=True)) for agent in agents))

    def enqueue_lines(self, tenant: str, count: int, *, plain: bool = False) -> dict[str, bytes]:
        """The lines of so many contacts of a tenant, by contact."""
        lines = {}
        for _ in range(count):
            self._contacts += 1
            contact = f"c-{self._contacts}"
            lines[contact] = encode(self.centre.enqueue(self._rng, contact, tenant, plain=plain))
        return lines

    def rounds(
        self, make_talk: Callable[[list[bytes]], Talk], depth: int, lifecycles: int
    ) -> Iterator[Callable[[], None]]:
        """Rounds of a closed loop, without end."""
        used = min(depth, len(self.connections))
        while True:
            talks = []
            for number, tenant in enumerate(self.tenants[:used]):
                count = (lifecycles + used - 1 - number) // used
                talks.append(make_talk(list(self.enqueue_lines(tenant, count).values())))
            yield _Loop(self.connections[:used], talks, depth, lifecycles)

    def close(self) -> None:
        """Close all connections."""
        for connection in self.connections:
            connection.close()


class _Loop:
    """One round of a closed loop."""

    def __init__(self, connections: list[Connection], talks: list[Talk], depth: int, lifecycles: int) -> None:
        self._arguments = (connections, talks, depth, lifecycles)

    def __call__(self) -> None:
        closed_loop(*self._arguments)


@pytest.fixture(scope="module")
def site(size: Size, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with acd_server(tmp_path_factory.mktemp("acd-data")) as process:
        site = Site(process, size)
        site.log_in()
        yield site
        site.close()


@pytest.fixture(scope="module")
def echo_site(size: Size) -> Iterator[Site]:
    with echo_server() as process:
        site = Site(process, size)
        yield site
        site.close()


def bench_lifecycles(benchmark: Any, size: Size, site: Site, depth: int) -> None:
    measure_loop(benchmark, size, site, AcdTalk, depth, server="acd")


def bench_echo(benchmark: Any, size: Size, echo_site: Site, depth: int) -> None:
    measure_loop(benchmark, size, echo_site, EchoTalk, depth, server="echo")


def measure_loop(
    benchmark: Any, size: Size, site: Site, make_talk: Callable[[list[bytes]], Talk], depth: int, server: str
) -> None:
    """Rounds of lifecycles, after one that is not measured."""
    lifecycles = min(size.lifecycles * depth, size.lifecycles_max)
    rounds = site.rounds(make_talk, depth, lifecycles)
    next(rounds)()
    loop_cpu_ns = site.process.loop_cpu_ns()
    measure(
        benchmark,
        rounds,
        size.wire_rounds,
        group="wire",
        unit="lifecycle",
        units=lifecycles,
        cpu_ns=site.process.cpu_ns,
        server=server,
        depth=depth,
        connections=min(depth, size.connections),
    )
    measured = benchmark.extra_info["rounds"] * lifecycles
    benchmark.extra_info["loop_cpu_ns"] = round((site.process.loop_cpu_ns() - loop_cpu_ns) / measured, 1)


def bench_offer_latency(benchmark: Any, size: Size, site: Site, rate: int) -> None:
    count = round(rate * size.rate_s)
    lines = site.enqueue_lines(site.tenants[0], count, plain=True)
    loops = []
    measure(
        benchmark,
        iter([lambda: loops.append(open_loop(site.connections[0], lines, rate))]),
        1,
        group="latency",
        unit="lifecycle",
        units=count,
        cpu_ns=site.process.cpu_ns,
        rate=rate,
    )
    benchmark.extra_info["offer_ns"] = quantiles(loops[0].latency_ns)
    benchmark.extra_info["late_ns"] = quantiles(loops[0].late_ns)
