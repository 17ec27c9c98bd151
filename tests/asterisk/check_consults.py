"""An agent asks a colleague about his caller, brings him in, hands over or returns: all of it by command."""

from typing import Any

import pytest

from acd_protocol.client import Client
from tests.asterisk import sipp
from tests.asterisk.lab import Lab
from tests.asterisk.rig import Rig, until_slow
from tests.asterisk.sipp import Sipp

QUEUES: list[dict[str, Any]] = [
    {"tenant": "acme", "name": "support", "offer_timeout_s": 6, "reject_cooldown_s": 0.5},
    {"tenant": "acme", "name": "second-line", "offer_timeout_s": 6, "reject_cooldown_s": 0.5},
]
NUMBERS = 'numbers = { "2000" = "support" }'
STAYS = [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()]


def hangs_up(after_s: float) -> list[str]:
    """An agent who answers, and hangs up so long after."""
    return [*sipp.rung(), *sipp.answer(), sipp.pause(after_s), *sipp.agent_hangs_up()]


class Question:
    """A caller who talks with agent 1, who asks agent 2 about him: `contact`, `question`."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.contact = ""
        self.question = ""
        self.phones: list[Sipp] = []

    @property
    def desk(self) -> Client:
        """The program by which agents act."""
        assert self.rig.watcher is not None
        return self.rig.watcher

    async def begin(self, *caller: list[str], text: str = NUMBERS, first: list[str] = STAYS) -> None:
        """The caller talks with agent 1. What he does then is in `caller`."""
        rig = self.rig
        await rig.start(text, agents=3, queues=QUEUES)
        await rig.login(1)
        self.phones.append(await rig.agent(first, 1))
        self.phones.append(await rig.caller(sipp.until_answered(), *caller))
        self.contact = (await rig.sees("contact.connected", agent="a-1")).contact
        await self.together("caller", 1)

    async def ask(self, agent: int, steps: list[str], **how: Any) -> None:
        """Agent 1 asks another, in the second line."""
        await self.rig.login(agent)
        self.phones.append(await self.rig.agent(steps, agent))
        self.question = f"{self.contact}/{agent}"
        await self.desk.consult(self.contact, self.question, queue="second-line", agent=f"a-{agent}", **how)

    async def asked(self, agent: int = 2, steps: list[str] = STAYS) -> None:
        """As `ask`, and the two talk aside, while the caller hears music."""
        await self.ask(agent, steps)
        await self.rig.sees("contact.connected", contact=self.question)
        await self.together(1, agent)
        await self.alone()

    async def together(self, *who: int | str) -> None:
        """Wait until just these are in one bridge: agents by number, and `caller`."""
        names = sorted("PJSIP/callers" if one == "caller" else f"PJSIP/agent{one:04d}" for one in who)
        await until_slow(lambda: names in members(self.rig.lab).values(), 8)

    async def alone(self) -> None:
        """Wait until the caller is with nobody."""
        await until_slow(lambda: not any("PJSIP/callers" in who for who in members(self.rig.lab).values()), 8)

    async def over(self, reason: str) -> None:
        """All phones went as they should, and so did the contact."""
        for phone in self.phones:
            await phone.went_well()
        assert await self.rig.outcome(self.contact) == reason
        await self.rig.quiet()


def members(lab: Lab) -> dict[str, list[str]]:
    """Who is in each bridge, by the names of their devices."""
    names = {channel["id"]: channel["name"].rpartition("-")[0] for channel in lab.channels()}
    return {
        bridge["id"]: sorted(names[channel] for channel in bridge["channels"] if channel in names)
        for bridge in lab.bridges()
    }


@pytest.fixture
async def question(rig: Rig) -> Question:
    """Nothing has happened yet."""
    return Question(rig)


async def test_a_colleague_is_asked_and_the_agent_returns(question: Question) -> None:
    await question.begin([sipp.pause(9)], sipp.hang_up())
    await question.asked()
    await question.desk.complete(question.question)
    await question.together("caller", 1)
    await question.over("completed_caller")
    assert await question.rig.outcome(question.question) == "completed_agent"


async def test_a_colleague_who_hangs_up_sends_the_agent_back_to_the_caller(question: Question) -> None:
    await question.begin([sipp.pause(10)], sipp.hang_up())
    await question.asked(2, hangs_up(3))
    await question.together("caller", 1)
    await question.over("completed_caller")
    assert await question.rig.outcome(question.question) == "completed_agent"


async def test_an_attended_transfer_by_command(question: Question) -> None:
    rig = question.rig
    await question.begin([sipp.pause(9)], sipp.hang_up())
    await question.asked()
    await question.desk.merge(question.question, transfer=True)
    await question.together("caller", 2)
    # The one who asked is free while the two talk on.
    await question.phones[0].went_well()
    await rig.sees("agent.changed", agent="a-1", state="ready", count=2)
    await question.over("completed_caller")
    assert (await rig.sees("contact.ended", contact=question.contact)).agent == "a-2"
    assert rig.lines["ATTENDEDTRANSFER"] == 1


async def test_an_agent_who_hangs_up_while_he_asks_leaves_the_caller_to_his_colleague(question: Question) -> None:
    await question.begin([sipp.pause(10)], sipp.hang_up(), first=hangs_up(5))
    await question.asked()
    await question.together("caller", 2)
    await question.over("completed_caller")
    assert await question.rig.outcome(question.question) == "transferred"


async def test_a_caller_who_hangs_up_while_a_colleague_is_asked_ends_it_for_all(question: Question) -> None:
    await question.begin([sipp.pause(5)], sipp.hang_up())
    await question.asked()
    await question.over("completed_caller")
    assert await question.rig.outcome(question.question) == "completed_caller"


@pytest.mark.parametrize("first_to_leave", [1, 2])
async def test_a_conference_of_three_goes_on_as_two(question: Question, first_to_leave: int) -> None:
    steps = [hangs_up(7) if agent == first_to_leave else STAYS for agent in (1, 2)]
    await question.begin([sipp.pause(13)], sipp.hang_up(), first=steps[0])
    await question.asked(2, steps[1])
    await question.desk.merge(question.question)
    await question.together("caller", 1, 2)
    await question.together("caller", 3 - first_to_leave)
    left = await question.rig.sees("contact.left")
    assert (left.agent, left.talking) == (f"a-{first_to_leave}", 1)
    await question.over("completed_caller")


async def test_a_conference_ends_when_the_last_agent_hangs_up(question: Question) -> None:
    await question.begin(sipp.be_hung_up(), first=hangs_up(6))
    await question.asked(2, hangs_up(8))
    await question.desk.merge(question.question)
    await question.together("caller", 1, 2)
    await question.over("completed_agent")


async def test_a_caller_who_leaves_a_conference_ends_it(question: Question) -> None:
    await question.begin([sipp.pause(7)], sipp.hang_up())
    await question.asked()
    await question.desk.merge(question.question)
    await question.together("caller", 1, 2)
    await question.over("completed_caller")


async def test_a_third_agent_joins_a_conference_and_one_is_dropped_by_command(question: Question) -> None:
    await question.begin([sipp.pause(13)], sipp.hang_up())
    await question.asked()
    await question.desk.merge(question.question)
    await question.together("caller", 1, 2)
    await question.ask(3, STAYS, asked_by="a-1")
    # While one of the two asks, the other talks on with the caller.
    await question.together(1, 3)
    await question.together("caller", 2)
    await question.desk.merge(question.question)
    await question.together("caller", 1, 2, 3)
    await question.desk.drop(question.contact, "a-1")
    await question.together("caller", 2, 3)
    await question.phones[0].went_well()
    await question.over("completed_caller")


@pytest.mark.parametrize("how", ["rings", "busy", "gives up"])
async def test_a_colleague_who_is_not_reached_changes_nothing_for_the_caller(question: Question, how: str) -> None:
    rig = question.rig
    await question.begin([sipp.pause(8)], sipp.hang_up())
    await question.ask(2, sipp.refuse("486 Busy Here") if how == "busy" else [*sipp.rung(), *sipp.be_cancelled()])
    await rig.sees("contact.offered", contact=question.question)
    await question.together("caller", 1)
    if how == "busy":
        assert (await rig.sees("offer.ended", contact=question.question)).cause == "busy"
        assert rig.watcher is not None
        await rig.watcher.pause("a-2")
    if how == "gives up":
        await until_slow(lambda: any(each["state"] == "Ringing" for each in rig.lab.channels()), 5)
        await question.desk.abandon(question.question)
    await question.together("caller", 1)
    await question.over("completed_caller")
    assert await rig.outcome(question.question) in ("abandoned", "withdrawn")


async def test_an_agent_who_hangs_up_before_his_colleague_answers_ends_the_call(question: Question) -> None:
    await question.begin(sipp.be_hung_up(), first=hangs_up(4))
    await question.ask(2, [*sipp.rung(), *sipp.be_cancelled()])
    await question.over("completed_agent")


async def test_a_caller_who_hangs_up_before_the_colleague_answers_stops_his_phone(question: Question) -> None:
    await question.begin([sipp.pause(4)], sipp.hang_up())
    await question.ask(2, [*sipp.rung(), *sipp.be_cancelled()])
    await question.over("completed_caller")
    assert await question.rig.outcome(question.question) == "withdrawn"


async def test_hold_by_command_gives_the_caller_music(question: Question) -> None:
    await question.begin([sipp.pause(7)], sipp.hang_up())
    await question.desk.hold(question.contact)
    await question.alone()
    await question.desk.unhold(question.contact)
    await question.together("caller", 1)
    await question.over("completed_caller")


@pytest.mark.parametrize("dies", ["adapter", "engine"])
@pytest.mark.parametrize("state", ["aside", "conference"])
async def test_who_asks_talks_on_while_something_dies(question: Question, dies: str, state: str) -> None:
    rig = question.rig
    await question.begin([sipp.pause(17)], sipp.hang_up())
    await question.asked()
    if state == "conference":
        await question.desk.merge(question.question)
        await question.together("caller", 1, 2)
    before = members(rig.lab)
    if dies == "adapter":
        await rig.adapter.kill()
        await rig.adapter.start()
        await rig.adapter.in_step(2)
    else:
        port = rig.server.port
        await rig.server.kill()
        await rig.restart_engine(port)
        await rig.watcher.ping()  # type: ignore[union-attr]
    assert members(rig.lab) == before
    if state == "aside":
        await question.desk.merge(question.question, transfer=True)
    else:
        await question.desk.drop(question.contact, "a-1")
    await question.together("caller", 2)
    await question.over("completed_caller")


async def test_a_colleague_who_hangs_up_while_no_adapter_is_there_sends_the_agent_back(question: Question) -> None:
    rig = question.rig
    await question.begin([sipp.pause(14)], sipp.hang_up())
    await question.asked(2, hangs_up(4))
    await rig.adapter.kill()
    await question.phones[-1].went_well()
    await rig.adapter.start()
    await question.together("caller", 1)
    await question.over("completed_caller")
