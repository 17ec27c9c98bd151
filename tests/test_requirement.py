"""The requirement language: what is read, what it means, what is refused, and where the caret then points."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acd_core.requirement import (
    CONDITIONS_MAX,
    NESTING_MAX,
    NEVER,
    Requirement,
    RequirementError,
    describe,
    meets,
    merge,
    needed_levels,
    parse,
    parse_canonical,
    reserved,
    skills_of,
    wanted_skills,
)

NAMES = st.from_regex(r"[^\W\d][\w.-]{0,63}", fullmatch=True).filter(lambda name: not reserved(name))
SKILLS = ("billing", "spanish", "a-b", "é")
SPACE = st.text(" \t\n", max_size=2)
OPERATORS = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
SCRAPS = """
billing a-b é >= > < == != = 30 101 0 9999 & && | || and or not in ( ) , ! agent.x agent. nobody "text" ' " ٣ - -5
"""
FRAGMENTS = st.lists(st.sampled_from(SCRAPS.split()), max_size=12).map(" ".join)


# A requirement as a tree of ours, beside its text: an oracle that shares nothing with the parser.


def _leaf() -> st.SearchStrategy[tuple[str, Any]]:
    ops = st.sampled_from(sorted(OPERATORS))
    level = st.integers(1, 100)
    alone = st.sampled_from(SKILLS).map(lambda name: (name, lambda skills, _: skills.get(name, 0) >= 1))

    def compared(drawn: tuple[str, str, int]) -> tuple[str, Any]:
        name, op, number = drawn
        return f"{name} {op} {number}", lambda skills, _: OPERATORS[op](skills.get(name, 0), number)

    def listed(drawn: tuple[str, list[int]]) -> tuple[str, Any]:
        name, numbers = drawn
        return f"{name} in ({', '.join(map(str, numbers))})", lambda skills, _: skills.get(name, 0) in numbers

    def text(drawn: tuple[str, str, str]) -> tuple[str, Any]:
        name, op, word = drawn
        if op == "==":
            return f'agent.{name} == "{word}"', lambda _, attributes: attributes.get(name) == word
        return f"agent.{name} != '{word}'", lambda _, attributes: attributes.get(name) != word

    def number(drawn: tuple[str, str, int]) -> tuple[str, Any]:
        name, op, value = drawn

        def check(_: dict[str, int], attributes: dict[str, Any]) -> bool:
            held = attributes.get(name)
            if op == "!=":
                return held != value
            return isinstance(held, int) and OPERATORS[op](held, value)

        return f"agent.{name} {op} {value}", check

    names = st.sampled_from(("site", "grade"))
    return st.one_of(
        alone,
        st.tuples(st.sampled_from(SKILLS), ops, level).map(compared),
        st.tuples(st.sampled_from(SKILLS), st.lists(level, min_size=1, max_size=3)).map(listed),
        st.tuples(names, st.sampled_from(("==", "!=")), st.sampled_from(("madrid", "it's"[:2], "3"))).map(text),
        st.tuples(names, ops, st.integers(-2, 4)).map(number),
        st.just(("nobody", lambda _skills, _attributes: False)),
    )


def _joined(children: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    def negate(child: tuple[str, Any]) -> tuple[str, Any]:
        return f"not ({child[0]})", lambda skills, attributes: not child[1](skills, attributes)

    def join(drawn: tuple[list[tuple[str, Any]], str]) -> tuple[str, Any]:
        parts, word = drawn
        combine = all if word in {"&", "and"} else any
        text = f" {word} ".join(f"({part[0]})" for part in parts)
        return text, lambda skills, attributes: combine(part[1](skills, attributes) for part in parts)

    several = st.tuples(st.lists(children, min_size=1, max_size=3), st.sampled_from(("&", "and", "|", "or")))
    return st.one_of(children.map(negate), several.map(join))


TREES = st.recursive(_leaf(), _joined, max_leaves=8)
AGENT_SKILLS = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 100))
AGENT_ATTRIBUTES = st.dictionaries(
    st.sampled_from(("site", "grade")), st.sampled_from(("madrid", "it", "3", -2, 0, 1, 2, 3, 4))
)


def met(requirement: Requirement, skills: dict[str, int], attributes: dict[str, Any]) -> bool:
    return all(meets(node, skills, attributes) for node in requirement)


@settings(deadline=None, max_examples=300)
@given(TREES, st.lists(st.tuples(AGENT_SKILLS, AGENT_ATTRIBUTES), min_size=1, max_size=8))
def test_a_requirement_means_what_it_says(
    tree: tuple[str, Any], agents: list[tuple[dict[str, int], dict[str, Any]]]
) -> None:
    text, oracle = tree
    requirement = parse(text)
    for skills, attributes in agents:
        assert met(requirement, skills, attributes) == oracle(skills, attributes)
        if met(requirement, skills, attributes):
            assert all(skills.get(skill, 0) >= level for skill, level in needed_levels(requirement))


@settings(deadline=None)
@given(TREES)
def test_the_canonical_text_is_read_back_as_itself(tree: tuple[str, Any]) -> None:
    requirement = parse(tree[0])
    assert parse_canonical(describe(requirement)) == requirement
    assert set(wanted_skills(requirement)) <= set(skills_of(requirement))


@settings(deadline=None)
@given(TREES, TREES, AGENT_SKILLS, AGENT_ATTRIBUTES)
def test_merging_asks_both(
    one: tuple[str, Any], other: tuple[str, Any], skills: dict[str, int], attributes: dict[str, Any]
) -> None:
    first, second = parse(one[0]), parse(other[0])
    merged = merge(first, second)
    assert merged == merge(second, first) == merge(first, second, first)
    assert met(merged, skills, attributes) == (met(first, skills, attributes) and met(second, skills, attributes))


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.integers(1, 100), min_size=1, max_size=16), st.data())
def test_order_repetition_spelling_and_space_do_not_matter(levels: dict[str, int], data: st.DataObject) -> None:
    text = ""
    for number, (skill, level) in enumerate(data.draw(st.permutations(sorted(levels.items())))):
        joint = data.draw(st.sampled_from([" and ", "&", "&&"])) if number else ""
        text += joint + data.draw(SPACE) + skill + data.draw(SPACE) + ">=" + data.draw(SPACE) + str(level)
    expected = tuple(("level", skill, level, 100) for skill, level in levels.items())
    assert set(parse(text)) == set(expected)
    assert needed_levels(parse(text)) == tuple((node[1], node[2]) for node in parse(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("spanish", "spanish >= 1"),
        ("not spanish", "spanish < 1"[:-1] + "1"),
        ("billing>=20 & billing>=30", "billing >= 30"),
        ("billing>=20 & billing<40", "billing<=39 and billing>19"),
        ("not (billing>=20 | spanish)", "!billing>=20 & !spanish"),
        ("a | b | a", "b or a"),
        ("(a)", "a"),
        ("not not a", "a"),
        ("a & (b & c)", "c & b & a"),
        ("billing<=100", ""),
        ("billing>50 & billing<50", "nobody"),
        ("a | nobody", "a"),
        ("agent.site in ('x', \"x\", 'y')", "agent.site in ('y', 'x')"),
        ("agent.grade != 3", "not agent.grade == 3"),
        ("billing in (30)", "billing == 30"),
    ],
)
def test_requirements_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert parse(one) == parse(other)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  \n", ""),
        ("spanish and billing >= 30", "billing>=30 & spanish"),
        ("not spanish & billing", "billing & not spanish"),
        ("(sales | billing>=30) & not trainee", "not trainee & (billing>=30 | sales)"),
        ("agent.site=='madrid' and agent.grade>2", 'agent.grade>=3 & agent.site=="madrid"'),
        ("agent.site in ('b', \"a'c\", 3)", 'agent.site in (3, "a\'c", "b")'),
        ("a != 5", "(a<=4 | a>=6)"),
        ("nobody & a", "nobody"),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert describe(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("billing >= ", 10, "expected a level after '>='"),
        ("billing >= x", 11, "expected a level after '>='"),
        ("billing>=0", 9, "a level is 1..100"),
        ("billing>=101 & a", 9, "a level is 1..100"),
        ("billing>=00030", 9, "a level is 1..100"),
        ("billing in 3", 11, "expected '(' after 'in'"),
        ("billing in (3, x)", 15, "expected a level"),
        ("billing in (3 4)", 14, "expected ',' or ')'"),
        ("& a", 0, "expected a skill's name, found '&'"),
        ("a & ", 3, "expected a skill's name, found the end"),
        ("a & and", 4, "expected a skill's name, found '&'"),
        ("a b", 2, "expected '&', '|' or the end, found 'b'"),
        ("(a | b", 6, "expected ')'"),
        ("a)", 1, "expected '&', '|' or the end, found ')'"),
        ("30", 0, "expected a skill's name, found '30'"),
        ("agent.site", 0, "compare the attribute with something, such as agent.site == 1"),
        ("agent.site > 'x'", 11, "texts are equal or not, so '>' needs a number"),
        ("agent.site == madrid", 14, 'expected a number, or a text such as "madrid"'),
        ("agent.site == 'madrid", 14, "this text does not end"),
        ("agent.grade == 99999999999999999999", 15, "the number is too large"),
        ("a & " + "x" * 65, 4, "a name has at most 64 characters"),
        ("a ~ b", 2, "unexpected '~'"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, position: int, problem: str) -> None:
    with pytest.raises(RequirementError) as caught:
        parse(text)
    assert (caught.value.position, caught.value.problem) == (position, problem)
    assert caught.value.pointer.splitlines()[-1].startswith(" " * position + "^ ")


@pytest.mark.parametrize("suffix", ["", ">=5"])
def test_one_condition_too_many_is_pointed_at(suffix: str) -> None:
    enough = " & ".join(f"s{number}" for number in range(CONDITIONS_MAX))
    assert len(parse(enough)) == CONDITIONS_MAX
    with pytest.raises(RequirementError, match="at most 64 comparisons") as caught:
        parse(f"{enough} & last{suffix}")
    assert caught.value.text[caught.value.position :] == f"last{suffix}"


@pytest.mark.parametrize("opening", ["(", "!", "not ", "!("])
def test_nesting_is_bounded(opening: str) -> None:
    closing = ")" if "(" in opening else ""
    per_level = len(opening.replace("not ", "!"))
    deepest = NESTING_MAX // per_level
    assert parse(opening * deepest + "a" + closing * deepest) in {parse("a"), parse("not a")}
    with pytest.raises(RequirementError, match="nested more than 16 deep"):
        parse(opening * 300 + "a" + closing * 300)


def test_what_nobody_can_meet_is_met_by_nobody() -> None:
    assert parse("nobody") == (NEVER,)
    assert not meets(NEVER, {"a": 1}, {})


@settings(deadline=None)
@given(st.text(max_size=200) | FRAGMENTS)
@example("a>=")
@example("\x1c")
def test_any_text_is_read_or_refused_at_a_place_within_it(text: str) -> None:
    found: Requirement | RequirementError
    try:
        found = parse(text)
    except RequirementError as error:
        found = error
    if isinstance(found, RequirementError):
        assert 0 <= found.position <= len(text)
        assert found.position == len(text.rstrip()) or not text[found.position].isspace()
        assert repr(text) in str(found)
    else:
        assert parse_canonical(describe(found)) == found
