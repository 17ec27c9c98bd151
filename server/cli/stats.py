"""`acd stats`: what queues and agents have done since the engine's first start."""

import argparse
from typing import TYPE_CHECKING, Any

import msgspec

from acd_core.service_level import service_level
from acd_core.views import DomainView, QueueView, in_seconds
from acd_protocol.cli import Command, add_connection_options, print_json, run_with_client
from server.cli.table import duration, forecast, percent, print_table, print_text

if TYPE_CHECKING:
    from acd_protocol.client import Client


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", help="only the queues of this tenant")
    add_connection_options(parser)


def _run(args: argparse.Namespace) -> int:
    async def show(client: "Client") -> int:
        stats = await client.stats(args.tenant)
        if args.json:
            print_json(stats)
        else:
            _show(stats)
        return 0

    return run_with_client(args, show)


def _show(stats: Any) -> None:
    domain = msgspec.convert(stats["domain"], DomainView)
    agents = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in domain.agents.items() if count)
    print_text(f"contacts: {domain.contacts} live, {domain.waiting} of them waiting")
    print_text(f"agents:   {agents or 'none configured'}")
    queues = msgspec.convert(stats["queues"], list[QueueView])
    if not queues:
        print_text("queues:   none")
        return
    rows = [_row(f"{view.tenant}/{view.queue}", [view]) for view in queues]
    if len(queues) > 1:
        rows.append(_row("all", queues))
    columns = ["queue", "entered", "answered", "gave up", "offers", "missed", "level", "wait", "talk"]
    print_text("")
    print_table(columns, rows, numbers=columns[1:])
    scored = [view for view in queues if view.forecasts]
    if scored:
        columns = ["queue", "forecasts", "told too much", "off by", "within p50", "within p90", "now"]
        print_text("")
        print_table(columns, map(_forecast_row, scored), numbers=columns[1:])


def _row(name: str, views: list[QueueView]) -> tuple[object, ...]:
    answered = sum(view.answered for view in views)
    talks = answered - sum(view.connected for view in views)
    return (
        name,
        sum(view.entered for view in views),
        answered,
        sum(view.ended.get("abandoned", 0) for view in views),
        sum(view.offers for view in views),
        sum(view.offers_timed_out for view in views),
        percent(*service_level(views)),
        duration(sum(view.wait_ns for view in views) // answered) if answered else "-",
        duration(sum(view.talk_ns for view in views) // talks) if talks else "-",
    )


def _forecast_row(view: QueueView) -> tuple[object, ...]:
    """How good the forecasts of the wait were, and the one for who would join now."""
    error_ms = view.forecast_error_ms / view.forecasts
    return (
        f"{view.tenant}/{view.queue}",
        view.forecasts,
        f"{error_ms / 1000:+.1f} s",
        f"{view.forecast_off_ms / view.forecasts / 1000:.1f} s",
        percent(view.forecast_in_p50, view.forecasts),
        percent(view.forecast_in_p90, view.forecasts),
        forecast(in_seconds(view.estimate)),
    )


COMMAND = Command(
    name="stats",
    summary="show counters, service level, mean wait and talk, and how good the forecasts of waits were",
    example="acd stats\nacd stats --tenant acme --json",
    add_arguments=_add_arguments,
    run=_run,
)
