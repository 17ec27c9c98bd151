"""What the demo shows comes from a server, and follows it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from acd_core.config import Agent, Config, Queue, Tenant
from acd_protocol.client import Client
from acd_sim.liveview import LiveView
from acd_sim.screen import Feed
from acd_sim.server_process import ServerProcess
from tests.support.wait import until


def config(*agents: str) -> Config:
    return Config(
        tenants=(Tenant(name="acme"),),
        queues=(Queue(tenant="acme", name="support"),),
        agents=tuple(Agent(agent=agent) for agent in agents),
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(data=tmp_path / "server")
    try:
        process.start()
        yield process
    finally:
        process.close()


async def test_the_view_follows_contacts_agents_configuration_and_outages(server: ServerProcess) -> None:
    view = LiveView("ACD", lambda _: "12:00:00")

    def shown() -> str:
        return view.render(80, 24).plain

    async with (
        Client(server.host, server.port, name="pbx") as pbx,
        Client(server.host, server.port, name="top", events_max=0) as client,
    ):
        await pbx.apply_config(config("a-1"))
        following = asyncio.create_task(Feed(client, view).follow())
        await until(lambda: "Ready 0" in shown())
        await pbx.login("a-1", ready=True)
        await until(lambda: "Ready 1" in shown())
        await pbx.enqueue("c-1", "acme", "support")
        await until(lambda: "Offer 1" in shown())
        view.sample(10)
        assert "c-1 at once → a-1" in shown()
        await pbx.apply_config(config("a-1", "a-2"))
        await until(lambda: "out 1" in shown())

        server.kill()
        await until(lambda: "no connection to the server" in shown())
        server.start()
        await until(lambda: "no connection" not in shown())
        await pbx.login("a-2", ready=True)
        await until(lambda: "Ready 1" in shown())
        assert not following.done()
        following.cancel()
