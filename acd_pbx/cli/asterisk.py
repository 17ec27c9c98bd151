"""`acd asterisk`: the adapter beside an Asterisk."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec

from acd_pbx.asterisk.settings import AdapterSettings, SettingsError, read_settings
from acd_protocol.cli import EXIT_FAILED, EXIT_USAGE, Command, fail, port_number, print_json


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    environment = os.environ
    parser.add_argument("file", metavar="FILE.toml", nargs="?", help="the adapter's file; all defaults without one")
    parser.add_argument("--name", help="of the adapter at the engine, instead of the file's")
    parser.add_argument("--ari-url", metavar="URL", help="of Asterisk's ARI, instead of the file's")
    parser.add_argument(
        "--ari-password",
        metavar="WORD",
        default=environment.get("ACD_ARI_PASSWORD") or None,
        help="instead of the file's (ACD_ARI_PASSWORD)",
    )
    parser.add_argument("--host", default=environment.get("ACD_HOST") or None, help="of the engine (ACD_HOST)")
    parser.add_argument("--port", type=port_number, default=environment.get("ACD_PORT") or None, help="its (ACD_PORT)")
    parser.add_argument("--token", default=environment.get("ACD_TOKEN") or None, help="for it (ACD_TOKEN)")
    parser.add_argument("--spare", action="store_true", help="wait until the active adapter of this name is gone")
    parser.add_argument("--check", action="store_true", help="read the file, print what holds, and end")
    parser.add_argument("--json", action="store_true", help="write the log, and what --check prints, as JSON")
    parser.add_argument("--verbose", action="store_true", help="also log what Asterisk and engine refuse")


def _settings(args: argparse.Namespace) -> AdapterSettings:
    """The file, and what the command line says otherwise."""
    text = Path(args.file).read_text(encoding="utf-8") if args.file else ""
    settings = read_settings(text, args.file or "defaults")
    replace = msgspec.structs.replace
    ari, engine = settings.ari, settings.engine
    ari = replace(ari, url=args.ari_url or ari.url, password=args.ari_password or ari.password)
    engine = replace(
        engine, host=args.host or engine.host, port=args.port or engine.port, token=args.token or engine.token
    )
    return replace(settings, name=args.name or settings.name, ari=ari, engine=engine)


def _run(args: argparse.Namespace) -> int:
    try:
        settings = _settings(args)
    except OSError as error:
        return fail(f"cannot read {args.file}: {error.strerror}; give the path of a TOML file", EXIT_USAGE)
    except SettingsError as error:
        return fail(str(error), EXIT_USAGE)
    if args.check:
        ari = msgspec.structs.replace(settings.ari, password="***" if settings.ari.password else "")
        engine = msgspec.structs.replace(settings.engine, token="***" if settings.engine.token else "")
        shown = msgspec.structs.replace(settings, ari=ari, engine=engine)
        if args.json:
            print_json(shown)
        else:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n")
        return 0
    try:
        from acd_pbx.asterisk.service import Service, ServiceError
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        return fail("the package aiohttp is missing; install it with: pip install 'acd-engine[asterisk]'", EXIT_USAGE)
    _log_to_stderr(args.json, args.verbose)

    async def serve() -> int:
        service = Service(settings, spare=args.spare)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop)
        await service.run()
        return 0

    try:
        import uvloop

        return uvloop.run(serve())
    except ServiceError as error:
        return fail(str(error), EXIT_FAILED)


def _log_to_stderr(as_json: bool, verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("acd_pbx")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


COMMAND = Command(
    name="asterisk",
    summary="route the calls of an Asterisk: the adapter between its ARI and the engine",
    example="acd asterisk pbx-1.toml\nacd asterisk pbx-1.toml --spare\nacd asterisk pbx-1.toml --check",
    add_arguments=_add_arguments,
    run=_run,
)
