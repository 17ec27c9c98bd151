"""A scenario as it was written: tables and lists, with the line of every key, for errors and for sweeps.

A place in a document is a path such as `contacts[2].talk.mean_s`: entries of a list are counted from 1, as one counts
them on paper, or named, as in `contacts.support.talk`.
"""

import copy
import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

Steps = tuple[str | int, ...]


class ScenarioError(ValueError):
    """A scenario that cannot be used; the message names file, line and key, and says what to do."""


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


class Document:
    """A TOML document that knows its lines.

    Args:
        text: of the document.
        source: its name in messages.
        folder: where the files that it names are looked for.

    Raises:
        ScenarioError: it is not valid TOML.
    """

    def __init__(self, text: str, source: str, folder: Path) -> None:
        self.source = source
        self.folder = folder
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ScenarioError(f"{source}: not valid TOML: {str(error) or 'nested too deeply'}") from error
        self._lines = _lines_of(text)

    def copy(self) -> "Document":
        """A document of its own, to be changed."""
        twin = copy.copy(self)
        twin.data = copy.deepcopy(self.data)
        return twin

    def line(self, steps: Steps) -> int | None:
        """The line on which a place is written, or the nearest around it; None for one that is nowhere in the text."""
        while steps:
            if steps in self._lines:
                return self._lines[steps]
            steps = steps[:-1]
        return None

    def error(self, steps: Steps, problem: str) -> ScenarioError:
        """An error at a place."""
        line = self.line(steps)
        place = f"{self.source}:{line}" if line else self.source
        key = spelled(steps)
        return ScenarioError(f"{place}: {key}: {problem}" if key else f"{place}: {problem}")

    def set(self, path: str, value: Any) -> None:
        """Change one value, named as in `teams.front.count` or `contacts[2].patience.mean_s`.

        Raises:
            ScenarioError: there is no such place.
        """
        parts = re.findall(r'\[\d+\]|"[^"]*"|[^.\[\]"]+', path)
        if not parts:
            raise ScenarioError(f"{path!r} names no key; write it as teams.front.count=10")
        node: Any = self.data
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            word = part.strip('"')
            if isinstance(node, list):
                index = _entry(node, word, path)
                if last:
                    raise ScenarioError(f"{path}: names a whole entry; name one of its keys")
                node = node[index]
            elif isinstance(node, dict):
                if last:
                    node[word] = value
                    return
                if word not in node:
                    raise ScenarioError(f"{path}: there is no {word!r}{meant(word, list(node))}")
                node = node[word]
            else:
                raise ScenarioError(f"{path}: {parts[number - 1]!r} is a plain value and has no {word!r}")


def read(path: Path) -> Document:
    """Read a scenario file. Raises `ScenarioError`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return Document(text, path.name, path.parent)


def spelled(steps: Steps) -> str:
    """A place as people write it."""
    text = ""
    for step in steps:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def value_of_word(word: str) -> Any:
    """What a word on the command line means in TOML; a text when it means nothing else."""
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word


def _entry(entries: list[Any], word: str, path: str) -> int:
    if word.startswith("["):
        index = int(word[1:-1]) - 1
        if 0 <= index < len(entries):
            return index
        raise ScenarioError(f"{path}: there is no entry {word}; there are {len(entries)}")
    names = [_name(entry) for entry in entries]
    if word in names:
        return names.index(word)
    raise ScenarioError(f"{path}: there is no entry {word!r}{meant(word, names)}")


def _name(entry: Any) -> str:
    """What an entry of a list is called."""
    if not isinstance(entry, dict):
        return ""
    if "tenant" in entry and "name" in entry:
        return f"{entry['tenant']}/{entry['name']}"
    return str(entry.get("name", entry.get("agent", "")))


def meant(word: str, known: list[str]) -> str:
    """The end of a sentence about a word that is not known."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; {close[0]!r} was meant?" if close else f"; known are {', '.join(known)}"


def _lines_of(text: str) -> dict[Steps, int]:
    """The line of each table and key. What a line's inline tables hold is found at the line itself."""
    found: dict[Steps, int] = {}
    counts: dict[Steps, int] = {}
    table: Steps = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None and not _KEY.match(line):
            table = _resolved(_words(header[2]), counts, header[1] == "[[")
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            steps = table + _words(key[1])
            for length in range(len(table) + 1, len(steps) + 1):
                found.setdefault(steps[:length], number)
    return found


def _words(text: str) -> Steps:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _resolved(words: Steps, counts: dict[Steps, int], entry: bool) -> Steps:
    """The place that a header opens: its lists stand at their latest entry."""
    place: Steps = ()
    for number, word in enumerate(words):
        place = (*place, word)
        if entry and number == len(words) - 1:
            counts[place] = counts.get(place, 0) + 1
        if place in counts:
            place = (*place, counts[place] - 1)
    return place
