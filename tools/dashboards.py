"""The dashboards of the ACD engine: `python -m tools.dashboards` writes deploy/grafana/dashboards/.

A dashboard is a list of rows, a row a list of panels that share its width. What people ask first stands at the top.
"""

import sys
from pathlib import Path

from acd_core.views import AGENT_STATES
from tools.grafana import Dashboard, Panel, Query, Steps, rendered

TARGET = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"

ONE = 'instance=~"$instance"'
TENANT = f'{ONE},tenant=~"$tenant"'
QUEUE = f'{TENANT},queue=~"$queue"'
SPEED = f"scalar(max(acd_clock_speed{{{ONE}}}))"
"""Rates of what happens in engine time are divided by it: in a demo, sixty engine seconds go by in one."""
MATCHING = "contact.enqueue|contact.complete|agent.ready|agent.wrapup_done|offer.reject"
"""Commands in which somebody looks for a match."""
GOOD_IS_HIGH = ((None, "red"), (0.6, "yellow"), (0.8, "green"))
TENANTS = ("tenant", f"label_values(acd_queue_waiting{{{ONE}}}, tenant)")
QUEUES_OF_TENANT = ("queue", f"label_values(acd_queue_waiting{{{TENANT}}}, queue)")
NAME = "{{tenant}}/{{queue}}"


def stat(title: str, expr: str, unit: str = "short", steps: Steps = ((None, "text"),), note: str = "") -> Panel:
    """A large number."""
    return Panel(title, "stat", (Query(expr),), note, unit, steps, height=4, instant=True)


def lines(
    title: str, *queries: Query, unit: str = "short", stacked: bool = False, share: int = 1, note: str = ""
) -> Panel:
    """Lines over time."""
    return Panel(title, "timeseries", queries, note, unit, stacked=stacked, share=share)


def service_level(by: str, selector: str, window: str = "30m") -> str:
    """The share answered within the target."""
    met = f"sum by ({by}) (increase(acd_queue_service_level_met_total{{{selector}}}[{window}]))"
    counted = f"sum by ({by}) (increase(acd_queue_service_level_counted_total{{{selector}}}[{window}]))"
    return f"{met} / ({counted} > 0)"


def quantiles(metric: str, selector: str, by: str = "le") -> tuple[Query, ...]:
    """Half, nine of ten, and 99 of 100 are below these."""
    rate = f"sum by ({by}) (rate({metric}_bucket{{{selector}}}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({share}, {rate})", f"p{share * 100:g}") for share in (0.5, 0.9, 0.99))


def per_minute(counter: str, selector: str, by: str = "") -> str:
    """How often something happens in a minute of engine time."""
    grouping = f" by ({by}) " if by else ""
    return f"60 * sum{grouping}(rate({counter}{{{selector}}}[$__rate_interval])) / {SPEED}"


def mean(metric: str, selector: str, by: str, window: str = "30m") -> str:
    """Mean of a histogram."""
    return (
        f"sum by ({by}) (rate({metric}_sum{{{selector}}}[{window}])) / "
        f"(sum by ({by}) (rate({metric}_count{{{selector}}}[{window}])) > 0)"
    )


OVERVIEW = Dashboard(
    "acd-overview",
    "ACD overview",
    "How are the callers doing, and who is there for them? The first page of a supervisor.",
    (
        (
            "",
            (
                stat(
                    "Service level, 30 min",
                    service_level("instance", TENANT),
                    "percentunit",
                    GOOD_IS_HIGH,
                    "Share answered within the target, of those whose wait was decided.",
                ),
                stat("Waiting", f"sum(acd_queue_waiting{{{TENANT}}} + acd_queue_offered{{{TENANT}}})"),
                stat(
                    "Longest wait",
                    f"max(acd_queue_oldest_wait_seconds{{{TENANT}}})",
                    "s",
                    ((None, "green"), (60, "yellow"), (180, "red")),
                ),
                stat(
                    "Gave up, 30 min",
                    f"sum(increase(acd_queue_abandoned_total{{{TENANT}}}[30m])) / "
                    f"(sum(increase(acd_queue_entered_total{{{TENANT}}}[30m])) > 0)",
                    "percentunit",
                    ((None, "green"), (0.05, "yellow"), (0.1, "red")),
                ),
                stat("Agents ready", f'sum(acd_agents{{{ONE},state="ready"}})', "short", ((None, "red"), (1, "green"))),
                stat(
                    "Occupancy, 30 min",
                    f"max(acd:occupancy:ratio30m{{{ONE}}})",
                    "percentunit",
                    ((None, "text"), (0.85, "yellow"), (0.92, "red")),
                    "Share of the agents' available time that contacts took. Above 85 to 90 % people burn out.",
                ),
                stat(
                    "Alerts",
                    'count(ALERTS{alertname=~"Acd.*",alertstate="firing"}) or vector(0)',
                    "short",
                    ((None, "green"), (1, "red")),
                ),
            ),
        ),
        (
            "",
            (
                lines(
                    "Contacts waiting",
                    Query(f"acd_queue_waiting{{{TENANT}}} + acd_queue_offered{{{TENANT}}}", NAME),
                    stacked=True,
                ),
                lines(
                    "Agents by state",
                    *(
                        Query(f'sum by (state) (acd_agents{{{ONE},state="{state}"}})', "{{state}}")
                        for state in ("busy", "wrapup", "offered", "ready", "cooldown", "paused")
                    ),
                    stacked=True,
                ),
            ),
        ),
        (
            "",
            (
                lines(
                    "Arrived, answered, gave up per minute",
                    Query(per_minute("acd_queue_entered_total", TENANT), "arrived"),
                    Query(per_minute("acd_queue_answered_total", TENANT), "answered"),
                    Query(per_minute("acd_queue_abandoned_total", TENANT), "gave up"),
                ),
                lines(
                    "Service level by tenant", Query(service_level("tenant", TENANT), "{{tenant}}"), unit="percentunit"
                ),
            ),
        ),
        (
            "Queues now",
            (
                Panel(
                    "Queues",
                    "table",
                    (
                        Query(
                            f"sum by (tenant, queue) (acd_queue_waiting{{{TENANT}}} + acd_queue_offered{{{TENANT}}})",
                            "Waiting",
                        ),
                        Query(
                            f"sum by (tenant, queue) (acd_queue_oldest_wait_seconds{{{TENANT}}})", "Longest wait (s)"
                        ),
                        Query(f"sum by (tenant, queue) (acd_queue_connected{{{TENANT}}})", "Talking"),
                        Query(service_level("tenant, queue", TENANT), "Service level, 30 min"),
                        Query(mean("acd_queue_wait_seconds", TENANT, "tenant, queue"), "Speed of answer (s)"),
                        Query(
                            f'max by (tenant, queue) (acd_queue_wait_estimate_seconds{{{TENANT},share="p50"}})',
                            "Would wait (s)",
                        ),
                        Query(
                            f"sum by (tenant, queue) (increase(acd_queue_abandoned_total{{{TENANT}}}[30m]))",
                            "Gave up, 30 min",
                        ),
                    ),
                    instant=True,
                    height=10,
                ),
            ),
        ),
    ),
    (TENANTS,),
)

QUEUES = Dashboard(
    "acd-queue",
    "ACD queue",
    "One queue in depth: how long do its callers wait, and why?",
    (
        (
            "",
            (
                stat("Waiting", f"sum(acd_queue_waiting{{{QUEUE}}})"),
                stat("Being rung", f"sum(acd_queue_offered{{{QUEUE}}})"),
                stat("Talking", f"sum(acd_queue_connected{{{QUEUE}}})"),
                stat("In wrap-up", f"sum(acd_queue_wrapup{{{QUEUE}}})"),
                stat("Longest wait", f"max(acd_queue_oldest_wait_seconds{{{QUEUE}}})", "s"),
                stat("Service level, 30 min", service_level("instance", QUEUE), "percentunit", GOOD_IS_HIGH),
                stat("Speed of answer, 30 min", mean("acd_queue_wait_seconds", QUEUE, "instance"), "s"),
                stat("Handle time, 30 min", mean("acd_queue_handle_seconds", QUEUE, "instance"), "s"),
            ),
        ),
        (
            "Waiting",
            (
                lines("Waits of those answered", *quantiles("acd_queue_wait_seconds", QUEUE), unit="s"),
                Panel(
                    "Waits, how many of which length",
                    "heatmap",
                    (
                        Query(
                            f"sum by (le) (increase(acd_queue_wait_seconds_bucket{{{QUEUE}}}[$__rate_interval]))",
                            "{{le}}",
                        ),
                    ),
                    unit="s",
                ),
            ),
        ),
        (
            "",
            (
                lines(
                    "Longest wait, and target",
                    Query(f"acd_queue_oldest_wait_seconds{{{QUEUE}}}", NAME),
                    Query(f"acd_queue_target_seconds{{{QUEUE}}}", f"target of {NAME}"),
                    unit="s",
                ),
                lines(
                    "Waiting, and how many may",
                    Query(f"acd_queue_waiting{{{QUEUE}}}", NAME),
                    Query(f"acd_queue_waiting_max{{{QUEUE}}} > 0", f"limit of {NAME}"),
                ),
            ),
        ),
        (
            "Forecasts",
            (
                lines(
                    "What one who joins now is told",
                    Query(f'acd_queue_wait_estimate_seconds{{{QUEUE},share="p50"}}', f"half, {NAME}"),
                    Query(f'acd_queue_wait_estimate_seconds{{{QUEUE},share="p90"}}', f"nine of ten, {NAME}"),
                    unit="s",
                ),
                lines(
                    "How far forecasts were off",
                    Query(
                        f"sum(increase(acd_queue_forecast_off_seconds_total{{{QUEUE}}}[30m])) / "
                        f"(sum(increase(acd_queue_forecasts_total{{{QUEUE}}}[30m])) > 0)",
                        "either way, on average",
                    ),
                    Query(
                        f"sum(delta(acd_queue_forecast_bias_seconds{{{QUEUE}}}[30m])) / "
                        f"(sum(increase(acd_queue_forecasts_total{{{QUEUE}}}[30m])) > 0)",
                        "told too much",
                    ),
                    unit="s",
                    note="Over 30 minutes. Below 0, callers are told too little.",
                ),
                lines(
                    "Waits that ended in time",
                    Query(
                        f"sum by (share) (increase(acd_queue_forecasts_within_total{{{QUEUE}}}[30m])) / "
                        f"on () group_left () (sum(increase(acd_queue_forecasts_total{{{QUEUE}}}[30m])) > 0)",
                        "within {{share}}",
                    ),
                    unit="percentunit",
                    note="Over 30 minutes: half of them should end within p50, nine of ten within p90.",
                ),
            ),
        ),
        (
            "Ends and offers",
            (
                lines(
                    "How contacts ended, per minute",
                    Query(
                        per_minute("acd_queue_ended_total", QUEUE, "reason") + " > 0",
                        "{{reason}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "How offers ended, per minute",
                    Query(
                        per_minute("acd_queue_offers_ended_total", QUEUE, "outcome"),
                        "{{outcome}}",
                    ),
                    Query(per_minute("acd_queue_offers_total", QUEUE), "made"),
                ),
            ),
        ),
        (
            "Other ways: another queue, a callback, closed",
            (
                lines(
                    "Left for another queue, per minute",
                    Query(per_minute("acd_queue_overflowed_total", QUEUE, "queue"), "{{queue}}"),
                    note="By a step, or because they might not join or not stay.",
                ),
                lines(
                    "Callbacks, per minute",
                    Query(per_minute("acd_queue_callbacks_total", QUEUE), "asked for"),
                    Query(per_minute("acd_queue_callback_failures_total", QUEUE), "attempts in vain"),
                    Query(
                        f'60 * sum(rate(acd_queue_ended_total{{{QUEUE},reason="callback_done"}}[$__rate_interval])) / {SPEED}',
                        "reached",
                    ),
                ),
                lines(
                    "Callbacks that wait for their time, and queues that are closed",
                    Query(f"sum(acd_queue_parked{{{QUEUE}}})", "parked callbacks"),
                    Query(f"sum(acd_queue_closed{{{QUEUE}}})", "closed queues"),
                ),
            ),
        ),
        (
            "Time",
            (
                lines("From offer to acceptance", *quantiles("acd_queue_accept_seconds", QUEUE), unit="s"),
                lines("Handle time", *quantiles("acd_queue_handle_seconds", QUEUE), unit="s"),
                lines(
                    "Talk: conversations at a time",
                    Query(
                        f"sum(rate(acd_queue_talk_seconds_total{{{QUEUE}}}[$__rate_interval])) / {SPEED}",
                        "mean of ended talk",
                    ),
                ),
            ),
        ),
    ),
    (TENANTS, QUEUES_OF_TENANT),
)

AGENTS = Dashboard(
    "acd-agents",
    "ACD agents",
    "Who is there, what do they do, and are they well? Single agents need a server with --metrics-agents.",
    (
        (
            "",
            (
                *(
                    stat(title, f'sum(acd_agents{{{ONE},state="{state}"}})')
                    for title, state in (
                        ("Ready", "ready"),
                        ("Rung", "offered"),
                        ("Talking", "busy"),
                        ("Wrap-up", "wrapup"),
                        ("Cooldown", "cooldown"),
                        ("Paused", "paused"),
                    )
                ),
                stat(
                    "Occupancy, 30 min",
                    f"max(acd:occupancy:ratio30m{{{ONE}}})",
                    "percentunit",
                    ((None, "text"), (0.85, "yellow"), (0.92, "red")),
                ),
                stat(
                    "Offers missed, 30 min",
                    f"max(acd:offers_missed:ratio30m{{{ONE}}})",
                    "percentunit",
                    ((None, "green"), (0.1, "yellow"), (0.2, "red")),
                ),
            ),
        ),
        (
            "",
            (
                lines(
                    "Agents by state",
                    Query(f'sum by (state) (acd_agents{{{ONE},state!="logged_out"}})', "{{state}}"),
                    stacked=True,
                ),
                lines(
                    "Paused agents by reason",
                    Query(f'sum by (reason) (acd_agents{{{ONE},state="paused",reason!=""}})', "{{reason}}"),
                    stacked=True,
                ),
            ),
        ),
        (
            "",
            (
                lines(
                    "What the time goes into",
                    Query(
                        f'sum by (state) (rate(acd_agent_seconds_total{{{ONE},state!="logged_out"}}[$__rate_interval])) / {SPEED}',
                        "{{state}}",
                    ),
                    stacked=True,
                    note="Agents in each state on average.",
                ),
                lines("Occupancy", Query(f"acd:occupancy:ratio30m{{{ONE}}}", "{{instance}}"), unit="percentunit"),
                lines(
                    "On duty and logged in",
                    Query(f"acd:agents_on_duty:sum{{{ONE}}}", "on duty"),
                    Query(f"acd:agents_logged_in:sum{{{ONE}}}", "logged in"),
                ),
            ),
        ),
        (
            "Single agents (--metrics-agents)",
            (
                Panel(
                    "State",
                    "state-timeline",
                    (Query(f"acd_agent_state{{{ONE}}} > 0", "{{agent}}"),),
                    height=14,
                    share=2,
                    mappings={str(number): state for number, state in enumerate(AGENT_STATES)},
                ),
                Panel(
                    "Agents",
                    "table",
                    (
                        Query(f"sum by (agent) (acd_agent_answered_total{{{ONE}}})", "Answered"),
                        Query(f"sum by (agent) (acd_agent_missed_total{{{ONE}}})", "Missed"),
                        Query(f"sum by (agent) (acd_agent_rejected_total{{{ONE}}})", "Rejected"),
                        Query(f"sum by (agent) (acd_agent_talk_seconds_total{{{ONE}}})", "Talk (s)"),
                    ),
                    instant=True,
                    height=14,
                ),
            ),
        ),
    ),
)

ENGINE = Dashboard(
    "acd-engine",
    "ACD engine",
    "Is the machine well? For operators.",
    (
        (
            "",
            (
                stat("Ready", f"min(acd_ready{{{ONE}}})", "short", ((None, "red"), (1, "green"))),
                stat("Events per second", f"sum(rate(acd_events_total{{{ONE}}}[$__rate_interval]))"),
                stat("Decision, p99", f"max(acd:apply_seconds:p99_5m{{{ONE}}})", "s"),
                stat(
                    "Journal, p99",
                    f"max(acd:journal_flush_seconds:p99_5m{{{ONE}}})",
                    "s",
                    ((None, "green"), (0.02, "yellow"), (0.1, "red")),
                ),
                stat(
                    "Loop lag, p99",
                    f"max(acd:loop_lag_seconds:p99_5m{{{ONE}}})",
                    "s",
                    ((None, "green"), (0.02, "yellow"), (0.1, "red")),
                ),
                stat("Live contacts", f"sum(acd_contacts{{{ONE}}})"),
                stat("Of the limit", f"sum(acd_contacts{{{ONE}}}) / sum(acd_contacts_max{{{ONE}}})", "percentunit"),
                stat("Up since", f'time() - max(process_start_time_seconds{{{ONE},job="acd"}})', "s"),
            ),
        ),
        (
            "Work",
            (
                lines(
                    "Commands per second",
                    Query(f"sum by (type) (rate(acd_commands_total{{{ONE}}}[$__rate_interval])) > 0", "{{type}}"),
                    stacked=True,
                ),
                lines(
                    "Refusals per second",
                    Query(
                        f'sum by (outcome) (rate(acd_command_outcomes_total{{{ONE},outcome!="ok"}}[$__rate_interval]))',
                        "{{outcome}}",
                    ),
                    Query(
                        f"sum(rate(acd_refused_lines_total{{{ONE}}}[$__rate_interval]))", "lines that are no message"
                    ),
                ),
                lines("Contacts by state", Query(f"sum by (state) (acd_contacts{{{ONE}}})", "{{state}}"), stacked=True),
            ),
        ),
        (
            "Latency",
            (
                lines(
                    "Searching for a match, p99",
                    Query(
                        "histogram_quantile(0.99, sum by (type, le) (rate("
                        f'acd_apply_seconds_bucket{{{ONE},type=~"{MATCHING}"}}[$__rate_interval])))',
                        "{{type}}",
                    ),
                    unit="s",
                ),
                lines("A command in the engine", *quantiles("acd_apply_seconds", ONE), unit="s"),
                lines("An append to the journal", *quantiles("acd_journal_flush_seconds", ONE), unit="s"),
                lines("Lag of the event loop", *quantiles("acd_loop_lag_seconds", ONE), unit="s"),
            ),
        ),
        (
            "Journal",
            (
                lines("Commands in a batch", *quantiles("acd_journal_batch_commands", ONE)),
                lines("Bytes in a batch", *quantiles("acd_journal_batch_bytes", ONE), unit="bytes"),
                lines(
                    "Appends and ticks per second",
                    Query(f"rate(acd_journal_batches_total{{{ONE}}}[$__rate_interval])", "appends"),
                    Query(f"rate(acd_ticks_total{{{ONE}}}[$__rate_interval])", "ticks"),
                ),
                lines(
                    "Waiting for the append under way",
                    Query(f"acd_journal_pending_bytes{{{ONE}}}", "bytes"),
                    unit="bytes",
                ),
            ),
        ),
        (
            "Process",
            (
                lines(
                    "Processor",
                    Query(f'rate(process_cpu_seconds_total{{{ONE},job="acd"}}[$__rate_interval])', "cores"),
                    unit="percentunit",
                ),
                lines("Memory", Query(f'process_resident_memory_bytes{{{ONE},job="acd"}}', "resident"), unit="bytes"),
                lines(
                    "Open files",
                    Query(f'process_open_fds{{{ONE},job="acd"}}', "open"),
                    Query(f'process_max_fds{{{ONE},job="acd"}}', "limit"),
                ),
                lines("A scrape", Query(f'scrape_duration_seconds{{{ONE},job="acd"}}', "duration"), unit="s"),
                lines(
                    "Engine time less machine time",
                    Query(
                        f"acd_engine_time_seconds{{{ONE}}} - timestamp(acd_engine_time_seconds{{{ONE}}})", "difference"
                    ),
                    unit="s",
                    note="Grows when the clock runs faster on purpose (acd_clock_speed).",
                ),
            ),
        ),
        (
            "What runs",
            (
                Panel(
                    "Versions",
                    "table",
                    (
                        Query(f"max by (instance, version, python) (acd_build_info{{{ONE}}})", "Running"),
                        Query(f"max by (instance) (acd_clock_speed{{{ONE}}})", "Clock speed"),
                        Query(f"max by (instance) (acd_queues{{{ONE}}})", "Queues"),
                        Query(f"max by (instance) (acd_queues_summed{{{ONE}}})", "Queues summed up"),
                        Query(f"max by (instance) (acd_journal_record{{{ONE}}})", "Journal record"),
                        Query(f"sum by (instance) (acd_internal_errors_total{{{ONE}}})", "Internal errors"),
                    ),
                    instant=True,
                    height=5,
                ),
            ),
        ),
    ),
)

ADAPTERS = Dashboard(
    "acd-adapters",
    "ACD adapters",
    "Are the adapters there, do they read, and what did they miss?",
    (
        (
            "",
            (
                stat(
                    "Adapters gone",
                    f"count(acd_client_connected{{{ONE}}} == 0) or vector(0)",
                    "short",
                    ((None, "green"), (1, "red")),
                    "Clients that own agents or contacts and are not connected.",
                ),
                stat("Connections", f"sum(acd_connections{{{ONE}}})"),
                stat("Subscribers", f"sum(acd_subscribers{{{ONE}}})"),
                stat(
                    "Cut off, 1 h",
                    f"sum(increase(acd_connections_dropped_total{{{ONE}}}[1h]))",
                    "short",
                    ((None, "green"), (1, "red")),
                    "Connections ended because their client did not read.",
                ),
                stat(
                    "Gaps, 1 h",
                    f"sum(increase(acd_resume_gaps_total{{{ONE}}}[1h]))",
                    "short",
                    ((None, "green"), (1, "yellow")),
                    "Clients that came back too late for all events.",
                ),
                stat(
                    "Left out",
                    f"sum(acd_clients_left_out{{{ONE}}})",
                    note="Clients beyond those that the metrics show.",
                ),
            ),
        ),
        (
            "",
            (
                Panel(
                    "Connected",
                    "state-timeline",
                    (Query(f"acd_client_connected{{{ONE}}}", "{{client}}"),),
                    mappings={"0": "gone", "1": "connected"},
                    share=2,
                ),
                Panel(
                    "Clients",
                    "table",
                    (
                        Query(f"max by (client) (acd_client_connected{{{ONE}}})", "Connected"),
                        Query(f"sum by (client) (acd_client_agents{{{ONE}}})", "Agents"),
                        Query(f"sum by (client) (acd_client_contacts{{{ONE}}})", "Contacts"),
                        Query(f"sum by (client) (acd_client_unsent_bytes{{{ONE}}})", "Unsent (bytes)"),
                    ),
                    instant=True,
                ),
            ),
        ),
        (
            "Traffic",
            (
                lines(
                    "Bytes per second",
                    Query(f"rate(acd_received_bytes_total{{{ONE}}}[$__rate_interval])", "received"),
                    Query(f"rate(acd_sent_bytes_total{{{ONE}}}[$__rate_interval])", "sent"),
                    unit="Bps",
                ),
                lines(
                    "Events sent and requests per second",
                    Query(f"rate(acd_events_sent_total{{{ONE}}}[$__rate_interval])", "copies of events"),
                    Query(f"rate(acd_requests_total{{{ONE}}}[$__rate_interval])", "requests"),
                ),
                lines("Unsent", Query(f"acd_client_unsent_bytes{{{ONE}}}", "{{client}}"), unit="bytes"),
            ),
        ),
        (
            "Coming and going",
            (
                lines(
                    "Connections opened, replaced, cut off per minute",
                    Query(f"60 * rate(acd_connections_opened_total{{{ONE}}}[$__rate_interval])", "opened"),
                    Query(f"60 * rate(acd_connections_replaced_total{{{ONE}}}[$__rate_interval])", "replaced"),
                    Query(f"60 * rate(acd_connections_dropped_total{{{ONE}}}[$__rate_interval])", "cut off"),
                ),
                lines(
                    "Resumed per minute",
                    Query(f"60 * rate(acd_resumes_total{{{ONE}}}[$__rate_interval])", "got what they missed"),
                    Query(f"60 * rate(acd_resume_gaps_total{{{ONE}}}[$__rate_interval])", "came too late"),
                    Query(
                        f"60 * rate(acd_clients_ahead_total{{{ONE}}}[$__rate_interval])",
                        "had seen what the journal lacks",
                    ),
                ),
                lines("Events kept for those that missed some", Query(f"acd_ring_events{{{ONE}}}", "events")),
                lines("Their size", Query(f"acd_ring_bytes{{{ONE}}}", "bytes"), unit="bytes"),
            ),
        ),
    ),
)

DASHBOARDS = (OVERVIEW, QUEUES, AGENTS, ENGINE, ADAPTERS)


def main(directory: Path) -> None:
    """Write all dashboards."""
    directory.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        (directory / f"{dashboard.uid}.json").write_text(rendered(dashboard), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
