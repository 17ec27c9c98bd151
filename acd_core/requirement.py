"""The requirement language: what a contact, or its queue, asks of an agent.

::

    billing>=30 & spanish
    (billing>=30 | sales) & not trainee
    technical>=50 & agent.site in ("madrid", "lisbon") & agent.grade >= 3

A name is a skill, and stands for its level: `spanish` alone means `spanish>=1`, and an agent who lacks a skill has
level 0 in it. `agent.site` is an attribute of the agent, a text or a whole number; a comparison with an attribute
that the agent does not have is false. Comparisons are `>=`, `<=`, `>`, `<`, `==`, `!=` and `in (…)`; texts are only
equal or not. `&` and `and`, `|` and `or`, `!` and `not` mean the same; `&` binds closer than `|`. The empty text asks
nothing, and `nobody` is what no agent can meet.

`parse` gives a canonical form, so that requirements that mean the same are mostly equal and can share one waiting
line: negations are moved inwards, conditions on the same skill are joined, order and repetition do not matter.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NoReturn

LEVEL_MIN = 1
LEVEL_MAX = 100
CONDITIONS_MAX = 64
"""Most comparisons in one requirement."""
NESTING_MAX = 16
"""Deepest nesting of parentheses and negations."""
NUMBER_MAX = 2**53
"""Largest number, positive or negative, in an attribute or a comparison with one."""

SKILL_PATTERN = r"^[^\W\d][\w.-]{0,63}\Z"
"""A skill's name: a letter or underscore, then letters, digits, `_`, `.`, `-`; at most 64 characters."""

ATTRIBUTE_PREFIX = "agent."
_WORDS = frozenset({"and", "or", "not", "in"})
_NOBODY = "nobody"

Node = tuple[Any, ...]
"""A condition, by its first item:

===========================  ====================================================================
`("level", skill, lo, hi)`   the level in `skill`, 0 for none, is in lo..hi
`("value", name, values)`    the attribute is one of `values`
`("range", name, lo, hi)`    the attribute is a number in lo..hi
`("not", condition)`         one of the two above is not so
`("or", conditions)`         at least one is so
`("and", conditions)`        all are so; only inside of an `or`
`("never",)`                 nobody can meet it
===========================  ====================================================================
"""

Requirement = tuple[Node, ...]
"""Conditions all of which must be met, in canonical order; empty asks nothing."""

NEVER: Node = ("never",)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[^\W\d][\w.-]*)
      | (?P<number>-?\d+)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<op>>=|<=|==|!=|>|<|&&?|\|\|?|!|=|\(|\)|,)
    )""",
    re.VERBOSE,
)
_SPELLINGS = {"and": "&", "&&": "&", "or": "|", "||": "|", "not": "!", "=": "=="}


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


def reserved(name: str) -> bool:
    """Whether `name` means something in the language, so that no skill can be called so."""
    return name in _WORDS or name == _NOBODY or name.startswith(ATTRIBUTE_PREFIX)


def parse(text: str) -> Requirement:
    """Read a requirement.

    Args:
        text: such as `"billing>=30 & spanish"`; levels are 1..100, at most 64 comparisons, 16 levels of nesting.

    Raises:
        RequirementError: with the position of the first character that cannot be read.
    """
    return _read(_Parser(text, CONDITIONS_MAX, NESTING_MAX))


def parse_canonical(text: str) -> Requirement:
    """Read what `describe` wrote. Such a text may be longer than `parse` allows, since requirements are merged."""
    return _read(_Parser(text, len(text), len(text)))


def _read(parser: "_Parser") -> Requirement:
    if parser.kind == "end":
        return ()
    node = parser.alternatives(0)
    if parser.kind != "end":
        parser.fail(f"expected '&', '|' or the end, found {parser.value!r}")
    return _conjuncts(_normal(node))


def merge(*requirements: Requirement) -> Requirement:
    """All of `requirements` at once."""
    return _conjuncts(_all(node for requirement in requirements for node in requirement))


def either(*requirements: Requirement) -> Requirement:
    """At least one of `requirements`."""
    return _conjuncts(_any(one[0] if len(one) == 1 else ("and", one) for one in requirements))


def for_agent(requirement: Requirement, agent: str | None) -> Requirement:
    """The requirement asked of one agent alone, by his id, instead of whom it was for before; None is for anybody.

    Raises:
        RequirementError: for an id with quotes of both kinds, which cannot be written.
    """
    others = tuple(node for node in requirement if not _names_agent(node))
    if agent is None:
        return others
    if '"' in agent and "'" in agent:
        raise RequirementError("an id with quotes of both kinds cannot be asked for", agent, 0)
    return merge(others, (("value", "id", (agent,)),))


def for_others(requirement: Requirement, agents: Iterable[str]) -> Requirement:
    """The requirement asked of anybody but these agents. Raises as `for_agent` does."""
    nodes: list[Node] = []
    for agent in agents:
        if '"' in agent and "'" in agent:
            raise RequirementError("an id with quotes of both kinds cannot be excluded", agent, 0)
        nodes.append(("not", ("value", "id", (agent,))))
    return merge(requirement, tuple(nodes))


def is_for_one(requirement: Requirement) -> bool:
    """Whether it asks for an agent by his id, or for anybody but him."""
    return any(_names_agent(node) or (node[0] == "not" and _names_agent(node[1])) for node in requirement)


def without(requirement: Requirement, skills: Collection[str]) -> Requirement:
    """The requirement where each condition on one of `skills` counts as met."""
    return _conjuncts(_all(_without(node, skills) for node in requirement))


def describe(requirement: Requirement) -> str:
    """The canonical text of a requirement, which `parse` reads back."""
    return " & ".join(_text(node) for node in requirement)


def skills_of(requirement: Iterable[Node]) -> Iterator[str]:
    """The skills that conditions speak of, as often as they do."""
    for node in requirement:
        if node[0] == "level":
            yield node[1]
        elif node[0] in {"or", "and"}:
            yield from skills_of(node[1])


def wanted_skills(requirement: Requirement) -> tuple[str, ...]:
    """The skills that an agent may meet the requirement by, sorted: those in which some level above 0 is asked."""
    return tuple(sorted(set(_wanted(requirement))))


def needed_levels(requirement: Requirement) -> tuple[tuple[str, int], ...]:
    """`(skill, least level)` of every skill that nobody can do without, sorted."""
    return tuple((node[1], node[2]) for node in requirement if node[0] == "level" and node[2] > 0)


def meets(node: Node, skills: Mapping[str, int], attributes: Mapping[str, str | int]) -> bool:
    """Whether an agent with these skills and attributes meets one condition."""
    match node:
        case ("level", skill, lo, hi):
            return bool(lo <= skills.get(skill, 0) <= hi)
        case ("value", name, values):
            return attributes.get(name) in values
        case ("range", name, lo, hi):
            value = attributes.get(name)
            return isinstance(value, int) and bool(lo <= value <= hi)
        case ("not", inner):
            return not meets(inner, skills, attributes)
        case ("or", inner):
            return any(meets(one, skills, attributes) for one in inner)
        case ("and", inner):
            return all(meets(one, skills, attributes) for one in inner)
    return False


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, conditions_max: int, nesting_max: int) -> None:
        self.text = text
        self.conditions_max = conditions_max
        self.nesting_max = nesting_max
        self.end = len(text.rstrip())
        self.conditions = 0
        self.position = 0
        self.kind = self.value = ""
        self._next = 0
        self.advance()

    def advance(self) -> None:
        """Go on to the next token."""
        if self._next >= self.end:
            self.kind, self.value, self.position = "end", "", self.end
            return
        match = _TOKEN.match(self.text, self._next)
        if match is None:
            rest = self.text[self._next :]
            self.position = self._next + len(rest) - len(rest.lstrip())
            found = self.text[self.position]
            self.fail("this text does not end" if found in "\"'" else f"unexpected {found!r}")
        self.kind = str(match.lastgroup)
        self.value = match[self.kind]
        self.position = match.start(self.kind)
        self._next = match.end()
        if self.kind == "name" and self.value in _WORDS:
            self.kind = "op"
        if self.kind == "op":
            self.value = _SPELLINGS.get(self.value, self.value)

    def fail(self, problem: str, position: int | None = None) -> NoReturn:
        raise RequirementError(problem, self.text, self.position if position is None else position)

    def accept(self, op: str) -> bool:
        """Whether the token is this operator; if so it is passed."""
        if self.kind != "op" or self.value != op:
            return False
        self.advance()
        return True

    def alternatives(self, depth: int) -> Node:
        nodes = [self.conjunction(depth)]
        while self.accept("|"):
            nodes.append(self.conjunction(depth))
        return nodes[0] if len(nodes) == 1 else ("or", tuple(nodes))

    def conjunction(self, depth: int) -> Node:
        nodes = [self.factor(depth)]
        while self.accept("&"):
            nodes.append(self.factor(depth))
        return nodes[0] if len(nodes) == 1 else ("and", tuple(nodes))

    def factor(self, depth: int) -> Node:
        if depth > self.nesting_max:
            self.fail(f"nested more than {self.nesting_max} deep")
        if self.accept("!"):
            return ("not", self.factor(depth + 1))
        if self.accept("("):
            node = self.alternatives(depth + 1)
            if not self.accept(")"):
                self.fail("expected ')'")
            return node
        return self.comparison()

    def comparison(self) -> Node:
        if self.kind != "name":
            self.fail(
                "expected a skill's name, " + (f"found {self.value!r}" if self.kind != "end" else "found the end")
            )
        name, start = self.value, self.position
        if len(name) > 64 + len(ATTRIBUTE_PREFIX) * name.startswith(ATTRIBUTE_PREFIX):
            self.fail("a name has at most 64 characters")
        self.conditions += 1
        if self.conditions > self.conditions_max:
            self.fail(f"at most {self.conditions_max} comparisons in one requirement")
        self.advance()
        if name == _NOBODY:
            return NEVER
        if name.startswith(ATTRIBUTE_PREFIX) and name != ATTRIBUTE_PREFIX:
            return self.attribute(name.removeprefix(ATTRIBUTE_PREFIX), start)
        return self.level(name)

    def level(self, skill: str) -> Node:
        if self.accept("in"):
            return ("or", tuple(("level", skill, level, level) for level in self.values(self.level_number)))
        if self.kind != "op" or self.value not in {">=", "<=", ">", "<", "==", "!="}:
            return ("level", skill, LEVEL_MIN, LEVEL_MAX)
        op = self.value
        self.advance()
        return _range("level", skill, op, self.level_number(f"expected a level after '{op}'"), 0, LEVEL_MAX)

    def level_number(self, wanted: str = "expected a level") -> int:
        if self.kind != "number":
            self.fail(wanted)
        if len(self.value) > 3 or not LEVEL_MIN <= int(self.value) <= LEVEL_MAX:
            self.fail(f"a level is {LEVEL_MIN}..{LEVEL_MAX}")
        level = int(self.value)
        self.advance()
        return level

    def attribute(self, name: str, start: int) -> Node:
        if self.accept("in"):
            return ("value", name, _sorted_values(self.values(self.attribute_value)))
        if self.kind != "op" or self.value not in {">=", "<=", ">", "<", "==", "!="}:
            self.fail(f"compare the attribute with something, such as {ATTRIBUTE_PREFIX}{name} == 1", start)
        op, at = self.value, self.position
        self.advance()
        value = self.attribute_value()
        if op == "==":
            return ("value", name, (value,))
        if op == "!=":
            return ("not", ("value", name, (value,)))
        if isinstance(value, str):
            self.fail(f"texts are equal or not, so '{op}' needs a number", at)
        return _range("range", name, op, int(value), -NUMBER_MAX, NUMBER_MAX)

    def attribute_value(self) -> str | int:
        value: str | int
        if self.kind == "text":
            value = self.value[1:-1]
            if len(value) > 64:
                self.fail("a text has at most 64 characters")
        elif self.kind == "number":
            if len(self.value) > 17 or abs(int(self.value)) > NUMBER_MAX:
                self.fail("the number is too large")
            value = int(self.value)
        else:
            self.fail('expected a number, or a text such as "madrid"')
        self.advance()
        return value

    def values(self, read: Callable[[], Any]) -> list[Any]:
        if not self.accept("("):
            self.fail("expected '(' after 'in'")
        found = [read()]
        while self.accept(","):
            found.append(read())
        if not self.accept(")"):
            self.fail("expected ',' or ')'")
        self.conditions += len(found) - 1
        if self.conditions > self.conditions_max:
            self.fail(f"at most {self.conditions_max} comparisons in one requirement")
        return found


def _sorted_values(values: Iterable[str | int]) -> tuple[str | int, ...]:
    return tuple(sorted(set(values), key=lambda value: (isinstance(value, str), value)))


def _range(kind: str, name: str, op: str, number: int, lowest: int, highest: int) -> Node:
    match op:
        case ">=":
            return (kind, name, number, highest)
        case ">":
            return (kind, name, number + 1, highest)
        case "<=":
            return (kind, name, lowest, number)
        case "<":
            return (kind, name, lowest, number - 1)
        case "==":
            return (kind, name, number, number)
    return ("or", ((kind, name, lowest, number - 1), (kind, name, number + 1, highest)))


def _normal(node: Node) -> Node:
    """The canonical form of a parsed condition. `("and", ())` is what everybody meets."""
    match node:
        case ("not", inner):
            return _negated(inner)
        case ("and", inner):
            return _all(map(_normal, inner))
        case ("or", inner):
            return _any(map(_normal, inner))
        case ("level" | "range", _, lo, hi) if lo > hi:
            return NEVER
        case ("level", _, 0, 100):
            return ("and", ())
    return node


def _negated(node: Node) -> Node:
    match node:
        case ("not", inner):
            return _normal(inner)
        case ("and", inner):
            return _any(map(_negated, inner))
        case ("or", inner):
            return _all(map(_negated, inner))
        case ("never",):
            return ("and", ())
        case ("level", skill, lo, hi):
            return _any(map(_normal, (("level", skill, 0, lo - 1), ("level", skill, hi + 1, LEVEL_MAX))))
    return ("not", node)


def _all(nodes: Iterable[Node]) -> Node:
    """Canonical conjunction of canonical conditions."""
    levels: dict[str, tuple[int, int]] = {}
    others: set[Node] = set()
    for node in nodes:
        for part in node[1] if node[0] == "and" else (node,):
            if part[0] == "level":
                lo, hi = levels.get(part[1], (0, LEVEL_MAX))
                levels[part[1]] = max(lo, part[2]), min(hi, part[3])
            else:
                others.add(part)
    if NEVER in others or any(lo > hi for lo, hi in levels.values()):
        return NEVER
    others.update(("level", skill, lo, hi) for skill, (lo, hi) in levels.items())
    return next(iter(others)) if len(others) == 1 else ("and", _sorted(others))


def _any(nodes: Iterable[Node]) -> Node:
    """Canonical disjunction of canonical conditions."""
    parts = {part for node in nodes for part in (node[1] if node[0] == "or" else (node,))}
    if ("and", ()) in parts:
        return ("and", ())
    parts.discard(NEVER)
    if not parts:
        return NEVER
    return next(iter(parts)) if len(parts) == 1 else ("or", _sorted(parts))


def _names_agent(node: Node) -> bool:
    return node[:2] == ("value", "id")


def _without(node: Node, skills: Collection[str]) -> Node:
    match node:
        case ("level", skill, _, _) if skill in skills:
            return ("and", ())
        case ("and", inner):
            return _all(_without(one, skills) for one in inner)
        case ("or", inner):
            return _any(_without(one, skills) for one in inner)
    return node


def _sorted(nodes: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(sorted(nodes, key=repr))


def _conjuncts(node: Node) -> Requirement:
    return node[1] if node[0] == "and" else (node,)


def _wanted(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        if node[0] == "level" and node[2] > 0:
            yield node[1]
        elif node[0] in {"or", "and"}:
            yield from _wanted(node[1])


def _text(node: Node) -> str:
    match node:
        case ("level", skill, lo, hi):
            return _level_text(skill, lo, hi)
        case ("value", name, (value,)):
            return f"{ATTRIBUTE_PREFIX}{name}=={_literal(value)}"
        case ("value", name, values):
            return f"{ATTRIBUTE_PREFIX}{name} in ({', '.join(map(_literal, values))})"
        case ("range", name, lo, hi):
            low = f"{ATTRIBUTE_PREFIX}{name}>={lo}"
            return low if hi == NUMBER_MAX else f"{ATTRIBUTE_PREFIX}{name}<={hi}"
        case ("not", inner):
            return f"not {_text(inner)}"
        case ("or", inner):
            return f"({' | '.join(_text(one) for one in inner)})"
        case ("and", inner):
            return " & ".join(_text(one) for one in inner)
    return _NOBODY


def _level_text(skill: str, lo: int, hi: int) -> str:
    if hi == 0:
        return f"not {skill}"
    if hi == LEVEL_MAX:
        return skill if lo == LEVEL_MIN else f"{skill}>={lo}"
    if lo == hi:
        return f"{skill}=={lo}"
    if lo == 0:
        return f"{skill}<={hi}"
    return f"{skill}>={lo} & {skill}<={hi}"


def _literal(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return f'"{value}"' if '"' not in value else f"'{value}'"
