"""Values of equal rounds, and comparisons between them that keep their spread."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Self

from bench.report import environment


class Spread(NamedTuple):
    """A median, and the least and greatest of what it is the median of."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Of one or more values."""
    return Spread(median(values), min(values), max(values))


class Figures:
    """All that was measured, by name; and what could not be measured, with the reason.

    Attributes:
        values: of each round.
        units: what the values of a name are in.
        missing: why a name has none.
        notes: versions and whatever else belongs to them.
        seconds: how long it took, by part.
    """

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.units: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.environment: dict[str, str] = {}

    def add(self, name: str, values: list[float], unit: str = "ns") -> None:
        """Values of more rounds."""
        self.values.setdefault(name, []).extend(values)
        self.units[name] = unit

    def part(self, name: str, measure: Callable[[Self], None], said: Callable[[str], None]) -> None:
        """Measure one part; if a program that it needs is not there, or it fails, the reason is kept."""
        said(name)
        started = time.monotonic()
        try:
            measure(self)
        except FileNotFoundError as error:
            self.missing[name] = f"{Path(str(error.filename or error)).name} is not installed; 'make peers' installs it"
        except RuntimeError as error:
            self.missing[name] = str(error)
        self.seconds[name] = round(time.monotonic() - started, 1)

    def has(self, *names: str) -> bool:
        """Whether all of them were measured."""
        return all(self.values.get(name) for name in names)

    def spread(self, name: str, scale: float = 1) -> Spread:
        """Of a figure."""
        return spread([value * scale for value in self.values[name]])

    def ratio(self, above: str, below: str) -> Spread:
        """Of two figures that were measured by turns: round by round where both have as many, for what slowed a machine down
        slowed what was measured one after the other; else by medians.
        """
        first, second = self.values[above], self.values[below]
        if len(first) == len(second):
            return spread([one / other for one, other in zip(first, second, strict=True)])
        return spread([one / median(second) for one in first])

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {
            "environment": self.environment or environment(),
            "notes": self.notes,
            "missing": self.missing,
            "seconds": self.seconds,
            "figures": {name: {"unit": self.units[name], "values": values} for name, values in self.values.items()},
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """What was written before."""
        stored = json.loads(path.read_text())
        figures = cls()
        figures.environment, figures.notes = stored["environment"], stored["notes"]
        figures.missing, figures.seconds = stored["missing"], stored["seconds"]
        for name, figure in stored["figures"].items():
            figures.add(name, figure["values"], figure["unit"])
        return figures

    def write(self, path: Path) -> None:
        """Into a file that `read` takes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n")
