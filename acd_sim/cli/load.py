"""`acd load`: a server under load, every contact checked."""

import argparse
import importlib.util
import itertools
import re
import signal
from pathlib import Path

from rich.console import Console

from acd_protocol.cli import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Command,
    OptionError,
    add_connection_options,
    connect_sentence,
    fail,
    print_json,
    tls_of,
    token_of,
)
from acd_sim.load.floor import Shape
from acd_sim.load.histogram import Histogram
from acd_sim.load.link import LinkError
from acd_sim.load.liveview import LiveView, print_report
from acd_sim.load.plan import Plan, mix_of, steps_of
from acd_sim.load.result import Report
from acd_sim.load.run import Load
from acd_sim.server_process import ServerProcess, ServerStartError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd load`."""
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--rate",
        type=_rates,
        default=[],
        metavar="N[,N...]",
        help="open loop: begin so many contacts a second at planned times, whatever the server does; several are steps",
    )
    shape.add_argument(
        "--depth",
        type=_depths,
        default=[],
        metavar="N[,N...]",
        help="closed loop: keep so many contacts in flight; several are steps (64 where neither is given)",
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_seconds,
        default=10.0,
        metavar="TIME",
        help="length of a step: 30, 10m, 8h (%(default)g s)",
    )
    parser.add_argument("--contacts", type=_count, default=0, metavar="N", help="end when so many contacts were begun")
    parser.add_argument(
        "--mix",
        type=_mix,
        default={"served": 1.0},
        metavar="served=90,abandoned=5,rejected=4,held=1",
        help="what becomes of contacts: served; abandoned when offered; rejected once, then served; put on hold",
    )
    parser.add_argument("--talk", type=_seconds, default=0.0, metavar="TIME", help="mean length of a conversation (0)")
    parser.add_argument("--vary-talk", action="store_true", help="conversations are exponential, not all alike")
    parser.add_argument("--poisson", action="store_true", help="gaps between contacts are exponential, not all alike")
    parser.add_argument(
        "--awake", action="store_true", help="the sender never sleeps: exact to a microsecond, for a whole processor"
    )
    parser.add_argument("--agents", type=_count, default=4000, metavar="N", help="of the centre (%(default)s)")
    parser.add_argument("--skills", type=_count, default=64, metavar="N", help="of the centre (%(default)s)")
    parser.add_argument(
        "--connections",
        type=_count,
        default=16,
        metavar="N",
        help="each a client with a tenant of its own (%(default)s)",
    )
    parser.add_argument("--seed", type=_count, default=1, metavar="N", help="of all that is drawn (%(default)s)")
    parser.add_argument("--own-server", action="store_true", help="start a server for this, and end it afterwards")
    parser.add_argument(
        "--replace-config", action="store_true", help="the configuration of a server that serves others may be lost"
    )
    parser.add_argument(
        "--p99-max", type=float, default=0.0, metavar="MS", help="fail when a step's p99 from plan to offer is above"
    )
    parser.add_argument(
        "--report", type=Path, metavar="OUT.html", help="write a page with plots (needs the extra 'simulate')"
    )
    parser.add_argument(
        "--hgrm", type=Path, metavar="DIR", help="write the latencies of each step in HdrHistogram's format"
    )
    add_connection_options(parser)


def run(args: argparse.Namespace) -> int:
    """Carry `acd load` out; gives the exit status."""
    if args.report and importlib.util.find_spec("matplotlib") is None:
        return fail(
            "--report needs plots: install the extra 'simulate' (pip install 'acd-engine[simulate]')", EXIT_USAGE
        )
    if args.agents < args.connections:
        return fail("each connection needs an agent; give more --agents or fewer --connections", EXIT_USAGE)
    try:
        token = token_of(args)
        if tls_of(args) is not None:
            return fail(
                "acd load speaks no TLS, which would be the client's cost; put a TLS proxy before it", EXIT_USAGE
            )
    except OptionError as error:
        return fail(str(error), EXIT_USAGE)
    plan = Plan(
        steps=steps_of(args.rate, args.depth or [64], args.seconds),
        shape=Shape(args.agents, args.skills),
        connections=args.connections,
        mix=args.mix,
        talk_s=args.talk,
        vary_talk=args.vary_talk,
        poisson=args.poisson,
        awake=args.awake,
        contacts_max=args.contacts,
        drain_s=30 + 10 * args.talk,
        seed=args.seed,
    )
    if plan.most_busy > 0.7 * args.agents:
        return fail(
            f"{plan.most_busy:,.0f} agents would always talk, so contacts would wait for agents and not for the server;"
            f" give --agents {round(plan.most_busy * 2)}, or shorter conversations",
            EXIT_USAGE,
        )
    server = ServerProcess() if args.own_server else None
    try:
        if server is not None:
            server.start()
            args.host, args.port = server.host, server.port
        return _load(args, plan, token, server.pid if server else 0)
    except ServerStartError as error:
        return fail(f"the server did not start: {error}", error.status)
    except LinkError as error:
        return fail(str(error))
    except OSError as error:
        return fail(connect_sentence(args.host, args.port, error), EXIT_USAGE)
    finally:
        if server is not None:
            server.close()


COMMAND = Command(
    name="load",
    summary="Put a server under load, and check every contact.",
    example="acd load --own-server --depth 1,16,64,256\n"
    "acd load --rate 1000,5000,10000 --for 30s --report load.html --hgrm latencies\n"
    "acd load --rate 500 --for 8h --mix served=85,abandoned=10,rejected=5 --talk 2s --poisson --p99-max 5",
    add_arguments=add_arguments,
    run=run,
)


def _load(args: argparse.Namespace, plan: Plan, token: str, pid: int) -> int:
    load = Load(plan, args.host, args.port, token=token, pid=pid, replace_config=args.replace_config)
    handlers = {number: signal.signal(number, lambda *_: load.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    offers = [load.histograms()["offer"]]
    try:
        with LiveView(plan, Console(stderr=True)) as view:
            load.run(view, after_step=lambda: offers.append(load.histograms()["offer"]))
        report = load.finish()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    of_steps = [later - earlier for earlier, later in itertools.pairwise(offers)]
    try:
        _write(args, report, of_steps)
    except OSError as error:
        return fail(f"{error.filename} cannot be written: {error.strerror}", EXIT_USAGE)
    if args.json:
        print_json(report)
    else:
        print_report(report, Console(highlight=False))
    if report.mistakes:
        return EXIT_FAILED
    if report.interrupted:
        return EXIT_INTERRUPTED
    slow = [result for result in report.steps if args.p99_max and result.offer.p99 > args.p99_max]
    if slow:
        return fail(f"p99 was {slow[0].offer.p99:,.3f} ms at {slow[0].step}, above {args.p99_max:g} ms")
    return 0


def _write(args: argparse.Namespace, report: Report, offers: list[Histogram]) -> None:
    if args.hgrm:
        args.hgrm.mkdir(parents=True, exist_ok=True)
        for number, (result, offer) in enumerate(zip(report.steps, offers, strict=True), 1):
            name = f"{number:02d}-" + re.sub(r"[^0-9a-z]+", "-", str(result.step).replace(",", ""))
            (args.hgrm / f"{name}.hgrm").write_text(offer.hgrm())
    if args.report:
        from acd_sim.load.page import page_of

        args.report.write_text(page_of(report, offers), encoding="utf-8")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 30, 30s, 10m or 8h")
    return float(found[1]) * _UNITS[found[2]]


def _rates(text: str) -> list[float]:
    rates = [float(part) for part in text.split(",")]
    if not all(0.01 <= rate <= 1e6 for rate in rates):
        raise argparse.ArgumentTypeError(f"{text} is out of range; rates are 0.01..1000000")
    return rates


def _depths(text: str) -> list[int]:
    depths = [int(part) for part in text.split(",")]
    if not all(1 <= depth <= 1_000_000 for depth in depths):
        raise argparse.ArgumentTypeError(f"{text} is out of range; depths are 1..1000000")
    return depths


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000_000_000:
        raise argparse.ArgumentTypeError(f"{text} is out of range; it must be 1..1000000000")
    return number


def _mix(text: str) -> dict[str, float]:
    try:
        return mix_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_rates.__name__ = "rate"
_depths.__name__ = "depth"
_count.__name__ = "number"
