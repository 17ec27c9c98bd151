"""What was: a machine as it stood at an instant, or a decision as it was made, by feeding the journal to a fresh engine.

The journal is read from a copy, so a server that works in the directory is neither read nor held up. It takes as long as
applying all commands up to there, a second for a few hundred thousand.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from acd_core import Engine, Machine
from acd_core.views import Decision
from acd_protocol.journal_file import UnreadableJournal, read_copy
from acd_protocol.journal_records import DamagedRecord, Kind, Record, Tick, ticks_of
from server.errors import Corrupt, StartError
from server.recovery import replay

Progress = Callable[[int, int], None]
"""Told how many commands were applied, and the engine time that was reached."""


def state_at(directory: Path, at_ns: int, progress: Progress) -> Machine:
    """The machine at engine time `at_ns`, with everything that had happened by then.

    Raises:
        StartError: there is no journal, or it ends or begins on the wrong side of that time.
        Corrupt: a record cannot be trusted.
    """
    machine = Engine()
    away: set[str] = set()
    applied = last_ns = 0
    for record, tick in _ticks(directory):
        if tick[0] > at_ns:
            break
        replay(machine, away, tick, record.seq)
        machine.discard_events()
        applied += len(tick[1])
        last_ns = tick[0]
        progress(applied, last_ns)
    if not last_ns:
        raise StartError(f"nothing had happened by then in the journal of {directory}: give a later --at")
    machine.advance(at_ns)
    machine.discard_events()
    return machine


def decision_of(directory: Path, offer: str, progress: Progress) -> Decision:
    """How an offer came about.

    Raises:
        StartError: there is no journal, or that is no id of an offer, or the journal ends before it was made.
        Corrupt: a record cannot be trusted.
    """
    machine = Engine()
    try:
        machine.watch_offer(offer)
    except ValueError as error:
        raise StartError(str(error)) from error
    away: set[str] = set()
    applied = 0
    for record, tick in _ticks(directory):
        replay(machine, away, tick, record.seq)
        machine.discard_events()
        applied += len(tick[1])
        progress(applied, tick[0])
        if machine.witnessed is not None:
            return machine.witnessed
    raise StartError(f"the journal of {directory} knows no offer {offer}: it was never made, or only after its end")


def _ticks(directory: Path) -> Iterator[tuple[Record, Tick]]:
    try:
        for record in read_copy(directory, beside_server=True):
            if record.kind is Kind.BATCH:
                for tick in ticks_of(record):
                    yield record, tick
    except UnreadableJournal as error:
        raise StartError(str(error)) from error
    except DamagedRecord as error:
        raise Corrupt(str(error)) from error
