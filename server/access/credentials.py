"""The file of credentials: who may connect, what for, and how he proves it. It holds hashes of tokens, never tokens."""

import datetime as dt
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from acd_core.config import AgentId, Name
from acd_protocol.permissions import Role
from server.access import tokens
from server.access.identity import Identity
from server.clock import wall_ns
from server.errors import StartError
from server.pace import Pace

CREDENTIALS_MAX = 100_000
FILE_BYTES_MAX = 64 * 1024 * 1024

CredentialName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}\Z")]
Rate = Annotated[float, Meta(gt=0, le=1_000_000)]


class Credential(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who may connect.

    Attributes:
        name: unique; tokens begin with it, and the audit trail tells it.
        role: `adapter`, `agent`, `supervisor`, `tenant_admin`, `operator` or `read_only`.
        tenants: the companies that it is for; all when left out.
        agents: ids of the agents that the role `agent` speaks for.
        clients: patterns of the client names under which it may connect, with `*` for anything. When left out: its
            own name, that name with `-` and anything, and for all roles but `adapter` and `agent` also `acd-*`, as
            the tools of the command line are called.
        tokens: hashes of the tokens that it may show; two of them while one replaces the other. Made by `acd token`.
        certificate: name in the client's certificate (common name, or DNS name), or its fingerprint as `sha256:…`.
            With tokens as well, both are needed.
        expires: a date; from its beginning, in UTC, on it holds no more.
        lines_per_s: how many lines a second are taken from all of its connections together; others wait.
        burst: so many lines at once are taken all the same.
        line_bytes_max: longest line, if less than the server takes.
        connections_max: most connections at once; 0 for any number.
    """

    name: CredentialName
    role: Role
    tenants: Annotated[tuple[Name, ...], Meta(max_length=10_000)] = ()
    agents: Annotated[tuple[AgentId, ...], Meta(max_length=10_000)] = ()
    clients: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=100)] = ()
    tokens: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    certificate: Annotated[str, Meta(max_length=256)] = ""
    expires: dt.date | None = None
    lines_per_s: Rate | None = None
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    line_bytes_max: Annotated[int, Meta(ge=256)] | None = None
    connections_max: Annotated[int, Meta(ge=0)] = 0

    def expired(self, today: dt.date) -> bool:
        """Whether it holds no more."""
        return self.expires is not None and self.expires <= today

    @property
    def client_patterns(self) -> tuple[str, ...]:
        """Names under which it may connect."""
        if self.clients:
            return self.clients
        own = (self.name, f"{self.name}-*")
        return own if self.role in {"adapter", "agent"} else (*own, "acd-*")


class TenantLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all credentials whose wall holds one tenant may do together.

    Attributes:
        name: of the tenant.
        lines_per_s, burst: as for a credential.
    """

    name: Name
    lines_per_s: Rate
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    credential: Annotated[tuple[Credential, ...], Meta(max_length=CREDENTIALS_MAX)] = ()
    tenant: Annotated[tuple[TenantLimits, ...], Meta(max_length=10_000)] = ()


class Credentials:
    """What a file says, ready to be asked.

    Attributes:
        by_name: every credential.
        identities: what each of them may do, without the proof.
        by_certificate: those with a certificate, by its name or fingerprint.
    """

    def __init__(self, file: _File, earlier: "Credentials | None" = None) -> None:
        self.by_name = {credential.name: credential for credential in file.credential}
        self.by_certificate = {
            credential.certificate: credential for credential in file.credential if credential.certificate
        }
        # A pace goes on over a new reading of the file, else every reading would allow another burst.
        self._paces: dict[str, Pace] = {}
        known = {} if earlier is None else earlier._paces
        for kind, rows in (("credential", file.credential), ("tenant", file.tenant)):
            for row in rows:
                if row.lines_per_s is not None:
                    pace = Pace(row.lines_per_s, row.burst)
                    before = known.get(f"{kind} {row.name}")
                    self._paces[f"{kind} {row.name}"] = before if before is not None and before == pace else pace
        self.identities = {credential.name: self._identity(credential) for credential in file.credential}

    def _identity(self, credential: Credential) -> Identity:
        places = [f"credential {credential.name}", *(f"tenant {tenant}" for tenant in credential.tenants)]
        return Identity(
            name=credential.name,
            role=credential.role,
            tenants=frozenset(credential.tenants),
            agents=frozenset(credential.agents),
            clients=credential.client_patterns,
            line_bytes_max=credential.line_bytes_max or 0,
            connections_max=credential.connections_max,
            paces=tuple(self._paces[place] for place in places if place in self._paces),
        )

    def holds(self, identity: Identity) -> bool:
        """Whether somebody who was recognised as `identity` would be so now."""
        credential = self.by_name.get(identity.name)
        if credential is None or credential.expired(today()):
            return False
        proofs = (*credential.tokens, credential.certificate)
        return identity.proof in proofs and self.identities[identity.name]._replace(proof=identity.proof) == identity


def today() -> dt.date:
    """The date in UTC."""
    return dt.datetime.fromtimestamp(wall_ns() / 1e9, dt.UTC).date()


def read(path: Path, earlier: Credentials | None = None) -> Credentials:
    """Read the file of credentials.

    Raises:
        StartError: it cannot be read, says what it must not, or others on this machine may write it.
    """
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StartError(f"the credentials {path} can be changed by others: chmod go-w {path}")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise StartError(f"the credentials {path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise StartError(f"the credentials {path} have more than {FILE_BYTES_MAX} bytes")
    return Credentials(_parse(data, f"the credentials {path}"), earlier)


def parse(text: str, source: str) -> Credentials:
    """Credentials out of a text; `source` is named in errors. Raises `StartError`."""
    return Credentials(_parse(text.encode(), source))


def _parse(data: bytes, source: str) -> _File:
    try:
        declared = msgspec.toml.decode(data, type=_File)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise StartError(f"{source} cannot be read: {error}") from error
    _check(declared, source)
    return declared


def _check(file: _File, source: str) -> None:
    """What the types cannot say. Names the credential, and never what is in its tokens."""
    _unique(source, "credential", (credential.name for credential in file.credential))
    _unique(source, "certificate", (row.certificate for row in file.credential if row.certificate))
    _unique(source, "tenant", (tenant.name for tenant in file.tenant))
    for credential in file.credential:
        place = f"{source}: credential {credential.name}"
        if not credential.tokens and not credential.certificate:
            raise StartError(f"{place}: it has neither tokens nor a certificate; make a token with 'acd token'")
        if not all(map(tokens.readable, credential.tokens)):
            raise StartError(f"{place}: tokens holds what is no hash of a token; 'acd token' makes both")
        if (credential.role == "agent") != bool(credential.agents):
            raise StartError(f"{place}: 'agents' belongs to the role 'agent', and to no other; correct one of the two")
        if credential.role == "agent" and credential.tenants:
            raise StartError(f"{place}: an agent's wall is his own id; leave 'tenants' out")
        if credential.certificate.startswith("sha256:") and not _is_fingerprint(credential.certificate):
            raise StartError(f"{place}: certificate: write a fingerprint as sha256: and 64 hexadecimal digits")


def _unique(source: str, noun: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise StartError(f"{source}: {noun} {name!r} is there {count} times; keep one")


def _is_fingerprint(text: str) -> bool:
    digits = text.removeprefix("sha256:")
    return len(digits) == 64 and all(digit in "0123456789abcdef" for digit in digits)
