"""Who may send what: one row a verb. The server asks this table, and the page docs/permissions.md is written from it.

A row says which roles may send the verb, how the server finds out which company it is about, and whether the audit
trail tells of it whoever sends it. A verb without a row ends the program when this module is imported, so that
nobody can add one and forget who may use it.

Roles are not steps of a ladder. What a role may do is further bounded by the *wall* of a credential: the tenants that
it is for, or for the role `agent` the agents that it speaks for. Behind a wall, what belongs to others does not exist.
"""

from typing import Literal, NamedTuple, get_args

from acd_core.commands import (
    COMMAND_TYPES,
    AgentLogin,
    AgentLogout,
    AgentOutside,
    AgentPause,
    AgentQueues,
    AgentReady,
    AgentUpdate,
    AgentWrapupDone,
    AgentWrapupExtend,
    ClientAway,
    ClientBack,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactCallback,
    ContactComplete,
    ContactConsult,
    ContactDrop,
    ContactEnqueue,
    ContactHold,
    ContactMerge,
    ContactTransfer,
    ContactUnhold,
    ContactUpdate,
    ContactWithdraw,
    HoursSet,
    OfferAccept,
    OfferReject,
    QueueClose,
    QueueOpen,
)
from acd_protocol.messages import REQUEST_TYPES, Estimate, Explain, Hello, List, Ping, Request, Stats, Subscribe

Role = Literal["adapter", "agent", "supervisor", "tenant_admin", "operator", "read_only"]
ROLES: tuple[Role, ...] = get_args(Role)

ROLE_WORDS: dict[Role, str] = {
    "adapter": "a PBX adapter: brings contacts, and speaks for agents",
    "agent": "an agent's own desktop: speaks for the agents that its credential names",
    "supervisor": "watches, asks why, changes skills and priorities, sends agents into pauses",
    "tenant_admin": "a supervisor who may also configure: behind a wall its own tenants' part only",
    "operator": "everything",
    "read_only": "watches: wall boards, reports, Prometheus",
}

Wall = Literal["none", "tenant", "contact", "offer", "agent", "config", "view"]
"""By what a verb is held to the wall of its sender."""

WALL_WORDS: dict[Wall, str] = {
    "none": "it concerns the connection itself",
    "tenant": "the tenant that it names",
    "contact": "the tenant of the contact that it names",
    "offer": "the tenant of the contact that is offered",
    "agent": "the tenants that the agent serves: all of them must lie behind the wall",
    "config": "only the part of its own tenants is replaced",
    "view": "it shows what lies behind the wall, and nothing else",
}


class Permission(NamedTuple):
    """One row.

    Attributes:
        roles: who may send it.
        wall: by what it is held to the wall of its sender.
        audited: whether the audit trail tells of it whoever sends it. Of supervisors, tenant admins and operators with
            a credential of their own it tells every command.
    """

    roles: frozenset[Role]
    wall: Wall
    audited: bool = False


_ALL: frozenset[Role] = frozenset(ROLES)
_WATCHING: frozenset[Role] = _ALL - {"agent"}
_CALLS: frozenset[Role] = frozenset({"adapter", "operator"})
_TALKS: frozenset[Role] = _CALLS | {"agent"}
_LEADING: frozenset[Role] = frozenset({"supervisor", "tenant_admin", "operator"})

PERMISSIONS: dict[type[Command | Request], Permission] = {
    ContactEnqueue: Permission(_CALLS, "tenant"),
    ContactUpdate: Permission(_CALLS | _LEADING, "contact"),
    ContactAbandon: Permission(_CALLS, "contact"),
    ContactWithdraw: Permission(_CALLS | _LEADING, "contact"),
    ContactComplete: Permission(_TALKS | _LEADING, "contact"),
    ContactTransfer: Permission(_TALKS | _LEADING, "contact"),
    ContactConsult: Permission(_TALKS, "contact"),
    ContactMerge: Permission(_TALKS, "contact"),
    ContactDrop: Permission(_TALKS | _LEADING, "contact"),
    ContactCallback: Permission(_TALKS | _LEADING, "contact"),
    ContactHold: Permission(_TALKS, "contact"),
    ContactUnhold: Permission(_TALKS, "contact"),
    OfferAccept: Permission(_TALKS, "offer"),
    OfferReject: Permission(_TALKS, "offer"),
    AgentLogin: Permission(_TALKS, "agent"),
    AgentQueues: Permission(_TALKS | _LEADING, "agent"),
    AgentReady: Permission(_TALKS | _LEADING, "agent"),
    AgentPause: Permission(_TALKS | _LEADING, "agent"),
    AgentLogout: Permission(_TALKS | _LEADING, "agent"),
    AgentOutside: Permission(_TALKS | _LEADING, "agent"),
    AgentUpdate: Permission(_LEADING, "agent", audited=True),
    AgentWrapupDone: Permission(_TALKS | _LEADING, "agent"),
    AgentWrapupExtend: Permission(_TALKS | _LEADING, "agent"),
    ClientAway: Permission(_TALKS, "none"),
    ClientBack: Permission(_TALKS, "none"),
    QueueClose: Permission(_LEADING, "tenant", audited=True),
    QueueOpen: Permission(_LEADING, "tenant", audited=True),
    HoursSet: Permission(frozenset({"operator"}), "none", audited=True),
    ConfigApply: Permission(frozenset({"tenant_admin", "operator"}), "config", audited=True),
    Hello: Permission(_ALL, "none"),
    Ping: Permission(_ALL, "none"),
    Subscribe: Permission(_WATCHING, "view"),
    List: Permission(_WATCHING, "view"),
    Stats: Permission(_WATCHING, "view"),
    Estimate: Permission(_ALL, "contact"),
    Explain: Permission(_ALL, "view"),
}


def _check() -> None:
    for kind in (*COMMAND_TYPES, *REQUEST_TYPES):
        if kind not in PERMISSIONS:
            raise TypeError(
                f"{kind.__name__} has no row in acd_protocol/permissions.py: say there who may send it, and by what it "
                "is held to the wall of its sender"
            )


_check()


def verb(kind: type[Command | Request]) -> str:
    """The word on the wire, such as `contact.enqueue`."""
    return str(kind.__struct_config__.tag)
