"""What clients may name without end takes room only while it is in use."""

import tracemalloc
from collections.abc import Callable

import pytest

from acd_core import Config, Engine, Outcome
from acd_core.config import Agent, Queue, Settings, Step, Tenant
from acd_core.wishes import Wishes

NOW = 1_795_300_000_000_000_000
ROUNDS = 30_000
BYTES_MAX = 1_500_000
CONFIG = Config(
    settings=Settings(ended_contacts_kept=0),
    tenants=(Tenant(name="acme"),),
    queues=(Queue(tenant="acme", name="support"),),
    agents=(Agent(agent="a-1"),),
)


def name_an_attribute(engine: Engine, number: int) -> int:
    return engine.update_agent(NOW, "a-1", None, None, {f"attribute-{number}": 1})


def give_an_attribute_a_text(engine: Engine, number: int) -> int:
    return engine.update_agent(NOW, "a-1", None, None, {"site": f"text-{number}"})


def require_something(engine: Engine, number: int) -> int:
    outcome = engine.enqueue_contact(NOW, "pbx", "c-1", "acme", "support", 0, f"agent.site == {number}", {})
    engine.abandon_contact(NOW, "c-1")
    return outcome


def put_a_requirement_in_another_way(engine: Engine, number: int) -> int:
    site = f"agent.site{' ' * (number % 200)}=={' ' * (number // 200)}1"
    outcome = engine.enqueue_contact(NOW, "pbx", "c-1", "acme", "support", 0, site, {})
    engine.abandon_contact(NOW, "c-1")
    return outcome


@pytest.mark.parametrize(
    "name", [name_an_attribute, give_an_attribute_a_text, require_something, put_a_requirement_in_another_way]
)
def test_names_that_are_not_in_use_any_more_are_forgotten(name: Callable[[Engine, int], int]) -> None:
    engine = Engine()
    assert engine.apply_config(NOW, CONFIG) == Outcome.OK
    tracemalloc.start()
    try:
        for number in range(ROUNDS):
            assert name(engine, number) == Outcome.OK
            engine.discard_events()
        assert tracemalloc.get_traced_memory()[0] < BYTES_MAX
    finally:
        tracemalloc.stop()


def test_more_steps_than_a_contact_can_count_are_refused_before_anything_happens() -> None:
    engine = Engine()
    engine.apply_config(NOW, CONFIG)
    digest = engine.digest()
    fewer, more = (
        Wishes(steps=tuple(Step(after_s=second, priority=1) for second in range(1, count + 1))) for count in (200, 300)
    )
    with pytest.raises(OverflowError, match="301 stages"):
        engine.enqueue_contact(NOW, "pbx", "c-1", "acme", "support", 0, "", {}, "inbound", more)
    assert engine.digest() == digest
    assert engine.enqueue_contact(NOW, "pbx", "c-1", "acme", "support", 0, "", {}, "inbound", fewer) == Outcome.OK
    engine.advance(NOW + 400 * 1_000_000_000)
    assert [contact.step for contact in engine.contacts()] == [200]
