"""An Asterisk that is none: it answers requests, remembers them, and says the events that a test gives it."""

import asyncio
import json
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import WSMsgType, web


class FakeAri:
    """Listens on a free port of the loopback.

    Attributes:
        channels, bridges: what the listings say.
        started: the time of the start that `/asterisk/info` tells.
        variables: of channels, and global ones.
        asked: method and path of each request that changes something, ids unquoted.
        refuse: status by the beginning of such a line, for what is not to work.
    """

    def __init__(self) -> None:
        self.port = 0
        self.channels: list[dict[str, Any]] = []
        self.bridges: list[dict[str, Any]] = []
        self.started = "2026-01-01"
        self.variables: dict[str, str] = {}
        self.asked: list[str] = []
        self.refuse: dict[str, int] = {}
        self.connections = 0
        self._sockets: list[web.WebSocketResponse] = []
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """For the adapter's file."""
        return f"http://127.0.0.1:{self.port}/ari"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/ari/{path:.*}", self._request)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self.cut()
        await self._runner.cleanup()

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        self.connections += 1
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        if socket in self._sockets:
            self._sockets.remove(socket)
        return socket

    async def _request(self, request: web.Request) -> web.Response:
        path = unquote(request.rel_url.raw_path.removeprefix("/ari"))
        line = f"{request.method} {path}"
        if request.method == "GET":
            return self._get(path, request.query.get("variable", ""))
        if not path.endswith("/eventFilter"):
            self.asked.append(line)
        if path.endswith("/variable"):
            self.variables[request.query["variable"]] = request.query["value"]
        for beginning, status in self.refuse.items():
            if line.startswith(beginning):
                return web.json_response({"message": "no"}, status=status)
        return web.Response(status=204)

    def _get(self, path: str, variable: str) -> web.Response:
        if path == "/asterisk/info":
            return web.json_response({"status": {"startup_time": self.started}})
        if path == "/channels":
            return web.json_response(self.channels)
        if path == "/bridges":
            return web.json_response(self.bridges)
        if path.endswith("/variable"):
            known = variable in self.variables
            return web.json_response({"value": self.variables.get(variable, "")}, status=200 if known else 404)
        there = any(path == f"/channels/{channel['id']}" for channel in self.channels)
        return web.json_response({}, status=200 if there else 404)

    async def say(self, kind: str, **fields: Any) -> None:
        """Send an event to whoever is the application now."""
        await self._sockets[-1].send_str(json.dumps({"type": kind, **fields}))

    async def cut(self) -> None:
        """Break the WebSocket."""
        for socket in list(self._sockets):
            assert socket._writer is not None
            if (transport := socket._writer.transport) is not None:
                transport.abort()
        self._sockets.clear()
        await asyncio.sleep(0)


def channel(id_: str, *arguments: str, state: str = "Up", name: str = "", exten: str = "2000") -> dict[str, Any]:
    """A channel as ARI shows it, in the application with these arguments."""
    return {
        "id": id_,
        "name": name or f"PJSIP/callers-{id_}",
        "state": state,
        "caller": {"number": "4930", "name": "Ann"},
        "dialplan": {"app_name": "Stasis", "app_data": ",".join(["acd", *arguments]), "exten": exten},
    }
