"""`acd serve`: the server."""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from acd_protocol.cli import EXIT_FAILED, Command, fail, port_number
from acd_protocol.messages import DEFAULT_PORT
from server import log
from server.config import DEFAULT_METRICS_PORT, Settings
from server.errors import ServerError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; each has an environment variable."""
    environment = os.environ
    parser.add_argument(
        "--host",
        default=environment.get("ACD_HOST") or "127.0.0.1",
        help="where to listen; any but this machine itself needs a token (ACD_HOST, else %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=environment.get("ACD_PORT") or str(DEFAULT_PORT),
        help=f"for clients; 0 for any free one (ACD_PORT, else {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--metrics-host",
        default=environment.get("ACD_METRICS_HOST") or "127.0.0.1",
        help="where to serve metrics, health and readiness (ACD_METRICS_HOST, else %(default)s)",
    )
    parser.add_argument(
        "--metrics-port",
        type=port_number,
        default=environment.get("ACD_METRICS_PORT") or str(DEFAULT_METRICS_PORT),
        help=f"its port; 0 for any free one (ACD_METRICS_PORT, else {DEFAULT_METRICS_PORT})",
    )
    parser.add_argument(
        "--metrics-agents",
        action="store_true",
        default=_is_set("ACD_METRICS_AGENTS"),
        help="show each agent in the metrics (ACD_METRICS_AGENTS=1)",
    )
    parser.add_argument(
        "--metrics-exemplars",
        action="store_true",
        default=_is_set("ACD_METRICS_EXEMPLARS"),
        help="give OpenMetrics the ids of contacts as examples of waits (ACD_METRICS_EXEMPLARS=1)",
    )
    parser.add_argument(
        "--log-contacts",
        action="store_true",
        default=_is_set("ACD_LOG_CONTACTS"),
        help="log the life of every contact (ACD_LOG_CONTACTS=1)",
    )
    parser.add_argument(
        "--log-attributes",
        type=_names,
        default=environment.get("ACD_LOG_ATTRIBUTES") or "",
        metavar="NAME,NAME",
        help="attributes of contacts that the log shows as they are; others are masked (ACD_LOG_ATTRIBUTES)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(environment.get("ACD_DATA") or "acd-data"),
        help="directory of the journal (ACD_DATA, else ./acd-data)",
    )
    parser.add_argument(
        "--token",
        default=environment.get("ACD_TOKEN") or "",
        help="what clients must show; better given as ACD_TOKEN, because other users can see options",
    )
    parser.add_argument(
        "--clock-speed",
        type=float,
        default=environment.get("ACD_CLOCK_SPEED") or "1",
        help="how fast engine time runs, for simulations (ACD_CLOCK_SPEED, else 1)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML configuration to apply if it differs")
    parser.add_argument("--json", action="store_true", help="log JSON even on a terminal")


def _names(text: str) -> tuple[str, ...]:
    """Names, separated by commas."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _is_set(variable: str) -> bool:
    """Whether a switch of the environment is on."""
    return os.environ.get(variable, "") not in {"", "0"}


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    log.configure(json=args.json)
    settings = Settings(
        host=args.host,
        port=args.port,
        metrics_host=args.metrics_host,
        metrics_port=args.metrics_port,
        metrics_agents=args.metrics_agents,
        metrics_exemplars=args.metrics_exemplars,
        log_contacts=args.log_contacts,
        log_attributes=args.log_attributes,
        data=args.data,
        token=args.token,
        clock_speed=args.clock_speed,
        config_file=args.config,
    )
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(serve(settings))
    except ServerError as error:
        return fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        return 0


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, or until the journal fails."""
    from server.service import running

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

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    loop.set_exception_handler(_note_exception)
    try:
        async with running(settings) as service:
            starting = None
            service.sequencer.failed.add_done_callback(lambda _: stop.set())
            await stop.wait()
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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Of uvloop if it is there: it is faster, and nothing depends on it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


COMMAND = Command(
    name="serve",
    summary="run the server",
    example="acd serve\nacd serve --port 7500 --data /var/lib/acd --config centre.toml",
    add_arguments=add_arguments,
    run=run,
)
