"""What all connections of a server share, and what each of them is made to do by the kernel."""

import asyncio
import socket
from collections import Counter
from typing import Protocol

from server.access.gate import Gate
from server.access.identity import Identity
from server.audit import AuditTrail
from server.hours import Hours
from server.presence import Presence
from server.seldom import Seldom
from server.sequencer import Sequencer


class Connection(Protocol):
    """What the door knows of a connection."""

    identity: Identity

    def revoke(self) -> None:
        """End the connection, because its credential does not hold any more."""
        ...

    def drain(self) -> None:
        """Read nothing more; say that the server is about to stop."""
        ...

    def close(self) -> None:
        """Close when all that was written has left."""
        ...

    def abort(self) -> None:
        """Cut the connection without sending anything more."""
        ...


class Door:
    """See the module.

    Attributes:
        sequencer: where commands go.
        presence: told of each client that comes and goes.
        gate: tells who somebody is.
        audit: told what is done with rights, and what is refused for want of them.
        hours: told when a configuration was applied.
        node: the server's name.
        sessions: all open connections, in the order in which they came; the values mean nothing.
        long_lines: those that send a line longer than usual, or have sent one that is not dealt with.
        seldom: for entries in the log that clients cause.
        empty: set while no connection is open.
    """

    def __init__(self, sequencer: Sequencer, node: str, gate: Gate, audit: AuditTrail) -> None:
        self.sequencer = sequencer
        self.gate = gate
        self.audit = audit
        self.presence = Presence(sequencer)
        self.hours = Hours(sequencer)
        self.node = node
        self.sessions: dict[Connection, None] = {}
        self.long_lines: set[Connection] = set()
        self.seldom = Seldom()
        self.empty = asyncio.Event()
        self.empty.set()
        self._of: Counter[str] = Counter()

    def entered(self, session: Connection) -> None:
        """A connection was made."""
        self.sessions[session] = None
        self.empty.clear()

    def left(self, session: Connection) -> None:
        """A connection is gone."""
        self.sessions.pop(session, None)
        if not self.sessions:
            self.empty.set()

    def speaks_for(self, client: str) -> Identity | None:
        """Who is connected under this name; None if nobody is."""
        receiver = self.sequencer.router.receivers.get(client)
        return getattr(receiver, "identity", None)

    def admit(self, identity: Identity, *, replacing: bool) -> bool:
        """Count a connection that has said who it is; False if its credential has as many as it may, beside the one
        that it is `replacing`.
        """
        if identity.connections_max and self._of[identity.name] - replacing >= identity.connections_max:
            return False
        self._of[identity.name] += 1
        return True

    def release(self, identity: Identity) -> None:
        """The opposite of `admit`."""
        self._of[identity.name] -= 1
        if not self._of[identity.name]:
            del self._of[identity.name]

    def revoke_gone(self) -> int:
        """End the connections whose credentials do not hold any more, after the gate has read them anew; how many."""
        gone = [session for session in self.sessions if not self.gate.holds(session.identity)]
        for session in gone:
            session.revoke()
        return len(gone)


def descriptor_of(transport: asyncio.BaseTransport) -> int:
    """The descriptor on which bytes may be sent beside a transport that holds none back; -1 if there is none, or TLS."""
    fileno = getattr(transport.get_extra_info("socket"), "fileno", None)
    return -1 if fileno is None or transport.get_extra_info("sslcontext") is not None else int(fileno())


def notice_silence(connection: socket.socket, silence_s: float) -> None:
    """Have the kernel ask a peer that says nothing whether it is still there, and end the connection if it is not.

    A machine that lost its power or its network says no goodbye. Only when its connection is gone does the grace time
    of its client begin.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = max(1, int(silence_s))
    # Half of the time without a word, then three questions. Not every system has all of these.
    for name, value in (
        ("TCP_KEEPIDLE", max(1, seconds // 2)),
        ("TCP_KEEPINTVL", max(1, seconds // 6)),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 1000 * seconds),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
