"""Which of his queues an agent serves: what he may choose, and what becomes of it under another configuration."""

import pytest
from msgspec.structs import replace

from acd_core import Config, Engine, Machine, Outcome
from acd_core.config import Agent, Queue, Tenant
from acd_core.events import AgentQueuesChanged
from acd_core.joined import choice, still_there
from acd_core.model import Model

NOW = 1_700_000_000_000_000_000
KNOWN = {("acme", "support"): 1, ("acme", "sales"): 2, ("bolt", "info"): 3}
SUPPORT, SALES, INFO = "acme/support", "acme/sales", "bolt/info"
CONFIG = Config(
    tenants=(Tenant("acme"), Tenant("bolt")),
    queues=tuple(Queue(tenant=tenant, name=name) for tenant, name in KNOWN),
    agents=(Agent(agent="anna"),),
)


@pytest.mark.parametrize(
    ("before", "queues", "join", "leave", "after"),
    [
        ((), (SUPPORT, SALES, SUPPORT), (), (), (SALES, SUPPORT)),
        ((SALES,), None, (), (), ()),
        ((SALES,), None, (SUPPORT,), (), (SALES, SUPPORT)),
        ((), None, (SUPPORT,), (), ()),
        ((), None, (), (SUPPORT,), (SALES, INFO)),
        ((SALES,), None, (SUPPORT,), (SALES,), (SUPPORT,)),
        ((SALES,), None, (), (SUPPORT,), (SALES,)),
    ],
)
def test_a_choice_that_is_allowed(
    before: tuple[str, ...],
    queues: tuple[str, ...] | None,
    join: tuple[str, ...],
    leave: tuple[str, ...],
    after: tuple[str, ...],
) -> None:
    assert choice(before, queues, join, leave, (), KNOWN) == (Outcome.OK, after)


@pytest.mark.parametrize(
    ("queues", "join", "leave", "outcome"),
    [
        ((), (), (), Outcome.QUEUES_INVALID),
        ((SALES,), (SUPPORT,), (), Outcome.QUEUES_INVALID),
        (None, (SALES,), (SALES,), Outcome.QUEUES_INVALID),
        (None, (), (SALES,), Outcome.QUEUES_INVALID),
        (("acme/nowhere",), (), (), Outcome.QUEUE_UNKNOWN),
        (None, (), (INFO,), Outcome.QUEUE_NOT_SERVED),
        (None, ("bolt/nowhere",), (), Outcome.QUEUE_NOT_SERVED),
    ],
)
def test_a_choice_that_is_refused_changes_nothing(
    queues: tuple[str, ...] | None, join: tuple[str, ...], leave: tuple[str, ...], outcome: Outcome
) -> None:
    assert choice((SALES,), queues, join, leave, ("acme",), KNOWN) == (outcome, (SALES,))


def test_what_is_gone_or_not_his_drops_out_of_a_choice() -> None:
    assert still_there((SALES, SUPPORT, INFO), ("acme",), {("acme", "support"), ("bolt", "info")}) == (SUPPORT,)
    assert still_there((SALES,), (), {("acme", "support")}) == ()


@pytest.mark.parametrize("machine_type", [Model, Engine])
def test_another_configuration_takes_queues_out_of_a_choice_and_adds_none(machine_type: type[Machine]) -> None:
    machine = machine_type()
    machine.apply_config(NOW, CONFIG)
    assert machine.login_agent(NOW, "desk", "anna", None, True, (SALES, INFO)) == Outcome.OK
    machine.take_events()

    def chosen_under(config: Config) -> tuple[tuple[str, ...], list[int]]:
        assert machine.apply_config(NOW, config) == Outcome.OK
        view = machine.agent("anna")
        assert view is not None
        told = [event.queues for event, _, _ in machine.take_events() if isinstance(event, AgentQueuesChanged)]
        machine.check()
        return view.queues, told

    more = replace(CONFIG, queues=(*CONFIG.queues, Queue(tenant="acme", name="new")))
    assert chosen_under(more) == ((SALES, INFO), [])
    assert chosen_under(replace(more, agents=(Agent(agent="anna", tenants=("acme",)),))) == ((SALES,), [1])
    assert chosen_under(CONFIG) == ((SALES,), [])
    assert chosen_under(replace(CONFIG, queues=CONFIG.queues[::2])) == ((), [0])
    assert chosen_under(CONFIG) == ((), [])


@pytest.mark.parametrize("machine_type", [Model, Engine])
def test_a_choice_lasts_until_logout(machine_type: type[Machine]) -> None:
    machine = machine_type()
    machine.apply_config(NOW, CONFIG)
    machine.login_agent(NOW, "desk", "anna", None, True, (SALES,))
    assert machine.login_agent(NOW, "desk", "anna", None, True) == Outcome.DUPLICATE
    assert machine.login_agent(NOW, "desk", "anna", "SIP/1", True, (INFO,)) == Outcome.OK
    view = machine.agent("anna")
    assert view is not None
    assert view.queues == (INFO,)
    machine.logout_agent(NOW, "anna")
    machine.login_agent(NOW, "desk", "anna", None, True)
    view = machine.agent("anna")
    assert view is not None
    assert view.queues == ()
