"""The connection to Asterisk: requests by HTTP, events by WebSocket. It knows no calls.

    AriError
    ├── AriAway      Asterisk cannot be reached, or has just gone
    └── AriRefused   it answered with an error

An application has one WebSocket. A newer connection of the same application takes over: the older one is told
ApplicationReplaced and hears nothing more.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from acd_pbx.asterisk.operations import Ask
from acd_pbx.asterisk.settings import Ari as AriSettings

REQUEST_S = 10.0
"""An answer that takes longer counts as none. Asterisk answers in milliseconds, or when it hangs, never."""
HEARTBEAT_S = 5.0
"""Silence after which the other end of the WebSocket is asked for a sign of life; half of that is its time to answer."""
EVENT_BYTES_MAX = 1 << 24
UNWANTED_EVENTS = ("ChannelVarset", "ChannelDialplan", "ChannelConnectedLine", "ChannelCallerId", "Dial")
"""Two thirds of all events, of which nobody here wants to know."""

Event = dict[str, Any]


class AriError(Exception):
    """Why a request was not carried out."""


class AriAway(AriError):  # noqa: N818 - says what happened
    """Asterisk cannot be reached. Whether it carried the request out is not known."""


class AriRefused(AriError):  # noqa: N818 - as above
    """Asterisk answered with an error.

    Attributes:
        status: the HTTP status.
        message: what Asterisk says.
    """

    def __init__(self, request: str, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{request}: {status} {message}")


class Ari:
    """One Asterisk.

    ::

        async with Ari(settings) as ari:
            await ari.listen(on_event, on_ready)
    """

    def __init__(self, settings: AriSettings) -> None:
        self.settings = settings
        self._url = settings.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    async def __aenter__(self) -> Self:
        login = b64encode(f"{self.settings.user}:{self.settings.password}".encode()).decode()
        connector = aiohttp.TCPConnector(limit=self.settings.requests_max, keepalive_timeout=10)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Basic {login}"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_S),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def request(
        self, method: str, path: str, params: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        """Make a request; gives what the JSON of the answer says, or None.

        Raises:
            AriAway: no answer.
            AriRefused: an error for an answer.
        """
        assert self._session is not None
        try:
            async with self._session.request(method, self._url + path, params=params, json=body) as answer:
                data = await answer.read()
                if answer.status >= 300:
                    raise AriRefused(f"{method} {path}", answer.status, _message(data))
                return msgspec.json.decode(data) if data else None
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise AriAway(f"{method} {path}: {_words(problem)}") from problem

    async def carry_out(self, ask: Ask) -> None:
        """Make one of the adapter's requests; what is so already is fine. Raises like `request`."""
        try:
            await self.request(ask.operation.method, ask.path, ask.params, ask.body)
        except AriRefused as refused:
            if not ask.done_by(refused.status):
                raise

    async def listen(self, on_event: Callable[[Event], None], on_ready: Callable[[], None]) -> None:
        """Become the application, and hand out its events until the connection ends.

        `on_ready` is called once Asterisk has taken us, before the first event.

        Raises:
            AriAway: it cannot be reached, or the connection broke.
            AriRefused: wrong user or password.
        """
        assert self._session is not None
        app = self.settings.app
        try:
            async with self._session.ws_connect(
                f"{self._url}/events",
                params={"app": app, "subscribeAll": "false"},
                heartbeat=HEARTBEAT_S,
                max_msg_size=EVENT_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            ) as socket:
                unwanted = {"disallowed": [{"type": name} for name in UNWANTED_EVENTS]}
                await self.request("PUT", f"/applications/{app}/eventFilter", body=unwanted)
                on_ready()
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        on_event(self._decode(message.data))
                raise AriAway(f"the WebSocket ended: {socket.exception() or socket.close_code}")
        except aiohttp.WSServerHandshakeError as refused:
            raise AriRefused("GET /events", refused.status, refused.message) from refused
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise AriAway(f"{self._url}: {_words(problem)}") from problem

    async def gather(self, *paths: str) -> list[Any]:
        """The answers of several GET requests, made at once."""
        return await asyncio.gather(*(self.request("GET", path) for path in paths))


def _words(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__


def _message(data: bytes) -> str:
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data[:200].decode(errors="replace")
    return str(value.get("message") or value.get("error") or "") if isinstance(value, dict) else ""
