"""What agents, supervisors and callers can do beside the plain call, with a real Asterisk."""

import asyncio
from typing import Any

import pytest

from tests.asterisk import sipp
from tests.asterisk.rig import Rig, until_slow
from tests.support.wait import until

NUMBERS = 'numbers = { "2000" = "support", "2001" = "sales" }'


async def code(rig: Rig, number: str, user: str = "agent0001") -> None:
    """Dial a feature code and be hung up."""
    phone = await rig.dials(user, number, sipp.until_answered(), sipp.be_hung_up())
    await phone.went_well()


async def test_an_agent_logs_in_pauses_and_leaves_by_code(rig: Rig) -> None:
    await rig.start()
    await code(rig, "*45")
    await rig.sees("agent.changed", agent="a-1", state="ready")
    await code(rig, "*471")
    await rig.sees("agent.changed", agent="a-1", state="paused", reason="code-1")
    await code(rig, "*48")
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    await code(rig, "*46")
    await rig.sees("agent.changed", agent="a-1", state="logged_out")
    await rig.quiet()
    path = rig.queue_log_of(rig.adapter)
    await until(lambda: "AGENTLOGOFF" in path.read_text())
    words = [line.split("|")[4] for line in path.read_text().splitlines()]
    assert words == ["QUEUESTART", "AGENTLOGIN", "PAUSEALL", "UNPAUSEALL", "AGENTLOGOFF"]


async def test_an_agent_may_sit_at_another_phone_today(rig: Rig) -> None:
    await rig.start()
    await code(rig, "*45a-1", user="agent0007")
    await rig.sees("agent.changed", agent="a-1", state="ready")
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], 7)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await caller.went_well()
    await agent.went_well()
    await rig.quiet()


async def test_a_phone_that_is_nobodys_is_refused(rig: Rig) -> None:
    await rig.start()
    await code(rig, "*45", user="agent0015")
    assert not [event for event in rig.events if event.__struct_config__.tag == "agent.changed"]
    assert "address of no agent" in rig.adapter.log()
    await rig.quiet()


async def test_hold_and_resume_by_the_phone(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    steps = [*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *sipp.agent_holds(1, 1), *sipp.be_hung_up()]
    agent = await rig.agent(steps)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(3)], sipp.hang_up())
    held = await rig.sees("contact.held")
    resumed = await rig.sees("contact.resumed")
    assert 0.8e9 < resumed.at - held.at < 2e9
    await caller.went_well()
    await agent.went_well()
    await rig.quiet()


async def test_a_blind_transfer_by_the_phone_frees_the_agent_and_keeps_the_caller(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *sipp.agent_transfers(1, "1000", rig.lab)])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    ended = await rig.sees("contact.ended")
    assert (ended.reason, ended.agent) == ("transferred", "a-1")
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    await agent.went_well()
    # The caller is still there, with the target.
    await until_slow(lambda: any(each["dialplan"]["exten"] == "1000" for each in rig.lab.channels()), 5)
    await caller.went_well()
    await rig.quiet()
    assert rig.lines["BLINDTRANSFER"] == 1
    assert "|BLINDTRANSFER|1000|from-agents|" in rig.queue_log_of(rig.adapter).read_text()


async def test_a_transfer_to_another_queue_reaches_its_agent(rig: Rig) -> None:
    queues: list[dict[str, Any]] = [{"tenant": "acme", "name": "support"}, {"tenant": "acme", "name": "sales"}]
    await rig.start(NUMBERS, agents=2, queues=queues)
    await rig.login(1)
    transfers = sipp.agent_transfers(1, "2001", rig.lab)
    first = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *transfers], 1)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(5)], sipp.hang_up())
    await rig.sees("contact.connected", agent="a-1")
    assert rig.watcher is not None
    await rig.watcher.pause("a-1")
    await rig.login(2)
    second = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], 2)
    await rig.sees("contact.connected", queue="sales", agent="a-2")
    await first.went_well()
    await caller.went_well()
    await second.went_well()
    offered = await rig.sees("contact.offered", queue="sales")
    assert offered.attributes["ani"] == "4930123"
    assert offered.attributes["transferred_from"] == (await rig.sees("contact.offered", queue="support")).contact
    assert '"Caller" <sip:4930123@' in second.saw("INVITE")[0].text
    assert (await rig.sees("contact.ended", queue="support")).reason == "transferred"
    assert (await rig.sees("contact.ended", queue="sales")).reason == "completed_caller"
    await rig.quiet()


async def test_an_attended_transfer_by_the_phone_joins_the_caller_with_whom_the_agent_asked(rig: Rig) -> None:
    await rig.start(f"{NUMBERS}\nphones = {{ presence = false }}")
    await rig.login()
    consultation = await rig.dials("agent0001", "1000", sipp.until_answered(), sipp.be_hung_up())
    await until_slow(lambda: len(rig.lab.channels()) == 1 and rig.lab.channels()[0]["state"] == "Up", 5)
    (asked,) = rig.lab.channels()
    call_id, ours, theirs = (
        rig.lab.ari("GET", f"/channels/{asked['id']}/variable?variable=CHANNEL(pjsip,{what})")["value"]
        for what in ("call-id", "local_tag", "remote_tag")
    )
    transfers = sipp.agent_transfers(1, "1000", rig.lab, f"{call_id};to-tag={ours};from-tag={theirs}")
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), sipp.pause(0.5), *transfers])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    assert (await rig.sees("contact.ended")).reason == "transferred"
    await agent.went_well()
    await consultation.went_well()
    await caller.went_well()
    await rig.quiet()
    assert rig.lines["ATTENDEDTRANSFER"] == 1


async def test_a_key_leaves_the_queue(rig: Rig) -> None:
    await rig.start(f'{NUMBERS}\n[defaults]\nkeys = {{ "1" = "leave" }}')
    keys = [*sipp.digit("9", 2), *sipp.digit("1", 3)]
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(0.5)], keys, sipp.be_hung_up())
    await caller.went_well()
    assert (await rig.sees("contact.ended")).reason == "withdrawn"
    await rig.quiet()
    assert "|EXITWITHKEY|1|1|1|" in rig.queue_log_of(rig.adapter).read_text()


async def test_announcements_come_at_intervals_and_the_music_comes_back(rig: Rig) -> None:
    hears = 'announce_every_s = 1\nannouncements = ["sound:queue-thereare", "number:{position}"]'
    await rig.start(f"{NUMBERS}\n[defaults]\n{hears}")
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(7)], sipp.hang_up())
    await until(lambda: rig.adapter.log().count("done: play") >= 2, 10)
    assert "'media': 'sound:queue-thereare,number:1'" in rig.adapter.log()
    assert rig.adapter.log().count("done: start_music") >= 2
    await caller.went_well()
    await rig.quiet()


async def test_the_estimate_is_spoken_as_soon_as_the_engine_has_one(rig: Rig) -> None:
    estimate = '["sound:queue-holdtime", "number:{wait_min}", "sound:queue-minutes"]'
    hears = f'announce_every_s = 1\nannouncements = ["sound:queue-thereare", "number:{{position}}", {estimate}]'
    await rig.start(f"{NUMBERS}\n[defaults]\n{hears}")
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    first = await rig.caller(sipp.until_answered(), [sipp.pause(12)], sipp.hang_up())
    await until(lambda: "sound:queue-thereare,number:1'" in rig.adapter.log(), 20)
    assert "queue-holdtime" not in rig.adapter.log()
    await rig.login()
    await rig.sees("contact.connected")
    # One has reached an agent: from now on there is a forecast.
    second = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    spoken = "sound:queue-thereare,number:1,sound:queue-holdtime,number:1,sound:queue-minutes"
    await until(lambda: spoken in rig.adapter.log(), 20)
    queued = await rig.sees("contact.queued", count=2)
    assert queued.wait_estimate is not None
    for phone in (first, second, agent):
        await phone.went_well()
    await rig.quiet()
    assert "does not exist" not in rig.lab.log()


async def test_the_agent_hears_which_queue_it_is_and_sees_the_callers_data(rig: Rig) -> None:
    hears = 'agent_announcement = "sound:beep"\ncaller_name = "{queue}: {crm}"\nheaders = { X-CRM = "{crm}" }'
    await rig.start(f'{NUMBERS}\nvariables = {{ crm = "CHANNEL(endpoint)" }}\n[defaults]\n{hears}\nrecord = true')
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    await caller.went_well()
    await agent.went_well()
    invite = agent.saw("INVITE")[0].text
    assert '"support: callers" <sip:4930123@' in invite
    assert "X-CRM: callers" in invite
    log = rig.adapter.log()
    assert log.index("'media': 'sound:beep'") < log.index("done: join")
    contact = (await rig.sees("contact.ended")).contact
    recording = rig.lab.base / "spool/recording" / f"{contact.replace(':', '_')}.wav"
    assert recording.stat().st_size > 8000
    await rig.quiet()


async def test_mixmonitor_records_both_sides_under_the_contacts_id(rig: Rig) -> None:
    await rig.start(f'{NUMBERS}\n[defaults]\nrecord = "mixmonitor"')
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    await rig.sees("contact.connected")
    await until_slow(lambda: any(each["dialplan"]["context"] == "acd-record" for each in rig.lab.channels()), 5)
    await caller.went_well()
    await agent.went_well()
    contact = (await rig.sees("contact.ended")).contact
    await rig.quiet()
    recording = rig.lab.base / "spool/monitor" / f"{contact.replace(':', '_')}.wav"
    assert recording.stat().st_size > 8000


async def test_a_transfer_by_command_to_another_queue_and_back(rig: Rig) -> None:
    queues: list[dict[str, Any]] = [{"tenant": "acme", "name": "support"}, {"tenant": "acme", "name": "sales"}]
    await rig.start(NUMBERS, agents=2, queues=queues)
    await rig.login(1)
    takes = [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()]
    first = await rig.phone("first", takes, port=rig.lab.phone_port(1), calls=2)
    second = await rig.agent(takes, 2)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(9)], sipp.hang_up())
    contact = (await rig.sees("contact.connected", agent="a-1")).contact
    assert rig.watcher is not None
    await rig.login(2)
    await rig.watcher.transfer(contact, queue="sales", agent="a-2")
    await rig.sees("contact.connected", queue="sales", agent="a-2")
    await rig.watcher.transfer(contact, queue="support", agent="a-1")
    await rig.sees("contact.connected", agent="a-1", count=2)
    for phone in (caller, first, second):
        await phone.went_well()
    assert (await rig.sees("contact.ended")).reason == "completed_caller"
    await rig.quiet()


async def test_a_transfer_by_command_to_an_address_outside(rig: Rig) -> None:
    await rig.start(NUMBERS)
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    target = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], 12)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(5)], sipp.hang_up())
    contact = (await rig.sees("contact.connected")).contact
    assert rig.watcher is not None
    await rig.watcher.transfer(contact, outside="PJSIP/agent0012")
    await agent.went_well()
    assert (await rig.sees("contact.ended")).reason == "transferred"
    await until_slow(lambda: any(each["dialplan"]["context"] == "acd-outside" for each in rig.lab.channels()), 5)
    # Whoever dies now, the two talk on.
    await rig.adapter.kill()
    await caller.went_well()
    await target.went_well()
    await rig.adapter.start()
    await rig.quiet()
    assert "|BLINDTRANSFER|PJSIP/agent0012|acd-outside|" in rig.queue_log_of(rig.adapter).read_text()


async def test_several_phones_ring_and_the_first_gets_the_call(rig: Rig) -> None:
    await rig.start(agents=3, offers_at_once=3)
    for number in (1, 2, 3):
        await rig.login(number)
    others = [await rig.agent([*sipp.rung(), *sipp.be_cancelled()], number) for number in (1, 3)]
    second = await rig.agent([*sipp.rung(), sipp.pause(0.7), *sipp.answer(), *sipp.be_hung_up()], 2)
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(2)], sipp.hang_up())
    for phone in (*others, second, caller):
        await phone.went_well()
    ended = await rig.sees("contact.ended")
    assert ended.agent == "a-2"
    assert rig.contacts_of("contact.connected") == [ended.contact]
    await rig.quiet()


@pytest.mark.parametrize(("number", "channels"), [("*51a-1", 2), ("*52a-1", 2), ("*53a-1", 3)])
async def test_a_supervisor_listens_whispers_or_joins(rig: Rig, number: str, channels: int) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    await rig.sees("contact.connected")
    await until_slow(lambda: any(len(bridge["channels"]) == 2 for bridge in rig.lab.bridges()), 5)
    supervisor = await rig.dials("agent0009", number, sipp.until_answered(), sipp.be_hung_up())
    bridges = 1 if channels == 3 else 2
    await until_slow(lambda: sum(len(bridge["channels"]) == channels for bridge in rig.lab.bridges()) == bridges, 5)
    await caller.went_well()
    await agent.went_well()
    await supervisor.went_well()
    assert (await rig.sees("contact.ended")).reason == "completed_caller"
    await rig.quiet()


async def test_a_supervisor_who_hangs_up_disturbs_nobody(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(9)], sipp.hang_up())
    await rig.sees("contact.connected")
    await until_slow(lambda: any(len(bridge["channels"]) == 2 for bridge in rig.lab.bridges()), 5)
    supervisor = await rig.dials("agent0009", "*51a-1", sipp.until_answered(), [sipp.pause(0.7)], sipp.hang_up())
    await supervisor.went_well()
    # Asterisk lists a snoop channel that is gone until the next packet of the other, and SIPp's phones are silent.
    await until_slow(lambda: len(rig.lab.bridges()) == 1, 5)
    names = [channel["name"] for channel in rig.lab.channels() if not channel["name"].startswith("Snoop/")]
    assert len(names) == 2
    await caller.went_well()
    await agent.went_well()
    await rig.quiet()


async def test_a_phone_that_is_not_registered_keeps_its_agent_paused(rig: Rig) -> None:
    await rig.start()
    assert rig.watcher is not None
    await rig.watcher.login("a-1", address="PJSIP/roamer", ready=True)
    await rig.sees("agent.changed", agent="a-1", state="paused", reason="phone_unavailable")
    registered = await rig.phone("registers", sipp.register("roamer", 300), target="roamer")
    await registered.went_well()
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    gone = await rig.phone("unregisters", sipp.register("roamer", 0), target="roamer", port=registered.port)
    await gone.went_well()
    await rig.sees("agent.changed", agent="a-1", state="paused", count=2)


async def test_an_agent_in_a_call_of_his_own_gets_no_offers(rig: Rig) -> None:
    await rig.start(f"{NUMBERS}\nphones = {{ device_states = true }}")
    await rig.login()
    await until_slow(lambda: lamp(rig) == "NOT_INUSE", 5)
    private = await rig.dials("agent0001", "1000", sipp.until_answered(), [sipp.pause(4)], sipp.hang_up())
    busy = await rig.sees("agent.changed", agent="a-1", state="busy", reason="outside")
    await until_slow(lambda: lamp(rig) == "INUSE", 5)
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(7)], sipp.hang_up())
    offered = await rig.sees("contact.offered")
    await private.went_well()
    assert (await rig.sees("agent.changed", agent="a-1", state="ready", count=2)).at <= offered.at
    assert offered.at - busy.at > 3e9
    for phone in (caller, agent):
        await phone.went_well()
    await rig.quiet()


async def test_a_phone_that_somebody_else_calls_rings_for_nobody_else(rig: Rig) -> None:
    await rig.start()
    await rig.login()
    private = await rig.agent([*sipp.rung(), sipp.pause(1), *sipp.answer(), sipp.pause(1), *sipp.agent_hangs_up()])
    rig.lab.originate("private", "PJSIP/agent0001", "lab-targets", "1000")
    await rig.sees("agent.changed", agent="a-1", state="busy", reason="outside")
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await caller.went_well()
    await private.went_well()
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    assert rig.contacts_of("contact.offered") == []
    await rig.quiet()


@pytest.mark.parametrize("still", [True, False])
async def test_a_private_call_is_known_over_a_restart_of_the_adapter(rig: Rig, still: bool) -> None:
    await rig.start()
    await rig.login()
    lasts = 9 if still else 3
    private = await rig.dials("agent0001", "1000", sipp.until_answered(), [sipp.pause(lasts)], sipp.hang_up())
    await rig.sees("agent.changed", agent="a-1", state="busy", reason="outside")
    await rig.adapter.kill()
    if not still:
        await private.went_well()
    await rig.adapter.start()
    await rig.adapter.in_step(2)
    assert rig.watcher is not None
    if still:
        await asyncio.sleep(1)
        (agent,) = await rig.watcher.listing("agents")
        assert (agent["activity"], agent["outside"]) == ("busy", {"voice": 1})
        await private.went_well()
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    await rig.quiet()


def lamp(rig: Rig) -> str:
    """What the lamp of the first agent shows."""
    return str(rig.lab.ari("GET", "/deviceStates/Stasis%3Aacd-a-1")["state"])
