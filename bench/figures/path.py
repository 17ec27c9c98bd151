"""The whole path through TCP: ours with and without a disk, beside an echo in C and a server in pure Python.

"Not durable" is the same server with its journal in memory (/dev/shm), where a flush costs nothing. All servers run at the
same time and are measured by turns, on the first processor; the load has the last. CPU time is that of all threads of a server.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from acd_protocol.framing import encode
from acd_protocol.messages import Subscribe
from acd_sim.load.floor import Shape
from acd_sim.load.histogram import Histogram
from acd_sim.load.link import Link
from acd_sim.load.sender import MEASURED, Sender
from bench.figures.core import built
from bench.figures.samples import Figures
from bench.figures.scale import Scale
from bench.server_process import ServerProcess, acd_server, started
from bench.site import Site

ROOT = Path(__file__).resolve().parents[2]
IN_MEMORY = Path("/dev/shm")
CONNECTIONS = 16
WIRE_CONNECTIONS = 50
DEPTHS = (16, 64, 256)
FEATURE_DEPTH = 64
PAGE = bytes(4096)
PREALLOCATED = 8 << 20
PROCESSORS = os.sched_getaffinity(0)
AWAKE = len(PROCESSORS) > 1
"""Whether a sender that never sleeps leaves the server a processor."""


@contextlib.contextmanager
def load_apart() -> Iterator[None]:
    """The load on a processor of its own, the last; servers are kept to the others by `site_of`."""
    if len(PROCESSORS) > 1:
        os.sched_setaffinity(0, {max(PROCESSORS)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, PROCESSORS)


@contextlib.contextmanager
def at_once(*pids: int) -> Iterator[None]:
    """Give servers a processor as soon as they want one, and this process nearly all of its own, where we may say so.

    On a shared machine a latency is otherwise that of whoever else runs. Threads of the servers that begin later inherit it.
    """
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        _schedule(pids, os.SCHED_FIFO, 1)
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        yield
    finally:
        _schedule(pids, os.SCHED_OTHER, 0)
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def _schedule(pids: Iterable[int], policy: int, priority: int) -> None:
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setscheduler(int(task.name), policy, os.sched_param(priority))


def folder(stack: contextlib.ExitStack, *, durable: bool) -> Path:
    """A directory on the disk of this checkout, or in memory."""
    where = ROOT / "build" / "bench" if durable else IN_MEMORY
    where.mkdir(parents=True, exist_ok=True)
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acd-", dir=where)))


def site_of(stack: contextlib.ExitStack, process: ServerProcess, shape: Shape, connections: int) -> Site:
    """Connections to a server that is kept to the first processor, where there are several; closed with the stack.

    Its snapshots are made on the others, beside the load, which goes first there.
    """
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(task.name), {min(PROCESSORS)})
    site = Site(process, shape, connections)
    stack.callback(site.close)
    return site


def acd_site(
    stack: contextlib.ExitStack, shape: Shape, connections: int, *, durable: bool, staffed: bool = True
) -> Site:
    """Our server, configured; its agents logged in unless told otherwise."""
    process = stack.enter_context(acd_server(folder(stack, durable=durable) / "data"))
    site = site_of(stack, process, shape, connections)
    site.log_in(staffed=staffed)
    return site


def echo_site(stack: contextlib.ExitStack, shape: Shape, connections: int) -> Site:
    """The echo in C."""
    return site_of(stack, stack.enter_context(started([str(built("echo.c"))])), shape, connections)


def cpu_of_round(site: Site, sender: Sender, depth: int, count: int) -> tuple[float, float]:
    """CPU nanoseconds of the server for each of so many, and how many a second."""
    cpu, wall = site.process.cpu_ns(), time.monotonic()
    site.closed_loop(sender, depth, count)
    wall = time.monotonic() - wall
    return (site.process.cpu_ns() - cpu) / count, count / wall


def requests(figures: Figures, scale: Scale) -> None:
    """Goals 1 and 2: one request and its answer, over 50 connections, 16 deep and one at a time.

    The request is an enqueue that is known already: it is read, checked, applied, journaled and answered, and causes no event.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        sites = {
            "acd": acd_site(stack, scale.centre, WIRE_CONNECTIONS, durable=False, staffed=False),
            "echo": echo_site(stack, scale.centre, WIRE_CONNECTIONS),
        }
        senders = {
            name: site.sender(WIRE_CONNECTIONS, repeat=True, echo=name == "echo") for name, site in sites.items()
        }
        for depth in (1, 16):
            for name, site in sites.items():
                site.closed_loop(senders[name], WIRE_CONNECTIONS * depth, scale.lifecycles)
            for _ in range(scale.turns):
                for name, site in sites.items():
                    count = scale.lifecycles * (4 if name == "acd" else 16)
                    cpu, rate = cpu_of_round(site, senders[name], WIRE_CONNECTIONS * depth, count)
                    figures.add(f"wire.{name} 50x{depth}", [cpu])
                    figures.add(f"wire.{name} 50x{depth} rate", [rate], "per s")


def lifecycles(figures: Figures, scale: Scale) -> None:
    """Goals 6 to 9 and 13: whole lifecycles at several depths."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        python = [sys.executable, "-m", "bench.peers.asyncio_server"]
        sites = {
            "echo": echo_site(stack, scale.centre, CONNECTIONS),
            "memory": acd_site(stack, scale.centre, CONNECTIONS, durable=False),
            "durable": acd_site(stack, scale.centre, CONNECTIONS, durable=True),
            "python": site_of(stack, stack.enter_context(started(python)), scale.centre, CONNECTIONS),
        }
        sites["python"].log_in()
        senders = {name: site.sender(CONNECTIONS, echo=name == "echo") for name, site in sites.items()}
        for depth in DEPTHS:
            count = max(CONNECTIONS, scale.lifecycles * min(depth, 64) // 64)
            for name, site in sites.items():
                site.closed_loop(senders[name], depth, count)
            for _ in range(scale.turns):
                for name, site in sites.items():
                    cpu, rate = cpu_of_round(site, senders[name], depth, count)
                    figures.add(f"path.{name} {depth}", [cpu])
                    figures.add(f"path.{name} {depth} rate", [rate], "per s")


def features(figures: Figures, scale: Scale) -> None:
    """Goal 10: the same with everything on that an installation has beside its calls.

    A client follows all events of all tenants, and the metrics are scraped four times a second; journal, timers, forecasts and
    tenants are there in both.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        bare = acd_site(stack, scale.centre, CONNECTIONS, durable=False)
        full = acd_site(stack, scale.centre, CONNECTIONS, durable=False)
        stack.enter_context(watched(full.process))
        senders = [site.sender(CONNECTIONS) for site in (bare, full)]
        for number in range(scale.turns + 1):
            for name, site, sender in zip(("bare", "all"), (bare, full), senders, strict=True):
                cpu, _ = cpu_of_round(site, sender, FEATURE_DEPTH, scale.lifecycles)
                if number:
                    figures.add(f"features.{name}", [cpu])


@contextlib.contextmanager
def watched(process: ServerProcess) -> Iterator[None]:
    """A follower of all events, and a scraper."""
    over = threading.Event()
    link = Link("127.0.0.1", process.port)
    link.hello("follower")
    link.ask(encode(Subscribe(id=0)))
    link.socket.settimeout(0.1)

    def follow() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                link.socket.recv(1 << 20)

    def scrape() -> None:
        while not over.wait(0.25):
            with urllib.request.urlopen(f"http://127.0.0.1:{process.metrics_port}/metrics", timeout=10) as answer:
                answer.read()

    threads = [threading.Thread(target=work, daemon=True) for work in (follow, scrape)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        link.close()


def latency(figures: Figures, scale: Scale) -> None:
    """Goals 11 and 12: from the planned time to the offer, at a steady rate; a flush of the disk; a round trip of the echo.

    The servers have real-time priority where that is allowed: none has to wait for what else the machine does. The sender
    never sleeps where it has a processor of its own, for a processor that slept is late to send and late to see the answer.
    """
    count = round(scale.rate * scale.rate_s)
    figures.notes["rate"] = f"{scale.rate:,}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        echo = echo_site(stack, scale.centre, 1)
        for name in ("memory", "durable"):
            site = acd_site(stack, scale.centre, CONNECTIONS, durable=name == "durable")
            with at_once(site.process.pid, echo.process.pid):
                site.open_loop(site.sender(CONNECTIONS, plain=True, awake=AWAKE), scale.rate, max(1, count // 10))
                for _ in range(scale.turns):
                    sender = site.sender(CONNECTIONS, plain=True, awake=AWAKE)
                    cpu = site.process.cpu_ns()
                    site.open_loop(sender, scale.rate, count)
                    figures.add(f"latency.{name} cpu", [(site.process.cpu_ns() - cpu) / count])
                    for what in ("offer", "late"):
                        histogram = Histogram(sender.histogram(MEASURED.index(what)))
                        for percentile, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
                            figures.add(f"latency.{name} {what} {percentile}", [float(histogram.at(share))])
                    if name == "memory":
                        trip = echo.sender(1, repeat=True, echo=True, awake=AWAKE)
                        echo.closed_loop(trip, 1, scale.lifecycles)
                        figures.add("latency.echo", [float(Histogram(trip.histogram(MEASURED.index("ack"))).at(0.5))])
                    else:
                        figures.add("latency.flush", [_flush_p50(stack, scale.flushes)])


def _flush_p50(stack: contextlib.ExitStack, count: int) -> float:
    """Of fdatasync after a page was written into a file that was written before."""
    path = folder(stack, durable=True) / "flushed"
    found = []
    with path.open("wb", buffering=0) as file:
        file.write(bytes(PREALLOCATED))
        os.fsync(file.fileno())
        for number in range(count):
            began = time.perf_counter_ns()
            os.pwrite(file.fileno(), PAGE, number * len(PAGE) % PREALLOCATED)
            os.fdatasync(file.fileno())
            found.append(time.perf_counter_ns() - began)
    return float(sorted(found)[len(found) // 2])


def by_rate(figures: Figures, scale: Scale) -> None:
    """For curves: latency and cost at rates up to what is held; it ends where half a second is passed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        for name in ("memory", "durable"):
            site = acd_site(stack, scale.centre, CONNECTIONS, durable=name == "durable")
            for rate in (
                scale.rate // 10,
                scale.rate // 4,
                scale.rate // 2,
                scale.rate,
                2 * scale.rate,
                5 * scale.rate,
            ):
                sender = site.sender(CONNECTIONS, plain=True, awake=AWAKE)
                cpu = site.process.cpu_ns()
                count = round(rate * min(1.0, scale.rate_s))
                site.open_loop(sender, rate, count)
                offers = Histogram(sender.histogram(MEASURED.index("offer")))
                figures.add(f"rates.{name} {rate} cpu", [(site.process.cpu_ns() - cpu) / count])
                for percentile, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
                    figures.add(f"rates.{name} {rate} {percentile}", [float(offers.at(share))])
                if offers.at(0.5) > 5e8:
                    break
