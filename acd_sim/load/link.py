"""What is said on a connection of the load before and after it: one question, one answer, blocking."""

import socket
from typing import Any

import msgspec

from acd_protocol.messages import PROTOCOL_VERSION

TIMEOUT_S = 30.0
_READ_BYTES = 262_144


class LinkError(Exception):
    """The server refused, or did not answer. `str()` is a sentence."""


class _Said(msgspec.Struct):
    """What an answer says."""

    type: str
    code: str = ""
    message: str = ""
    result: dict[str, Any] = {}


_said = msgspec.json.Decoder(_Said).decode


class Link:
    """One TCP connection.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def fileno(self) -> int:
        """For `Sender`, which must not meet it with half a message read: see `quiet`."""
        return self.socket.fileno()

    def hello(self, client: str, token: str = "") -> None:
        """Say hello by this name. Raises `LinkError`."""
        hello: dict[str, Any] = {"type": "hello", "version": PROTOCOL_VERSION, "client": client}
        if token:
            hello["token"] = token
        self.ask(msgspec.json.encode(hello) + b"\n")

    def ask(self, *lines: bytes) -> list[dict[str, Any]]:
        """Send requests and wait for their answers, each of which must be accepted; gives their results.

        Raises:
            LinkError: one was refused, or nothing came.
        """
        results: list[dict[str, Any]] = []
        for start in range(0, len(lines), 1000):
            part = lines[start : start + 1000]
            wanted = len(results) + len(part)
            try:
                self.socket.sendall(b"".join(part))
                while len(results) < wanted:
                    for line in self._receive():
                        said = _said(line)
                        if said.type == "error":
                            raise LinkError(f"the server refused: {said.message or said.code}")
                        if said.type in {"ok", "welcome"}:
                            results.append(said.result)
            except TimeoutError:
                raise LinkError(f"the server did not answer within {TIMEOUT_S:g} s") from None
            except OSError as error:
                raise LinkError(f"the connection broke: {error}") from error
        return results

    def quiet(self) -> None:
        """Read what still comes, to the end of a message: after this the connection can be given to a `Sender`."""
        for _ in range(100):
            self.ask(b'{"type":"ping","id":0}\n')
            if not self._rest:
                return
        raise LinkError("the server goes on talking; is another client of the same name there?")

    def _receive(self) -> list[bytes]:
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise LinkError("the server closed the connection")
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return lines

    def close(self) -> None:
        """Close."""
        self.socket.close()
