"""Lifecycles through TCP, durable: a real server in a process of its own, with its default journal.

One lifecycle is enqueue, offer, accept, complete, each step after the answer to the one before; the server sends ten
messages for the three that it gets. The load comes from `acd_sim.load`. Each connection has a tenant and agents of its
own. CPU time is that of the server alone, all its threads.

The reference is an echo of the same three requests on the same event loop. Latency is taken from the planned time of an
enqueue to the arrival of its offer, at a steady rate that does not wait for the server.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from acd_sim.load.histogram import Histogram
from acd_sim.load.sender import MEASURED
from bench.measure import measure
from bench.server_process import acd_server, echo_server
from bench.site import Site
from bench.sizes import Size


@pytest.fixture(scope="module")
def site(size: Size, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with acd_server(tmp_path_factory.mktemp("acd-data")) as process:
        site = Site(process, size.wire_shape, size.connections)
        site.log_in()
        yield site
        site.close()


@pytest.fixture(scope="module")
def echo_site(size: Size) -> Iterator[Site]:
    with echo_server() as process:
        site = Site(process, size.wire_shape, size.connections)
        yield site
        site.close()


def bench_lifecycles(benchmark: Any, size: Size, site: Site, depth: int) -> None:
    measure_loop(benchmark, size, site, depth, server="acd")


def bench_echo(benchmark: Any, size: Size, echo_site: Site, depth: int) -> None:
    measure_loop(benchmark, size, echo_site, depth, server="echo")


def measure_loop(benchmark: Any, size: Size, site: Site, depth: int, server: str) -> None:
    """Rounds of lifecycles, after one that is not measured."""
    lifecycles = min(size.lifecycles * depth, size.lifecycles_max)
    used = min(depth, size.connections)
    sender = site.sender(used, echo=server == "echo")

    def rounds() -> Iterator[Callable[[], None]]:
        while True:
            yield lambda: site.closed_loop(sender, depth, lifecycles)

    work = rounds()
    next(work)()
    loop_cpu_ns = site.process.loop_cpu_ns()
    measure(
        benchmark,
        work,
        size.wire_rounds,
        group="wire",
        unit="lifecycle",
        units=lifecycles,
        cpu_ns=site.process.cpu_ns,
        server=server,
        depth=depth,
        connections=used,
    )
    measured = benchmark.extra_info["rounds"] * lifecycles
    benchmark.extra_info["loop_cpu_ns"] = round((site.process.loop_cpu_ns() - loop_cpu_ns) / measured, 1)


def bench_offer_latency(benchmark: Any, size: Size, site: Site, rate: int) -> None:
    count = round(rate * size.rate_s)
    sender = site.sender(1, plain=True)
    measure(
        benchmark,
        iter([lambda: site.open_loop(sender, rate, count)]),
        1,
        group="latency",
        unit="lifecycle",
        units=count,
        cpu_ns=site.process.cpu_ns,
        rate=rate,
    )
    for name, what in (("offer_ns", "offer"), ("late_ns", "late")):
        histogram = Histogram(sender.histogram(MEASURED.index(what)))
        benchmark.extra_info[name] = {"p50": histogram.at(0.5), "p99": histogram.at(0.99), "p999": histogram.at(0.999)}
