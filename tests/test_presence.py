"""Clients that go and come: after its grace time a client's agents are unreachable, and nothing is forgotten over a crash."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from acd_core import Machine
from server import presence as presence_module
from server.clock import Clock
from server.config import Limits, Settings
from server.errors import Fatal
from server.journal.records import ticks_of
from server.journal.stores import journal_in
from server.presence import Presence
from server.recovery import recover
from server.service import Service, running
from tests.support import centre
from tests.support.journals import MemoryJournal
from tests.support.line_client import LineClient
from tests.support.rig import Rig, stopped_after
from tests.support.server_process import ServerProcess
from tests.support.wait import patient, until

S = 10**9


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


def config(grace_s: float, agents: int = 3, **settings: Any) -> dict[str, Any]:
    return {
        **centre.config(agents, offer_timeout_s=3600),
        "settings": {"client_grace_s": grace_s, "missed_offers_max": 0, **settings},
    }


def states(machine: Machine) -> list[str]:
    """What each agent does, and why."""
    return [f"{agent.state} {agent.pause_reason}".strip() for agent in machine.agents()]


def journaled(journal: MemoryJournal) -> list[tuple[str, str]]:
    """The types of all commands in the journal, with their clients."""
    return [
        (client, msgspec.json.decode(line)["type"])
        for record in journal.batches
        for _, lines in ticks_of(record)
        for client, line in lines
    ]


class Desk(Rig):
    """A sequencer with the presence of its clients, and time that is moved by hand."""

    def __init__(self, journal: MemoryJournal, limits: Limits) -> None:
        super().__init__(journal, limits)
        self.presence = Presence(self.sequencer)

    def configure_grace(self, grace_s: float, **settings: Any) -> None:
        self.execute({"type": "config.apply", "config": config(grace_s, **settings)})

    async def pass_time(self, seconds: float) -> None:
        await self.sequencer.flushed()
        self.clock.time += int(seconds * S)
        self.presence._expire()

    def login(self, agent: str, client: str) -> None:
        self.execute({"type": "agent.login", "agent": agent, "ready": True}, client)


@pytest.fixture
async def desk(journal: MemoryJournal) -> AsyncIterator[Desk]:
    async with stopped_after(Desk(journal, Limits())) as made:
        yield made
        made.presence.stop()
        await made.sequencer.flushed()
        made.assert_replays()


async def test_client_past_its_grace_time_is_away_in_a_tick_of_its_own(desk: Desk, journal: MemoryJournal) -> None:
    desk.configure_grace(60)
    desk.login("a-1", "desk")
    desk.login("a-2", "other")
    desk.presence.left("desk")
    desk.execute(centre.enqueue("c-1"), "pbx")
    await desk.pass_time(59.9)
    assert states(desk.machine) == ["offered", "ready", "logged_out"]
    desk.execute({"type": "agent.ready", "agent": "a-2"}, "other")
    await desk.pass_time(0.1)
    desk.execute({"type": "agent.ready", "agent": "a-2"}, "other")
    assert states(desk.machine) == ["paused unreachable", "offered", "logged_out"]
    await desk.sequencer.flushed()
    ticks = [[client for client, _ in lines] for record in journal.batches for _, lines in ticks_of(record)]
    assert ticks[-3:] == [["other"], ["desk"], ["other"]], ticks


async def test_who_went_and_came_while_the_disk_was_full_is_told_when_there_is_room(
    desk: Desk, journal: MemoryJournal
) -> None:
    desk.configure_grace(60)
    for agent, client in (("a-1", "gone"), ("a-2", "back"), ("a-3", "early")):
        desk.login(agent, client)
    desk.presence.left("back")
    await desk.pass_time(60)
    assert states(desk.machine) == ["ready", "paused unreachable", "ready"]
    desk.sequencer.hold()
    desk.presence.left("gone")
    desk.presence.left("early")
    desk.presence.arrived("back")
    desk.sequencer.router.receivers["back"] = Mock()
    await desk.pass_time(60)
    desk.presence.arrived("early")
    assert states(desk.machine) == ["ready", "paused unreachable", "ready"], "nothing changes"
    desk.sequencer.go_on()
    desk.presence.go_on()
    assert states(desk.machine) == ["paused unreachable", "ready", "ready"]
    await desk.sequencer.flushed()
    assert journaled(journal)[-2:] == [("back", "client.back"), ("gone", "client.away")]


async def test_client_that_is_back_in_time_was_never_gone(desk: Desk, journal: MemoryJournal) -> None:
    desk.configure_grace(60)
    desk.login("a-1", "desk")
    desk.presence.left("desk")
    await desk.pass_time(59)
    desk.presence.arrived("desk")
    await desk.pass_time(60)
    assert states(desk.machine)[0] == "ready"
    desk.presence.left("desk")
    await desk.pass_time(59)
    assert states(desk.machine)[0] == "ready"
    await desk.pass_time(1)
    assert states(desk.machine)[0] == "paused unreachable"
    desk.presence.arrived("desk")
    assert states(desk.machine)[0] == "ready"
    desk.presence.arrived("desk")
    await desk.sequencer.flushed()
    assert [kind for _, kind in journaled(journal) if kind.startswith("client")] == ["client.away", "client.back"]


async def test_client_that_owns_nothing_is_neither_away_nor_remembered(desk: Desk, journal: MemoryJournal) -> None:
    desk.configure_grace(60)
    desk.execute(centre.enqueue("c-1"), "pbx")
    desk.execute({"type": "client.away"}, "nobody")
    for name in ("pbx", "nobody", "visitor"):
        desk.presence.left(name)
    assert len(desk.presence) == 4
    desk.execute({"type": "contact.abandon", "contact": "c-1"}, "other")
    await desk.pass_time(60)
    assert len(desk.presence) == 0
    await desk.sequencer.flushed()
    assert [client for client, kind in journaled(journal) if kind == "client.away"] == ["nobody"]


async def test_names_kept_are_bounded_by_what_is_owned(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_module, "NAMES_SPARE", 10)
    desk.configure_grace(60)
    for number in range(20):
        desk.execute(centre.enqueue(f"c-{number}"), f"pbx-{number}")
        desk.presence.left(f"pbx-{number}")
    most = 0
    for number in range(500):
        desk.execute({"type": "client.away"}, f"visitor-{number}")
        desk.presence.left(f"visitor-{number}")
        most = max(most, len(desk.presence))
    assert most <= 2 * 20 + 10 + 2
    await desk.pass_time(60)
    assert sorted(desk.sequencer.away) == sorted(f"pbx-{number}" for number in range(20))


async def test_many_that_are_due_together_go_a_few_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_module, "AWAY_AT_ONCE", 2)
    desk.configure_grace(60, agents=5)
    for number in range(1, 6):
        desk.login(f"a-{number}", f"desk-{number}")
        desk.presence.left(f"desk-{number}")
    await desk.pass_time(60)
    assert states(desk.machine).count("paused unreachable") == 2
    desk.presence.arrived("desk-3")
    desk.presence.arrived("desk-4")
    desk.presence.left("desk-4")
    await until(lambda: not desk.presence._due)
    expected = ["paused unreachable", "paused unreachable", "ready", "ready", "paused unreachable"]
    assert states(desk.machine) == expected


async def test_grace_time_is_the_one_configured_when_the_client_goes(desk: Desk) -> None:
    desk.configure_grace(0)
    for number in (1, 2, 3):
        desk.login(f"a-{number}", f"desk-{number}")
    desk.presence.left("desk-1")
    desk.configure_grace(100)
    desk.presence.left("desk-2")
    desk.configure_grace(10)
    desk.presence.left("desk-3")
    await desk.pass_time(10)
    assert states(desk.machine) == ["ready", "ready", "paused unreachable"]
    await desk.pass_time(90)
    assert states(desk.machine) == ["ready", "paused unreachable", "paused unreachable"]


async def test_contacts_of_an_absent_client_end_if_so_configured(desk: Desk) -> None:
    desk.configure_grace(60, absent_client_contacts="end")
    desk.execute(centre.enqueue("c-1"), "pbx")
    desk.execute(centre.enqueue("c-2"), "other")
    desk.presence.left("pbx")
    await desk.pass_time(60)
    assert desk.machine.ended_reason("c-1") == "lost"
    assert desk.machine.contact("c-2") is not None


async def test_grace_time_is_engine_time(journal: MemoryJournal) -> None:
    made = Desk(journal, Limits())
    made.sequencer.clock = Clock(made.clock.time, speed=10_000)
    made.configure_grace(600)
    made.login("a-1", "desk")
    made.presence.left("desk")
    await until(lambda: states(made.machine)[0] == "paused unreachable")
    assert made.machine.now >= made.clock.time + 600 * S
    await made.sequencer.stop()
    made.assert_replays()


async def test_server_that_cannot_write_says_of_nobody_that_he_is_away(journal: MemoryJournal) -> None:
    async with stopped_after(Desk(journal, Limits())) as made:
        made.configure_grace(60)
        made.login("a-1", "desk")
        await made.sequencer.flushed()
        made.presence.left("desk")
        journal.fault = Fatal("the disk is gone")
        made.login("a-2", "other")
        await until(made.sequencer.failed.done)
        await made.pass_time(60)
        made.presence.left("other")
        assert states(made.machine)[0] == "ready"
        with pytest.raises(Fatal):
            await made.sequencer.stop()


# Over TCP


@asynccontextmanager
async def serving(tmp_path: Path, journal: MemoryJournal, grace_s: float, **settings: Any) -> AsyncIterator[Service]:
    options = Settings(port=0, metrics_port=0, data=tmp_path / "data")
    async with running(options, lambda _: journal) as service:
        admin = await LineClient.connect(service.port, "admin")
        assert (await admin.ask("config.apply", config=config(grace_s, **settings)))["type"] == "ok"
        yield service
    recovered = recover(journal, 10)
    assert recovered.machine.digest() == service.sequencer.machine.digest()
    assert recovered.away == service.sequencer.away


async def test_who_rings_at_a_desk_that_is_gone_rings_elsewhere(tmp_path: Path, journal: MemoryJournal) -> None:
    async with serving(tmp_path, journal, grace_s=0.05) as service:
        desk, pbx, other = [await LineClient.connect(service.port, name) for name in ("desk", "pbx", "other")]
        await desk.ask("agent.login", agent="a-1", ready=True)
        await pbx.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
        last = await desk.event("contact.offered")
        await other.ask("agent.login", agent="a-2", ready=True)
        await desk.close()
        ended = await pbx.event("offer.ended")
        assert (ended["agent"], ended["outcome"], ended["cause"]) == ("a-1", "withdrawn", "agent_unreachable")
        assert (await other.event("contact.offered"))["contact"] == "c-1"
        assert states(service.sequencer.machine) == ["paused unreachable", "offered", "logged_out"]
        await pbx.ask("contact.enqueue", contact="c-2", tenant="acme", queue="support")
        back = await LineClient.connect(service.port, "desk", resume=last["seq"])
        while (event := await back.event("agent.changed"))["state"] != "ready":
            pass
        assert event["seq"] < back.welcome["seq"]
        assert (await back.event("contact.offered"))["contact"] == "c-2"


async def test_connection_that_is_replaced_leaves_nobody_gone(tmp_path: Path, journal: MemoryJournal) -> None:
    async with serving(tmp_path, journal, grace_s=0.02) as service:
        older = await LineClient.connect(service.port, "desk")
        await older.ask("agent.login", agent="a-1", ready=True)
        newer = await LineClient.connect(service.port, "desk")
        await older.ended()
        marker = await LineClient.connect(service.port, "marker")
        await marker.ask("agent.login", agent="a-2", ready=True)
        await marker.close()
        await until(lambda: states(service.sequencer.machine)[1] == "paused unreachable")
        assert states(service.sequencer.machine)[0] == "ready"
        await newer.close()
        await until(lambda: states(service.sequencer.machine)[0] == "paused unreachable")


async def test_client_that_says_itself_that_it_goes_is_back_with_its_hello(
    tmp_path: Path, journal: MemoryJournal
) -> None:
    async with serving(tmp_path, journal, grace_s=3600) as service:
        desk = await LineClient.connect(service.port, "desk")
        await desk.ask("agent.login", agent="a-1", ready=True)
        assert (await desk.ask("client.away"))["type"] == "ok"
        await desk.close()
        assert states(service.sequencer.machine)[0] == "paused unreachable"
        await LineClient.connect(service.port, "desk")
        assert states(service.sequencer.machine)[0] == "ready"


async def test_kill_forgets_neither_who_is_away_nor_who_may_come_back(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        admin, gone, there = [await LineClient.connect(server.port, name) for name in ("admin", "gone", "there")]
        await admin.ask("config.apply", config=config(0.05))
        await gone.ask("agent.login", agent="a-1", ready=True)
        await gone.close()
        async with asyncio.timeout(patient(10)):
            while (await admin.ask("list", what="agents"))["result"][0]["state"] != "paused":
                pass
        await admin.ask("config.apply", config=config(0.4))
        await there.ask("agent.login", agent="a-2", ready=True)
        await server.kill()
    async with ServerProcess(tmp_path) as server:
        back = await LineClient.connect(server.port, "gone")
        admin = await LineClient.connect(server.port, "admin")
        assert (await admin.ask("list", what="agents"))["result"][0]["state"] == "ready"
        async with asyncio.timeout(patient(10)):
            while (rows := (await admin.ask("list", what="agents"))["result"])[1]["state"] != "paused":
                pass
        assert [(row["state"], row["pause_reason"]) for row in rows[:2]] == [("ready", ""), ("paused", "unreachable")]
        await back.ask("ping")
        digest = (await admin.ask("stats", digest=True))["result"]["digest"]
        await server.kill()
    kept = journal_in(tmp_path)
    recovered = recover(kept, 0)
    kept.close()
    assert recovered.machine.digest() == digest
    assert recovered.away == {"there"}


async def test_who_is_away_and_owns_nothing_is_forgotten_at_the_start(tmp_path: Path, journal: MemoryJournal) -> None:
    async with serving(tmp_path, journal, grace_s=0) as service:
        desk, pbx = [await LineClient.connect(service.port, name) for name in ("desk", "pbx")]
        await desk.ask("agent.login", agent="a-1", ready=True)
        await desk.ask("client.away")
        await desk.ask("agent.logout", agent="a-1")
        await pbx.ask("contact.enqueue", contact="c-1", tenant="acme", queue="support")
        await pbx.ask("client.away")
        assert service.sequencer.away == {"desk", "pbx"}
    async with running(Settings(port=0, metrics_port=0, data=tmp_path / "data"), lambda _: journal) as service:
        assert service.sequencer.away == {"pbx"}
