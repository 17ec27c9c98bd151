"""The log: readable on a terminal, JSON elsewhere, and no client can break a line."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from acd_core import Config
from acd_core.commands import ContactEnqueue
from acd_core.events import ContactOffered
from acd_protocol.client import Client
from server import log
from tests.support import centre
from tests.support.server_process import ServerProcess
from tests.support.wait import patient, until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def handlers_kept() -> Iterator[None]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    root.handlers[:] = kept
    root.setLevel(level)


def test_lines_for_a_terminal() -> None:
    stream = Terminal()
    log.configure(stream)
    log.note(logging.WARNING, "a client was cut off", client="pbx\n12:00 all is well", seq=7)
    (line,) = stream.getvalue().splitlines()
    assert "warning  a client was cut off (client='pbx\\n12:00 all is well', seq=7)" in line


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_json_elsewhere_or_on_demand(stream: io.StringIO) -> None:
    log.configure(stream, json=True)
    try:
        raise ZeroDivisionError("half\nway")
    except ZeroDivisionError:
        log.logger.exception("a command failed")
    log.note(logging.INFO, "serving", port=7410)
    failed, serving = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (failed["level"], failed["message"]) == ("error", "a command failed")
    assert "ZeroDivisionError" in failed["traceback"]
    assert serving["port"] == 7410
    assert serving["time"] > 1_500_000_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [("+34600123456", "**********56"), ("12345", "*****"), (600123456, "*******56"), (True, "****"), ("", "")],
)
def test_attributes_are_masked_unless_named(value: object, shown: str) -> None:
    assert log.masked({"ani": value, "plan": "gold customer"}, {"plan"}) == {"ani": shown, "plan": "gold customer"}


def test_entries_are_found_by_contact() -> None:
    command = ContactEnqueue(contact="c-1", tenant="acme", queue="support", attributes={"ani": "+34600"})
    assert log.about(command) == {"contact": "c-1"}


@pytest.mark.parametrize("shown", [(), ("--log-attributes", "plan, ani")])
async def test_the_life_of_a_contact_is_logged_when_asked_for(tmp_path: Path, shown: tuple[str, ...]) -> None:
    attributes = {"ani": "+34600123456"}
    async with ServerProcess(tmp_path / "data", "--log-contacts", *shown) as server:
        await live(server, attributes)
        await until(lambda: server.said("contact.ended"))
        life = [entry for entry in server.log if entry.get("contact") == "c-1"]
        assert [entry["message"] for entry in life] == [
            "contact.queued",
            "contact.offered",
            "contact.connected",
            "contact.ended",
        ]
        offered = life[1]
        assert offered["agent"] == "a-1"
        assert offered["attributes"] == (attributes if shown else {"ani": "**********56"})
        if not shown:
            assert "+34600123456" not in server.stderr


async def test_contacts_are_not_logged_unless_asked_for(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        await live(server, {"ani": "+34600123456"})
        assert await server.stop() == 0
        assert "c-1" not in server.stderr
        assert "+34600123456" not in server.stderr


async def live(server: ServerProcess, attributes: dict[str, str]) -> None:
    """One contact from arrival to end."""
    async with Client(port=server.port, name="pbx", events_max=0) as client:
        offered = asyncio.get_running_loop().create_future()
        client.on(ContactOffered, lambda event: offered.set_result(event.offer))
        await client.apply_config(msgspec.convert(centre.config(wrapup_s=0), Config))
        await client.login("a-1", ready=True)
        await client.enqueue("c-1", "acme", "support", attributes=attributes)
        async with asyncio.timeout(patient(10)):
            await client.accept(await offered)
        await client.complete("c-1")
