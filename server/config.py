"""The settings of a server process: what it listens on, where it keeps its state, and its limits."""

import ipaddress
import platform
from pathlib import Path

from msgspec import Struct, field

from acd_protocol.messages import CONFIG_LINE_BYTES_MAX, DEFAULT_PORT, LINE_BYTES_MAX
from server.errors import StartError

DEFAULT_METRICS_PORT = 7411
TOKEN_CHARACTERS_MAX = 256


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
        drain_s: clients get so long to take their last answers when the server stops.
    """

    connections_max: int = 20_000
    hello_s: float = 10
    hello_bytes_max: int = 8192
    line_bytes_max: int = LINE_BYTES_MAX
    config_line_bytes_max: int = CONFIG_LINE_BYTES_MAX
    long_lines_max: int = 4
    subscribers_max: int = 1000
    silence_s: float = 60
    errors_in_a_row_max: int = 100
    tick_lines_max: int = 512
    tick_deadlines_max: int = 500
    batch_bytes_max: int = 16 * 1024 * 1024
    unsent_bytes_max: int = 256 * 1024
    page_bytes: int = 128 * 1024
    list_rows_max: int = 10_000
    list_bytes_max: int = 8 * 1024 * 1024
    digest_rows_max: int = 5_000
    ring_events_max: int = 65_536
    ring_bytes_max: int = 64 * 1024 * 1024
    linger_s: float = 2
    drain_s: float = 0.5


class Settings(Struct, frozen=True, kw_only=True):
    """What `acd serve` is told by options and environment.

    Attributes:
        host, port: where clients connect; port 0 takes any free one.
        metrics_host, metrics_port: where metrics, health and readiness are served.
        data: directory of the journal.
        token: what clients must show; empty for none, which only a loopback host allows.
        clock_speed: how fast engine time runs: 1 but for simulations.
        node: the server's name in `welcome` and in the journal.
        metrics_agents: whether the metrics show each agent.
        metrics_exemplars: whether OpenMetrics gets ids of contacts as examples of waits.
        log_contacts: whether the log tells the life of every contact.
        log_attributes: names of the contacts' attributes that the log shows; others are masked.
        config_file: a configuration to apply at the start, if it differs from the one that holds.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    metrics_host: str = "127.0.0.1"
    metrics_port: int = DEFAULT_METRICS_PORT
    metrics_agents: bool = False
    metrics_exemplars: bool = False
    log_contacts: bool = False
    log_attributes: tuple[str, ...] = ()
    data: Path = Path("acd-data")
    token: str = ""
    clock_speed: float = 1.0
    node: str = field(default_factory=platform.node)
    config_file: Path | None = None
    limits: Limits = Limits()

    def check(self) -> None:
        """Raise `StartError` for settings that cannot be worked with."""
        for option, port in (("--port", self.port), ("--metrics-port", self.metrics_port)):
            if not 0 <= port <= 65_535:
                raise StartError(f"{option} is {port}: give a number in 0..65535")
        if not 0 < self.clock_speed <= 100_000:
            raise StartError(f"--clock-speed is {self.clock_speed:g}: give a number above 0, at most 100000")
        if len(self.token) > TOKEN_CHARACTERS_MAX:
            raise StartError(f"the token is longer than {TOKEN_CHARACTERS_MAX} characters: shorten it")
        if not self.token and not is_loopback(self.host):
            raise StartError(
                f"--host {self.host} lets other machines in, and there is no token: "
                "set ACD_TOKEN (or --token), or stay on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`. A name other than localhost is taken for reachable."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
