"""The adapter: one Asterisk on one side, the engine on the other, and a `Call` for each caller between them.

It becomes the Stasis application only while it has the engine, so that new callers fall back to the dialplan when
either is not there. Whenever it has become the application, and whenever the engine says that events were missed, it
takes a picture of both sides and goes on from that; what arrives meanwhile waits.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from acd_pbx.asterisk import names, recording
from acd_pbx.asterisk.ari import Ari, AriAway, AriError, AriRefused
from acd_pbx.asterisk.attendants import Attendants, strays
from acd_pbx.asterisk.call import Call
from acd_pbx.asterisk.chain import Chain
from acd_pbx.asterisk.effects import Locate, Tell, Verify, Wake
from acd_pbx.asterisk.leg import cause_of
from acd_pbx.asterisk.names import Channel, channel_of, contact_of, customer_parts, leg_parts, read_channel
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.picture import NOTHING_HELD, Picture, held_by_agents, look, question_of, standing
from acd_pbx.asterisk.presence import Presence
from acd_pbx.asterisk.settings import AdapterSettings
from acd_pbx.asterisk.wish import read_wish
from acd_protocol.client import Client, ClientError, ConnectionState, Refused
from acd_protocol.messages import Command, Estimate, Gap, List, Ok
from acd_protocol.words import (
    AgentChanged,
    ContactAbandon,
    ContactComplete,
    ContactConsulted,
    ContactDrop,
    ContactEnded,
    ContactMerge,
    ContactOffered,
    Event,
    OfferReject,
)

_log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 1.0
PICTURE_S = 10.0
"""A picture of both sides that takes longer is begun anew."""
LOCATE_S = 2.0
"""So long the engine may take to say where a caller stands."""
ROWS_MAX = 10_000
HAPPENED = (ContactAbandon, ContactComplete, ContactDrop, ContactMerge, OfferReject)
"""What has happened already, so that the engine must be told, if not now then later."""
FULL_RETRY_S = 5.0
"""It is told again after so long while the engine's disk is full."""
SHUTDOWN_CAUSE = 4
"""The cause in a hang-up request of Asterisk that is about to stop."""


class Adapter:
    """See the module.

    Args:
        on_event: is told each event of the engine that concerns this adapter, in order, also those from before.
        on_picture: is told, for each picture, which contacts are live.

    Attributes:
        calls: by contact.
        replaced: set when another adapter of this name has taken over: from then on nothing may be done here.
        synced: whether calls are being handled.
    """

    def __init__(
        self,
        settings: AdapterSettings,
        ari: Ari,
        client: Client,
        on_event: Callable[[Event], None] | None = None,
        on_picture: Callable[[Collection[str]], None] | None = None,
    ) -> None:
        self.settings = settings
        self.ari = ari
        self.client = client
        self.calls: dict[str, Call] = {}
        self.replaced = asyncio.Event()
        self.synced = asyncio.Event()
        self._on_event = on_event
        self._on_picture = on_picture
        self._attendants = Attendants(settings, ari, client, self.calls.values)
        self._presence = Presence(settings, ari, client, self._engaged)
        self._engine_there = asyncio.Event()
        self._aliases: dict[str, str] = {}
        self._questions: dict[str, str] = {}
        self._arriving: set[str] = set()
        self._chains: dict[str, Chain] = {}
        self._began: dict[str, float] = {}
        self._tech_causes: dict[str, int] = {}
        self._stopping = False
        self._started = ""
        self._events: list[dict[str, Any]] = []
        self._engine_events: list[Event] = []
        self._gap = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        client.on_state(self._on_state)
        client.on(Event, self._on_engine)
        client.on(Gap, lambda _: self._gap.set())

    async def run(self) -> None:
        """Serve until cancelled, or replaced.

        Raises:
            AriRefused: Asterisk does not want this user.
            ClientError: the engine does not want this client, or another one of its name has come.
        """
        wait_s = BACKOFF_FIRST_S
        while not self.replaced.is_set():
            await self._engine_there.wait()
            began = time.monotonic()
            try:
                await self._be_application()
            except AriAway as away:
                _log.warning("Asterisk cannot be reached; calls go on without it: %s", away)
            except AriRefused as refused:
                if refused.status in (401, 403):
                    raise
                _log.warning("Asterisk does not take part: %s", refused)
            wait_s = BACKOFF_FIRST_S if time.monotonic() - began > 5 else min(2 * wait_s, BACKOFF_MAX_S)
            if not self.replaced.is_set():
                await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """End what is under way. Calls stay as they are."""
        for task in list(self._tasks):
            task.cancel()
        for chain in self._chains.values():
            chain.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _be_application(self) -> None:
        """Be the application until the WebSocket ends."""
        self._events.clear()
        ready = asyncio.Event()
        self.synced.clear()
        listening = asyncio.create_task(self.ari.listen(self._on_ari, ready.set))
        syncing = asyncio.create_task(self._keep_synced(ready))
        fenced = asyncio.create_task(self.replaced.wait())
        watching = asyncio.create_task(self._watch_phones())
        tasks: list[asyncio.Task[Any]] = [listening, syncing, fenced, watching]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in (listening, syncing, watching):
                if task.done():
                    task.result()
        finally:
            self.synced.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_phones(self) -> None:
        """Look after agents' phones, once calls are in order."""
        await self.synced.wait()
        if self._presence.wanted:
            await self._presence.run()
        await asyncio.Event().wait()

    def _engaged(self, agent: str, device: str) -> bool:
        """Whether one of our calls, or a code that we serve, is at an agent's phone."""
        return device in self._attendants.addresses or any(
            leg.live and leg.agent == agent
            for call in self.calls.values()
            if not call.released
            for leg in call.legs.values()
        )

    async def _keep_synced(self, ready: asyncio.Event) -> None:
        """Take a picture now, and again when events of the engine were missed."""
        await ready.wait()
        # A question about one of our contacts belongs to whoever asks it, and yet its phones are rung here.
        await self.client.subscribe(("contact", "offer", *(("agent", "config") if self._presence.wanted else ())))
        while True:
            self._gap.clear()
            self.synced.clear()
            try:
                async with asyncio.timeout(PICTURE_S):
                    await self._sync()
            except TimeoutError as late:
                raise AriAway(f"no picture of both sides within {PICTURE_S:g} s") from late
            self.synced.set()
            await self._gap.wait()

    async def _sync(self) -> None:
        """Bring all calls in line with a fresh picture, then hand out what arrived meanwhile."""
        for chain in self._chains.values():
            chain.drop()
        self._engine_events.clear()
        picture = await look(self.ari)
        views, questions, seq = await self._contacts()
        if self._on_picture is not None:
            self._on_picture(views)
        held = held_by_agents(await self.client.listing("agents", limit=ROWS_MAX))
        restarted = bool(self._started) and picture.started != self._started
        self._started = picture.started
        self._stopping = False
        for contact in [*views, *_conversations(picture)]:
            if contact not in self.calls:
                self._adopt(contact, views.get(contact), picture)
        self._questions = {question: view["consults"] for question, view in questions.items()}
        asked = {
            view["consults"]: question_of(view, held.get(question, NOTHING_HELD))
            for question, view in questions.items()
        }
        pairs = []
        for call in self.calls.values():
            contact = call.contact
            holders = held.get(contact, NOTHING_HELD)
            now = standing(picture, contact, call.channel, views.get(contact), holders, asked.get(contact))
            now.restarted = restarted
            pairs.append((call, now))
        # Those who are gone first, so that no agent who comes free is rung for one of them.
        for call, now in sorted(pairs, key=lambda pair: bool(pair[1].caller)):
            call.sync(now)
            self._carry_out(call)
        claimed = {call.channel for call in self.calls.values()} | self._aliases.keys()
        for channel in picture.callers.values():
            if channel.id not in claimed:
                self._spawn(self._receive(channel))
        self._clear_strays(picture)
        buffered, self._events = self._events, []
        self.synced.set()
        for event in buffered:
            self._on_ari(event)
        missed, self._engine_events = self._engine_events, []
        for engine_event in missed:
            if engine_event.seq > seq:
                self._route(engine_event)
        _log.info("in step with Asterisk and engine: %d calls", len(self.calls))

    async def _contacts(self) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]], int]:
        """The live contacts of this adapter, questions about them, and the event up to which that holds."""
        answer = await self.client.call(List(what="contacts", limit=ROWS_MAX))
        rows: list[dict[str, Any]] = list(_rows(answer))
        if answer.more:
            for queue in await self.client.listing("queues", limit=ROWS_MAX):
                rows += _rows(
                    await self.client.call(
                        List(what="contacts", tenant=queue["tenant"], queue=queue["queue"], limit=ROWS_MAX)
                    )
                )
        by_id = {row["contact"]: row for row in rows}
        mine = {
            contact: row
            for contact, row in by_id.items()
            if channel_of(self.settings.name, contact) and not row["consults"]
        }
        questions = {row["consult"]: by_id[row["consult"]] for row in mine.values() if row["consult"] in by_id}
        return mine, questions, answer.seq

    def _adopt(self, contact: str, view: dict[str, Any] | None, picture: Picture) -> None:
        """Make the call of a contact that an earlier life of the adapter has left in the engine, or only in a bridge."""
        channel = channel_of(self.settings.name, contact)
        known = picture.callers.get(channel)
        attributes = view["attributes"] if view else {}
        call = Call(
            self.settings,
            contact,
            channel,
            f"{view['tenant']}/{view['queue']}" if view else self.settings.default_queue,
            number=known.number if known else str(attributes.get("ani", "")),
            name=known.caller if known else str(attributes.get("ani_name", "")),
            attributes=attributes,
            priority=view["priority"] if view else 0,
        )
        self.calls[contact] = call
        self._began[contact] = time.monotonic()

    def _clear_strays(self, picture: Picture) -> None:
        """Hang up and take down what belongs to no call any more."""
        chain = self._chain("")
        for leg in [*picture.legs, *picture.customers]:
            if (leg_parts(leg) or customer_parts(leg) or ("", ""))[1] not in self.calls:
                chain.add(ask("hang_up", channel=leg, reason="normal"))
        for contact in picture.dials - self.calls.keys():
            chain.add(ask("destroy_bridge", bridge=names.dial_of(contact)))
        for step in strays(picture.attendants.values(), self._attendants):
            chain.add(step)
        for contact in picture.asides.keys() - self.calls.keys():
            chain.add(ask("destroy_bridge", bridge=names.aside_of(contact)))
        for bridge, members in picture.bridges.items():
            if (names.bridge_contact(bridge) or "") not in self.calls:
                for channel in members:
                    chain.add(ask("hang_up", channel=channel, reason="normal"))
                chain.add(ask("destroy_bridge", bridge=bridge))

    # Asterisk's events

    def _on_ari(self, event: dict[str, Any]) -> None:
        if event["type"] == "ApplicationReplaced":
            _log.warning("another adapter has become the application %r", self.settings.ari.app)
            self.replaced.set()
        if self.replaced.is_set():
            return
        if not self.synced.is_set():
            self._events.append(event)
            return
        handler = self._HANDLERS.get(event["type"])
        if handler is not None:
            handler(self, event)

    def _stasis_start(self, event: dict[str, Any]) -> None:
        channel = read_channel(event["channel"], event.get("args", []))
        replaced = event.get("replace_channel")
        if replaced is not None:
            self._replace(replaced["id"], channel)
        elif leg_parts(channel.id):
            call = self._call_of(channel.id)
            if call is None:
                self._chain("").add(ask("hang_up", channel=channel.id, reason="normal"))
            else:
                call.leg_up(channel.id, channel.name)
                self._carry_out(call)
        elif customer_parts(channel.id):
            call = self._call_of(channel.id)
            if call is None:
                self._chain("").add(ask("hang_up", channel=channel.id, reason="normal"))
            else:
                call.customer_up(channel.id)
                self._carry_out(call)
        elif channel.arguments[:1] == (names.RECORDER_WORD,):
            for step in recording.hand_over(channel.id, channel.arguments[-1]):
                self._chain("").add(step)
        elif channel.arguments[:1] == (names.SNOOP_WORD,):
            joins = self._attendants.snoop_started(channel)
            if joins is not None:
                self._chain("").add(joins)
        elif channel.arguments[:1] in ((names.AGENT_WORD,), (names.SUPERVISE_WORD,)):
            self._spawn(self._attendants.attend(channel))
        elif self._call_of(channel.id) is None and channel.id not in self._arriving:
            self._spawn(self._receive(channel))

    def _replace(self, old: str, channel: Channel) -> None:
        """A transfer has put `channel` in the place of `old`."""
        call = self._call_of(old)
        if call is None:
            return
        self._aliases[channel.id] = call.contact
        if old in call.legs:
            call.leg_replaced(old, channel.id, channel.name)
        else:
            call.caller_replaced(channel.id)
        self._carry_out(call)

    def _stasis_end(self, event: dict[str, Any]) -> None:
        channel = event["channel"]["id"]
        self._arriving.discard(channel)
        self._gone(channel, "normal")

    def _destroyed(self, event: dict[str, Any]) -> None:
        channel = event["channel"]["id"]
        tech_cause = self._tech_causes.pop(channel, 0) or int(event.get("tech_cause") or 0)
        self._gone(channel, cause_of(int(event.get("cause") or 0), tech_cause))

    def _gone(self, channel: str, cause: str) -> None:
        call = self._call_of(channel)
        if call is None:
            for step in self._attendants.gone(channel):
                self._chain("").add(step)
            return
        if customer_parts(channel):
            call.customer_gone(channel, cause, self._stopping)
        elif channel == call.channel:
            call.caller_gone(self._stopping)
        else:
            call.leg_gone(channel, cause, self._stopping)
        self._carry_out(call)

    def _hangup_request(self, event: dict[str, Any]) -> None:
        if event.get("soft") and event.get("cause") == SHUTDOWN_CAUSE:
            self._stopping = True
        tech_cause, channel = int(event.get("tech_cause") or 0), event["channel"]["id"]
        if tech_cause and (leg_parts(channel) or customer_parts(channel)):
            self._tech_causes[channel] = tech_cause

    def _state_change(self, event: dict[str, Any]) -> None:
        channel, state = event["channel"]["id"], event["channel"]["state"]
        call = self._call_of(channel)
        if call is not None and channel == call.channel:
            if state == "Up":
                call.caller_up()
        elif call is not None and state == "Ringing":
            call.leg_ringing(channel)

    def _hold(self, event: dict[str, Any]) -> None:
        call = self._call_of(event["channel"]["id"])
        if call is not None and event["channel"]["id"] in call.legs:
            call.phone_held(event["channel"]["id"], event["type"] == "ChannelHold")
            self._carry_out(call)

    def _digit(self, event: dict[str, Any]) -> None:
        call = self._call_of(event["channel"]["id"])
        if call is not None and event["channel"]["id"] == call.channel:
            call.digit(event["digit"])
            self._carry_out(call)

    def _played(self, event: dict[str, Any]) -> None:
        self._attendants.played(event["playback"]["id"])
        parts = event["playback"]["id"].split("/", 3)
        call = self.calls.get(parts[3]) if len(parts) == 4 and parts[0] == names.PLAYBACK else None
        if call is not None:
            call.played(event["playback"]["id"])
            self._carry_out(call)

    def _device_changed(self, event: dict[str, Any]) -> None:
        self._presence.device_changed(event["device_state"]["name"], event["device_state"]["state"])

    _HANDLERS: ClassVar = {
        "StasisStart": _stasis_start,
        "StasisEnd": _stasis_end,
        "ChannelDestroyed": _destroyed,
        "ChannelHangupRequest": _hangup_request,
        "ChannelStateChange": _state_change,
        "ChannelHold": _hold,
        "ChannelUnhold": _hold,
        "ChannelDtmfReceived": _digit,
        "PlaybackFinished": _played,
        "DeviceStateChanged": _device_changed,
    }

    # New callers

    async def _receive(self, channel: Channel) -> None:
        """A channel has entered the application: find out what it wants, and make a call of it."""
        self._arriving.add(channel.id)
        try:
            variables = await self._variables(channel)
        except AriError as problem:
            _log.info("the caller %s was gone before he was asked: %s", channel.name, problem)
            self._arriving.discard(channel.id)
            return
        if channel.id not in self._arriving or self.replaced.is_set():
            return
        self._arriving.discard(channel.id)
        wish = read_wish(channel, variables, self.settings)
        contact = contact_of(self.settings.name, channel.id)
        if not wish.queue:
            _log.warning("the caller %s brings no queue, and %r is no known number", channel.name, channel.dialled)
            chain = self._chain("")
            chain.add(ask("set_variable", channel=channel.id, variable="ACD_RESULT", value="queue_unknown"))
            chain.add(ask("leave", channel=channel.id))
            return
        # Who comes by a transfer brings with him what is known of the caller who was transferred.
        before = self._call_of_agent(variables.get("BLINDTRANSFER", ""))
        known = {} if before is None else before.attributes | {"transferred_from": before.contact}
        call = Call(
            self.settings,
            contact,
            channel.id,
            wish.queue,
            number=channel.number or (before.number if before is not None else ""),
            name=channel.caller or (before.name if before is not None else ""),
            attributes=wish.attributes | known,
            priority=wish.priority,
            require=wish.require,
            answered=channel.state == "Up",
        )
        self.calls[contact] = call
        self._began[contact] = time.monotonic()
        call.enter()
        self._carry_out(call)

    def _call_of_agent(self, name: str) -> Call | None:
        """The call at which the agent's channel of this name is, or was before he transferred it."""
        calls = (call for call in self.calls.values() for leg in call.legs.values() if name and leg.name == name)
        return next(calls, None)

    async def _variables(self, channel: Channel) -> dict[str, str]:
        """The channel variables that the adapter looks at, those that are set."""
        wanted = list(self.settings.variables.values())
        if not channel.arguments or not channel.arguments[0]:
            wanted += ["ACD_QUEUE", "ACD_PRIORITY", "ACD_REQUIRE"]
        if channel.name.startswith("Local/"):
            wanted.append("BLINDTRANSFER")
        path = f"/channels/{names.quoted(channel.id)}/variable"
        answers = await asyncio.gather(*(self._variable(path, name) for name in wanted))
        return {name: value for name, value in zip(wanted, answers, strict=True) if value}

    async def _variable(self, path: str, name: str) -> str:
        try:
            return str((await self.ari.request("GET", path, {"variable": name}))["value"])
        except AriRefused:
            return ""

    # The engine

    def _on_state(self, state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            self._engine_there.set()
        else:
            self._engine_there.clear()
            if state is ConnectionState.FAILED:
                self.replaced.set()
                self._engine_there.set()

    def _on_engine(self, event: Event) -> None:
        self._presence.hear(event)
        if isinstance(event, ContactConsulted) and event.contact in self.calls:
            self._questions[event.consult] = event.contact
        if self._on_event is not None and self._is_ours(event):
            self._on_event(event)
        if self.synced.is_set():
            self._route(event)
        else:
            self._engine_events.append(event)

    def _is_ours(self, event: Event) -> bool:
        """Whether it is told of a caller of this Asterisk, or of an agent whose phone is there."""
        if isinstance(event, AgentChanged):
            return self._presence.here(event.agent)
        contact = getattr(event, "contact", "")
        return bool(channel_of(self.settings.name, contact)) and contact not in self._questions

    def _route(self, event: Event) -> None:
        contact = getattr(event, "contact", "")
        if not contact or self.replaced.is_set():
            return
        about = self._questions.get(contact)
        if about is not None and isinstance(event, ContactEnded):
            del self._questions[contact]
        call = self.calls.get(about or contact)
        if call is not None:
            call.hear(event)
            self._carry_out(call)
        elif isinstance(event, ContactOffered) and self._is_ours(event) and not event.consults:
            self._tell(ContactAbandon(contact=contact), None)

    def _tell(self, command: Command, call: Call | None) -> None:
        def answered(future: "asyncio.Future[Ok]") -> None:
            if future.cancelled() or call is None:
                return
            problem = future.exception()
            if problem is None:
                call.answered_by_engine(command, future.result().ended)
            elif isinstance(problem, Refused) and problem.code == "journal_full" and isinstance(command, HAPPENED):
                asyncio.get_running_loop().call_later(FULL_RETRY_S, self._tell, command, call)
                return
            elif isinstance(problem, Refused):
                _log.debug("the engine refused %s: %s", command, problem)
                call.refused(command, problem.code)
            self._carry_out(call)

        try:
            self.client.send(command).add_done_callback(answered)
        except ClientError as problem:
            _log.warning("%s was not sent: %s", type(command).__name__, problem)

    # Effects

    def _carry_out(self, call: Call) -> None:
        if self.replaced.is_set():
            return
        for effect in call.take():
            match effect:
                case Ask():
                    self._chain(call.contact).add(effect)
                case Tell():
                    self._tell(effect.command, call)
                case Wake():
                    asyncio.get_running_loop().call_later(effect.after_s, self._wake, call, effect.word)
                case Locate():
                    self._spawn(self._locate(call))
                case Verify():
                    self._spawn(self._verify(call, effect.channel))
        if not call.talk.goes_on:
            for step in self._attendants.call_over(call.contact):
                self._chain("").add(step)
        if call.closed:
            self.calls.pop(call.contact, None)
            self._began.pop(call.contact, None)
            for alias in [alias for alias, contact in self._aliases.items() if contact == call.contact]:
                del self._aliases[alias]
            chain = self._chains.get(call.contact)
            if chain is not None and chain.idle:
                del self._chains[call.contact]

    def _wake(self, call: Call, word: str) -> None:
        if self.calls.get(call.contact) is call:
            call.woke(word)
            self._carry_out(call)

    async def _locate(self, call: Call) -> None:
        position, estimate = 0, None
        with contextlib.suppress(ClientError, TimeoutError):
            async with asyncio.timeout(LOCATE_S):
                answer = await self.client.call(Estimate(contact=call.contact))
                position, estimate = answer.position, answer.wait_estimate
        call.announce(position, estimate, time.monotonic() - self._began.get(call.contact, time.monotonic()))
        self._carry_out(call)

    async def _verify(self, call: Call, channel: str) -> None:
        try:
            await self.ari.request("GET", f"/channels/{names.quoted(channel)}")
        except AriRefused as refused:
            call.verified(channel, refused.status != 404)
        except AriAway:
            return
        else:
            call.verified(channel, True)
        self._carry_out(call)

    def _chain(self, contact: str) -> Chain:
        chain = self._chains.get(contact)
        if chain is None:

            def refused(what: Ask, status: int, message: str) -> None:
                call = self.calls.get(contact)
                if call is not None:
                    _log.debug("%s of %s: %d %s", what.what, contact, status, message)
                    call.failed(what, status)
                    self._carry_out(call)

            chain = self._chains[contact] = Chain(self.ari, refused)
        return chain

    def _call_of(self, channel: str) -> Call | None:
        parts = leg_parts(channel) or customer_parts(channel)
        contact = parts[1] if parts else self._aliases.get(channel) or contact_of(self.settings.name, channel)
        return self.calls.get(contact)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _conversations(picture: Picture) -> list[str]:
    """The contacts in whose bridges people talk, whether the engine still has them or not."""
    contacts = ((names.bridge_contact(bridge), members) for bridge, members in picture.bridges.items())
    return [contact for contact, members in contacts if contact and len(members) > 1]


def _rows(answer: Ok) -> list[dict[str, Any]]:
    return answer.result if isinstance(answer.result, list) else []
