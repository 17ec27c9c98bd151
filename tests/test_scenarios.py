"""Business rules as stories: every file of tests/scenarios/ runs on the model and on the engine.

A story begins with its configuration, in TOML, up to a line of dashes. Then come steps::

    10.5  contact.enqueue contact=c1 queue=support priority=2
        > contact.queued contact=c1 position=1
        > contact.offered contact=c1 agent=anna
    31    offer.accept offer=o-1
        ! offer_gone

A step is a time in seconds and a command, or nothing but a time. Below it stand the events that it must cause, in
order: all events of contacts, offers and configuration; those of agents only when at least one is written down.
Fields that are not written down are not compared. `!` is the outcome, `ok` when it is not written down. Tenant is
`acme` unless given; `as=` names the client; `#` begins a comment.
"""

import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from acd_core import Config, Engine, Machine, Outcome
from acd_core.commands import AnyCommand, ConfigApply
from acd_core.model import Model

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
NS_PER_MS = 1_000_000


class Step(NamedTuple):
    line: int
    now: int
    client: str
    command: AnyCommand | None
    outcome: str
    events: list[dict[str, Any]]


def value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def fields(words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        found[name] = value(text)
    return found


def command_of(words: list[str]) -> AnyCommand:
    given = fields(words[1:])
    if words[0] == "contact.enqueue":
        given.setdefault("tenant", "acme")
    if words[0] == "config.apply":
        given["config"] = tomllib.loads(given["config"].replace(";", "\n"))
    command: AnyCommand = msgspec.convert({"type": words[0], **given}, AnyCommand)
    return command


def read(path: Path) -> tuple[Config, list[Step]]:
    head, _, story = path.read_text().partition("\n----\n")
    config = msgspec.convert(tomllib.loads(head), Config)
    steps: list[Step] = []
    for number, line in enumerate(story.splitlines(), start=head.count("\n") + 3):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == ">":
            steps[-1].events.append({"type": words[1], **fields(words[2:])})
        elif words[0] == "!":
            steps[-1] = steps[-1]._replace(outcome=words[1])
        else:
            now = round(float(words[0]) * 1000) * NS_PER_MS
            client = next((word.removeprefix("as=") for word in words if word.startswith("as=")), "tests")
            rest = [word for word in words[1:] if not word.startswith("as=")]
            steps.append(Step(number, now, client, command_of(rest) if rest else None, "ok", []))
    return config, steps


def differences(step: Step, seen: list[dict[str, Any]]) -> Iterator[str]:
    if not any(event["type"].startswith("agent.") for event in step.events):
        seen = [event for event in seen if not event["type"].startswith("agent.")]
    for index in range(max(len(seen), len(step.events))):
        if index >= len(seen):
            yield f"missing: {step.events[index]}"
        elif index >= len(step.events):
            yield f"not foreseen: {seen[index]}"
        else:
            wanted = step.events[index]
            if any(seen[index].get(name) != wanted[name] for name in wanted):
                yield f"wanted {wanted}, got {seen[index]}"


@pytest.mark.parametrize("machine_type", [Model, Engine])
@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_story(path: Path, machine_type: type[Machine]) -> None:
    config, steps = read(path)
    assert steps
    machine = machine_type()
    assert ConfigApply(config=config).apply(machine, 0, "tests") == Outcome.OK
    machine.take_events()
    for step in steps:
        outcome = Outcome.OK
        if step.command is None:
            machine.advance(step.now)
        else:
            outcome = Outcome(step.command.apply(machine, step.now, step.client))
        seen = [msgspec.json.decode(msgspec.json.encode(event)) for event, _, _ in machine.take_events()]
        machine.check()
        place = f"{path.name}:{step.line}"
        assert outcome.code == step.outcome, place
        found = list(differences(step, seen))
        assert not found, f"{place}: " + "; ".join(found)


def test_every_command_and_outcome_of_the_core_is_told_in_some_story() -> None:
    stories = "\n".join(path.read_text() for path in SCENARIOS)
    untold = [kind.__struct_config__.tag for kind in AnyCommand.__args__ if kind.__struct_config__.tag not in stories]
    assert not untold
    core = [outcome for outcome in Outcome if 1 <= outcome < 500 and outcome is not Outcome.VALUE_INVALID]
    assert not [outcome.code for outcome in core if f"! {outcome.code}" not in stories]
