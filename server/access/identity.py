"""Who speaks on a connection, and how far that reaches."""

import fnmatch
from typing import NamedTuple

from acd_core.commands import Command
from acd_protocol.messages import Request
from acd_protocol.permissions import PERMISSIONS, Role
from server.pace import Pace

OPERATING: frozenset[Role] = frozenset({"supervisor", "tenant_admin", "operator"})
"""Roles whose every command the audit trail tells, when they have a credential of their own."""


class Identity(NamedTuple):
    """What a connection may do, from its `hello` on.

    Attributes:
        name: of the credential; empty for those who need none, or share the server's one token.
        role: see `acd_protocol.permissions`.
        tenants: the wall; empty for none.
        agents: whom the role `agent` speaks for.
        clients: patterns of the client names under which it may connect; empty for any.
        line_bytes_max: longest line, if less than the server's own bound; 0 for that.
        connections_max: most connections at once; 0 for any number.
        paces: how fast its lines are taken, from all of its connections together; empty for any speed.
        proof: what it was recognised by, so that it can be told whether that still holds.
    """

    name: str = ""
    role: Role = "operator"
    tenants: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    clients: tuple[str, ...] = ()
    line_bytes_max: int = 0
    connections_max: int = 0
    paces: tuple[Pace, ...] = ()
    proof: str = ""

    @property
    def walled(self) -> bool:
        """Whether it may see some things only."""
        return bool(self.tenants) or self.role == "agent"

    def may(self, kind: type[Command | Request]) -> bool:
        """Whether its role allows this verb at all."""
        return self.role in PERMISSIONS[kind].roles

    def audited(self, kind: type[Command | Request]) -> bool:
        """Whether the audit trail tells of a command of this type when it comes from here."""
        return PERMISSIONS[kind].audited or (bool(self.name) and self.role in OPERATING)

    def may_be_called(self, client: str) -> bool:
        """Whether it may connect under this client name."""
        return not self.clients or any(fnmatch.fnmatchcase(client, pattern) for pattern in self.clients)


ANYONE = Identity()
"""Everybody, where the server asks for no proof."""
