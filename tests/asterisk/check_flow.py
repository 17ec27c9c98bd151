"""Calls through a real Asterisk, from both sides: what SIPp saw, and what the engine says."""

import asyncio

import pytest

from tests.asterisk import sipp
from tests.asterisk.rig import Rig, until_slow

IN_ORDER = ["contact.queued", "contact.offered", "contact.connected", "contact.ended"]


async def test_a_caller_reaches_an_agent_and_hangs_up(rig: Rig) -> None:
    await rig.start(wrapup_s=1)
    await rig.login()
    agent = await rig.agent([*sipp.rung(), sipp.pause(0.3), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1.5)], sipp.hang_up())
    await caller.went_well()
    await agent.went_well()
    ended = await rig.sees("contact.ended")
    assert (ended.reason, ended.agent) == ("completed_caller", "a-1")
    assert rig.kinds(ended.contact) == [*IN_ORDER[:3], "contact.wrapup", "contact.ended"]
    offered = await rig.sees("contact.offered")
    assert offered.attributes["ani"] == "4930123"
    assert offered.attributes["ani_name"] == "Caller"
    assert offered.attributes["dnis"] == "2000"
    # The caller was answered at once, before the agent's phone even rang; the phone shows who calls.
    assert caller.saw("SIP/2.0 200")[0].at <= agent.saw("INVITE")[0].at + 0.1
    assert '"Caller" <sip:4930123@' in agent.saw("INVITE")[0].text
    await rig.quiet()


async def test_the_agent_hangs_up_first(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(1), *sipp.agent_hangs_up()])
    caller = await rig.caller(sipp.until_answered(), sipp.be_hung_up())
    await agent.went_well()
    await caller.went_well()
    ended = await rig.sees("contact.ended")
    assert ended.reason == "completed_agent"
    assert 0.7 < ended.talk < 3
    assert rig.kinds(ended.contact) == IN_ORDER
    await rig.quiet()


async def test_a_caller_without_an_answer_hears_ringing_until_an_agent_picks_up(rig: Rig) -> None:
    await rig.start('numbers = { "2000" = "support" }\ndefaults = { answer = false }')
    await rig.login()
    agent = await rig.agent([*sipp.rung(), sipp.pause(0.7), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await caller.went_well()
    await agent.went_well()
    assert caller.saw("SIP/2.0 180")
    assert caller.saw("SIP/2.0 200")[0].at >= agent.saw("SIP/2.0 200", received=False)[0].at
    assert (await rig.sees("contact.ended")).reason == "completed_caller"
    await rig.quiet()


async def test_both_hear_each_other(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(3)], sipp.hang_up())
    await rig.sees("contact.connected")
    await until_slow(lambda: [bridge for bridge in rig.lab.bridges() if len(bridge["channels"]) == 2], 5)
    (bridge,) = rig.lab.bridges()
    names = sorted(channel["name"].rpartition("-")[0] for channel in rig.lab.channels())
    assert names == ["PJSIP/agent0001", "PJSIP/callers"]
    assert sorted(bridge["channels"]) == sorted(channel["id"] for channel in rig.lab.channels())
    await caller.went_well()
    await agent.went_well()
    await rig.quiet()


async def test_a_caller_who_waits_hears_music(rig: Rig) -> None:
    await rig.start()
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(3)], sipp.hang_up())
    await rig.sees("contact.queued")
    (channel,) = rig.lab.channels()

    def packets() -> int:
        return int(rig.lab.ari("GET", f"/channels/{channel['id']}/rtp_statistics")["txcount"])

    await until_slow(lambda: packets() > 20, 5)
    await caller.went_well()
    ended = await rig.sees("contact.ended")
    assert (ended.reason, ended.agent) == ("abandoned", "")
    await rig.quiet()


@pytest.mark.parametrize(
    ("status", "cause"), [("486 Busy Here", "busy"), ("603 Decline", "declined"), ("404 Not Found", "invalid_address")]
)
async def test_a_phone_that_refuses_gives_the_call_back(rig: Rig, status: str, cause: str) -> None:
    await rig.start(reject_cooldown_s=0.3)
    await rig.login()
    refusing = await rig.agent(sipp.refuse(status))
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    await refusing.went_well()
    failed = await rig.sees("offer.ended")
    assert (failed.outcome, failed.cause) == ("rejected", cause)
    # The contact kept its place: the next offer is taken.
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    await caller.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "completed_caller"
    await rig.quiet()


async def test_a_phone_that_nobody_picks_up_times_out(rig: Rig) -> None:
    await rig.start(offer_timeout_s=1.5, no_answer_cooldown_s=30)
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.be_cancelled()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    await agent.went_well()
    ended = await rig.sees("offer.ended")
    assert ended.outcome == "timed_out"
    changed = await rig.sees("agent.changed", state="cooldown")
    assert changed.reason == "no_answer"
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "abandoned"
    await rig.quiet()


async def test_a_phone_that_is_not_registered_has_its_own_cause(rig: Rig) -> None:
    await rig.start('numbers = { "2000" = "support" }\nphones = { presence = false }')
    assert rig.watcher is not None
    await rig.watcher.login("a-1", address="PJSIP/roamer", ready=True)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    failed = await rig.sees("offer.ended")
    assert (failed.outcome, failed.cause) == ("rejected", "not_registered")
    await caller.went_well()
    await rig.quiet()


async def test_a_phone_that_has_vanished_is_noticed_by_its_silence(rig: Rig) -> None:
    await rig.start('numbers = { "2000" = "support" }\nphones = { ring_within_s = 1 }', reject_cooldown_s=30)
    await rig.login()
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(3)], sipp.hang_up())
    failed = await rig.sees("offer.ended")
    assert (failed.outcome, failed.cause) == ("rejected", "unreachable")
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "abandoned"
    await rig.quiet(40)


async def test_a_caller_who_hangs_up_while_an_agent_rings_stops_the_phone_at_once(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.be_cancelled()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await caller.went_well()
    await agent.went_well()
    (bye,), (cancel,) = caller.saw("BYE", received=False), agent.saw("CANCEL")
    assert cancel.at - bye.at < 0.5
    ended = await rig.sees("contact.ended")
    assert ended.reason == "abandoned"
    assert (await rig.sees("offer.ended")).cause == "abandoned"
    await rig.sees("agent.changed", state="ready", count=2)
    await rig.quiet()


async def test_a_caller_who_gives_up_before_the_answer(rig: Rig) -> None:
    await rig.start('numbers = { "2000" = "support" }\ndefaults = { answer = false }')
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.be_cancelled()])
    caller = await rig.caller([sipp.receive("180"), sipp.pause(1)], sipp.give_up(4))
    await caller.went_well()
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "abandoned"
    await rig.quiet()


async def test_a_caller_who_hangs_up_in_the_very_moment_of_the_answer(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), sipp.pause(0.5), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(0.51)], sipp.hang_up())
    await caller.went_well()
    await rig.sees("contact.ended")
    await agent.ended()
    await rig.sees("agent.changed", state="ready", count=2)
    await rig.quiet()


async def test_when_the_longest_wait_is_over_the_dialplan_goes_on_and_knows_why(rig: Rig) -> None:
    await rig.start(max_wait_s=1)
    caller = await rig.caller(sipp.until_answered(), sipp.be_hung_up())
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "max_wait"
    await rig.quiet()


async def test_a_full_queue_refuses_and_the_dialplan_goes_on(rig: Rig) -> None:
    await rig.start(max_waiting=1)
    first = await rig.caller(sipp.until_answered(), [sipp.pause(2)], sipp.hang_up())
    await rig.sees("contact.queued")
    second = await rig.caller(sipp.until_answered(), sipp.be_hung_up())
    await second.went_well()
    ended = await rig.sees("contact.ended")
    assert ended.reason == "queue_full"
    await first.went_well()
    await rig.quiet()
    assert (rig.lines["FULL"], rig.lines["ENTERQUEUE"], rig.lines["ABANDON"]) == (1, 1, 1)


async def test_a_queue_without_agents_refuses_and_the_dialplan_goes_on(rig: Rig) -> None:
    await rig.start(join=[{"when": "nobody"}])
    caller = await rig.caller(sipp.until_answered(), sipp.be_hung_up())
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "no_agents"
    await rig.quiet()
    assert (rig.lines["JOINEMPTY"], rig.lines["ENTERQUEUE"]) == (1, 0)


@pytest.mark.parametrize(("number", "priority", "crm"), [("2101", 5, "4711"), ("2102", 7, "4712")])
async def test_the_dialplan_says_what_a_caller_wants(rig: Rig, number: str, priority: int, crm: str) -> None:
    await rig.start('variables = { crm = "CRM_ID" }')
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(2)], sipp.hang_up(), target=number)
    assert (await rig.sees("contact.queued", queue="support")).priority == priority
    assert rig.watcher is not None
    (view,) = await rig.watcher.listing("contacts")
    assert (view["attributes"]["crm"], view["attributes"]["dnis"], view["caller"]) == (crm, number, "4930123")
    await caller.went_well()
    await rig.quiet()


async def test_a_caller_who_comes_back_reaches_the_agent_he_had(rig: Rig) -> None:
    await rig.start(agents=2, last_agent_s=600)
    takes = [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()]
    await rig.login(1)
    first = await rig.phone("first", takes, port=rig.lab.phone_port(1), calls=2)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await caller.went_well()
    await rig.sees("contact.ended", agent="a-1")
    # Without his number the other one would be next, who has been idle for longer.
    assert rig.watcher is not None
    await rig.login(2)
    await rig.watcher.pause("a-1")
    await rig.watcher.ready("a-1")
    again = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await again.went_well()
    await first.went_well()
    await rig.sees("contact.ended", agent="a-1", count=2)
    await rig.quiet()


async def test_a_number_that_is_no_queue_goes_to_the_fall_back(rig: Rig) -> None:
    await rig.start()
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(0.5)], sipp.hang_up(), target="2999")
    await caller.went_well()
    assert rig.kinds() == []
    await rig.quiet()


async def test_calls_wait_in_line_and_the_longest_comes_first(rig: Rig) -> None:
    await rig.start()
    callers = []
    for number in range(3):
        callers.append(await rig.caller(sipp.until_answered(), sipp.be_hung_up()))
        await rig.sees("contact.queued", count=number + 1)
    order = rig.contacts_of("contact.queued")
    agent = await rig.phone(
        "agent1",
        [*sipp.rung(), *sipp.answer(), sipp.pause(0.3), *sipp.agent_hangs_up()],
        port=rig.lab.phone_port(1),
        calls=3,
    )
    await rig.login()
    await agent.went_well()
    await asyncio.gather(*(caller.went_well() for caller in callers))
    await rig.sees("contact.ended", count=3)
    assert rig.contacts_of("contact.connected") == order
    await rig.quiet()


async def test_the_agent_is_paused_while_his_phone_rings(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.be_cancelled()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(2)], sipp.hang_up())
    await until_slow(lambda: [channel for channel in rig.lab.channels() if channel["state"] == "Ringing"], 5)
    assert rig.watcher is not None
    await rig.watcher.pause("a-1", "lunch")
    await agent.went_well()
    assert (await rig.sees("offer.ended")).cause == "agent_paused"
    await caller.went_well()
    await rig.quiet()


async def test_a_caller_who_is_half_of_a_local_channel(rig: Rig) -> None:
    """So does whoever comes by a ring group or a follow-me of the dialplan."""
    await rig.start()
    rig.lab.originate("half", "Local/2000@from-callers/n", "syn-caller", "hold")
    await rig.sees("contact.queued", contact="asterisk:half;2")
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(1), *sipp.agent_hangs_up()])
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "completed_agent"
    rig.lab.hang_up("half")
    await rig.quiet()
