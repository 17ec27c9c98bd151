"""The live view as text: it fits the terminal, and says what the events and counters say."""

from typing import Any, TypeVar, get_origin

import msgspec
import pytest

from acd_core.events import (
    AgentChanged,
    ContactConnected,
    ContactEnded,
    ContactOffered,
    OfferEnded,
)
from acd_core.views import AgentView, QueueView
from acd_sim import centre
from acd_sim.liveview import LiveView, sparkline

S = 1_000_000_000


View = TypeVar("View", AgentView, QueueView)


def blank(kind: type[View], **values: Any) -> View:
    """A view whose fields are zero and empty but for `values`."""
    empty: dict[Any, Any] = {int: 0, str: "", bool: False}
    for field in msgspec.structs.fields(kind):
        make = get_origin(field.type)
        values.setdefault(field.name, make() if make in {dict, tuple} else empty.get(field.type))
    return kind(**values)


def queue(name: str = "support", tenant: str = "acme", **changes: Any) -> QueueView:
    return blank(QueueView, tenant=tenant, queue=name, **changes)


def agent(name: str, presence: str = "ready", activity: str = "none", **changes: Any) -> AgentView:
    return blank(AgentView, agent=name, presence=presence, activity=activity, since_ns=S, **changes)


def offered(at: int = 100 * S, **changes: Any) -> ContactOffered:
    values: dict[str, Any] = {
        "seq": 1,
        "at": at,
        "offer": "o-1",
        "contact": "c-1",
        "tenant": "acme",
        "queue": "support",
        "agent": "a-1",
        "address": "",
        "expires_in": 15,
        "wait": 14,
        "attributes": {},
    }
    return ContactOffered(**{**values, **changes})


def view() -> LiveView:
    return LiveView("ACD", lambda ns: f"12:00:{ns // S % 60:02d}", footer="http://127.0.0.1:7411/metrics")


def demo_view() -> LiveView:
    """The demo's six queues and sixty agents, with figures as long as they get on a day."""
    shown = view()
    shown.set_config(centre.configuration())
    states = [("ready", "none"), ("ready", "offered"), ("ready", "busy"), ("ready", "wrapup"), ("ready", "cooldown")]
    states += [("paused", "none"), ("logged_out", "none")]
    shown.set_agents(
        agent(member.agent, *states[number % 7], contact=f"c-{number}" if number % 7 in {1, 2} else "")
        for number, member in enumerate(centre.configuration().agents)
    )
    for waiting in range(50):
        shown.set_queues(
            [
                queue(
                    member.name,
                    tenant=member.tenant,
                    waiting=waiting * 20,
                    connected=60,
                    oldest_ns=10 * S,
                    entered=12_345,
                    answered=10_000,
                    answered_in_target=10_000,
                    abandoned_in_target=1_345,
                    ended={"abandoned": 1_345},
                    wait_ns=10**15,
                )
                for member in centre.configuration().queues
            ],
            5000 * S,
        )
    for number in range(200):
        shown.apply(offered(at=(4000 + number) * S, contact=f"c-{123_456 + number}", agent="a-07", wait=3599))
        shown.sample(3)
    return shown


def lines(shown: LiveView, width: int = 80, height: int = 24, **options: bool) -> list[str]:
    return shown.render(width, height, **options).plain.split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (100, 30), (132, 24), (80, 60)])
def test_the_demo_fits_the_terminal_and_fills_it(width: int, height: int) -> None:
    drawn = lines(demo_view(), width, height)
    assert len(drawn) == height
    assert max(map(len, drawn)) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_nothing_of_the_demo_is_cut_off(width: int, height: int) -> None:
    drawn = lines(demo_view(), width, height)
    whole = "\n".join(drawn)
    for member in centre.configuration().queues:
        (line,) = [line for line in drawn if line.startswith(f" {member.tenant}/{member.name}")]
        assert line.endswith("100 %"), "the last column is there in full"
    assert "Level" in whole
    assert "out 8" in whole
    assert "more" not in whole.split("Decisions")[0]
    assert sum(line.strip().startswith("12:00:") for line in drawn) >= 5, "decisions have room"
    letters = "".join(line[6:] for line in drawn if line.startswith((" a-01", " a-31")))
    if width == 80:
        assert sum(letters.count(letter) for letter in "ROTWCP·") == 60


@pytest.mark.parametrize(("width", "height"), [(40, 10), (20, 5), (1, 1), (80, 3), (300, 100)])
def test_any_size_of_terminal_is_survived(width: int, height: int) -> None:
    drawn = lines(demo_view(), width, height)
    assert len(drawn) <= height
    assert max(map(len, drawn)) <= width


def test_before_anything_is_known_there_is_an_empty_view() -> None:
    assert len(lines(view())) <= 24


def test_more_queues_than_room_show_those_with_most_waiting() -> None:
    shown = view()
    shown.set_queues([queue(f"q{number}", waiting=number) for number in range(100)], S)
    drawn = lines(shown)
    assert any("acme/q99" in line for line in drawn)
    assert not any("acme/q3 " in line for line in drawn)
    assert any("more with fewer waiting" in line for line in drawn)
    assert len(drawn) <= 24


def test_more_agents_than_room_are_counted() -> None:
    shown = view()
    shown.set_agents(agent(f"agent-{number:04d}") for number in range(2000))
    drawn = lines(shown)
    assert len(drawn) <= 24
    assert any("Ready 2,000" in line for line in drawn)
    assert any(line.startswith(" and ") and line.endswith("more") for line in drawn)


def test_only_ascii_is_drawn_where_nothing_else_can_be() -> None:
    assert "\n".join(lines(demo_view(), ascii_only=True)).isascii()


def test_waits_and_levels_are_those_of_the_counters() -> None:
    shown = view()
    shown.set_queues(
        [
            queue(
                waiting=2,
                offered=1,
                oldest_ns=30 * S,
                connected=4,
                entered=20,
                answered=12,
                answered_in_target=9,
                abandoned_in_target=1,
                ended={"abandoned": 4},
                wait_ns=120 * S,
            )
        ],
        100 * S,
    )
    first, second, third, _, _, row, *_ = lines(shown)
    assert "12:00:40" in first
    assert "60 %" in second, "9 of 12 answered and 3 who gave up after the target"
    assert "3 waiting, the longest for 1:10" in second
    assert "20 offered   12 answered   4 gave up (20 %)   4 talking   10 s to answer" in third
    assert row.split() == ["acme/support", "3", "▇", "1:10", "4", "12", "4", "20", "%", "60", "%"]


def test_a_decision_tells_the_wait_and_how_long_the_agent_was_ready() -> None:
    shown = view()
    shown.set_agents([agent("a-1", "paused")])
    shown.apply(AgentChanged(seq=1, at=58 * S, agent="a-1", state="ready"))
    shown.apply(offered())
    shown.apply(AgentChanged(seq=3, at=100 * S, agent="a-1", state="offered"))
    shown.sample(5)
    assert lines(shown)[-1] == " 12:00:40  support      c-1 waited 14 s → a-1, ready for 42 s"


def test_nothing_is_said_about_an_agent_of_whom_nothing_was_seen() -> None:
    shown = view()
    shown.apply(offered(wait=0))
    shown.sample(5)
    assert lines(shown)[-1] == " 12:00:40  support      c-1 at once → a-1"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            OfferEnded(
                seq=2,
                at=101 * S,
                offer="o-1",
                contact="c-1",
                tenant="acme",
                queue="support",
                agent="a-1",
                outcome="timed_out",
                cause="",
            ),
            "support      a-1 did not answer c-1: it keeps its place",
        ),
        (
            OfferEnded(
                seq=2,
                at=101 * S,
                offer="o-1",
                contact="c-1",
                tenant="acme",
                queue="support",
                agent="a-1",
                outcome="rejected",
                cause="busy",
            ),
            "support      a-1 rejected c-1 (busy): it keeps its place",
        ),
        (
            AgentChanged(seq=2, at=101 * S, agent="a-1", state="paused", reason="missed_offers"),
            "missed too many offers",
        ),
        (
            ContactEnded(
                seq=2,
                at=101 * S,
                contact="c-2",
                tenant="acme",
                queue="sales",
                agent="",
                reason="abandoned",
                wait=75,
                talk=0,
            ),
            "sales        c-2 gave up after 1:15",
        ),
        (
            ContactEnded(
                seq=2,
                at=101 * S,
                contact="c-2",
                tenant="acme",
                queue="sales",
                agent="",
                reason="queue_full",
                wait=0,
                talk=0,
            ),
            "sales        c-2 was turned away: the queue is full",
        ),
    ],
)
def test_what_goes_wrong_is_told_before_what_goes_right(event: Any, words: str) -> None:
    shown = view()
    shown.apply(offered())
    shown.apply(event)
    shown.apply(offered(at=102 * S, offer="o-2", contact="c-3"))
    shown.sample(1)
    assert words in lines(shown)[-1]


def test_a_conversation_that_ended_well_is_no_decision() -> None:
    shown = view()
    shown.apply(
        ContactEnded(
            seq=1, at=S, contact="c-1", tenant="acme", queue="q", agent="a-1", reason="completed_caller", wait=1, talk=9
        )
    )
    shown.sample(5)
    assert not shown.decisions


def test_the_grid_follows_the_agents() -> None:
    shown = view()
    shown.set_agents([agent("a-1"), agent("a-2")])
    shown.apply(AgentChanged(seq=1, at=S, agent="a-2", state="busy"))
    assert any(line.startswith(" a-1  R T") for line in lines(shown))
    shown.apply(AgentChanged(seq=2, at=S, agent="a-2", state="wrapup"))
    assert any(line.startswith(" a-1  R W") for line in lines(shown))


def test_a_large_terminal_names_the_contact_of_each_agent_and_for_how_long() -> None:
    shown = view()
    shown.set_agents([agent("a-1"), agent("a-2", "paused", pause_reason="lunch")])
    shown.apply(AgentChanged(seq=1, at=40 * S, agent="a-1", state="busy"))
    shown.apply(
        ContactConnected(seq=2, at=40 * S, contact="c-9", tenant="acme", queue="q", agent="a-1", offer="o-1", wait=1)
    )
    shown.apply(AgentChanged(seq=3, at=100 * S, agent="a-2", state="paused", reason="lunch"))
    drawn = "\n".join(lines(shown, 120, 40))
    assert "a-1 T    1:00 c-9" in drawn
    assert "a-2 P     0 s lunch" in drawn


def test_memory_is_bounded() -> None:
    shown = view()
    for number in range(1000):
        shown.apply(offered(offer=f"o-{number}"))
        shown.sample(1000)
    assert len(shown.decisions) <= 200


def test_a_sparkline_shows_the_latest_points_against_the_highest() -> None:
    assert sparkline([0, 4, 8], 4) == " ▁▅█"
    assert sparkline([1, 0], 2) == "▃▁", "a single contact does not fill the line"
    assert sparkline(range(100), 3)[-1] == "█"
    assert sparkline([0, 9], 2, ascii_only=True) == ".@"
