"""The life of every contact in the log, when asked for: a reader of events like any subscriber, inside the server.

Events are written as they are handed out, which may be a moment before they are durable. Each entry costs the loop
some tens of microseconds and whoever reads the log a line, so it is meant for small centres and for finding faults.
"""

import logging
from collections.abc import Collection

import msgspec

from acd_core.event_lines import EventLine
from acd_core.events import AnyEvent, ContactOffered
from server.log import about, masked, note
from server.router import Router, Subscription

_NAME = "the log of contacts".ljust(65, ".")
"""Longer than any client's name may be."""


class ContactLog:
    """Writes an entry for each event that concerns a contact.

    Args:
        attributes: names of the attributes that are written as they are; others are masked.
        seq: the latest event so far.
    """

    name = _NAME
    unsent = 0

    def __init__(self, attributes: Collection[str], seq: int) -> None:
        self.subscription: Subscription | None = Subscription(frozenset({"contact", "offer"}), "", seq)
        self._shown = frozenset(attributes)
        self._decoder = msgspec.json.Decoder(AnyEvent)

    def attach(self, router: Router) -> None:
        """Begin to write."""
        router.subscribers[self.name] = self

    def deliver(self, line: EventLine) -> None:
        """Write one event."""
        event = self._decoder.decode(line.line)
        fields = about(event)
        for name in event.__struct_fields__:
            value = getattr(event, name)
            if isinstance(event, ContactOffered) and name == "attributes":
                value = masked(event.attributes, self._shown)
            if isinstance(event, ContactOffered) and name == "callback":
                value = masked({name: event.callback}, self._shown)[name] if event.callback else ""
            if name not in {"at", *fields} and value is not msgspec.UNSET:
                fields[name] = value
        note(logging.INFO, str(event.__struct_config__.tag), **fields)
