"""A load from its first word to its last: greet, configure, send, see everything to its end, compare, log out."""

import importlib.metadata
import os
import platform
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from acd_core.commands import AgentLogin, AgentLogout, ConfigApply
from acd_protocol.framing import encode
from acd_sim.load import usage
from acd_sim.load.floor import Centre
from acd_sim.load.histogram import Histogram
from acd_sim.load.link import Link, LinkError
from acd_sim.load.plan import Plan, Step
from acd_sim.load.result import Report, Second, StepResult, latency_of
from acd_sim.load.sender import MEASURED, Sender

INTERVAL_S = 1.0
LOST_SHOWN = 10
OURS = "load-"
_MISTAKES = {
    "answered_twice": "requests were answered twice, or never made",
    "unknown": "messages named a contact that is not under way",
    "told_twice": "events came twice",
    "out_of_order": "events came that could not follow what was before",
    "agent_twice": "offers went to an agent who already had a contact",
    "refused": "requests were refused",
}


class Load:
    """A load on a server.

    Args:
        plan: what shall be done.
        host, port, token: where.
        pid: of the server, when it runs on this machine and its use of the machine is to be told.
        replace_config: whether a configuration that is not ours may be replaced.

    Raises:
        OSError: nobody listens there.
        LinkError: it refused, or has a configuration of its own.
    """

    def __init__(
        self, plan: Plan, host: str, port: int, *, token: str = "", pid: int = 0, replace_config: bool = False
    ) -> None:
        self.plan = plan
        self.tenants = tuple(f"{OURS}{number}" for number in range(plan.connections))
        self.centre = Centre(plan.shape, plan.seed, tenants=self.tenants, wrapup_s=0)
        self.pid = pid
        self.steps: list[StepResult] = []
        self.seconds: list[Second] = []
        self.interrupted = False
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._links = [Link(host, port) for _ in self.tenants]
        for link, tenant in zip(self._links, self.tenants, strict=True):
            link.hello(tenant, token)
        self._configure(replace_config)
        self._counted_before = self._server_counts()
        for link in self._links:
            link.quiet()
        self.sender = Sender(
            [link.fileno() for link in self._links],
            [self.centre.tails(tenant, plan.seed, plain=plan.talk_s > 0) for tenant in self.tenants],
            f"{OURS}{time.time_ns() // 1_000_000:x}-".encode(),
            agents=plan.shape.agents,
            capacity=plan.capacity,
            weights=plan.weights,
            talk_ns=round(plan.talk_s * 1e9),
            exponential_talk=plan.vary_talk,
            poisson=plan.poisson,
            awake=plan.awake,
            seed=plan.seed,
        )
        self._begun = time.monotonic()

    def _configure(self, replace_config: bool) -> None:
        queues = self._links[0].ask(b'{"type":"stats","id":0}\n')[0]["queues"]
        others = sorted({queue["tenant"] for queue in queues if not queue["tenant"].startswith(OURS)})
        if others and not replace_config:
            raise LinkError(
                f"the server serves {', '.join(others[:3])}{' and others' if len(others) > 3 else ''}; load it with"
                " --replace-config only if that configuration may be lost, or use --own-server"
            )
        self._links[0].ask(encode(ConfigApply(id=0, config=self.centre.config)))
        for link, tenant in zip(self._links, self.tenants, strict=True):
            link.ask(*(encode(AgentLogin(id=0, agent=agent, ready=True)) for agent in self._agents_of(tenant)))

    def _agents_of(self, tenant: str) -> list[str]:
        return [agent.agent for agent in self.centre.config.agents if agent.tenants in ((tenant,), ())]

    def _server_counts(self) -> dict[str, int]:
        """What the server itself has counted in our tenants."""
        counts = {"started": 0, "connected": 0, "finished": 0}
        for queue in self._links[0].ask(b'{"type":"stats","id":0}\n')[0]["queues"]:
            if queue["tenant"] in self.tenants:
                counts["started"] += queue["entered"]
                counts["connected"] += queue["answered"]
                counts["finished"] += sum(queue["ended"].values())
        return counts

    def histograms(self) -> dict[str, Histogram]:
        """All that was measured so far, by the names in `MEASURED`."""
        return {name: Histogram(self.sender.histogram(place)) for place, name in enumerate(MEASURED)}

    def stop(self) -> None:
        """End the load in order; for a signal's handler."""
        self.interrupted = True
        self.sender.stop()

    def run(self, told: Callable[[Second], None], after_step: Callable[[], object] = lambda: None) -> None:
        """All steps; `told` gets every second as it has passed, `after_step` is called when a step is over."""
        for number, step in enumerate(self.plan.steps):
            left = self.plan.contacts_max - self.sender.counts["started"] if self.plan.contacts_max else -1
            if self.interrupted or left == 0 or self.sender.failure:
                return
            self._run_step(number, step, left, told)
            after_step()

    def _run_step(self, number: int, step: Step, most: int, told: Callable[[Second], None]) -> None:
        before, counts = self.histograms(), self.sender.counts
        cpu, own_cpu, started = self._server_cpu_ns(), time.process_time(), time.monotonic()
        thread = threading.Thread(
            target=lambda: self.sender.run(step.seconds, rate=step.rate, depth=step.depth, most=most), daemon=True
        )
        thread.start()
        self._watch(number, thread, told)
        seconds = time.monotonic() - started
        after = {name: count - counts[name] for name, count in self.sender.counts.items()}
        measured = {name: latency_of(histogram - before[name]) for name, histogram in self.histograms().items()}
        server_cpu = self._server_cpu_ns()
        self.steps.append(
            StepResult(
                step=step,
                seconds=round(seconds, 3),
                started=after["started"],
                finished=after["finished"],
                connected=after["connected"],
                waited=after["waited"],
                alive=self.sender.alive,
                finished_per_s=round(after["finished"] / seconds, 1),
                server_cpu_us=None
                if cpu is None or server_cpu is None
                else round((server_cpu - cpu) / 1000 / max(1, after["finished"]), 2),
                server_rss_mb=self._server_rss_mb(),
                sender_busy=round((time.process_time() - own_cpu) / seconds, 3),
                **measured,
            )
        )

    def _watch(self, number: int, thread: threading.Thread, told: Callable[[Second], None]) -> None:
        """Tell of each second until the step is over."""
        offer, finished, then = self.histograms()["offer"], self.sender.counts["finished"], time.monotonic()
        cpu_then = self._server_cpu_ns()
        while thread.is_alive():
            thread.join(INTERVAL_S)
            now, offer_now, finished_now = time.monotonic(), self.histograms()["offer"], self.sender.counts["finished"]
            cpu_now = self._server_cpu_ns()
            if now - then < INTERVAL_S / 2 and self.seconds and self.seconds[-1].step == number:
                continue
            passed = offer_now - offer
            cpu = (cpu_now or 0) - (cpu_then or 0)
            self.seconds.append(
                Second(
                    at_s=round(now - self._begun, 2),
                    step=number,
                    finished_per_s=round((finished_now - finished) / (now - then), 1),
                    alive=self.sender.alive,
                    offer_p50=round(passed.at(0.5) / 1e6, 4),
                    offer_p99=round(passed.at(0.99) / 1e6, 4),
                    offer_max=round(passed.most / 1e6, 4),
                    server_busy=round(cpu / 1e9 / (now - then), 3) if cpu_now is not None else None,
                    server_rss_mb=self._server_rss_mb(),
                )
            )
            told(self.seconds[-1])
            offer, finished, then, cpu_then = offer_now, finished_now, now, cpu_now

    def _server_cpu_ns(self) -> int | None:
        try:
            return usage.cpu_ns(self.pid) if self.pid else None
        except OSError:
            return None

    def _server_rss_mb(self) -> float | None:
        try:
            return round(usage.rss_bytes(self.pid) / 1e6, 1) if self.pid else None
        except OSError:
            return None

    def finish(self) -> Report:
        """See what is under way to its end, compare with the server's own counts, log out, hang up."""
        self.sender.drain(self.plan.drain_s)
        mistakes = self._mistakes()
        if not self.sender.failure:
            try:
                mistakes += self._disagreements()
                for link, tenant in zip(self._links, self.tenants, strict=True):
                    link.ask(*(encode(AgentLogout(id=0, agent=agent)) for agent in self._agents_of(tenant)))
            except LinkError as error:
                mistakes.append(str(error))
        for link in self._links:
            link.close()
        return Report(
            plan=self.plan,
            steps=self.steps,
            seconds=self.seconds,
            counts=self.sender.counts,
            mistakes=mistakes,
            interrupted=self.interrupted,
            started_at=self._started_at,
            environment=environment(),
        )

    def _mistakes(self) -> list[str]:
        counts = self.sender.counts
        found = [f"{counts[name]:,} {sentence}" for name, sentence in _MISTAKES.items() if counts[name]]
        if self.sender.failure:
            found.append(f"the load broke off: {self.sender.failure}")
        if self.sender.refusal:
            found.append(f"the last refusal: {self.sender.refusal}")
        if self.sender.alive:
            ids = ", ".join(self.sender.lost(LOST_SHOWN))
            found.append(f"{self.sender.alive:,} contacts did not end within {self.plan.drain_s:g} s, such as {ids}")
        return found

    def _disagreements(self) -> list[str]:
        """Where the server has counted otherwise than we."""
        counted, ours = self._server_counts(), self.sender.counts
        found = []
        for name, ours_now in (
            ("started", ours["started"] - ours["refused"]),
            ("connected", ours["connected"]),
            ("finished", ours["finished"]),
        ):
            theirs = counted[name] - self._counted_before[name]
            if theirs != ours_now:
                found.append(f"the server has counted {theirs:,} contacts {name}, the load {ours_now:,}")
        return found


def environment() -> dict[str, str]:
    """What the load ran on and with."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "acd-engine": importlib.metadata.version("acd-engine"),
    }
