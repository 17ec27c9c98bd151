"""No caller is lost: adapter, engine and Asterisk die, and lines are cut, with calls that wait, ring and talk."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.asterisk import sipp
from tests.asterisk.cable import Cable
from tests.asterisk.lab import Lab
from tests.asterisk.rig import AdapterProcess, Rig, until_slow
from tests.asterisk.sipp import Sipp
from tests.support.wait import until

NUMBERS = 'numbers = { "2000" = "support" }'


class Trio:
    """Three callers: one talks with agent 1, one rings agent 2, one waits behind them."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.agents: list[Sipp] = []
        self.callers: list[Sipp] = []
        self.contacts: list[str] = []

    async def arrange(self, talk_s: float, ring_s: float) -> None:
        """`talk_s` is how long the first talks; `ring_s` how long the second phone rings until it is answered."""
        rig = self.rig
        one = [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()]
        two = [*sipp.rung(), sipp.pause(ring_s), *sipp.answer(), *sipp.be_hung_up()]
        self.agents = [await rig.agent(one, 1), await rig.agent(two, 2)]
        await rig.login(1)
        self.callers.append(await rig.caller(sipp.until_answered(), [sipp.pause(talk_s)], sipp.hang_up(), name="talks"))
        self.contacts.append((await rig.sees("contact.connected")).contact)
        await rig.login(2)
        self.callers.append(
            await rig.caller(sipp.until_answered(), [sipp.pause(talk_s + 1)], sipp.hang_up(), name="rings")
        )
        self.contacts.append((await rig.sees("contact.offered", agent="a-2")).contact)
        self.callers.append(
            await rig.caller(sipp.until_answered(), [sipp.pause(talk_s + 2)], sipp.hang_up(), name="waits")
        )
        self.contacts.append((await rig.sees("contact.queued", count=3)).contact)
        await until_slow(lambda: any(each["state"] == "Ringing" for each in rig.lab.channels()), 5)
        await until_slow(lambda: any(len(each["channels"]) == 2 for each in rig.lab.bridges()), 5)

    async def ended_well(self) -> None:
        """All went their way, as if nothing had happened: each phone rang once, nobody was joined twice."""
        for each in [*self.callers, *self.agents]:
            await each.went_well(40)
        reasons = ["completed_caller", "completed_caller", "abandoned"]
        for contact, reason in zip(self.contacts, reasons, strict=True):
            assert await self.rig.outcome(contact) == reason
        for agent in self.agents:
            assert agent.calls_received == 1
        assert self.rig.contacts_of("contact.connected") == self.contacts[:2]
        assert len(self.rig.contacts_of("contact.queued")) == 3
        assert sorted(self.rig.contacts_of("contact.wrapup") + self.rig.contacts_of("contact.ended")) == sorted(
            self.contacts
        )
        await self.rig.quiet()


@pytest.fixture
async def trio(rig: Rig) -> Trio:
    """Engine, adapter and two agents; the calls come with `arrange`."""
    await rig.start(NUMBERS, agents=2, offer_timeout_s=15, wrapup_s=30)
    return Trio(rig)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_adapter_dies_and_comes_back(trio: Trio, number: signal.Signals) -> None:
    await trio.arrange(talk_s=9, ring_s=6)
    rig = trio.rig
    await rig.adapter.signal(number)
    await asyncio.sleep(1)
    # Nothing has changed for anybody: two talk, one phone rings, one hears music.
    assert len(rig.lab.channels()) == 5
    await rig.adapter.start()
    await rig.adapter.in_step(2)
    await trio.ended_well()


async def test_what_happens_while_the_adapter_is_away_is_closed_with_its_true_reason(rig: Rig) -> None:
    await rig.start(NUMBERS, agents=3, offer_timeout_s=15, wrapup_s=30)
    hangs_up = [*sipp.rung(), *sipp.answer(), sipp.pause(3), *sipp.agent_hangs_up()]
    stays = [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()]
    for number in (1, 2, 3):
        await rig.login(number)
    agents = [await rig.agent(hangs_up, 1)]
    callers = [await rig.caller(sipp.until_answered(), sipp.be_hung_up())]
    first = (await rig.sees("contact.connected")).contact
    agents.append(await rig.agent(stays, 2))
    callers.append(await rig.caller(sipp.until_answered(), [sipp.pause(2)], sipp.hang_up()))
    second = (await rig.sees("contact.connected", agent="a-2")).contact
    # An agent who picks up while there is no adapter finds nobody; his phone rings again when there is one.
    later = [*sipp.rung(), sipp.pause(2), *sipp.answer(), *sipp.be_hung_up()]
    agents.append(await rig.phone("agent3", later, port=rig.lab.phone_port(3), calls=2))
    callers.append(await rig.caller(sipp.until_answered(), [sipp.pause(12)], sipp.hang_up()))
    third = (await rig.sees("contact.offered", agent="a-3")).contact
    callers.append(await rig.caller(sipp.until_answered(), [sipp.pause(2)], sipp.hang_up()))
    fourth = (await rig.sees("contact.queued", count=4)).contact
    await until_slow(lambda: sum(len(bridge["channels"]) for bridge in rig.lab.bridges()) == 4, 5)
    await rig.adapter.kill()
    # Meanwhile the first agent hangs up, the second and the fourth caller do, and the third agent answers.
    await asyncio.sleep(5)
    await rig.adapter.start()
    for contact, reason in [
        (first, "completed_agent"),
        (second, "completed_caller"),
        (third, "completed_caller"),
        (fourth, "abandoned"),
    ]:
        assert await rig.outcome(contact) == reason
    for each in [*callers, *agents]:
        await each.went_well()
    await rig.quiet()


async def test_who_was_transferred_talks_on_while_the_adapter_dies_and_comes_back(rig: Rig) -> None:
    await rig.start(NUMBERS)
    await rig.login()
    transfers = sipp.agent_transfers(1, "1000", rig.lab)
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *transfers])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(9)], sipp.hang_up())
    assert (await rig.sees("contact.ended")).reason == "transferred"
    await agent.went_well()
    await rig.adapter.kill()
    await rig.adapter.start()
    await rig.adapter.in_step(2)
    await asyncio.sleep(1)
    assert len(rig.lab.bridges()) >= 1
    await caller.went_well()
    assert rig.contacts_of("contact.queued") == rig.contacts_of("contact.ended")
    await rig.quiet()


async def test_an_agent_whom_the_dialplan_reaches_talks_on_while_the_adapter_dies_and_comes_back(rig: Rig) -> None:
    """Members of FreePBX's queues are Local channels, which have two halves."""
    await rig.start(NUMBERS)
    assert rig.watcher is not None
    await rig.watcher.login("a-1", address="Local/1003@syn-answer/n", ready=True)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(8)], sipp.hang_up())
    await rig.sees("contact.connected")
    await until_slow(lambda: any(len(bridge["channels"]) == 2 for bridge in rig.lab.bridges()), 5)
    await rig.adapter.kill()
    await rig.adapter.start()
    await rig.adapter.in_step(2)
    await asyncio.sleep(1)
    assert len(rig.lab.channels()) == 3
    await caller.went_well()
    ended = await rig.sees("contact.ended")
    assert (ended.reason, len(rig.contacts_of("contact.connected"))) == ("completed_caller", 1)
    assert ended.talk > 6
    await rig.quiet()


async def test_the_engine_dies_and_comes_back(trio: Trio) -> None:
    await trio.arrange(talk_s=9, ring_s=5)
    rig = trio.rig
    port = rig.server.port
    await rig.server.kill()
    await asyncio.sleep(1)
    assert len(rig.lab.channels()) == 5
    await rig.restart_engine(port)
    await trio.ended_well()


async def test_what_happens_while_the_engine_is_away_reaches_it_later(trio: Trio) -> None:
    rig = trio.rig
    await trio.arrange(talk_s=2.5, ring_s=1.5)
    port = rig.server.port
    await rig.server.kill()
    # The second agent answers, all callers hang up, and nobody can be asked.
    await asyncio.sleep(7)
    await rig.restart_engine(port)
    assert await rig.outcome(trio.contacts[0]) == "completed_caller"
    assert await rig.outcome(trio.contacts[2]) == "abandoned"
    # The second agent's answer came before the hang-up, and was told in that order.
    assert await rig.outcome(trio.contacts[1]) == "completed_caller"
    for caller in trio.callers:
        await caller.went_well()
    for agent in trio.agents:
        await agent.went_well()
    await rig.quiet()


async def test_an_agent_who_answers_while_the_engine_is_away_is_joined_when_it_is_back(trio: Trio) -> None:
    rig = trio.rig
    await trio.arrange(talk_s=10, ring_s=1.5)
    port = rig.server.port
    await rig.server.kill()
    await asyncio.sleep(3)
    assert sum(len(bridge["channels"]) == 2 for bridge in rig.lab.bridges()) == 1
    await rig.restart_engine(port)
    await until_slow(lambda: sum(len(bridge["channels"]) == 2 for bridge in rig.lab.bridges()) == 2, 10)
    await trio.ended_well()


@pytest.mark.parametrize("order", ["adapter first", "engine first"])
async def test_adapter_and_engine_both_die(trio: Trio, order: str) -> None:
    await trio.arrange(talk_s=11, ring_s=7)
    rig = trio.rig
    port = rig.server.port
    if order == "adapter first":
        await rig.adapter.kill()
        await rig.server.kill()
        await rig.restart_engine(port)
        await rig.adapter.start()
    else:
        await rig.server.kill()
        await asyncio.sleep(0.3)
        await rig.adapter.kill()
        await rig.adapter.start()
        await asyncio.sleep(0.5)
        await rig.restart_engine(port)
    await rig.adapter.in_step(2)
    await trio.ended_well()


async def test_a_cut_line_to_asterisk_harms_nobody(rig: Rig) -> None:
    async with Cable(rig.lab.http_port) as cable:
        await rig.start(f"{NUMBERS}", agents=2, offer_timeout_s=15, wrapup_s=30, ari_port=cable.port)
        trio = Trio(rig)
        await trio.arrange(talk_s=10, ring_s=7)
        for times in (2, 3):
            cable.cut()
            await asyncio.sleep(1)
            cable.mend()
            await rig.adapter.in_step(times)
        await trio.ended_well()


async def test_a_cut_line_to_the_engine_harms_nobody(rig: Rig) -> None:
    async with Cable(rig.server.port) as cable:
        await rig.start(NUMBERS, agents=2, offer_timeout_s=15, wrapup_s=30, engine_port=cable.port)
        trio = Trio(rig)
        await trio.arrange(talk_s=9, ring_s=4)
        for _ in range(2):
            cable.cut()
            await asyncio.sleep(1.5)
            cable.mend()
            await asyncio.sleep(1)
        await trio.ended_well()


async def test_a_caller_who_hangs_up_while_the_line_is_cut_is_found_gone(rig: Rig) -> None:
    async with Cable(rig.lab.http_port) as cable:
        await rig.start(NUMBERS, ari_port=cable.port)
        caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
        await rig.sees("contact.queued")
        cable.cut()
        await caller.went_well()
        cable.mend()
        assert (await rig.sees("contact.ended")).reason == "abandoned"
        await rig.quiet()


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_when_asterisk_dies_its_calls_are_lost_and_the_next_ones_go_on(
    own_lab: Lab, tmp_path: Path, how: str
) -> None:
    async with Rig(own_lab, tmp_path) as rig:
        await rig.start(NUMBERS, agents=2, offer_timeout_s=15)
        trio = Trio(rig)
        await trio.arrange(talk_s=60, ring_s=60)
        await asyncio.to_thread(own_lab.kill if how == "killed" else own_lab.stop)
        await asyncio.to_thread(own_lab.start)
        await rig.adapter.in_step(2)
        for contact, reason in zip(trio.contacts, ["lost", "withdrawn", "withdrawn"], strict=True):
            assert (await rig.sees("contact.ended", contact=contact)).reason == reason
        await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
        for phone in [*trio.agents, *trio.callers]:
            await phone.stop()
        agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], 1)
        await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], 2)
        caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
        await caller.went_well()
        ended = await rig.sees("contact.ended", count=4)
        assert ended.reason == "completed_caller"
        if ended.agent == "a-1":
            await agent.went_well()
        await rig.quiet()


async def test_an_asterisk_that_stands_still_for_a_while(own_lab: Lab, tmp_path: Path) -> None:
    async with Rig(own_lab, tmp_path) as rig:
        await rig.start(NUMBERS, agents=2, offer_timeout_s=30, wrapup_s=30)
        trio = Trio(rig)
        await trio.arrange(talk_s=22, ring_s=16)
        own_lab.freeze(True)
        try:
            await until(lambda: "cannot be reached" in rig.adapter.log(), 20)
        finally:
            own_lab.freeze(False)
        await rig.adapter.in_step(2)
        await trio.ended_well()


# Nobody there


async def test_a_caller_who_comes_while_no_adapter_is_there_waits_for_it(rig: Rig) -> None:
    await rig.configure()
    rig.write_settings(NUMBERS)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(5)], sipp.hang_up())
    await asyncio.sleep(2)
    await rig.adapter.start()
    await rig.sees("contact.queued")
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "abandoned"
    await rig.quiet()


async def test_when_no_adapter_comes_the_dialplan_has_a_way_out(rig: Rig) -> None:
    rig.lab.ari("POST", "/asterisk/variable?variable=ACD_PATIENCE&value=1")
    try:
        caller = await rig.caller(sipp.until_answered(), [sipp.pause(3)], sipp.hang_up())
        await until_slow(
            lambda: any(each["dialplan"]["context"] == "acd-no-adapter" for each in rig.lab.channels()), 10
        )
        await caller.went_well()
    finally:
        rig.lab.ari("POST", "/asterisk/variable?variable=ACD_PATIENCE&value=10")
    await rig.quiet()


async def test_a_new_caller_does_not_wait_for_ever_for_an_engine_that_is_away(rig: Rig) -> None:
    await rig.start(f"{NUMBERS}\nengine_patience_s = 1")
    port = rig.server.port
    await rig.server.kill()
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    await until_slow(lambda: any(each["dialplan"]["context"] == "acd-no-adapter" for each in rig.lab.channels()), 10)
    await rig.restart_engine(port)
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "abandoned"
    await rig.quiet()


# Active and spare


async def test_a_spare_takes_over_when_the_active_adapter_dies(rig: Rig) -> None:
    await rig.start(f"{NUMBERS}\nlease_s = 1", agents=2, offer_timeout_s=20, wrapup_s=30)
    spare = AdapterProcess(rig.directory, "spare")
    rig.write_settings(f"{NUMBERS}\nlease_s = 1", adapter=spare)
    await spare.start("--spare")
    await until(lambda: "spare: waiting" in spare.log(), 20)
    try:
        trio = Trio(rig)
        await trio.arrange(talk_s=11, ring_s=7)
        assert "in step" not in spare.log()
        await rig.adapter.kill()
        await spare.in_step()
        await trio.ended_well()
    finally:
        await spare.kill()


async def test_an_active_adapter_that_was_only_asleep_finds_itself_replaced(rig: Rig) -> None:
    await rig.start(f"{NUMBERS}\nlease_s = 1", agents=2, offer_timeout_s=20, wrapup_s=30)
    spare = AdapterProcess(rig.directory, "spare")
    rig.write_settings(f"{NUMBERS}\nlease_s = 1", adapter=spare)
    await spare.start("--spare")
    await until(lambda: "spare: waiting" in spare.log(), 20)
    try:
        trio = Trio(rig)
        await trio.arrange(talk_s=13, ring_s=8)
        await rig.adapter.signal(signal.SIGSTOP)
        await spare.in_step()
        await rig.adapter.signal(signal.SIGCONT)
        await until(lambda: "spare: waiting" in rig.adapter.log(), 20)
        await trio.ended_well()
    finally:
        await spare.kill()


async def test_an_adapter_that_stops_in_order_hands_over_at_once(rig: Rig) -> None:
    await rig.start(f"{NUMBERS}\nlease_s = 30")
    spare = AdapterProcess(rig.directory, "spare")
    rig.write_settings(f"{NUMBERS}\nlease_s = 30", adapter=spare)
    await spare.start("--spare")
    await until(lambda: "spare: waiting" in spare.log(), 20)
    try:
        await rig.adapter.signal(signal.SIGTERM)
        await spare.in_step()
    finally:
        await spare.kill()


# Several Asterisks


async def test_one_engine_serves_two_asterisks(rig: Rig, own_lab: Lab) -> None:
    """The caller is at one Asterisk, the agent's phone at the other; both adapters talk to one engine."""
    away = f"PJSIP/callers/sip:{{user}}@127.0.0.1:{own_lab.sip_port}"
    await rig.start(f'name = "pbx-1"\n{NUMBERS}\nphones = {{ trunks = {{ "pbx-2" = "{away}" }} }}')
    other = AdapterProcess(rig.directory, "other")
    rig.write_settings(f'name = "pbx-2"\n{NUMBERS}', adapter=other, lab=own_lab)
    await other.start()
    await other.in_step()
    try:
        assert rig.watcher is not None
        await rig.watcher.login("a-1", address="pbx-2:PJSIP/agent0001", ready=True)
        agent = await rig.phone(
            "far", [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], port=own_lab.phone_port(1), calls=2
        )
        near = await rig.caller(sipp.until_answered(), [sipp.pause(1.5)], sipp.hang_up())
        await near.went_well()
        far = Sipp(
            own_lab,
            rig.directory,
            "far-caller",
            [*sipp.dial(), *sipp.until_answered(), sipp.pause(1.5), *sipp.hang_up()],
            target="2000",
        )
        await far.start()
        await far.went_well()
        await agent.went_well()
        first, second = [await rig.sees("contact.ended", count=count) for count in (1, 2)]
        assert [first.reason, second.reason] == ["completed_caller"] * 2
        assert first.contact.startswith("pbx-1:")
        assert second.contact.startswith("pbx-2:")
    finally:
        await other.kill()
    await rig.quiet()
    await until_slow(lambda: not own_lab.channels(), 10)
