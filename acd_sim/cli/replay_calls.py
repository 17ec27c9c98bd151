"""`acd replay-calls`: recorded calls through a running server, and a report beside what was recorded."""

import argparse
import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from acd_core.views import QueueView
from acd_protocol.cli import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Command,
    add_connection_options,
    client_for,
    connect_sentence,
    fail,
    print_json,
)
from acd_protocol.client import Client, ClientError, ConnectionLost, ConnectionState, Refused
from acd_sim import recorded_calls, replay_plan, replay_report
from acd_sim.recorded_calls import Record, RecordedCall, RecordError
from acd_sim.replay import Replay
from acd_sim.replay_plan import DAY_S, Plan
from acd_sim.replay_report import Report
from acd_sim.server_process import ServerProcess, ServerStartError

BAD_ROWS_SHOWN = 20
SPEED_MAX = 1_000_000
OUTAGE_S_MAX = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd replay-calls`."""
    parser.add_argument("file", type=Path, metavar="FILE.csv[.gz]", help="the recorded calls")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=3000.0,
        metavar="N",
        help="recorded seconds to a real one (%(default)g). Run the server with the same --clock-speed, so that its"
        " timers and waits are recorded seconds too. No wait is known better than what passes in a millisecond",
    )
    parser.add_argument("--limit-days", type=_days, default=0, metavar="N", help="only the first N days of the file")
    parser.add_argument(
        "--own-server", action="store_true", help="start a server for the replay, and end it afterwards"
    )
    parser.add_argument(
        "--kill-server",
        type=_days,
        default=0,
        metavar="N",
        help="with --own-server: kill it N times on the way with SIGKILL and start it again; nothing may be lost",
    )
    parser.add_argument("--tenant", default="bank", help="whose queues take the calls (%(default)s)")
    parser.add_argument(
        "--no-config",
        action="store_true",
        help="keep the server's configuration: the tenant must have a queue for each type of call, and the agents"
        " must be those of the record. Otherwise the configuration is replaced by one made from the record",
    )
    parser.add_argument(
        "--skip-idle",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="jump over times in which no call is under way",
    )
    add_connection_options(parser)


def run(args: argparse.Namespace) -> int:
    """Carry `acd replay-calls` out; gives the exit status."""
    if args.kill_server and not args.own_server:
        return fail("--kill-server is for --own-server; a server of yours is killed by you", EXIT_USAGE)
    try:
        record = recorded_calls.read(args.file)
    except RecordError as error:
        return fail(str(error), EXIT_USAGE)
    calls = replay_plan.first_days(record.calls, args.limit_days)
    if not calls:
        return fail(f"{args.file} holds no call that sought an agent; there is nothing to replay", EXIT_USAGE)
    try:
        return uvloop.run(_session(args, record, calls))
    except ServerStartError as error:
        return fail(f"the server did not start: {error}", error.status)
    except ConnectionLost as lost:
        return fail(f"the replay cannot go on: {lost}")
    except Refused as refused:
        return fail(f"the server refused: {refused}")
    except ClientError as error:
        return fail(str(error))
    except asyncio.CancelledError:
        return fail("interrupted; without the server's answers there is no report", EXIT_INTERRUPTED)


COMMAND = Command(
    name="replay-calls",
    summary="Feed recorded calls through a running server, and report beside the record.",
    example="acd serve --clock-speed 3000 &\n"
    "acd replay-calls calls.csv.gz --speed 3000\n"
    "acd replay-calls calls.csv.gz --limit-days 7 --speed 6000 --own-server --kill-server 5 --json",
    add_arguments=add_arguments,
    run=run,
)


async def _session(args: argparse.Namespace, record: Record, calls: Sequence[RecordedCall]) -> int:
    plan = replay_plan.make_plan(calls)
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    session = asyncio.current_task()
    assert session is not None

    def interrupt() -> None:
        """The first time end in order, the second time at once: the server may be away."""
        if interrupted.is_set():
            session.cancel()
        interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    server = ServerProcess(clock_speed=args.speed) if args.own_server else None
    try:
        if server is not None:
            server.start()
            args.host, args.port = server.host, server.port
        run_id = f"r{time.time_ns() // 1_000_000:x}"
        options: dict[str, Any] = {"connect_deadline_s": 0, "reconnect_deadline_s": OUTAGE_S_MAX, "events_max": 0}
        name = f"acd-replay-{run_id}"
        if server is not None:
            client = Client(server.host, server.port, name=name, **options)
        else:
            client = client_for(args, name, **options)
        try:
            await client.connect()
        except ConnectionLost as lost:
            return fail(connect_sentence(args.host, args.port, lost.__cause__ or lost), EXIT_USAGE)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(client)
            report = await _replay(args, client, plan, record, run_id, server, interrupted)
    finally:
        if server is not None:
            server.close()
    _print(args, record, report)
    if report.disagreements or report.refused:
        return EXIT_FAILED
    return 0 if report.finished else EXIT_INTERRUPTED if interrupted.is_set() else EXIT_FAILED


async def _replay(
    args: argparse.Namespace,
    client: Client,
    plan: Plan,
    record: Record,
    run_id: str,
    server: ServerProcess | None,
    interrupted: asyncio.Event,
) -> Report:
    assert client.welcome is not None
    clock_speed = client.welcome.clock_speed
    console = Console(stderr=True, highlight=False)
    outages = _Outages(console, announced=server is None)
    client.on_state(outages.note)
    if not args.no_config:
        await client.apply_config(replay_plan.configuration(plan, args.tenant, clock_speed))
    before = await _queues(client, args.tenant)
    replay = Replay(client, plan, tenant=args.tenant, prefix=f"{run_id}-", speed=args.speed, skip_idle=args.skip_idle)
    watcher = _Watcher(replay, server, outages, args.kill_server, len(plan.calls))
    started = time.perf_counter()
    await _alongside(
        replay.run(), _stop_when(interrupted, replay), watcher.run(), _show_progress(replay, plan, console)
    )
    real_s = time.perf_counter() - started
    after = await _queues(client, args.tenant)
    finished = replay.sent == len(plan.calls) and not replay.live
    report = _report(args, record, plan, replay, clock_speed, before, after, finished=finished)
    replay.hang_up()
    return msgspec.structs.replace(
        report, real_s=round(real_s, 1), server_kills=watcher.kills, reconnections=outages.ended
    )


def _report(
    args: argparse.Namespace,
    record: Record,
    plan: Plan,
    replay: Replay,
    clock_speed: float,
    before: list[QueueView],
    after: list[QueueView],
    *,
    finished: bool,
) -> Report:
    rows = replay_report.rows_of(record, plan.calls)
    events = replay_report.replayed_figures(replay, args.speed / clock_speed)
    counted = replay_report.server_figures(before, after)
    tally = replay.tally

    def ms(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds * 1000, 2)

    return Report(
        rows=rows,
        bad_rows=[str(row) for row in record.bad],
        replay=events,
        record=replay_report.recorded_figures(plan.calls),
        server=counted,
        disagreements=replay_report.disagreements(rows, replay, events, counted, finished),
        refused=dict(tally.refused),
        finished=finished,
        stalled=replay.stalled,
        speed=args.speed,
        clock_speed=clock_speed,
        real_s=0.0,
        skipped_s=round(replay.skipped_s),
        server_kills=0,
        reconnections=0,
        round_trip_p50_ms=ms(replay_report.percentile(tally.round_trips, 0.5)),
        round_trip_p99_ms=ms(replay_report.percentile(tally.round_trips, 0.99)),
        delay_max_ms=ms(max(tally.delays, default=None)),
    )


async def _queues(client: Client, tenant: str) -> list[QueueView]:
    answer: Any = await client.stats(tenant)
    return msgspec.convert(answer["queues"], list[QueueView])


async def _alongside(main: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, and the others for as long; the first exception of any ends all and is raised."""
    main_task = asyncio.create_task(main)
    tasks = [main_task, *(asyncio.create_task(other) for other in others)]
    running = set(tasks)
    try:
        while not main_task.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stop_when(interrupted: asyncio.Event, replay: Replay) -> None:
    await interrupted.wait()
    replay.stop()


class _Outages:
    """Counts the times without a connection, and tells of them if they are `announced`."""

    def __init__(self, console: Console, *, announced: bool) -> None:
        self.ended = 0
        self._console = console
        self._announced = announced
        self._away = False

    def note(self, state: ConnectionState) -> None:
        """Take a new state of the client into account."""
        if state is ConnectionState.CONNECTED:
            self.ended += self._away
            self._away = False
        elif state is ConnectionState.WAITING and not self._away:
            self._away = True
            if self._announced:
                self._console.print(
                    f"acd: the server is away; trying for {OUTAGE_S_MAX:g} s, and callers wait on", soft_wrap=True
                )


class _Watcher:
    """Kills and restarts our own server at even distances along the calls, and notices when it dies by itself.

    Callers come while it is away as well, so the next kill may be due before the client is back; it is put off till then.
    """

    def __init__(self, replay: Replay, server: ServerProcess | None, outages: _Outages, kills: int, calls: int) -> None:
        self.kills = 0
        self._outages = outages
        self._replay = replay
        self._server = server
        self._at = [calls * number // (kills + 1) for number in range(1, kills + 1)]

    async def run(self) -> None:
        """Until cancelled."""
        server = self._server
        while server is not None:
            await asyncio.sleep(0.02)
            if not server.pid:
                raise ServerStartError(f"it ended in the middle of the replay: {server.last_words()}", 1)
            if self._outages.ended < self.kills:
                continue
            if self.kills < len(self._at) and self._replay.sent >= self._at[self.kills]:
                server.kill()
                server.launch()
                await asyncio.to_thread(server.await_listening)
                self.kills += 1


async def _show_progress(replay: Replay, plan: Plan, console: Console) -> None:
    if not console.is_terminal:
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[waiting]:>4} waiting"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    midnight = date.fromordinal(plan.calls[0].day)
    with Progress(*columns, console=console, refresh_per_second=4, transient=True) as progress:
        bar = progress.add_task("", total=len(plan.calls), waiting=0)
        while True:
            second = max(0, int(replay.second))
            day = midnight + timedelta(days=second // DAY_S)
            progress.update(
                bar,
                description=f"{day} {second % DAY_S // 3600:02d}:{second % 3600 // 60:02d}",
                completed=replay.sent - replay.live,
                waiting=replay.live - replay.talking,
            )
            await asyncio.sleep(0.2)


def _print(args: argparse.Namespace, record: Record, report: Report) -> None:
    if args.json:
        print_json(report)
        return
    console = Console(highlight=False)
    rows = report.rows
    parts = [f"{rows.offered:,} offered", f"{rows.left_in_vru:,} left in the voice menu", f"{rows.phantom:,} phantom"]
    parts += [f"{rows.bad:,} bad"] + ([f"{rows.other_days:,} on other days"] if rows.other_days else [])
    console.print(f"{rows.all:,} rows = {' + '.join(parts)}", soft_wrap=True)
    for bad in record.bad[:BAD_ROWS_SHOWN]:
        console.print(f"  {bad}", markup=False, soft_wrap=True)
    if len(record.bad) > BAD_ROWS_SHOWN:
        console.print(f"  and {len(record.bad) - BAD_ROWS_SHOWN:,} more; --json names them all")
    console.print()
    console.print(replay_report.table(report))
    console.print()
    for line in _notes(report):
        console.print(line, markup=False, soft_wrap=True)


def _notes(report: Report) -> Iterator[str]:
    """What one has to know to read the figures, and the verdict."""
    skipped = f", {report.skipped_s / 3600:,.0f} idle hours skipped" if report.skipped_s else ""
    yield f"{report.real_s:,.1f} s at {report.speed:g} times the recorded speed{skipped}"
    if report.round_trip_p50_ms is not None:
        yield (
            f"a millisecond was {report.speed / 1000:g} recorded seconds; offer to conversation took"
            f" {report.round_trip_p50_ms:g} ms (half of them), {report.round_trip_p99_ms:g} ms (99 of 100)"
        )
    yield "agents here answer at once and take no breaks, as those of the record did not"
    if report.clock_speed != report.speed:
        yield (
            f"the server's clock ran at {report.clock_speed:g}: its waits were converted, but its timers were not"
            f" scaled; 'acd serve --clock-speed {report.speed:g}' does both"
        )
    if report.server_kills or report.reconnections:
        yield (
            f"server killed on purpose: {report.server_kills}; connections lost and made again: {report.reconnections};"
            f" a second of outage was {report.speed / 60:,.0f} recorded minutes for those who waited"
        )
    if report.stalled:
        yield "the replay gave up: calls wait, but nobody is there to answer them; compare queues and skills"
    if report.refused:
        codes = ", ".join(f"{code} {number:,} times" for code, number in sorted(report.refused.items()))
        yield f"the server refused what it should have accepted: {codes}"
    if report.disagreements:
        yield "the sums do NOT agree:"
        yield from (f"  {sentence}" for sentence in report.disagreements)
    else:
        yield "all sums agree: offered = served + abandoned + otherwise ended + still waiting, by events and by the server"


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.01 <= speed <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text} is out of range; it must be 0.01..{SPEED_MAX}")
    return speed


def _days(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too few; it must be at least 1")
    return number


_speed.__name__ = "number"
_days.__name__ = "number"
