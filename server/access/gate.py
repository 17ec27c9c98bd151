"""Who is this? What a connection shows in its `hello` becomes an `Identity`, or an error.

Hashing a token takes milliseconds, so it is done in a thread, and the outcome kept: a token that was right once is
known again at once, until the file of credentials says otherwise. So a thousand clients that come back after a restart
of their network cost nothing, and hold up nobody.

Whoever shows something wrong waits for the answer: half a second at first, twice as long with every further failure
under the same name from the same address. What is right is never slowed, or anybody could lock out others by failing
in their name.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from acd_core import Outcome
from acd_protocol.framing import error
from acd_protocol.messages import Error
from server.access import credentials as credentials_file
from server.access import tokens
from server.access.credentials import Credential, Credentials
from server.access.identity import ANYONE, Identity
from server.clock import NS_PER_S, monotonic_ns
from server.errors import StartError
from server.log import note

WAIT_FIRST_S = 0.5
WAIT_MAX_S = 4.0
"""Less than the time for which clients wait for an answer to `hello`, so that they are told what is wrong."""
FORGIVEN_S = 300
"""So long after its last failure an address begins anew."""
FAILING_KEPT_MAX = 4096
WAITING_PER_ADDRESS_MAX = 16
"""So many failed connections of one address are kept waiting; more are refused unheard."""
CHECKS_MAX = 1024
"""So many different tokens wait for the thread that hashes them; more are refused unheard."""
CHECKS_PER_NAME_MAX = 4
"""So many of them under one name from one address."""

_WRONG = "the token is missing or wrong, or what it belongs to has expired"
SHARED_TOKEN_PROOF = "shared token"


class Shown(NamedTuple):
    """What a connection shows of itself.

    Attributes:
        client: the name that it goes by, None where there are none; token: may be empty.
        address: of its machine.
        certificates: names and fingerprint of its certificate, which the TLS layer has verified; empty for none.
    """

    client: str | None
    token: str
    address: str
    certificates: tuple[str, ...]


Answer = Callable[[Identity | Error], None]


class Gate:
    """See the module.

    Args:
        token: one that all may show to get all rights; empty for none.
        path: of the file of credentials; None for none. With neither, everybody gets in.

    Raises:
        StartError: the file cannot be used.
    """

    def __init__(self, token: str = "", path: Path | None = None) -> None:
        self.path = path
        self.failures = 0
        self.reload_failures = 0
        self._token = token.encode()
        self._credentials = None if path is None else credentials_file.read(path)
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, tuple[str, str]] = {}
        self._failing: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        self._thread: ThreadPoolExecutor | None = None
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._checks_of: Counter[tuple[str, str]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """Whether everybody gets in."""
        return not self._token and self._credentials is None

    @property
    def credentials(self) -> Credentials | None:
        """Those that hold."""
        return self._credentials

    def identify(self, shown: Shown, then: Answer) -> None:
        """Call `then` with who this is, or with the error that it gets; at once, or later in the event loop."""
        if self.open:
            then(ANYONE)
            return
        known = self._recognise(shown)
        if known is not None:
            then(self._admit(known, shown))
            return
        key = _key(shown)
        if (
            self._waiting[shown.address] >= WAITING_PER_ADDRESS_MAX
            or self._checks_of[key] >= CHECKS_PER_NAME_MAX
            or len(self._checks) >= CHECKS_MAX
        ) and self._digest(shown.token) not in self._checks:
            then(error(Outcome.UNAVAILABLE, "too many connections show wrong tokens, or new ones; try later"))
            return
        task = asyncio.get_running_loop().create_task(self._find_out(shown, then), name="login")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def identify_soon(self, shown: Shown) -> Identity | Error:
        """As `identify`, for those that can wait."""
        answer: asyncio.Future[Identity | Error] = asyncio.get_running_loop().create_future()
        self.identify(shown, lambda found: None if answer.done() else answer.set_result(found))
        return await answer

    def _recognise(self, shown: Shown) -> tuple[Credential | None, str] | None:
        """The credential and its proof, as far as they can be told without work. No credential stands for the token
        that all may show.
        """
        if self._token and hmac.compare_digest(self._token, shown.token.encode()):
            return None, SHARED_TOKEN_PROOF
        if self._credentials is None:
            return None
        if shown.token:
            name, stored = self._known.get(self._digest(shown.token), ("", ""))
            found = self._credentials.by_name.get(name)
            return None if found is None or stored not in found.tokens else (found, stored)
        for certificate in shown.certificates:
            found = self._credentials.by_certificate.get(certificate)
            if found is not None and not found.tokens:
                return found, certificate
        return None

    def _digest(self, token: str) -> bytes:
        """What is kept of a token that was right: of no use outside of this process."""
        return hmac.digest(self._key, token.encode(), hashlib.sha256)

    async def _find_out(self, shown: Shown, then: Answer) -> None:
        found = await self._look_up(shown)
        answer = self._fail() if found is None else self._admit(found, shown)
        if isinstance(answer, Error):
            wait_s = self._note_failure(shown)
            self._waiting[shown.address] += 1
            try:
                await asyncio.sleep(wait_s)
            finally:
                _count_down(self._waiting, shown.address)
        then(answer)

    async def _look_up(self, shown: Shown) -> tuple[Credential | None, str] | None:
        """As `_recognise`, after the work that it takes to tell whether the token is right."""
        if self._credentials is None or not shown.token:
            return None
        credential = self._credentials.by_name.get(tokens.name_in(shown.token))
        if credential is None:
            return None
        digest = self._digest(shown.token)
        check = self._checks.get(digest)
        if check is None:  # else the same token is being looked at for another connection
            check = asyncio.get_running_loop().create_task(self._check(shown, credential, digest), name="token")
            self._checks[digest] = check
        return self._recognise(shown) if await asyncio.shield(check) else None

    async def _check(self, shown: Shown, credential: Credential, digest: bytes) -> bool:
        """Whether the token is one of the credential's; then it is known from here on."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        key = _key(shown)
        self._checks_of[key] += 1
        try:
            for stored in credential.tokens:
                loop = asyncio.get_running_loop()
                if await loop.run_in_executor(self._thread, tokens.matches, shown.token, stored):
                    self._known[digest] = credential.name, stored
                    return True
            return False
        finally:
            _count_down(self._checks_of, key)
            del self._checks[digest]

    def _admit(self, found: tuple[Credential | None, str], shown: Shown) -> Identity | Error:
        """What a credential that was recognised stands for, if it holds and may be used in this way."""
        credential, proof = found
        if credential is None:
            return ANYONE._replace(proof=proof)
        assert self._credentials is not None
        if credential.certificate and credential.certificate not in shown.certificates:
            return self._fail()
        if credential.expired(credentials_file.today()):
            return self._fail()
        identity = self._credentials.identities[credential.name]._replace(proof=proof)
        if shown.client is not None and not identity.may_be_called(shown.client):
            patterns = ", ".join(identity.clients)
            return error(
                Outcome.UNAUTHORISED,
                f"the credential {identity.name} is not for a client called {shown.client[:64]!r}, but for: {patterns}",
            )
        self._failing.pop((shown.address, identity.name), None)
        return identity

    def _fail(self) -> Error:
        self.failures += 1
        return error(Outcome.UNAUTHORISED, _WRONG)

    def _note_failure(self, shown: Shown) -> float:
        """Count a failure; gives how long its answer is kept back."""
        key = _key(shown)
        count, last_ns = self._failing.pop(key, (0, 0))
        now_ns = monotonic_ns()
        if now_ns - last_ns > FORGIVEN_S * NS_PER_S:
            count = 0
        self._failing[key] = min(count + 1, 16), now_ns
        if len(self._failing) > FAILING_KEPT_MAX:
            self._failing.popitem(last=False)
        return float(min(WAIT_MAX_S, WAIT_FIRST_S * 2**count))

    def reload(self) -> bool:
        """Read the file of credentials again; when it cannot be used, what held holds on, and the log says why."""
        if self.path is None:
            return True
        try:
            self._credentials = credentials_file.read(self.path, self._credentials)
        except StartError as problem:
            self.reload_failures += 1
            note(logging.ERROR, f"{problem}; the credentials that held before still hold")
            return False
        proofs = {stored for credential in self._credentials.by_name.values() for stored in credential.tokens}
        self._known = {digest: known for digest, known in self._known.items() if known[1] in proofs}
        return True

    def holds(self, identity: Identity) -> bool:
        """Whether somebody who was let in as `identity` would be let in alike now."""
        if not identity.name:
            return True
        return self._credentials is not None and self._credentials.holds(identity)

    def close(self) -> None:
        """Give up whoever waits for an answer, and end the thread."""
        for task in (*self._tasks, *self._checks.values()):
            task.cancel()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None


def _key(shown: Shown) -> tuple[str, str]:
    """Under what failures are counted."""
    return shown.address, tokens.name_in(shown.token)[:64]


def _count_down(counts: Counter[Any], key: object) -> None:
    """One less; nothing is kept of those at zero."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
