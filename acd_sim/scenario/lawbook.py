"""Durations as scenarios write them, as laws; some are read from files."""

import csv
import gzip

import numpy as np

from acd_sim.scenario import shape
from acd_sim.scenario.document import Document, Steps
from acd_sim.virtual import Constant, Empirical, Law, LawError, kaplan_meier

GAVE_UP = frozenset(("1", "true", "yes", "abandoned", "hang"))


class Lawbook:
    """Turns what stands for a duration into a law; files are read once."""

    def __init__(self, found: Document) -> None:
        self._found = found
        self._files: dict[str, dict[str, list[str]]] = {}

    def law(self, value: shape.LawOrSeconds | None, place: Steps) -> Law | None:
        """The law, or None for nothing."""
        if value is None:
            return None
        if isinstance(value, float | int):
            return Constant(float(value))
        try:
            if isinstance(value, shape.FromFile):
                return Empirical(tuple(self.numbers(value.path, value.column, place).tolist()))
            if isinstance(value, shape.KaplanMeier):
                left = [word.strip().lower() in GAVE_UP for word in self.column(value.path, value.left, place)]
                return kaplan_meier(self.numbers(value.path, value.wait, place), left)
        except LawError as error:
            raise self._found.error(place, str(error)) from error
        return value

    def some(self, value: shape.LawOrSeconds, place: Steps) -> Law:
        """The law of something that is there."""
        law = self.law(value, place)
        assert law is not None
        return law

    def numbers(self, file: str, column: str, place: Steps) -> np.ndarray:
        """A column of numbers; empty fields are left out."""
        words = [word for word in self.column(file, column, place) if word.strip()]
        try:
            found = np.asarray([float(word) for word in words])
        except ValueError as error:
            raise self._found.error(place, f"{file}: {column}: {error}") from error
        if not len(found):
            raise self._found.error(place, f"{file}: the column {column!r} is empty")
        return found

    def column(self, file: str, column: str, place: Steps) -> list[str]:
        """A column of a CSV file."""
        if file not in self._files:
            path = self._found.folder / file
            try:
                raw = path.read_bytes()
                text = (gzip.decompress(raw) if file.endswith(".gz") else raw).decode("utf-8")
                rows = list(csv.DictReader(text.splitlines()))
            except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
                raise self._found.error(place, f"{path} cannot be read: {error}") from error
            self._files[file] = {name: [row[name] or "" for row in rows] for name in (rows[0] if rows else {}) if name}
        if column not in self._files[file]:
            known = ", ".join(self._files[file]) or "none"
            raise self._found.error(place, f"{file} has no column {column!r}; it has {known}")
        return self._files[file][column]
