"""Who is which agent: ids in requirements, and rows that are used again when the configuration changes."""

import pytest

from acd_core import Config, Engine, Machine, Outcome
from acd_core.config import Agent, Queue, Tenant
from acd_core.events import ContactOffered
from acd_core.model import Model

NOW = 1_700_000_000_000_000_000


def configured(*agents: Agent) -> Config:
    return Config(
        tenants=(Tenant("acme"),), queues=(Queue(tenant="acme", name="q", offer_timeout_s=600),), agents=agents
    )


def offered(machine: Machine) -> list[tuple[str, str]]:
    """Who was offered which contact since this was asked last."""
    events = [addressed.event for addressed in machine.take_events()]
    return [(event.contact, event.agent) for event in events if isinstance(event, ContactOffered)]


def enqueue(machine: Machine, now: int, contact: str, require: str) -> None:
    assert machine.enqueue_contact(now, "pbx", contact, "acme", "q", 0, require, {}) == Outcome.OK


@pytest.mark.parametrize("make", [Model, Engine])
@pytest.mark.parametrize(
    ("require", "agent"),
    [
        ('agent.id=="ben"', "ben"),
        ('agent.id!="anna"', "ben"),
        ("agent.id!=5", "anna"),
        ("agent.id==5", ""),
        ("agent.id>=0", ""),
        ('agent.id=="5"', ""),
        ('agent.id=="carl"', ""),
        ('agent.id=="anna" | agent.id=="ben"', "anna"),
    ],
)
def test_an_id_is_the_agent_s_own_whatever_attribute_has_that_name(
    make: type[Machine], require: str, agent: str
) -> None:
    machine = make()
    machine.apply_config(NOW, configured(Agent(agent="anna", attributes={"id": "ben"}), Agent(agent="ben")))
    for now, name in enumerate(("anna", "ben"), NOW + 1):
        machine.login_agent(now, "desk", name, None, True)
    enqueue(machine, NOW + 9, "c", require)
    assert offered(machine) == ([("c", agent)] if agent else [])
    machine.check()


@pytest.mark.parametrize("make", [Model, Engine])
def test_a_contact_that_asks_for_somebody_gets_him_once_he_is_configured(make: type[Machine]) -> None:
    machine = make()
    machine.apply_config(NOW, configured(Agent(agent="anna"), Agent(agent="ben")))
    enqueue(machine, NOW + 1, "c", 'agent.id=="carl"')
    enqueue(machine, NOW + 2, "d", 'agent.id=="ben"')
    machine.apply_config(NOW + 3, configured(Agent(agent="carl"), Agent(agent="anna")))
    for now, name in enumerate(("anna", "carl"), NOW + 4):
        machine.login_agent(now, "desk", name, None, True)
    assert offered(machine) == [("c", "carl")]
    machine.check()


def test_rows_of_who_left_are_used_again_in_whatever_order() -> None:
    engine, model = Engine(), Model()
    names = [f"agent-{number}" for number in range(40)]
    for turn in range(12):
        chosen = [*names[turn * 5 % 37 :], *names[: turn * 3]][:: (-1) ** turn][: 10 + turn]
        there = list(dict.fromkeys(chosen))
        config = configured(*(Agent(agent=name, address=f"PJSIP/{turn}") for name in there))
        for machine in (engine, model):
            machine.apply_config(NOW + turn, config)
            machine.take_events()
        assert [view.agent for view in engine.agents()] == there
        assert [engine.agent(name) is not None for name in names] == [name in there for name in names]
        assert engine.digest() == model.digest()
        assert Engine.load(engine.dump()).digest() == engine.digest()
