"""What a scrape costs, and how long it keeps the event loop: `python -m tools.scrape_cost`.

A server's parts with an engine of so many queues and agents, half of the agents logged in and ten thousand contacts
waiting, are scraped by another process. Beside that, a task asks the loop for its turn again and again, and takes the
processor time of this thread between two turns: that is how long a command that arrives at the wrong moment waits for
the scrape, without what other programs on the machine do.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

import uvloop

from acd_core import Config, Engine
from acd_core.config import Agent, Queue, Tenant
from server.clock import Clock
from server.counters import Counters
from server.metrics import MetricsServer
from server.ring import EventRing
from server.router import Router

CONTACTS = 10_000
TENANTS = 10
SCRAPER = """
import sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    text = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics").read()
    print(time.perf_counter() - started, len(text), text.count(b"\\n"))
"""


def centre(queues: int, agents: int) -> SimpleNamespace:
    """As much of a sequencer as is scraped."""
    machine, clock, counters = Engine(), Clock.after(0), Counters()
    config = Config(
        tenants=tuple(Tenant(name=f"tenant-{number}") for number in range(TENANTS)),
        queues=tuple(Queue(tenant=f"tenant-{number % TENANTS}", name=f"queue-{number}") for number in range(queues)),
        agents=tuple(Agent(agent=f"agent-{number}") for number in range(agents)),
    )
    now = clock.now()
    machine.apply_config(now, config)
    for number in range(CONTACTS):
        queue = config.queues[number % queues]
        machine.enqueue_contact(now, "pbx", f"c-{number}", queue.tenant, queue.name, 0, "", {})
    for number in range(0, agents, 2):
        machine.login_agent(now, "pbx", f"agent-{number}", None, True)
    machine.discard_events()
    return SimpleNamespace(
        machine=machine,
        clock=clock,
        counters=counters,
        router=Router(EventRing(65_536, 1 << 26), counters),
        state="serving",
        journal_seq=1,
        journal_pending_bytes=0,
    )


async def turns(stop: asyncio.Event) -> list[float]:
    """Processor time of the loop's turns, in seconds, until `stop` is set."""
    taken = []
    while not stop.is_set():
        started = time.thread_time()
        await asyncio.sleep(0)
        taken.append(time.thread_time() - started)
    return taken


async def measure(queues: int, agents: int, one_by_one: bool, scrapes: int) -> None:
    """Print one row of the table."""
    server = MetricsServer(centre(queues, agents), "127.0.0.1", 0, agents=one_by_one)
    await server.start()

    async def scrape() -> list[list[float]]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SCRAPER, str(server.port), str(scrapes + 1), stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
        return [[float(word) for word in line.split()] for line in output.decode().splitlines()][1:]

    before = time.process_time()
    rows = await scrape()
    processor_ms = (time.process_time() - before) * 1000 / (scrapes + 1)
    stop = asyncio.Event()
    probe = asyncio.create_task(turns(stop))
    await scrape()
    stop.set()
    taken = sorted(await probe)
    await server.stop()
    print(
        f"| {queues:,} | {agents:,}{', one by one' if one_by_one else ''} | {rows[0][2]:,.0f} | {rows[0][1] / 1e6:.1f} MB "
        f"| {statistics.median(row[0] for row in rows) * 1000:.0f} ms | {processor_ms:.0f} ms "
        f"| {taken[int(len(taken) * 0.999)] * 1000:.2f} ms | {taken[-1] * 1000:.2f} ms |"
    )


def main() -> None:
    """Measure the sizes of the page docs/monitoring.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scrapes", type=int, default=20, help="of each size (%(default)s)")
    scrapes = parser.parse_args().scrapes
    print("| queues | agents | samples | text | a scrape | processor | turn, p99.9 | longest turn |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for queues, agents, one_by_one in (
        (10, 100, False),
        (100, 1000, False),
        (1000, 10_000, False),
        (1000, 10_000, True),
    ):
        uvloop.run(measure(queues, agents, one_by_one, scrapes))


if __name__ == "__main__":
    main()
