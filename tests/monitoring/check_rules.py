"""What promtool says of rules and their tests, and of the metrics of a server."""

import subprocess

from server.exposition import exposition, process_text
from tests.monitoring.prometheus import ROOT, RULES
from tests.test_metrics import FakeSequencer, centre, enqueue, snapshot_of

DEPLOY = ROOT / "deploy" / "prometheus"


def promtool(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_rules_are_valid() -> None:
    promtool("check", "rules", *map(str, RULES))


def test_the_example_configuration_is_valid() -> None:
    promtool("check", "config", str(DEPLOY / "prometheus.yml"))


def test_every_alert_fires_and_clears_as_its_test_says() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(DEPLOY / "tests" / "acd-alerts.yml"))


def test_promtool_has_nothing_to_say_about_our_metrics() -> None:
    machine = centre()
    enqueue(machine, "c-1", 0)
    sequencer = FakeSequencer(machine)
    text = "".join(exposition(snapshot_of(sequencer, agents=True))) + process_text()
    assert promtool("check", "metrics", text=text).strip() == ""
