"""The requirement language: what is read, what is refused, and where the caret then points."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acd_core.requirement import LEVEL_MAX, SKILLS_MAX, RequirementError, Terms, describe, merge, parse

RESERVED = {"and", "or", "not", "in"}
NAMES = st.from_regex(r"[^\W\d][\w.-]{0,63}", fullmatch=True).filter(lambda name: name not in RESERVED)
LEVELS = st.integers(1, LEVEL_MAX)
TERMS = st.dictionaries(NAMES, LEVELS, max_size=SKILLS_MAX).map(lambda levels: tuple(sorted(levels.items())))
SPACE = st.text(" \t\n", max_size=3)
FRAGMENTS = st.lists(
    st.sampled_from(
        ["billing", "a-b", "é", ">=", ">", "30", "101", "0", "9999", "&", "and", "or", "not", "(", " ", "٣"]
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("  \n", ()),
        ("spanish", (("spanish", 1),)),
        ("billing>=30 & spanish", (("billing", 30), ("spanish", 1))),
        ("spanish and billing >= 30", (("billing", 30), ("spanish", 1))),
        ("a>=20&a>=30&a", (("a", 30),)),
        ("android", (("android", 1),)),
        ("level-2.b_x>=100", (("level-2.b_x", 100),)),
    ],
)
def test_requirements_are_read(text: str, terms: Terms) -> None:
    assert parse(text) == terms


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("billing >= ", 10, "expected a level after '>='"),
        ("billing >= x", 11, "expected a level after '>='"),
        ("billing>=0", 9, "a level is 1..100"),
        ("billing>=101 & a", 9, "a level is 1..100"),
        ("billing>=00030", 9, "a level is 1..100"),
        ("& a", 0, "expected a skill's name, found '&'"),
        ("a & ", 3, "expected a skill's name, found the end"),
        ("a & and", 4, "expected a skill's name, found 'and'"),
        ("a b", 2, "expected '&' or the end, found 'b'"),
        ("a  or b", 3, "'or' is not supported; join skills with '&'"),
        ("not a", 0, "expected a skill's name, found 'not'"),
        ("a & (b)", 4, "unexpected '('"),
        ("a > 3", 2, "unexpected '>'"),
        ("30", 0, "expected a skill's name, found '30'"),
        ("a & " + "x" * 65, 4, "a skill's name has at most 64 characters"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, position: int, problem: str) -> None:
    with pytest.raises(RequirementError) as caught:
        parse(text)
    assert (caught.value.position, caught.value.problem) == (position, problem)
    assert caught.value.pointer.splitlines()[-1].startswith(" " * position + "^ ")


@pytest.mark.parametrize("suffix", ["", ">=5"])
def test_one_skill_too_many_is_pointed_at(suffix: str) -> None:
    enough = " & ".join(f"s{number}" for number in range(SKILLS_MAX))
    assert len(parse(enough)) == SKILLS_MAX
    with pytest.raises(RequirementError, match="at most 16 skills") as caught:
        parse(f"{enough} & last{suffix}")
    assert caught.value.text[caught.value.position :] == f"last{suffix}"


@settings(deadline=None)
@given(TERMS)
def test_the_canonical_text_is_read_back_as_itself(terms: Terms) -> None:
    assert parse(describe(terms)) == terms


@settings(deadline=None)
@given(TERMS.filter(bool), st.data())
def test_order_case_of_and_and_space_do_not_matter(terms: Terms, data: st.DataObject) -> None:
    text = ""
    for number, (skill, level) in enumerate(data.draw(st.permutations(terms))):
        joint = data.draw(st.sampled_from([" and ", "&"])) if number else ""
        text += joint + data.draw(SPACE) + skill + data.draw(SPACE) + ">=" + data.draw(SPACE) + str(level)
    text += data.draw(SPACE)
    assert parse(text) == terms


@settings(deadline=None)
@given(TERMS, TERMS)
def test_merging_keeps_the_higher_level_of_every_skill(one: Terms, other: Terms) -> None:
    merged = dict(merge(one, other))
    assert merged == {
        skill: max(dict(one).get(skill, 0), dict(other).get(skill, 0)) for skill in dict(one) | dict(other)
    }
    assert merge(other, one) == merge(one, other) == merge(one, other, one)


def read(text: str) -> Terms | RequirementError:
    try:
        return parse(text)
    except RequirementError as error:
        return error


@settings(deadline=None)
@given(st.text(max_size=200) | FRAGMENTS)
@example("a>=")
@example("\x1c")
def test_any_text_is_read_or_refused_at_a_place_within_it(text: str) -> None:
    found = read(text)
    if isinstance(found, RequirementError):
        assert 0 <= found.position <= len(text)
        assert found.position == len(text.rstrip()) or not text[found.position].isspace()
        assert repr(text) in str(found)
    else:
        assert list(found) == sorted(dict(found).items())
        assert all(1 <= level <= LEVEL_MAX for _, level in found)
        assert parse(describe(found)) == found


@settings(deadline=None)
@given(TERMS.filter(bool), st.data())
def test_a_foreign_character_is_pointed_at(terms: Terms, data: st.DataObject) -> None:
    text = describe(terms)
    at = data.draw(st.integers(0, len(text)).filter(lambda at: text[at - 1 : at + 1] != ">="))
    broken = f"{text[:at]}!{text[at:]}"
    with pytest.raises(RequirementError) as caught:
        parse(broken)
    assert caught.value.position == at
    assert broken[caught.value.position] == "!"
