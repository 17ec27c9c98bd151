"""The adapter between a server and an Asterisk that is none: what goes over the wires, restarts, active and spare."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from acd_core import Outcome
from acd_core.config import from_json
from acd_pbx.asterisk import adapter
from acd_pbx.asterisk.ari import Ari
from acd_pbx.asterisk.lease import Lease
from acd_pbx.asterisk.service import Service, ServiceError
from acd_pbx.asterisk.settings import AdapterSettings, Callback, Phones
from acd_pbx.asterisk.settings import Ari as AriSettings
from acd_pbx.asterisk.settings import Engine as EngineSettings
from acd_pbx.asterisk.settings import Queue as CallerHears
from acd_protocol.client import Client, Refused
from acd_protocol.framing import error
from acd_protocol.messages import Command, Ok
from acd_protocol.words import ContactAbandon
from tests.support.fake_ari import FakeAri, channel
from tests.support.server_process import ServerProcess
from tests.support.wait import patient, until

CONTACT = "pbx-1:c1"
LEG = f"acd-leg/o-1/{CONTACT}"
CONFIG = {
    "tenants": [{"name": "acme"}],
    "queues": [{"tenant": "acme", "name": "support", "callback": {}}],
    "agents": [{"agent": "a-1", "address": "PJSIP/12"}, {"agent": "a-2", "address": "PJSIP/13"}],
}


class Floor:
    """Server, Asterisk and adapter of one test."""

    def __init__(self, ari: FakeAri, client: Client, settings: AdapterSettings) -> None:
        self.ari = ari
        self.client = client
        self.settings = settings
        self._tasks: list[asyncio.Task[None]] = []
        self._services: list[Service] = []

    async def start(self, spare: bool = False) -> Service:
        service = Service(self.settings, spare=spare)
        self._services.append(service)
        self._tasks.append(asyncio.create_task(service.run()))
        if not spare:
            connections = self.ari.connections
            await until(lambda: self.ari.connections > connections or self._tasks[-1].done())
            assert not self._tasks[-1].done()
        return service

    async def stop(self) -> None:
        for service in self._services:
            service.stop()
        await asyncio.gather(*self._tasks)

    async def contacts(self) -> dict[str, str]:
        rows: list[dict[str, Any]] = await self.client.listing("contacts")
        return {row["contact"]: row["state"] for row in rows}

    async def becomes(self, state: str, contact: str = CONTACT) -> None:
        for _ in range(1000):
            if (await self.contacts()).get(contact, "") == state:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{contact} did not become {state!r}")

    async def asked(self, line: str, count: int = 1) -> None:
        await until(lambda: self.ari.asked.count(line) >= count)

    async def enter(self, id_: str = "c1", *arguments: str) -> None:
        made = channel(id_, *arguments, state="Ring")
        self.ari.channels.append(made)
        await self.ari.say("StasisStart", channel=made, args=list(arguments))

    async def leave(self, id_: str) -> None:
        self.ari.channels = [made for made in self.ari.channels if made["id"] != id_]
        await self.ari.say("StasisEnd", channel=channel(id_))


@asynccontextmanager
async def floor(path: Path, **settings: Any) -> AsyncIterator[Floor]:
    async with ServerProcess(path / "data") as server, FakeAri() as ari:
        made = AdapterSettings(
            name="pbx-1",
            tenant="acme",
            ari=AriSettings(url=ari.url),
            engine=EngineSettings(port=server.port),
            numbers={"2000": "support"},
            phones=Phones(presence=False),
            lease_s=0.5,
            **settings,
        )
        async with Client(port=server.port, name="watcher", events_max=0) as client:
            await client.apply_config(from_json(json.dumps(CONFIG).encode()))
            made_floor = Floor(ari, client, made)
            try:
                yield made_floor
            finally:
                await made_floor.stop()


async def test_a_whole_call(tmp_path: Path) -> None:
    log = tmp_path / "queue_log"
    async with floor(tmp_path, queue_log=str(log)) as here:
        await here.start()
        await here.client.login("a-1", ready=True)
        await here.enter("c1", "support", "crm=x")
        await here.asked(f"POST /channels/{LEG}")
        view = (await here.client.listing("contacts"))[0]
        assert view["attributes"]["crm"] == "x"
        assert view["attributes"]["ani"] == "4930"
        await here.ari.say("StasisStart", channel=channel(LEG), args=["leg", "o-1"])
        await here.asked(f"POST /bridges/acd-bridge/{CONTACT}/addChannel")
        await here.becomes("connected")
        await here.leave("c1")
        await here.asked(f"DELETE /channels/{LEG}")
        await here.asked(f"DELETE /bridges/acd-bridge/{CONTACT}")
        await here.becomes("")
        # A picture of Asterisk taken in between makes the adapter answer once more, which harms nobody.
        calls = list(dict.fromkeys(line for line in here.ari.asked if "c1" in line))
        assert calls[:3] == ["POST /channels/c1/answer", "POST /channels/c1/moh", f"POST /channels/{LEG}"]
    words = [line.split("|")[4] for line in log.read_text().splitlines()]
    assert words == ["QUEUESTART", "ENTERQUEUE", "CONNECT", "COMPLETECALLER"]


async def test_a_number_that_nobody_knows_goes_back_to_the_dialplan(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        await here.start()
        made = channel("c1", "nowhere")
        await here.ari.say("StasisStart", channel=made, args=["nowhere"])
        await here.asked("POST /channels/c1/continue")
        assert here.ari.variables["ACD_RESULT"] == "queue_unknown"
        assert await here.contacts() == {}


async def test_the_queue_may_stand_in_a_variable(tmp_path: Path) -> None:
    async with floor(tmp_path, variables={"crm": "CRM"}) as here:
        here.ari.variables = {"ACD_QUEUE": "support", "ACD_PRIORITY": "7", "CRM": "4711"}
        await here.start()
        await here.enter("c1")
        await here.becomes("queued")
        (view,) = await here.client.listing("contacts")
        assert view["priority"] == 7
        assert view["attributes"]["crm"] == "4711"


async def test_an_adapter_that_starts_finds_its_calls_again(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        first = await here.start()
        await here.enter("c1", "support")
        await here.enter("c2", "support")
        await here.becomes("queued", "pbx-1:c2")
        first.stop()
        # Meanwhile one hangs up and another comes; a leg is left from who knows when.
        await asyncio.sleep(0.05)
        here.ari.channels = [channel("c2", "support"), channel("c3", "support"), channel("acd-leg/o-9/pbx-1:c9")]
        await here.start()
        await here.becomes("", "pbx-1:c1")
        await here.becomes("queued", "pbx-1:c2")
        await here.becomes("queued", "pbx-1:c3")
        await here.asked("DELETE /channels/acd-leg/o-9/pbx-1:c9")


async def test_an_adapter_that_starts_takes_down_what_is_left_of_a_callback_that_is_over(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        here.ari.channels = [channel("acd-customer/o-9/pbx-1:c9")]
        here.ari.bridges = [{"id": "acd-dial/pbx-1:c9", "channels": []}]
        await here.start()
        await here.asked("DELETE /channels/acd-customer/o-9/pbx-1:c9")
        await here.asked("DELETE /bridges/acd-dial/pbx-1:c9")


async def test_a_callback_lives_without_a_channel_and_is_dialled_when_an_agent_is_there(tmp_path: Path) -> None:
    queue = CallerHears(keys={"2": "callback"}, callback=Callback(endpoint="PJSIP/{number}@out"))
    async with floor(tmp_path, defaults=queue) as here:
        first = await here.start()
        await here.enter("c1", "support")
        await here.becomes("queued")
        await here.ari.say("ChannelDtmfReceived", channel=channel("c1"), digit="2")
        await until(lambda: any(line.startswith("POST /channels/c1/play/acd-play/last/") for line in here.ari.asked))
        await here.leave("c1")
        first.stop()
        await here.start()
        await here.becomes("queued")
        await here.client.login("a-1", ready=True)
        await here.asked(f"POST /channels/{LEG}")
        assert not [line for line in here.ari.asked if "acd-customer" in line]
        await here.ari.say("StasisStart", channel=channel(LEG), args=["leg", "o-1"])
        customer = f"acd-customer/o-1/{CONTACT}"
        await here.asked(f"POST /channels/{customer}")
        await here.ari.say("ChannelHangupRequest", channel=channel(customer), cause=17, tech_cause=486)
        await here.ari.say("ChannelDestroyed", channel=channel(customer), cause=17)
        await here.becomes("parked")
        await here.asked(f"DELETE /channels/{LEG}")
        (view,) = await here.client.listing("contacts")
        assert (view["callback"]["number"], view["callback"]["attempts"]) == ("4930", 1)


async def test_a_question_that_somebody_else_asks_rings_here_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    colleague = f"acd-leg/o-2/{CONTACT}"
    log = tmp_path / "queue_log"
    async with floor(tmp_path, queue_log=str(log)) as here:
        first = await here.start()
        await here.client.login("a-1", ready=True)
        await here.enter("c1", "support")
        await here.asked(f"POST /channels/{LEG}")
        await here.ari.say("StasisStart", channel=channel(LEG), args=["leg", "o-1"])
        await here.becomes("connected")
        await here.client.login("a-2", ready=True)
        await here.client.consult(CONTACT, f"{CONTACT}/q", agent="a-2")
        await here.asked(f"POST /channels/{colleague}")
        await here.ari.say("StasisStart", channel=channel(colleague), args=["leg", "o-2"])
        await here.asked(f"POST /bridges/acd-aside/{CONTACT}/addChannel")
        await here.becomes("connected", f"{CONTACT}/q")
        first.stop()
        here.ari.channels = [channel("c1", "support"), channel(LEG), channel(colleague)]
        here.ari.bridges = [
            {"id": f"acd-bridge/{CONTACT}", "channels": []},
            {"id": f"acd-aside/{CONTACT}", "channels": [LEG, colleague]},
        ]
        await until(lambda: not here.ari._sockets)
        before = len(here.ari.asked)
        await here.start()
        await here.client.merge(f"{CONTACT}/q", transfer=True)
        await here.asked(f"DELETE /channels/{LEG}")
        await until(lambda: f"POST /bridges/acd-bridge/{CONTACT}/addChannel" in here.ari.asked[before:])
        assert f"DELETE /channels/{colleague}" not in here.ari.asked[before:]
        await here.leave("c1")
        await here.becomes("")
    words = [line.split("|")[4] for line in log.read_text().splitlines()]
    assert words == ["QUEUESTART", "ENTERQUEUE", "CONNECT", "ATTENDEDTRANSFER"]


async def test_an_adapter_that_starts_leaves_alone_who_was_transferred(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        local = channel("l1", name="Local/1000@x-1;1")
        here.ari.channels = [channel("c1", "support"), local]
        here.ari.bridges = [{"id": f"acd-bridge/{CONTACT}", "channels": ["c1", "l1"]}]
        await here.start()
        await here.enter("c2", "support")
        await here.becomes("queued", "pbx-1:c2")
        assert not [line for line in here.ari.asked if "c1" in line or "l1" in line]
        # When the caller hangs up, what was joined with him is taken down.
        await here.leave("c1")
        await here.asked("DELETE /channels/l1")
        await here.asked(f"DELETE /bridges/acd-bridge/{CONTACT}")
        assert await here.contacts() == {"pbx-1:c2": "queued"}


async def test_a_broken_websocket_is_made_again_and_nothing_is_lost(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        await here.start()
        await here.enter("c1", "support")
        await here.enter("c2", "support")
        await here.becomes("queued", "pbx-1:c2")
        here.ari.channels = [channel("c2", "support")]
        await here.ari.cut()
        await until(lambda: here.ari.connections == 2)
        await here.becomes("", "pbx-1:c1")
        assert (await here.contacts()) == {"pbx-1:c2": "queued"}


async def test_an_engine_whose_disk_is_full_is_told_of_a_hang_up_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, refusals = Client.send, 3

    def send(self: Client, command: Command) -> "asyncio.Future[Ok]":
        nonlocal refusals
        if not isinstance(command, ContactAbandon) or not refusals:
            return taken(self, command)
        refusals -= 1
        refused: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        refused.set_exception(Refused(error(Outcome.JOURNAL_FULL)))
        return refused

    monkeypatch.setattr(Client, "send", send)
    monkeypatch.setattr(adapter, "FULL_RETRY_S", 0.01)
    async with floor(tmp_path) as here:
        await here.start()
        await here.enter("c1", "support")
        await here.becomes("queued")
        await here.leave("c1")
        await here.becomes("")
    assert not refusals


async def test_after_a_restart_of_asterisk_calls_are_lost_and_not_abandoned(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        await here.start()
        await here.enter("c1", "support")
        await here.becomes("queued")
        here.ari.started = "2026-01-02"
        here.ari.channels = []
        await here.ari.cut()
        await here.becomes("")
        (queue,) = await here.client.listing("queues")
        assert queue["ended"] == {"withdrawn": 1}


async def test_a_spare_comes_when_the_active_one_gives_back(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        active = await here.start()
        await here.enter("c1", "support")
        await here.becomes("queued")
        await here.start(spare=True)
        await asyncio.sleep(0.8)  # longer than the lease: the active one renews it
        assert here.ari.connections == 1
        active.stop()
        await until(lambda: here.ari.connections == 2)
        await here.leave("c1")
        await here.becomes("")


async def test_one_that_is_replaced_does_nothing_more_and_waits(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        await here.start()
        await here.ari.say("ApplicationReplaced", application="acd")
        await until(lambda: not here.ari._sockets)
        asked = len(here.ari.asked)
        # The lease was not given back, so it comes again when that is over, and not before.
        await until(lambda: here.ari.connections == 2)
        assert not [line for line in here.ari.asked[asked:] if "channels" in line]


async def test_a_lease_that_is_not_renewed_is_over(tmp_path: Path) -> None:
    async with FakeAri() as fake, Ari(AriSettings(url=fake.url)) as ari:
        fake.variables["ACD_LEASE_x"] = "other 17"
        async with asyncio.timeout(patient(5)):
            await Lease(ari, "x", "me", 0.5).wait()


async def test_a_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    settings = AdapterSettings(engine=EngineSettings(port=1, tls_ca=str(tmp_path / "no.pem")))
    with pytest.raises(ServiceError, match=r"no\.pem"):
        await Service(settings).run()


async def test_an_asterisk_that_does_not_want_us_is_said(tmp_path: Path) -> None:
    async with floor(tmp_path) as here:
        here.ari.refuse["PUT"] = 401
        service = Service(here.settings)
        with pytest.raises(ServiceError, match=r"ari\.conf"):
            await service.run()
