"""The engine in virtual time: against exact formulas, against itself, and by what must hold in every run."""

import math
import os
import signal
import threading

import numpy as np
import pytest
from msgspec import structs

from acd_core.config import Agent, Callback, Config, Queue, Step, Tenant
from acd_sim.virtual import (
    Backlog,
    Break,
    CalledBack,
    Constant,
    Crew,
    Empirical,
    Exponential,
    Gamma,
    Kind,
    Law,
    LawError,
    Lognormal,
    Model,
    ModelError,
    Onward,
    Outage,
    Poisson,
    Profile,
    Recorded,
    Retry,
    Shift,
    SimulationError,
    Streams,
    Surge,
    Survival,
    Uniform,
    estimate,
    find_warmup,
    kaplan_meier,
    replicate,
    simulate,
    warmup_intervals,
)
from acd_sim.virtual.loop import TALLIES, TOTALS, TRACE
from acd_sim.virtual.replication import Replication
from acd_sim.virtual.study import Study

HOUR = 3600.0


def centre(agents: int = 3, **queue: object) -> Config:
    row = {"tenant": "t", "name": "q", "max_wait_s": 0, "max_talk_s": 2_592_000, **queue}
    return Config(
        tenants=(Tenant("t"),),
        queues=(Queue(**row),),  # type: ignore[arg-type]
        agents=tuple(Agent(agent=f"a{number}", cost=20) for number in range(agents)),
    )


def calls(per_hour: float = 60, talk: Law | None = None, **more: object) -> Kind:
    row = {"name": "calls", "tenant": "t", "queue": "q", "arrivals": Poisson(per_hour=per_hour), **more}
    return Kind(talk=talk or Exponential(120), **row)  # type: ignore[arg-type]


def tally(replication: Replication, name: str) -> int:
    return int(replication.tallies[TALLIES.index(name)].sum())


def total(replication: Replication, name: str) -> int:
    return int(replication.totals[TOTALS.index(name)].sum())


def rows(replication: Replication) -> dict[str, np.ndarray]:
    ordered = replication.trace[np.argsort(replication.trace[:, TRACE.index("number")], kind="stable")]
    return {name: ordered[:, index] for index, name in enumerate(TRACE)}


def at(*seconds: float, **columns: object) -> Recorded:
    return Recorded(at_s=list(seconds), **columns)


# Against formulas


def test_one_queue_waits_as_erlang_c_says() -> None:
    """120 calls an hour, 300 s each, 13 agents: P(wait) .28527, E[wait] 28.527 s, .76644 within 20 s."""
    model = Model(
        config=centre(13, service_level_s=20),
        kinds=(calls(120, Exponential(300)),),
        horizon_s=500 * HOUR,
        warmup_s=5 * HOUR,
        interval_s=5 * HOUR,
    )
    study = simulate(model, seed=3, replications=8, processes=1)
    assert study.estimate("delayed", confidence=0.999).covers(0.28527)
    assert study.estimate("wait_s", confidence=0.999).covers(28.527)
    assert study.estimate("service_level", confidence=0.999).covers(0.76644)
    assert study.estimate("occupancy", confidence=0.999).covers(10 / 13)
    assert study.estimate("delayed").half_width < 0.02


def test_impatient_callers_leave_as_erlang_a_says() -> None:
    """100 calls a second, 1 s each, 90 agents, patience 1 s: P(abandon) .107900, P(wait) .85365."""
    model = Model(
        config=centre(90, service_level_s=0.1),
        kinds=(calls(360_000, Exponential(1), patience=Exponential(1)),),
        horizon_s=300,
        warmup_s=10,
        interval_s=10,
    )
    study = simulate(model, seed=5, replications=8, processes=1)
    assert study.estimate("abandonment", confidence=0.999).covers(0.1079)
    assert study.estimate("delayed", confidence=0.999).covers(0.85365)
    assert study.estimate("service_level", confidence=0.999).covers(0.44901)
    for replication in study.replications:
        waited = tally(replication, "wait_ns") / 1e9 / tally(replication, "offered")
        assert tally(replication, "abandoned") / tally(replication, "offered") == pytest.approx(waited, rel=0.05)


# What holds in every run


def rich_model() -> Model:
    """Two queues, ranks, steps, shifts, breaks, pauses, retries, rings that nobody answers: a bit of everything."""
    config = Config(
        tenants=(Tenant("t"),),
        queues=(
            Queue(tenant="t", name="q", require="a", wrapup_s=60, max_waiting=8, steps=(Step(after_s=30, require=""),)),
            Queue(tenant="t", name="r", require="b", offer_timeout_s=10, max_wait_s=200),
        ),
        agents=tuple(Agent(agent=f"a{n}", skills={"a": 50} if n % 2 else {"b": 50, "a": 20}) for n in range(8)),
    )
    retry = Retry(share=0.5, after=Exponential(600))
    return Model(
        config=config,
        kinds=(
            calls(90, Lognormal(180, cv=1.2), wrapup=Uniform(5, 90), patience=Exponential(90), retry=retry),
            calls(60, Gamma(120, 0.5), name="more", queue="r", patience=Survival(((30, 0.9), (300, 0.2))), retry=retry),
        ),
        crews=(Crew(agents=("a0", "a1", "a2"), answer=Uniform(1, 6), no_answer=0.05, reject=0.05, speed=0.8),),
        shifts=(
            Shift(agents=("a0", "a1", "a2", "a3"), from_s=0, to_s=4 * HOUR, breaks=(Break(at_s=HOUR, length_s=600),)),
            Shift(
                agents=("a4", "a5", "a6", "a7"), from_s=HOUR, to_s=6 * HOUR, absent=0.2, pauses_per_hour=1,
                pause=Exponential(120), every_s=8 * HOUR,
            ),
        ),
        outages=(Outage(agents=("a6", "a7"), from_s=2 * HOUR, to_s=2.5 * HOUR),),
        horizon_s=12 * HOUR,
        interval_s=0.5 * HOUR,
        traced=1_000_000,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_flow_balances_and_little_holds_to_the_nanosecond(seed: int) -> None:
    model = rich_model()
    replication = replicate(model, seed)
    assert replication.finished
    assert replication.left == 0
    assert total(replication, "entered") == total(replication, "ended") == replication.contacts
    assert total(replication, "queue_ns") == total(replication, "wait_ns") > 0
    ends = [tally(replication, name) for name in ("answered", "abandoned", "blocked", "expired", "other")]
    assert sum(ends) == tally(replication, "offered") == len(replication.trace)
    assert min(ends[:4]) > 0
    assert tally(replication, "retried") > 0
    states = replication.state_by_agent.sum(axis=1)
    assert (states == round(model.horizon_s * 1e9)).all()
    assert replication.state_by_interval.sum() == states.sum()
    assert int(replication.handled.sum()) == tally(replication, "talk_ns") + tally(replication, "wrapup_ns")
    assert int(replication.served.sum()) == int(replication.histograms.sum()) == tally(replication, "answered")


def test_equal_seeds_give_equal_runs_over_any_number_of_processes() -> None:
    model = rich_model()
    alone = simulate(model, seed=9, replications=3, processes=1)
    together = simulate(model, seed=9, replications=3, processes=2)
    for one, other in zip(alone.replications, together.replications, strict=True):
        assert one.number == other.number
        assert (one.trace == other.trace).all()
    other_seed = replicate(model, seed=10)
    assert (
        other_seed.trace.shape != alone.replications[0].trace.shape
        or (other_seed.trace != alone.replications[0].trace).any()
    )


def test_a_hundred_thousand_calls_are_all_kept() -> None:
    """So many that the tables of what is kept are large."""
    model = Model(config=centre(200), kinds=(calls(10_000),), horizon_s=11 * HOUR, traced=200_000)
    (replication,) = simulate(model, replications=1, processes=1).replications
    assert len(replication.trace) == tally(replication, "offered") > 100_000
    assert len(np.unique(replication.trace[:, TRACE.index("number")])) == len(replication.trace)


def test_centuries_of_waiting_are_refused_instead_of_miscounted() -> None:
    with pytest.raises(SimulationError, match="292 years"):
        replicate(Model(config=centre(1), kinds=(calls(10_000),), horizon_s=3 * HOUR))


def test_alternatives_see_the_same_callers() -> None:
    """With more agents, and with a faster rate, the k-th caller still talks as long."""
    few = Model(config=centre(2), kinds=(calls(60),), horizon_s=8 * HOUR, traced=10_000)
    base = rows(replicate(few, seed=4))
    more = rows(replicate(structs.replace(few, config=centre(5)), seed=4))
    assert (base["arrived_ns"] == more["arrived_ns"]).all()
    assert (base["talk_ns"] == more["talk_ns"]).all()
    assert base["wait_ns"].sum() > more["wait_ns"].sum()
    busier = rows(replicate(structs.replace(few, kinds=(calls(66),)), seed=4))
    assert (busier["talk_ns"][:400] == base["talk_ns"][:400]).all()
    assert busier["arrived_ns"][399] < base["arrived_ns"][399]


def test_a_paired_difference_is_surer_than_two_means() -> None:
    model = Model(config=centre(3), kinds=(calls(70),), horizon_s=20 * HOUR)
    base = simulate(model, replications=6, processes=1)
    better = simulate(structs.replace(model, config=centre(4)), replications=6, processes=1)
    difference = better.difference("wait_s", base)
    assert difference.high < 0
    assert difference.half_width < base.estimate("wait_s").half_width


@pytest.mark.parametrize("strategy", ["longest_idle", "linear", "fewest_contacts"])
def test_who_of_equal_agents_answers_changes_no_wait(strategy: str) -> None:
    """Which agent is chosen cannot matter to callers while all are alike: the very same waits."""
    base = Model(config=centre(3), kinds=(calls(80),), horizon_s=8 * HOUR, traced=10_000)
    other = structs.replace(base, config=centre(3, strategy=strategy))
    assert (rows(replicate(base))["wait_ns"] == rows(replicate(other))["wait_ns"]).all()


def test_no_rule_that_wastes_no_agent_changes_how_many_wait_in_all() -> None:
    """Talks are equally long whoever is taken first, so the integral of the number waiting is conserved."""
    config = structs.replace(
        centre(3), queues=(*centre().queues, structs.replace(centre().queues[0], name="vip", priority=10))
    )
    plain = structs.replace(config, queues=tuple(structs.replace(queue, priority=0) for queue in config.queues))
    kinds = (calls(40, Constant(100)), calls(40, Constant(100), name="vip", queue="vip"))
    first = replicate(Model(config=config, kinds=kinds, horizon_s=20 * HOUR))
    second = replicate(Model(config=plain, kinds=kinds, horizon_s=20 * HOUR))
    assert total(first, "queue_ns") == total(second, "queue_ns") > 0
    assert first.totals[TOTALS.index("wait_ns"), 1] < second.totals[TOTALS.index("wait_ns"), 1]


# What a model can say


def test_recorded_callers_come_as_recorded() -> None:
    model = Model(
        config=centre(1),
        kinds=(calls(arrivals=at(10, 20, 30, 40, talk_s=[100, 50, 50, 50], patience_s=[-1, 60, -1, 500])),),
        horizon_s=HOUR,
        traced=10,
    )
    result = rows(replicate(model))
    assert (result["outcome"] == [0, 1, 0, 0]).all()
    assert (result["wait_ns"] == [0, 60 * 10**9, 80 * 10**9, 120 * 10**9]).all()
    assert (result["ahead"] == [0, 0, 1, 2]).all()


def test_a_slow_agent_takes_longer_and_rings_longer() -> None:
    model = Model(
        config=centre(1, wrapup_s=600),
        kinds=(calls(arrivals=at(0), talk=Constant(100), wrapup=Constant(30)),),
        crews=(Crew(agents=("a0",), answer=Constant(4), speed=1.5),),
        speeds={("calls", "a0"): 2.0},
        horizon_s=HOUR,
    )
    replication = replicate(model)
    assert tally(replication, "wait_ns") == 4 * 10**9
    assert tally(replication, "talk_ns") == 300 * 10**9
    assert tally(replication, "wrapup_ns") == 30 * 10**9


def test_who_lets_it_ring_is_paused_and_comes_back() -> None:
    model = Model(
        config=structs.replace(
            centre(2, offer_timeout_s=10, strategy="linear"), settings=structs.replace(centre().settings, missed_offers_max=1)
        ),
        kinds=(calls(arrivals=at(0, 100, 1000, 1100), talk=Constant(500)),),
        crews=(Crew(agents=("a0",), no_answer=1, returns_s=60),),
        horizon_s=HOUR,
        traced=10,
    )  # fmt: skip
    result = rows(replicate(model))
    assert (result["agent"] == 1).all()
    assert result["wait_ns"][0] == 10 * 10**9


def test_a_break_begins_when_the_contact_is_done_and_lasts_its_length() -> None:
    shift = Shift(agents=("a0",), from_s=0, to_s=1000, breaks=(Break(at_s=50, length_s=100),))
    model = Model(
        config=centre(1),
        kinds=(calls(arrivals=at(0, 10, 900, talk_s=[120, 10, 200])),),
        shifts=(shift,),
        horizon_s=1200,
        traced=10,
    )
    result = rows(replicate(model))
    assert (result["wait_ns"] == [0, 210 * 10**9, 0]).all()
    states = replicate(model).state_by_agent[0] // 10**9
    assert states.tolist() == [100, 100, 670, 0, 330, 0, 0]


def test_a_shift_repeats_and_absent_agents_stay_away() -> None:
    shift = Shift(agents=("a0", "a1"), from_s=100, to_s=200, every_s=1000)
    model = Model(config=centre(2), kinds=(calls(0),), shifts=(shift,), horizon_s=3000)
    states = replicate(model).state_by_agent // 10**9
    assert states[:, 2].tolist() == [300, 300]
    absent = structs.replace(model, shifts=(structs.replace(shift, absent=1.0),))
    assert replicate(absent).state_by_agent[:, 2].sum() == 0


def test_an_outage_takes_agents_away_and_gives_them_back() -> None:
    model = Model(
        config=centre(1),
        kinds=(calls(arrivals=at(50, 120), talk=Constant(100)),),
        outages=(Outage(agents=("a0",), from_s=100, to_s=300),),
        horizon_s=1000,
        traced=10,
    )
    assert (rows(replicate(model))["wait_ns"] == [0, 180 * 10**9]).all()


def test_a_backlog_is_worked_on_while_there_is_time() -> None:
    survey = calls(name="survey", arrivals=Backlog(waiting=2, total=50, from_s=100, to_s=1000), talk=Constant(100))
    replication = replicate(Model(config=centre(3), kinds=(survey,), horizon_s=2000, interval_s=2000))
    assert tally(replication, "answered") == 27
    assert tally(replication, "other") == 2
    short = structs.replace(survey, arrivals=Backlog(waiting=2, total=5))
    assert tally(replicate(Model(config=centre(3), kinds=(short,), horizon_s=2000)), "answered") == 5


def test_callers_who_gave_up_call_again() -> None:
    kind = calls(
        arrivals=at(0, 1, talk_s=[1000, 10], patience_s=[-1, 100]),
        patience=Constant(100),
        retry=Retry(share=1, after=Constant(200)),
    )
    result = rows(replicate(Model(config=centre(1), kinds=(kind,), horizon_s=2000, traced=10)))
    assert result["number"].tolist() == [1, 2, 2, 2, 2]
    assert sorted(result["attempt"].tolist()) == [1, 1, 2, 3, 4]
    assert result["outcome"].tolist() == [0, 1, 1, 1, 0]


def test_who_is_asked_hangs_up_and_is_called_back_in_his_turn() -> None:
    config = centre(1, callback=Callback(retry_s=500, attempts_max=2))
    kind = calls(
        arrivals=at(0, 1, 2, 3, talk_s=[100, 50, 10, 20], patience_s=[-1, 10, 30, 10]), callback=CalledBack(share=1)
    )
    plain = structs.replace(kind, callback=None)
    alone = replicate(Model(config=config, kinds=(plain,), horizon_s=5000, traced=10))
    assert tally(alone, "abandoned") == 3
    result = replicate(Model(config=config, kinds=(kind,), horizon_s=5000, traced=10))
    assert tally(result, "answered") == 4
    assert tally(result, "called_back") == tally(result, "delayed") == 3
    assert rows(result)["wait_ns"].tolist() == [0, 0, 0, 0], "on the phone nobody waited"
    assert tally(result, "callback_delay_ns") == (99 + 148 + 157) * 10**9
    assert tally(result, "queue_ns") == total(result, "queue_ns") == 0


@pytest.mark.parametrize(("raised_after_s", "delays_s"), [(1000, 178 + 130), (140, 148 + 130)])
def test_callbacks_can_wait_in_another_line_behind_who_is_on_the_phone(raised_after_s: float, delays_s: int) -> None:
    plain = centre(1, callback=Callback(), priority=1, strict_priority=True)
    later = Queue(
        tenant="t",
        name="later",
        max_wait_s=0,
        strict_priority=True,
        callback=Callback(),
        steps=(Step(after_s=raised_after_s, priority=2),),
    )
    asked = calls(
        arrivals=at(0, 1, 2, 60, talk_s=[100, 50, 10, 20]), callback=CalledBack(share=1, ahead=1, queue="later")
    )
    patient = calls(name="patient", arrivals=at(120, talk_s=[30]))
    model = Model(config=structs.replace(plain, queues=(*plain.queues, later)), kinds=(asked, patient), horizon_s=1000)
    result = replicate(model)
    assert tally(result, "answered") == 5
    assert tally(result, "called_back") == 2, "not the second, who was the first to wait"
    assert tally(result, "callback_delay_ns") == delays_s * 10**9


def test_who_is_not_reached_is_tried_again_as_the_queue_says() -> None:
    config = centre(2, callback=Callback(retry_s=500, attempts_max=3))
    kind = calls(50, Constant(100), callback=CalledBack(share=1, not_reached=0.4, rings_s=20))
    result = replicate(Model(config=config, kinds=(kind,), horizon_s=500 * HOUR, traced=60_000))
    asked, lost, failed = (tally(result, name) for name in ("called_back", "other", "not_reached"))
    assert lost / asked == pytest.approx(0.4**3, rel=0.2)
    assert failed / asked == pytest.approx(0.4 + 0.4**2 + 0.4**3, rel=0.07)
    assert tally(result, "offered") == tally(result, "answered") + lost
    assert result.left == 0


def test_only_whom_the_engine_says_is_asked_when_the_queue_says_from_when_on() -> None:
    kind = calls(115, Constant(90), callback=CalledBack(share=1))
    model = Model(config=centre(3, callback=Callback()), kinds=(kind,), horizon_s=50 * HOUR)
    offered = structs.replace(model, config=centre(3, callback=Callback(offer_when_wait_s=60)))
    everybody, some = (tally(replicate(played), "called_back") for played in (model, offered))
    assert 0 < some < everybody


def test_some_are_handed_on_and_wait_again() -> None:
    first = calls(arrivals=at(0, 1, talk_s=[100, 100]), onward=(Onward(to="next", share=1),))
    then = calls(0, Constant(50), name="next")
    result = replicate(Model(config=centre(1, wrapup_s=10), kinds=(first, then), horizon_s=1000, traced=10))
    assert tally(result, "onward") == 2
    assert rows(result)["kind"].tolist() == [0, 1, 0, 1]
    assert rows(result)["wait_ns"].tolist() == [0, 120 * 10**9, 109 * 10**9, 70 * 10**9]
    shares = (Onward(to="next", share=0.3), Onward(to="calls", share=0.1))
    many = replicate(Model(config=centre(200), kinds=(calls(5000, onward=shares), then), horizon_s=10 * HOUR))
    offered = many.tallies[0].sum(axis=1)
    assert offered[1] / offered[0] == pytest.approx(0.3, abs=0.01)
    assert offered[0] == pytest.approx(50_000 / 0.9, rel=0.02)


def test_a_profile_brings_what_it_says_slot_by_slot() -> None:
    profile = Profile(counts=(100, 0, 400), slot_s=HOUR, from_s=8 * HOUR, surges=(
        Surge(from_s=34 * HOUR, to_s=35 * HOUR, factor=2), Surge(from_s=8 * HOUR, to_s=9 * HOUR, factor=0),
    ))  # fmt: skip
    model = Model(
        config=centre(0), kinds=(calls(arrivals=profile, patience=Constant(1)),), horizon_s=48 * HOUR, interval_s=HOUR
    )
    study = simulate(model, replications=30, processes=1)
    offered = np.mean([replication.tallies[0, 0] for replication in study.replications], axis=0)
    expected = np.zeros(48)
    expected[[10, 32, 34]] = [400, 100, 800]
    assert offered == pytest.approx(expected, rel=0.08)
    assert (offered[expected == 0] == 0).all()


def test_days_differ_by_the_factor_that_is_asked_for() -> None:
    profile = Profile(counts=(1000,), slot_s=HOUR, day_cv=0.3)
    model = Model(
        config=centre(0),
        kinds=(calls(arrivals=profile, patience=Constant(1)),),
        horizon_s=200 * 24 * HOUR,
        interval_s=24 * HOUR,
    )
    days = replicate(model).tallies[0, 0]
    assert days.mean() == pytest.approx(1000, rel=0.08)
    assert days.std() / days.mean() == pytest.approx(math.hypot(0.3, 1000**-0.5), rel=0.15)


def test_what_contradicts_itself_is_told_with_its_place() -> None:
    good = Model(config=centre(), kinds=(calls(),), horizon_s=10)
    wrong: list[tuple[dict[str, object], str]] = [
        ({"kinds": ()}, "no contacts"),
        ({"kinds": (calls(), calls())}, "two kinds of contacts are called 'calls'"),
        ({"kinds": (calls(queue="x"),)}, "no queue t/x"),
        ({"crews": (Crew(agents=("a9",)),)}, "crew 1: there is no agent 'a9'"),
        ({"crews": (Crew(agents=("a1",)), Crew(agents=("a1",)))}, "in two crews"),
        ({"shifts": (Shift(agents=("a1",), from_s=5, to_s=5),)}, "shift 1: it ends before"),
        ({"warmup_s": 10.0}, "warm-up"),
        ({"kinds": (calls(callback=CalledBack(share=1)),)}, "callback: the queue t/q has no table 'callback'"),
        (
            {"config": centre(callback=Callback()), "kinds": (calls(callback=CalledBack(share=1, queue="x")),)},
            "callback: there is no queue t/x",
        ),
        ({"kinds": (calls(onward=(Onward(to="x", share=0.1),)),)}, "onward: there is no kind 'x'"),
        ({"kinds": (calls(onward=(Onward(to="calls", share=0.7), Onward(to="calls", share=0.7))),)}, "more than 1"),
    ]
    for change, sentence in wrong:
        with pytest.raises(ModelError, match=sentence):
            replicate(structs.replace(good, **change))


# Laws


@pytest.mark.parametrize(
    "law",
    [
        Exponential(30),
        Lognormal(100, cv=0.8),
        Lognormal(171, median_s=114),
        Gamma(40, 0.5),
        Gamma(40, 1.5),
        Uniform(10, 50),
        Constant(7),
        Empirical((1, 2, 9)),
        Survival(((15, 0.935), (60, 0.816), (180, 0.642), (600, 0.384))),
    ],
)
def test_draws_have_the_mean_of_their_law_and_do_not_depend_on_blocks(law: Law) -> None:
    draws = law.draw(Streams(1).stream("x"), 400_000)
    assert draws.mean() == pytest.approx(law.mean_s, rel=0.02)
    stream = Streams(1).stream("x")
    parts = np.concatenate([law.draw(stream, 1000), law.draw(stream, 3000)])
    assert (parts == draws[:4000]).all()


def test_patience_is_recovered_from_callers_of_whom_most_were_answered() -> None:
    patience = Exponential(120).draw(Streams(2).stream("p"), 40_000)
    offered = Exponential(60).draw(Streams(2).stream("o"), 40_000)
    law = kaplan_meier(np.minimum(patience, offered), patience < offered)
    shares = dict(law.points)
    for second in (30, 60, 120):
        nearest = min(shares, key=lambda point: abs(point - second))
        assert shares[nearest] == pytest.approx(math.exp(-nearest / 120), abs=0.02)


def test_laws_that_contradict_themselves_are_refused() -> None:
    for make in (
        lambda: Lognormal(10),
        lambda: Lognormal(10, median_s=12),
        lambda: Uniform(5, 4),
        lambda: Survival(((10, 0.5), (5, 0.4))),
        lambda: Survival(((10, 1.0),)),
        lambda: kaplan_meier([1, 2], [False, False]),
    ):
        with pytest.raises(LawError):
            make()


# Statistics


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    stream = np.random.default_rng(7)
    covered = sum(estimate(stream.exponential(3, 40).tolist(), 0.9).covers(3) for _ in range(600))
    assert 0.84 < covered / 600 < 0.94
    assert math.isinf(estimate([1.0]).half_width)
    assert math.isnan(estimate([]).mean)


def test_a_single_run_gets_its_interval_from_batches() -> None:
    model = Model(config=centre(3), kinds=(calls(),), horizon_s=200 * HOUR, warmup_s=10 * HOUR, interval_s=2 * HOUR)
    study = simulate(model, replications=1)
    found = study.estimate("wait_s")
    assert found.count == 20
    assert 0 < found.half_width < found.mean


def test_the_warm_up_is_found() -> None:
    series = [0.0, 2.0, 4.0, 5.0, *([5.5, 6.5] * 20)]
    assert 3 <= warmup_intervals(series) <= 4
    model = Model(config=centre(40), kinds=(calls(200, Exponential(600)),), horizon_s=8 * HOUR, interval_s=600)
    assert 600 <= find_warmup(model, replications=20, processes=1) <= 3 * HOUR


def test_ctrl_c_gives_what_is_done_so_far() -> None:
    model = Model(config=centre(20), kinds=(calls(500),), horizon_s=1000 * HOUR)
    shares: list[float] = []

    def press(share: float, done: int) -> None:
        shares.append(share)
        if done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    study = simulate(model, replications=10, processes=1, progress=press)
    assert study.interrupted
    assert 1 <= len(study.replications) < 10
    assert all(replication.finished for replication in study.replications)
    assert shares == sorted(shares)
    assert isinstance(study, Study)


def test_a_run_that_is_stopped_in_its_middle_says_so() -> None:
    model = Model(config=centre(20), kinds=(calls(5000, Exponential(10)),), horizon_s=1000 * HOUR)
    cut = replicate(model, watch=lambda share: share < 0.1)
    assert not cut.finished
    assert 0.05 * model.horizon_s < cut.until_s < 0.2 * model.horizon_s
