"""What the engine's journal says of the calls of a check, held against what SIPp's phones saw.

The journal is read when the server is dead, from its records alone, and played to a fresh engine. Callers are found again by
the Call-ID of their SIP call, which the adapter puts among the contact's attributes, and agents' calls by a header that
names the contact. What is compared:

- the events that a watcher was sent while it all happened are those that follow from the journal;
- an INVITE at an agent's phone belongs to an offer of that contact to that agent, and there are no more of them, unless he
  found nobody when he answered;
- whoever is connected with a caller has answered before, once for each time that he is;
- what the engine was told of a phone that did not take a call is what it did;
- who is said to have hung up has, and the other one was told.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from acd_core import Engine
from acd_core.events import (
    AnyEvent,
    ContactConnected,
    ContactConsulted,
    ContactEnded,
    ContactOffered,
    ContactQueued,
    Event,
    OfferEnded,
)
from acd_protocol.journal_file import read_copy
from acd_protocol.journal_records import Kind, ticks_of
from server.recovery import replay
from tests.asterisk.sipp import Message, Sipp

CALL_ATTRIBUTE = "sip_call"
CONTACT_HEADER = "X-Check-Contact"
"""What `settings` makes the adapter tell of SIP calls."""
CLOCKS_S = 0.2
"""SIPp writes a message down a little later than it sends or gets it."""
REFUSALS = {"busy": "486", "declined": "603", "invalid_address": "404"}

_decode = msgspec.json.Decoder(AnyEvent).decode


def settings(table: dict[str, Any]) -> None:
    """Add to an adapter's file what this needs."""
    table.setdefault("variables", {}).setdefault(CALL_ATTRIBUTE, "CHANNEL(pjsip,call-id)")
    for rules in (table.setdefault("defaults", {}), *table.get("queues", {}).values()):
        rules["headers"] = {CONTACT_HEADER: "{contact}", **rules.get("headers", {})}


class Story:
    """What happened, as the journal in `directory` has it.

    Attributes:
        ports: where each phone is, by its address, such as `PJSIP/agent0001`.
        events: all of them, in order.
        calls: the contact of each SIP call, by Call-ID.
        offers: by id.
    """

    def __init__(self, directory: Path, ports: dict[str, int]) -> None:
        self.ports = ports
        self.events: list[Any] = []
        self.calls: dict[str, str] = {}
        engine, away = Engine(), set[str]()
        for record in read_copy(directory):
            if record.kind is not Kind.BATCH:
                continue
            for tick in ticks_of(record):
                replay(engine, away, tick, record.seq)
                self.events += [_decode(line.line) for line in engine.take_lines()]
                for _, line in tick[1]:
                    self._take_command(msgspec.json.decode(line))
        self.offers: dict[str, ContactOffered] = {e.offer: e for e in self.events if isinstance(e, ContactOffered)}
        self._about = {e.consult: e.contact for e in self.events if isinstance(e, ContactConsulted)}

    def _take_command(self, command: dict[str, Any]) -> None:
        if command["type"] == "contact.enqueue" and CALL_ATTRIBUTE in command.get("attributes", {}):
            self.calls[command["attributes"][CALL_ATTRIBUTE]] = command["contact"]

    def about(self, contact: str) -> str:
        """The caller's contact: itself, or for a question among agents the one that it is about."""
        return self._about.get(contact, contact)

    # Against the watcher

    def check_events(self, seen: Iterable[Event]) -> None:
        """Everything that was seen is in the journal, and nothing of contacts in between was not seen."""
        told = {event.seq: event for event in self.events}
        seen = list(seen)
        for event in seen:
            assert told.get(event.seq) == event, f"seen {event}, in the journal {told.get(event.seq)}"
        if seen:
            first, last, known = seen[0].seq, max(event.seq for event in seen), {event.seq for event in seen}
            missed = [event for event in self.events if first <= event.seq <= last and event.seq not in known]
            assert not missed, f"in the journal, and never seen: {missed}"

    # Against SIPp

    def check_phones(self, phones: Iterable[Sipp]) -> None:
        """See the module."""
        calls = {call.id: call for phone in phones for call in calls_of(phone)}
        # Asterisk goes on sending to a phone that was taken away, so the next check's may get what is not for it.
        known = {e.contact for e in self.events if isinstance(e, ContactQueued)}
        rung = [call for call in calls.values() if call.contact in known]
        for call in rung:
            self._check_rung(call)
        self._check_answers(rung)
        for call_id, contact in self.calls.items():
            if call_id in calls:
                self._check_end(calls[call_id], contact, calls.values())

    def _offers_at(self, port: int, contact: str) -> list[ContactOffered]:
        """Those of the phone at this port."""
        return [
            offer
            for offer in self.offers.values()
            if self.about(offer.contact) == contact and self.ports.get(offer.address) == port
        ]

    def _check_rung(self, call: "Call") -> None:
        offers = self._offers_at(call.port, call.contact)
        assert offers, f"the phone at {call.port} was rung for {call.contact}, and no offer says so"
        assert any(offer.at / 1e9 <= call.began + CLOCKS_S for offer in offers), f"{call.id} rang before its offer"

    def _check_answers(self, calls: list["Call"]) -> None:
        rung = Counter((call.port, call.contact) for call in calls)
        for (port, contact), times in rung.items():
            offers = {offer.offer for offer in self._offers_at(port, contact)}
            mine = [call for call in calls if (call.port, call.contact) == (port, contact)]
            connected = [e for e in self.events if isinstance(e, ContactConnected) and e.offer in offers]
            answered = sorted(call.answered for call in mine if call.answered)
            # Who picks up while no adapter is there finds nobody, and is rung again.
            in_vain = max(0, len(answered) - len(connected))
            assert times <= len(offers) + in_vain, f"{times} calls at {port} for {contact}, and {len(offers)} offers"
            assert len(connected) <= len(answered), f"{contact}: connected {connected}, answered at {answered}"
            for event, at in zip(connected, answered, strict=False):
                assert at <= event.at / 1e9 + CLOCKS_S, f"{event} came before the answer"
            ends = [e for e in self.events if isinstance(e, OfferEnded) and e.offer in offers]
            statuses = Counter(call.refused for call in mine)
            for cause, status in REFUSALS.items():
                told = sum(end.cause == cause for end in ends)
                assert told <= statuses[status], f"{contact}: {told} offers ended as {cause}, {mine}"
            silent = sum(end.outcome == "timed_out" for end in ends)
            assert silent <= sum(call.cancelled for call in mine), f"{contact}: {silent} timed out, {mine}"

    def _check_end(self, caller: "Call", contact: str, calls: Iterable["Call"]) -> None:
        ends = [e for e in self.events if isinstance(e, ContactEnded) and e.contact == contact]
        assert len(ends) <= 1, f"{contact} ended more than once: {ends}"
        for end in ends:
            if end.reason in ("completed_caller", "abandoned"):
                assert caller.hung_up, f"{contact} ended as {end.reason}, and the caller did not hang up: {caller}"
            elif end.reason == "completed_agent":
                agents = [call for call in calls if call.contact == contact and call.hung_up]
                assert agents, f"{contact} ended by an agent, and none of them has hung up"
                before = min(call.hung_up for call in agents)
                assert not caller.hung_up or before <= caller.hung_up, f"{contact}: the caller hung up first"


class Call:
    """One SIP call of a phone.

    Attributes:
        id: its Call-ID.
        port: of an agent's phone.
        contact: for which an agent's phone was called; empty for other calls.
        began, answered, hung_up: when it was called or did so itself, when it answered, and when it hung up or gave up; 0
            if it did not.
        cancelled: whether the other side gave up while it rang.
        refused: the status by which it refused.
    """

    def __init__(self, id_: str, port: int, messages: list[Message]) -> None:
        self.id = id_
        self.port = port
        first = messages[0]
        found = re.search(rf"^{CONTACT_HEADER}: *(\S+)", first.text, re.MULTILINE)
        self.contact = found[1] if found is not None and first.received else ""
        self.began = first.at
        self.answered = _first(messages, "SIP/2.0 200", "INVITE", received=False)
        self.hung_up = _first(messages, "BYE", received=False) or _first(messages, "CANCEL", received=False)
        self.cancelled = bool(_first(messages, "CANCEL", received=True))
        refusals = (re.match(r"SIP/2\.0 ([4-6]\d\d)", one.line) for one in messages if not one.received)
        self.refused = next((match[1] for match in refusals if match is not None), "")

    def __repr__(self) -> str:
        return str(vars(self))


def calls_of(phone: Sipp) -> list[Call]:
    """The calls of a SIPp, from its trace: those that begin with an INVITE."""
    messages: dict[str, list[Message]] = {}
    for message in phone.messages:
        found = re.search(r"^Call-ID: *(\S+)", message.text, re.MULTILINE)
        if found is not None:
            messages.setdefault(found[1], []).append(message)
    return [Call(id_, phone.port, about) for id_, about in messages.items() if about[0].line.startswith("INVITE")]


def _first(messages: list[Message], words: str, of: str = "", *, received: bool) -> float:
    for message in messages:
        right = message.received is received and message.line.startswith(words)
        if right and (not of or re.search(rf"^CSeq:.*{of}", message.text, re.MULTILINE)):
            return message.at
    return 0.0
