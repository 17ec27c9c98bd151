"""`acd top`: keys lead where they should, every screen fits its terminal, and the terminal is as before afterwards."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path
from typing import Any

import msgspec
import pytest

from acd_core import Config, Engine, Machine
from acd_core.config import Agent, Queue, Settings, Tenant
from acd_core.explain import explain_agent, explain_contact
from acd_core.views import AGENT_STATES, CONTACT_STATES
from acd_protocol.client import Client
from acd_protocol.messages import ListedContact
from server.top.app import Top, View
from server.top.keys import KeyReader
from server.top.tables import CONTACT_ORDER, STATE_STYLES
from tests.support.server_process import ROOT, ServerProcess
from tests.support.wait import patient, until

S = 1_000_000_000
START = 1_800_000_000 * S
SIZES = [(80, 24), (100, 30), (200, 60), (40, 10)]


def centre() -> Config:
    return Config(
        tenants=(Tenant(name="acme"), Tenant(name="zeta")),
        queues=tuple(
            Queue(tenant=tenant, name=name, require="spanish" if name == "support" else "")
            for tenant in ("acme", "zeta")
            for name in ("support", "sales", "a-queue-with-a-name-of-some-length")
        ),
        skills=("spanish",),
        agents=tuple(Agent(agent=f"a-{number}", skills={"spanish": 50} if number % 2 else {}) for number in range(30)),
        settings=Settings(),
    )


def machine() -> Machine:
    """Five contacts wait for Spanish, three agents are there who do not speak it; one talks."""
    made: Machine = Engine()
    made.apply_config(START, centre())
    for number in range(5):
        made.enqueue_contact(START + number * S, "pbx", f"c-{number}", "acme", "support", number, "", {"ani": "+34600"})
    for number in (0, 2, 4):
        made.login_agent(START + 6 * S, "pbx", f"a-{number}", None, True)
    made.pause_agent(START + 7 * S, "a-2", "lunch")
    made.enqueue_contact(START + 8 * S, "pbx", "c-sales", "zeta", "sales", 0, "", {})
    offer = next(view.offer for view in made.agents() if view.offer)
    made.accept_offer(START + 10 * S, offer)
    made.advance(START + 200 * S)
    return made


def fill(top: Top, engine: Machine) -> None:
    """What a feed would do."""
    stats = {"domain": engine.domain(), "queues": engine.queues()}
    top.take_stats(msgspec.to_builtins(stats))
    view = top.view
    tenant, _, queue = view.subject.partition("/")
    if view.kind == "agents":
        top.agents = engine.agents()
    elif view.kind == "contacts":
        top.contacts = msgspec.convert(msgspec.to_builtins(engine.contacts(tenant, queue)), list[ListedContact])
    elif view.kind == "contact":
        top.explained = explain_contact(engine, view.subject, now=engine.now) or ""
    elif view.kind == "agent":
        top.explained = explain_agent(engine, view.subject, now=engine.now) or ""


@pytest.fixture
def engine() -> Machine:
    return machine()


@pytest.fixture
def top(engine: Machine) -> Top:
    made = Top("acd test")
    fill(made, engine)
    made.draw(80, 24)
    return made


def press(top: Top, engine: Machine, *keys: str) -> str:
    for key in keys:
        top.press(key)
        fill(top, engine)
        top.draw(80, 24)
    fill(top, engine)
    return top.draw(80, 24).plain


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"jk/", ["j", "k", "/"]),
        (b"\x1b[A\x1b[B\x1bOC\x1b[5~\x1b[6~\x1b[H", ["up", "down", "right", "page-up", "page-down", "home"]),
        (b"\r\n\x7f\t\x03", ["enter", "enter", "backspace", "tab", "q"]),
        ("é€".encode(), ["é", "€"]),
        (b"\x1b[24~x\x1b[1;5Cy\x01z", ["x", "y", "z"]),
        (b"\x1bj", ["escape", "j"]),
    ],
)
def test_bytes_become_keys(data: bytes, keys: list[str]) -> None:
    assert KeyReader().feed(data) == keys
    reader = KeyReader()
    assert [key for byte in data for key in reader.feed(bytes([byte]))] == keys


def test_an_escape_alone_is_the_esc_key() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b") == []
    assert reader.waiting
    assert reader.flush() == ["escape"]
    assert reader.flush() == []


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "keys", [(), ("2",), ("3",), ("enter",), ("3", "enter"), ("2", "enter"), ("?",), ("/", "x"), ("s", "S", "S")]
)
def test_every_screen_fits_its_terminal(top: Top, engine: Machine, keys: Any, width: int, height: int) -> None:
    press(top, engine, *keys)
    lines = top.draw(width, height).plain.split("\n")
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_the_queue_with_most_waiting_stands_first_and_is_selected(top: Top, engine: Machine) -> None:
    lines = press(top, engine).split("\n")
    assert "5 waiting, oldest 3:20" in lines[0]
    assert "paused 1" in lines[1]
    assert "acme/support" in lines[4]
    assert top.view.selected == "acme/support"


def test_from_a_queue_over_its_contacts_to_the_reason_why_one_waits(top: Top, engine: Machine) -> None:
    shown = press(top, engine, "enter")
    assert "queues > acme/support" in shown
    assert "c-sales" not in shown
    shown = press(top, engine, "down", "enter")
    assert f"Contact {top.view.subject}" in shown
    assert "spanish" in shown
    assert "What keeps him from it" in shown
    assert "queues" in press(top, engine, "escape", "escape").split("\n")[-1]
    assert len(top._views) == 1


def test_from_an_agent_to_what_keeps_him_from_those_who_wait(top: Top, engine: Machine) -> None:
    shown = press(top, engine, "2")
    assert "paused: lunch" in shown
    while top.view.selected != "a-2":
        press(top, engine, "down")
    shown = press(top, engine, "enter")
    assert "Agent a-2" in shown
    assert "acme/support" in shown


def test_the_selection_stays_on_its_row_when_others_go(top: Top, engine: Machine) -> None:
    press(top, engine, "3", "down", "down")
    chosen = top.view.selected
    first = top.rows()[0].contact
    engine.abandon_contact(engine.now, first)
    press(top, engine)
    assert top.view.selected == chosen
    assert top.view.place == 1
    following = top.rows()[2].contact
    engine.abandon_contact(engine.now, chosen)
    press(top, engine)
    assert top.view.selected == following


def test_the_mark_stays_on_top_until_somebody_moves_it(top: Top, engine: Machine) -> None:
    press(top, engine, "3")
    first = top.view.selected
    engine.abandon_contact(engine.now, first)
    press(top, engine)
    assert top.view.place == 0
    assert top.view.selected != first


def test_sorting_and_turning_round(top: Top, engine: Machine) -> None:
    press(top, engine, "3", "S")
    assert [row.contact for row in top.rows()] == sorted(row.contact for row in top.rows())
    press(top, engine, "r")
    assert [row.contact for row in top.rows()] == sorted((row.contact for row in top.rows()), reverse=True)


def test_a_filter_keeps_rows_with_all_its_words(top: Top, engine: Machine) -> None:
    shown = press(top, engine, "2", "/", *"PAUS", "backspace", *"S a-2", "enter")
    assert [row.agent for row in top.rows()] == ["a-2"]
    assert "/PAUS a-2" in shown
    press(top, engine, "escape")
    assert len(top.rows()) == 30
    assert top.view.kind == "agents"
    assert "nothing to show with these words" in press(top, engine, "/", *"zzz")


def test_q_is_a_letter_while_typing(top: Top, engine: Machine) -> None:
    press(top, engine, "/", "q")
    assert not top.ended
    press(top, engine, "escape", "q")
    assert top.ended


def test_ids_that_would_steer_the_terminal_are_escaped(top: Top, engine: Machine) -> None:
    engine.enqueue_contact(engine.now, "pbx", "c-\x1b[2J", "acme", "support", 0, "", {})
    shown = press(top, engine, "3", "/", *"2j")
    assert "\x1b" not in shown
    assert "c-\\x1b[2J" in shown


def test_a_contact_that_is_gone_is_said_to_be(top: Top, engine: Machine) -> None:
    top._views.append(View("contact", subject="c-none"))
    top.explained = "there is no such contact"
    assert "there is no such contact" in top.draw(80, 24).plain


async def test_it_works_in_a_terminal_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        async with Client(port=server.port, name="pbx", events_max=0) as client:
            await client.apply_config(centre())
            await client.enqueue("c-1", "acme", "support")
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        before = termios.tcgetattr(slave)
        screen = bytearray()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "top", "--port", str(server.port)),
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        loop = asyncio.get_running_loop()
        loop.add_reader(master, lambda: screen.extend(os.read(master, 65536)))
        try:
            await until(lambda: b"acme/support" in screen)
            os.write(master, b"\r")
            await until(lambda: b"c-1" in screen)
            os.write(master, b"\r")
            await until(lambda: b"Contact c-1" in screen)
            os.write(master, b"q")
            async with asyncio.timeout(patient(10)):
                assert await process.wait() == 0
        finally:
            loop.remove_reader(master)
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert termios.tcgetattr(slave) == before
        os.close(slave)
        os.close(master)


async def test_without_a_terminal_it_says_what_to_do(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "top"), cwd=ROOT, stdin=-3, stdout=-1, stderr=-1
    )
    _, error = await process.communicate()
    assert process.returncode == 2
    assert b"--json" in error


def test_every_state_has_its_look_and_its_place() -> None:
    assert set(STATE_STYLES) == {*AGENT_STATES, *CONTACT_STATES}
    assert set(CONTACT_ORDER) == set(CONTACT_STATES)
