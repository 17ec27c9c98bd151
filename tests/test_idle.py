"""Free agents: a contact gets the one who has been idle longest, or who is most skilled, of those who can serve it."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd_core._probe import Floor

LONGEST_IDLE, MOST_SKILLED = 0, 1
ANYBODY = ((0, 1),)
SLACK = 64


class Idle:
    """A floor beside a plain dict of the agents who are free or rung, by the order in which they became so."""

    def __init__(self, agents: list[dict[int, int]], skills: int, tenants: list[list[int]] | None = None) -> None:
        self.floor = Floor()
        serves = tenants or [[] for _ in agents]
        self.agents = [self.floor.new_agent(*agent) for agent in zip(agents, serves, strict=True)]
        self.floor.open(skills)
        self.classes: list[int] = []
        self.idle_seq: dict[int, int] = {}
        self.rung: set[int] = set()

    def new_class(self, terms: tuple[tuple[int, int], ...], tenant: int = 0) -> int:
        self.classes.append(self.floor.new_class(terms, tenant))
        return self.classes[-1]

    def free(self, agent: int) -> None:
        self.idle_seq[agent] = self.floor.free(agent)

    def ring(self, agent: int) -> None:
        self.floor.ring(agent)
        self.rung.add(agent)

    def restore(self, agent: int) -> None:
        self.rung.remove(agent)
        self.floor.restore(agent)

    def take(self, agent: int) -> None:
        self.floor.take(agent)
        del self.idle_seq[agent]
        self.rung.discard(agent)

    def expected(self, owner: int, strategy: int) -> int:
        """The best agent by sorting all."""
        floor = self.floor
        ranked = sorted(
            (-floor.skill_sum(agent, owner) if strategy == MOST_SKILLED else 0, seq, agent)
            for agent, seq in self.idle_seq.items()
            if agent not in self.rung and floor.eligible(agent, owner)
        )
        return ranked[0][2] if ranked else -1

    def agree(self) -> None:
        for owner in self.classes:
            for strategy in (LONGEST_IDLE, MOST_SKILLED):
                assert self.floor.best_agent(owner, strategy) == self.expected(owner, strategy)


def test_nobody_is_free_at_first() -> None:
    idle = Idle([{1: 50}], skills=1)
    idle.new_class(((1, 1),))
    idle.agree()
    assert idle.floor.best_agent(0, LONGEST_IDLE) == -1


def test_the_longest_idle_gets_the_contact() -> None:
    idle = Idle([{1: 50}] * 4, skills=1)
    owner = idle.new_class(((1, 30),))
    order = [2, 0, 3, 1]
    for agent in order:
        idle.free(agent)
    got = []
    for _ in order:
        got.append(idle.floor.best_agent(owner, LONGEST_IDLE))
        idle.take(got[-1])
    assert got == order


def test_the_most_skilled_gets_the_contact_and_of_equals_the_longest_idle() -> None:
    levels = [(10, 90), (60, 60), (50, 50), (60, 60), (100, 1)]
    idle = Idle([{1: one, 2: two} for one, two in levels], skills=2)
    owner = idle.new_class(((1, 1), (2, 1)))
    for agent in (0, 3, 2, 1, 4):
        idle.free(agent)
    got = []
    for _ in levels:
        idle.agree()
        got.append(idle.floor.best_agent(owner, MOST_SKILLED))
        idle.take(got[-1])
    assert got == [3, 1, 4, 0, 2]
    assert idle.floor.best_agent(owner, MOST_SKILLED) == -1


def test_who_is_ordered_by_something_else_while_he_is_free_is_found_where_he_stands_now() -> None:
    idle = Idle([{1: 50}, {1: 30}, {1: 40}], skills=1)
    owner = idle.new_class(((1, 1),))
    for agent in range(3):
        idle.free(agent)
    idle.agree()
    for level in (35, 20, 45):
        idle.floor.relevel(0, {1: level})
        idle.agree()
    idle.ring(0)
    idle.floor.relevel(0, {1: 10})
    idle.agree()
    idle.restore(0)
    idle.agree()
    idle.take(2)
    idle.take(1)
    assert idle.floor.best_agent(owner, MOST_SKILLED) == 0


def test_only_the_skills_that_are_asked_count_for_most_skilled() -> None:
    idle = Idle([{1: 90, 2: 1}, {1: 10, 2: 100}], skills=2)
    one, two, any_skill = (idle.new_class(terms) for terms in (((1, 1),), ((2, 1),), ANYBODY))
    idle.free(0)
    idle.free(1)
    assert [idle.floor.best_agent(owner, MOST_SKILLED) for owner in (one, two, any_skill)] == [0, 1, 0]


def test_tenants_and_levels_are_minded() -> None:
    idle = Idle([{1: 29}, {1: 30}, {1: 99}], skills=1, tenants=[[], [7], [7, 8]])
    sevens, eights = idle.new_class(((1, 30),), 7), idle.new_class(((1, 30),), 8)
    for agent in idle.agents:
        idle.free(agent)
    assert (idle.floor.best_agent(sevens, LONGEST_IDLE), idle.floor.best_agent(sevens, MOST_SKILLED)) == (1, 2)
    assert idle.floor.best_agent(eights, LONGEST_IDLE) == 2
    idle.agree()


def test_a_class_that_is_made_later_sees_all_who_are_free_or_rung() -> None:
    idle = Idle([{1: 50}, {2: 50}, {1: 50, 2: 50}], skills=2)
    for agent in (2, 1, 0):
        idle.free(agent)
    idle.ring(2)
    owner = idle.new_class(((1, 1),))
    assert idle.floor.entries(1) == [2, 0]
    idle.agree()
    idle.restore(2)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 2
    idle.agree()


def test_nothing_is_kept_for_a_skill_that_nobody_asks() -> None:
    idle = Idle([{1: 50, 2: 50}], skills=2)
    idle.new_class(((1, 1),))
    idle.free(0)
    assert (idle.floor.entries(1), idle.floor.entries(2)) == ([0], [])


# Cursors


def test_agents_who_cannot_serve_are_looked_at_once() -> None:
    count = 200
    idle = Idle([{1: 10}] * count + [{1: 90}] * 3, skills=1)
    owner = idle.new_class(((1, 50),))
    for agent in range(count + 1):
        idle.free(agent)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == count
    assert idle.floor.cursor(owner) == count
    idle.take(count)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == -1
    assert idle.floor.cursor(owner) == count + 1
    idle.free(count + 1)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == count + 1
    assert idle.floor.cursor(owner) == count + 1


def test_a_withdrawn_offer_gives_the_agent_his_place_back() -> None:
    idle = Idle([{1: 50}] * 4, skills=1)
    owner = idle.new_class(((1, 1),))
    for agent in range(4):
        idle.free(agent)
    idle.ring(0)
    idle.ring(1)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 2
    assert idle.floor.cursor(owner) == 2
    idle.restore(1)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 1
    idle.restore(0)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 0
    idle.agree()


# Compaction


def turn_over(idle: Idle, agent: int, times: int) -> None:
    """Let an agent become free and be taken, so many times: each leaves a dead entry."""
    for _ in range(times):
        idle.free(agent)
        idle.take(agent)


def test_dead_entries_are_compacted_away() -> None:
    idle = Idle([{1: 50}] * 2, skills=1)
    owner = idle.new_class(((1, 1),))
    idle.free(0)
    longest = 0
    for _ in range(20):
        turn_over(idle, 1, 10)
        longest = max(longest, len(idle.floor.entries(1)))
        assert idle.floor.best_agent(owner, LONGEST_IDLE) == 0
        assert idle.floor.entries(1)[idle.floor.cursor(owner)] == 0
    assert longest <= 2 * 2 + SLACK + 1
    assert 0 in idle.floor.entries(1)


def test_a_cursor_keeps_to_its_entry_when_those_before_it_go() -> None:
    idle = Idle([{1: 10}, {1: 10}, {1: 90}, {1: 90}, {1: 10}], skills=1)
    owner = idle.new_class(((1, 50),))
    for agent in range(4):
        idle.free(agent)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 2
    idle.take(0)
    turn_over(idle, 4, 2 * SLACK)
    assert idle.floor.entries(1)[:3] == [1, 2, 3]
    assert idle.floor.cursor(owner) == 1
    idle.agree()


def test_an_agent_who_is_rung_keeps_his_place_over_a_compaction() -> None:
    idle = Idle([{1: 50}] * 4, skills=1)
    owner = idle.new_class(((1, 1),))
    for agent in range(3):
        idle.free(agent)
    idle.ring(0)
    idle.ring(1)
    for strategy in (LONGEST_IDLE, MOST_SKILLED):
        assert idle.floor.best_agent(owner, strategy) == 2
    turn_over(idle, 3, 2 * SLACK)
    idle.restore(1)
    idle.agree()
    idle.restore(0)
    idle.agree()
    assert [agent for agent in idle.floor.entries(1) if agent != 3] == [0, 1, 2]


def test_an_agent_whose_entry_was_compacted_away_gets_it_back_in_the_middle() -> None:
    idle = Idle([{1: 50}] * 4 + [{1: 10}], skills=2)
    owner = idle.new_class(((1, 50),))
    other = idle.new_class(((1, 60),))
    for agent in range(4):
        idle.free(agent)
    assert idle.floor.best_agent(owner, MOST_SKILLED) == 0
    idle.floor.reskill(1, {2: 50})
    turn_over(idle, 4, 2 * SLACK)
    assert 1 not in idle.floor.entries(1)
    idle.agree()
    assert idle.floor.best_agent(other, LONGEST_IDLE) == -1
    idle.floor.reskill(1, {1: 60})
    assert [agent for agent in idle.floor.entries(1) if agent != 4] == [0, 1, 2, 3]
    assert idle.floor.best_agent(other, LONGEST_IDLE) == 1
    idle.agree()


def test_a_ranking_does_not_grow_with_the_turns_that_it_has_seen() -> None:
    idle = Idle([{1: 100}, {1: 50}, {1: 50}], skills=1)
    owner = idle.new_class(((1, 1),))
    idle.free(0)
    for turn in range(1000):
        agent = 1 + turn % 2
        idle.free(agent)
        assert idle.floor.best_agent(owner, MOST_SKILLED) == 0
        idle.take(agent)
        assert idle.floor.ranked(owner) <= 2 * 3 + SLACK + 1
    idle.agree()


# Other skills while free


def test_a_changed_level_counts_at_once_and_the_place_stays() -> None:
    idle = Idle([{1: 50}, {1: 60}, {1: 70}], skills=1)
    owner = idle.new_class(((1, 1),))
    for agent in idle.agents:
        idle.free(agent)
    assert idle.floor.best_agent(owner, MOST_SKILLED) == 2
    for levels in ({1: 100}, {1: 1}, {1: 50}, {1: 100}, {}):
        idle.floor.reskill(0, levels)
        idle.agree()
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 1


def test_skills_whose_bloom_bits_agree_are_told_apart() -> None:
    idle = Idle([{2: 50}, {34: 50}, {2: 50, 34: 50}], skills=70)
    owner = idle.new_class(((2, 1), (34, 1)))
    for agent in idle.agents:
        idle.free(agent)
    assert idle.floor.best_agent(owner, LONGEST_IDLE) == 2
    idle.agree()


def random_terms(rng: Random, skills: int) -> tuple[tuple[int, int], ...]:
    named = sorted(rng.sample(range(1, skills + 1), min(skills, rng.choice((0, 1, 1, 1, 2, 3)))))
    return tuple((skill, rng.choice((1, 30, 50, 80))) for skill in named) or ANYBODY


def random_levels(rng: Random, skills: int) -> dict[int, int]:
    named = rng.sample(range(1, skills + 1), rng.randint(0, min(8, skills)))
    return {skill: rng.choice((1, 30, 50, 80, 100)) for skill in named}


def live(rng: Random, steps: int, agents: int, skills: int, classes: int, agree_every: int) -> Idle:
    """A random life: agents come free, are rung, get their place back, are taken, and learn and forget."""
    tenants = [rng.sample(range(3), rng.choice((0, 0, 1, 2))) for _ in range(agents)]
    idle = Idle([random_levels(rng, skills) for _ in range(agents)], skills, tenants)
    for step in range(steps):
        if len(idle.classes) < classes and rng.random() < 0.2:
            idle.new_class(random_terms(rng, skills), rng.randrange(3))
        agent = rng.choice(idle.agents)
        match rng.choices(("turn", "offer", "withdraw", "take", "learn"), (6, 4, 2, 2, 1))[0]:
            case "turn" if agent not in idle.idle_seq:
                idle.free(agent)
            case "turn" if agent not in idle.rung:
                idle.take(agent)
            case "offer" if idle.classes:
                chosen = idle.floor.best_agent(rng.choice(idle.classes), rng.choice((LONGEST_IDLE, MOST_SKILLED)))
                if chosen != -1:
                    idle.ring(chosen)
            case "withdraw" if idle.rung:
                idle.restore(rng.choice(sorted(idle.rung)))
            case "take" if idle.rung:
                idle.take(rng.choice(sorted(idle.rung)))
            case "learn" if agent not in idle.rung:
                idle.floor.reskill(agent, random_levels(rng, skills))
        if step % agree_every == 0:
            idle.agree()
    idle.agree()
    return idle


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(0, 5), st.integers(1, 6), st.integers(1, 6))
def test_any_short_life_gives_the_best_agent(rng: Random, skills: int, agents: int, classes: int) -> None:
    live(rng, steps=80, agents=agents, skills=skills, classes=classes, agree_every=1)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_life_gives_the_best_agent(seed: int) -> None:
    idle = live(Random(seed), steps=8000, agents=12, skills=4, classes=10, agree_every=3)
    assert len(idle.floor.entries(1)) <= 2 * 12 + SLACK + 12


@pytest.mark.parametrize("seed", range(2))
def test_a_large_floor_gives_the_best_agent(seed: int) -> None:
    live(Random(seed), steps=8000, agents=150, skills=40, classes=200, agree_every=400)


def test_a_ranking_that_nobody_asks_does_not_grow_with_withdrawn_offers() -> None:
    idle = Idle([{1: 50}, {1: 60}], skills=1)
    owner = idle.new_class(((1, 1),))
    idle.free(0)
    idle.free(1)
    assert idle.floor.best_agent(owner, MOST_SKILLED) == 1
    for _ in range(1000):
        idle.ring(0)
        idle.restore(0)
        assert idle.floor.ranked(owner) <= 2 * 2 + SLACK + 1
    assert idle.floor.best_agent(owner, MOST_SKILLED) == 1
    idle.agree()


def test_a_withdrawn_offer_lets_only_those_look_again_whom_the_agent_can_serve() -> None:
    idle = Idle([{1: 50}] * 3, skills=1)
    able, unable = idle.new_class(((1, 10),)), idle.new_class(((1, 60),))
    for agent in range(3):
        idle.free(agent)
    idle.ring(0)
    assert idle.floor.best_agent(able, LONGEST_IDLE) == 1
    assert idle.floor.best_agent(unable, LONGEST_IDLE) == -1
    idle.restore(0)
    assert idle.floor.cursor(able) == 0
    assert idle.floor.cursor(unable) == 3
    idle.agree()
