"""The settings of a server process: what it listens on, where it keeps its state, and its limits."""

import ipaddress
import platform
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from acd_protocol.messages import CONFIG_LINE_BYTES_MAX, DEFAULT_PORT, LINE_BYTES_MAX
from server.errors import StartError

DEFAULT_METRICS_PORT = 7411
TOKEN_CHARACTERS_MAX = 256
TOKEN_CHARACTERS_MIN = 16
"""Where others than this machine can try."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Meta(ge=1, le=2**40)]
OptionalCount = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Hours = Annotated[float, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Limits(Struct, frozen=True, kw_only=True):
    """How much of everything. The defaults suit a contact centre of thousands of agents; tests make them tiny.

    Attributes:
        connections_max: most connections at once, those before `hello` included; fewer if the system does not allow
            the server as many open files.
        hello_s: a connection that has not said `hello` by then is closed.
        hello_bytes_max: longest first line.
        line_bytes_max, config_line_bytes_max: longest line, and longest line with a configuration.
        long_lines_max: most connections that may send lines longer than `line_bytes_max` at the same time.
        subscribers_max: most connections with a subscription.
        silence_s: a connection whose other end is no longer there, or takes nothing of what is due to it, is cut after
            about so long.
        credit: so many messages of a connection may be on their way without an answer; told in `welcome`, and kept to
            by clients that know of it. Others are held to the bytes below.
        errors_in_a_row_max: a connection that sends so many unreadable lines in a row is closed.
        tick_lines_max: most lines dealt with before other work of the loop has its turn.
        tick_deadlines_max: most deadlines fired, but for those of one instant, before other work has its turn.
        batch_bytes_max: nothing is read while so many bytes of commands wait for the journal.
        unsent_bytes_max: nothing is read from a connection while it has so many bytes of answers and events due.
        page_bytes: so much at a time is sent to a client that catches up.
        list_rows_max, list_bytes_max: most rows of one `list`, and most bytes of them together.
        digest_rows_max: `stats` with `digest` is refused when there are more agents and contacts than this, because
            it walks over all of them while nobody else has his turn.
        ring_events_max, ring_bytes_max: latest events kept for clients that missed some.
        linger_s: a refused connection is read, and what it sends thrown away, for so long, so that the
            refusal reaches it.
        snapshot_commands: a snapshot is taken after so many commands, in a process of its own; 0 for none at all.
        snapshot_hours: and after so many hours if there were any; 0 for no such time.
        journal_hours: what is older, in engine time, and in the two newest snapshots, is trimmed from the journal; 0 to
            keep all. `acd explain` of the past and `acd replay` reach back as far as the journal does.
        ballast_bytes: room on the disk that is kept while it is free four times over, and given up when the disk is full, so
            that there is time to make more; a quarter is for the commands under way when that is full too. 0 for none:
            then the server ends when the disk is full.
        drain_s: clients get so long to take their last answers when the server stops.
    """

    connections_max: Count = 20_000
    hello_s: Seconds = 10
    hello_bytes_max: Bytes = 8192
    line_bytes_max: Bytes = LINE_BYTES_MAX
    config_line_bytes_max: Bytes = CONFIG_LINE_BYTES_MAX
    long_lines_max: Count = 4
    subscribers_max: Count = 1000
    silence_s: Seconds = 60
    credit: Count = 4096
    errors_in_a_row_max: Count = 100
    tick_lines_max: Count = 512
    tick_deadlines_max: Count = 500
    batch_bytes_max: Bytes = 16 * 1024 * 1024
    unsent_bytes_max: Bytes = 256 * 1024
    page_bytes: Bytes = 128 * 1024
    list_rows_max: Count = 10_000
    list_bytes_max: Bytes = 8 * 1024 * 1024
    digest_rows_max: Count = 5_000
    ring_events_max: Count = 65_536
    ring_bytes_max: Bytes = 64 * 1024 * 1024
    snapshot_commands: OptionalCount = 200_000
    snapshot_hours: Hours = 1
    journal_hours: Hours = 168
    ballast_bytes: OptionalCount = 64 * 1024 * 1024
    linger_s: Seconds = 2
    drain_s: Seconds = 0.5


class Settings(Struct, frozen=True, kw_only=True):
    """What `acd serve` is told by options, environment and file; see `server.options`.

    Attributes:
        host: where to listen; any but this machine itself needs TLS and tokens.
        port: for clients; 0 for any free one.
        metrics_host: where to serve metrics, health and readiness.
        metrics_port: its port; 0 for any free one.
        metrics_agents: show each agent in the metrics.
        metrics_exemplars: give OpenMetrics the ids of contacts as examples of waits.
        log_contacts: log the life of every contact.
        log_attributes: attributes of contacts that the log shows as they are; others are masked.
        data: directory of the journal.
        journal: what a new journal is: `segments`, files that are written one after the other, or `sqlite`, one SQLite
            file, several times dearer. A directory keeps the kind that it has.
        token: one that clients may show to get all rights; better given in the environment or a file than as an
            option, because other users can see options.
        token_file: file with that token.
        credentials: file of credentials, each with its role and wall; see docs/security.md.
        tls_cert: PEM file with the server's certificate and those between it and the root; with it only TLS 1.3 is
            spoken.
        tls_key: PEM file with its key, if not in the same file.
        tls_client_ca: PEM file with the authorities whose certificates of clients are believed.
        insecure_without_tls: let other machines in without TLS, so that anybody on the way reads and changes
            everything, tokens included.
        insecure_without_tokens: let everybody in who can reach the port, with all rights.
        clock_speed: how fast engine time runs, for simulations.
        node: the server's name in `welcome` and in the journal.
        config_file: a TOML configuration to apply at the start, if it differs from the one that holds.
        workers: a TOML file with routing domains, each of which gets a process of its own behind this address; see
            docs/operating.md.
    """

    host: str = "127.0.0.1"
    port: Port = DEFAULT_PORT
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = DEFAULT_METRICS_PORT
    metrics_agents: bool = False
    metrics_exemplars: bool = False
    log_contacts: bool = False
    log_attributes: tuple[str, ...] = ()
    data: Path = Path("acd-data")
    journal: Literal["segments", "sqlite"] = "segments"
    token: Annotated[str, Meta(max_length=TOKEN_CHARACTERS_MAX)] = ""
    token_file: Path | None = None
    credentials: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    insecure_without_tls: bool = False
    insecure_without_tokens: bool = False
    clock_speed: Annotated[float, Meta(gt=0, le=100_000)] = 1.0
    node: Annotated[str, Meta(min_length=1, max_length=64)] = field(default_factory=platform.node)
    config_file: Path | None = None
    workers: Path | None = None
    limits: Limits = Limits()

    @property
    def metrics_guarded(self) -> bool:
        """Whether `/metrics` asks for a token: where clients have credentials, and where other machines can ask."""
        return self.credentials is not None or not is_loopback(self.metrics_host)

    def check(self) -> None:
        """Raise `StartError` for settings that cannot be worked with."""
        if len(self.token) > TOKEN_CHARACTERS_MAX:
            raise StartError(f"the token is longer than {TOKEN_CHARACTERS_MAX} characters: shorten it")
        if self.tls_cert is None and (self.tls_key is not None or self.tls_client_ca is not None):
            raise StartError("--tls-key and --tls-client-ca are of no use without --tls-cert: give the certificate")
        for option, host in (("--host", self.host), ("--metrics-host", self.metrics_host)):
            if not is_loopback(host):
                self._check_open_host(f"{option} {host}")

    def _check_open_host(self, place: str) -> None:
        """Others than this machine can come in at `place`."""
        if self.tls_cert is None and not self.insecure_without_tls:
            raise StartError(
                f"{place} lets other machines in, and nothing is encrypted: give --tls-cert and --tls-key, stay on "
                "127.0.0.1, or say --insecure-without-tls"
            )
        if self.insecure_without_tokens:
            return
        if not self.token and self.credentials is None:
            raise StartError(
                f"{place} lets other machines in, and everybody would have all rights: give --credentials, set "
                "ACD_TOKEN, stay on 127.0.0.1, or say --insecure-without-tokens"
            )
        if self.token and len(self.token) < TOKEN_CHARACTERS_MIN:
            raise StartError(
                f"{place} lets other machines in, and the token has less than {TOKEN_CHARACTERS_MIN} characters, which "
                "can be guessed: make one with 'acd token'"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`. A name other than localhost is taken for reachable."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
