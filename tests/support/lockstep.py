"""Model and engine side by side: every outcome, every event and the whole state must agree."""

from collections.abc import Sequence

import msgspec

from acd_core import Engine
from acd_core.commands import Command
from acd_core.dump_form import decode
from acd_core.event_lines import EventLine, line_of
from acd_core.events import Addressed
from acd_core.explain_offer import explain_offer
from acd_core.model import Model
from acd_core.model.rows import offer_id
from acd_core.views import AGENT_STATES, CONTACT_STATES


class Lockstep:
    """Drives both machines with the same calls and fails at the first difference."""

    def __init__(self) -> None:
        self.model = Model()
        self.engine = Engine()
        self.steps = 0

    def step(self, now: int, client: str, command: Command | None) -> list[Addressed]:
        """One command, or only time when it is None, at times stopping on the way. Gives the events of it."""
        self.steps += 1
        where = f"step {self.steps}: {command!r} at {now}"
        if self.steps % 3 == 0:
            self._watch()
        if command is None:
            limit = self.steps % 4
            self.model.advance(now, limit)
            self.engine.advance(now, limit)
        else:
            command = as_sent(command)
            expected = command.apply(self.model, now, client)
            got = command.apply(self.engine, now, client)
            assert got == expected, f"{where}: the model answers {expected!r}, the engine {got}"
        events = self.model.take_events()
        if self.steps % 2:
            _compare(where, events, self.engine.take_events())
        else:
            _compare(
                where, [_sent(line_of(event)) for event in events], [_sent(line) for line in self.engine.take_lines()]
            )
        assert self.engine.seq == self.model.seq, where
        assert self.engine.now == self.model.now, where
        assert self.engine.last_position == self.model.last_position, where
        assert self.engine.last_estimate == self.model.last_estimate, where
        assert self.engine.witnessed == self.model.witnessed, where
        assert self.engine.next_deadline() == self.model.next_deadline(), where
        return events

    def _watch(self) -> None:
        """Ask both how the next offer comes about, once the one asked for before was made."""
        decision = self.model.witnessed
        if decision is not None:
            explained = explain_offer(decision)
            assert explained.eligible == len(decision.contacts or decision.agents)
            assert "none" not in {row.condition for row in explained.kept_out}, explained
        if decision is not None or self.steps == 3:
            self._watch_next()

    def _watch_next(self) -> None:
        offer = offer_id(self.model._offer_seq + 1)
        self.model.watch_offer(offer)
        self.engine.watch_offer(offer)

    def reload(self) -> None:
        """Go on with an engine that was made of a dump of the one so far. All that follows must be as if nothing had been."""
        dumped = self.engine.dump()
        self.engine = Engine.load(dumped)
        assert decode(self.engine.dump()) == decode(dumped), (
            f"after step {self.steps}: what was loaded dumps differently"
        )
        if self.steps >= 3:
            self._watch_next()

    def compare(self) -> None:
        """Compare the whole states, part by part so that a difference is named, and check the invariants."""
        where = f"after step {self.steps}"
        for part in ("domain", "clients", "queues", "paces", "agents", "contacts"):
            for mine, theirs in _pairs(getattr(self.model, part)(), getattr(self.engine, part)()):
                assert mine == theirs, f"{where}: {part}:\n model  {mine}\n engine {theirs}"
        tenant, limit = ("", "acme", "bolt")[self.steps % 3], self.steps % 5
        state = (*AGENT_STATES, "")[self.steps % 8]
        assert self.engine.agents(tenant, state, limit) == self.model.agents(tenant, state, limit), where
        queue, state = ("", "support")[self.steps % 2], (*CONTACT_STATES, "")[self.steps % 5]
        limit = self.steps % 7
        mine, theirs = (machine.contacts(tenant, queue, limit, state) for machine in (self.model, self.engine))
        assert mine == theirs, where
        for contact in mine:
            stands = self.model.standing(contact.contact)
            assert self.engine.standing(contact.contact) == stands, f"{where}: {contact.contact} stands at {stands}"
        for contact in self.model.contacts(limit=20):
            for machine in (self.model, self.engine):
                owner = (contact.client, contact.tenant, contact.agents)
                assert machine.contact_owner(contact.contact) == owner, where
                if contact.offer:
                    assert machine.offer_owner(contact.offer) == (contact.tenant, contact.agent), where
        for ended in ("never", *list(self.model._ended)[-3:]):
            assert self.engine.contact_owner(ended) == self.model.contact_owner(ended), where
        for offer in ("o-1", "o-99999999", "o-", ""):
            assert self.engine.offer_owner(offer) == self.model.offer_owner(offer), where
        assert self.engine.digest() == self.model.digest(), where
        self.model.check()
        self.engine.check()


def _compare(where: str, mine: Sequence[object], theirs: Sequence[object]) -> None:
    for one, other in zip(mine, theirs, strict=False):
        assert one == other, f"{where}:\n model  {one}\n engine {other}"
    assert len(mine) == len(theirs), f"{where}: model {mine}\nengine {theirs}"


def _sent(line: EventLine) -> tuple[object, ...]:
    return line.seq, line.line, line.contact_client, line.agent_client, line.topic, line.tenant, line.agent


def as_sent(command: Command) -> Command:
    """The command as a server gets it, where a number of seconds is never an `int`."""
    return msgspec.json.decode(msgspec.json.encode(command), type=type(command))


def _pairs(mine: object, theirs: object) -> list[tuple[object, object]]:
    if isinstance(mine, list) and isinstance(theirs, list):
        assert len(mine) == len(theirs)
        return list(zip(mine, theirs, strict=True))
    return [(mine, theirs)]
