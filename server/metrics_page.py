"""The page about the metrics, from their declarations: `python -m server.metrics_page docs/metrics.md` writes it."""

import sys
from pathlib import Path

from server.collector import METRICS, QUEUES_MAX

_PAGE = """\
# Metrics

<!-- Written by `make docs` from the declarations in server/collector.py: change them there. -->

The server shows its metrics at `http://127.0.0.1:7411/metrics` (`--metrics-port`, `ACD_METRICS_PORT`), as Prometheus
text, or as OpenMetrics when the `Accept` header asks for it. Beside it, `/healthz` answers 200 while the process is
alive, and `/readyz` 200 while it accepts commands, else 503.

- Counters of queues, and `acd_events_total`, are part of the engine's state: they go on after a restart. All other
  counters begin at 0 with the process.
- Waits and talk times are in engine time, which runs faster than real time in simulations. Latencies are in real time.
- Names are the words of the protocol. Histograms of latencies have a bucket for each power of two.
- The number of samples is bounded. Of the queues, the first {queues_max} of the configuration are shown one by one; the
  others are summed up as `{{tenant="",queue="other"}}`, and `acd_queues_summed` tells how many they are. Nothing is
  labelled by agent or contact.

| name | kind | labels | meaning |
|---|---|---|---|
{rows}
| `acd_build_info` | info | `version`, `python`, `implementation` | The program that runs. |

The `process_*` metrics are those of the Prometheus client library: memory, processor time, open files, start time.

## Questions and their queries

Service level of each queue over the last half hour; `acd_core/service_level.py` says which contacts count:

    increase(acd_queue_service_level_met_total[30m]) / increase(acd_queue_service_level_counted_total[30m])

Average speed of answer:

    rate(acd_queue_wait_seconds_sum[30m]) / rate(acd_queue_wait_seconds_count[30m])

Share of all offers that nobody answered:

    sum(rate(acd_queue_offers_ended_total{{outcome="timed_out"}}[30m])) / sum(rate(acd_queue_offers_total[30m]))

What 99 of 100 commands do not exceed in the engine, matching included:

    histogram_quantile(0.99, rate(acd_apply_seconds_bucket[5m]))
"""


def page() -> str:
    """The page, in Markdown."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
    return _PAGE.format(queues_max=QUEUES_MAX, rows="\n".join(rows))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
