"""Scenario files: what they mean, and how their faults are told."""

import math
import re
from pathlib import Path

import pytest
from msgspec import structs

from acd_sim.scenario.build import Planned, build, read, with_warmup
from acd_sim.scenario.document import Document, ScenarioError, spelled, value_of_word
from acd_sim.virtual import Backlog, Constant, Empirical, Poisson, Profile, Recorded, Survival, replicate

HOUR = 3600.0
EXAMPLES = sorted((Path(__file__).parent.parent / "examples" / "scenarios").glob("*.toml"))

CENTRE = """
[[tenants]]
name = "t"
[[queues]]
tenant = "t"
name = "q"
"""
CALLS = """
[[contacts]]
name = "calls"
queue = "t/q"
arrivals = { per_hour = 60 }
talk = { law = "exponential", mean_s = 120 }
"""


def planned(text: str, folder: Path = Path()) -> Planned:
    return build(Document(text, "s.toml", folder))


def fault(text: str, folder: Path = Path()) -> str:
    with pytest.raises(ScenarioError) as caught:
        planned(text, folder)
    return str(caught.value)


PAGE = Path(__file__).parent.parent / "docs" / "simulation.md"
BESIDE_THE_PAGE = """
[[contacts]]
name = "technical"
queue = "acme/technical"
arrivals = { per_hour = 30 }
talk = 200
[[contacts]]
name = "second line"
queue = "acme/technical"
arrivals = { per_hour = 0 }
talk = 500
[run]
days = 3
"""


def test_what_the_page_shows_makes_a_scenario(tmp_path: Path) -> None:
    live = '[[tenants]]\nname = "acme"\n'
    live += "".join(f'[[queues]]\ntenant = "acme"\nname = "{name}"\n' for name in ("support", "billing", "technical"))
    (tmp_path / "centre.toml").write_text(live)
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "s.toml").write_text("\n".join(blocks) + BESIDE_THE_PAGE)
    model = build(read(tmp_path / "s.toml")).model
    assert model.kinds[0].onward[0].to == "second line"
    assert len(model.config.agents) == 14
    assert replicate(model).finished


def test_the_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(code.replace("replications=10", "replications=3, processes=1"), {})
    assert "Estimate(mean=0.7" in capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_every_example_is_played(path: Path) -> None:
    model = build(read(path)).model
    short = structs.replace(model, horizon_s=min(model.horizon_s, 24 * HOUR))
    replication = replicate(short, seed=1)
    assert replication.finished
    assert replication.left == 0
    assert replication.tallies[1].sum() > 0
    assert replication.totals[0].sum() == replication.totals[2].sum()


def test_teams_become_agents_with_shifts_and_habits() -> None:
    found = planned(
        CENTRE
        + CALLS
        + """
[run]
days = 7
start = "fri"
[[teams]]
name = "front"
count = 5
skills = { billing = 40 }
cost = 30
speed = 0.9
speeds = { calls = 2 }
absent = 0.1
answer = 3
shifts = [
    { from = "08:00", to = "16:00", count = 2, breaks = [{ at = "12:00", minutes = 30 }] },
    { from = "22:00", to = "06:00", weekdays = ["sat"] },
]
"""
    )
    model = found.model
    assert found.teams == {"front": ("front-1", "front-2", "front-3", "front-4", "front-5")}
    assert model.config.agents[0].skills == {"billing": 40}
    assert model.config.agents[4].cost == 30
    assert model.crews[0].answer == Constant(3)
    assert model.speeds["calls", "front-2"] == 2
    day = [shift for shift in model.shifts if shift.agents == ("front-1", "front-2")]
    assert [shift.from_s for shift in day] == [(24 * number + 8) * HOUR for number in range(7)]
    assert day[1].breaks[0].at_s == 36 * HOUR
    (night,) = [shift for shift in model.shifts if "front-3" in shift.agents]
    assert (night.from_s, night.to_s) == (46 * HOUR, 54 * HOUR)
    assert night.absent == 0.1


def test_arrivals_come_in_each_way(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("at_s,talk,left,wait\n50,10,no,5\n20,30,yes,9\n60,40,no,50\n")

    def arrivals(text: str, more: str = "") -> object:
        found = planned(CENTRE + CALLS.replace("{ per_hour = 60 }", text) + more, tmp_path)
        return found.model.kinds[0].arrivals

    assert arrivals("{ per_hour = 60 }") == Poisson(per_hour=60)
    assert arrivals('{ per_hour = 60, from = "09:00", to = "11:00" }') == Profile(
        counts=(120,), slot_s=7200, from_s=9 * HOUR
    )
    profile = arrivals(
        '{ counts = [1, 2], slot_minutes = 60, from = "8:00", weekdays = { tue = 0 }, day_cv = 0.1 }',
        '[run]\ndays = 3\n[[surges]]\nfrom = "tue 10:00"\nto = "12:00"\nfactor = 4\ncontacts = ["calls"]\n',
    )
    assert isinstance(profile, Profile)
    assert (profile.days, profile.day_cv) == ((1.0, 0.0, 1.0), 0.1)
    assert [(surge.from_s, surge.to_s) for surge in profile.surges] == [(34 * HOUR, 36 * HOUR)]
    backlog = arrivals('{ backlog = 5, total = 9, from = "1:00", to = "2:00" }')
    assert backlog == Backlog(waiting=5, total=9, from_s=HOUR, to_s=2 * HOUR)
    recorded = arrivals('{ file = "calls.csv", talk_column = "talk" }')
    assert isinstance(recorded, Recorded)
    assert recorded.at_s.tolist() == [20, 50, 60]
    assert recorded.talk_s.tolist() == [30, 10, 40]


def test_laws_can_be_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("talk,left,wait\n10,no,5\n30,yes,9\n,no,50\n")
    found = planned(
        CENTRE
        + CALLS.replace(
            '{ law = "exponential", mean_s = 120 }', '{ law = "file", path = "calls.csv", column = "talk" }'
        )
        + 'patience = { law = "kaplan_meier", path = "calls.csv", wait = "wait", left = "left" }\n',
        tmp_path,
    )
    assert found.model.kinds[0].talk == Empirical((10, 30))
    assert found.model.kinds[0].patience == Survival(((9.0, 0.5),))


def test_a_configuration_file_is_shared_and_can_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "live.toml").write_text(
        CENTRE + 'wrapup_s = 30\n[[agents]]\nagent = "a-1"\n[[agents]]\nagent = "b-1"\n'
    )
    text = (
        'config = "live.toml"\n'
        + CALLS
        + '[[queues]]\ntenant = "t"\nname = "q"\nstrategy = "linear"\n[[teams]]\nname = "a"\nagents = ["a-*"]\n'
    )
    (tmp_path / "s.toml").write_text(text)
    found = build(read(tmp_path / "s.toml"))
    (queue,) = found.model.config.queues
    assert (queue.strategy, queue.wrapup_s) == ("linear", 30)
    assert found.teams == {"a": ("a-1",)}
    assert len(found.model.config.agents) == 2


def test_a_sweep_reaches_every_key(tmp_path: Path) -> None:
    (tmp_path / "live.toml").write_text(CENTRE)
    (tmp_path / "s.toml").write_text('config = "live.toml"\n' + CALLS + '[[teams]]\nname = "a"\ncount = 1\n')
    document = read(tmp_path / "s.toml")
    document.set("teams.a.count", 4)
    document.set("contacts.calls.talk.mean_s", 60)
    document.set("contacts[1].patience", {"law": "exponential", "mean_s": 9})
    document.set("queues.t/q.strategy", "linear")
    document.set("run", {"hours": 3})
    found = build(document)
    assert len(found.teams["a"]) == 4
    assert found.model.kinds[0].talk.mean_s == 60
    assert found.model.config.queues[0].strategy == "linear"
    assert found.model.horizon_s == 3 * HOUR
    for wrong, sentence in (
        ("teams.b.count", "there is no entry 'b'; known are a"),
        ("teams[2].count", r"there is no entry \[2\]; there are 1"),
        ("contact.calls.value", "'contacts' was meant"),
        ("teams.a", "names a whole entry"),
        ("teams.a.name.x", "is a plain value"),
        ("", "names no key"),
    ):
        with pytest.raises(ScenarioError, match=sentence):
            document.set(wrong, 1)


def test_a_warm_up_can_be_found() -> None:
    text = (
        CENTRE + CALLS + '[run]\nhours = 4\nwarmup_s = "auto"\ninterval_minutes = 5\n[[teams]]\nname = "a"\ncount = 9\n'
    )
    found = planned(text)
    assert found.model.warmup_s == 0
    assert 0 <= with_warmup(found, processes=1).model.warmup_s <= 2 * HOUR


FAULTS = [
    ("x = ", "s.toml: not valid TOML: "),
    (CALLS, "s.toml:4: contacts[1].queue: there is no queue 't/q'; known are none"),
    (CENTRE + CALLS.replace("talk =", "talkk ="), "s.toml:12: contacts[1].talkk: there is no such key; 'talk' was meant?"),
    (CENTRE + CALLS.replace("talk =", "#"), "s.toml:8: contacts[1]: the key 'talk' is missing"),
    (CENTRE + CALLS.replace("120", '"long"'), "s.toml:12: contacts[1].talk.mean_s: expected a number, got"),
    (CENTRE + CALLS.replace("exponential", "exponent"), "s.toml:12: contacts[1].talk.law: invalid value 'exponent'"),
    (CENTRE + CALLS.replace('law = "exponential", ', ""), "s.toml:12: contacts[1].talk: say which law"),
    (CENTRE + CALLS.replace("per_hour = 60", ""), "s.toml:11: contacts[1].arrivals: give exactly one of"),
    (CENTRE + CALLS.replace("per_hour", "per_minute"), "s.toml:11: contacts[1].arrivals.per_minute: there is no such key"),
    (CENTRE + CALLS.replace('per_hour = 60', 'per_hour = 60, from = "9"'), 's.toml:11: contacts[1].arrivals.from: expected a time'),
    (CENTRE + CALLS + 'patience = { law = "uniform", low_s = 9, high_s = 1 }', "s.toml:13: contacts[1].patience: high_s must"),
    (CENTRE + CALLS + '[[teams]]\nname = "a"\n', "s.toml:13: teams[1]: give either count"),
    (CENTRE + CALLS + '[[teams]]\nname = "a"\nagents = ["z*"]\n', "s.toml:15: teams[1].agents: no configured agent"),
    (CENTRE + CALLS + '[[teams]]\nname = "a"\ncount = 1\nranks = { "t/x" = 1 }\n', "s.toml:16: agent a-1: ranks: there is no queue"),
    (CENTRE + "strategy = 'longest'\n" + CALLS, "s.toml:7: queues[1] (t/q): strategy: 'longest' is not one of"),
    (CENTRE + CALLS + '[[surges]]\nfrom = "9:00"\nto = "10:00"\nfactor = 2\ncontacts = ["x"]\n', "s.toml:17: surges[1].contacts: there are no contacts called 'x'"),
    (CENTRE + CALLS + '[[outages]]\nfrom = "9:00"\nto = "10:00"\nteams = ["x"]\n', "s.toml:16: outages[1].teams: there is no team 'x'"),
    (CENTRE + CALLS + '[[surges]]\nfrom = "tue 9:00"\nto = "10:00"\nfactor = 2\n', "s.toml:14: surges[1].from: 'tue 9:00' is on no day"),
    (CENTRE + CALLS + "[run]\ndays = 1\nhours = 2\n", "s.toml:15: run.hours: give days or hours"),
    ('config = "none.toml"\n' + CALLS, "s.toml:1: config: "),
    (CENTRE + CALLS + 'wrapup = { law = "file", path = "no.csv", column = "x" }\n', "s.toml:13: contacts[1].wrapup: "),
    ("config = 5\n" + CENTRE + CALLS, "s.toml:1: config: expected text, got a whole number"),
    ("wrong = 5\n" + CENTRE + CALLS, "s.toml:1: wrong: there is no such key; known are"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), FAULTS)
def test_a_fault_is_told_with_its_line_and_key(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        build(read(path))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(ScenarioError, match=r"no\.toml cannot be read: No such file"):
        read(Path("no.toml"))


def test_words_mean_what_toml_says() -> None:
    assert value_of_word("3") == 3
    assert value_of_word('"x"') == "x"
    assert value_of_word("linear") == "linear"
    assert math.isclose(value_of_word("0.5"), 0.5)
    assert spelled(("contacts", 1, "talk", "mean_s")) == "contacts[2].talk.mean_s"
