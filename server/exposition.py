"""Metrics as text: the Prometheus format, or OpenMetrics.

Both are written here, line by line, because a large centre has a hundred thousand samples: the client library takes
three microseconds for each, which is fine for hundreds and too long for these. The library still gives the metrics of
the process. The text is checked against the library's own parsers, and by `promtool`.
"""

from collections.abc import Generator, Iterator
from functools import cache
from itertools import accumulate

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from server.collector import (
    METRICS,
    AgentValue,
    Declaration,
    Distribution,
    Labelled,
    QueueDistribution,
    QueueValue,
    QueueValues,
    Value,
    build_info,
)
from server.snapshot import NS_PER_S, Exemplar, QueueRow, Snapshot, escaped

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_STEP = 64
"""Queues or agents written in one step."""

Chunks = Generator[str, None, None]


def exposition(snapshot: Snapshot, *, openmetrics: bool = False, tenants: frozenset[str] = frozenset()) -> Chunks:
    """The text of all metrics of the engine and the server, in small pieces; `process_text` and an end follow.

    With `tenants`, only what is told of queues, and of their queues only.
    """
    if tenants:
        snapshot = replace(snapshot, queues=[row for row in snapshot.queues if row.view.tenant in tenants])
    for metric in METRICS:
        if tenants and not isinstance(metric, QueueValue | QueueValues | QueueDistribution):
            continue
        yield _head(metric, openmetrics)
        match metric:
            case Value():
                yield "".join(_value_lines(metric, snapshot))
            case Distribution():
                yield from _distribution_lines(metric, snapshot)
            case AgentValue():
                yield from _agent_lines(metric, snapshot)
            case QueueValue():
                yield from _queue_value_lines(metric, snapshot)
            case QueueValues():
                yield from _queue_values_lines(metric, snapshot)
            case QueueDistribution():
                yield from _queue_distribution_lines(metric, snapshot, openmetrics)


def early_exposition(*, openmetrics: bool = False) -> str:
    """What there is to say before a server is ready: that, and which program it is. `process_text` follows."""
    values: dict[str, Labelled] = {"acd_ready": [((), 0)], "acd_build_info": [(build_info(), 1)]}
    return "".join(
        _head(metric, openmetrics) + "".join(_labelled_lines(metric, values[metric.name]))
        for metric in METRICS
        if isinstance(metric, Value) and metric.name in values
    )


def process_text(*, openmetrics: bool = False) -> str:
    """The metrics of the process, and the end of the text. It looks through /proc, which may take milliseconds."""
    if openmetrics:
        encoded: bytes = generate_openmetrics(_process())  # type: ignore[no-untyped-call]
        return encoded.decode()
    return generate_latest(_process()).decode()


def end_text(*, openmetrics: bool = False) -> str:
    """The end of a text without the metrics of the process."""
    return "# EOF\n" if openmetrics else ""


@cache
def _process() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    return registry


def _head(metric: Declaration, openmetrics: bool) -> str:
    name = metric.name.removesuffix("_total") if openmetrics else metric.name
    unit = next((unit for unit in ("seconds", "bytes") if name.removesuffix("_total").endswith(f"_{unit}")), "")
    kind = metric.kind
    help_text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    lines = f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"
    return lines + (f"# UNIT {name} {unit}\n" if openmetrics and unit else "")


def _bound(value: float) -> str:
    return f'le="{float(value)}"}}'


def _value_lines(metric: Value, snapshot: Snapshot) -> Iterator[str]:
    return _labelled_lines(metric, metric.read(snapshot))


def _labelled_lines(metric: Value, labelled: Labelled) -> Iterator[str]:
    for values, number in labelled:
        labels = ",".join(f'{label}="{escaped(value)}"' for label, value in zip(metric.labels, values, strict=True))
        yield f"{metric.name}{{{labels}}} {+number}\n" if labels else f"{metric.name} {+number}\n"


def _distribution_lines(metric: Distribution, snapshot: Snapshot) -> Chunks:
    name = metric.name
    bounds = [(_bound((2**bit - 1) / metric.unit), bit + 1) for bit in metric.bits]
    for values, histogram in metric.read(snapshot.counters):
        labels = ",".join(f'{label}="{value}"' for label, value in zip(metric.labels, values, strict=True))
        before = f"{labels}," if labels else ""
        own = f"{{{labels}}}" if labels else ""
        totals = list(accumulate(histogram.counts))
        lines = [f"{name}_bucket{{{before}{bound} {totals[size - 1]}\n" for bound, size in bounds]
        lines.append(f'{name}_bucket{{{before}le="+Inf"}} {totals[-1]}\n')
        lines.append(f"{name}_sum{own} {histogram.total / metric.unit}\n{name}_count{own} {totals[-1]}\n")
        yield "".join(lines)


def _agent_lines(metric: AgentValue, snapshot: Snapshot) -> Chunks:
    name, read, rows = metric.name, metric.read, snapshot.agents
    for start in range(0, len(rows), _STEP):
        yield "".join([f"{name}{row.labels}}} {read(row)}\n" for row in rows[start : start + _STEP]])


def _queue_value_lines(metric: QueueValue, snapshot: Snapshot) -> Chunks:
    name, read, rows, now_ns = metric.name, metric.read, snapshot.queues, snapshot.now_ns
    for start in range(0, len(rows), _STEP):
        yield "".join([f"{name}{row.labels}}} {read(row, now_ns)}\n" for row in rows[start : start + _STEP]])


def _queue_values_lines(metric: QueueValues, snapshot: Snapshot) -> Chunks:
    name, read = metric.name, metric.read
    ends = [f',{metric.by}="{word}"}}' for word in metric.words]
    lines: list[str] = []
    for row in snapshot.queues:
        labels = row.labels
        lines += [f"{name}{labels}{end} {number}\n" for end, number in zip(ends, read(row), strict=False)]
        if len(lines) >= 2 * _STEP:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def _queue_distribution_lines(metric: QueueDistribution, snapshot: Snapshot, openmetrics: bool) -> Chunks:
    name = metric.name
    bucket = f"{name}_bucket"
    ends = [*(f",{_bound(bound)}" for bound in metric.bounds), ',le="+Inf"}']
    with_exemplars = openmetrics and metric.exemplars and snapshot.exemplars
    lines: list[str] = []
    for row in snapshot.queues:
        labels = row.labels
        counts, total_ns = metric.read(row)
        total = 0
        for end, count in zip(ends, counts, strict=True):
            total += count
            lines.append(f"{bucket}{labels}{end} {total}\n")
        if with_exemplars:
            _add_exemplars(lines, row, len(ends), snapshot)
        lines.append(f"{name}_sum{labels}}} {total_ns / NS_PER_S}\n{name}_count{labels}}} {total}\n")
        if len(lines) >= 2 * _STEP:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def _add_exemplars(lines: list[str], row: QueueRow, buckets: int, snapshot: Snapshot) -> None:
    """Give the last `buckets` of `lines` the examples that there are of them."""
    examples: dict[int, Exemplar] = dict(snapshot.exemplars.get(row.labels, {}))
    for number, example in examples.items():
        place = len(lines) - buckets + number
        lines[place] = f'{lines[place][:-1]} # {{contact="{escaped(example.contact)}"}} {example.wait_s}\n'
