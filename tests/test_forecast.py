"""Forecasts of waits: against exact laws, against published errors, and in odd corners."""

import heapq
import math
from itertools import count
from random import Random
from typing import NamedTuple

import pytest

from acd_core import Engine, Machine
from acd_core._probe import forecast_with
from acd_core.config import Agent, Config, Queue, Settings, Tenant
from acd_core.events import ContactConnected, ContactOffered
from acd_core.forecast import LINES_OWN_MAX, P50_BY_SPREAD, P90_BY_SPREAD, WAIT_MAX_US, blocks, quantile
from acd_core.model import Model

S = 1_000_000_000
SERVICE_S = 100


def gamma_below(shape: float, x: float) -> float:
    """The share of a gamma distribution of scale 1 below `x`: the series of the incomplete gamma function."""
    term = total = 1 / shape
    divisor = shape
    while term > total * 1e-16:
        divisor += 1
        term *= x / divisor
        total += term
    return total * math.exp(-x + shape * math.log(x) - math.lgamma(shape))


@pytest.mark.parametrize(("share", "table"), [(0.5, P50_BY_SPREAD), (0.9, P90_BY_SPREAD)])
def test_the_tables_hold_quantiles_of_the_gamma_distribution(share: float, table: tuple[int, ...]) -> None:
    assert table[0] == 65536
    for number, entry in enumerate(table[1:], start=1):
        shape = (64 / number) ** 2
        low, high = ((entry + by) / 65536 * shape for by in (-1, 1))
        assert gamma_below(shape, low) < share < gamma_below(shape, high), number


def test_the_quantiles_of_an_exponential_wait() -> None:
    assert quantile(1_000_000, 1 << 12, P50_BY_SPREAD) == pytest.approx(1_000_000 * math.log(2), rel=1e-4)
    assert quantile(1_000_000, 1 << 12, P90_BY_SPREAD) == pytest.approx(1_000_000 * math.log(10), rel=1e-4)


def test_mean_and_spread_are_found_again_from_what_followed_from_them() -> None:
    """A snapshot has the three figures of a forecast; the row of its contact keeps what they follow from."""
    rng = Random(11)
    for _ in range(20_000):
        mean = min(round(10 ** rng.uniform(0, 11)), WAIT_MAX_US)
        spread = rng.choice((rng.randrange(0, 100), rng.randrange(0, 6_081)))
        figures = (
            mean // 1000,
            min(quantile(mean, spread, P50_BY_SPREAD), WAIT_MAX_US) // 1000,
            min(quantile(mean, spread, P90_BY_SPREAD), WAIT_MAX_US) // 1000,
        )
        found = forecast_with(*figures)
        assert found is not None, (mean, spread)
        assert found[1] == figures
        if mean > 10_000_000_000:
            assert abs(found[0][1] - spread) <= 2 or figures[2] == WAIT_MAX_US // 1000


@pytest.mark.parametrize(
    "figures", [(1_000, 1_001, 2_000), (1_000, 100, 2_300), (1_000, 700, 500), (-1, 0, 0), (10**9, 10**9, 10**9)]
)
def test_no_forecast_is_found_where_none_has_such_figures(figures: tuple[int, int, int]) -> None:
    assert forecast_with(*figures) is None


@pytest.mark.parametrize("steps", [1, 5, 32, 33, 100, 1000, 54_321, 10_000_000])
def test_a_long_sum_is_taken_in_few_blocks_and_loses_little(steps: int) -> None:
    taken = list(blocks(steps))
    assert sum(number for number, _ in taken) == steps
    assert len(taken) <= 120
    for loss in (0, 0.001, 0.1, 3):
        by_blocks = sum(number / (1 + middle / 2 * loss) for number, middle in taken)
        if steps <= 54_321:
            exact = sum(1 / (1 + step * loss) for step in range(steps))
        else:  # the difference of two digamma functions, by their logarithms
            exact = (
                steps if loss == 0 else math.log((1 / loss + steps - 0.5) / (1 / loss - 0.5)) / loss if loss < 1 else 0
            )
        if exact:
            assert by_blocks == pytest.approx(exact, rel=0.006)


class Scored(NamedTuple):
    """What was forecast to a contact, and what it waited, in mean service times."""

    mean: float
    wait: float
    in_p50: bool
    in_p90: bool


def run(arrivals: float, patience: float, agents: int, calls: int, machine: Machine) -> list[Scored]:
    """Poisson arrivals, exponential service and patience, by rates in service times; those who waited and were served."""
    rng, order = Random(7), count()
    queue = Queue(tenant="acme", name="support", max_wait_s=0, offer_timeout_s=3600)
    people = tuple(Agent(agent=f"a-{number}") for number in range(agents))
    settings = Settings(ended_contacts_kept=0)
    machine.apply_config(0, Config(tenants=(Tenant("acme"),), queues=(queue,), agents=people, settings=settings))
    for agent in people:
        machine.login_agent(0, "pbx", agent.agent, None, True)
    machine.take_events()
    due: list[tuple[int, int, str, str]] = [(0, next(order), "arrival", "")]
    arrived: dict[str, int] = {}
    scored: list[Scored] = []

    def later(now: int, rate: float, what: str, contact: str) -> None:
        heapq.heappush(due, (now + round(rng.expovariate(rate) * SERVICE_S * S), next(order), what, contact))

    while due:
        now, _, what, contact = heapq.heappop(due)
        if what == "arrival":
            contact = f"c-{len(arrived)}"
            arrived[contact] = now
            machine.enqueue_contact(now, "pbx", contact, "acme", "support", 0, "", {})
            if len(arrived) < calls:
                later(now, arrivals, "arrival", "")
            if patience:
                later(now, patience, "impatience", contact)
        elif what == "impatience":
            view = machine.contact(contact)
            if view is not None and view.state == "queued":
                machine.abandon_contact(now, contact)
        else:
            machine.complete_contact(now, contact, "completed_agent")
        for event, _, _ in machine.take_events():
            if isinstance(event, ContactOffered):
                view = machine.contact(event.contact)
                assert view is not None
                machine.accept_offer(now, event.offer)
                later(now, 1, "completion", event.contact)
                wait_ms = (now - arrived[event.contact]) // 1_000_000
                told = view.estimate
                if told is not None and len(arrived) > calls // 10:
                    scored.append(
                        Scored(
                            told.mean_ms / 1000 / SERVICE_S,
                            wait_ms / 1000 / SERVICE_S,
                            wait_ms <= told.p50_ms,
                            wait_ms <= told.p90_ms,
                        )
                    )
    return scored


@pytest.mark.parametrize(("arrivals", "patience"), [(95, 0), (105, 1)])
def test_the_error_is_close_to_that_of_who_knows_the_rates(arrivals: float, patience: float) -> None:
    """In Ibrahim and Whitt's setting, in mean service times: the queue-length predictor with known rates has, without
    abandonment, the mean squared error E[W] / s, and 9.07e-4 in their overloaded centre; the last to enter service
    has twice as much.
    """
    scored = run(arrivals, patience, 100, 25_000, Engine())
    error = sum((one.mean - one.wait) ** 2 for one in scored) / len(scored)
    known_rates = 9.07e-4 if patience else sum(one.wait for one in scored) / len(scored) / 100
    assert error < 1.4 * known_rates
    assert sum(one.in_p50 for one in scored) / len(scored) == pytest.approx(0.5, abs=0.06)
    assert sum(one.in_p90 for one in scored) / len(scored) == pytest.approx(0.9, abs=0.03)


def test_the_engine_scores_itself_as_its_callers_would() -> None:
    engine = Engine()
    scored = run(9, 0.5, 8, 3000, engine)
    (queue,) = engine.queues()
    assert queue.forecasts >= len(scored) > 500
    error_s = queue.forecast_error_ms / queue.forecasts / 1000
    assert error_s == pytest.approx(sum(s.mean - s.wait for s in scored) / len(scored) * SERVICE_S, abs=5)
    assert queue.forecast_in_p90 / queue.forecasts == pytest.approx(
        sum(one.in_p90 for one in scored) / len(scored), abs=0.03
    )


@pytest.fixture(params=[Model, Engine])
def machine(request: pytest.FixtureRequest) -> Machine:
    made: Machine = request.param()
    config = Config(
        tenants=(Tenant("acme"),),
        queues=(Queue(tenant="acme", name="support", max_wait_s=0),),
        skills=("spanish", *(f"skill-{number}" for number in range(LINES_OWN_MAX + 5))),
        agents=(Agent(agent="anna"), Agent(agent="pau", skills={"spanish": 50})),
    )
    made.apply_config(0, config)
    return made


def serve(machine: Machine, agent: str, begin_s: int, contacts: list[str], each_s: int) -> int:
    """Let an agent answer so many contacts that wait, each for so long; gives when he is through."""
    now = begin_s
    machine.login_agent(now * S, "pbx", agent, None, True)
    for contact in contacts:
        offered = [event for event, _, _ in machine.take_events() if isinstance(event, ContactOffered)]
        assert [event.contact for event in offered] == [contact]
        machine.accept_offer(now * S, offered[0].offer)
        connected = [event for event, _, _ in machine.take_events() if isinstance(event, ContactConnected)]
        assert [event.contact for event in connected] == [contact]
        now += each_s
        machine.complete_contact(now * S, contact, "completed_agent")
    return now


def enqueue(machine: Machine, now_s: int, contact: str, require: str = "") -> None:
    assert machine.enqueue_contact(now_s * S, "pbx", contact, "acme", "support", 0, require, {}) == 0


def test_contacts_that_ask_more_stand_in_a_line_of_their_own(machine: Machine) -> None:
    """Six wait for Spanish, whose one speaker is slow; the others are told what they will wait."""
    for number in range(6):
        enqueue(machine, number, f"es-{number}", "spanish")
    serve(machine, "pau", 100, [f"es-{number}" for number in range(6)], 600)
    machine.logout_agent(3700 * S, "pau")
    for number in range(6):
        enqueue(machine, 3700, f"c-{number}")
    now = serve(machine, "anna", 3800, [f"c-{number}" for number in range(6)], 10)
    machine.logout_agent(now * S, "anna")
    enqueue(machine, now, "c-7")
    plain = machine.last_estimate
    enqueue(machine, now, "es-7", "spanish")
    spanish = machine.last_estimate
    assert plain is not None
    assert spanish is not None
    assert spanish.mean_ms > 5 * plain.mean_ms
    standing = machine.standing("es-7")
    assert standing is not None
    assert standing.position == 2, "in the queue; in its own line it is the first"
    assert [(pace.require, pace.waiting) for pace in machine.paces()] == [("spanish", 1), ("", 1)]


def test_a_queue_tells_only_so_many_requirements_apart(machine: Machine) -> None:
    for number in range(LINES_OWN_MAX + 5):
        enqueue(machine, 1, f"c-{number}", f"skill-{number}")
    paces = machine.paces()
    assert len(paces) == LINES_OWN_MAX + 1
    assert [pace.waiting for pace in paces] == [1] * LINES_OWN_MAX + [5]
    machine.check()


def test_what_was_measured_fades(machine: Machine) -> None:
    for number in range(10):
        enqueue(machine, number, f"c-{number}")
    now = serve(machine, "anna", 100, [f"c-{number}" for number in range(10)], 60)
    machine.logout_agent(now * S, "anna")
    for hours, known in ((0, True), (3, False), (10_000, False)):
        machine.advance((now + hours * 3600) * S)
        (queue,) = machine.queues()
        assert (queue.estimate is not None) is known, f"after {hours} hours"
    (pace,) = machine.paces()
    assert pace.served < 16


def test_a_forecast_never_exceeds_a_day(machine: Machine) -> None:
    for number in range(6):
        enqueue(machine, number, f"c-{number}")
    now = serve(machine, "anna", 50_000, [f"c-{number}" for number in range(5)], 1)
    machine.logout_agent(now * S, "anna")
    for number in range(400):
        enqueue(machine, now, f"d-{number}")
    estimate = machine.last_estimate
    assert estimate is not None
    assert estimate.p90_ms == WAIT_MAX_US // 1000
    assert estimate.p50_ms <= estimate.p90_ms
