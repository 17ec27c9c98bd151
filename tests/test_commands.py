"""The command table is complete, and what it promises of the machines holds: the same names, numbers and bits."""

import inspect
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast, get_args

import msgspec
import pytest

from acd_core import Engine
from acd_core.commands import COMMAND_TYPES, Command
from acd_core.config import Config, Queue, Tenant
from acd_core.events import EVENT_TYPES, EndReason, Event
from acd_core.machine import Machine
from acd_core.model import Model
from acd_core.refusals import SENTENCES, Outcome
from acd_protocol.permissions import PERMISSIONS
from tests.support.streams import Stream
from tests.support.wait import patient

ROOT = Path(__file__).resolve().parent.parent
TAG = re.compile(r"(contact|offer|agent|client|queue|hours|config)\.[a-z]+(_[a-z]+)*")
MACHINES = [pytest.param(Model, id="model"), pytest.param(Engine, id="engine")]


def tag_of(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def public_methods(machine: type) -> dict[str, Any]:
    return {
        name: method
        for name in dir(machine)
        if not name.startswith("_") and callable(method := inspect.getattr_static(machine, name))
    }


# The rows

MINIMAL = {
    "contact": "c-1",
    "consult": "q-1",
    "tenant": "acme",
    "queue": "support",
    "offer": "o-1",
    "agent": "a-1",
    "config": {},
    "reason": "",
    "calendar": "office",
    "open": True,
    "by_s": 30,
}


def minimal(kind: type[Command]) -> Command:
    """A command with just the fields that it must have."""
    wanted = {field.encode_name: MINIMAL[field.encode_name] for field in msgspec.structs.fields(kind) if field.required}
    return msgspec.convert({"type": tag_of(kind), **wanted}, kind)


class Recorder:
    """Stands in for a machine; notes which method is called with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        def note(*args: Any) -> int:
            self.calls.append((name, args))
            return Outcome.DUPLICATE

        return note


def calls_of(kind: type[Command]) -> list[tuple[str, tuple[Any, ...]]]:
    """What a command of this kind asks of the machine."""
    recorder = Recorder()
    assert minimal(kind).apply(cast("Machine", recorder), 7, "pbx-1") == Outcome.DUPLICATE
    return recorder.calls


@pytest.mark.parametrize("kind", COMMAND_TYPES, ids=tag_of)
def test_a_row_is_documented_and_says_who_may_send_it(kind: type[Command]) -> None:
    assert kind.__doc__
    assert kind.__doc__ != Command.__doc__
    assert kind in PERMISSIONS
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("kind", COMMAND_TYPES, ids=tag_of)
def test_a_row_calls_one_method_that_both_machines_have(kind: type[Command]) -> None:
    ((name, args),) = calls_of(kind)
    assert args[0] == 7
    for machine in (Machine, Model, Engine):
        inspect.signature(getattr(machine, name)).bind(None, *args)


def test_every_command_method_of_the_machines_has_a_row() -> None:
    called = {name for kind in COMMAND_TYPES for name, _ in calls_of(kind)}
    answering = {
        name
        for name, method in public_methods(Machine).items()
        if list(inspect.signature(method).parameters)[1:2] == ["now"] and name != "advance"
    }
    assert called == answering


@pytest.mark.parametrize("kinds", [COMMAND_TYPES, EVENT_TYPES], ids=["commands", "events"])
def test_tags_are_noun_and_verb_and_unique(kinds: tuple[type[msgspec.Struct], ...]) -> None:
    tags = [tag_of(kind) for kind in kinds]
    assert [tag for tag in tags if not TAG.fullmatch(tag)] == []
    assert len(set(tags)) == len(tags)


def test_no_message_is_both_command_and_event() -> None:
    assert not {tag_of(kind) for kind in COMMAND_TYPES} & {tag_of(kind) for kind in EVENT_TYPES}


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=tag_of)
def test_an_event_is_documented_and_begins_with_its_number_and_time(kind: type[Event]) -> None:
    assert kind.__doc__
    assert kind.__doc__ != Event.__doc__
    assert kind.__struct_fields__[:2] == ("seq", "at")


# Model and engine


def test_the_machines_have_the_same_methods_with_the_same_parameters() -> None:
    contract = public_methods(Machine)
    engine = public_methods(Engine)
    assert set(public_methods(Model)) == set(contract)
    assert set(engine) == set(contract) | {"discard_events", "dump", "load"}
    for name, method in contract.items():
        for machine in (Model, Engine):
            mine, theirs = inspect.signature(method), inspect.signature(getattr(machine, name))
            assert [(p.name, p.default) for p in theirs.parameters.values()] == [
                (p.name, p.default) for p in mine.parameters.values()
            ], name


# Answers


def test_every_outcome_has_a_sentence_and_no_sentence_is_left_over() -> None:
    assert set(SENTENCES) == set(Outcome)
    for outcome, sentence in SENTENCES.items():
        assert sentence == sentence.strip(), outcome
        assert not sentence.endswith("."), outcome


def test_outcomes_keep_to_their_families() -> None:
    assert {outcome for outcome in Outcome if outcome.accepted} == {Outcome.OK, Outcome.DUPLICATE}
    assert {outcome.value // 100 for outcome in Outcome} == {0, 1, 2, 3, 4, 5, 6, 9}


def enum_of(name: str) -> dict[str, int]:
    """The names and numbers of an enum in types.pxd."""
    text = (ROOT / "acd_core" / "types.pxd").read_text("utf-8")
    found = re.search(rf"^cdef enum {name}:\n((?:[ ]+.*\n|\n)+)", text, re.MULTILINE)
    assert found is not None, name
    return {key: int(number) for key, number in re.findall(r"^\s+(\w+) = (-?\d+)", found[1], re.MULTILINE)}


def test_the_engine_knows_every_outcome_of_the_core_by_its_number() -> None:
    answers = enum_of("Answer")
    known = {outcome.name: outcome.value for outcome in Outcome}
    assert answers.items() <= known.items()
    not_of_the_core = {outcome.name for outcome in Outcome if outcome.value >= 500} | {"VALUE_INVALID"}
    assert set(answers) == set(known) - not_of_the_core


def test_the_engine_knows_every_end_reason_by_its_place() -> None:
    reasons = enum_of("EndReason")
    count = reasons.pop("END_REASONS")
    assert [name.lower() for name in sorted(reasons, key=reasons.__getitem__)] == list(get_args(EndReason))
    assert sorted(reasons.values()) == list(range(count))


# What the core promises


def drive(machine: Machine, seed: int, steps: int, agents: int = 6) -> list[str]:
    """Run a random stream through a machine; gives some digests on the way."""
    stream = Stream(Random(seed), agents)
    digests = []
    for number, (now, client, command) in enumerate(islice(stream, steps)):
        if command is None:
            machine.advance(now)
        else:
            command.apply(machine, now, client)
        stream.note(machine.take_events())
        if number % 200 == 199:
            digests.append(machine.digest())
    return digests


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", [11, 12])
def test_a_refusal_changes_nothing(machine: type[Machine], seed: int) -> None:
    subject = machine()
    stream = Stream(Random(seed), 6)
    refusals: dict[int, int] = {}
    for now, client, command in islice(stream, 2500):
        subject.advance(now)  # so that what comes due is not taken for the command's doing
        stream.note(subject.take_events())
        before, seq = subject.digest(), subject.seq
        outcome = 0 if command is None else command.apply(subject, now, client)
        if outcome >= 100:
            refusals[outcome] = refusals.get(outcome, 0) + 1
            assert (subject.digest(), subject.seq, subject.take_events()) == (before, seq, []), command
        else:
            if outcome == Outcome.DUPLICATE:
                assert (subject.digest(), subject.seq) == (before, seq), command
            stream.note(subject.take_events())
    assert len(refusals) >= 8, refusals


@pytest.mark.parametrize("machine", MACHINES)
def test_the_same_commands_give_the_same_digest_whatever_the_hash_seed(machine: type[Machine]) -> None:
    script = (
        "import sys; from tests.test_commands import Engine, Model, drive; "
        f"print(*drive({machine.__name__}(), seed=5, steps=1500))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=patient(60),
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1] == drive(machine(), seed=5, steps=1500)
    assert len(set(printed[0])) == len(printed[0]) == 7


@pytest.mark.parametrize("machine", MACHINES)
def test_time_that_passes_in_steps_is_the_same_time(machine: type[Machine]) -> None:
    whole, stepping, following = machine(), machine(), machine()
    stream = Stream(Random(21), 12)
    storms = 0
    for number, (at, client, command) in enumerate(islice(stream, 2000)):
        now = at + number // 30 * 20 * 10**9  # twenty seconds at a time, so that much comes due together
        whole.advance(now)
        events = whole.take_events()
        deadlines: list[int] = []
        while not deadlines or 0 < stepping.next_deadline() <= now:
            stepping.advance(now, 2)
            deadlines.append(stepping.now)
            following.advance(stepping.now)
            assert following.digest() == stepping.digest()
        storms += len(deadlines) > 1
        assert deadlines[-1] == now
        assert deadlines == sorted(set(deadlines))
        if command is not None:
            outcomes = {command.apply(subject, now, client) for subject in (whole, stepping, following)}
            assert len(outcomes) == 1
            events += whole.take_events()
        stream.note(events)
        assert stepping.take_events() == following.take_events() == events
    assert whole.digest() == stepping.digest()
    assert storms > 5


def test_taking_no_events_changes_nothing() -> None:
    taken, discarded = Engine(), Engine()
    stream = Stream(Random(9), 6)
    for now, client, command in islice(stream, 2000):
        if command is not None:
            assert command.apply(taken, now, client) == command.apply(discarded, now, client)
        events = taken.take_events()
        stream.note(events)
        assert discarded.discard_events() == len(events)
    assert taken.digest() == discarded.digest()


def test_a_direction_that_is_none_changes_nothing() -> None:
    """No line can say it, but whoever calls the engine directly can."""
    engine = Engine()
    config = Config(tenants=(Tenant(name="acme"),), queues=(Queue(tenant="acme", name="support"),))
    assert engine.apply_config(1, config) == Outcome.OK
    before = engine.digest()
    with pytest.raises(KeyError):
        engine.enqueue_contact(1, "pbx", "c-1", "acme", "support", 0, "", {}, cast("Any", "sideways"))
    assert engine.digest() == before


def test_contacts_are_listed_as_they_came() -> None:
    """Also where rows of ended ones are used again, and where only the first of those who fit are asked for."""
    machines: tuple[Machine, Machine] = Model(), Engine()
    stream = Stream(Random(4), 6)
    compared = 0
    for step, (now, client, command) in enumerate(islice(stream, 3000)):
        for machine in machines:
            if command is None:
                machine.advance(now)
            else:
                command.apply(machine, now, client)
        events, same = (machine.take_events() for machine in machines)
        assert events == same
        stream.note(events)
        if step % 50:
            continue
        for state in ("", "queued", "connected"):
            queues = {(view.tenant, view.queue) for view in machines[0].contacts()}
            for tenant, queue in (("", ""), *sorted(queues)[:2]):
                for limit in (0, 1, 2, 5, 100, -1, 1 << 62):
                    listed = [
                        [view.contact for view in machine.contacts(tenant, queue, limit, state)] for machine in machines
                    ]
                    assert listed[0] == listed[1]
                    compared += len(listed[0])
    assert compared > 1000


def test_the_first_of_very_many_contacts_are_those_who_came_first() -> None:
    """Many more than are sorted at a time, in rows that earlier contacts left in another order."""
    machine = Engine()
    count = 20_000
    assert (
        machine.apply_config(1, Config(tenants=(Tenant(name="acme"),), queues=(Queue(tenant="acme", name="support"),)))
        == 0
    )
    for name in ("a", "b"):
        for number in range(count):
            assert machine.enqueue_contact(2, "pbx", f"{name}-{number}", "acme", "support", 0, "", {}) == 0
            if name == "b":
                machine.abandon_contact(2, f"a-{number}")
        machine.discard_events()
    for limit in (1, 4, 9000):
        assert [view.contact for view in machine.contacts(limit=limit)] == [f"b-{number}" for number in range(limit)]
