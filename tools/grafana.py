"""Grafana's dashboards as values, and as the JSON that Grafana reads.

Grafana's own SDK is not used: its builders are a layer over the same JSON, and one more thing to install.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

WIDTH = 24
SCHEMA_VERSION = 39

INSTANCES = "label_values(acd_ready, instance)"

Json = dict[str, Any]
Steps = tuple[tuple[float | None, str], ...]
Type = Literal["stat", "timeseries", "table", "bargauge", "heatmap", "state-timeline"]

COLOURS = {
    "ready": "green",
    "offered": "light-blue",
    "busy": "blue",
    "wrapup": "purple",
    "cooldown": "red",
    "paused": "yellow",
    "logged_out": "#606060",
}
"""Of the states of agents, the same on all dashboards."""


@dataclass(frozen=True)
class Query:
    """One PromQL expression and the name of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        unit: of Grafana: `s`, `percentunit`, `short`, `bytes`, `reqps`.
        steps: thresholds as (from value, colour); the first has no value.
        stacked: whether series lie on each other.
        height: in rows of Grafana's grid.
        share: how much of its row's width, as to the other panels of the row.
        note: shown when one points at the title.
        instant: whether only the latest values are asked for.
        mappings: words for values.
    """

    title: str
    type: Type
    queries: tuple[Query, ...]
    note: str = ""
    unit: str = "short"
    steps: Steps = ((None, "text"),)
    stacked: bool = False
    height: int = 8
    share: int = 1
    instant: bool = False
    mappings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard. `variables` are names of labels that can be chosen, beside the data source and the
    instance, with the queries that list their values.
    """

    uid: str
    title: str
    note: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[tuple[str, str], ...] = ()


def rendered(dashboard: Dashboard) -> str:
    """The dashboard as Grafana reads it."""
    panels: list[Json] = []
    y = 0
    for title, row in dashboard.rows:
        if title:
            panels.append(
                {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _place(0, y, WIDTH, 1)}
            )
            y += 1
        x = 0
        shares = sum(panel.share for panel in row)
        for number, panel in enumerate(row):
            width = WIDTH - x if number == len(row) - 1 else WIDTH * panel.share // shares
            panels.append(_panel(panel) | {"gridPos": _place(x, y, width, panel.height)})
            x += width
        y += max(panel.height for panel in row)
    for number, made in enumerate(panels, start=1):
        made["id"] = number
    model: Json = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.note,
        "tags": ["acd"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "ACD",
                "tags": ["acd"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {
            "list": [
                _source_variable(),
                _variable("instance", INSTANCES),
                *(_variable(*chosen) for chosen in dashboard.variables),
            ]
        },
        "panels": panels,
    }
    return json.dumps(model, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _place(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _source_variable() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
    }


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def _panel(panel: Panel) -> Json:
    source = {"type": "prometheus", "uid": "${datasource}"}
    made: Json = {
        "type": panel.type,
        "title": panel.title,
        "description": panel.note,
        "datasource": source,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": source,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "instant": panel.instant,
                "range": not panel.instant,
                **({"format": "table"} if panel.type == "table" else {}),
                **({"format": "heatmap"} if panel.type == "heatmap" else {}),
            }
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
    }
    if panel.type == "table":
        made["transformations"] = _table(panel)
    return made


def _defaults(panel: Panel) -> Json:
    defaults: Json = {
        "unit": panel.unit,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in panel.steps],
        },
    }
    if panel.type == "stat":
        defaults["color"] = {"mode": "thresholds"}
    if panel.unit == "percentunit":
        defaults |= {"min": 0, "max": 1}
    if panel.type == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        defaults["custom"] = {
            "fillOpacity": 60 if panel.stacked else 8,
            "lineWidth": 1,
            "stacking": stacking,
            "showPoints": "never",
        }
        defaults.setdefault("min", 0)
    if panel.mappings:
        words = {
            value: {"text": word, "color": COLOURS.get(word, "green" if value == "1" else "red")}
            for value, word in panel.mappings.items()
        }
        defaults["mappings"] = [{"type": "value", "options": words}]
        defaults["color"] = {"mode": "thresholds"}
    return defaults


def _overrides(panel: Panel) -> list[Json]:
    """States of agents have the same colours everywhere."""
    if not any("{{state}}" in query.legend and "acd_agent" in query.expr for query in panel.queries):
        return []
    return [
        {
            "matcher": {"id": "byName", "options": state},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for state, colour in COLOURS.items()
    ]


def _options(panel: Panel) -> Json:
    match panel.type:
        case "stat":
            return {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value",
                "graphMode": "none",
            }
        case "heatmap":
            return {"calculate": False, "color": {"scheme": "Blues", "mode": "scheme"}, "yAxis": {"unit": panel.unit}}
        case "state-timeline":
            return {
                "mergeValues": True,
                "showValue": "never",
                "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
            }
        case "timeseries":
            return {
                "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
    return {}


def _table(panel: Panel) -> list[Json]:
    """One row for each set of labels, one column for each query."""
    names = {f"Value #{chr(ord('A') + number)}": query.legend for number, query in enumerate(panel.queries)}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
    ]
