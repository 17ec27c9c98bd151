"""Callers who are called back, with a real Asterisk: the agent is rung first, then the customer is dialled."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk import sipp
from tests.asterisk.cable import Cable
from tests.asterisk.lab import Lab, phone_ports
from tests.asterisk.rig import Rig, until_slow
from tests.asterisk.sipp import Sipp

KEYS = [*sipp.digit("2", 2)]
ANSWERS = [*sipp.rung(), sipp.pause(0.5), *sipp.answer()]
STAYS = [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()]


class Customer:
    """One who asks for a callback, and his phone."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.port = phone_ports()
        self.contact = ""

    async def start(
        self, more: str = "", agents: int = 1, callback: dict[str, Any] | None = None, **queue: Any
    ) -> None:
        """Engine, adapter, and a queue that calls back."""
        rules = {"retry_s": 2, "attempts_max": 3, **(callback or {})}
        await self.rig.start(self.settings(more), agents=agents, callback=rules, offer_timeout_s=15, **queue)

    def settings(self, more: str = "") -> str:
        """The adapter's file."""
        endpoint = f'endpoint = "PJSIP/callers/sip:{{number}}@127.0.0.1:{self.port}"\n'
        more += "" if "ring_s" in more else "\nring_s = 3"
        return (
            'numbers = { "2000" = "support" }\nphones = { presence = false }\n[defaults]\n'
            f'keys = {{ "2" = "callback" }}\n[defaults.callback]\n{"" if "endpoint" in more else endpoint}'
            f'caller_number = "2000"\nconfirmed = ["sound:beep"]\n{more}'
        )

    async def asks(self) -> None:
        """He calls, presses the key and is let go."""
        count = len(self.rig.contacts_of("contact.queued"))
        caller = await self.rig.caller(sipp.until_answered(), [sipp.pause(0.3)], KEYS, sipp.be_hung_up())
        self.contact = (await self.rig.sees("contact.queued", count=count + 1)).contact
        await self.rig.sees("contact.callback_changed", contact=self.contact, cause="")
        await caller.went_well()
        await until_slow(lambda: not self.rig.lab.channels(), 5)
        assert not self.rig.contacts_of("contact.ended")

    async def phone(self, steps: list[str], calls: int = 1) -> Sipp:
        """What his phone does when he is called."""
        return await self.rig.phone("customer", steps, port=self.port, calls=calls)


@pytest.fixture
async def customer(rig: Rig) -> Customer:
    return Customer(rig)


def talking(rig: Rig) -> bool:
    """Whether two are joined."""
    return any(len(bridge["channels"]) == 2 for bridge in rig.lab.bridges())


@pytest.mark.parametrize("who", ["customer", "agent"])
async def test_the_agent_is_rung_first_and_then_the_customer(rig: Rig, customer: Customer, who: str) -> None:
    await customer.start(wrapup_s=1)
    await customer.asks()
    hangs_up = [sipp.pause(1), *sipp.agent_hangs_up()]
    agent = await rig.agent([*ANSWERS, *(hangs_up if who == "agent" else sipp.be_hung_up())])
    phone = await customer.phone([*ANSWERS, *(hangs_up if who == "customer" else sipp.be_hung_up())])
    await rig.login()
    offered = await rig.sees("contact.offered")
    assert offered.callback == "4930123"
    await until_slow(lambda: talking(rig), 10)
    await agent.went_well()
    await phone.went_well()
    ended = await rig.sees("contact.ended")
    assert (ended.contact, ended.reason, ended.agent) == (customer.contact, "callback_done", "a-1")
    # Nobody is dialled before the agent has answered, and the customer sees the number of the queue.
    (invite,) = phone.saw("INVITE")
    assert invite.at > agent.saw("SIP/2.0 200", received=False)[0].at
    assert "<sip:2000@" in invite.text
    assert '"Caller" <sip:4930123@' in agent.saw("INVITE")[0].text
    await rig.quiet()
    words = [line.split("|")[4] for line in rig.queue_log_of(rig.adapter).read_text().splitlines()]
    assert words[1:3] == ["ENTERQUEUE", "EXITWITHKEY"]
    assert words[-3:] == ["ENTERQUEUE", "CONNECT", "COMPLETEAGENT"]


@pytest.mark.parametrize(
    ("does", "cause"),
    [("486 Busy Here", "busy"), ("603 Decline", "busy"), ("rings", "no_answer"), ("480 Away", "unreachable")],
)
async def test_who_is_not_reached_is_called_again_later(rig: Rig, customer: Customer, does: str, cause: str) -> None:
    await customer.start()
    await customer.asks()
    agent = await rig.phone("agent1", [*ANSWERS, *sipp.be_hung_up()], port=rig.lab.phone_port(1), calls=2)
    steps = [*sipp.rung(), *sipp.be_cancelled()] if does == "rings" else sipp.refuse(does)
    phone = await customer.phone(steps)
    await rig.login()
    failed = await rig.sees("contact.callback_changed", cause=cause)
    assert (failed.attempts, failed.next_in, failed.agent) == (1, 2, "a-1")
    # The agent is free at once, and his phone with him.
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    await until_slow(lambda: not rig.lab.channels(), 5)
    await phone.went_well()
    again = await customer.phone([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *sipp.agent_hangs_up()])
    back = await rig.sees("contact.queued", contact=customer.contact, count=2)
    assert 1.9e9 < back.at - failed.at < 4e9
    await again.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "callback_done"
    await rig.quiet()


async def test_the_way_out_may_be_the_dialplans(rig: Rig, customer: Customer) -> None:
    await customer.start('endpoint = "Local/{number}@lab-out"', callback={"retry_s": 1})
    await customer.asks()
    agent = await rig.phone("agent1", STAYS, port=rig.lab.phone_port(1), calls=2)
    busy = await rig.agent(sipp.refuse("486 Busy Here"), 14)
    await rig.login()
    await rig.sees("contact.callback_changed", cause="busy")
    await busy.went_well()
    takes = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(1.5), *sipp.agent_hangs_up()], 14)
    await until_slow(lambda: talking(rig), 10)
    await takes.went_well()
    await agent.went_well()
    ended = await rig.sees("contact.ended")
    assert ended.reason == "callback_done"
    assert ended.talk > 1.4
    await rig.quiet()


@pytest.mark.parametrize(
    ("more", "cause", "ended"),
    [
        ("", "unreachable", ""),
        ('endpoint = "PJSIP/{number}@nowhere"', "unreachable", ""),
        ('endpoint = "Local/{number}@from-callers-nowhere"', "unreachable", ""),
    ],
)
async def test_a_way_out_that_leads_nowhere_is_told_apart(
    rig: Rig, customer: Customer, more: str, cause: str, ended: str
) -> None:
    await customer.start(more)
    await customer.asks()
    agent = await rig.agent(STAYS)
    await rig.login()
    failed = await rig.sees("contact.callback_changed", cause=cause)
    assert failed.attempts == 1
    await agent.went_well()
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    assert not rig.contacts_of("contact.ended")


async def test_after_the_last_attempt_it_is_given_up(rig: Rig, customer: Customer) -> None:
    await customer.start(callback={"retry_s": 0.5, "attempts_max": 2})
    await customer.asks()
    agent = await rig.phone("agent1", [*ANSWERS, *sipp.be_hung_up()], port=rig.lab.phone_port(1), calls=2)
    phone = await customer.phone(sipp.refuse("486 Busy Here"), calls=2)
    await rig.login()
    await phone.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "failed"
    assert (await rig.sees("contact.callback_changed", cause="busy", count=2)).attempts == 2
    await rig.quiet()


async def test_it_is_offered_when_the_engine_says_so(rig: Rig, customer: Customer) -> None:
    offer = 'offer = ["sound:queue-less-than", "digits:2"]\noffer_first_s = 0.5\noffer_every_s = 1'
    await customer.start(offer, callback={"offer_when_wait_s": 1})
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    first = await rig.caller(sipp.until_answered(), [sipp.pause(9)], sipp.hang_up())
    assert not (await rig.sees("contact.queued")).callback_offered
    await asyncio.sleep(2)
    await rig.login()
    await rig.sees("contact.connected")
    assert "queue-less-than" not in rig.adapter.log()
    # Now waits are known to be long.
    keys = [sipp.pause(5), *KEYS]
    second = await rig.caller(sipp.until_answered(), keys, sipp.be_hung_up())
    assert (await rig.sees("contact.queued", count=2)).callback_offered
    await second.went_well()
    await rig.sees("contact.callback_changed", cause="")
    assert rig.adapter.log().count("'media': 'sound:queue-less-than,digits:2'") >= 2
    await first.went_well()
    await agent.went_well()
    assert "does not exist" not in rig.lab.log()


async def test_a_number_that_may_not_be_dialled_is_refused_and_the_caller_waits_on(
    rig: Rig, customer: Customer
) -> None:
    await customer.start('allowed = "0800.*"')
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(0.3)], KEYS, [sipp.pause(2)], sipp.hang_up(3))
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "abandoned"
    assert "sound:beeperr" in rig.adapter.log()
    await rig.quiet()


async def test_one_who_asks_twice_hears_no_and_waits_on(rig: Rig, customer: Customer) -> None:
    await customer.start()
    await customer.asks()
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(0.3)], KEYS, [sipp.pause(2)], sipp.hang_up(3))
    await caller.went_well()
    ended = await rig.sees("contact.ended")
    assert ended.reason == "abandoned"
    assert ended.contact != customer.contact
    assert len(rig.contacts_of("contact.callback_changed")) == 1


async def test_who_hangs_up_right_after_the_key_is_called_back(rig: Rig, customer: Customer) -> None:
    await customer.start()
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(0.3)], KEYS, sipp.hang_up(3))
    await rig.sees("contact.callback_changed", cause="")
    await caller.went_well()
    agent = await rig.agent(STAYS)
    phone = await customer.phone([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *sipp.agent_hangs_up()])
    await rig.login()
    await phone.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "callback_done"
    await rig.quiet()


async def test_an_agent_who_hangs_up_while_it_rings_frees_the_customers_phone(rig: Rig, customer: Customer) -> None:
    await customer.start()
    await customer.asks()
    agent = await rig.agent([*ANSWERS, sipp.pause(1), *sipp.agent_hangs_up()])
    phone = await customer.phone([*sipp.rung(), *sipp.be_cancelled()])
    await rig.login()
    await agent.went_well()
    await phone.went_well()
    assert (await rig.sees("contact.callback_changed", cause="no_answer")).attempts == 1
    await rig.quiet()


# Nobody is lost, and nobody called twice


async def test_while_a_callback_waits_everything_dies(own_lab: Lab, tmp_path: Path) -> None:
    async with Rig(own_lab, tmp_path) as rig:
        customer = Customer(rig)
        await customer.start()
        await customer.asks()
        port = rig.server.port
        await rig.adapter.kill()
        await asyncio.to_thread(own_lab.kill)
        await rig.server.kill()
        await rig.restart_engine(port)
        await asyncio.to_thread(own_lab.start)
        await rig.adapter.start()
        await rig.adapter.in_step(2)
        agent = await rig.agent(STAYS)
        phone = await customer.phone([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *sipp.agent_hangs_up()])
        await rig.login()
        await phone.went_well()
        await agent.went_well()
        ended = await rig.sees("contact.ended")
        assert (ended.contact, ended.reason) == (customer.contact, "callback_done")
        await rig.quiet()


@pytest.mark.parametrize("victim", ["adapter", "engine"])
async def test_who_is_being_dialled_is_dialled_once(rig: Rig, customer: Customer, victim: str) -> None:
    await customer.start("ring_s = 20")
    await customer.asks()
    agent = await rig.agent(STAYS)
    rings = [*sipp.rung(), sipp.pause(2.5), *sipp.answer(), sipp.pause(1), *sipp.agent_hangs_up()]
    phone = await customer.phone(rings)
    await rig.login()
    await until_slow(lambda: phone.saw("INVITE"), 10)
    if victim == "adapter":
        await rig.adapter.kill()
        await rig.adapter.start()
        await rig.adapter.in_step(2)
    else:
        port = rig.server.port
        await rig.server.kill()
        await rig.restart_engine(port)
    await phone.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "callback_done"
    assert phone.calls_received == agent.calls_received == 1
    await rig.quiet()


@pytest.mark.parametrize("line", ["to Asterisk", "to the engine"])
async def test_a_line_that_is_cut_while_it_rings_costs_no_call(rig: Rig, customer: Customer, line: str) -> None:
    async with Cable(rig.lab.http_port if line == "to Asterisk" else rig.server.port) as cable:
        through: dict[str, Any] = {"ari_port" if line == "to Asterisk" else "engine_port": cable.port}
        await customer.start("ring_s = 20", **through)
        await customer.asks()
        agent = await rig.agent(STAYS)
        rings = [*sipp.rung(), sipp.pause(4), *sipp.answer(), sipp.pause(1), *sipp.agent_hangs_up()]
        phone = await customer.phone(rings)
        await rig.login()
        await until_slow(lambda: phone.saw("INVITE"), 10)
        cable.cut()
        await asyncio.sleep(1)
        cable.mend()
        await phone.went_well()
        await agent.went_well()
        assert (await rig.sees("contact.ended")).reason == "callback_done"
        assert phone.calls_received == agent.calls_received == 1
        await rig.quiet()


@pytest.mark.parametrize("ends", ["later", "meanwhile"])
async def test_a_conversation_goes_on_while_the_adapter_dies_and_is_not_begun_again(
    rig: Rig, customer: Customer, ends: str
) -> None:
    await customer.start()
    await customer.asks()
    agent = await rig.agent(
        [*STAYS[:-2], *sipp.be_hung_up()] if ends == "later" else [*ANSWERS, sipp.pause(3), *sipp.agent_hangs_up()]
    )
    talks = 5 if ends == "later" else 2
    phone = await customer.phone([*sipp.rung(), *sipp.answer(), sipp.pause(talks), *sipp.agent_hangs_up()])
    await rig.login()
    await until_slow(lambda: talking(rig), 10)
    await rig.adapter.kill()
    if ends == "meanwhile":
        await phone.went_well()
        await agent.went_well()
    await rig.adapter.start()
    await rig.adapter.in_step(2)
    await phone.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "callback_done"
    assert len(rig.contacts_of("contact.callback_changed")) == 1
    await rig.quiet()


async def test_a_dial_that_asterisk_loses_is_made_again_later(own_lab: Lab, tmp_path: Path) -> None:
    async with Rig(own_lab, tmp_path) as rig:
        customer = Customer(rig)
        await customer.start()
        await customer.asks()
        agent = await rig.agent(STAYS)
        phone = await customer.phone([*sipp.rung(), sipp.pause(20), *sipp.answer()])
        await rig.login()
        await until_slow(lambda: phone.saw("INVITE"), 10)
        await asyncio.to_thread(own_lab.kill)
        await asyncio.to_thread(own_lab.start)
        await phone.stop()
        await agent.stop()
        again = await rig.agent(STAYS)
        reached = await customer.phone([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *sipp.agent_hangs_up()])
        await rig.sees("contact.callback_changed", cause="unreachable")
        await reached.went_well()
        await again.went_well()
        assert (await rig.sees("contact.ended")).reason == "callback_done"
        await rig.quiet()
