"""`acd serve`: the server."""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from acd_protocol.cli import EXIT_FAILED, Command, fail
from server import log
from server.config import Settings
from server.errors import ServerError
from server.notify import feed_watchdog, notify
from server.options import add_options, settings_from

if TYPE_CHECKING:
    from server.workers.handover import Reception


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every setting has an option and a variable, and may stand in a file; `server.options` makes them."""
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="log JSON even on a terminal")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    log.configure(json=args.json)
    try:
        settings = settings_from(args, os.environ)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            if settings.workers is None:
                return runner.run(serve(settings))
            from server.workers.supervisor import supervise

            return runner.run(supervise(settings, settings.workers, json=args.json))
    except ServerError as error:
        return fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        return 0


async def serve(
    settings: Settings,
    reception: "Reception | None" = None,
    tell: Callable[[int], object] = lambda _: None,
    *,
    guarded: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT, or until the journal fails.

    Args:
        settings: of the server.
        reception: where connections come from, if not from a port of its own; when it closes the server stops.
        tell: told the port of the metrics when the server serves.
        guarded: whether the metrics ask for a token in any case.
    """
    from server.doctor import hazards
    from server.service import running

    for finding in hazards(settings):
        log.note(logging.WARNING, f"{finding.check}: {finding.text}")
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    starting = asyncio.current_task()
    signals: list[str] = []

    def on_signal(name: str) -> None:
        if starting is not None and not signals:
            starting.cancel()
        signals.append(name)
        stop.set()
        if len(signals) > 2:
            os._exit(EXIT_FAILED)  # asked three times: somebody does not want to wait for a disk that hangs

    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # until there is something to read again
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    loop.set_exception_handler(_note_exception)
    try:
        async with running(settings, reception=reception, guarded=guarded) as service:
            starting = None
            tell(service.metrics_port)
            if reception is not None:
                orphaned = asyncio.ensure_future(reception.closed.wait())
                orphaned.add_done_callback(lambda _: stop.set())
            watchdog = asyncio.ensure_future(feed_watchdog())
            notify("READY=1", f"STATUS=serving on port {service.port}")
            service.sequencer.failed.add_done_callback(lambda _: stop.set())
            loop.add_signal_handler(signal.SIGHUP, service.reloader.reload)
            await stop.wait()
            watchdog.cancel()
            notify("STOPPING=1", "STATUS=stopping")
            if signals:
                log.note(logging.INFO, f"stopping on {signals[0]}")
    except asyncio.CancelledError:
        if not signals:
            raise
        log.note(logging.INFO, f"stopped on {signals[0]} before it served")
    return 0


def _note_exception(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What the event loop could not hand to anyone."""
    error = context.get("exception")
    log.logger.error(
        "%s",
        context.get("message", "the event loop met an error"),
        exc_info=error if isinstance(error, Exception) else None,
    )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Of uvloop if it is there: it is faster, and nothing depends on it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


COMMAND = Command(
    name="serve",
    summary="run the server",
    example="acd serve\n"
    "acd serve --port 7500 --data /var/lib/acd --config centre.toml\n"
    "acd serve --settings /etc/acd/server.toml\n"
    "acd serve --workers domains.toml",
    add_arguments=add_arguments,
    run=run,
)
