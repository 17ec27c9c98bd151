"""What a replay tells in the end: what happened beside what was recorded, and whether all sums agree."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, median

from msgspec import Struct
from rich.table import Table

from acd_core.views import QueueView
from acd_sim.recorded_calls import Record, RecordedCall
from acd_sim.replay import Replay
from acd_sim.replay_plan import SERVICE_LEVEL_S


class Figures(Struct, frozen=True, kw_only=True):
    """Counts, and waits in recorded seconds.

    Attributes:
        other: contacts that ended without an answer for another reason than giving up, by end reason.
        waiting: contacts that were not answered, and not over, when the replay ended; talking: in conversation then.
        wait_mean_s, wait_median_s, wait_p90_s: of those served.
        service_level: share answered within 20 s, of those answered or given up after more than 20 s.
    """

    offered: int
    served: int
    abandoned: int
    other: dict[str, int]
    waiting: int
    wait_mean_s: float | None
    wait_median_s: float | None
    wait_p90_s: float | None
    abandon_wait_mean_s: float | None
    service_level: float | None


class Rows(Struct, frozen=True, kw_only=True):
    """What became of the rows of the file: `all` is the sum of the others."""

    all: int
    offered: int
    left_in_vru: int
    phantom: int
    bad: int
    other_days: int


class Report(Struct, frozen=True, kw_only=True):
    """The whole outcome of a replay.

    Attributes:
        bad_rows: line and reason of each row that could not be used.
        server: what the server counted itself.
        disagreements: sums that should be equal and are not, a sentence each; empty when all is well.
        refused: refusals that a replay should not meet, by code.
        finished: whether all calls were fed and are over; stalled: whether the server did nothing more.
        speed: recorded seconds to a real one; clock_speed: seconds of engine time to a real one.
        real_s: how long it took; skipped_s: recorded seconds without calls that were jumped over.
        round_trip_p50_ms, round_trip_p99_ms: from an offer to its contact being connected, in real time.
        delay_max_ms: how late an arrival was sent at worst, in real time.
    """

    rows: Rows
    bad_rows: list[str]
    replay: Figures
    record: Figures
    server: Figures
    disagreements: list[str]
    refused: dict[str, int]
    finished: bool
    stalled: bool
    speed: float
    clock_speed: float
    real_s: float
    skipped_s: float
    server_kills: int
    reconnections: int
    round_trip_p50_ms: float | None
    round_trip_p99_ms: float | None
    delay_max_ms: float | None


def rows_of(record: Record, calls: Sequence[RecordedCall]) -> Rows:
    """The account of the file, when only `calls` of it are replayed."""
    return Rows(
        all=record.rows,
        offered=len(calls),
        left_in_vru=record.left_in_vru,
        phantom=record.phantom,
        bad=len(record.bad),
        other_days=len(record.calls) - len(calls),
    )


def recorded_figures(calls: Iterable[RecordedCall]) -> Figures:
    """What the record says of these calls."""
    served: list[float] = []
    abandoned: list[float] = []
    for call in calls:
        (served if call.outcome == "served" else abandoned).append(call.wait_s)
    return Figures(
        offered=len(served) + len(abandoned),
        served=len(served),
        abandoned=len(abandoned),
        other={},
        waiting=0,
        **_waits(served, abandoned),
    )


def replayed_figures(replay: Replay, scale: float) -> Figures:
    """What the events said; `scale` turns seconds of engine time into recorded seconds."""
    tally = replay.tally
    other = {reason: n for reason, n in sorted(tally.unanswered.items()) if reason != "abandoned"}
    return Figures(
        offered=tally.offered,
        served=tally.served,
        abandoned=tally.unanswered["abandoned"],
        other=other,
        waiting=replay.live - replay.talking,
        **_waits([wait * scale for wait in tally.served_waits], [wait * scale for wait in tally.abandoned_waits]),
    )


def server_figures(before: Iterable[QueueView], after: Iterable[QueueView]) -> Figures:
    """What the server counted between two `stats`."""
    total: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for views, sign in ((after, 1), (before, -1)):
        for view in views:
            total["entered"] += sign * view.entered
            total["answered"] += sign * view.answered
            total["waiting"] += sign * (view.waiting + view.offered)
            for reason, number in view.ended.items():
                ended[reason] += sign * number
    unanswered = {reason: n for reason, n in sorted(ended.items()) if n and reason not in _OF_CONVERSATIONS}
    return Figures(
        offered=total["entered"],
        served=total["answered"],
        abandoned=unanswered.pop("abandoned", 0),
        other=unanswered,
        waiting=total["waiting"],
        **_waits([], []),
    )


_OF_CONVERSATIONS = frozenset({"completed_agent", "completed_caller", "transferred", "callback_done", "lost", "failed"})


def disagreements(rows: Rows, replay: Replay, events: Figures, server: Figures, finished: bool) -> list[str]:
    """The sums that should be equal and are not, a sentence each."""
    found = []

    def compare(what: str, left: int, right: int) -> None:
        if left != right:
            found.append(f"{what}: {left:,} against {right:,}")

    parts = rows.offered + rows.left_in_vru + rows.phantom + rows.bad + rows.other_days
    compare("rows of the file against offered + left in the voice menu + phantom + bad + other days", rows.all, parts)
    compare("calls sent against offered by the events", replay.sent, events.offered)
    if finished:
        compare("calls of the record against offered by the events", rows.offered, events.offered)
    ended = events.served + events.abandoned + sum(events.other.values()) + events.waiting
    compare(
        "offered against served + abandoned + otherwise ended + still waiting, by the events", events.offered, ended
    )
    for name in ("offered", "served", "abandoned", "waiting"):
        compare(f"{name} by the events against the server's own count", getattr(events, name), getattr(server, name))
    if events.other != server.other:
        found.append(f"otherwise ended by the events {events.other} against the server's own count {server.other}")
    return found


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below or at which `share` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _waits(served: list[float], abandoned: list[float]) -> dict[str, float | None]:
    in_target = sum(wait <= SERVICE_LEVEL_S for wait in served)
    due = len(served) + sum(wait > SERVICE_LEVEL_S for wait in abandoned)
    return {
        "wait_mean_s": round(fmean(served), 1) if served else None,
        "wait_median_s": round(median(served), 1) if served else None,
        "wait_p90_s": _rounded(percentile(served, 0.9)),
        "abandon_wait_mean_s": round(fmean(abandoned), 1) if abandoned else None,
        "service_level": round(in_target / due, 4) if due else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def table(report: Report) -> Table:
    """The report as a person reads it."""
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    shown.add_column("")
    shown.add_column("replay", justify="right")
    shown.add_column("record", justify="right")
    left, right = report.replay, report.record
    shown.add_row("offered", f"{left.offered:,}", f"{right.offered:,}")
    shown.add_row("served", f"{left.served:,}", f"{right.served:,}")
    shown.add_row("abandoned", f"{left.abandoned:,}", f"{right.abandoned:,}")
    for reason, number in left.other.items():
        shown.add_row(f"ended as {reason}", f"{number:,}", "")
    shown.add_row("still waiting", f"{left.waiting:,}", "")
    for label, name in (
        ("wait of the served, mean", "wait_mean_s"),
        ("  median", "wait_median_s"),
        ("  nine of ten within", "wait_p90_s"),
        ("wait of those who gave up, mean", "abandon_wait_mean_s"),
    ):
        shown.add_row(label, _seconds(getattr(left, name)), _seconds(getattr(right, name)))
    shown.add_row(f"service level, {SERVICE_LEVEL_S} s", _percent(left.service_level), _percent(right.service_level))
    return shown


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} s"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}".replace("%", " %")
