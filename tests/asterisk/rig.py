"""Asterisk, engine and adapter together, each a process of its own, and the phones around them."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeGuard

import msgspec

from acd_core.config import Config, from_json
from acd_core.events import ContactConsulted, ContactEnded, ContactOffered, Event
from acd_protocol.client import Client
from tests.asterisk import journal_story, sipp
from tests.asterisk.journal_story import Story
from tests.asterisk.lab import PROJECT, Lab
from tests.asterisk.sipp import Sipp
from tests.support.queue_log import ENDS, check_queue_log
from tests.support.server_process import ServerProcess
from tests.support.wait import until

QUEUE: dict[str, Any] = {"tenant": "acme", "name": "support", "offer_timeout_s": 6, "reject_cooldown_s": 0.5}
REPEATED_WITHIN_S = 17.0  # the longest pause between two INVITEs of the same call


class AdapterProcess:
    """`acd asterisk` as a process, with its file."""

    def __init__(self, directory: Path, name: str = "adapter") -> None:
        self.log_path = directory / f"{name}.log"
        self.file = directory / f"{name}.toml"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *options: str) -> Self:
        """Start it."""
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", "asterisk", str(self.file), "--verbose", *options),
                cwd=PROJECT,
                stdout=log,
                stderr=log,
                env={name: value for name, value in os.environ.items() if not name.startswith("ACD_")},
            )
        return self

    async def in_step(self, times: int = 1) -> None:
        """Wait until it has said so many times that it is in step with both sides."""
        await until(lambda: self.log().count("in step with") >= times or not self.running, 20)
        assert self.running, self.log()

    def log(self) -> str:
        """What it wrote."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for its end if that ends it."""
        assert self._process is not None
        if self.running:
            self._process.send_signal(number)
            if number in (signal.SIGKILL, signal.SIGTERM):
                await self._process.wait()

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.running:
            await self.signal(signal.SIGKILL)


class Rig:
    """See the module.

    Attributes:
        events: all events of the engine, in order, as a watcher sees them.
        lines: how many of each kind the queue_log has, once all was quiet.
        compares_phones: whether in the end the journal is held against what the phones saw, and not only the events.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.server = ServerProcess(directory / "data")
        self.adapter = AdapterProcess(directory)
        self.events: list[Event] = []
        self.watcher: Client | None = None
        self.lines: Counter[str] = Counter()
        self.compares_phones = True
        self._phones: list[Sipp] = []
        self._ports = {"PJSIP/1012": lab.phone_port(13)}
        self._count = 0

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        await self.adapter.kill()
        # Phones go last: Asterisk would go on ringing one that is gone, and the next check's is at the same port.
        if self.lab.running:
            for channel in self.lab.channels():
                self.lab.hang_up(channel["id"])
            with contextlib.suppress(TimeoutError):
                await until_slow(lambda: not self.lab.channels(), 2)
        for phone in self._phones:
            await phone.stop()
        if self.lab.running:
            await self._refuse_what_still_rings()
        if self.watcher is not None:
            await self.watcher.close(0)
        await self.server.kill()
        if kind is None and self.watcher is not None:
            self._compare()

    async def _refuse_what_still_rings(self) -> None:
        """Answer for phones that were not there.

        Asterisk repeats an INVITE without an answer for half a minute, after 0.5 s, 1 s, 2 s and so on, and even when
        it has hung up, since before an answer there is nothing to cancel: the next check's phone, at the same port,
        would take it for its call.
        """
        rings = Counter(self._ports.get(event.address, 0) for event in self.events if isinstance(event, ContactOffered))
        for phone in self._phones:
            rings[phone.port] -= phone.calls_received
        del rings[0]  # phones that register, and addresses that are no phones
        refusals = [
            await self.phone("absent", sipp.refuse("480 Temporarily Unavailable"), port=port, calls=count)
            for port, count in rings.items()
            if count > 0
        ]
        for refusal in refusals:
            with contextlib.suppress(TimeoutError):
                await refusal.ended(REPEATED_WITHIN_S)
            await refusal.stop()
            self._phones.remove(refusal)

    def _compare(self) -> None:
        """The journal, the events that were seen, and the phones tell one story."""
        story = Story(self.directory / "data", self._ports)
        try:
            story.check_events(self.events)
            if self.compares_phones:
                story.check_phones(self._phones)
        except AssertionError as problem:
            raise AssertionError(f"the journal tells another story: {problem}\n{self.story()}") from None

    def story(self) -> str:
        """What happened, for whoever has to find a fault."""
        lines = [f"{event.at / 1e9 % 1000:8.3f} {json.dumps(_fields(event))}" for event in self.events]
        return "\n".join(["ENGINE", *lines, "ADAPTER", self.adapter.log()])

    # Setting up

    async def configure(self, agents: int = 1, *, queues: list[dict[str, Any]] | None = None, **queue: Any) -> None:
        """Give the engine queues and agents `a-1`.., whose phones are the lab's `agent0001`.."""
        config = {
            "settings": {"client_grace_s": 30},
            "tenants": [{"name": "acme"}],
            "queues": queues or [QUEUE | queue],
            "agents": [
                {"agent": f"a-{number}", "address": f"PJSIP/agent{number:04d}"} for number in range(1, agents + 1)
            ],
        }
        await self.apply(from_json(json.dumps(config).encode()))

    async def apply(self, config: Config) -> None:
        """Give the engine this configuration, and watch it."""
        self.watcher = Client(port=self.server.port, name="watcher", reconnect_deadline_s=None, events_max=0)
        self.watcher.on(Event, self.events.append)
        await self.watcher.connect()
        await self.watcher.subscribe()
        await self.watcher.apply_config(config)

    def write_settings(
        self,
        text: str = "",
        *,
        adapter: AdapterProcess | None = None,
        lab: Lab | None = None,
        ari_port: int = 0,
        engine_port: int = 0,
    ) -> None:
        """Write an adapter's file: `text`, then the connections, which may lead through cables."""
        lab = lab or self.lab
        url = lab.ari_url.replace(str(lab.http_port), str(ari_port or lab.http_port))
        table = tomllib.loads(text)
        table |= {"tenant": "acme", "queue_log": str(self.queue_log_of(adapter or self.adapter))}
        table["ari"] = {"url": url, "user": lab.user, "password": lab.password}
        table["engine"] = {"port": engine_port or self.server.port}
        journal_story.settings(table)
        for number in range(1, lab.agents + 1):
            address, port = f"PJSIP/agent{number:04d}", lab.phone_port(number)
            self._ports[f"{table.get('name', '')}:{address}"] = port
            self._ports.setdefault(address, port)
        (adapter or self.adapter).file.write_text("".join(f"{name} = {toml(value)}\n" for name, value in table.items()))

    def queue_log_of(self, adapter: AdapterProcess) -> Path:
        """Where an adapter writes its queue_log."""
        return self.directory / f"{adapter.file.stem}.queue_log"

    async def restart_engine(self, port: int) -> None:
        """Start the engine again, where it was."""
        self.server = await ServerProcess(self.directory / "data", "--port", str(port)).start()

    async def start(
        self,
        text: str = 'numbers = { "2000" = "support" }',
        agents: int = 1,
        *,
        ari_port: int = 0,
        engine_port: int = 0,
        queues: list[dict[str, Any]] | None = None,
        **queue: Any,
    ) -> None:
        """Engine configured, adapter in step."""
        await self.configure(agents, queues=queues, **queue)
        self.write_settings(text, ari_port=ari_port, engine_port=engine_port)
        await self.adapter.start()
        await self.adapter.in_step()

    async def login(self, agent: int = 1, ready: bool = True) -> None:
        """An agent logs in at the engine."""
        assert self.watcher is not None
        await self.watcher.login(f"a-{agent}", ready=ready)

    # Phones

    async def phone(self, name: str, steps: list[str], *, target: str = "", port: int = 0, calls: int = 1) -> Sipp:
        """A SIPp that plays `steps`."""
        self._count += 1
        made = Sipp(self.lab, self.directory, f"{name}-{self._count}", steps, target=target, port=port, calls=calls)
        self._phones.append(made)
        return await made.start()

    async def agent(self, steps: list[str], number: int = 1) -> Sipp:
        """The phone of an agent, for one call."""
        return await self.phone(f"agent{number}", steps, port=self.lab.phone_port(number))

    async def dials(self, user: str, number: str, *more: list[str], name: str = "dials") -> Sipp:
        """The phone of `user`, an agent or supervisor, dials."""
        steps = [*sipp.dial(user, user), *(step for part in more for step in part)]
        return await self.phone(name, steps, target=number)

    async def caller(self, *more: list[str], target: str = "2000", name: str = "caller") -> Sipp:
        """A caller who dials, and then does `more`."""
        steps = [*sipp.dial(), *(step for part in more for step in part)]
        return await self.phone(name, steps, target=target)

    # Looking

    async def sees(self, kind: type[Event] | str, timeout_s: float = 15, count: int = 1, **fields: Any) -> Any:
        """The event of this type with these fields; waits for it, or for the `count`th of them."""
        found: list[Event] = []

        def there() -> bool:
            found[:] = [event for event in self.events if _matches(event, kind, fields)]
            return len(found) >= count

        try:
            await until(there, timeout_s)
        except TimeoutError:
            raise AssertionError(f"no {kind} with {fields} within {timeout_s} s\n{self.story()}") from None
        return found[count - 1]

    async def outcome(self, contact: str) -> str:
        """How a contact ended; waits for it, but for no wrap-up."""
        kinds = ("contact.wrapup", "contact.ended")
        found: list[Any] = []

        def over() -> bool:
            found[:] = [
                each for each in self.events if any(_matches(each, kind, {"contact": contact}) for kind in kinds)
            ]
            return bool(found)

        try:
            await until(over, 15)
        except TimeoutError:
            raise AssertionError(f"{contact} did not end\n{self.story()}") from None
        return str(found[0].reason)

    def kinds(self, contact: str = "") -> list[str]:
        """Types of the events of a contact, or of all contacts."""
        return [
            str(event.__struct_config__.tag)
            for event in self.events
            if getattr(event, "contact", None) == contact or (not contact and hasattr(event, "contact"))
        ]

    def contacts_of(self, kind: str) -> list[str]:
        """The contacts of all events of a type, in order."""
        return [event.contact for event in self.events if event.__struct_config__.tag == kind and _of_contact(event)]

    async def quiet(self, timeout_s: float = 10) -> None:
        """Wait until Asterisk has neither channels nor bridges. The queue_log is then in order, too."""
        left: list[Any] = []

        def empty() -> bool:
            left[:] = [*self.lab.channels(), *self.lab.bridges()]
            return not left

        try:
            await until_slow(empty, timeout_s)
        except TimeoutError:
            names = [each.get("name") or each["id"] for each in left]
            raise AssertionError(f"left in Asterisk: {names}\n{self.story()}") from None
        if len(list(self.directory.glob("*.queue_log"))) == 1:
            await until_slow(self._queue_log_is_whole, 5)
            text = next(self.directory.glob("*.queue_log")).read_text()
            self.lines = check_queue_log(text)
            assert self.lines["ENTERQUEUE"] == self.stints(), text
            calls = [contact for contact in self.contacts_of("contact.connected") if contact not in self.questions()]
            assert self.lines["CONNECT"] == len(calls), text

    def _queue_log_is_whole(self) -> bool:
        """Whether the adapter has written the ends of all."""
        lines = [line.split("|") for line in next(self.directory.glob("*.queue_log")).read_text().splitlines()]
        ends = sum(line[4] in ENDS for line in lines)
        return ends >= self.stints()

    def questions(self) -> set[str]:
        """The contacts that are questions among agents, which no queue_log tells of."""
        return {event.consult for event in self.events if isinstance(event, ContactConsulted)}

    def stints(self) -> int:
        """How many stints the queue_log should have: one an entry, and for who is called back one an attempt."""
        called_back: set[str] = set()
        open_: set[str] = set()
        questions = self.questions()
        stints = 0
        for event in self.events:
            kind, contact = event.__struct_config__.tag, getattr(event, "contact", "")
            if contact in questions:
                continue
            if kind == "contact.queued" and contact not in called_back:
                stints += 1
            elif kind == "contact.callback_changed":
                called_back.add(contact)
                open_.discard(contact)
            elif kind == "contact.offered" and contact in called_back and contact not in open_:
                open_.add(contact)
                stints += 1
        return stints


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


async def until_slow(condition: Callable[[], object], timeout_s: float) -> None:
    """As `until`, for what costs a request to look at."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while not await asyncio.to_thread(condition):
        if loop.time() > end:
            raise TimeoutError
        await asyncio.sleep(0.1)


def _of_contact(event: Any) -> TypeGuard[ContactEnded]:
    """Whether it has the field that all events of contacts have."""
    return hasattr(event, "contact")


def _fields(event: Event) -> dict[str, Any]:
    values = msgspec.to_builtins(event)
    return {name: value for name, value in values.items() if name not in ("seq", "at", "attributes")}


def _matches(event: Event, kind: type[Event] | str, fields: dict[str, Any]) -> bool:
    same = event.__struct_config__.tag == kind if isinstance(kind, str) else isinstance(event, kind)
    return same and all(getattr(event, name, None) == value for name, value in fields.items())
