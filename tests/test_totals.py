"""Sums of times that 64 bits of nanoseconds do not hold, which are 292 years: many who wait together come to that."""

from acd_core import Config, Engine, Outcome
from acd_core.config import Agent, CostStep, Queue, Settings, Tenant, WaitingCost

NOW = 1_795_300_000_000_000_000
SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND
MONTH = 29 * 86_400 * SECOND
PEOPLE = 400
TIMES = 10
CONFIG = Config(
    settings=Settings(ended_contacts_kept=0),
    tenants=(Tenant(name="acme"),),
    queues=(
        Queue(
            tenant="acme",
            name="support",
            max_wait_s=0,
            max_talk_s=30 * 86_400,
            waiting_cost=WaitingCost(steps=(CostStep(after_s=0, cost=1),), by_speed=True),
        ),
    ),
    agents=tuple(Agent(agent=f"a-{number}") for number in range(PEOPLE)),
)


def centuries(machine: Engine) -> int:
    """Each contact waits for a year, and talks for a month; gives when that is over. Nobody is logged in any more then."""
    assert machine.apply_config(NOW, CONFIG) == Outcome.OK
    now = NOW
    for time in range(TIMES):
        contacts = range(time * PEOPLE, (time + 1) * PEOPLE)
        for number in contacts:
            assert machine.enqueue_contact(now, "pbx", f"c-{number}", "acme", "support", 0, "", {}) == Outcome.OK
        now += YEAR
        for agent in range(PEOPLE):
            assert machine.login_agent(now, "pbx", f"a-{agent}", None, True) == Outcome.OK
        now += SECOND
        for number in contacts:
            assert machine.accept_offer(now, f"o-{number + 1}") == Outcome.OK
        now += MONTH
        for number in contacts:
            assert machine.complete_contact(now, f"c-{number}", "completed_caller") == Outcome.OK
        for agent in range(PEOPLE):
            assert machine.logout_agent(now, f"a-{agent}") == Outcome.OK
    return now


def test_centuries_of_waiting_and_talking_are_counted() -> None:
    machine = Engine()
    now = centuries(machine)
    view = machine.queue("acme", "support")
    assert view is not None
    assert view.wait_ns == TIMES * PEOPLE * (YEAR + SECOND) > 1 << 63
    assert view.talk_ns == view.handle_ns == TIMES * PEOPLE * MONTH > 1 << 63
    assert view.accept_ns == TIMES * PEOPLE * SECOND
    assert machine.enqueue_contact(now, "pbx", "last", "acme", "support", 0, "", {}) == Outcome.OK
    last = machine.contact("last")
    assert last is not None
    assert last.urgency.costs is not None
    assert last.urgency.costs.handle_ns == MONTH


def test_a_dump_has_them() -> None:
    engine = Engine()
    centuries(engine)
    engine.discard_events()
    assert Engine.load(engine.dump()).queues() == engine.queues()
