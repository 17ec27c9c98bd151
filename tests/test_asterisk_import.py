"""An existing queues.conf becomes our configuration, and what could not be carried over is said."""

from pathlib import Path

import pytest

from acd_core.config import Config
from acd_core.toml import read_toml
from acd_core.validation import validate
from acd_pbx.asterisk.conf_file import ConfFile, ConfFileError
from acd_pbx.asterisk.import_queues import Imported, import_queues, settings_text
from acd_pbx.asterisk.settings import read_settings
from acd_protocol.config_text import to_toml
from server.__main__ import main

QUEUES = """
[general]
autofill = yes          ; as always
[office](!)
timeout = 12
retry = 2
;-- an old one
[gone]
--;
[support](office)
strategy = rrmemory
weight = 3
wrapuptime = 10
servicelevel = 30
maxlen = 50
announce-frequency = 45
announce-holdtime = once
announce = queue-support
musicclass = jazz
autopause = yes
joinempty = strict
defaultrule = grow
mystery = 1
member => PJSIP/1001,0,Ann Lee
member => PJSIP/1002,5,Bob
[sales team]
context = leave-sales
member => PJSIP/1001,2,Ann Lee
member => Local/1003@from-queue/n,0,,hint:1003@ext-local
member => Agent/77
member => nonsense
[support](+)
monitor-format = wav
monitor-type = MixMonitor
"""
RULES = """
[grow]
penaltychange => 30,5
penaltychange => 60,+5,1
penaltychange => never
"""
AGENTS = "[agents]\nagent => 77,1234,Old Joe\n"


def conf(text: str, name: str = "x.conf") -> ConfFile:
    file = ConfFile()
    file.read_text(text, Path(name))
    return file


@pytest.fixture
def imported() -> Imported:
    return import_queues(
        conf(QUEUES, "queues.conf"), conf(RULES, "queuerules.conf"), conf(AGENTS, "agents.conf"), "acme"
    )


def imported_from(text: str) -> Imported:
    return import_queues(conf(text, "queues.conf"), ConfFile(), ConfFile(), "acme")


def said(imported: Imported, *words: str) -> bool:
    return any(all(word in remark for word in words) for remark in imported.remarks)


def test_queues_have_what_they_had(imported: Imported) -> None:
    support, sales = imported.config.queues
    assert (support.tenant, support.name, support.strategy) == ("acme", "support", "round_robin")
    assert (support.offer_timeout_s, support.no_answer_cooldown_s, support.wrapup_s) == (12, 2, 10)
    assert (support.max_waiting, support.service_level_s, support.priority) == (50, 30, 3)
    assert (support.offers_at_once, sales.offers_at_once) == (1, 1000)
    assert (sales.name, sales.offer_timeout_s) == ("sales-team", 15)
    assert imported.config.tenants[0].strict_priority is True
    assert said(imported, "weights are strict")


def test_rules_become_steps(imported: Imported) -> None:
    steps = imported.config.queues[0].steps
    assert [(step.after_s, step.rank_max) for step in steps] == [(30, 5), (60, 10)]
    assert said(imported, "queuerules.conf:4", "lowest")
    assert said(imported, "queuerules.conf:5", "cannot be read")
    assert said(imported, "QUEUE_MAX_PENALTY")


def test_members_stay_members(imported: Imported) -> None:
    agents = {agent.agent: agent for agent in imported.config.agents}
    assert list(agents) == ["Ann-Lee", "Bob", "1003", "Old-Joe"]
    ann = agents["Ann-Lee"]
    assert ann.address == "PJSIP/1001"
    assert ann.skills == {"queue_support": 100, "queue_sales-team": 100}
    assert ann.ranks == {"acme/sales-team": 2}
    assert agents["Bob"].ranks == {"acme/support": 5}
    assert (ann.missed_offers_max, agents["1003"].missed_offers_max) == (1, None)
    assert agents["1003"].address == "Local/1003@from-queue/n"
    assert said(imported, "queues.conf:", "nonsense")
    assert said(imported, "Local/1003@from-queue/n", "as his address")
    assert said(imported, "Agent/77", "no phone of their own")


def test_what_callers_hear_goes_to_the_adapter(imported: Imported) -> None:
    support = imported.queues["support"]
    assert (support.music, support.announce_every_s, support.record) == ("jazz", 45, "mixmonitor")
    position = ("sound:queue-thereare", "number:{position}", "sound:queue-callswaiting")
    assert support.announcements == (*position, ("sound:queue-holdtime", "number:{wait_min}", "sound:queue-minutes"))
    assert support.agent_announcement == "sound:queue-support"
    assert imported.queues["sales-team"].keys["5"] == "leave"
    settings = read_settings(settings_text(imported, "acme"), "pbx-1.toml")
    assert settings.queue("acme/support") == support
    assert settings.queue("acme/sales-team") == imported.queues["sales-team"]


def test_what_is_left_out_is_said_with_its_place(imported: Imported) -> None:
    assert said(imported, "queues.conf:23: support: mystery", "nothing here is like it")
    assert not said(imported, "autofill")


def test_the_result_is_a_configuration_that_apply_reads(imported: Imported) -> None:
    validate(imported.config)
    again: Config = read_toml(to_toml(imported.config), "again")
    assert again == imported.config


# Reading files


def test_a_file_includes_others_and_says_which_are_missing(tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("[b]\nx = 2\n")
    (tmp_path / "main.conf").write_text('[a]\nx = 1\\;2 ; note\n#include "more.conf"\n#include gone.conf\n#exec ls\n')
    file = ConfFile()
    file.read(tmp_path / "main.conf")
    assert {name: section.settings[0].value for name, section in file.sections.items()} == {"a": "1;2", "b": "2"}
    assert [remark.split(" ", 1)[0] for remark in file.remarks] == ["main.conf:4:", "main.conf:5:"]


def test_an_included_file_goes_on_with_the_section_as_freepbx_has_it(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text("[general]\n#include general.conf\n#include queues.conf\ny = 2\n")
    (tmp_path / "general.conf").write_text("x = 1\n")
    (tmp_path / "queues.conf").write_text("[600]\nstrategy = rrmemory\n")
    file = ConfFile()
    file.read(tmp_path / "main.conf")
    told = {name: {each.name: each.value for each in section.settings} for name, section in file.sections.items()}
    assert told == {"general": {"x": "1", "y": "2"}, "600": {"strategy": "rrmemory"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "before the first section"),
        ("[a]\nhello", "neither"),
        ("[a](b)", "no template"),
        ("[a", "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_says_where(text: str, words: str) -> None:
    with pytest.raises(ConfFileError, match=rf"^x.conf:\d+: .*{words}"):
        conf(text)


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text("#include main.conf\n")
    with pytest.raises(ConfFileError, match="include itself"):
        ConfFile().read(tmp_path / "main.conf")


def test_what_freepbx_writes_of_unused_settings_is_passed_over_and_what_it_uses_is_not(tmp_path: Path) -> None:
    (tmp_path / "queues.conf").write_text(
        "[general]\nmonitor-type=MixMonitor\n[600]\ncontext=\nmemberdelay=0\ncron_schedule=never\nautopausedelay=5\n"
        "monitor-format=wav\nstrategy=rrmemory\nmember=Local/1012@from-queue/n,0,Ann,hint:1012@ext-local\n"
    )
    file = ConfFile()
    file.read(tmp_path / "queues.conf")
    imported = import_queues(file, ConfFile(), ConfFile(), "acme")
    assert imported.queues["600"].keys == {}
    assert imported.queues["600"].record == "mixmonitor"
    assert [remark.partition(" ")[0] for remark in imported.remarks] == ["queues.conf:7:", "queues.conf:10:"]
    assert "better give the phone" in imported.remarks[1]


# The command


def test_the_command_writes_both_files_and_remarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "queues.conf").write_text(QUEUES)
    (tmp_path / "queuerules.conf").write_text(RULES)
    output, adapter = tmp_path / "acme.toml", tmp_path / "pbx.toml"
    line = ["import-queues", str(tmp_path / "queues.conf"), "--tenant", "acme"]
    assert main([*line, "--output", str(output), "--adapter-output", str(adapter)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "2 queues and 4 agents" in told.err
    assert read_toml(output.read_text(), "x").queues[0].steps
    assert read_settings(adapter.read_text(), "x").tenant == "acme"


def test_the_command_refuses_what_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-queues", str(tmp_path / "no.conf")]) == 2
    assert "no.conf" in capsys.readouterr().err
    (tmp_path / "empty.conf").write_text("[general]\n")
    assert main(["import-queues", str(tmp_path / "empty.conf")]) == 2
    assert "has no queues" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "join", "stay"),
    [
        ("joinempty = no\nleavewhenempty = yes", ["all_paused"], ["all_paused"]),
        ("joinempty = yes\nleavewhenempty = no", [], []),
        ("joinempty = strict\nleavewhenempty = loose", ["all_paused"], ["nobody"]),
        ("joinempty = unavailable,invalid,unknown\nleavewhenempty = paused, penalty", ["nobody"], ["all_paused"]),
        ("joinempty = inuse", [], []),
        ("", [], []),
    ],
)
def test_when_a_queue_is_empty_callers_may_not_join_or_stay(words: str, join: list[str], stay: list[str]) -> None:
    imported = imported_from(f"[q]\n{words}\n")
    (queue,) = imported.config.queues
    assert [rule.when for rule in queue.join] == join
    assert [rule.when for rule in queue.stay] == stay
    assert bool(said(imported, "inuse was left out")) == ("inuse" in words)


def test_a_penalty_is_a_weight_where_members_are_drawn_by_lot() -> None:
    imported = imported_from("[q]\nstrategy = wrandom\nmember => PJSIP/1,0,Ann\nmember => PJSIP/2,3,Bob\n")
    assert imported.config.queues[0].strategy == "weighted_random"
    assert {agent.agent: (agent.weight, agent.ranks) for agent in imported.config.agents} == {
        "Ann": (1000, {}),
        "Bob": (250, {}),
    }
