"""`make soak-asterisk`: SIP calls for a long while, with adapter, engine and Asterisk killed at random.

SIPp's callers come by a Poisson process to SIPp's agents, at a rate that keeps the agents about as busy as asked for. Some
of those who wait press the key for a callback, and hang up; their phones answer, are busy or ring in vain. Every so often one of adapter, engine and Asterisk is killed, and started again a moment later. At the end callers stop
coming, all calls run out, and the three sides are counted:

- SIPp: how many callers ended as their scenario has it, and how many were cut off;
- Asterisk, every two seconds: no bridge with three channels, no channel in two bridges, nobody dialled twice at once;
- the engine: its journal, played again, tells what was seen meanwhile; every contact has an end, no agent is in a state beyond its deadline, nobody is connected twice;
- the queue_log: its invariants, and as many stints and conversations as the engine counts.
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acd_core.events import Event
from tests.asterisk import sipp
from tests.asterisk.lab import Lab, phone_ports
from tests.asterisk.rig import Rig, until_slow
from tests.asterisk.sipp import Sipp
from tests.support.queue_log import check_queue_log

VICTIMS = ("adapter", "engine", "asterisk")
RING_S = (0.2, 2.0)
PATIENCE_S = (4.0, 25.0)
TALK_S = (4.0, 29.0)
DEADLINE_SPARE_S = 3.0
CALLBACKS = 0.25
"""This share of callers press the key, if they have not got an agent before."""
KEY_AFTER_S = (0.5, 3.0)
RULES = {"retry_s": 8, "attempts_max": 3, "expires_s": 300}
CUSTOMER_TALKS_S = (2, 12)
RUN_OUT_S = 180.0
"""So long the last callbacks may take."""


@dataclass
class Watch:
    """What the engine's events say while it runs.

    Attributes:
        connected: conversations, also with an agent whose customer was then not reached.
        talks: agent by contact, of conversations now; doubles: contacts or agents that were connected twice at once.
        ends: reason by contact.
        callbacks: contacts that are, or were, to be called back; attempts: how many failed, by cause.
    """

    queued: set[str] = field(default_factory=set)
    connected: int = 0
    on_the_phone: int = 0
    callbacks: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter)
    talks: dict[str, str] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    ended_twice: list[str] = field(default_factory=list)

    def take(self, event: Any) -> None:
        """One event."""
        kind = event.__struct_config__.tag
        if kind == "contact.queued":
            self.queued.add(event.contact)
        elif kind == "contact.connected":
            self.connected += 1
            self.on_the_phone += event.contact not in self.callbacks
            if event.contact in self.talks or event.agent in self.talks.values():
                self.doubles.append(f"{event.contact} {event.agent}")
            self.talks[event.contact] = event.agent
        elif kind == "contact.callback_changed":
            self.talks.pop(event.contact, None)
            self.callbacks.add(event.contact)
            if event.cause:
                self.attempts[event.cause] += 1
        elif kind in ("contact.wrapup", "contact.ended"):
            self.talks.pop(event.contact, None)
            if kind == "contact.ended":
                if event.contact in self.ends:
                    self.ended_twice.append(event.contact)
                self.ends[event.contact] = event.reason


class Soak:
    """One run.

    Args:
        minutes: how long callers come.
        agents: how many phones there are.
        rate: callers a second.
        kill_every_s: mean time between kills; 0 for none.
    """

    def __init__(self, minutes: float, agents: int, rate: float, kill_every_s: float, seed: int) -> None:
        self.minutes = minutes
        self.agents = agents
        self.rate = rate
        self.kill_every_s = kill_every_s
        self.random = random.Random(seed)
        self.watch = Watch()
        self.kills: Counter[str] = Counter()
        self.calls: list[tuple[float, float, Sipp]] = []
        self.asterisk_deaths: list[tuple[float, float]] = []
        self.statuses: Counter[str] = Counter()
        self.problems: list[str] = []
        self.bridges_most = 0

    async def run(self, directory: Path) -> dict[str, Any]:
        """Run it; gives the report."""
        with Lab("soak", agents=self.agents) as lab:
            rig = Rig(lab, directory)
            # A phone may be rung twice for one offer when an Asterisk has died in between.
            rig.compares_phones = False
            report: dict[str, Any] = {"checks": {}, "problems": []}
            told = "the journal tells what was seen"
            try:
                async with rig:
                    report = await self._run(rig)
                report["checks"][told] = True
            except AssertionError as problem:
                report["checks"][told] = False
                report["problems"].append(str(problem)[:1000])
            return report

    async def _run(self, rig: Rig) -> dict[str, Any]:
        queue: dict[str, Any] = {"offer_timeout_s": 8, "no_answer_cooldown_s": 1, "reject_cooldown_s": 3, "wrapup_s": 1}
        port = phone_ports()
        await rig.start(
            'numbers = { "2000" = "support" }\n[defaults]\nkeys = { "2" = "callback" }\n[defaults.callback]\n'
            f'endpoint = "PJSIP/callers/sip:{{number}}@127.0.0.1:{port}"\nring_s = 4\nconfirmed = ["sound:beep"]',
            agents=self.agents,
            callback=RULES,
            **queue,
        )
        assert rig.watcher is not None
        rig.watcher.on(Event, self.watch.take)
        phones = [await self._phone(rig, number) for number in range(1, self.agents + 1)]
        phones.append(await rig.phone("customers", customers(), port=port, calls=0))
        for number in range(1, self.agents + 1):
            await rig.login(number)
        end = time.monotonic() + self.minutes * 60
        tasks = [asyncio.create_task(work(rig, end)) for work in (self._call, self._kill, self._look)]
        last = 0.0
        while time.monotonic() < end:
            await asyncio.sleep(min(1.0, max(0.0, end - time.monotonic())))
            if time.monotonic() - last > 30:
                last = time.monotonic()
                left = (end - last) / 60
                print(f"{left:5.1f} min left: {len(self.calls)} calls, {self.watch.connected} answered, "
                      f"{len(self.watch.ends)} ended, killed {dict(self.kills)}", flush=True)  # fmt: skip
        for fault in await asyncio.gather(*tasks, return_exceptions=True):
            if fault is not None:
                self.problems.append(f"the soak itself failed: {fault!r}")
        for _, _, call in self.calls:
            await call.ended(120)
        await self._run_out(rig)
        for phone in phones:
            await phone.stop()
        return await self._report(rig)

    async def _phone(self, rig: Rig, number: int) -> Sipp:
        """An agent's phone for any number of calls. One in twenty is always busy, one in twenty is never picked up."""
        if number % 20 == 5:
            steps = sipp.refuse("486 Busy Here")
        elif number % 20 == 6:
            steps = [*sipp.rung(), *sipp.be_cancelled()]
        else:
            ring_ms = int(self.random.uniform(*RING_S) * 1000)
            steps = [
                *sipp.rung(),
                f'<recv request="CANCEL" timeout="{ring_ms}" ontimeout="1" next="2"/>',
                sipp.label(1),
                *sipp.answer(),
                '<recv request="BYE" timeout="60000" ontimeout="3"/>',
                sipp.respond("200 OK"),
                '<nop next="3"/>',
                sipp.label(2),
                *sipp.be_cancelled()[1:],
                sipp.label(3),
            ]
        return await rig.phone(f"agent{number}", steps, port=rig.lab.phone_port(number), calls=0)

    async def _call(self, rig: Rig, end: float) -> None:
        """Callers come, each a SIPp of his own, with his own patience and talk."""
        while True:
            await asyncio.sleep(self.random.expovariate(self.rate))
            if time.monotonic() > end:
                return
            stay = self.random.uniform(*(PATIENCE_S if self.random.random() < 0.3 else TALK_S))
            if not rig.lab.running:
                continue
            steps = [*sipp.dial(user=f"49{30_000_000 + len(self.calls)}"), *sipp.until_answered()]
            if self.random.random() < CALLBACKS:
                after = self.random.uniform(*KEY_AFTER_S)
                steps += [sipp.pause(after), *sipp.digit("2", 2), *stays_or_is_let_go(stay)]
            else:
                steps += [sipp.pause(stay), *sipp.hang_up()]
            try:
                call = await rig.phone("caller", steps, target="2000")
            except RuntimeError as problem:
                self.problems.append(str(problem))
                continue
            self.calls.append((time.monotonic(), stay, call))

    async def _kill(self, rig: Rig, end: float) -> None:
        """Kill one of the three, and start it again."""
        if not self.kill_every_s:
            return
        port = rig.server.port
        turn = 0
        while True:
            await asyncio.sleep(self.kill_every_s * self.random.uniform(0.5, 1.5))
            if time.monotonic() > end - 10:
                return
            # Asterisk's death loses all calls, so it comes seldom.
            victim = "asterisk" if turn % 6 == 5 else VICTIMS[turn % 2]
            turn += 1
            self.kills[victim] += 1
            await self._kill_one(rig, victim, self.random.uniform(0.2, 3), port)

    async def _kill_one(self, rig: Rig, victim: str, pause: float, port: int) -> None:
        if victim == "adapter":
            await rig.adapter.signal(signal.SIGKILL)
            await asyncio.sleep(pause)
            await rig.adapter.start()
        elif victim == "engine":
            await rig.server.kill()
            await asyncio.sleep(pause)
            await rig.restart_engine(port)
        else:
            began = time.monotonic()
            await asyncio.to_thread(rig.lab.kill)
            await asyncio.sleep(pause)
            try:
                await asyncio.to_thread(rig.lab.start)
            finally:
                self.asterisk_deaths.append((began, time.monotonic()))

    async def _look(self, rig: Rig, end: float) -> None:
        """No bridge ever holds more than two, no channel is in two bridges, and no customer is dialled twice at once."""
        while time.monotonic() < end:
            await asyncio.sleep(2)
            try:
                bridges = await asyncio.to_thread(rig.lab.bridges)
                channels = await asyncio.to_thread(rig.lab.channels)
            except (OSError, ValueError):
                continue
            members = Counter(channel for bridge in bridges for channel in bridge["channels"])
            self.bridges_most = max(self.bridges_most, sum(len(bridge["channels"]) == 2 for bridge in bridges))
            dialled = Counter(
                each["id"].split("/", 2)[2] for each in channels if each["id"].startswith("acd-customer/")
            )
            if any(count > 1 for count in dialled.values()):
                self.problems.append(f"dialled twice at once: {[name for name, count in dialled.items() if count > 1]}")
            crowded = [bridge["id"] for bridge in bridges if len(bridge["channels"]) > 2]
            twice = [channel for channel, count in members.items() if count > 1]
            if crowded or twice:
                self.problems.append(f"bridges {crowded} with more than two, channels {twice} in more than one")

    async def _run_out(self, rig: Rig) -> None:
        """Everybody has gone: wait until both sides have noticed."""
        assert rig.watcher is not None
        watcher = rig.watcher
        for _ in range(int(2 * RUN_OUT_S)):
            if not await watcher.listing("contacts"):
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(DEADLINE_SPARE_S)
        try:
            await until_slow(lambda: not rig.lab.channels() and not rig.lab.bridges(), 40)
        except TimeoutError:
            names = [channel["name"] for channel in rig.lab.channels()]
            self.problems.append(f"left in Asterisk: {names} {[bridge['id'] for bridge in rig.lab.bridges()]}")

    async def _report(self, rig: Rig) -> dict[str, Any]:
        assert rig.watcher is not None
        watch = self.watch
        left = await rig.watcher.listing("contacts")
        agents = await rig.watcher.listing("agents")
        stats = await rig.watcher.stats()
        stuck = [agent["agent"] for agent in agents if agent["presence"] == "ready" and agent["activity"] != "none"]
        sipp_ok = sipp_cut = sipp_cut_in_outage = 0
        not_begun = 0
        for began, stay, call in self.calls:
            status = await call.ended(1)
            if status == 0:
                sipp_ok += 1
            elif call.had_no_port:
                not_begun += 1
            elif any(began - 1 < up and down < began + stay + 15 for down, up in self.asterisk_deaths):
                sipp_cut_in_outage += 1
            else:
                sipp_cut += 1
                self.problems.append(f"{call.name} was cut off: {call.told()[-300:]}")
        queue = stats["queues"][0]
        text = rig.queue_log_of(rig.adapter).read_text()
        lines: Counter[str] = Counter()
        try:
            lines = check_queue_log(text)
        except AssertionError as problem:
            self.problems.append(f"queue_log: {problem}")
        checks = {
            "every contact has one end": watch.queued == set(watch.ends) and not left and not watch.ended_twice,
            "no agent is stuck": not stuck,
            "nobody was connected twice": not watch.doubles,
            "no caller was cut off while Asterisk lived": sipp_cut == 0,
            "engine and watcher count alike": queue["entered"] == len(watch.queued)
            and queue["answered"] == watch.on_the_phone + list(watch.ends.values()).count("callback_done")
            and queue["callbacks_failed"] == watch.attempts.total()
            and sum(queue["ended"].values()) == len(watch.ends),
            "queue_log counts as the engine": lines["ENTERQUEUE"] == rig.stints()
            and lines["CONNECT"] == watch.connected,
            "no other problem": not self.problems,
        }
        return {
            "minutes": self.minutes,
            "agents": self.agents,
            "callers": len(self.calls) - not_begun,
            "callers_ok": sipp_ok,
            "callers_lost_with_asterisk": sipp_cut_in_outage,
            "callers_cut_off": sipp_cut,
            "contacts": len(watch.queued),
            "answered": queue["answered"],
            "callbacks": {
                "asked for": len(watch.callbacks),
                "reached": list(watch.ends.values()).count("callback_done"),
                "attempts that failed": dict(watch.attempts),
            },
            "ended": dict(Counter(watch.ends.values())),
            "offers": {name: queue[name] for name in queue if name.startswith("offers")},
            "queue_log": dict(sorted(lines.items())),
            "killed": dict(self.kills),
            "bridges_most": self.bridges_most,
            "checks": checks,
            "problems": self.problems[:20] + [f"stuck: {stuck}"] * bool(stuck),
        }


def stays_or_is_let_go(stay: float) -> list[str]:
    """After the key: he is hung up, or he has got an agent, or nobody has heard the key, and he hangs up in the end."""
    return [
        f'<recv request="BYE" timeout="{int(stay * 1000)}" ontimeout="1"/>',
        sipp.respond("200 OK"),
        '<nop next="2"/>',
        sipp.label(1),
        *sipp.hang_up(3),
        sipp.label(2),
    ]


def customers() -> list[str]:
    """The phones of those who are called back: one in seven is busy, one in seven rings in vain, the others talk."""
    least, most = (int(seconds * 1000) for seconds in CUSTOMER_TALKS_S)
    return [
        *sipp.rung()[:1],
        '<nop next="1" chance="0.14"/>',
        sipp.rung()[1],
        '<nop next="2" chance="0.16"/>',
        '<recv request="CANCEL" timeout="700" ontimeout="3" next="4"/>',
        sipp.label(3),
        *sipp.answer(),
        f'<pause distribution="uniform" min="{least}" max="{most}"/>',
        *sipp.agent_hangs_up(),
        '<nop next="5"/>',
        sipp.label(1),
        sipp.respond("486 Busy Here", tag=True, retrans=True),
        sipp.receive("ACK"),
        '<nop next="5"/>',
        sipp.label(2),
        sipp.receive("CANCEL"),
        sipp.label(4),
        *sipp.be_cancelled()[1:],
        sipp.label(5),
    ]


def main() -> int:
    """Exit 0 when all checks hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.asterisk.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--agents", type=int, default=60)
    parser.add_argument("--rate", type=float, default=3.0, help="callers a second")
    parser.add_argument("--kill-every", type=float, default=20.0, metavar="S", help="mean seconds between kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=None, metavar="FILE.json")
    args = parser.parse_args()
    soak = Soak(args.minutes, args.agents, args.rate, args.kill_every, args.seed)
    with tempfile.TemporaryDirectory(prefix="acd-soak-", ignore_cleanup_errors=True) as directory:
        report = asyncio.run(soak.run(Path(directory)))
    text = json.dumps(report, indent=2)
    print(text)
    if args.report is not None:
        args.report.write_text(text + "\n")
    return 0 if all(report["checks"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
