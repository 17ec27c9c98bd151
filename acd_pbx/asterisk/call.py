"""One caller, from his entry to his end: a machine without sockets and clock.

It holds what both sides have said so far: where the caller is, which agents' phones ring or are up, and what the
engine holds the contact to be. Each input changes that and then calls `_step`, which compares what is with what should
be, and leaves the difference as effects: requests to Asterisk (`Ask`), commands to the engine (`Tell`), alarms (`Wake`).
What was asked for is not asked again, until `sync` brings a fresh picture of both sides; so a start in the middle of a
thousand calls, a cut line and an ordinary call take the same way.

Who may do what:

- the engine alone decides who talks with whom: two channels are joined only after `contact.connected`;
- Asterisk alone knows who is there: a channel that is gone ends what depended on it, whatever the engine says;
- a conversation is never cut because a server cannot be reached. One that the engine no longer holds, or that a phone
  has transferred away, is `released`: it goes on until one side hangs up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.effects import Effect, Locate, Tell, Verify, Wake
from acd_pbx.asterisk.leg import Leg, Offer, dialled, transfer_to
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings, Queue
from acd_protocol.messages import Command
from acd_protocol.words import (
    AttributeValue,
    CompletionReason,
    ContactAbandon,
    ContactComplete,
    ContactConnected,
    ContactEnded,
    ContactEnqueue,
    ContactHeld,
    ContactHold,
    ContactOffered,
    ContactQueued,
    ContactResumed,
    ContactUnhold,
    ContactWithdraw,
    ContactWrapup,
    Event,
    OfferAccept,
    OfferEnded,
    OfferReject,
)

LEG_SPARE_S = 3
"""A phone rings so much longer than its offer lasts, so that the engine is the one who says that time is up."""


class Stage(Enum):
    """What the engine holds the contact to be."""

    NEW = "new"
    SENT = "sent"
    QUEUED = "queued"
    OFFERED = "offered"
    TALKING = "talking"
    OVER = "over"


class Heard(Enum):
    """What the caller hears."""

    NOTHING = "nothing"
    MUSIC = "music"
    RINGING = "ringing"
    ANNOUNCEMENT = "announcement"


@dataclass
class Standing:
    """What both sides show of one contact at a moment, for `Call.sync`.

    Attributes:
        caller: his channel's state, or empty when it is gone.
        legs: state by channel, of those that are there.
        others: channels in the contact's bridge that are neither.
        joined: channels in the contact's bridge.
        known: whether the engine has the contact as live; the rest as it says.
        offers: the open ones, by id; offer and agent are those of a conversation.
        restarted: Asterisk was started again since, so what is not there was lost.
    """

    caller: str = ""
    legs: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    known: bool = False
    state: str = ""
    offers: dict[str, Offer] = field(default_factory=dict)
    offer: str = ""
    agent: str = ""
    queue: str = ""
    restarted: bool = False


class Call:
    """See the module.

    Args:
        settings: of the adapter.
        contact: its id; channel: the caller's.
        queue: `tenant/queue`.
        number, name: who calls.
        attributes, priority, require: go with contact.enqueue.
    """

    def __init__(
        self,
        settings: AdapterSettings,
        contact: str,
        channel: str,
        queue: str,
        *,
        number: str = "",
        name: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
        priority: int = 0,
        require: str = "",
        answered: bool = False,
    ) -> None:
        self.settings = settings
        self.contact = contact
        self.channel = channel
        self.queue = queue
        self.number = number
        self.name = name
        self.attributes = dict(attributes or {})
        self.priority = priority
        self.require = require
        self.stage = Stage.NEW
        self.present = True
        self.answered = answered
        self.lost = False
        self.released = False
        self.heard = Heard.NOTHING
        self.legs: dict[str, Leg] = {}
        self.offers: dict[str, Offer] = {}
        self.offer = ""
        self.agent = ""
        self.joined = ""
        self.result = ""
        self.key = ""
        self.transfer: tuple[str, ...] = ()
        self._bridge = False
        self._bridge_id = names.bridge_of(contact)
        self._said: set[tuple[str, ...]] = set()
        self._effects: list[Effect] = []
        self._playback = 0

    @property
    def rules(self) -> Queue:
        """What holds for its queue."""
        return self.settings.queue(self.queue)

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do, on either side."""
        return not self.present and self.stage is Stage.OVER and not self._bridge and not self._live_legs()

    @property
    def talking(self) -> bool:
        """Whether caller and agent are joined."""
        return bool(self.joined)

    def take(self) -> list[Effect]:
        """The effects since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    # What Asterisk says

    def enter(self) -> None:
        """The caller is in the application."""
        if self.settings.engine_patience_s and self.stage is Stage.NEW:
            self._effects.append(Wake(self.settings.engine_patience_s, "engine"))
        self._step()

    def caller_up(self) -> None:
        """The caller's channel is answered."""
        self.answered = True

    def caller_gone(self, lost: bool = False) -> None:
        """The caller hung up, or with `lost` Asterisk lost him."""
        if self.present:
            self.present = False
            self.lost = lost
            self._step()

    def caller_replaced(self, channel: str) -> None:
        """Another channel stands where the caller's stood: his side transferred the call."""
        self.channel = channel
        self._step()

    def leg_ringing(self, channel: str) -> None:
        """An agent's phone rings."""
        leg = self.legs.get(channel)
        if leg is not None and leg.state == "asked":
            leg.state = "ringing"
            leg.rang = True

    def leg_up(self, channel: str, name: str = "") -> None:
        """An agent has answered, and his channel is in the application."""
        leg = self.legs.get(channel)
        if leg is not None and leg.live and leg.state != "up":
            leg.state = "up"
            leg.rang = True
            leg.name = name
            self._step()

    def leg_gone(self, channel: str, cause: str, lost: bool = False) -> None:
        """An agent's channel is gone."""
        leg = self.legs.get(channel)
        if leg is not None and leg.live:
            leg.state = "gone"
            leg.cause = "no_answer" if cause == "normal" else cause
            if lost:
                self.lost = True
            if cause == "no_answer" and not leg.rang:
                leg.cause = "unreachable"
            self._step()

    def leg_replaced(self, channel: str, by: str, name: str = "") -> None:
        """A transfer has put another channel, called `name`, in the place of an agent's: it is no longer his."""
        leg = self.legs.pop(channel, None)
        if leg is None:
            return
        self.legs[by] = Leg(by, leg.offer, leg.agent, "up", True, name=leg.name)
        if self.joined == channel:
            self.joined = by
        self._effects.append(ask("hang_up", channel=channel, reason="normal"))
        self.transfer = transfer_to(name)
        self._tell_end("transferred")
        self.released = True
        self._step()

    def phone_held(self, held: bool) -> None:
        """The agent's phone holds the caller, or takes him back."""
        if self.stage is Stage.TALKING and not self.released:
            self._tell(ContactHold(contact=self.contact) if held else ContactUnhold(contact=self.contact))

    def digit(self, digit: str) -> None:
        """The caller pressed a key."""
        if self.stage in (Stage.QUEUED, Stage.OFFERED) and self.rules.keys.get(digit) == "leave" and not self.key:
            self.key = digit
            self._tell(ContactWithdraw(contact=self.contact))

    def played(self, playback: str) -> None:
        """An announcement is over."""
        word = playback.split("/")[1]
        if word == "caller" and self.heard is Heard.ANNOUNCEMENT:
            self.heard = Heard.NOTHING
        elif word == "agent":
            for leg in self._live_legs():
                leg.announced = True
        self._step()

    def announce(self, position: int | None, waited_s: float) -> None:
        """The time for an announcement has come; the engine says where the caller stands, or None when it cannot."""
        rules = self.rules
        if self.stage not in (Stage.QUEUED, Stage.OFFERED) or not self.present:
            return
        if rules.announce_every_s:
            self._effects.append(Wake(rules.announce_every_s, "announce"))
        values: dict[str, Any] = {"waited_min": int(waited_s // 60)}
        if position:
            values["position"] = position
        media = [text for text in (filled(part, values) for part in rules.announcements) if text is not None]
        if media and self.stage is Stage.QUEUED and self.answered and self.heard is not Heard.ANNOUNCEMENT:
            self._hear(Heard.NOTHING)
            self._playback += 1
            self._play("caller", self.channel, media)
            self.heard = Heard.ANNOUNCEMENT

    def woke(self, word: str) -> None:
        """The time of a `Wake` has come."""
        if word == "announce" and self.stage in (Stage.QUEUED, Stage.OFFERED):
            self._effects.append(Locate())
        elif word == "engine" and self.stage in (Stage.NEW, Stage.SENT) and self.present:
            self._tell_once(("end",), ContactAbandon(contact=self.contact))
            self._go("engine_away")
        elif word.startswith("ring "):
            leg = self.legs.get(word.removeprefix("ring "))
            if leg is not None and leg.state == "asked" and leg.offer in self.offers:
                leg.unwanted = True
                leg.cause = "unreachable"
                self._effects.append(ask("hang_up", channel=leg.channel, reason="normal"))
                self._reject(leg)

    def failed(self, request: Ask, status: int) -> None:
        """Asterisk refused a request."""
        if request.what == "originate":
            cause = "not_registered" if status == 500 else "invalid_address"
            self.leg_gone(request.places["channel"], cause)
        elif request.what in ("join", "play"):
            for channel in request.params.get("channel", request.places.get("channel", "")).split(","):
                self._effects.append(Verify(channel))
            if request.what == "play":
                self.played(request.places["playback"])
            elif ("join failed", self.joined) in self._said:
                self._drop(self.legs.get(self.joined))
            else:
                self._said.add(("join failed", self.joined))
                self.joined = ""
        elif request.what == "answer":
            self._effects.append(Verify(self.channel))

    def verified(self, channel: str, there: bool) -> None:
        """Whether a channel is there."""
        if not there:
            if channel == self.channel:
                self.caller_gone()
            else:
                self.leg_gone(channel, "failed")
        self._step()

    # What the engine says

    def hear(self, event: Event) -> None:
        """An event of the engine that concerns this contact."""
        match event:
            case ContactQueued():
                self.queue = f"{event.tenant}/{event.queue}"
                self._queued()
            case ContactOffered():
                self.stage = Stage.OFFERED
                self.offers[event.offer] = Offer(event.agent, event.address, float(event.expires_in))
                self.attributes = {**self.attributes, **event.attributes}
            case OfferEnded():
                self._withdraw(event.offer)
            case ContactConnected():
                self.stage = Stage.TALKING
                self.offers.clear()
                self.offer, self.agent = event.offer, event.agent
            case ContactWrapup():
                # One who handed the caller on wraps up while the caller waits for another.
                if self.stage is Stage.TALKING:
                    self._over(event.reason)
            case ContactEnded():
                self._over(event.reason)
            case ContactHeld() | ContactResumed():
                pass
            case _:
                return
        self._step()

    def answered_by_engine(self, command: Command, ended: str) -> None:
        """The engine carried a command out; `ended` is how the contact had ended before, if it had."""
        if isinstance(command, ContactEnqueue) and ended:
            self._over(ended)
            self._step()

    def refused(self, command: Command, code: str) -> None:
        """The engine refused a command."""
        if isinstance(command, ContactEnqueue):
            self._over(code)
        elif isinstance(command, OfferAccept):
            self._withdraw(command.offer)
        elif code == "contact_unknown":
            self._over("failed")
        elif isinstance(command, ContactComplete) and code == "contact_not_connected":
            self._tell(ContactAbandon(contact=self.contact))
            return
        elif isinstance(command, ContactWithdraw) and code == "contact_not_waiting":
            self.key = ""
            return
        else:
            return
        self._step()

    # A fresh picture

    def sync(self, now: Standing) -> None:
        """Both sides, as they are now. What was asked for before and has not come about is asked for again."""
        self._said = {said for said in self._said if said[0] == "enqueued" and now.known}
        self.heard = Heard.NOTHING
        self._bridge = bool(now.joined) or self._bridge
        self.lost = now.restarted
        for leg in self.legs.values():
            if leg.live and leg.channel not in now.legs and leg.channel not in now.others:
                leg.state, leg.cause = "gone", leg.cause or "lost"
            leg.unwanted = False
        for channel, state in now.legs.items():
            parts = names.leg_parts(channel)
            leg = self.legs.setdefault(channel, Leg(channel, parts[0] if parts else "", now.agent))
            leg.state = {"Up": "up", "Ringing": "ringing"}.get(state, "asked") if leg.state != "gone" else "gone"
            leg.rang = leg.state != "asked"
        for channel in now.others:
            if channel not in self.legs:
                self.legs[channel] = Leg(channel, now.offer, now.agent, "up", True)
                self.released = True
        self.present = bool(now.caller)
        self.answered = now.caller == "Up"
        self.joined = next((channel for channel in now.joined if channel != self.channel), "")
        if self.channel not in now.joined:
            self.joined = ""
        self._sync_stage(now)
        self._step()

    def _sync_stage(self, now: Standing) -> None:
        talking = self.joined in self.legs and self.legs[self.joined].live
        if not now.known:
            if talking and self.stage is not Stage.OVER:
                self.released = True
            if self.released or self.stage is Stage.OVER or not self.present:
                self._over(self.result or "lost")
            else:
                self.stage = Stage.NEW
            return
        self._said.add(("enqueued",))
        self.queue = now.queue or self.queue
        self.offers, self.offer, self.agent = dict(now.offers), now.offer, now.agent
        match now.state:
            case "queued":
                self._queued()
            case "offered":
                self.stage = Stage.OFFERED
            case "connected":
                self.stage = Stage.TALKING
                if self.released:
                    self._tell_end("transferred")
            case _:
                self._over(self.result or "lost")

    # What should be

    def _step(self) -> None:
        """Leave as effects what is lacking."""
        self._drop_unwanted()
        if not self.present:
            self._clear_up()
            return
        match self.stage:
            case Stage.NEW | Stage.SENT:
                self._receive()
            case Stage.QUEUED:
                self._wait()
            case Stage.OFFERED:
                self._wait()
                self._ring()
            case Stage.TALKING:
                self._talk()
            case Stage.OVER:
                self._part()

    def _drop_unwanted(self) -> None:
        """Stop the phones that ring or stay up for nothing."""
        wanted: set[str] = set()
        if self.present and self.stage is Stage.OFFERED:
            wanted.update(self.offers)
        elif self.present and self.stage is Stage.TALKING:
            wanted.add(self.offer)
        for leg in self._live_legs():
            released = self.released and self.present and leg.channel == self.joined
            if leg.offer not in wanted and not released:
                self._drop(leg)

    def _clear_up(self) -> None:
        """The caller is gone: tell the engine, and leave nothing behind."""
        if self.stage is not Stage.OVER:
            if not self.lost:
                self._tell_once(("end",), ContactAbandon(contact=self.contact))
            elif self.stage is Stage.TALKING:
                self._tell_end("lost")
            else:
                self._tell_once(("end",), ContactWithdraw(contact=self.contact))
        self._destroy_bridge()

    def _receive(self) -> None:
        """A new caller: let him hear something, and tell the engine of him."""
        self._wait()
        if ("enqueued",) not in self._said:
            tenant, _, queue = self.queue.partition("/")
            enqueue = ContactEnqueue(
                contact=self.contact,
                tenant=tenant,
                queue=queue,
                priority=self.priority,
                require=self.require,
                attributes=self.attributes,
                caller=self._number(),
            )
            self._tell_once(("enqueued",), enqueue)
            self.stage = Stage.SENT

    def _number(self) -> str:
        """The caller's number, by which he is known when he comes back; empty for one who hides it."""
        return self.number[:128] if any(sign.isdigit() for sign in self.number) else ""

    def _wait(self) -> None:
        """He waits: nobody is joined with him, and he hears music."""
        if self.joined:
            self._effects.append(ask("unjoin", bridge=self._bridge_id, channel=self.channel))
            self.joined = ""
        if self.rules.answer and not self.answered:
            if self._once("answer"):
                self._effects.append(ask("answer", channel=self.channel))
            self.answered = True
        if self.heard is not Heard.ANNOUNCEMENT:
            self._hear(Heard.MUSIC if self.answered else Heard.RINGING)

    def _ring(self) -> None:
        """Offers are open: ring their agents, and tell the engine what comes of it."""
        for number, offer in self.offers.items():
            channel = names.leg_of(number, self.contact)
            leg = self.legs.get(channel)
            if leg is None:
                self._originate(channel, number, offer)
            elif leg.state == "gone":
                self._reject(leg)
            elif leg.state == "up":
                self._tell_once(("accept", number), OfferAccept(offer=number))
                self._make_bridge()

    def _talk(self) -> None:
        """The engine has connected the two: join them, or end it when the agent is gone."""
        leg = next((leg for leg in self.legs.values() if leg.offer == self.offer), None)
        if leg is None or leg.state == "gone":
            self._tell_end("lost" if self.lost else "completed_agent")
            self._go("lost" if self.lost else "completed_agent")
            return
        if leg.state != "up" or self.joined == leg.channel:
            return
        if self.rules.agent_announcement and not leg.announced:
            if self._once("announce", leg.channel):
                self._playback += 1
                self._play("agent", leg.channel, [self.rules.agent_announcement])
            return
        if not self.answered:
            self._effects.append(ask("answer", channel=self.channel))
            self.answered = True
        self._hear(Heard.NOTHING)
        self._make_bridge()
        self._effects.append(ask("join", bridge=self._bridge_id, channel=f"{self.channel},{leg.channel}"))
        self.joined = leg.channel
        if self.rules.record:
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", self.contact)
            self._effects.append(ask("record", bridge=self._bridge_id, name=name, format="wav", ifExists="append"))

    def _part(self) -> None:
        """It is over for the engine. A conversation that goes on without it ends when one side hangs up."""
        leg = self.legs.get(self.joined)
        if self.released and leg is not None and leg.live:
            return
        self._go(self.result)

    # Pieces of it

    def _queued(self) -> None:
        if self.stage in (Stage.NEW, Stage.SENT) and self.rules.announcements:
            first = self.rules.announce_first_s or self.rules.announce_every_s
            self._effects.append(Wake(first, "announce"))
        self.stage = Stage.QUEUED
        self.offers.clear()
        self.offer = ""

    def _withdraw(self, offer: str) -> None:
        """An offer is no longer open."""
        if self.offers.pop(offer, None) is not None and not self.offers and self.stage is Stage.OFFERED:
            self._queued()

    def _over(self, reason: str) -> None:
        if self.stage is Stage.OVER:
            return
        self.result = self.result or reason
        leg = self.legs.get(self.joined)
        # One that has lasted for too long, or ended elsewhere as lost, is still a conversation.
        if reason == "lost" and leg is not None and leg.live and self.present and not self.lost:
            self.released = True
        self.stage = Stage.OVER

    def _originate(self, channel: str, number: str, offer: Offer) -> None:
        leg = Leg(channel, number, offer.agent)
        self.legs[channel] = leg
        values: dict[str, Any] = {
            **self.attributes,
            "queue": self.queue.partition("/")[2],
            "name": self.name,
            "number": self.number,
            "contact": self.contact,
        }
        endpoint = dialled(offer.address, self.settings)
        if not endpoint:
            leg.state, leg.cause = "gone", "invalid_address"
            self._reject(leg)
            return
        rules = self.rules
        name, caller = (filled(text, values, "") or "" for text in (rules.caller_name, rules.caller_number))
        variables = {
            f"PJSIP_HEADER(add,{header})": filled(text, values, "")
            for header, text in rules.headers.items()
            if endpoint.startswith("PJSIP/")
        }
        variables["ACD_CONTACT"] = self.contact
        self._effects.append(
            ask(
                "originate",
                {"variables": variables},
                channel=channel,
                endpoint=endpoint,
                app=self.settings.ari.app,
                appArgs=f"{names.LEG_WORD},{number}",
                callerId='"{}" <{}>'.format(name.replace('"', "'"), caller.replace(">", "")),
                timeout=str(int(offer.expires_s) + LEG_SPARE_S),
                originator=self.channel,
            )
        )
        if self.settings.phones.ring_within_s:
            self._effects.append(Wake(self.settings.phones.ring_within_s, f"ring {channel}"))

    def _reject(self, leg: Leg) -> None:
        self._tell_once(("reject", leg.offer), OfferReject(offer=leg.offer, cause=leg.cause))

    def _drop(self, leg: Leg | None) -> None:
        if leg is not None and leg.live and not leg.unwanted:
            leg.unwanted = True
            self._effects.append(ask("hang_up", channel=leg.channel, reason="normal"))

    def _hear(self, what: Heard) -> None:
        if self.heard is what:
            return
        match self.heard:
            case Heard.MUSIC:
                self._effects.append(ask("stop_music", channel=self.channel))
            case Heard.RINGING:
                self._effects.append(ask("stop_ring_back", channel=self.channel))
            case Heard.ANNOUNCEMENT:
                self._effects.append(ask("stop_play", playback=self._playback_id("caller")))
        match what:
            case Heard.MUSIC:
                self._effects.append(ask("start_music", channel=self.channel, mohClass=self.rules.music))
            case Heard.RINGING:
                self._effects.append(ask("ring_back", channel=self.channel))
        self.heard = what

    def _play(self, who: str, channel: str, media: list[str]) -> None:
        self._effects.append(ask("play", channel=channel, playback=self._playback_id(who), media=",".join(media)))

    def _playback_id(self, who: str) -> str:
        return f"{names.PLAYBACK}/{who}/{self._playback}/{self.contact}"

    def _make_bridge(self) -> None:
        if not self._bridge:
            self._bridge = True
            self._effects.append(ask("create_bridge", bridge=self._bridge_id, type="mixing", name=self.contact))

    def _destroy_bridge(self) -> None:
        self.joined = ""
        if self._bridge:
            self._bridge = False
            self._effects.append(ask("destroy_bridge", bridge=self._bridge_id))

    def _go(self, result: str) -> None:
        """Let the caller out of the application, and the dialplan know why."""
        self.present = False
        self.result = result
        self._hear(Heard.NOTHING)
        if self.key:
            self._effects.append(ask("set_variable", channel=self.channel, variable="ACD_KEY", value=self.key))
        self._effects.append(ask("set_variable", channel=self.channel, variable="ACD_RESULT", value=result))
        self._effects.append(ask("leave", channel=self.channel))
        self._drop_unwanted()
        self._destroy_bridge()

    def _tell(self, command: Command) -> None:
        self._effects.append(Tell(command))

    def _tell_once(self, what: tuple[str, ...], command: Command) -> None:
        if self._once(*what):
            self._tell(command)

    def _tell_end(self, reason: CompletionReason) -> None:
        self._tell_once(("end",), ContactComplete(contact=self.contact, reason=reason))

    def _once(self, *what: str) -> bool:
        if what in self._said:
            return False
        self._said.add(what)
        return True

    def _live_legs(self) -> list[Leg]:
        return [leg for leg in self.legs.values() if leg.live]


def filled(text: str, values: Mapping[str, Any], missing: str | None = None) -> str | None:
    """`text` with `{name}` replaced; where a name has no value, `missing`, or with None no text at all."""
    absent = False

    def value(found: re.Match[str]) -> str:
        nonlocal absent
        if found[1] in values:
            return str(values[found[1]])
        absent = True
        return missing or ""

    result = re.sub(r"\{(\w+)\}", value, text)
    return None if absent and missing is None else result
