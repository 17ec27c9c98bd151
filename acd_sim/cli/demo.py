"""`acd demo`: a server, a simulated contact centre, and a live view of both."""

import argparse
import asyncio
import contextlib
import os
import signal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop
from msgspec import Struct
from rich.console import Console

from acd_core import commands
from acd_core.events import Event
from acd_core.service_level import service_level
from acd_core.views import ContactView, QueueView
from acd_protocol.cli import EXIT_FAILED, EXIT_USAGE, Command, add_json_option, fail, port_number, print_json
from acd_protocol.client import Client, ClientError, Refused
from acd_protocol.config_text import to_toml
from acd_protocol.messages import DEFAULT_PORT, Ok
from acd_sim import centre, profile
from acd_sim.centre import Centre, Pace
from acd_sim.liveview import NS_PER_S, LiveView
from acd_sim.screen import watch
from acd_sim.server_process import ServerProcess, ServerStartError

DEFAULT_METRICS_PORT = 7411
SPEED_RANGE = (0.1, 600.0)
LAST_STATS_S = 0.5
STOP_S = 1.2
"""With this and `LAST_STATS_S`, Ctrl-C ends everything within two seconds."""
WATCH_S = 0.1
EXPECTED_REFUSALS = frozenset(
    {"offer_gone", "contact_not_waiting", "contact_not_connected", "agent_not_in_wrapup", "agent_logged_out"}
)
"""What happens when two sides act at once, such as a caller who gives up while an agent answers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd demo`."""
    environment = os.environ
    parser.add_argument(
        "--speed", type=_speed, default=60.0, metavar="N", help="simulated seconds to a real one (%(default)g)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="draws other callers (%(default)s)")
    parser.add_argument(
        "--start-hour",
        type=_hour,
        default=9.0,
        metavar="H",
        help=f"time of day at the start, {profile.OPENING_HOUR}..{profile.CLOSING_HOUR} (%(default)g)",
    )
    parser.add_argument(
        "--duration", type=_minutes, default=None, metavar="MIN", help="end after so many simulated minutes"
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=environment.get("ACD_PORT") or str(DEFAULT_PORT),
        help=f"of the server; 0 for any free one (ACD_PORT, else {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--metrics-port",
        type=port_number,
        default=environment.get("ACD_METRICS_PORT") or str(DEFAULT_METRICS_PORT),
        help=f"of metrics and health; 0 for any free one (ACD_METRICS_PORT, else {DEFAULT_METRICS_PORT})",
    )
    parser.add_argument(
        "--data", type=Path, default=None, metavar="DIR", help="keep the journal there (a temporary directory)"
    )
    parser.add_argument(
        "--headless", action="store_true", help="print a line now and then; the default without a terminal"
    )
    parser.add_argument(
        "--interval", type=_minutes, default=10.0, metavar="MIN", help="simulated minutes between lines (%(default)g)"
    )
    parser.add_argument("--print-config", action="store_true", help="print the centre's configuration as TOML, and end")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Carry `acd demo` out; gives the exit status."""
    if args.print_config:
        print(to_toml(centre.configuration()))
        return 0
    with contextlib.ExitStack() as stack:
        try:
            server = ServerProcess(
                data=args.data, port=args.port, metrics_port=args.metrics_port, clock_speed=args.speed
            )
            stack.callback(server.close, STOP_S)
            server.start()
        except ServerStartError as error:
            return fail(str(error), error.status)
        except OSError as error:
            return fail(f"{error.filename or 'the data directory'} cannot be used: {error.strerror}", EXIT_USAGE)
        except KeyboardInterrupt:
            return 0
        try:
            return uvloop.run(_Demo(args, server).run())
        except ClientError as error:
            return fail(f"the demo cannot go on: {error}")


COMMAND = Command(
    name="demo",
    summary="Start a server and a simulated contact centre, and show it live.",
    example="acd demo\nacd demo --speed 10 --start-hour 7 --port 7500 --metrics-port 7501\n"
    "acd demo --duration 60 --json",
    add_arguments=add_arguments,
    run=run,
)


UNANSWERED = ("max_wait", "queue_full", "no_agents", "withdrawn", "diverted", "lost", "failed")
"""How contacts end that did not give up, and never reached an agent."""


class Figures(Struct, frozen=True, kw_only=True):
    """How the centre stands, counted since the server's first start.

    Attributes:
        clock: day and time of the centre.
        simulated_s: simulated seconds since the demo began.
        offered: contacts that asked for an agent; one that climbs a tier asks again.
        otherwise_ended: turned away, or not reached when called back.
        waiting: all others of those offered: they wait, a phone rings for them, or they are being called back.
        service_level: share answered within the target, of those whose wait was decided.
        agents: how many are in which state.
    """

    event: str
    clock: str
    simulated_s: float
    offered: int
    answered: int
    abandoned: int
    otherwise_ended: int
    waiting: int
    talking: int
    service_level: float | None
    agents: dict[str, int]

    def sentence(self) -> str:
        """One line for a person."""
        level = "-" if self.service_level is None else f"{self.service_level:.0%}".replace("%", " %")
        return (
            f"{self.clock}  {self.offered:,} offered  {self.answered:,} answered  {self.abandoned:,} gave up"
            f"  service level {level}  {self.waiting:,} waiting  {self.talking:,} talking"
            f"  {self.agents.get('ready', 0):,} agents ready"
        )


async def figures_of(client: Client, pace: Pace, event: str) -> Figures:
    """How the centre stands now, as the server says."""
    stats: Any = await client.stats()
    queues = msgspec.convert(stats["queues"], list[QueueView])
    met, counted = service_level(queues)
    offered = sum(queue.entered - queue.overflowed for queue in queues)
    answered = sum(queue.answered for queue in queues)
    abandoned = sum(queue.ended.get("abandoned", 0) for queue in queues)
    otherwise_ended = sum(queue.ended.get(reason, 0) for queue in queues for reason in UNANSWERED)
    return Figures(
        event=event,
        clock=pace.clock(pace.elapsed_s),
        simulated_s=round(pace.elapsed_s, 1),
        offered=offered,
        answered=answered,
        abandoned=abandoned,
        otherwise_ended=otherwise_ended,
        waiting=offered - answered - abandoned - otherwise_ended,
        talking=sum(queue.connected for queue in queues),
        service_level=round(met / counted, 4) if counted else None,
        agents=stats["domain"]["agents"],
    )


class _Demo:
    """One run of the demo, against a server that listens."""

    def __init__(self, args: argparse.Namespace, server: ServerProcess) -> None:
        self._args = args
        self._server = server
        self._stop = asyncio.Event()
        self._refused: dict[str, int] = {}
        self._console = Console()
        self._headless = args.headless or args.json or not self._console.is_terminal or self._console.is_dumb_terminal

    async def run(self) -> int:
        """Until it is interrupted, its time is over, or the server dies; gives the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        host, port = self._server.host, self._server.port
        # An outage never ends well here: when the server dies, so does the demo.
        people = Client(host, port, name="demo-centre", reconnect_deadline_s=1, events_max=0)
        watcher = Client(host, port, name="demo-view", reconnect_deadline_s=1, events_max=0)
        async with people, watcher:
            return await self._run(people, watcher)

    async def _run(self, people: Client, watcher: Client) -> int:
        assert people.welcome is not None
        begin_ns = people.welcome.time
        pace = Pace(self._args.speed, self._args.start_hour)
        await self._take_over(people)

        def clock(ns: int) -> str:
            return pace.clock((ns - begin_ns) / NS_PER_S)

        random = Random(self._args.seed)
        crowd = Centre(lambda command: self._send(people, command), pace, random, people.welcome.seq + 1)
        people.on(Event, crowd.handle)
        crowd.start()
        metrics = f"http://{self._server.host}:{self._server.metrics_port}/metrics"
        view = LiveView(f"ACD demo at {self._args.speed:g}x", clock, footer=metrics)
        alarm = asyncio.create_task(self._await_end(pace))
        try:
            if self._headless:
                await self._print_lines(watcher, pace)
            else:
                await watch(watcher, view, self._console, self._stop)
        except ClientError:
            await asyncio.sleep(WATCH_S)  # if the server has died, let that be the reason that is told
            if self._server.pid:
                raise
        finally:
            alarm.cancel()
            crowd.stop()
        if not self._server.pid:
            return self._tell_of_death()
        await self._sum_up(watcher, pace, metrics)
        status = await asyncio.to_thread(self._server.stop, STOP_S)
        return 0 if status == 0 else fail(f"the server did not stop in order: its exit status was {status}")

    async def _take_over(self, people: Client) -> None:
        """Bring our configuration, and hang up what an earlier run with the same journal left behind."""
        await people.apply_config(centre.configuration())
        left = await people.listing("contacts", limit=10_000)
        for contact in msgspec.convert(left, list[ContactView]):
            self._send(people, centre.farewell(contact))
        for agent in await people.listing("agents"):
            if agent["state"] != "logged_out":
                self._send(people, commands.AgentLogout(agent=agent["agent"]))
        await people.ping()

    def _send(self, client: Client, command: commands.Command) -> None:
        try:
            client.send(command).add_done_callback(self._on_answer)
        except ClientError:
            self._stop.set()

    def _on_answer(self, answer: "asyncio.Future[Ok]") -> None:
        problem = None if answer.cancelled() else answer.exception()
        if isinstance(problem, Refused) and problem.code not in EXPECTED_REFUSALS:
            self._refused[problem.code] = self._refused.get(problem.code, 0) + 1

    async def _await_end(self, pace: Pace) -> None:
        """Stop when the time is over, or the server has died."""
        limit = self._args.duration
        while self._server.pid and (limit is None or pace.elapsed_s < limit * 60):  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(WATCH_S)
        self._stop.set()

    async def _print_lines(self, client: Client, pace: Pace) -> None:
        """A line at the start, then one for each interval."""
        server = self._server
        if self._args.json:
            print_json(
                {
                    "event": "started",
                    "host": server.host,
                    "port": server.port,
                    "metrics_port": server.metrics_port,
                    "server_pid": server.pid,
                }
            )
        else:
            print(
                f"acd: demo at {pace.speed:g}x, server on {server.host}:{server.port},"
                f" metrics on http://{server.host}:{server.metrics_port}/metrics; Ctrl-C ends it",
                flush=True,
            )
        number = 1
        while not self._stop.is_set():
            wait_s = (number * self._args.interval * 60 - pace.elapsed_s) / pace.speed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait_s)):
                    await self._stop.wait()
            if not self._stop.is_set():
                number = max(number + 1, int(pace.elapsed_s / (self._args.interval * 60)) + 1)
                figures = await figures_of(client, pace, "interval")
                if self._args.json:
                    print_json(figures)
                else:
                    print(figures.sentence(), flush=True)

    async def _sum_up(self, client: Client, pace: Pace, metrics: str) -> None:
        """The last words: what happened, and where the metrics were."""
        try:
            async with asyncio.timeout(LAST_STATS_S):
                figures = await figures_of(client, pace, "summary")
        except (TimeoutError, ClientError):
            print("acd: the demo has ended; the server did not say how it stands")
            return
        if self._args.json:
            print_json({**msgspec.to_builtins(figures), "refused": self._refused, "metrics": metrics})
            return
        level = "-" if figures.service_level is None else f"{figures.service_level:.1%}".replace("%", " %")
        print(
            f"The demo ended on {figures.clock}, {figures.simulated_s / 60:,.0f} simulated minutes after its start.\n"
            f"  {figures.offered:,} offered = {figures.answered:,} answered + {figures.abandoned:,} gave up"
            f" + {figures.otherwise_ended:,} turned away + {figures.waiting:,} still waiting\n"
            f"  service level {level} within 20 s; {figures.talking:,} were still talking\n"
            f"  metrics were at {metrics}"
        )
        for code, number in sorted(self._refused.items()):
            print(f"  the server refused {number:,} commands: {code}")

    def _tell_of_death(self) -> int:
        status = self._server.exit_status
        how = f"by signal {-status}" if status is not None and status < 0 else f"with exit status {status}"
        words = self._server.last_words()
        return fail(f"the server ended {how} in the middle of the demo{f': {words}' if words else ''}", EXIT_FAILED)


def _speed(text: str) -> float:
    return _between(text, *SPEED_RANGE)


def _hour(text: str) -> float:
    return _between(text, profile.OPENING_HOUR, profile.CLOSING_HOUR - 0.25)


def _minutes(text: str) -> float:
    return _between(text, 0.01, 1_000_000)


def _between(text: str, least: float, most: float) -> float:
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text} is out of range; it must be {least:g}..{most:g}")
    return value


for _reader in (_speed, _hour, _minutes):
    _reader.__name__ = "number"  # argparse says "invalid number value"
