"""The queue_log, line by line, and the file of it after a crash."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from acd_pbx.asterisk.queue_log import Known, Memory, QueueLog
from acd_pbx.asterisk.queue_log_file import QueueLogFile
from acd_protocol.words import (
    AgentChanged,
    ContactCallbackChanged,
    ContactConnected,
    ContactEnded,
    ContactLeft,
    ContactOffered,
    ContactOverflowed,
    ContactQueued,
    ContactWrapup,
    Event,
    OfferEnded,
)
from tests.support.queue_log import check_queue_log

START = 1_763_776_800
KINDS: dict[str, type[Event]] = {
    "queued": ContactQueued,
    "overflowed": ContactOverflowed,
    "offered": ContactOffered,
    "callback": ContactCallbackChanged,
    "offer_ended": OfferEnded,
    "connected": ContactConnected,
    "left": ContactLeft,
    "wrapup": ContactWrapup,
    "ended": ContactEnded,
    "agent": AgentChanged,
}


class Story:
    """Events by hand, each a second after the last."""

    def __init__(self, memory: Memory | None = None, **known: Any) -> None:
        self.known = Known("77.1", "4930", **known)
        self.log = QueueLog(memory or Memory(), lambda contact: self.known._replace(callid=contact))
        self.seq = 0
        self.text: list[str] = []

    def tell(self, kind: str, contact: str = "c", **fields: Any) -> list[str]:
        self.seq += 1
        base: dict[str, Any] = {"seq": self.seq, "at": (START + self.seq) * 1_000_000_000}
        about = {"contact": contact, "tenant": "acme", "queue": "support"}
        defaults: dict[str, dict[str, Any]] = {
            "queued": about | {"priority": 0, "position": 1},
            "overflowed": about | {"to": "sales", "cause": "step", "wait": 0},
            "offered": about
            | {"offer": "o-1", "agent": "a-1", "address": "", "expires_in": 9, "wait": 0, "attributes": {}},
            "callback": about | {"agent": ""},
            "offer_ended": about | {"offer": "o-1", "agent": "a-1", "outcome": "timed_out", "cause": ""},
            "connected": about | {"offer": "o-1", "agent": "a-1", "wait": 1},
            "left": about | {"agent": "a-1", "talking": 1},
            "wrapup": about | {"agent": "a-1", "reason": "completed_agent", "talk": 1, "expires_in": 1},
            "ended": about | {"agent": "", "reason": "abandoned", "wait": 1, "talk": 0},
            "agent": {"agent": "a-1", "state": "ready"},
        }
        lines = self.log.lines_of(KINDS[kind](**{**base, **defaults[kind], **fields}))
        self.text += lines
        return lines


def test_a_call_that_is_answered() -> None:
    story = Story()
    assert story.tell("queued") == [f"{START + 1}|c|support|NONE|ENTERQUEUE||4930|1"]
    assert story.tell("offered") == []
    assert story.tell("connected") == [f"{START + 3}|c|support|a-1|CONNECT|2|o-1-c|1"]
    assert story.tell("wrapup") == [f"{START + 4}|c|support|a-1|COMPLETEAGENT|2|1|1"]
    assert story.tell("ended", reason="completed_agent") == []
    check_queue_log("\n".join(story.text))


@pytest.mark.parametrize(
    ("reason", "known", "line"),
    [
        ("abandoned", {}, "ABANDON|1|1|1"),
        ("max_wait", {}, "EXITWITHTIMEOUT|1|1|1"),
        ("diverted", {}, "EXITWITHTIMEOUT|1|1|1"),
        ("no_agents", {}, "EXITEMPTY|1|1|1"),
        ("withdrawn", {"key": "1"}, "EXITWITHKEY|1|1|1|1"),
        ("withdrawn", {}, "WITHDRAW|1|1|1|"),
        ("withdrawn", {"lost": True}, "WITHDRAW|1|1|1|lost"),
    ],
)
def test_a_wait_ends_in_exactly_one_way(reason: str, known: dict[str, Any], line: str) -> None:
    story = Story(**known)
    story.tell("queued")
    assert story.tell("ended", reason=reason) == [f"{START + 2}|c|support|NONE|{line}"]
    check_queue_log("\n".join(story.text))


@pytest.mark.parametrize(
    ("transfer", "line"),
    [
        (("blind", "1000", "from-agents"), "BLINDTRANSFER|1000|from-agents|2|1|1"),
        (("attended", "Local/x;1", "Local/x;2"), "ATTENDEDTRANSFER|LINK|Local/x;1|Local/x;2|2|1|1"),
    ],
)
def test_a_transfer_says_where_to(transfer: tuple[str, ...], line: str) -> None:
    story = Story(transfer=transfer)
    story.tell("queued")
    story.tell("offered")
    story.tell("connected")
    assert story.tell("ended", reason="transferred") == [f"{START + 4}|c|support|a-1|{line}"]
    check_queue_log("\n".join(story.text))


def test_who_leaves_a_conference_to_his_colleague_has_transferred_and_who_leaves_him_has_not() -> None:
    story = Story()
    for word in ("queued", "offered", "connected"):
        story.tell(word)
    assert story.tell("left", agent="a-2") == []
    assert story.tell("wrapup", agent="a-2") == []
    assert story.tell("left") == [f"{START + 6}|c|support|a-1|ATTENDEDTRANSFER|BRIDGE|acd-bridge/c|2|3|1"]
    assert story.tell("wrapup", reason="transferred") == []
    assert story.tell("ended", reason="completed_caller") == []
    check_queue_log("\n".join(story.text))


def test_a_contact_that_goes_to_another_queue_has_two_stints() -> None:
    story = Story()
    story.tell("queued")
    story.tell("offered")
    story.tell("connected")
    lines = story.tell("queued", queue="sales", position=2)
    assert [line.split("|")[2:5] for line in lines] == [
        ["support", "a-1", "BLINDTRANSFER"],
        ["sales", "NONE", "ENTERQUEUE"],
    ]
    assert story.tell("wrapup", reason="transferred") == []
    assert [line.split("|")[4] for line in story.tell("ended")] == ["ABANDON"]
    assert check_queue_log("\n".join(story.text))["ENTERQUEUE"] == 2


def test_phones_that_rang_for_nothing() -> None:
    story = Story()
    story.tell("queued")
    story.tell("offered")
    assert story.tell("offer_ended") == [f"{START + 3}|c|support|a-1|RINGNOANSWER|1000"]
    story.tell("offered", offer="o-2")
    assert story.tell("offer_ended", offer="o-2", outcome="withdrawn") == [
        f"{START + 5}|c|support|a-1|RINGCANCELED|1000"
    ]


def test_the_position_at_the_end_is_that_of_the_end() -> None:
    story = Story()
    for number in range(1, 4):
        story.tell("queued", f"c{number}", position=number)
    story.tell("ended", "c1")
    assert story.tell("ended", "c3")[0].split("|")[5:] == ["2", "3", "2"]


@pytest.mark.parametrize(
    ("reason", "word"), [("queue_full", "FULL"), ("no_agents", "JOINEMPTY"), ("diverted", "DIVERTED")]
)
def test_who_was_not_let_in_has_a_line(reason: str, word: str) -> None:
    story = Story()
    assert story.tell("ended", reason=reason) == [f"{START + 1}|c|support|NONE|{word}|"]
    check_queue_log("\n".join(story.text))


def test_who_is_sent_on_has_a_line_in_each_queue_that_refused_him() -> None:
    story = Story()
    assert story.tell("overflowed", cause="closed", to="sales") == [f"{START + 1}|c|support|NONE|CLOSED|"]
    story.tell("queued", queue="sales")
    assert story.tell("overflowed", queue="sales", cause="nobody") == [f"{START + 3}|c|sales|NONE|EXITEMPTY|1|1|1"]
    assert story.tell("overflowed", queue="last", cause="full") == [f"{START + 4}|c|last|NONE|FULL|"]
    assert story.tell("ended", queue="home", reason="no_agents") == [f"{START + 5}|c|home|NONE|JOINEMPTY|"]
    check_queue_log("\n".join(story.text))


def test_a_callback_that_is_given_up_or_moved_was_not_refused() -> None:
    story = Story(key="2")
    story.tell("queued")
    story.tell("callback")
    assert story.tell("overflowed", cause="step") == []
    assert story.tell("ended", reason="no_agents") == []
    check_queue_log("\n".join(story.text))


def test_agents_come_pause_and_go() -> None:
    story = Story()
    words = [
        [line.split("|", 3)[3] for line in story.tell("agent", **fields)]
        for fields in (
            {"state": "paused", "reason": "login"},
            {"state": "ready"},
            {"state": "offered"},
            {"state": "paused", "reason": "lunch"},
            {"state": "logged_out"},
            {"state": "logged_out"},
        )
    ]
    assert words == [
        ["a-1|AGENTLOGIN|a-1", "a-1|PAUSEALL|login"],
        ["a-1|UNPAUSEALL|"],
        [],
        ["a-1|PAUSEALL|lunch"],
        ["a-1|UNPAUSEALL|", "a-1|AGENTLOGOFF|a-1|4"],
        [],
    ]


def test_a_field_cannot_break_a_line() -> None:
    story = Story(key="1")
    story.known = story.known._replace(number="4|9\n")
    assert story.tell("queued")[0].split("|")[5:] == ["", "4_9 ", "1"]


def test_an_event_that_comes_again_gives_nothing() -> None:
    story = Story()
    story.tell("queued")
    story.seq = 0
    assert story.tell("queued") == []


def test_what_nobody_saw_the_end_of_is_closed() -> None:
    story = Story()
    for contact in ("waits", "talks", "lives"):
        story.tell("queued", contact)
    story.tell("connected", "talks")
    lines = story.log.reconcile({"lives"})
    assert [line.split("|")[4] for line in lines] == ["ABANDON", "COMPLETECALLER"]


# The file


async def play(path: Path, crash_after: int | None = None) -> None:
    """Write a story of forty calls; or only its beginning, and stop without saving the end."""
    file = QueueLogFile(path)
    story = Story(file.memory)
    file.write([], file.memory.at)  # as when the adapter has compared what it knows with the engine
    for number in range(40):
        for kind in ("queued", "offered", "connected", "wrapup"):
            position = {"position": 1} if kind == "queued" else {}
            lines = story.tell(kind, f"c{number}", **position)
            file.write(lines, story.log.memory.at)
            if story.seq == 20:
                file.save()
            if story.seq == crash_after:
                if file._timer is not None:
                    file._timer.cancel()
                file._file.close()
                return
    file.close()


@pytest.mark.parametrize("crash_after", [1, 19, 20, 21, 77, 159])
async def test_after_a_crash_the_file_is_as_if_there_had_been_none(tmp_path: Path, crash_after: int) -> None:
    await play(tmp_path / "whole")
    await play(tmp_path / "broken", crash_after)
    with (tmp_path / "broken").open("ab") as file:
        file.write(b"17637768")  # half a line
    await play(tmp_path / "broken")
    assert (tmp_path / "broken").read_text() == (tmp_path / "whole").read_text()
    assert check_queue_log((tmp_path / "whole").read_text())["COMPLETEAGENT"] == 40


async def test_a_damaged_state_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "log.state").write_text("{")
    file = QueueLogFile(tmp_path / "log")
    assert file.memory == Memory()
    file.close()
    assert msgspec.json.decode((tmp_path / "log.state").read_bytes())["size"] == 0


def test_each_attempt_to_call_somebody_back_is_a_stint() -> None:
    story = Story(key="2")
    story.tell("queued")
    assert story.tell("callback") == [f"{START + 2}|c|support|NONE|EXITWITHKEY|2|1|1|1"]
    assert story.tell("offered", callback="4930") == [f"{START + 3}|c|support|NONE|ENTERQUEUE||4930|1"]
    assert story.tell("offer_ended")[0].endswith("RINGNOANSWER|1000")
    assert story.tell("offered", callback="4930", offer="o-2") == []
    assert story.tell("connected", offer="o-2")[0].endswith("|CONNECT|3|o-2-c|1")
    # The customer is busy. Back in line he is not on the phone, and no stint begins.
    assert story.tell("callback", cause="busy")[0].endswith("|a-1|COMPLETECALLER|3|1|1")
    assert story.tell("queued") == []
    story.tell("offered", callback="4930", offer="o-3")
    story.tell("connected", offer="o-3")
    assert story.tell("wrapup", reason="callback_done")[0].endswith("|COMPLETEAGENT|1|1|1")
    assert story.tell("ended", reason="callback_done") == []
    assert story.log.memory.callbacks == set()
    assert check_queue_log("\n".join(story.text))["ENTERQUEUE"] == 3


def test_a_callback_that_is_asked_for_by_another_program_is_withdrawn() -> None:
    story = Story()
    story.tell("queued")
    assert story.tell("callback") == [f"{START + 2}|c|support|NONE|WITHDRAW|1|1|1|callback"]
    assert story.tell("ended", reason="max_wait") == []
    check_queue_log("\n".join(story.text))


def test_a_customer_who_is_handed_on_enters_the_other_queue() -> None:
    story = Story(key="2")
    story.tell("queued")
    story.tell("callback")
    story.tell("offered", callback="4930")
    story.tell("connected")
    lines = story.tell("queued", queue="sales")
    assert [line.split("|")[4] for line in lines] == ["BLINDTRANSFER", "ENTERQUEUE"]
    story.tell("ended", queue="sales")
    check_queue_log("\n".join(story.text))


async def test_a_line_is_known_again_when_the_key_is_forgotten(tmp_path: Path) -> None:
    for key in ("2", ""):
        file = QueueLogFile(tmp_path / "log")
        story = Story(file.memory, key=key)
        for kind in ("queued", "callback", "offered"):
            file.write(story.tell(kind), story.log.memory.at)
        assert file._timer is not None
        file._timer.cancel()
        file._file.close()
    words = [line.split("|")[4] for line in (tmp_path / "log").read_text().splitlines()]
    assert words == ["QUEUESTART", "ENTERQUEUE", "EXITWITHKEY"]
