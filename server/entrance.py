"""What happens between `hello` and `welcome`: the gate finds out who it is, which may take a while, and the door counts.

Until then nothing more is read: what a client sends along with its `hello` is kept, for it is read by other limits.
"""

import logging
from typing import Protocol

from msgspec.structs import replace

from acd_core import Outcome
from acd_protocol.framing import error
from acd_protocol.messages import PROTOCOL_VERSION, Error, Hello
from server.access.gate import Shown
from server.access.identity import Identity
from server.door import Door

OWN_CLIENT = "acd-serve"
"""The client name under which the server journals what it does itself; nobody else may have it."""


class Entering(Protocol):
    """The connection."""

    address: str
    certificates: tuple[str, ...]

    def welcome(self, hello: Hello, identity: Identity) -> None:
        """The client is in."""
        ...

    def refuse(self, problem: Error) -> None:
        """Send a last answer and close."""
        ...

    def go_on(self, early: bytes) -> None:
        """Read on, beginning with what came early."""
        ...


class Entrance:
    """See the module.

    Attributes:
        early: what the client has sent after a `hello` that is not answered yet.
    """

    __slots__ = ("_door", "_entering", "_hello", "early")

    def __init__(self, entering: Entering, door: Door) -> None:
        self.early = b""
        self._entering = entering
        self._door = door
        self._hello: Hello | None = None

    @property
    def busy(self) -> bool:
        """Whether a `hello` is being dealt with."""
        return self._hello is not None

    def close(self) -> None:
        """The connection ends: whatever the gate finds out is of no interest."""
        self._hello = None

    def enter(self, hello: Hello) -> None:
        """Deal with a `hello`: the connection is welcomed or refused, now or later."""
        if hello.version != PROTOCOL_VERSION:
            sentence = f"this server speaks version {PROTOCOL_VERSION} of the protocol, not {hello.version}"
            self._entering.refuse(error(Outcome.VERSION_UNSUPPORTED, sentence, hello.id))
            return
        self._hello = hello
        entering = self._entering
        shown = Shown(hello.client, hello.token, entering.address, entering.certificates)
        self._door.gate.identify(shown, self._identified)

    def _identified(self, found: Identity | Error) -> None:
        hello, self._hello = self._hello, None
        if hello is None:
            return
        problem = found if isinstance(found, Error) else self._hindrance(hello, found)
        if problem is not None:
            self._refuse(hello, problem)
            return
        assert isinstance(found, Identity)
        self._entering.welcome(hello, found)
        self._door.audit.login(found, hello.client, self._entering.address)
        early, self.early = self.early, b""
        self._entering.go_on(early)

    def _hindrance(self, hello: Hello, identity: Identity) -> Error | None:
        """Why somebody who may come in cannot do so now, or not under this name."""
        if self._door.sequencer.state != "serving":
            return error(Outcome.DRAINING)
        if hello.client == OWN_CLIENT:
            return error(Outcome.VALUE_INVALID, f"the server itself is called {OWN_CLIENT!r}: take another name")
        of_another = self._door.speaks_for(hello.client)
        if of_another is not None and of_another.name != identity.name:
            problem = f"somebody with another credential is connected as {hello.client!r}: take another name"
            return error(Outcome.UNAUTHORISED, problem)
        if not self._door.admit(identity, replacing=of_another is not None):
            return error(
                Outcome.UNAVAILABLE,
                f"the credential {identity.name} has {identity.connections_max} connections, as many as it may",
            )
        return None

    def _refuse(self, hello: Hello, problem: Error) -> None:
        door = self._door
        door.sequencer.counters.logins_refused += 1
        address = self._entering.address
        door.seldom.note(
            logging.WARNING, f"a connection was refused: {problem.message}", client=hello.client, address=address
        )
        door.audit.refused(Identity(), hello.client, address, "login", problem.code)
        self._entering.refuse(replace(problem, id=hello.id))
