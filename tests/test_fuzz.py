"""The fuzzer's targets stand all inputs that are kept, and some by chance; and they can fail."""

from pathlib import Path
from random import Random
from unittest import mock

import pytest

from acd_core.commands import AgentPause
from acd_core.refusals import Outcome
from acd_protocol import framing
from tests.fuzz import targets
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
pytestmark = pytest.mark.timeout(600)

BY_CHANCE = {"session": 15, "machine": 60, "journal_file": 60}


@pytest.mark.parametrize("target", TARGETS)
def test_target_stands_what_is_kept_and_what_chance_brings(target: str) -> None:
    kept = sorted((CORPUS / target).iterdir())
    assert kept
    for path in kept:
        TARGETS[target](path.read_bytes())
    rng = Random(target)
    for _ in range(BY_CHANCE.get(target, 300)):
        TARGETS[target](rng.randbytes(rng.choice((0, 1, 10, 100, 600))))


def fails(target: str) -> bool:
    """Whether a target complains of some input by chance."""
    rng = Random(5)
    try:
        for _ in range(400):
            TARGETS[target](rng.randbytes(400))
    except Exception:  # noqa: BLE001 - whatever it complains of
        return True
    return False


def test_targets_notice_what_they_are_there_for() -> None:
    with mock.patch.object(framing.LineReader, "_too_long", return_value=False):
        assert fails("framing")
    with mock.patch.object(targets, "decode_from_client", side_effect=KeyError):
        assert fails("decoding")
    with mock.patch("acd_core.requirement.parse", side_effect=IndexError):
        assert fails("requirements")
    with mock.patch.object(targets, "read_toml", side_effect=TypeError):
        assert fails("configuration")
    with mock.patch("server.journal.records.unpack", side_effect=ValueError):
        assert fails("journal_record")


def test_machine_notices_a_refused_command_that_changes_something() -> None:
    apply = AgentPause.apply

    def careless(self: AgentPause, machine: object, now: int, client: str) -> int:
        outcome = apply(self, machine, now, client)  # type: ignore[arg-type]
        return Outcome.VALUE_INVALID if outcome == Outcome.OK else outcome

    assert not fails("machine")
    with mock.patch.object(AgentPause, "apply", careless):
        assert fails("machine")
