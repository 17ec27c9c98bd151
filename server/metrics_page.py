"""The page about the metrics, from their declarations: `python -m server.metrics_page docs/metrics.md` writes it."""

import sys
from pathlib import Path

from server.collector import METRICS, AgentValue, Declaration
from server.snapshot import AGENTS_MAX, CLIENTS_MAX, QUEUES_MAX, REASONS_MAX

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
- OpenMetrics gets ids of contacts as exemplars of `acd_queue_wait_seconds` when the server runs with
  `--metrics-exemplars` (`ACD_METRICS_EXEMPLARS=1`): the latest contact of each bucket.

The number of samples is bounded by these rules:

| what | rule |
|---|---|
| queues | The first {queues_max} of the configuration one by one; the others are summed up as `{{tenant="",queue="other"}}`, and `acd_queues_summed` tells how many they are. |
| agents | Only their sums by state. One by one with `--metrics-agents` (`ACD_METRICS_AGENTS=1`): the first {agents_max} of the configuration. |
| reasons of pauses | Agents choose the words, so only the {reasons_max} most frequent are shown; the others are summed up as `other`. |
| clients | Those that own agents logged in or live contacts: at most {clients_max}, those that own most. |
| contacts | Nothing is labelled by contact. |

| name | kind | labels | meaning |
|---|---|---|---|
{rows}

With `--metrics-agents` also:

| name | kind | labels | meaning |
|---|---|---|---|
{agent_rows}

The `process_*` metrics are those of the Prometheus client library: memory, processor time, open files, start time.

## Questions and their queries

Service level of each queue over the last half hour; `acd_core/service_level.py` says which contacts count:

    increase(acd_queue_service_level_met_total[30m]) / increase(acd_queue_service_level_counted_total[30m])

Average speed of answer:

    rate(acd_queue_wait_seconds_sum[30m]) / rate(acd_queue_wait_seconds_count[30m])

Share of all offers that nobody answered:

    sum(rate(acd_queue_offers_ended_total{{outcome="timed_out"}}[30m])) / sum(rate(acd_queue_offers_total[30m]))

Occupancy of the agents, as the field defines it: the share of their time that contacts took, of the time in which they
could have taken some:

    sum(rate(acd_agent_seconds_total{{state=~"offered|busy|wrapup"}}[30m]))
      / sum(rate(acd_agent_seconds_total{{state=~"ready|offered|busy|wrapup|cooldown"}}[30m]))

By how much the forecasts of waits were off, and which share of the waits ended within the p90, which should be 0.9:

    rate(acd_queue_forecast_off_seconds_total[30m]) / rate(acd_queue_forecasts_total[30m])
    rate(acd_queue_forecasts_within_total{{share="p90"}}[30m]) / ignoring (share) rate(acd_queue_forecasts_total[30m])

Average handle time (talk and wrap-up):

    rate(acd_queue_handle_seconds_sum[30m]) / rate(acd_queue_handle_seconds_count[30m])

What 99 of 100 searches for an agent do not exceed, of arriving contacts:

    histogram_quantile(0.99, rate(acd_apply_seconds_bucket{{type="contact.enqueue"}}[5m]))
"""


def page() -> str:
    """The page, in Markdown."""
    return _PAGE.format(
        queues_max=f"{QUEUES_MAX:,}",
        agents_max=f"{AGENTS_MAX:,}",
        reasons_max=REASONS_MAX,
        clients_max=CLIENTS_MAX,
        rows="\n".join(_row(metric) for metric in METRICS if not isinstance(metric, AgentValue)),
        agent_rows="\n".join(_row(metric) for metric in METRICS if isinstance(metric, AgentValue)),
    )


def _row(metric: Declaration) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
