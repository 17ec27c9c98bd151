"""Alternatives of a scenario: the file itself, others to compare, and the values of a sweep."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from acd_sim.scenario.build import Planned, build, read, with_warmup
from acd_sim.scenario.document import Document, ScenarioError, value_of_word
from acd_sim.virtual import Study, simulate

ALTERNATIVES_MAX = 200
Told = Callable[[str, float, int], None]
"""Told the alternative that is played, the share of all work that is done, and its replications that are."""


class Alternative(Struct, frozen=True):
    """One of several ways to run a centre.

    Attributes:
        label: what tells it from the others.
        planned: the scenario.
        swept: the values that a sweep gave it, by key.
    """

    label: str
    planned: Planned
    swept: dict[str, Any] = {}


class Played(Struct, frozen=True):
    """An alternative with what came of it."""

    alternative: Alternative
    study: Study


def alternatives_of(scenario: Path, others: Sequence[Path], sweeps: Sequence[str]) -> list[Alternative]:
    """All alternatives: the scenario with each combination of swept values, then the other files as they are.

    Args:
        scenario: the file that differences are taken to.
        others: files to compare it with.
        sweeps: texts such as `teams.front.count=10,12,14`.

    Raises:
        ScenarioError: a file cannot be used, or a sweep names no key.
    """
    document = read(scenario)
    axes = [_axis(text) for text in sweeps]
    found = [
        _alternative(document, dict(zip([key for key, _ in axes], values, strict=True)))
        for values in itertools.product(*(values for _, values in axes))
    ]
    found += [_alternative(read(path), {}) for path in others]
    if len(found) > ALTERNATIVES_MAX:
        raise ScenarioError(f"these are {len(found)} alternatives; sweep fewer values, {ALTERNATIVES_MAX} at most")
    labels = [alternative.label for alternative in found]
    for label in labels:
        if labels.count(label) > 1:
            raise ScenarioError(f"two alternatives are called {label!r}; give the files different names")
    return found


def play(
    alternatives: Sequence[Alternative],
    *,
    seed: int | None = None,
    replications: int | None = None,
    processes: int | None = None,
    told: Told | None = None,
) -> list[Played]:
    """Play alternatives one after the other, all with the first one's seed: they see the same callers.

    Ctrl-C ends it early; what is done so far is given.

    Args:
        alternatives: the first is the one that others are compared with.
        seed: instead of the scenario's.
        replications: likewise.
        processes: over how many to spread the replications; one for each processor when None.
        told: told how far it is.

    Raises:
        SimulationError: the engine refused a configuration.
    """
    run = alternatives[0].planned.scenario.run
    done: list[Played] = []
    for number, alternative in enumerate(alternatives):

        def progress(share: float, finished: int, number: int = number, label: str = alternative.label) -> None:
            if told is not None:
                told(label, (number + share) / len(alternatives), finished)

        progress(0.0, 0)
        planned = with_warmup(alternative.planned, processes)
        study = simulate(
            planned.model,
            seed=run.seed if seed is None else seed,
            replications=run.replications if replications is None else replications,
            processes=processes,
            progress=progress,
        )
        if study.replications:
            done.append(Played(Alternative(alternative.label, planned, alternative.swept), study))
        if study.interrupted:
            break
    return done


def _axis(text: str) -> tuple[str, list[Any]]:
    key, equals, values = text.partition("=")
    if not equals or not key.strip() or not values.strip():
        raise ScenarioError(f"{text!r} is no sweep; write it as teams.front.count=10,12,14")
    listed = value_of_word(f"[{values}]")  # one TOML list, unless there are bare words in it
    if isinstance(listed, list):
        return key.strip(), listed
    return key.strip(), [value_of_word(word.strip()) for word in values.split(",")]


def _alternative(document: Document, swept: dict[str, Any]) -> Alternative:
    changed = document.copy()
    for key, value in swept.items():
        changed.set(key, value)
    try:
        planned = build(changed)
    except ScenarioError as error:
        if not swept:
            raise
        values = ", ".join(f"{key}={value}" for key, value in swept.items())
        raise ScenarioError(f"with {values}: {error}") from error
    short = ", ".join(f"{key.split('.', 1)[-1]} = {value}" for key, value in swept.items())
    return Alternative(short or planned.name, planned, swept)
