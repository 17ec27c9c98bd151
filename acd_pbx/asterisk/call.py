"""One caller, from his entry to his end: a machine without sockets and clock.

It holds what both sides have said so far: where the caller is, which agents' phones ring or are up, and what the
engine holds the contact to be. Each input changes that and then calls `_step`, which compares what is with what should
be, and leaves the difference as effects: requests to Asterisk (`Ask`), commands to the engine (`Tell`), alarms (`Wake`).
What was asked for is not asked again, until `sync` brings a fresh picture of both sides; so a start in the middle of a
thousand calls, a cut line and an ordinary call take the same way.

Who may do what:

- the engine alone decides who talks with whom: two channels are joined only after `contact.connected`;
- Asterisk alone knows who is there: a channel that is gone ends what depended on it, whatever the engine says;
- of several agents who talk with the caller each may leave, and the engine says who is left; an agent who is asking a
  colleague aside and hangs up leaves the caller to that one;
- a contact that is to be called back lives without a channel: for it, who is gone is just where he should be;
- a conversation is never cut because a server cannot be reached. One that the engine no longer holds, or that a phone
  has transferred away, is `released`: it goes on until one side hangs up.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.callback import Callback
from acd_pbx.asterisk.effects import Effect, Locate, Verify, Wake
from acd_pbx.asterisk.hearing import AGENT, LAST_WORDS, Heard, Hearing, announcement
from acd_pbx.asterisk.leg import Leg, Offer, transfer_to
from acd_pbx.asterisk.legs import Legs
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.report import Report
from acd_pbx.asterisk.ringing import Ringing
from acd_pbx.asterisk.settings import AdapterSettings, Queue
from acd_pbx.asterisk.standing import Standing
from acd_pbx.asterisk.talk import Talk
from acd_protocol.messages import Command
from acd_protocol.words import (
    AttemptCause,
    AttributeValue,
    ContactAbandon,
    ContactCallback,
    ContactCallbackChanged,
    ContactComplete,
    ContactConnected,
    ContactConsulted,
    ContactEnded,
    ContactEnqueue,
    ContactHeld,
    ContactLeft,
    ContactMerge,
    ContactMerged,
    ContactOffered,
    ContactQueued,
    ContactResumed,
    ContactTransferred,
    ContactWithdraw,
    ContactWrapup,
    Event,
    OfferAccept,
    OfferEnded,
    WaitEstimate,
)

BUSY_LINE_S = 1.0
"""So long later another announcement is tried while one is being played."""


class Stage(Enum):
    """What the engine holds the contact to be."""

    NEW = "new"
    SENT = "sent"
    QUEUED = "queued"
    OFFERED = "offered"
    TALKING = "talking"
    OVER = "over"


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
        self.result = ""
        self.outside = ""
        self.key = ""
        self.transfer: tuple[str, ...] = ()
        self._effects: list[Effect] = []
        self._report = Report(contact, self._effects)
        self._hearing = Hearing(contact, self._effects)
        self.legs = Legs(self._effects)
        self.callback = Callback(contact, settings, self._effects)
        self.talk = Talk(contact, settings, self.legs, self._report, self._effects)
        self._ringing = Ringing(contact, settings, self.legs, self._report, self._effects)

    @property
    def rules(self) -> Queue:
        """What holds for its queue."""
        return self.settings.queue(self.queue)

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do, on either side."""
        at_rest = self.callback.at_rest and self.talk.at_rest and not self.legs.live
        return at_rest and not self.present and self.stage is Stage.OVER

    def take(self) -> list[Effect]:
        """The effects since the last call, in order."""
        effects = list(self._effects)
        self._effects.clear()
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
        self.talk.conversation.replaced(self.channel, channel)
        self.channel = channel
        self._step()

    def leg_ringing(self, channel: str) -> None:
        """An agent's phone rings, or that of a customer who is called back."""
        leg = self.callback.customer if names.customer_parts(channel) else self.legs.get(channel)
        if leg is not None and leg.channel == channel:
            leg.ringing()

    def leg_up(self, channel: str, name: str = "") -> None:
        """An agent has answered, and his channel is in the application."""
        if self.legs.up(channel, name):
            self._step()

    def leg_gone(self, channel: str, cause: str, lost: bool = False) -> None:
        """An agent's channel is gone."""
        if self.legs.gone(channel, cause):
            self.talk.left(channel)
            self.lost = self.lost or lost
            self._step()

    def leg_replaced(self, channel: str, by: str, name: str = "") -> None:
        """A transfer has put another channel, called `name`, in the place of an agent's: it is no longer his."""
        if channel in self.talk.consult.room.members:
            # He meant the colleague with whom he talks aside, who has the caller now.
            self._effects.append(ask("hang_up", channel=by, reason="normal"))
            self.legs.drop(self.legs.get(channel))
            self.leg_gone(channel, "normal")
            return
        if not self.legs.replace(channel, by):
            return
        self.talk.conversation.replaced(channel, by)
        self.transfer = transfer_to(name)
        self._report.complete("transferred")
        self.released = True
        self._step()

    def customer_up(self, channel: str) -> None:
        """A customer who is called back has answered, and his channel is in the application."""
        if self.callback.answered(channel):
            self.channel = channel
            self.present = self.answered = True
            self._hearing.heard = Heard.NOTHING
            self._step()

    def customer_gone(self, channel: str, cause: str, lost: bool = False) -> None:
        """His channel is gone, whether he had answered or not."""
        self.callback.gone(channel, cause)
        if channel == self.channel:
            self.caller_gone(lost)
        else:
            self.lost = self.lost or lost
            self._step()

    def phone_held(self, channel: str, held: bool) -> None:
        """An agent's phone holds the caller, or takes him back."""
        if self.stage is Stage.TALKING and not self.released:
            self.talk.phone_held(channel, held)

    def digit(self, digit: str) -> None:
        """The caller pressed a key."""
        if not self._waits or self.key:
            return
        match self.rules.keys.get(digit):
            case "leave":
                self.key = digit
                self._report.leave()
            case "callback":
                self.key = digit
                self._ask_callback()

    def played(self, playback: str) -> None:
        """An announcement is over."""
        who = self._hearing.played(playback)
        if who == AGENT:
            self.legs.heard()
        elif who == LAST_WORDS and self.callback.on and not self.talk.joined:
            self._leave("callback")
        self._step()

    def announce(self, position: int, estimate: WaitEstimate | None, waited_s: float) -> None:
        """The time for an announcement has come; position and estimate are the engine's, as far as it knows them."""
        if not self._waits:
            return
        if self.rules.announce_every_s:
            self._effects.append(Wake(self.rules.announce_every_s, "announce"))
        self._announce(announcement(self.rules.announcements, position, estimate, waited_s))

    def _announce(self, media: list[str]) -> bool:
        """Play this to the caller, if he waits and hears no other announcement; tells whether it was."""
        free = self.stage is Stage.QUEUED and self.answered and self._hearing.heard is not Heard.ANNOUNCEMENT
        if not media or not free:
            return False
        self._hearing.announce(self.channel, media)
        return True

    def woke(self, word: str) -> None:
        """The time of a `Wake` has come."""
        if word == "announce" and self._waits:
            self._effects.append(Locate())
        elif word == "offer callback" and self._waits and not self.callback.asked:
            rules = self.rules.callback
            if not self._announce(list(rules.offer)):
                self._effects.append(Wake(BUSY_LINE_S, word))
            elif rules.offer_every_s:
                self._effects.append(Wake(rules.offer_every_s, word))
        elif word == "engine" and self.stage in (Stage.NEW, Stage.SENT) and self.present:
            self._report.abandon()
            self._go("engine_away")
        elif word.startswith("ring "):
            for ringing in (self._ringing, self.talk.consult.ringing):
                ringing.too_silent(word.removeprefix("ring "))

    def failed(self, request: Ask, status: int) -> None:
        """Asterisk refused a request."""
        if request.what == "originate":
            cause = "not_registered" if status == 500 else "invalid_address"
            channel = request.places["channel"]
            if names.customer_parts(channel):
                self.customer_gone(channel, "unreachable")
            else:
                self.leg_gone(channel, cause)
        elif request.what in ("join", "play"):
            channels = request.params.get("channel", request.places.get("channel", "")).split(",")
            self._effects += [Verify(channel) for channel in channels]
            if request.what == "play":
                self.played(request.places["playback"])
            elif self._report.once("join failed", *channels):
                for channel in channels:
                    self.talk.left(channel)
            else:
                for leg in [leg for leg in self.legs.live if leg.channel in channels or channels == [self.channel]]:
                    self.legs.drop(leg)
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
        """An event of the engine that concerns this contact, or a question about it."""
        about = getattr(event, "contact", "")
        if about != self.contact:
            if about == self.talk.consult.id:
                self.talk.consult.hear(event)
                self._step()
            return
        match event:
            case ContactQueued():
                self.queue = f"{event.tenant}/{event.queue}"
                self._moved_on()
                self._queued()
                if event.callback_offered and self.rules.callback.offer:
                    self._effects.append(Wake(self.rules.callback.offer_first_s, "offer callback"))
            case ContactCallbackChanged():
                self._callback_changed(event.cause)
            case ContactOffered():
                self.stage = Stage.OFFERED
                if self.callback.on:
                    self.callback.number = event.callback or self.callback.number
                    self.lost = False
                self._ringing.offers[event.offer] = Offer(event.agent, event.address, float(event.expires_in))
                self.attributes = {**self.attributes, **event.attributes}
            case OfferEnded():
                self._withdraw(event.offer)
            case ContactConnected():
                self.stage = Stage.TALKING
                self._ringing.offers.clear()
                self.talk.hear(event)
            case ContactConsulted() | ContactMerged() | ContactLeft() | ContactHeld() | ContactResumed():
                self.talk.hear(event)
            case ContactTransferred():
                self.outside = event.outside
                if event.outside:
                    self.transfer = ("blind", event.outside, names.OUTSIDE_CONTEXT)
            case ContactWrapup():
                # One who handed the caller on wraps up while the caller waits for another, or talks on with one.
                if self.stage is Stage.TALKING and event.agent in self.talk.agents.values():
                    self._over(event.reason)
            case ContactEnded():
                self._over(event.reason)
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
        elif isinstance(command, ContactComplete | ContactMerge) and command.contact != self.contact:
            if command.contact != self.talk.consult.id:
                return
            self.talk.consult.end()
        elif isinstance(command, OfferAccept):
            self._withdraw(command.offer)
        elif isinstance(command, ContactCallback) and command.number and code != "contact_unknown":
            self._callback_refused()
        elif isinstance(command, ContactAbandon) and code == "contact_is_callback":
            self._report.goes_on()
            return
        elif code == "contact_unknown":
            self._over("failed")
        elif isinstance(command, ContactComplete) and code == "contact_not_connected":
            self._report.tell(ContactAbandon(contact=self.contact))
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
        self._report.sync(now.known)
        self._hearing.heard = Heard.NOTHING
        self.lost = now.restarted
        self.released = self.legs.sync(now) or self.released
        customer = self.callback.sync(now)
        if customer and not now.caller:
            self.channel, now.caller = customer, "Up"
        self.present = bool(now.caller)
        self.answered = now.caller == "Up"
        self.talk.sync(now, self.channel, self.rules.record)
        self._sync_stage(now)
        self._step()

    def _sync_stage(self, now: Standing) -> None:
        if not now.known:
            if self.talk.joined_legs and self.stage is not Stage.OVER:
                self.released = True
            if self.released or self.stage is Stage.OVER or not self.present:
                self._over(self.result or "lost")
            else:
                self.stage = Stage.NEW
            return
        self.queue = now.queue or self.queue
        match now.state:
            case "queued" | "parked":
                self._queued()
            case "offered":
                self.stage = Stage.OFFERED
                self._ringing.offers = dict(now.offers)
            case "connected":
                self.stage = Stage.TALKING
                self._ringing.offers.clear()
                if self.released:
                    self._report.complete("transferred")
            case _:
                self._over(self.result or "lost")

    # What should be

    def _step(self) -> None:
        """Leave as effects what is lacking."""
        self._drop_unwanted()
        if not self.present and not self.callback.absent:
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
                self._converse()
            case Stage.OVER:
                self._part()

    def _drop_unwanted(self) -> None:
        """Stop the phones that ring or stay up for nothing."""
        wanted: set[str] = set()
        alive = self.present or self.callback.absent
        if alive and self.stage is Stage.OFFERED:
            wanted.update(self._ringing.offers)
        elif alive and self.stage is Stage.TALKING and not self._report.has_failed(self.talk.offer):
            wanted = {*self.talk.agents, *self.talk.consult.wanted}
        self.callback.drop_unless(wanted)
        released = self.released and self.present
        self.legs.drop_others(wanted, self.talk.joined if released else [])

    def _clear_up(self) -> None:
        """The caller is gone: tell the engine, and leave nothing behind."""
        if self.stage is not Stage.OVER and not self.callback.asked:
            if not self.lost:
                self._report.abandon()
            elif self.stage is Stage.TALKING:
                self._report.complete("lost")
            else:
                self._report.withdraw()
        self._take_down()

    def _receive(self) -> None:
        """A new caller: let him hear something, and tell the engine of him."""
        self._wait()
        tenant, _, queue = self.queue.partition("/")
        self._report.enqueue(
            ContactEnqueue(
                contact=self.contact,
                tenant=tenant,
                queue=queue,
                priority=self.priority,
                require=self.require,
                attributes=self.attributes,
                caller=self._number(),
            )
        )
        self.stage = Stage.SENT

    def _number(self) -> str:
        """The caller's number, by which he is known when he comes back; empty for one who hides it."""
        return self.number[:128] if any(sign.isdigit() for sign in self.number) else ""

    def _wait(self) -> None:
        """He waits: nobody is joined with him, and he hears music. Who is to be called back is let go instead."""
        if self.callback.on:
            self._take_down()
            if self.present and self._report.once("last words"):
                self._hearing.announce(self.channel, self.rules.callback.confirmed, LAST_WORDS)
            return
        self.talk.consult.room.destroy()
        self.talk.conversation.unjoin(self.channel)
        if self.rules.answer and not self.answered:
            if self._report.once("answer"):
                self._effects.append(ask("answer", channel=self.channel))
            self.answered = True
        if self._hearing.heard is not Heard.ANNOUNCEMENT:
            self._hear(Heard.MUSIC if self.answered else Heard.RINGING)

    def _ring(self) -> None:
        """Offers are open: ring their agents, and tell the engine what comes of it."""
        originator = self.channel if self.present else ""
        if self._ringing.ring(self.rules, self._values(), originator) and not self.callback.on:
            self.talk.conversation.room.prepare()

    def _converse(self) -> None:
        """The engine has connected them: join those who are there, and tell it who has left."""
        talk = self.talk
        colleague, here = talk.consult.colleague(), talk.here()
        if not here and not self.present:
            self._attempt_failed("unreachable" if self.lost else "no_answer")
            return
        heir = colleague is not None and not self.lost and talk.asker not in ("", *here)
        if not here and not heir:
            self._report.complete("lost" if self.lost else "completed_agent")
            self._go("lost" if self.lost else "completed_agent")
            return
        talk.tell_gone(here, heir)
        knowing = [leg for leg in here.values() if leg.state == "up" and self._agent_knows(leg, self.rules)]
        if not self.present and knowing:
            self._reach(knowing[0])
        self._ask_colleague()
        self._arrange(knowing, colleague)

    def _ask_colleague(self) -> None:
        """Ring those who are asked."""
        consult = self.talk.consult
        if consult.ringing.offers:
            rules, queue = self.settings.queue(consult.queue), consult.queue.partition("/")[2]
            consult.ringing.ring(rules, {**self._values(), **consult.attributes, "queue": queue}, "")

    def _arrange(self, knowing: list[Leg], colleague: Leg | None) -> None:
        """Put everybody where he belongs: with the caller, or, who asks and who is asked, aside."""
        talk, consult = self.talk, self.talk.consult
        aside = [leg for leg in knowing if leg.offer == talk.asker]
        if colleague is None or not self._agent_knows(colleague, self.settings.queue(consult.queue)):
            aside = []
        if not aside:
            consult.room.arrange([])
        with_him = [leg for leg in knowing if leg not in aside]
        if not with_him or not self.present or talk.caller_waits:
            talk.conversation.arrange("", with_him if talk.goes_on else [], False)
            if self.present and self._hearing.heard is Heard.NOTHING:
                self._hear(Heard.MUSIC if self.answered else Heard.RINGING)
        else:
            self._join(with_him)
        if aside and colleague is not None:
            consult.room.arrange([aside[0].channel, colleague.channel])
        elif not consult.id:
            consult.room.destroy()

    def _join(self, legs: list[Leg]) -> None:
        """Caller and agents talk."""
        if not self.talk.conversation.caller:
            self.callback.joined()
        if not self.answered:
            self._effects.append(ask("answer", channel=self.channel))
            self.answered = True
        self._hear(Heard.NOTHING)
        self.talk.conversation.arrange(self.channel, legs, self.rules.record)

    def _agent_knows(self, leg: Leg, rules: Queue) -> bool:
        """Whether the agent has heard what he is to hear before he is connected; if not, let him."""
        media = (rules.callback.agent_announcement if self.callback.on else "") or rules.agent_announcement
        if not media or leg.announced:
            return True
        if self._report.once("announce", leg.channel):
            self._hearing.tell_agent(leg.channel, [media])
        return False

    def _reach(self, leg: Leg) -> None:
        """The agent is there: dial the customer, while the agent hears it ring, and tell the engine what comes of it."""
        failure = self.callback.failure()
        if failure is None and self.callback.customer is None:
            values = self._values()
            failure = (
                None if self.callback.dial(self.talk.offer, leg.channel, self.rules.callback, values) else "invalid"
            )
        if failure is not None:
            self._attempt_failed(failure)

    def _attempt_failed(self, cause: AttemptCause) -> None:
        """The customer was not reached: the agent is free at once, and the engine says when the next attempt is."""
        self._report.attempt_failed(self.talk.offer, cause)
        self._drop_unwanted()
        self._take_down()

    def _part(self) -> None:
        """It is over for the engine. A conversation that goes on without it ends when one side hangs up."""
        self.talk.consult.room.destroy()
        if self.released and self.talk.joined_legs:
            return
        if self.present:
            self._go(self.result)
        else:
            self._take_down()

    # Callbacks

    def _ask_callback(self) -> None:
        """The caller wants to be called back."""
        number = str(self.attributes.get("callback_number", "")) or self.number
        if self.rules.callback.dialled(number):
            self.callback.asked = number
            self._report.call_back(number)
        else:
            self._callback_refused()

    def _callback_refused(self) -> None:
        """He is not called back, and goes on waiting, if he is there."""
        self.callback.asked = self.key = ""
        if self.present and self.stage in (Stage.QUEUED, Stage.OFFERED) and self.answered:
            self._hearing.announce(self.channel, self.rules.callback.refused)

    def _callback_changed(self, cause: str) -> None:
        """The engine has taken the request, or knows of an attempt that failed."""
        if not cause:
            self.callback.begin()
            self._report.goes_on()
        self._queued()

    def _moved_on(self) -> None:
        """The contact stands in a line again. If an agent handed it on, its customer is on the phone, or must be again."""
        if not self.callback.on or self.stage is not Stage.TALKING:
            return
        self.callback.on = False
        if not self.present:
            self.callback.next_attempt()
            self.callback.asked = self.callback.number
            self._report.call_back(self.callback.number)

    # Pieces of it

    @property
    def _waits(self) -> bool:
        """Whether the caller is on the phone, and waits."""
        return self.present and self.stage in (Stage.QUEUED, Stage.OFFERED) and not self.callback.on

    def _queued(self) -> None:
        if self.stage in (Stage.NEW, Stage.SENT) and self.rules.announcements:
            first = self.rules.announce_first_s or self.rules.announce_every_s
            self._effects.append(Wake(first, "announce"))
        self.stage = Stage.QUEUED
        self._ringing.offers.clear()
        self.talk.forget()
        if self.callback.on:
            self.callback.next_attempt()

    def _withdraw(self, offer: str) -> None:
        """An offer is no longer open."""
        self.talk.consult.ringing.offers.pop(offer, None)
        offers = self._ringing.offers
        if offers.pop(offer, None) is not None and not offers and self.stage is Stage.OFFERED:
            self._queued()

    def _over(self, reason: str) -> None:
        if self.stage is Stage.OVER:
            return
        self.result = self.result or reason
        # One that has lasted for too long, or ended elsewhere as lost, is still a conversation.
        if reason == "lost" and self.talk.joined_legs and self.present and not self.lost:
            self.released = True
        self.talk.consult.end()
        self.stage = Stage.OVER

    def _values(self) -> dict[str, Any]:
        """What templates are filled in from."""
        return {
            **self.attributes,
            "queue": self.queue.partition("/")[2],
            "name": self.name,
            "number": self.number,
            "contact": self.contact,
            "callback": self.callback.number,
        }

    def _hear(self, what: Heard) -> None:
        self._hearing.hear(self.channel, what, self.rules.music)

    def _take_down(self) -> None:
        """Leave nothing of ours in Asterisk but channels."""
        self.talk.take_down()
        self.callback.take_down()

    def _go(self, result: str) -> None:
        """Let the caller out of the application for good."""
        self.result = result
        self._leave(result)
        self._drop_unwanted()
        self._take_down()

    def _leave(self, result: str) -> None:
        """Let the caller out of the application, and the dialplan know why."""
        self.present = False
        self._hear(Heard.NOTHING)
        if self.key:
            self._effects.append(ask("set_variable", channel=self.channel, variable="ACD_KEY", value=self.key))
        self._effects.append(ask("set_variable", channel=self.channel, variable="ACD_RESULT", value=result))
        where: dict[str, str] = {}
        if self.outside:
            self._effects.append(ask("set_variable", channel=self.channel, variable="ACD_OUTSIDE", value=self.outside))
            where |= {"context": names.OUTSIDE_CONTEXT, "extension": "s", "priority": "1"}
        self._effects.append(ask("leave", None, channel=self.channel, **where))
