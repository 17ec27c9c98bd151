"""The requirement language: what a contact, or its queue, asks of an agent.

A requirement is several skills, each with a least level, all of which must be met::

    billing>=30 & spanish

`spanish` alone means `spanish>=1`; `&` and `and` mean the same; the empty text asks nothing. Naming a skill
twice keeps the higher level. `parse` gives a canonical tuple, so that requirements that mean the same are
equal and can share one waiting line.
"""

import re
from collections.abc import Iterable

LEVEL_MIN = 1
LEVEL_MAX = 100
SKILLS_MAX = 16
"""Most skills that one requirement may name."""

SKILL_PATTERN = r"^[^\W\d][\w.-]{0,63}\Z"
"""A skill's name: a letter or underscore, then letters, digits, `_`, `.`, `-`; at most 64 characters."""

Terms = tuple[tuple[str, int], ...]
"""`(skill, least level)` pairs sorted by skill, each skill once."""

_TOKEN = re.compile(r"\s*(?:(?P<name>[^\W\d][\w.-]*)|(?P<number>\d+)|(?P<op>>=|&))")
RESERVED = frozenset({"and", "or", "not", "in"})
"""Words of the language, which no skill can have as its name."""


class RequirementError(ValueError):
    """A requirement that cannot be read. `position` is the index of the offending character in `text`."""

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.text = text
        self.position = position
        super().__init__(f"{problem} at character {position + 1} of {text!r}")

    @property
    def pointer(self) -> str:
        """The text with a caret below the offending character, for a terminal."""
        return f"{self.text}\n{' ' * self.position}^ {self.problem}"


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """The tokens of `text` as `(kind, value, position)`, closed by an `end` token."""
    found = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise RequirementError(f"unexpected {text[start]!r}", text, start)
        kind = str(match.lastgroup)
        value = match.group(kind)
        if kind == "name" and value in RESERVED:
            kind = "op"
        found.append((kind, value, match.start(match.lastgroup or 0)))
        position = match.end()
    found.append(("end", "", end))
    return found


def parse(text: str) -> Terms:
    """Read a requirement.

    Args:
        text: such as `"billing>=30 & spanish"`; levels are 1..100, at most 16 skills.

    Returns:
        `(skill, least level)` pairs, sorted by skill.

    Raises:
        RequirementError: with the position of the first character that cannot be read.
    """
    tokens = _tokens(text)
    levels: dict[str, int] = {}
    if tokens[0][0] == "end":
        return ()
    index = 0
    while True:
        kind, value, position = name = tokens[index]
        if kind != "name":
            found = f"found {value!r}" if value else "found the end"
            raise RequirementError(f"expected a skill's name, {found}", text, position)
        if len(value) > 64:
            raise RequirementError("a skill's name has at most 64 characters", text, position)
        skill, level = value, LEVEL_MIN
        index += 1
        if tokens[index][1] == ">=":
            kind, value, position = tokens[index + 1]
            if kind != "number":
                raise RequirementError("expected a level after '>='", text, position)
            level = int(value) if len(value) <= 3 else LEVEL_MAX + 1
            if not LEVEL_MIN <= level <= LEVEL_MAX:
                raise RequirementError(f"a level is {LEVEL_MIN}..{LEVEL_MAX}", text, position)
            index += 2
        levels[skill] = max(level, levels.get(skill, 0))
        if len(levels) > SKILLS_MAX:
            raise RequirementError(f"at most {SKILLS_MAX} skills in one requirement", text, name[2])
        kind, value, position = tokens[index]
        if kind == "end":
            return tuple(sorted(levels.items()))
        if value in {"or", "not", "in"}:
            raise RequirementError(f"{value!r} is not supported; join skills with '&'", text, position)
        if value not in {"&", "and"}:
            raise RequirementError(f"expected '&' or the end, found {value!r}", text, position)
        index += 1


def merge(*requirements: Terms) -> Terms:
    """All of `requirements` at once: the higher level where several name a skill."""
    levels: dict[str, int] = {}
    for terms in requirements:
        for skill, level in terms:
            levels[skill] = max(level, levels.get(skill, 0))
    return tuple(sorted(levels.items()))


def describe(terms: Iterable[tuple[str, int]]) -> str:
    """The canonical text of `terms`, which `parse` reads back."""
    return " & ".join(skill if level == LEVEL_MIN else f"{skill}>={level}" for skill, level in terms)
