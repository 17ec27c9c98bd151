"""Routes by the objects that call them: found as long as they are kept, and kept as long as there is room."""

import sys
from random import Random
from typing import NamedTuple

from acd_core._probe import Taken

TENANT = "acme"


class Known(NamedTuple):
    """A route, and what it was called by."""

    queue: str
    require: str
    target: int
    owner: int
    terms: tuple[tuple[int, int], ...]


def made(number: int) -> Known:
    """Texts that are objects of their own."""
    return Known(f"q-{number % 7}", f"skill-{number}>=1", number % 7, number, ((number, 1),))


def keep(taken: Taken, route: Known, known: int) -> None:
    taken.remember(TENANT, route.queue, route.require, route.target, route.owner, route.terms, known)


def found(taken: Taken, route: Known) -> object:
    return taken.find(TENANT, route.queue, route.require)


def test_a_route_is_found_by_the_very_texts_that_called_it() -> None:
    taken = Taken()
    route = made(3)
    assert found(taken, route) is None
    keep(taken, route, 1)
    assert found(taken, route) == (route.target, route.owner, route.terms)
    assert found(taken, made(3)) is None, "texts that say the same are other objects"
    assert taken.find(TENANT, route.require, route.queue) is None
    taken.forget()
    assert found(taken, route) is None
    assert len(taken) == 0


def test_lines_are_remembered_by_priority_and_forgotten_with_the_route() -> None:
    taken = Taken()
    route = made(1)
    keep(taken, route, 1)
    lines = {priority: priority * 10 for priority in (0, 3, 255)}
    for priority, line in lines.items():
        assert taken.line_of(TENANT, route.queue, route.require, priority) is None
        taken.remember_line(TENANT, route.queue, route.require, priority, line)
        assert taken.line_of(TENANT, route.queue, route.require, priority) == line
    assert taken.line_of(TENANT, route.queue, route.require, 1) is None
    taken.forget()
    keep(taken, route, 1)
    assert all(taken.line_of(TENANT, route.queue, route.require, priority) is None for priority in lines)


def test_as_many_places_are_made_as_routes_call_for_and_nearly_all_are_found() -> None:
    taken = Taken()
    routes = [made(number) for number in range(10_000)]
    for number, route in enumerate(routes):
        keep(taken, route, number + 1)
    there = [route for route in routes if found(taken, route) is not None]
    assert len(there) == len(taken)
    assert len(there) > 0.9 * len(routes)
    assert taken.places <= 4 * len(routes)
    for route in there:
        assert found(taken, route) == (route.target, route.owner, route.terms)


def test_texts_that_never_come_again_make_no_places() -> None:
    taken = Taken()
    for number in range(5_000):
        keep(taken, made(number), 3)
    assert taken.places == Taken().places
    assert len(taken) <= taken.places


def test_what_is_kept_is_let_go_of_again() -> None:
    rng = Random(5)
    routes = [made(number) for number in range(600)]
    before = [(sys.getrefcount(route.require), sys.getrefcount(route.terms)) for route in routes]
    tenants = sys.getrefcount(TENANT)
    taken = Taken()
    for _ in range(3_000):
        route = rng.choice(routes)
        if found(taken, route) is None:
            keep(taken, route, len(routes))
        assert found(taken, route) == (route.target, route.owner, route.terms)
    assert sys.getrefcount(TENANT) == tenants + len(taken)
    taken.forget()
    assert [(sys.getrefcount(route.require), sys.getrefcount(route.terms)) for route in routes] == before
    for route in routes:
        keep(taken, route, len(routes))
    del taken
    assert [(sys.getrefcount(route.require), sys.getrefcount(route.terms)) for route in routes] == before
    assert sys.getrefcount(TENANT) == tenants
