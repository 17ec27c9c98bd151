"""A past from a server's journal: every command that was given, at its instant."""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from acd_core import Engine, Outcome
from acd_core.commands import (
    AgentWrapupDone,
    AgentWrapupExtend,
    Command,
    ConfigApply,
    ContactConsult,
    ContactEnqueue,
    OfferAccept,
    OfferReject,
)
from acd_core.config import Config
from acd_core.events import (
    Addressed,
    ContactConnected,
    ContactEnded,
    ContactLeft,
    ContactOffered,
    ContactQueued,
    ContactWrapup,
    OfferEnded,
)
from acd_protocol.framing import decode_from_client
from acd_protocol.journal_records import Kind, Record, Tick, ticks_of
from acd_sim.whatif.past import (
    AFTERWARDS,
    TALKING,
    WAITING,
    Answer,
    Contact,
    Deed,
    Past,
    PastError,
    Stage,
    StageKey,
    Trail,
)

REFUSED_FROM = 100


def ticks(records: Iterable[Record]) -> Iterator[Tick]:
    """What the engine was fed, of all batches of a journal."""
    for record in records:
        if record.kind is Kind.BATCH:
            yield from ticks_of(record)


def read(records: Iterable[Record], source: str) -> Past:
    """The past of these records.

    Raises:
        PastError: they hold no configuration or no contact, or commands that this release cannot read.
        DamagedRecord: a batch cannot be read.
    """
    reader = Reader()
    for tick in ticks(_from_the_beginning(records)):
        reader.take(tick)
    return reader.past(source)


def _from_the_beginning(records: Iterable[Record]) -> Iterator[Record]:
    """The records, of a journal that was not trimmed."""
    for number, record in enumerate(records):
        if number == 0 and record.seq != 1:
            raise PastError(
                f"the journal begins with record {record.seq}: what was before is trimmed, and a replay needs all. Let the "
                "server keep it longer (limit journal_hours), or give a backup from before"
            )
        yield record


def apply(engine: Engine, command: Command, now: int, client: str) -> int:
    """Apply a command as the server does: one that fails inside the engine is an outcome, and is so again."""
    try:
        return command.apply(engine, now, client)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the server answered the same, and went on
        return Outcome.INTERNAL_ERROR


class TrailKeeper:
    """Gathers the fingerprint of a run."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encoder = msgspec.msgpack.Encoder()
        self.events = 0

    def add(self, addressed: list[Addressed]) -> None:
        """Take the next events."""
        for event in addressed:
            self._hash.update(self._encoder.encode(event))
        self.events += len(addressed)

    def trail(self, engine: Engine) -> Trail:
        """The fingerprint so far."""
        return Trail(self.events, self._hash.hexdigest(), engine.digest())


class Reader:
    """Drives an engine as the server did, and sorts what was done by what it was about."""

    def __init__(self) -> None:
        self._engine = Engine()
        self._trail = TrailKeeper()
        self._deeds: list[Deed] = []
        self._contacts: dict[int, Contact] = {}
        self._live: dict[str, Contact] = {}  # by id, those of that id who came last
        self._stage: dict[str, StageKey] = {}
        self._offers: dict[str, tuple[str, tuple[str, int], int]] = {}  # contact, agent with number, when it began
        self._after: dict[str, list[str]] = {}  # by agent the contacts that he does after-work for
        self._left: set[tuple[str, str]] = set()  # contacts with agents who left their conversation with others
        self._configs: list[Config] = []
        self._order = 0
        self._start = 0
        self._now = 0

    def take(self, tick: Tick) -> None:
        """Apply one tick."""
        now, lines = tick
        self._start = self._start or now
        self._now = now
        self._engine.advance(now)
        self._note("")
        for client, line in lines:
            command = decode_from_client(line)
            if not isinstance(command, Command):
                raise PastError(
                    "the journal holds a command that this release cannot read: replay it with the release that wrote it"
                )
            self._order += 1
            self._do(Deed(now, self._order, client, command))

    def past(self, source: str) -> Past:
        """What all ticks came to."""
        if not self._configs:
            raise PastError(f"{source} holds no configuration, so nothing can have happened")
        if not self._contacts:
            raise PastError(f"{source} holds no contact; there is nothing to replay")
        for contact, key in self._stage.items():
            stage = self._live[contact].stages[key]
            stage.lasted = self._now - stage.began
        for contact, to_whom, began in self._offers.values():
            self._live[contact].answers[to_whom] = Answer(self._now - began, None, cut=True)
        notes = () if not self._stage else (f"{len(self._stage)} contacts were not over when the record ends",)
        return Past(
            source,
            self._deeds,
            self._contacts,
            self._start,
            self._now,
            self._configs[0],
            len(self._configs),
            self._trail.trail(self._engine),
            notes,
        )

    def _do(self, deed: Deed) -> None:
        command = deed.command
        offer = self._offers.get(command.offer) if isinstance(command, OfferAccept | OfferReject) else None
        about = self._about(command, offer)
        outcome = apply(self._engine, command, deed.at, deed.client)
        if outcome >= REFUSED_FROM or outcome == Outcome.DUPLICATE:
            self._note("")
            return
        if isinstance(command, ConfigApply):
            self._configs.append(command.config)
        if isinstance(command, ContactEnqueue):
            self._arrive(deed, command.contact, f"{command.tenant}/{command.queue}")
        elif isinstance(command, ContactConsult):
            path = self._live[command.contact].path
            self._arrive(deed, command.consult, f"{path.partition('/')[0]}/{command.queue}" if command.queue else path)
        if offer is not None:
            whose, to_whom, began = offer
            self._live[whose].answers[to_whom] = Answer(deed.at - began, deed._replace(at=deed.at - began), cut=False)
        elif about:
            stage = self._live[about].stages[self._stage[about]]
            stage.deeds.append(deed._replace(at=deed.at - stage.began))
        else:
            self._deeds.append(deed)
        self._note("" if offer is not None else about)

    def _arrive(self, deed: Deed, name: str, path: str) -> None:
        """A contact came, or a question of an agent to a colleague, which is one too."""
        contact = Contact(len(self._contacts), path, deed.client, {}, {}, "")
        self._contacts[deed.order] = self._live[name] = contact

    def _about(self, command: Command, offer: tuple[str, tuple[str, int], int] | None) -> str:
        """The live contact whose stage a command is part of; empty for what has its own time."""
        if isinstance(command, ContactEnqueue):
            return ""
        if offer is not None:
            return offer[0]
        if isinstance(command, AgentWrapupDone | AgentWrapupExtend):
            after = self._after.get(command.agent, [])
            if command.contact is not None:
                return command.contact if command.contact in after else ""
            return after[-1] if after else ""
        contact: str = getattr(command, "contact", "")
        return contact if contact in self._stage else ""

    def _note(self, about: str) -> None:
        """Follow what the engine made of a deed about a contact, or of deadlines that passed."""
        addressed = self._engine.take_events()
        self._trail.add(addressed)
        for event, _, _ in addressed:
            match event:
                case ContactQueued():
                    self._begin(event.contact, WAITING, event.at, about)
                case ContactOffered():
                    answers = self._live[event.contact].answers
                    number = 1 + sum(agent == event.agent for agent, _ in answers)
                    answers[event.agent, number] = Answer(0, None, cut=True)
                    self._offers[event.offer] = (event.contact, (event.agent, number), event.at)
                case OfferEnded():
                    contact, to_whom, began = self._offers.pop(event.offer)
                    if event.outcome != "rejected":
                        cut = event.outcome == "withdrawn"
                        self._live[contact].answers[to_whom] = Answer(event.at - began, None, cut)
                case ContactConnected():
                    self._offers.pop(event.offer, None)
                    self._live[event.contact].agent = event.agent
                    self._begin(event.contact, TALKING, event.at, "")
                case ContactLeft():
                    self._left.add((event.contact, event.agent))
                case ContactWrapup() if (event.contact, event.agent) in self._left:
                    self._left.remove((event.contact, event.agent))
                case ContactWrapup() if self._stage.get(event.contact, ("", 0))[0] == TALKING:
                    # Else it was handed on, and its agent wraps up without it, at his own time.
                    self._after.setdefault(event.agent, []).append(event.contact)
                    self._begin(event.contact, AFTERWARDS, event.at, about)
                case ContactEnded():
                    if event.contact in self._stage:
                        self._end(event.contact, event.at, about)
                        for after in self._after.values():
                            if event.contact in after:
                                after.remove(event.contact)

    def _begin(self, contact: str, what: str, at: int, about: str) -> None:
        if contact in self._stage:
            self._end(contact, at, about)
        stages = self._live[contact].stages
        number = 1 + sum(name == what for name, _ in stages)
        self._stage[contact] = (what, number)
        stages[what, number] = Stage(at, 0, closed=False, deeds=[])

    def _end(self, contact: str, at: int, about: str) -> None:
        stage = self._live[contact].stages[self._stage.pop(contact)]
        stage.lasted = at - stage.began
        stage.closed = about == contact
