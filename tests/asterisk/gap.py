"""`make bench-asterisk`: how long an agent who comes free waits for his phone to ring again, beside app_queue.

Both serve the same synthetic callers and agents (Local channels) on the same Asterisk, one after the other, with so many
callers waiting. A watcher of its own reads Asterisk's events: the gap is from the first sign of the end of an agent's
call to the creation of the channel that rings him next, by Asterisk's own clock, in milliseconds. Callers hear ringing
in both cases, so that no music burdens the machine.

What Asterisk itself needs is shown beside: from the request for a channel to its creation, asked now and then meanwhile,
while as many wait and the agents' calls come and go.
The result goes into docs/asterisk.md, and as JSON beside the other measured figures.
"""

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Self

import aiohttp

from tests.asterisk.lab import PROJECT, Lab
from tests.asterisk.rig import Rig

AGENTS = 10
SETTINGS = """numbers = { "2000" = "support" }
engine_patience_s = 600
defaults = { answer = false }
phones = { presence = false }"""
PROBE = "9999"
"""No agent: whom Asterisk is asked to ring for its own part."""
PROBES = 40
STEP_S = 240.0
"""One measurement that takes longer has failed: callers come and go within a minute or so, even a thousand of them."""
FIGURES = PROJECT / "docs/performance/asterisk.json"
PAGE = PROJECT / "docs/asterisk.md"
BLOCK = re.compile(r"(?<=<!-- make bench-asterisk writes this -->\n).*?(?=<!-- until here -->)", re.DOTALL)
SEEN = ("ChannelCreated", "ChannelDestroyed", "ChannelHangupRequest")


class Watcher:
    """A second application at Asterisk, which sees all channels.

    Attributes:
        gaps: in milliseconds.
        probes: by name of a channel, when it was created.
    """

    def __init__(self, lab: Lab) -> None:
        self.gaps: list[float] = []
        self.created: dict[str, float] = {}
        self._lab = lab
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._busy: set[str] = set()
        self._freed: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        login = b64encode(f"{self._lab.user}:{self._lab.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
        self._session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=20))
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._listen(ready))
        await ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        assert self._session is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._session.close()

    async def _listen(self, ready: asyncio.Event) -> None:
        assert self._session is not None
        url = f"{self._lab.ari_url}/events?app=gap&subscribeAll=true"
        async with self._session.ws_connect(url, max_msg_size=1 << 24) as socket:
            seen = {"allowed": [{"type": kind} for kind in SEEN]}
            async with self._session.put(f"{self._lab.ari_url}/applications/gap/eventFilter", json=seen) as answer:
                answer.raise_for_status()
            ready.set()
            async for message in socket:
                self._take(json.loads(message.data))

    def _take(self, event: dict[str, Any]) -> None:
        channel = event["channel"]
        at = datetime.fromisoformat(event["timestamp"]).timestamp()
        if event["type"] == "ChannelCreated":
            self.created[channel["id"]] = at
        found = re.match(r"Local/(\d{4})@bench-agent-.*;([12])$", channel["name"])
        if found is None or found[1] == PROBE:
            return
        agent = found[1]
        if event["type"] == "ChannelCreated":
            if found[2] == "1":
                freed = self._freed.pop(agent, None)
                if freed is not None:
                    self.gaps.append((at - freed) * 1000)
                self._busy.add(agent)
        elif agent in self._busy:
            self._busy.discard(agent)
            self._freed[agent] = at

    def begin(self) -> None:
        """Forget what was measured so far."""
        self.gaps.clear()
        self._freed.clear()
        self._busy.clear()

    async def originate(self, channel: str, endpoint: str) -> float:
        """Make a channel; gives when it was asked for."""
        assert self._session is not None
        asked = time.time()
        params = {"endpoint": endpoint, "context": "syn-caller", "extension": "hold", "priority": "1", "timeout": "900"}
        async with self._session.post(f"{self._lab.ari_url}/channels/{channel}", params=params) as answer:
            answer.raise_for_status()
        return asked

    async def fill(self, prefix: str, endpoint: str, count: int) -> None:
        """So many callers. Numbers of one length: Asterisk takes an id that another one begins with for known."""
        for first in range(0, count, 20):
            batch = range(first, min(first + 20, count))
            await asyncio.gather(*(self.originate(f"{prefix}-{number:05d}", endpoint) for number in batch))

    async def own_share(self, prefix: str, seconds: float) -> list[float]:
        """Milliseconds from the request for a channel to its creation, asked again and again for so long."""
        asked = {}
        for number in range(PROBES):
            name = f"{prefix}-probe-{number:02d}"
            asked[name] = await self.originate(name, f"Local/{PROBE}@bench-agent/n")
            await asyncio.sleep(seconds / PROBES)
        return [(self.created[name] - at) * 1000 for name, at in asked.items() if name in self.created]


async def drained(lab: Lab) -> None:
    """Everybody is sent home."""
    for _ in range(100):
        if not await asyncio.to_thread(lab.channels):
            return
        await asyncio.to_thread(lab.cli, "channel request hangup all")
        await asyncio.sleep(0.5)
    raise RuntimeError("the lab's channels do not go away")


async def measure_acd(lab: Lab, waiting: int, seconds: float) -> dict[str, Any]:
    """The engine and its adapter."""
    with tempfile.TemporaryDirectory(prefix="acd-gap-") as directory:
        async with Rig(lab, Path(directory)) as rig, Watcher(lab) as watcher:
            await rig.start(SETTINGS, agents=AGENTS)
            assert rig.watcher is not None
            client = rig.watcher
            extra = int(AGENTS * seconds)
            await watcher.fill("caller", "Local/2000@from-callers/n", waiting + extra)
            for _ in range(600):
                if len(rig.contacts_of("contact.queued")) >= waiting + extra:
                    break
                await asyncio.sleep(0.1)
            watcher.begin()
            for number in range(1, AGENTS + 1):
                await client.login(f"a-{number}", address=f"Local/{number:04d}@bench-agent/n", ready=True)
            own = await watcher.own_share("acd", seconds)
            gaps = list(watcher.gaps)
            left = waiting + extra - len(rig.contacts_of("contact.connected"))
            await drained(lab)
            return {"gaps": figures(gaps), "asterisk_own": figures(own), "still_waiting": left}


async def measure_app_queue(lab: Lab, waiting: int, seconds: float) -> dict[str, Any]:
    """Asterisk's own queue."""
    async with Watcher(lab) as watcher:
        await watcher.fill("queued", "Local/bench@bench-queue/n", waiting + int(AGENTS * seconds))
        await asyncio.sleep(2)
        watcher.begin()
        for number in range(1, AGENTS + 1):
            await asyncio.to_thread(lab.cli, f"queue add member Local/{number:04d}@bench-agent/n to bench")
        own = await watcher.own_share("queue", seconds)
        gaps = list(watcher.gaps)
        for number in range(1, AGENTS + 1):
            await asyncio.to_thread(lab.cli, f"queue remove member Local/{number:04d}@bench-agent/n from bench")
        await drained(lab)
        return {"gaps": figures(gaps), "asterisk_own": figures(own)}


def figures(values: list[float]) -> dict[str, float]:
    """Number, median, 95th percentile and most, in milliseconds."""
    if len(values) < 2:
        return {"count": len(values)}
    return {
        "count": len(values),
        "p50_ms": round(median(values), 1),
        "p95_ms": round(quantiles(values, n=20)[-1], 1),
        "most_ms": round(max(values), 1),
    }


async def run(waiting: list[int], seconds: float) -> dict[str, Any]:
    """Both, for each number of waiting callers."""
    rows = []
    with Lab("gap") as lab:
        version = lab.ari("GET", "/asterisk/info")["system"]["version"]
        for number in waiting:
            async with asyncio.timeout(STEP_S + seconds):
                acd = await measure_acd(lab, number, seconds)
            async with asyncio.timeout(STEP_S + seconds):
                queue = await measure_app_queue(lab, number, seconds)
            rows.append({"waiting": number, "acd": acd, "app_queue": queue})
            print(json.dumps(rows[-1]), flush=True)
    load = [round(value, 1) for value in os.getloadavg()]
    return {"asterisk": version, "cores": os.cpu_count(), "load_average": load, "agents": AGENTS, "rows": rows}


def table(report: dict[str, Any]) -> str:
    """The result for people."""
    load = report["load_average"][0]
    machine = (
        f"Asterisk {report['asterisk']}, {report['agents']} agents, {report['cores']} cores, load average {load:g}"
    )
    lines = [
        f"{machine}; median and 95th percentile in milliseconds:",
        "",
        "| callers waiting | `acd asterisk` | Asterisk's own part of it | app_queue |",
        "|--:|--:|--:|--:|",
    ]
    for row in report["rows"]:
        cells = [row["acd"]["gaps"], row["acd"]["asterisk_own"], row["app_queue"]["gaps"]]
        lines.append(
            f"| {row['waiting']:,} | " + " | ".join(f"{one['p50_ms']} ({one['p95_ms']})" for one in cells) + " |"
        )
    return "\n".join(lines) + "\n"


def write_page(report: dict[str, Any]) -> None:
    """Put the result into the pages of the project."""
    FIGURES.write_text(json.dumps(report, indent=2) + "\n")
    text, replaced = BLOCK.subn(lambda _: table(report), PAGE.read_text())
    if not replaced:
        raise RuntimeError(f"{PAGE} has lost the place for the result")
    PAGE.write_text(text)


def main() -> int:
    """Exit 0 when everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.asterisk.gap", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 500, 1000])
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--page", action="store_true", help="write the result into docs/")
    parser.add_argument("--report", type=Path, default=None, metavar="FILE.json")
    args = parser.parse_args()
    report = asyncio.run(run(args.waiting, args.seconds))
    text = json.dumps(report, indent=2)
    print(text)
    if args.report is not None:
        args.report.write_text(text + "\n")
    complete = all("p50_ms" in row[peer]["gaps"] for row in report["rows"] for peer in ("acd", "app_queue"))
    if args.page and complete:
        write_page(report)
    measured = [row[peer]["gaps"]["count"] for row in report["rows"] for peer in ("acd", "app_queue")]
    return 0 if all(count > 10 for count in measured) else 1


if __name__ == "__main__":
    raise SystemExit(main())
