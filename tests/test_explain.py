"""Explanations: the true first reason for every agent, on the readable model and on the engine alike."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from acd_core import Config, Engine, Machine, Outcome
from acd_core.config import Agent, Queue, Settings, StayRule, Step, Tenant
from acd_core.explain import ContactExplanation, explain_agent, explain_contact
from acd_core.explain_offer import explain_offer
from acd_core.model import Model
from acd_core.requirement import meets, parse
from acd_core.wishes import Preferred, Wishes

S = 1_000_000_000
START = 1_800_000_000 * S

CENTRE = Config(
    tenants=(Tenant(name="acme"), Tenant(name="zenith")),
    queues=(
        Queue(tenant="acme", name="billing", require="billing>=30", wrapup_s=30, offer_timeout_s=20),
        Queue(tenant="acme", name="support", wrapup_s=0, reject_cooldown_s=8, offer_timeout_s=20),
        Queue(tenant="zenith", name="sales", require="spanish"),
    ),
    agents=(
        Agent(agent="expert", skills={"billing": 90, "spanish": 50}),
        Agent(agent="senior", skills={"billing": 40}),
        Agent(agent="junior", skills={"billing": 20}),
        Agent(agent="novice", skills={"english": 80}),
        Agent(agent="zenith-only", tenants=("zenith",), skills={"billing": 99, "spanish": 99}),
    ),
)


@pytest.fixture(params=[Model, Engine], ids=["model", "engine"])
def machine(request: pytest.FixtureRequest) -> Machine:
    made: Machine = request.param()
    assert made.apply_config(START, CENTRE) == Outcome.OK
    return made


def enqueue(machine: Machine, contact: str, at: int = 0, queue: str = "acme/billing", priority: int = 0) -> None:
    tenant, name = queue.split("/")
    assert machine.enqueue_contact(START + at * S, "pbx", contact, tenant, name, priority, "", {}) == Outcome.OK


def login(machine: Machine, agent: str, at: int = 0, ready: bool = True) -> None:
    assert machine.login_agent(START + at * S, "pbx", agent, None, ready) == Outcome.OK


def accept(machine: Machine, agent: str, at: int) -> None:
    view = machine.agent(agent)
    assert view is not None
    assert machine.accept_offer(START + at * S, view.offer) == Outcome.OK


def explained(machine: Machine, contact: str, at: int) -> ContactExplanation:
    found = explain_contact(machine, contact, now=START + at * S)
    assert found is not None
    return found


def reasons(found: ContactExplanation) -> dict[str, str]:
    return {verdict.agent: verdict.text for verdict in found.agents}


def test_an_unknown_contact_has_no_explanation(machine: Machine) -> None:
    assert explain_contact(machine, "never-seen") is None


def test_a_paused_agent_is_told_with_his_reason(machine: Machine) -> None:
    login(machine, "senior", ready=False)
    machine.pause_agent(START, "senior", "lunch")
    enqueue(machine, "c-1")
    found = explained(machine, "c-1", at=10)
    assert reasons(found) == {"senior": "paused: lunch"}
    assert found.summary == (
        "c-1 waits in acme/billing for 10 s. It is next. It asks for billing>=30. "
        "1 agent logged in, 1 of them qualifies: 1 paused."
    )


def test_a_busy_agent_is_told_with_contact_and_time(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    accept(machine, "senior", at=2)
    enqueue(machine, "c-2", at=5)
    assert reasons(explained(machine, "c-2", at=75)) == {"senior": "busy with contact c-1 for 73 s"}


def test_a_rung_agent_is_told_with_the_contact_he_is_rung_for(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    enqueue(machine, "c-2", at=3)
    assert reasons(explained(machine, "c-2", at=5)) == {"senior": "rung for contact c-1, for another 15 s"}


def test_an_agent_in_wrapup_is_told_with_the_time_left(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    accept(machine, "senior", at=1)
    assert machine.complete_contact(START + 10 * S, "c-1", "completed_agent") == Outcome.OK
    enqueue(machine, "c-2", at=12)
    assert reasons(explained(machine, "c-2", at=15)) == {"senior": "in wrap-up of contact c-1, for another 25 s"}


def test_an_agent_who_rests_from_work_is_told_so(machine: Machine) -> None:
    settings = Settings(occupancy_half_life_s=60, occupancy_max=40, occupancy_resume=20)
    assert machine.apply_config(START, msgspec.structs.replace(CENTRE, settings=settings)) == Outcome.OK
    login(machine, "senior")
    enqueue(machine, "c-1", queue="acme/support")
    accept(machine, "senior", at=0)
    assert machine.complete_contact(START + 60 * S, "c-1", "completed_agent") == Outcome.OK
    enqueue(machine, "c-2", queue="acme/support", at=61)
    found = explained(machine, "c-2", at=61)
    assert [verdict.condition for verdict in found.agents] == ["rest"]
    assert reasons(found) == {"senior": "resting from too much work, for another 78 s"}
    told = explain_agent(machine, "senior", now=START + 61 * S)
    assert told is not None
    assert (told.condition, told.reason, told.for_s) == ("rest", "occupancy", 78)


def test_an_agent_in_cooldown_is_told_with_the_cause(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1", queue="acme/support")
    view = machine.agent("senior")
    assert view is not None
    assert machine.reject_offer(START + 1 * S, view.offer, "busy") == Outcome.OK
    assert reasons(explained(machine, "c-1", at=3)) == {"senior": "in cooldown (busy), for another 6 s"}


def test_a_logout_that_waits_for_the_end_of_a_contact_is_told(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    accept(machine, "senior", at=1)
    assert machine.logout_agent(START + 2 * S, "senior") == Outcome.OK
    enqueue(machine, "c-2", at=3)
    assert reasons(explained(machine, "c-2", at=4)) == {"senior": "logging out, still busy with contact c-1 for 3 s"}


def test_a_pause_comes_before_the_contact_in_hand(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    accept(machine, "senior", at=1)
    machine.pause_agent(START + 2 * S, "senior", "lunch")
    enqueue(machine, "c-2", at=3)
    assert reasons(explained(machine, "c-2", at=4)) == {"senior": "paused: lunch, still busy with contact c-1 for 3 s"}


def test_agents_who_do_not_fit_are_told_what_they_lack(machine: Machine) -> None:
    for agent in ("junior", "novice", "zenith-only"):
        login(machine, agent)
    enqueue(machine, "c-1")
    found = explained(machine, "c-1", at=0)
    assert reasons(found) == {
        "junior": "skill billing 20, needs 30",
        "novice": "lacks skill billing",
        "zenith-only": "does not serve tenant acme",
    }
    assert [(row.condition, row.agents, row.qualified) for row in found.conditions] == [
        ("tenant", 1, 0),
        ("skill_missing", 1, 0),
        ("level_too_low", 1, 0),
    ]


def test_absent_agents_who_have_the_skill_are_counted(machine: Machine) -> None:
    login(machine, "junior")
    enqueue(machine, "c-1")
    assert explained(machine, "c-1", at=0).summary.endswith(
        "Nobody logged in has billing>=30; 2 agents who have it are logged out."
    )


def test_a_skill_that_nobody_has_is_told(machine: Machine) -> None:
    login(machine, "junior")
    outcome = machine.enqueue_contact(START, "pbx", "c-1", "acme", "billing", 0, "billing>=100", {})
    assert outcome == Outcome.OK
    assert explained(machine, "c-1", at=0).summary.endswith("Nobody has billing>=100, logged in or not.")


def test_skills_that_are_there_but_not_in_one_person_are_told(machine: Machine) -> None:
    login(machine, "senior")
    login(machine, "novice")
    outcome = machine.enqueue_contact(START, "pbx", "c-1", "acme", "billing", 0, "english", {})
    assert outcome == Outcome.OK
    assert explained(machine, "c-1", at=0).summary.endswith(
        "Nobody has all of billing>=30 & english, logged in or not."
    )


def test_ranks_that_do_not_count_yet_and_the_next_step_are_told(machine: Machine) -> None:
    queue = Queue(tenant="acme", name="tiered", rank_max=0, steps=(Step(after_s=30, rank_max=1),))
    second = Agent(agent="second", ranks={"acme/tiered": 1})
    config = msgspec.structs.replace(CENTRE, queues=(*CENTRE.queues, queue), agents=(*CENTRE.agents, second))
    assert machine.apply_config(START, config) == Outcome.OK
    login(machine, "second")
    enqueue(machine, "c-1", at=10, queue="acme/tiered")
    found = explained(machine, "c-1", at=15)
    assert found.summary == (
        "c-1 waits in acme/tiered for 5 s. It asks for no skill. In 25 s step 1 of its queue holds for it. "
        "Nobody logged in has a rank up to 0 in acme/tiered; 4 agents who have one are logged out."
    )
    assert [(verdict.agent, verdict.condition, verdict.text) for verdict in found.agents] == [
        ("second", "rank", "rank 1 in acme/tiered, only up to 0 counts yet")
    ]
    machine.advance(START + 40 * S)
    assert explained(machine, "c-1", at=40).state == "offered"


def test_who_is_waited_for_by_name_is_told(machine: Machine) -> None:
    for agent in ("senior", "expert"):
        login(machine, agent)
    enqueue(machine, "c-1", at=1)
    senior = machine.contact("c-1")
    assert senior is not None
    (other,) = {"senior", "expert"} - {senior.agent}
    wishes = Wishes(prefer=(Preferred(senior.agent),), prefer_s=30, prefer_wait=True)
    outcome = machine.enqueue_contact(START + 2 * S, "pbx", "c-2", "acme", "billing", 0, "", {}, wishes=wishes)
    assert outcome == Outcome.OK
    found = explained(machine, "c-2", at=12)
    assert f"It waits for {senior.agent} for another 20 s." in found.summary
    assert {verdict.agent: verdict.condition for verdict in found.agents} == {
        senior.agent: "offered",
        other: "preferred",
    }
    of_other = explain_agent(machine, other, now=START + 12 * S)
    assert of_other is not None
    assert (of_other.waiting, of_other.could_serve) == (1, 0)


def test_that_a_preference_decided_is_told(machine: Machine) -> None:
    for agent in ("expert", "senior"):
        login(machine, agent)
    machine.watch_offer("o-1")
    wishes = Wishes(prefer=(Preferred("nobody", 9), Preferred("senior")), prefer_s=30)
    outcome = machine.enqueue_contact(START + 2 * S, "pbx", "c-1", "acme", "billing", 0, "", {}, wishes=wishes)
    assert outcome == Outcome.OK
    assert machine.witnessed is not None
    found = explain_offer(machine.witnessed)
    assert (found.agent, found.decided_by) == ("senior", "preference")
    assert [candidate.name for candidate in found.candidates] == ["senior", "expert"]
    assert found.summary.endswith("What decided was preference: the contact prefers senior to expert.")


def test_a_contact_that_may_not_stay_is_told_so(machine: Machine) -> None:
    queue = Queue(tenant="acme", name="strict", stay=(StayRule(when="closed", after_s=60),))
    assert machine.apply_config(START, msgspec.structs.replace(CENTRE, queues=(*CENTRE.queues, queue))) == Outcome.OK
    enqueue(machine, "c-1", queue="acme/strict")
    assert machine.close_queue(START + 5 * S, "acme", "strict", "fire") == Outcome.OK
    assert "It leaves this queue in 50 s, since its queue is closed." in explained(machine, "c-1", at=15).summary


def test_what_else_is_required_is_told(machine: Machine) -> None:
    login(machine, "senior")
    outcome = machine.enqueue_contact(START, "pbx", "c-1", "acme", "support", 0, "spanish | agent.site == 'x'", {})
    assert outcome == Outcome.OK
    found = explained(machine, "c-1", at=0)
    assert [(verdict.condition, verdict.text) for verdict in found.agents] == [
        ("requirement", 'does not meet (spanish | agent.site=="x")')
    ]
    assert found.summary.endswith(
        'Nobody logged in meets (spanish | agent.site=="x"); 1 agent who meets it is logged out.'
    )


def test_a_contact_may_ask_for_as_many_skills_again_as_its_queue(machine: Machine) -> None:
    wide = " & ".join(f"q{number}" for number in range(16))
    queues = (msgspec.structs.replace(CENTRE.queues[0], require=wide), *CENTRE.queues[1:])
    skills = tuple(f"{letter}{number}" for letter in "qc" for number in range(16))
    agent = Agent(agent="senior", skills=dict.fromkeys(skills, 5) | {"c15": 4})
    config = Config(tenants=CENTRE.tenants, queues=(*queues,), agents=(agent,), skills=(*skills, "spanish"))
    assert machine.apply_config(START, config) == Outcome.OK
    login(machine, "senior")
    own = " & ".join(f"c{number}>=5" for number in range(16))
    assert machine.enqueue_contact(START, "pbx", "c-1", "acme", "billing", 0, own, {}) == Outcome.OK
    assert reasons(explained(machine, "c-1", at=0)) == {"senior": "skill c15 4, needs 5"}


def test_an_empty_floor_is_told(machine: Machine) -> None:
    enqueue(machine, "c-1")
    assert explained(machine, "c-1", at=0).summary.endswith("Nobody is logged in; 2 agents who qualify are logged out.")


def test_position_counts_competitors_only(machine: Machine) -> None:
    login(machine, "senior", ready=False)
    enqueue(machine, "spanish-1", at=0, queue="zenith/sales")
    enqueue(machine, "support-1", at=1, queue="acme/support")
    enqueue(machine, "billing-1", at=2)
    enqueue(machine, "billing-2", at=3)
    found = explained(machine, "billing-2", at=4)
    assert (found.position, found.queue_position, found.exact) == (3, 2, True)
    assert "2 contacts that it competes with go first." in found.summary


def test_priority_moves_a_contact_forward(machine: Machine) -> None:
    enqueue(machine, "normal", at=0)
    enqueue(machine, "urgent", at=5, priority=1)
    assert explained(machine, "urgent", at=6).position == 1
    assert explained(machine, "normal", at=6).position == 2


def test_what_puts_a_contact_elsewhere_than_its_arrival_is_told(machine: Machine) -> None:
    queues = (Queue(tenant="acme", name="support", credit_window_s=600),)
    assert machine.apply_config(START, Config(tenants=(Tenant(name="acme"),), queues=queues)) == Outcome.OK

    def come(contact: str, at: int, wishes: Wishes) -> None:
        outcome = machine.enqueue_contact(
            START + at * S, "pbx", contact, "acme", "support", 0, "", {}, "inbound", wishes
        )
        assert outcome == Outcome.OK

    come("gave-up", 0, Wishes(caller="rita"))
    assert machine.abandon_contact(START + 40 * S, "gave-up") == Outcome.OK
    come("back", 50, Wishes(caller="rita", age_ns=7 * S))
    come("plain", 51, Wishes(caller="uwe"))
    told = explained(machine, "back", 60)
    assert (told.age_s, told.credit_s, told.by_hand) == (47, 40, False)
    assert "It counts as if it had waited for 57 s." in told.summary
    assert "It came with an age of 7 s. Its caller waited 40 s in vain before, which counts as" in told.summary
    assert machine.update_contact(START + 61 * S, "plain", None, None, place="first") == Outcome.OK
    moved = explained(machine, "plain", 62)
    assert moved.by_hand
    assert moved.position == 1
    assert "It was put at its place by hand." in moved.summary
    assert "by hand" not in explained(machine, "back", 62).summary


def test_positions_are_lower_bounds_when_more_wait_than_are_looked_at(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acd_core.explain.CONTACTS_SCANNED_MAX", 2)
    for number in range(4):
        enqueue(machine, f"c-{number}", at=number)
    login(machine, "senior", at=5, ready=False)
    found = explained(machine, "c-3", at=5)
    assert (found.position, found.exact) == (3, False)
    assert "At least 2 contacts" in found.summary


def test_an_agent_who_is_not_logged_in_to_the_queue_is_told_so(machine: Machine) -> None:
    assert machine.login_agent(START, "pbx", "senior", None, True, ("acme/support",)) == Outcome.OK
    login(machine, "novice")
    enqueue(machine, "c-1")
    found = explained(machine, "c-1", at=3)
    assert reasons(found) == {
        "senior": "not logged in to acme/billing, only to acme/support",
        "novice": "lacks skill billing",
    }
    assert {row.condition: row.qualified for row in found.conditions} == {"skill_missing": 0, "not_joined": 0}
    assert found.summary.endswith("1 agent could serve it, but is not logged in to acme/billing.")
    agent = explain_agent(machine, "senior", now=START + 3 * S)
    assert agent is not None
    assert agent.could_serve == 0
    assert [obstacle.condition for obstacle in agent.queues[0].obstacles] == ["not_joined"]
    assert machine.choose_queues(START + 4 * S, "senior", None, ("acme/billing",), ()) == Outcome.OK
    assert explained(machine, "c-1", at=4).state == "offered"


def test_a_contact_that_would_wait_too_long_is_told_when_it_goes(machine: Machine) -> None:
    rule = StayRule(when="wait_estimate", over_s=5, after_s=30, to="patient")
    queues = (Queue(tenant="acme", name="hasty", stay=(rule,)), Queue(tenant="acme", name="patient"))
    assert machine.apply_config(START, replace(CENTRE, queues=(*CENTRE.queues, *queues))) == Outcome.OK
    login(machine, "senior", ready=False)
    enqueue(machine, "c-1", queue="acme/hasty")
    enqueue(machine, "c-2", queue="acme/hasty")
    assert machine.ready_agent(START + 100 * S, "senior") == Outcome.OK
    accept(machine, "senior", at=100)
    machine.advance(START + 111 * S)
    found = explained(machine, "c-2", at=115)
    assert "It leaves this queue in 15 s, if it would still have to wait too long then." in found.summary
    machine.advance(START + 131 * S)
    assert explained(machine, "c-2", at=131).trail == (
        "0 s ago it left hasty for patient, since it would have waited too long there",
    )


def test_long_lists_of_agents_are_cut_and_the_counts_stay_complete(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acd_core.explain.AGENTS_LISTED_MAX", 1)
    for agent in ("junior", "novice", "zenith-only"):
        login(machine, agent)
    enqueue(machine, "c-1")
    found = explained(machine, "c-1", at=0)
    assert (len(found.agents), found.agents_left_out, found.agents_logged_in) == (1, 2, 3)
    assert sum(row.agents for row in found.conditions) == 3


def test_the_other_states_of_a_contact_are_told_plainly(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    assert explained(machine, "c-1", at=5).summary == (
        "c-1 waits in acme/billing for 5 s and rings at agent senior, for another 15 s at most. "
        "If he does not answer, it goes on from where it stood."
    )
    accept(machine, "senior", at=6)
    assert machine.hold_contact(START + 7 * S, "c-1", True) == Outcome.OK
    assert explained(machine, "c-1", at=9).summary == (
        "c-1 of acme/billing talks with agent senior for 3 s, on hold now, after 6 s of waiting."
    )
    assert machine.complete_contact(START + 10 * S, "c-1", "completed_caller") == Outcome.OK
    found = explained(machine, "c-1", at=12)
    assert (found.state, found.reason, found.wait_s) == ("wrapup", "completed_caller", 6)
    assert "does its after-work for 2 s" in found.summary
    machine.advance(START + 60 * S)
    found = explained(machine, "c-1", at=60)
    assert (found.state, found.reason) == ("ended", "completed_caller")
    assert found.summary == "c-1 is over: completed_caller."


def test_an_unknown_agent_has_no_explanation(machine: Machine) -> None:
    assert explain_agent(machine, "nobody") is None


def test_a_free_agent_is_told_what_he_cannot_serve(machine: Machine) -> None:
    login(machine, "junior")
    enqueue(machine, "b-1", at=1)
    enqueue(machine, "b-2", at=2)
    enqueue(machine, "s-1", at=3, queue="zenith/sales")
    found = explain_agent(machine, "junior", now=START + 63 * S)
    assert found is not None
    assert (found.state, found.condition, found.waiting, found.could_serve) == ("ready", "none", 3, 0)
    assert found.summary == "junior is free for 63 s. 3 contacts wait, and he could serve none of them."
    by_queue = {
        f"{row.tenant}/{row.queue}": (row.waiting, row.could_serve, [(o.text, o.contacts) for o in row.obstacles])
        for row in found.queues
    }
    assert by_queue == {
        "acme/billing": (2, 0, [("skill billing 20, needs 30", 2)]),
        "zenith/sales": (1, 0, [("lacks skill spanish", 1)]),
    }


def test_a_paused_agent_is_told_what_waits_for_him(machine: Machine) -> None:
    login(machine, "expert", ready=False)
    enqueue(machine, "b-1")
    found = explain_agent(machine, "expert", now=START + 10 * S)
    assert found is not None
    assert (found.condition, found.reason, found.since_s) == ("paused", "login", 10)
    assert found.summary == "expert is paused: login. 1 contact waits; 1 of them he could serve: once he is free."


def test_a_rung_agent_is_told_for_how_long(machine: Machine) -> None:
    login(machine, "expert")
    enqueue(machine, "b-1")
    found = explain_agent(machine, "expert", now=START + 4 * S)
    assert found is not None
    assert (found.state, found.contact, found.for_s) == ("offered", "b-1", 16)


def test_a_question_changes_nothing(machine: Machine) -> None:
    login(machine, "senior")
    enqueue(machine, "c-1")
    enqueue(machine, "c-2")
    before = machine.digest()
    explained(machine, "c-2", at=10_000)
    explain_agent(machine, "senior", now=START + 10_000 * S)
    assert machine.digest() == before
    assert machine.take_events()
    assert machine.now == START


SKILLS = st.dictionaries(st.sampled_from(["billing", "spanish", "english"]), st.integers(1, 100))
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["enqueue", "login", "ready", "pause", "logout", "accept", "reject", "complete", "abandon"]),
        st.integers(0, 5),
        st.integers(0, 20),
    ),
    max_size=60,
)


@pytest.mark.parametrize("kind", [Model, Engine], ids=["model", "engine"])
@settings(max_examples=60, deadline=None)
@given(skills=st.lists(SKILLS, min_size=6, max_size=6), acts=ACTS)
def test_every_logged_in_agent_falls_into_exactly_one_condition(
    kind: type[Machine], skills: list[dict[str, int]], acts: list[tuple[str, int, int]]
) -> None:
    machine = kind()
    config = msgspec.structs.replace(
        CENTRE, agents=tuple(Agent(agent=f"a-{i}", skills=levels) for i, levels in enumerate(skills))
    )
    machine.apply_config(START, config)
    now = START
    queues = ["acme/billing", "acme/support", "zenith/sales"]
    for number, (act, index, delay) in enumerate(acts):
        now += delay * S
        agent = machine.agent(f"a-{index}")
        assert agent is not None
        match act:
            case "enqueue":
                tenant, queue = queues[index % 3].split("/")
                machine.enqueue_contact(now, "pbx", f"c-{number}", tenant, queue, index, "", {})
            case "login":
                machine.login_agent(now, "pbx", agent.agent, None, True)
            case "ready":
                machine.ready_agent(now, agent.agent)
            case "pause":
                machine.pause_agent(now, agent.agent, "lunch")
            case "logout":
                machine.logout_agent(now, agent.agent)
            case "accept" if agent.offer:
                machine.accept_offer(now, agent.offer)
            case "reject" if agent.offer:
                machine.reject_offer(now, agent.offer, "")
            case "complete" if agent.contact:
                machine.complete_contact(now, agent.contact, "completed_agent")
            case "abandon" if machine.contacts():
                machine.abandon_contact(now, machine.contacts()[0].contact)
    logged_in = {agent.agent for agent in machine.agents() if agent.presence != "logged_out"}
    waiting = [contact for contact in machine.contacts() if contact.state == "queued"]
    for contact in waiting:
        found = explain_contact(machine, contact.contact)
        assert found is not None
        assert [verdict.agent for verdict in found.agents] == [
            a.agent for a in machine.agents() if a.agent in logged_in
        ]
        assert sum(row.agents for row in found.conditions) == found.agents_logged_in == len(logged_in)
        assert {row.condition: row.agents for row in found.conditions} == Counter(v.condition for v in found.agents)
        assert sum(row.qualified for row in found.conditions) == found.agents_qualified
        assert "none" not in {row.condition for row in found.conditions}, "a free agent could serve a waiting contact"
        assert 1 <= found.queue_position <= len(waiting)
        for verdict in found.agents:
            view = machine.agent(verdict.agent)
            assert view is not None
            fits = all(meets(node, view.skills, view.attributes) for node in parse(contact.require))
            assert verdict.qualified == fits
    for view in machine.agents():
        agent_found = explain_agent(machine, view.agent)
        assert agent_found is not None
        assert agent_found.waiting == len(waiting) == sum(row.waiting for row in agent_found.queues)
        for row in agent_found.queues:
            assert row.could_serve + sum(obstacle.contacts for obstacle in row.obstacles) == row.waiting
        if agent_found.condition == "none":
            assert agent_found.could_serve == 0, "a free agent could serve a waiting contact"


def test_the_way_of_a_contact_is_told_step_by_step(machine: Machine) -> None:
    login(machine, "senior")
    login(machine, "expert", at=1)
    enqueue(machine, "c-1", at=10)
    view = machine.agent("senior")
    assert view is not None
    assert machine.reject_offer(START + 12 * S, view.offer, "busy") == Outcome.OK
    machine.advance(START + 32 * S)
    assert machine.pause_agent(START + 32 * S, "senior", "lunch") == Outcome.OK
    assert machine.login_agent(START + 33 * S, "pbx", "junior", None, True) == Outcome.OK
    assert machine.transfer_contact(START + 40 * S, "c-1", "support", "junior", None, True, None, None) == Outcome.OK
    accept(machine, "junior", at=41)
    assert machine.pause_agent(START + 41 * S, "expert", "lunch") == Outcome.OK
    assert machine.ready_agent(START + 42 * S, "senior") == Outcome.OK
    assert machine.ready_agent(START + 42 * S, "expert") == Outcome.OK
    assert (
        machine.consult_contact(START + 42 * S, "pbx", "c-1", "q-1", "billing", "expert", None, 0, "", {}) == Outcome.OK
    )
    accept(machine, "expert", at=43)
    assert "A colleague is being asked about it by q-1." in explained(machine, "c-1", 44).summary
    assert "By it junior asks a colleague about c-1." in explained(machine, "q-1", 44).summary
    assert machine.merge_contact(START + 45 * S, "q-1", False) == Outcome.OK
    assert "talks with agents junior, expert" in explained(machine, "c-1", 46).summary
    assert machine.drop_contact(START + 46 * S, "c-1", "junior") == Outcome.OK
    assert explained(machine, "c-1", 50).trail == (
        "38 s ago senior rejected it, in billing",
        "18 s ago expert let it ring out, in billing",
        "10 s ago it was sent from billing to support by hand",
        "5 s ago expert joined the conversation",
        "4 s ago junior left the conversation",
    )
