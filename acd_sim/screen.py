"""Keeps a `LiveView` up to date from a server, and shows it in the terminal: what any client could do.

Events come by subscription; counters of the queues are asked for twice a second; agents and configuration are listed at
the start, and again when events were missed.
"""

import asyncio
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from acd_core.config import Config
from acd_core.events import ConfigApplied, Event
from acd_core.views import AgentView, QueueView
from acd_protocol.client import Client, ConnectionState
from acd_protocol.messages import Gap
from acd_sim.liveview import LiveView

REDRAWS_PER_S = 4
POLL_S = 0.5
DECISIONS_PER_REDRAW = 1
"""Four lines a second are as many as one can follow."""
AGENTS_MAX = 10_000


class Feed:
    """Fills a view from a connected client.

    Args:
        client: connected; its events are taken over by the feed.
        view: what is filled.
    """

    def __init__(self, client: Client, view: LiveView) -> None:
        self._client = client
        self._view = view
        self._stale = True
        client.on(Event, view.apply)
        client.on(ConfigApplied, self._forget)
        client.on(Gap, self._forget)
        client.on_state(self._on_state)

    async def follow(self) -> None:
        """Keep the view up to date until cancelled.

        Raises:
            ClientError: when the server stays away.
        """
        await self._client.subscribe()
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Ask for the counters once; and for agents and configuration, if what is known of them is old."""
        if self._stale:
            self._stale = False
            self._view.set_config(msgspec.convert(await self._client.listing("config"), Config))
            agents = await self._client.listing("agents", limit=AGENTS_MAX)
            self._view.set_agents(msgspec.convert(agents, list[AgentView]))
        stats: Any = await self._client.stats()
        queues = msgspec.convert(stats["queues"], list[QueueView])
        self._view.set_queues(queues, stats["domain"]["now_ns"])

    def _forget(self, _event: ConfigApplied | Gap) -> None:
        self._stale = True

    def _on_state(self, state: ConnectionState) -> None:
        connected = state is ConnectionState.CONNECTED
        self._view.notice = "" if connected else "no connection to the server; trying again"


async def show(view: LiveView, console: Console) -> None:
    """Draw the view over the whole terminal until cancelled; the terminal is then as it was before."""
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        while True:
            view.sample(DECISIONS_PER_REDRAW)
            width, height = console.size
            live.update(view.render(width, height, ascii_only=console.options.ascii_only), refresh=True)
            await asyncio.sleep(1 / REDRAWS_PER_S)


async def watch(client: Client, view: LiveView, console: Console, stop: asyncio.Event) -> None:
    """Follow the server and draw, until `stop` is set.

    Raises:
        ClientError: when the server stays away.
    """
    tasks = [asyncio.ensure_future(work) for work in (Feed(client, view).follow(), show(view, console), stop.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
