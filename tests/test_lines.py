"""Waiting lines: a freed agent gets the contact with the lowest key that he can serve, and no other."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd_core._probe import Floor

ANYBODY = ((0, 1),)


class Waiting:
    """A floor beside a plain list of those who wait."""

    def __init__(self, agents: list[dict[int, int]], skills: int, tenants: list[list[int]] | None = None) -> None:
        self.floor = Floor()
        serves = tenants or [[] for _ in agents]
        self.agents = [self.floor.new_agent(*agent) for agent in zip(agents, serves, strict=True)]
        self.floor.open(skills)
        self.waiting: list[int] = []
        self.owner: dict[int, int] = {}
        self.now = 0

    def enqueue(self, owner: int, head_start: int = 0) -> int:
        self.now += 1
        contact = self.floor.new_contact(owner, head_start, self.now)
        self.owner[contact] = owner
        self.wait(contact)
        return contact

    def wait(self, contact: int) -> None:
        self.floor.wait(contact)
        self.waiting.append(contact)

    def leave(self, contact: int) -> None:
        self.floor.leave(contact)
        self.waiting.remove(contact)

    def expected(self, agent: int) -> int:
        """The best contact for an agent by looking at all; a slot is also the order of arrival."""
        floor = self.floor
        fitting = [contact for contact in self.waiting if floor.eligible(agent, self.owner[contact])]
        return min(fitting, key=self.order, default=-1)

    def order(self, contact: int) -> tuple[int, int, int]:
        return self.floor.key(contact), self.floor.since(contact), contact

    def agree(self) -> None:
        for agent in self.agents:
            assert self.floor.best_contact(agent) == self.expected(agent)

    def drain(self, agent: int) -> list[int]:
        """All contacts that an agent can serve, in the order in which he gets them."""
        order = []
        while (contact := self.floor.best_contact(agent)) != -1:
            order.append(contact)
            self.leave(contact)
        return order


def test_nobody_waits_at_first() -> None:
    lines = Waiting([{1: 50}], skills=1)
    lines.floor.new_class(((1, 1),))
    assert lines.floor.best_contact(0) == -1
    assert lines.floor.heads(1) == []


def test_contacts_of_one_line_leave_in_the_order_of_arrival() -> None:
    lines = Waiting([{1: 50}], skills=1)
    owner = lines.floor.new_class(((1, 30),))
    contacts = [lines.enqueue(owner) for _ in range(50)]
    assert not any(lines.floor.came_back(contact) for contact in contacts)
    assert lines.drain(0) == contacts


@pytest.mark.parametrize("gone", [0, 1, 2, 3, 4])
def test_a_contact_can_abandon_from_any_place(gone: int) -> None:
    lines = Waiting([{1: 50}], skills=1)
    owner = lines.floor.new_class(((1, 30),))
    contacts = [lines.enqueue(owner) for _ in range(5)]
    lines.leave(contacts[gone])
    lines.agree()
    assert lines.drain(0) == contacts[:gone] + contacts[gone + 1 :]


def test_those_who_come_back_stand_where_they_stood() -> None:
    lines = Waiting([{1: 50}], skills=1)
    owner = lines.floor.new_class(((1, 30),))
    contacts = [lines.enqueue(owner) for _ in range(10)]
    for contact in (contacts[0], contacts[3], contacts[9]):
        lines.leave(contact)
    for contact in (contacts[9], contacts[3], contacts[0]):
        lines.wait(contact)
    assert [lines.floor.came_back(contact) for contact in contacts] == [
        number in (0, 3) for number in range(10)
    ]  # the last one is at the end of its line again
    lines.agree()
    lines.leave(contacts[3])
    assert lines.drain(0) == [contact for contact in contacts if contact != contacts[3]]


def test_a_line_of_which_all_came_back_goes_on() -> None:
    lines = Waiting([{}], skills=0)
    owner = lines.floor.new_class(ANYBODY)
    first, second, third = (lines.enqueue(owner) for _ in range(3))
    for contact in (first, second, third):
        lines.leave(contact)
    for contact in (third, second, first):
        lines.wait(contact)
    fourth = lines.enqueue(owner)
    assert lines.drain(0) == [first, second, third, fourth]


def test_a_head_start_is_worth_so_much_waiting() -> None:
    lines = Waiting([{1: 50}], skills=1)
    owner = lines.floor.new_class(((1, 30),))
    plain = [lines.enqueue(owner) for _ in range(10)]
    urgent = lines.enqueue(owner, head_start=5)
    assert lines.drain(0) == [*plain[:5], plain[5], urgent, *plain[6:]]


def test_another_priority_moves_a_contact_to_its_new_place() -> None:
    lines = Waiting([{1: 50}], skills=1)
    owner = lines.floor.new_class(((1, 30),))
    contacts = [lines.enqueue(owner, head_start=3 * (number % 2)) for number in range(8)]
    for contact, head_start in ((contacts[6], 3), (contacts[1], 0), (contacts[7], 100), (contacts[7], 0)):
        lines.leave(contact)
        lines.floor.assign(contact, owner, head_start)
        lines.wait(contact)
        lines.agree()
    assert lines.drain(0) == sorted(contacts, key=lines.order)
    assert lines.floor.line_count == 3


def test_of_equal_keys_the_longer_wait_goes_first_and_then_who_came_first() -> None:
    lines = Waiting([{1: 50, 2: 50}], skills=2)
    one, two = lines.floor.new_class(((1, 1),)), lines.floor.new_class(((2, 1),))
    lines.now = 100
    hurried = lines.floor.new_contact(two, 5, 105)
    patient = lines.floor.new_contact(one, 0, 100)
    latest = lines.floor.new_contact(two, 0, 100)
    lines.owner |= {hurried: two, patient: one, latest: two}
    for contact in (latest, hurried, patient):
        lines.wait(contact)
    assert lines.floor.key(hurried) == lines.floor.key(patient) == lines.floor.key(latest)
    assert lines.drain(0) == [patient, latest, hurried]


def test_an_agent_gets_nothing_that_asks_too_much_of_him() -> None:
    agents = [{1: 49}, {1: 50}, {1: 100}, {2: 100}, {1: 100, 2: 10}]
    lines = Waiting(agents, skills=2)
    lines.enqueue(lines.floor.new_class(((1, 50), (2, 10))))
    one_skill = lines.enqueue(lines.floor.new_class(((1, 50),)))
    assert [lines.floor.best_contact(agent) for agent in range(4)] == [-1, one_skill, one_skill, -1]
    lines.agree()


def test_an_agent_gets_contacts_of_his_tenants_only() -> None:
    lines = Waiting([{}, {}, {}], skills=0, tenants=[[], [1], [0, 2]])
    contacts = [lines.enqueue(lines.floor.new_class(ANYBODY, tenant)) for tenant in (3, 2, 1, 0)]
    assert [lines.floor.best_contact(agent) for agent in range(3)] == [contacts[0], contacts[2], contacts[1]]


def test_more_terms_than_a_packed_head_holds_are_all_asked() -> None:
    skills = dict.fromkeys(range(1, 8), 50)
    lines = Waiting([skills, {**skills, 7: 49}, dict.fromkeys(range(1, 7), 50)], skills=7)
    seven = lines.enqueue(lines.floor.new_class(tuple((skill, 50) for skill in range(1, 8))))
    four = lines.enqueue(lines.floor.new_class(tuple((skill, 50) for skill in range(1, 5))))
    assert [lines.floor.best_contact(agent) for agent in range(3)] == [seven, four, four]


def test_a_class_is_found_under_its_scarcest_skill_and_only_while_somebody_waits() -> None:
    lines = Waiting([{1: 9, 2: 9}, {1: 9}, {1: 9}, {1: 9, 2: 9, 3: 9}], skills=3)
    owner = lines.floor.new_class(((1, 1), (2, 1), (3, 1)))
    other = lines.floor.new_class(((1, 1), (2, 1)))
    assert (lines.floor.index_skill(owner), lines.floor.index_skill(other)) == (3, 2)
    contact = lines.enqueue(owner)
    lines.enqueue(other)
    assert (lines.floor.heads(1), lines.floor.heads(2), lines.floor.heads(3)) == ([], [other], [owner])
    lines.leave(contact)
    assert lines.floor.heads(3) == []


def random_terms(rng: Random, skills: int) -> tuple[tuple[int, int], ...]:
    count = rng.choice((0, 1, 1, 1, 2, 2, 3, 6))
    named = sorted(rng.sample(range(1, skills + 1), min(count, skills)))
    return tuple((skill, rng.choice((1, 30, 50, 80))) for skill in named) or ANYBODY


def random_agents(rng: Random, count: int, skills: int) -> list[dict[int, int]]:
    return [
        {skill: rng.choice((1, 30, 50, 80, 100)) for skill in rng.sample(range(1, skills + 1), rng.randint(0, skills))}
        for _ in range(count)
    ]


def live(rng: Random, steps: int, agents: int, skills: int, classes: int, agree_every: int) -> Waiting:
    """A random life: contacts come, come back, change priority, give up and are served."""
    tenants = [rng.sample(range(3), rng.randint(0, 2)) for _ in range(agents)]
    lines = Waiting(random_agents(rng, agents, skills), skills, tenants)
    owners = [lines.floor.new_class(random_terms(rng, skills), rng.randrange(3)) for _ in range(classes)]
    away: list[int] = []
    for step in range(steps):
        match rng.choices(("come", "offer", "return", "give up", "hurry"), (5, 3, 2, 2, 1))[0]:
            case "come":
                lines.now += rng.randint(0, 3)
                lines.enqueue(rng.choice(owners), rng.choice((0, 0, 5, 20)))
            case "offer":
                contact = lines.floor.best_contact(rng.choice(lines.agents))
                if contact != -1:
                    lines.leave(contact)
                    away.append(contact)
            case "return" if away:
                lines.wait(away.pop(rng.randrange(len(away))))
            case "give up" if lines.waiting:
                lines.leave(rng.choice(lines.waiting))
            case "hurry" if lines.waiting:
                contact = rng.choice(lines.waiting)
                lines.leave(contact)
                lines.floor.assign(contact, lines.owner[contact], rng.choice((0, 5, 20, 100)))
                lines.wait(contact)
        if step % agree_every == 0:
            lines.agree()
    lines.agree()
    return lines


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(0, 6), st.integers(1, 5))
def test_any_short_life_gives_the_best_contact(rng: Random, skills: int, classes: int) -> None:
    live(rng, steps=60, agents=4, skills=skills, classes=classes, agree_every=1)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_life_with_few_classes_gives_the_best_contact(seed: int) -> None:
    lines = live(Random(seed), steps=6000, agents=6, skills=4, classes=6, agree_every=5)
    assert any(lines.floor.came_back(contact) for contact in lines.waiting)


@pytest.mark.parametrize("seed", range(2))
def test_a_long_life_with_very_many_classes_gives_the_best_contact(seed: int) -> None:
    live(Random(seed), steps=6000, agents=40, skills=40, classes=1500, agree_every=100)
