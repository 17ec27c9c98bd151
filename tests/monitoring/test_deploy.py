"""Dashboards and rules are what their sources say, and name only metrics that exist. Nothing here needs Prometheus."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from server.collector import METRICS
from tests.monitoring.prometheus import ROOT, RULES, expressions, selectors
from tools.dashboards import DASHBOARDS, TARGET
from tools.grafana import rendered

FOREIGN = {"up", "ALERTS", "scrape_duration_seconds", "process_start_time_seconds", "process_cpu_seconds_total"}
FOREIGN |= {"process_resident_memory_bytes", "process_open_fds", "process_max_fds"}
RUNBOOK = ROOT / "docs" / "runbook"


def known_names() -> set[str]:
    """All sample names that our metrics and recording rules make."""
    names = set(FOREIGN)
    for metric in METRICS:
        parts = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.name + part for part in parts}
    return names | {name for path in RULES for name, _ in expressions(path.read_text()) if name.startswith("acd:")}


def alerts() -> list[tuple[str, str]]:
    text = next(path for path in RULES if path.name == "acd-alerts.yml").read_text()
    return list(expressions(text))


def panels(dashboard: Any) -> list[Any]:
    return [panel for panel in json.loads(rendered(dashboard))["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_dashboards_are_up_to_date(dashboard: Any) -> None:
    path = TARGET / f"{dashboard.uid}.json"
    assert path.read_text() == rendered(dashboard), "run `make docs`"


def test_there_are_no_other_dashboards() -> None:
    assert {path.stem for path in TARGET.iterdir()} == {dashboard.uid for dashboard in DASHBOARDS}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_fit_the_grid_and_do_not_overlap(dashboard: Any) -> None:
    model = json.loads(rendered(dashboard))
    ids = [panel["id"] for panel in model["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in model["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["w"] >= 3, f"{panel['title']} is too narrow to be read"
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_queries_use_the_variables_that_the_dashboard_has(dashboard: Any) -> None:
    model = json.loads(rendered(dashboard))
    has = {variable["name"] for variable in model["templating"]["list"]}
    for panel in panels(dashboard):
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= has, f"{panel['title']}: {target['expr']}"


def test_dashboards_and_rules_name_only_metrics_that_exist() -> None:
    exprs = [
        (panel["title"], target["expr"])
        for board in DASHBOARDS
        for panel in panels(board)
        for target in panel["targets"]
    ]
    exprs += [rule for path in RULES for rule in expressions(path.read_text())]
    assert len(exprs) > 100
    known = known_names()
    for title, expr in exprs:
        used = {selector.partition("{")[0] for selector in selectors(expr)}
        assert used, f"{title}: {expr}"
        assert used <= known, f"{title}: {used - known}"


def test_every_alert_has_a_test_and_a_page() -> None:
    names = [name for name, _ in alerts()]
    assert len(names) > 15
    tests = (ROOT / "deploy" / "prometheus" / "tests" / "acd-alerts.yml").read_text()
    for name in names:
        assert f'alertname="{name}"' in tests, name
        page = (RUNBOOK / f"{name}.md").read_text()
        assert page.startswith(f"# {name}\n"), name
    text = next(path for path in RULES if path.name == "acd-alerts.yml").read_text()
    assert re.findall(r"runbook: docs/runbook/(\w+)\.md", text) == names
    assert {path.stem for path in RUNBOOK.glob("Acd*.md")} == set(names)


def test_provisioning_names_the_directory_that_the_guide_names() -> None:
    provisioning = (TARGET.parent / "provisioning" / "dashboards" / "acd.yml").read_text()
    directory = re.search(r"path: (\S+)", provisioning)
    assert directory is not None
    assert directory[1] in Path(ROOT / "docs" / "monitoring.md").read_text()
