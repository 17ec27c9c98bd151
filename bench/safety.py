"""`make safety`: what safety costs, as CPU time of the server for a whole lifecycle, each kind beside a server without it.

All servers run at the same time on one processor and are measured by turns, with 64 lifecycles in flight on 16 connections, so
ratios mean the same on any machine; the least of fifteen rounds is told. The load is `bench.site`'s; its processor is the last.

bare        no tokens, no TLS, the journal in memory (/dev/shm), where a flush costs nothing
guarded     the same with credentials: each connection has a role, a wall around its tenant, a rate and an audit trail
enciphered  the same with TLS 1.3 as well; what the clients' end of it costs is that of a relay, and not counted
durable     as bare, and the journal on a disk, flushed before each answer
chained     not a server: checksum and hash chain of as many and as large batches as the bare server made for a lifecycle

Exit status 1 when guards or the chain take more than a tenth: they are code of ours. TLS and the flush are what they are,
and told.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from acd_protocol.journal_records import Kind, Tail
from bench.figures.path import FEATURE_DEPTH, cpu_of_round, folder, load_apart, site_of
from bench.figures.scale import SCALES, Scale
from bench.server_process import ServerProcess, acd_server, started
from bench.site import Site
from server.access import tokens
from server.journal import records

CONNECTIONS = 16
PRICE_MAX = 1.1
RATE = 900_000
"""Lines a second that a credential may send here: it is counted, and never reached."""
CHAIN_ROUNDS = 2_000
COMMANDS = 3
"""Of a lifecycle: a contact comes, its offer is accepted, it is completed."""
ROUNDS = 3
"""So many times as many as of other figures: the least of them is told."""


class Guards:
    """Credentials and a certificate, in files.

    Args:
        directory: where they are written.
        tenants: each gets a credential of its own.
    """

    def __init__(self, directory: Path, tenants: tuple[str, ...]) -> None:
        self.tokens = {name: tokens.make(name) for name in ("root", *tenants)}
        rows = [_row("root", "operator", self.tokens["root"])]
        rows += [_row(name, "adapter", self.tokens[name], tenants=[name], lines_per_s=RATE) for name in tenants]
        self.file = directory / "credentials.toml"
        self.file.write_text("\n".join(rows), encoding="utf-8")
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        made = (
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        )
        named = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        files = ("-keyout", str(self.key), "-out", str(self.certificate))
        subprocess.run([*made, *named, *files], check=True, capture_output=True)

    def options(self, *, enciphered: bool) -> list[str]:
        """For `acd serve`."""
        files = ("--tls-cert", str(self.certificate), "--tls-key", str(self.key)) if enciphered else ()
        return ["--credentials", str(self.file), *files]


def _row(name: str, role: str, token: str, **fields: Any) -> str:
    row = {"name": name, "role": role, "tokens": [tokens.hash_of(token)], **fields}
    return "[[credential]]\n" + "".join(
        f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in row.items()
    )


@contextlib.contextmanager
def enciphering(process: ServerProcess, certificate: Path) -> Iterator[ServerProcess]:
    """The same server, to be reached in plain through a relay."""
    command = [sys.executable, "-m", "bench.tls_relay", str(process.port), str(certificate)]
    with started(command) as relay:
        yield ServerProcess(process.pid, relay.port, process.metrics_port)


def measured(scale: Scale) -> dict[str, list[float]]:
    """CPU nanoseconds for a lifecycle in each round, by kind of server; and of the chain."""
    found: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        sites = _sites(stack, scale)
        senders = {kind: site.sender(CONNECTIONS) for kind, site in sites.items()}
        before = batches_of(sites["bare"].process)
        for number in range(ROUNDS * scale.rounds + 1):
            for kind, site in sites.items():
                cpu, _ = cpu_of_round(site, senders[kind], FEATURE_DEPTH, scale.lifecycles)
                if number:
                    found.setdefault(kind, []).append(cpu)
        batches = batches_of(sites["bare"].process).since(before)
    found["chained"] = [chain_ns(batches) for _ in range(scale.rounds)]
    return found


def _sites(stack: contextlib.ExitStack, scale: Scale) -> dict[str, Site]:
    guards = Guards(folder(stack, durable=False), tuple(f"tenant-{number}" for number in range(CONNECTIONS)))
    sites = {}
    for kind in ("bare", "guarded", "enciphered", "durable"):
        guarded, enciphered = kind in {"guarded", "enciphered"}, kind == "enciphered"
        data = folder(stack, durable=kind == "durable") / "data"
        process = stack.enter_context(acd_server(data, *(guards.options(enciphered=enciphered) if guarded else ())))
        if enciphered:
            process = stack.enter_context(enciphering(process, guards.certificate))
        sites[kind] = site_of(stack, process, scale.centre, CONNECTIONS)
        sites[kind].log_in(tokens=guards.tokens if guarded else {})
    return sites


class Batches(NamedTuple):
    """What a server appended to its journal: how many batches, and what they held together."""

    number: int
    commands: int
    bytes: int

    def since(self, before: "Batches") -> "Batches":
        """What came after `before`."""
        return Batches(*(now - then for now, then in zip(self, before, strict=True)))


def batches_of(process: ServerProcess) -> Batches:
    """What a server has appended so far, by its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{process.metrics_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    names = ("acd_journal_batches_total", "acd_journal_batch_commands_sum", "acd_journal_batch_bytes_sum")
    return Batches(*(int(float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0])) for name in names))


def chain_ns(batches: Batches) -> float:
    """Header, checksum, and the hash that the next record holds, for the commands of a lifecycle in batches like these."""
    payload = bytes(batches.bytes // batches.number)
    tail = Tail(bytes(16))
    began = time.process_time_ns()
    for number in range(CHAIN_ROUNDS):
        _, tail = records.pack(tail, Kind.BATCH, 1, number, batches.commands // batches.number, payload)
    return (time.process_time_ns() - began) / CHAIN_ROUNDS * batches.number / (batches.commands / COMMANDS)


def prices(found: dict[str, list[float]]) -> dict[str, float]:
    """How many times as much as a bare server each takes: by the least of each, which other work on the machine adds to."""
    least = {kind: min(values) for kind, values in found.items()}
    bare = least.pop("bare")
    return {kind: (bare + cpu if kind == "chained" else cpu) / bare for kind, cpu in least.items()}


def main(argv: list[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.safety",
        description=(__doc__ or "").partition("\n")[0],
        epilog="example: make safety; make safety ARGS=--json",
    )
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    parser.add_argument("--scale", choices=sorted(SCALES), default="full", help="'tiny' only shows that it runs")
    args = parser.parse_args(argv)
    print("measuring four servers by turns ...", file=sys.stderr)
    found = measured(SCALES[args.scale])
    told = prices(found)
    within = max(told["guarded"], told["chained"]) <= PRICE_MAX
    if args.json:
        print(msgspec.json.encode({"cpu_ns": found, "prices": told, "within": within}).decode())
    else:
        print(f"{'server':12}{'CPU us a lifecycle':>20}{'median':>10}{'times bare':>12}")
        for kind, values in found.items():
            beside = f"{told[kind]:12.3f}" if kind in told else ""
            print(f"{kind:12}{min(values) / 1000:20.2f}{median(values) / 1000:10.2f}{beside}")
        print(f"guards and chain {'are within' if within else 'take MORE THAN'} a tenth of a bare lifecycle")
    return 0 if within or args.scale == "tiny" else 1


if __name__ == "__main__":
    sys.exit(main())
