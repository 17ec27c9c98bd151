"""What a command answers: a number that is never given a second meaning, a stable word, and a sentence.

The core returns the number (`Outcome`); the edges turn it into the word and the sentence. Numbers come in
families, so that a client can decide by the hundreds alone:

=====  ==========================================================================
0..99  accepted: the state is as the caller wanted it
1xx    something named in the command does not exist
2xx    it exists, but not in a state in which the command makes sense
3xx    a value in the command is not acceptable
4xx    a limit is reached
5xx    the line, the connection or its rights are not in order
6xx    the server cannot serve now; the same command may succeed later
9xx    a fault of ours
=====  ==========================================================================
"""

from enum import IntEnum


class Outcome(IntEnum):
    """Result of one command. Values are part of the protocol and are never renumbered."""

    OK = 0
    DUPLICATE = 1

    TENANT_UNKNOWN = 101
    QUEUE_UNKNOWN = 102
    AGENT_UNKNOWN = 103
    CONTACT_UNKNOWN = 104
    OFFER_UNKNOWN = 105
    SKILL_UNKNOWN = 106
    CALENDAR_UNKNOWN = 107
    PAUSE_REASON_UNKNOWN = 108
    CHANNEL_UNKNOWN = 109

    OFFER_GONE = 201
    CONTACT_NOT_CONNECTED = 202
    CONTACT_NOT_WAITING = 203
    CONTACT_EXISTS = 204
    AGENT_LOGGED_OUT = 205
    AGENT_NOT_IN_WRAPUP = 206
    AGENT_IN_USE = 207
    QUEUE_IN_USE = 208
    WRAPUP_LONGEST = 209
    CALLBACK_EXISTS = 211
    CALLBACK_NOT_OFFERED = 212
    CONTACT_IS_CALLBACK = 213
    CONTACT_IS_CONSULT = 221
    CONTACT_NO_CONSULT = 222
    CONSULT_EXISTS = 223
    AGENT_NOT_TALKING = 224
    AGENT_ALONE = 225
    AGENT_NOT_JOINED = 231
    QUEUE_NOT_SERVED = 232

    REQUIREMENT_INVALID = 301
    CONFIG_INVALID = 302
    VALUE_INVALID = 303
    HOURS_INVALID = 304
    TRANSFER_INVALID = 305
    DISPOSITION_MISSING = 306
    PLACE_INVALID = 307
    CALLBACK_INVALID = 311
    CONSULT_INVALID = 312
    QUEUES_INVALID = 313

    TOO_MANY_CONTACTS = 401
    TENANT_FULL = 402

    MALFORMED = 501
    TYPE_UNKNOWN = 502
    HELLO_MISSING = 503
    LINE_TOO_LONG = 504
    VERSION_UNSUPPORTED = 505
    UNAUTHORISED = 506
    HELLO_REPEATED = 507
    DOMAIN_UNKNOWN = 508

    UNAVAILABLE = 601
    DRAINING = 602
    JOURNAL_FULL = 603

    INTERNAL_ERROR = 901

    @property
    def accepted(self) -> bool:
        """Whether the state is now as the caller wanted it."""
        return self.value < 100

    @property
    def code(self) -> str:
        """The stable word on the wire, such as `queue_unknown`."""
        return self.name.lower()


SENTENCES: dict[Outcome, str] = {
    Outcome.OK: "done",
    Outcome.DUPLICATE: "already so; nothing was changed",
    Outcome.TENANT_UNKNOWN: "there is no such tenant; add it with 'acd apply' or correct the name",
    Outcome.QUEUE_UNKNOWN: "this tenant has no such queue; add it with 'acd apply' or correct the name",
    Outcome.AGENT_UNKNOWN: "there is no such agent; add him with 'acd apply' or correct the id",
    Outcome.CONTACT_UNKNOWN: "there is no such contact; it was never enqueued, or ended too long ago to be remembered",
    Outcome.OFFER_UNKNOWN: "there never was such an offer; use the id of a contact.offered event",
    Outcome.SKILL_UNKNOWN: "the requirement or the agent names a skill that the configuration does not have",
    Outcome.CALENDAR_UNKNOWN: "there is no such calendar; add it with 'acd apply' or correct the name",
    Outcome.CHANNEL_UNKNOWN: "no such channel is configured; add it under [[channels]], or name another one",
    Outcome.PAUSE_REASON_UNKNOWN: "there is no such pause reason; use one of [[pause_reasons]], or add it there",
    Outcome.OFFER_GONE: (
        "the offer is no longer open: it was answered, timed out or was withdrawn; do not connect the contact"
    ),
    Outcome.CONTACT_NOT_CONNECTED: (
        "the contact is not in conversation; end a waiting one with contact.abandon or contact.withdraw"
    ),
    Outcome.CONTACT_NOT_WAITING: "the contact no longer waits; end a conversation with contact.complete",
    Outcome.CONTACT_EXISTS: (
        "this id belongs to a contact of another queue or another client, live or lately ended; choose ids that are "
        "unique in the whole routing domain, such as with your client's name in front"
    ),
    Outcome.AGENT_LOGGED_OUT: "the agent is not logged in; send agent.login first",
    Outcome.AGENT_NOT_IN_WRAPUP: "the agent is not in wrap-up; there is nothing to end",
    Outcome.AGENT_IN_USE: "the new configuration lacks an agent who is logged in; log him out first, or keep him",
    Outcome.QUEUE_IN_USE: (
        "the new configuration lacks a queue that still holds contacts, or after-work for one; let it drain first, or keep it"
    ),
    Outcome.WRAPUP_LONGEST: "the wrap-up lasts as long as wrapup_max_s of the queue allows; it cannot be extended",
    Outcome.CALLBACK_EXISTS: (
        "this contact is to be called back at another number, or this number is already to be called by the tenant; "
        "withdraw that callback first"
    ),
    Outcome.CALLBACK_NOT_OFFERED: "the queue calls nobody back; give it a callback table, or keep the caller waiting",
    Outcome.CONTACT_IS_CALLBACK: "the contact is to be called back, so hanging up does not end it; contact.withdraw does",
    Outcome.CONTACT_IS_CONSULT: (
        "the contact is a question of one agent to another; end it with contact.complete or contact.withdraw, or join "
        "it with contact.merge"
    ),
    Outcome.CONTACT_NO_CONSULT: "the contact is no question of one agent to another; name the one that contact.consult made",
    Outcome.CONSULT_EXISTS: "a colleague is being asked about this contact already; end that first, or join it",
    Outcome.AGENT_NOT_TALKING: "the agent does not talk with this contact",
    Outcome.AGENT_ALONE: "nobody else talks with the contact; end it with contact.complete, or hand it on",
    Outcome.AGENT_NOT_JOINED: (
        "the agent is logged in, but not to this queue; name a queue that he serves, or let him join it with agent.queues"
    ),
    Outcome.QUEUE_NOT_SERVED: (
        "the agent does not answer contacts of this queue's tenant, so he cannot log in to it; name queues of his tenants"
    ),
    Outcome.REQUIREMENT_INVALID: "the requirement cannot be read; write it like 'billing>=30 & spanish'",
    Outcome.CONFIG_INVALID: "the configuration contradicts itself; nothing of it was applied",
    Outcome.VALUE_INVALID: "a value is outside its bounds; the protocol page gives them",
    Outcome.HOURS_INVALID: "the instants of a calendar must rise; nothing of them was taken",
    Outcome.TRANSFER_INVALID: "a transfer names a queue, an agent or both, or else an address outside",
    Outcome.DISPOSITION_MISSING: "the queue asks for a disposition; say how the contact went",
    Outcome.CALLBACK_INVALID: "ask for a callback with a number, or report a failed attempt with a cause, and not both",
    Outcome.CONSULT_INVALID: "ask a queue, an agent or both, and nobody who talks with the contact already",
    Outcome.QUEUES_INVALID: (
        "an agent serves one queue at least: name all that he serves, or those that he joins and leaves, and not both; "
        "to serve none let him pause or log out"
    ),
    Outcome.PLACE_INVALID: (
        "there is no such place; with 'before' or 'after' name another contact that waits in the same queue, and give "
        "no priority beside a place"
    ),
    Outcome.TOO_MANY_CONTACTS: (
        "the engine holds as many contacts as settings.max_contacts allows; raise it, or try later"
    ),
    Outcome.TENANT_FULL: ("the tenant has as many live contacts as its max_contacts allows; raise it, or try later"),
    Outcome.MALFORMED: "the line is not a JSON object of a known message; the protocol page has the fields",
    Outcome.TYPE_UNKNOWN: "there is no message of this type; the protocol page lists all",
    Outcome.HELLO_MISSING: "the first message of a connection must be 'hello'",
    Outcome.LINE_TOO_LONG: "the line is longer than the server accepts; the connection is closed",
    Outcome.VERSION_UNSUPPORTED: "this server does not speak that version of the protocol",
    Outcome.UNAUTHORISED: "the token is missing, wrong, or does not allow this",
    Outcome.HELLO_REPEATED: "this connection has already said 'hello'",
    Outcome.DOMAIN_UNKNOWN: "several routing domains are served here, and 'hello' names none of them",
    Outcome.UNAVAILABLE: "the server cannot take commands now; try again shortly",
    Outcome.DRAINING: "the server is about to stop; connect again shortly",
    Outcome.JOURNAL_FULL: (
        "the disk of the server is full, so nothing can be changed until there is room; nothing was, and questions are "
        "still answered"
    ),
    Outcome.INTERNAL_ERROR: (
        "the server could not carry out this command because of a fault of its own; nothing was changed, and "
        "its log has the details"
    ),
}
