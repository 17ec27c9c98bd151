"""`acd explain --at` and of offers: the past, told from the journal beside the server that writes it."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from acd_core.explain import explain_contact
from acd_core.explain_offer import OfferExplanation, explain_offer
from server.__main__ import main
from server.errors import Corrupt, StartError
from server.past import decision_of, state_at
from tests.support import centre
from tests.support.damage import damage
from tests.support.line_client import LineClient
from tests.support.server_process import ServerProcess

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await LineClient.close_all()


def untold(_applied: int, _now_ns: int) -> None:
    """No progress."""


async def a_morning(server: ServerProcess) -> dict[str, Any]:
    """Two wait, a-2 and then a-1 come; gives the events of offers, by contact, and when both still waited."""
    client = await LineClient.connect(server.port, "pbx-1")
    await client.ask("config.apply", config=centre.config(wrapup_s=0))
    await client.ask("contact.enqueue", contact="early", tenant="acme", queue="support", require="spanish>=2")
    await client.ask("contact.enqueue", contact="late", tenant="acme", queue="support", priority=1)
    waiting_ns = (await client.event("contact.queued"))["at"], (await client.event("contact.queued"))["at"]
    await client.ask("agent.login", agent="a-1")
    await client.ask("agent.login", agent="a-2", ready=True)
    by_agent = await client.event("contact.offered")
    await client.ask("agent.ready", agent="a-1")
    await client.ask("agent.login", agent="a-3", ready=True)
    other = await client.event("contact.offered")
    for event in (by_agent, other):
        await client.ask("offer.accept", offer=event["offer"])
        await client.ask("contact.complete", contact=event["contact"])
    await client.ask("contact.enqueue", contact="third", tenant="acme", queue="support")
    by_contact = await client.event("contact.offered")
    await client.ask("ping")
    return {"by_agent": by_agent, "other": other, "by_contact": by_contact, "waiting_ns": waiting_ns[1]}


async def test_an_offer_is_explained_beside_the_server_that_made_it(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        seen = await a_morning(server)
        decision = await asyncio.to_thread(decision_of, tmp_path, seen["by_agent"]["offer"], untold)
        found = explain_offer(decision)
        assert (found.looked, found.contact, found.agent) == ("agent", "late", "a-2")
        assert (found.decided_by, found.eligible, found.at_ns) == ("urgency", 2, seen["by_agent"]["at"])
        assert [candidate.name for candidate in found.candidates] == ["late", "early"]
        assert found.candidates[0].urgency_s >= 60
        found = explain_offer(decision_of(tmp_path, seen["by_contact"]["offer"], untold))
        assert (found.looked, found.contact, found.decided_by, found.eligible) == ("contact", "third", "idle_order", 3)
        assert found.agent == found.candidates[0].name == seen["by_contact"]["agent"]
        assert found.kept_out == ()


async def test_the_state_of_a_past_instant_comes_back(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        seen = await a_morning(server)
        machine = await asyncio.to_thread(state_at, tmp_path, seen["waiting_ns"], untold)
        found = explain_contact(machine, "early", now=seen["waiting_ns"])
        assert found is not None
        assert (found.state, found.queue_position, found.agents_logged_in) == ("queued", 2, 0)
        assert [contact.contact for contact in machine.contacts()] == ["early", "late"]
        later = state_at(tmp_path, seen["by_contact"]["at"] + 25 * 10**9, untold)
        contact = later.contact("third")
        assert contact is not None
        assert contact.offer != seen["by_contact"]["offer"], "that one would have timed out by then"


async def test_the_command_tells_it_in_words_and_in_json(tmp_path: Path, capsys: Capture) -> None:
    async with ServerProcess(tmp_path / "live") as server:
        seen = await a_morning(server)
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "live", copy)
    options = ("--data", str(copy))

    async def told(*words: str) -> str:
        assert await asyncio.to_thread(main, ["explain", *words, *options]) == 0
        return capsys.readouterr().out

    text = await told("offer", seen["by_agent"]["offer"])
    assert "could serve 2 waiting contacts; he was offered late of acme/support. What decided was urgency" in text
    assert re.search(r"\nlate +0 +0 +1:0\d +0:0\d\nearly +0 +0 +0:0\d +0:0\d\n", text)
    found = msgspec.json.decode(await told("offer", seen["by_contact"]["offer"], "--json"), type=OfferExplanation)
    assert (found.contact, found.decided_by) == ("third", "idle_order")
    text = await told("contact", "early", "--at", str(seen["waiting_ns"]))
    assert text.startswith("At 2")
    assert "early waits in acme/support" in text
    text = await told("agent", "a-1", "--at", str(seen["waiting_ns"]))
    assert "a-1 is logged out. 2 contacts wait; 1 of them he could serve" in text


async def test_what_the_journal_does_not_know_is_said(tmp_path: Path, capsys: Capture) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        await a_morning(server)
    data = ("--data", str(tmp_path / "data"))
    for words, status, said in (
        (("offer", "o-99", *data), 2, "knows no offer o-99"),
        (("offer", "late", *data), 2, "offers are called such as o-12"),
        (("offer", "o-1", "--at", "1", *data), 2, "an offer has its own time"),
        (("contact", "late", "--at", "1000", *data), 2, "nothing had happened by then"),
        (("contact", "nobody", "--at", "2030-01-01T00:00:00", *data), 1, "there was no contact nobody"),
        (("contact", "late", "--at", "2030-01-01T00:00:00", "--data", str(tmp_path)), 2, "there is no journal"),
    ):
        assert await asyncio.to_thread(main, ["explain", *words]) == status, words
        assert said in capsys.readouterr().err, words
    with pytest.raises(SystemExit):
        main(["explain", "contact", "late", "--at", "noon"])
    assert "invalid time value" in capsys.readouterr().err


async def test_a_damaged_journal_is_no_past(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:
        await a_morning(server)
        assert await server.stop() == 0
    damage(tmp_path, 3)
    with pytest.raises((Corrupt, StartError)):
        decision_of(tmp_path, "o-2", untold)
