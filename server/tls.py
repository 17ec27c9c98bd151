"""TLS 1.3: the context of the server, and who is at the other end of a connection."""

import asyncio
import hashlib
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from server.errors import StartError


def server_context(certificate: Path, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    """A context for the server's side.

    Args:
        certificate: PEM file with the server's certificate and those between it and the root.
        key: its private key, if that is in a file of its own.
        client_ca: PEM file with the authorities whose certificates of clients are believed; None to ask for none.

    Raises:
        StartError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    place: Path = certificate
    try:
        for place in filter(None, (certificate, key)):
            place.open("rb").close()
        context.load_cert_chain(certificate, key, password=lambda: "")
        if client_ca is not None:
            place = client_ca
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL  # who shows none must show a token
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise StartError(f"TLS: {place} cannot be used ({reason}): give PEM files, of which the key fits") from error
    except OSError as error:
        raise StartError(f"TLS: {place} cannot be read: {error.strerror}") from error
    return context


def certificates_of(transport: asyncio.BaseTransport) -> tuple[str, ...]:
    """Fingerprint and names of the certificate that the other end has shown, and TLS has verified; empty for none."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    data = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or not data:
        return ()
    told: Any = connection.getpeercert() or {}
    names = [value for part in told.get("subject", ()) for kind, value in part if kind == "commonName"]
    names += [value for kind, value in told.get("subjectAltName", ()) if kind == "DNS"]
    return (f"sha256:{hashlib.sha256(data).hexdigest()}", *dict.fromkeys(names))


def address_of(transport: asyncio.BaseTransport) -> str:
    """Of the machine at the other end."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


class TlsPort:
    """The TLS side of a port: holds the context that new connections get, which can be changed while it listens.

    Args:
        files: the server's certificate, its key, and the authorities of clients, as `server_context` takes them.

    Attributes:
        context: for new connections.
        waiting: connections whose handshake is not over.

    Raises:
        StartError: a file cannot be used.
    """

    def __init__(self, *files: Path | None) -> None:
        certificate, key, client_ca = files
        assert certificate is not None
        self._files = certificate, key, client_ca
        self.context = server_context(*self._files)
        self.waiting = 0

    @property
    def paths(self) -> list[Path]:
        """The files that it was made from."""
        return [path for path in self._files if path is not None]

    def reload(self) -> None:
        """Read the files again, for connections to come. Raises `StartError`, and then nothing has changed."""
        self.context = server_context(*self._files)


class Doorman(asyncio.Protocol):
    """Takes a new connection through the handshake, and hands it to the session that `make_session` gives.

    A handshake that is not over in time, or fails, ends the connection. So does one beyond `room`, which tells how
    many more connections may wait for theirs: whoever opens connections and says nothing must not use up all of them.
    """

    def __init__(
        self, port: TlsPort, make_session: Callable[[], asyncio.Protocol], timeout_s: float, room: Callable[[], int]
    ) -> None:
        self._port = port
        self._make_session = make_session
        self._timeout_s = timeout_s
        self._room = room
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected. What it has sent stays in its socket, for the handshake to read."""
        plain = cast("asyncio.Transport", transport)
        if self._port.waiting >= self._room():
            plain.abort()
            return
        # This transport would read as soon as this method ends, and what it read would be lost to the handshake.
        found = plain.get_extra_info("socket")
        connection = socket.socket(found.family, found.type, found.proto, os.dup(found.fileno()))
        plain.abort()
        connection.setblocking(False)
        self._port.waiting += 1
        self._task = asyncio.get_running_loop().create_task(self._shake_hands(connection), name="TLS handshake")

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_session, connection, ssl=self._port.context, ssl_handshake_timeout=self._timeout_s
            )
        except (OSError, ssl.SSLError, TimeoutError):
            connection.close()  # who is no client of ours learns nothing, and the log is not for them
        finally:
            self._port.waiting -= 1
