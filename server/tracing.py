"""OpenTelemetry traces of contacts, made from the stream of events: one trace a contact, one span for each part of it.

    contact c-77            from its arrival to its end
      wait                  until an agent answered, or it ended
        offer o-5           each ring of an agent, with its outcome
      conversation
      wrapup

It is a client like any other (`acd trace`), so the server does nothing for it unless it runs. Times are those of the
events, which are engine time. The id of a trace follows from the id of the contact, see `trace_id`, so whoever knows
the contact finds the trace, and an adapter can put its own spans into it. What the contact's attributes say, such as
the caller's number, is in no span.

This module needs the packages of `acd-engine[otel]`.
"""

import hashlib
from typing import Any

from msgspec import Struct, field
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, Tracer, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import StatusCode

from acd_core.events import (
    ContactConnected,
    ContactEnded,
    ContactHeld,
    ContactOffered,
    ContactQueued,
    ContactResumed,
    ContactUpdated,
    ContactWrapup,
    Event,
    OfferEnded,
)

OPEN_MAX = 100_000
"""Contacts that are followed at a time; beyond it the oldest are let go, unfinished."""

_FAILURES = frozenset({"lost", "failed", "queue_full", "no_agents", "max_wait"})
"""Reasons of an end that are faults of the centre and not choices of a caller."""


def trace_id(contact: str) -> int:
    """The id of a contact's trace: BLAKE2b of its id, 16 bytes, big-endian."""
    return int.from_bytes(hashlib.blake2b(contact.encode(), digest_size=16).digest(), "big") or 1


class ContactIds(RandomIdGenerator):
    """Gives the next trace the id of a contact."""

    def __init__(self) -> None:
        self.contact = ""

    def generate_trace_id(self) -> int:
        """The id that follows from `contact`."""
        return trace_id(self.contact)


class _Open(Struct):
    """A contact that has not ended: its spans that have not ended either."""

    root: Span
    part: Span
    offers: dict[str, Span] = field(default_factory=dict)


class ContactTraces:
    """Turns events into spans.

    Args:
        provider: where spans go; made with `ids` as its generator of ids.
        ids: see there.

    Attributes:
        finished, unfinished: contacts whose trace was ended, by their end or before it.
    """

    def __init__(self, provider: TracerProvider, ids: ContactIds) -> None:
        tracer = provider.get_tracer("acd")
        assert isinstance(tracer, Tracer)
        self.finished = 0
        self.unfinished = 0
        self._tracer = tracer
        self._ids = ids
        self._open: dict[str, _Open] = {}

    def apply(self, event: Event) -> None:
        """Take one event. Contacts that arrived before the first event are left out."""
        if isinstance(event, ContactQueued):
            self._arrived(event)
            return
        known = self._open.get(getattr(event, "contact", ""))
        if known is None:
            return
        match event:
            case ContactOffered():
                known.offers[event.offer] = self._span(
                    "offer", known.part, event.at, {"acd.offer": event.offer, "acd.agent": event.agent}
                )
            case OfferEnded():
                self._end_offer(known, event.offer, event.outcome, event.cause, event.at)
            case ContactConnected():
                self._end_offer(known, event.offer, "accepted", "", event.at)
                known.part.end(event.at)
                known.part = self._span("conversation", known.root, event.at, {"acd.agent": event.agent})
            case ContactWrapup() if known.part.name == "conversation":  # else it was handed on, and waits already
                known.part.end(event.at)
                known.part = self._span("wrapup", known.root, event.at, {"acd.agent": event.agent})
            case ContactHeld() | ContactResumed() | ContactUpdated():
                known.part.add_event(str(event.__struct_config__.tag), timestamp=event.at)
            case ContactEnded():
                self._ended(known, event)

    def let_go(self) -> None:
        """End all that is open: events were missed, so their ends may be among those."""
        for known in self._open.values():
            self._give_up(known)
        self._open.clear()

    def _arrived(self, event: ContactQueued) -> None:
        known = self._open.get(event.contact)
        if known is not None:
            # It goes on in another queue, or comes back to its place.
            for offer in list(known.offers):
                self._end_offer(known, offer, "withdrawn", "", event.at)
            known.part.end(event.at)
            known.part = self._span(
                "wait", known.root, event.at, {"acd.queue": event.queue, "acd.position": event.position}
            )
            return
        if len(self._open) >= OPEN_MAX:
            self._give_up(self._open.pop(next(iter(self._open))))
        self._ids.contact = event.contact
        attributes = {"acd.contact": event.contact, "acd.tenant": event.tenant, "acd.queue": event.queue}
        root = self._tracer.start_span(
            "contact", Context(), attributes={**attributes, "acd.priority": event.priority}, start_time=event.at
        )
        assert isinstance(root, Span), "the provider does not record"
        self._open[event.contact] = _Open(root, self._span("wait", root, event.at, {"acd.position": event.position}))

    def _ended(self, known: _Open, event: ContactEnded) -> None:
        del self._open[event.contact]
        for offer in list(known.offers):
            self._end_offer(known, offer, "withdrawn", event.reason, event.at)
        known.part.end(event.at)
        known.root.set_attributes({"acd.reason": event.reason, "acd.wait_s": event.wait, "acd.talk_s": event.talk})
        if event.reason in _FAILURES:
            known.root.set_status(StatusCode.ERROR, event.reason)
        known.root.end(event.at)
        self.finished += 1

    def _end_offer(self, known: _Open, offer: str, outcome: str, cause: str, at: int) -> None:
        span = known.offers.pop(offer, None)
        if span is not None:
            span.set_attribute("acd.outcome", outcome)
            if cause:
                span.set_attribute("acd.cause", cause)
            span.end(at)

    def _give_up(self, known: _Open) -> None:
        for span in (*known.offers.values(), known.part, known.root):
            span.set_attribute("acd.unfinished", True)
            span.end(span.start_time)
        self.unfinished += 1

    def _span(self, name: str, parent: Span, at: int, attributes: dict[str, Any]) -> Span:
        span = self._tracer.start_span(name, trace.set_span_in_context(parent), attributes=attributes, start_time=at)
        assert isinstance(span, Span)
        return span
