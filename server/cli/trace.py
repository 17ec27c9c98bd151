"""`acd trace`: OpenTelemetry traces of contacts, sent to a collector until it is stopped."""

import argparse
import asyncio
import os
import signal
import sys

from acd_protocol.cli import (
    EXIT_USAGE,
    Command,
    add_connection_options,
    client_for,
    connect_sentence,
    fail,
    print_json,
)

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
FLUSH_MS = 5_000


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--endpoint",
        default=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT,
        metavar="URL",
        help="of the collector, OTLP over HTTP (OTEL_EXPORTER_OTLP_ENDPOINT, else %(default)s)",
    )
    parser.add_argument("--tenant", help="only contacts of this tenant")
    add_connection_options(parser)


def _run(args: argparse.Namespace) -> int:
    from acd_protocol.client import ClientError, ConnectionLost

    try:
        import server.tracing  # noqa: F401 - tried here, so that what is missing is told in a sentence
    except ModuleNotFoundError as missing:
        return fail(f"acd trace needs OpenTelemetry ({missing.name}): pip install 'acd-engine[otel]'", EXIT_USAGE)
    try:
        return asyncio.run(_session(args))
    except ConnectionLost as lost:
        return fail(connect_sentence(args.host, args.port, lost.__cause__ or lost), EXIT_USAGE)
    except ClientError as error:
        return fail(str(error))


async def _session(args: argparse.Namespace) -> int:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from acd_core.events import Event
    from acd_protocol.messages import Gap
    from server.tracing import ContactIds, ContactTraces

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ids = ContactIds()
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "acd"})
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    endpoint = f"{args.endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    traces = ContactTraces(provider, ids)
    name = f"acd-trace-{os.getpid()}"
    client = client_for(args, name, connect_deadline_s=0, reconnect_deadline_s=None, events_max=0)
    try:
        async with client:
            client.on(Event, traces.apply)
            client.on(Gap, lambda _: traces.let_go())
            await client.subscribe(("contact", "offer"), tenant=args.tenant)
            if not args.json:
                sys.stderr.write(f"acd: tracing contacts to {endpoint}; Ctrl-C ends it\n")
            await stop.wait()
    finally:
        traces.let_go()
        await asyncio.to_thread(provider.force_flush, FLUSH_MS)
        await asyncio.to_thread(provider.shutdown)
    if args.json:
        print_json({"finished": traces.finished, "unfinished": traces.unfinished})
    else:
        print(f"{traces.finished:,} contacts traced, {traces.unfinished:,} had not ended")
    return 0


COMMAND = Command(
    name="trace",
    summary="send OpenTelemetry traces of contacts to a collector",
    example="acd trace\nacd trace --endpoint http://collector:4318 --tenant acme",
    add_arguments=_add_arguments,
    run=_run,
)
