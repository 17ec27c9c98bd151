"""What came of a load: figures by step and by second, and whether the server made a mistake."""

from msgspec import Struct

from acd_sim.load.histogram import Histogram
from acd_sim.load.plan import Plan, Step

PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999))


class Latency(Struct, frozen=True):
    """Milliseconds. `p999` is the value that 999 of 1000 do not exceed."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    p9999: float
    max: float


def latency_of(histogram: Histogram) -> Latency:
    """The figures of a histogram in nanoseconds."""
    shares = {name: round(histogram.at(share) / 1e6, 4) for name, share in PERCENTILES}
    return Latency(
        count=histogram.total, mean=round(histogram.mean / 1e6, 4), max=round(histogram.most / 1e6, 4), **shares
    )


class StepResult(Struct, frozen=True, kw_only=True):
    """One step.

    Attributes:
        seconds: as it really was.
        started, finished, connected: contacts.
        waited: contacts that had to wait for an agent; their latency tells of the staff, not of the server.
        alive: contacts under way at its end.
        finished_per_s: of them each second.
        offer: from the planned time of a contact to its offer. In a closed loop a contact is planned when the one
            before it has ended.
        ack: from there to the answer to its first request.
        late: from there to when the sender sent it; if this is not small, the sender or its machine was the limit.
        whole: from there to its end, less the conversation.
        server_cpu_us: CPU time of the server for each finished contact, all threads; None where that is not known.
        server_rss_mb: its memory at the end.
        sender_busy: share of one processor that the sender used.
    """

    step: Step
    seconds: float
    started: int
    finished: int
    connected: int
    waited: int
    alive: int
    finished_per_s: float
    offer: Latency
    ack: Latency
    late: Latency
    whole: Latency
    server_cpu_us: float | None
    server_rss_mb: float | None
    sender_busy: float


class Second(Struct, frozen=True, kw_only=True):
    """One interval of the load, as the live view shows it; times in milliseconds."""

    at_s: float
    step: int
    finished_per_s: float
    alive: int
    offer_p50: float
    offer_p99: float
    offer_max: float
    server_busy: float | None
    server_rss_mb: float | None


class Report(Struct, frozen=True, kw_only=True):
    """A whole load.

    Attributes:
        mistakes: what the server did wrong, one sentence each; empty when every contact was answered once, connected and
            ended once, no agent held two, nothing was lost, and the server counted the same.
        counts: as `acd_sim.load.sender.COUNTED` names them.
        interrupted: whether somebody stopped it before its time.
        environment: machine and versions.
    """

    plan: Plan
    steps: list[StepResult]
    seconds: list[Second]
    counts: dict[str, int]
    mistakes: list[str]
    interrupted: bool
    started_at: str
    environment: dict[str, str]
