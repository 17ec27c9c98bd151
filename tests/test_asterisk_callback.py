"""The machine of one caller who is called back, driven by hand."""

from typing import Any

import pytest

from acd_pbx.asterisk import names
from acd_pbx.asterisk.call import Call, Stage
from acd_pbx.asterisk.effects import Wake
from acd_pbx.asterisk.leg import Offer
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings, Callback, Queue
from acd_pbx.asterisk.standing import Standing
from acd_protocol.words import (
    ContactAbandon,
    ContactCallback,
    ContactCallbackChanged,
    ContactComplete,
    ContactConnected,
    ContactEnded,
    ContactOffered,
    ContactQueued,
    OfferAccept,
    OfferReject,
)
from tests.support.effects import told, words

CONTACT = "pbx-1:77.1"
NUMBER = "4930123"
LEG = names.leg_of("o-1", CONTACT)
CUSTOMER = names.customer_of("o-1", CONTACT)
ABOUT: dict[str, Any] = {"seq": 1, "at": 1, "contact": CONTACT, "tenant": "acme", "queue": "support"}


def queued(**fields: Any) -> ContactQueued:
    return ContactQueued(**{**ABOUT, "priority": 0, "position": 1, **fields})


def offered(offer: str = "o-1") -> ContactOffered:
    fields: dict[str, Any] = {"agent": "a-1", "address": "PJSIP/12", "expires_in": 20, "wait": 0, "attributes": {}}
    return ContactOffered(**ABOUT, **fields, offer=offer, callback=NUMBER)


def changed(cause: Any = "") -> ContactCallbackChanged:
    return ContactCallbackChanged(**ABOUT, agent="", cause=cause, next_in=0)


def connected(offer: str = "o-1") -> ContactConnected:
    return ContactConnected(**ABOUT, offer=offer, agent="a-1", wait=1)


def ended(reason: Any) -> ContactEnded:
    return ContactEnded(**ABOUT, agent="", reason=reason, wait=1, talk=0)


def make(number: str = NUMBER, attributes: dict[str, Any] | None = None, **callback: Any) -> Call:
    rules = Callback(endpoint="PJSIP/{number}@trunk", **callback)
    queue = Queue(keys={"2": "callback", "1": "leave"}, callback=rules)
    settings = AdapterSettings(name="pbx-1", tenant="acme", defaults=queue, engine_patience_s=0)
    return Call(settings, CONTACT, "77.1", "acme/support", number=number, name="Ann", attributes=attributes)


def waiting(call: Call | None = None) -> Call:
    call = call or make()
    call.enter()
    call.hear(queued())
    call.take()
    return call


def parked(call: Call | None = None) -> Call:
    """He has pressed the key, and is gone."""
    call = waiting(call)
    call.digit("2")
    call.hear(changed())
    call.caller_gone()
    call.take()
    return call


def dialling(call: Call | None = None) -> Call:
    """The agent has answered, and the customer's phone rings."""
    call = parked(call)
    call.hear(offered())
    call.leg_ringing(LEG)
    call.leg_up(LEG)
    call.hear(connected())
    call.take()
    call.leg_ringing(CUSTOMER)
    return call


def standing(**fields: Any) -> Standing:
    return Standing(**{"known": True, "state": "queued", "queue": "acme/support", "number": NUMBER, **fields})


def test_a_key_asks_for_it_and_the_caller_is_let_go_after_the_last_words() -> None:
    call = waiting(make(confirmed=("sound:bye",)))
    call.digit("2")
    call.digit("2")
    assert told(call.take()) == [ContactCallback(contact=CONTACT, number=NUMBER)]
    call.hear(changed())
    effects = call.take()
    assert words(effects) == ["stop_music", "play"]
    play = effects[-1]
    assert isinstance(play, Ask)
    assert play.params == {"media": "sound:bye"}
    call.played(play.places["playback"])
    effects = call.take()
    assert words(effects) == ["set_variable", "set_variable", "leave"]
    assert effects[:2] == [
        ask("set_variable", channel="77.1", variable="ACD_KEY", value="2"),
        ask("set_variable", channel="77.1", variable="ACD_RESULT", value="callback"),
    ]
    call.caller_gone()
    assert call.take() == []
    assert not call.closed


def test_he_may_want_to_be_called_at_another_number() -> None:
    call = waiting(make(attributes={"callback_number": "0800123"}))
    call.digit("2")
    assert told(call.take()) == [ContactCallback(contact=CONTACT, number="0800123")]


@pytest.mark.parametrize("number", ["", "anonymous", "1", "123&PJSIP/other", "123@evil", "+49 30"])
def test_a_number_that_is_none_is_never_asked_for(number: str) -> None:
    call = waiting(make(number=number))
    call.digit("2")
    effects = call.take()
    assert told(effects) == []
    assert words(effects) == ["stop_music", "play"]
    # He may still leave.
    call.digit("1")
    assert words(call.take()) == ["contact.withdraw"]


def test_when_the_engine_refuses_he_waits_on() -> None:
    call = waiting()
    call.digit("2")
    (command,) = told(call.take())
    call.refused(command, "callback_exists")
    effects = call.take()
    assert words(effects) == ["stop_music", "play"]
    call.played(effects[-1].places["playback"])  # type: ignore[union-attr]
    assert words(call.take()) == ["start_music"]


def test_who_hangs_up_before_the_engine_has_answered_has_not_abandoned() -> None:
    call = waiting()
    call.digit("2")
    (command,) = told(call.take())
    call.caller_gone()
    assert call.take() == []
    call.hear(changed())
    assert call.take() == []
    refused = waiting()
    refused.digit("2")
    refused.take()
    refused.caller_gone()
    refused.refused(command, "callback_not_offered")
    assert told(refused.take()) == [ContactAbandon(contact=CONTACT)]


def test_the_offer_is_made_when_the_engine_says_so_and_repeated() -> None:
    call = make(offer=("sound:press-2",), offer_first_s=3, offer_every_s=20)
    call.enter()
    call.hear(queued(callback_offered=True))
    assert Wake(3, "offer callback") in call.take()
    call.woke("offer callback")
    effects = call.take()
    assert words(effects) == ["stop_music", "play"]
    assert Wake(20, "offer callback") in effects
    call.digit("2")
    call.take()
    call.woke("offer callback")
    assert call.take() == []


def test_the_customer_is_dialled_only_when_the_agent_is_there() -> None:
    call = parked(make(caller_number="2000", ring_s=25))
    call.hear(offered())
    effects = call.take()
    assert words(effects) == ["originate"]
    originate = effects[0]
    assert isinstance(originate, Ask)
    assert "originator" not in originate.params
    call.leg_up(LEG)
    assert told(call.take()) == [OfferAccept(offer="o-1")]
    call.hear(connected())
    effects = call.take()
    assert words(effects) == ["create_bridge", "play", "originate"]
    assert effects[0] == ask("create_bridge", bridge=names.dial_of(CONTACT), type="mixing", name=CONTACT)
    dial = effects[2]
    assert isinstance(dial, Ask)
    assert dial.places == {"channel": CUSTOMER}
    assert dial.params["endpoint"] == f"PJSIP/{NUMBER}@trunk"
    assert dial.params["timeout"] == "25"
    assert dial.params["callerId"] == '"" <2000>'


def test_when_he_answers_the_two_are_joined_and_it_is_a_call_like_any_other() -> None:
    call = dialling()
    call.customer_up(CUSTOMER)
    effects = call.take()
    assert words(effects) == ["stop_play", "create_bridge", "join"]
    assert effects[2] == ask("join", bridge=names.bridge_of(CONTACT), channel=f"{CUSTOMER},{LEG}")
    call.customer_gone(CUSTOMER, "normal")
    effects = call.take()
    assert told(effects) == [ContactAbandon(contact=CONTACT)]
    assert words(effects) == ["hang_up", "contact.abandon", "destroy_bridge", "destroy_bridge"]
    call.hear(ended("callback_done"))
    call.leg_gone(LEG, "normal")
    assert call.take() == []
    assert call.closed


def test_the_agent_hangs_up_on_a_customer_who_is_reached() -> None:
    call = dialling()
    call.customer_up(CUSTOMER)
    call.take()
    call.leg_gone(LEG, "normal")
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=CONTACT, reason="completed_agent")]
    assert "leave" in words(effects)


@pytest.mark.parametrize(
    ("cause", "said"),
    [("busy", "busy"), ("declined", "busy"), ("no_answer", "no_answer"), ("congestion", "unreachable")],
)
def test_who_is_not_reached_is_reported_and_the_agent_is_free_at_once(cause: str, said: Any) -> None:
    call = dialling()
    call.customer_gone(CUSTOMER, cause)
    effects = call.take()
    assert told(effects) == [ContactCallback(contact=CONTACT, failed=said)]
    assert words(effects) == ["contact.callback", "hang_up", "destroy_bridge"]
    call.hear(changed(said))
    call.leg_gone(LEG, "normal")
    assert call.take() == []
    # And again, when its time has come.
    call.hear(queued())
    call.hear(offered("o-2"))
    assert words(call.take()) == ["originate"]


def test_a_number_that_is_none_any_more_ends_it() -> None:
    call = dialling()
    call.customer_gone(CUSTOMER, "invalid_address")
    assert told(call.take()) == [ContactCallback(contact=CONTACT, failed="invalid")]
    again = make(allowed="0800.*")
    again.sync(standing(state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}))
    assert ContactCallback(contact=CONTACT, failed="invalid") in told(again.take())


def test_an_agent_who_hangs_up_stops_the_customers_phone() -> None:
    call = dialling()
    call.leg_gone(LEG, "normal")
    effects = call.take()
    assert told(effects) == [ContactCallback(contact=CONTACT, failed="no_answer")]
    assert ask("hang_up", channel=CUSTOMER, reason="normal") in effects
    # One who answers at that very moment is not left alone with nobody.
    call.customer_up(CUSTOMER)
    assert words(call.take()) == ["hang_up"]


def test_a_phone_of_an_agent_who_does_not_answer_gives_the_callback_back() -> None:
    call = parked()
    call.hear(offered())
    call.take()
    call.leg_gone(LEG, "busy")
    effects = call.take()
    assert told(effects) == [OfferReject(offer="o-1", cause="busy")]


def test_a_caller_who_is_still_there_when_an_agent_comes_is_joined_at_once() -> None:
    call = waiting()
    call.digit("2")
    call.hear(changed())
    call.take()
    call.hear(offered())
    call.leg_up(LEG)
    call.take()
    call.hear(connected())
    assert words(call.take()) == ["stop_play", "create_bridge", "join"]
    call.caller_gone()
    assert told(call.take()) == [ContactAbandon(contact=CONTACT)]


def test_a_customer_who_is_handed_on_waits_as_any_caller() -> None:
    call = dialling()
    call.customer_up(CUSTOMER)
    call.take()
    call.hear(queued(queue="sales"))
    assert words(call.take()) == ["hang_up", "unjoin", "start_music"]
    call.customer_gone(CUSTOMER, "normal")
    assert told(call.take()) == [ContactAbandon(contact=CONTACT)]


def test_one_who_is_handed_on_before_he_was_reached_is_to_be_called_back_there() -> None:
    call = dialling()
    call.hear(queued(queue="sales"))
    effects = call.take()
    assert told(effects) == [ContactCallback(contact=CONTACT, number=NUMBER)]
    assert ask("hang_up", channel=CUSTOMER, reason="normal") in effects
    call.hear(changed())
    assert call.take() == []
    assert call.stage is Stage.QUEUED


# A fresh picture


def test_a_callback_that_waits_needs_nothing_in_asterisk() -> None:
    for state in ("queued", "parked"):
        call = make()
        call.sync(standing(state=state, restarted=True))
        assert call.take() == []
        assert not call.closed


def test_an_adapter_that_starts_while_it_rings_at_the_customers_goes_on_with_it() -> None:
    call = make()
    call.sync(
        standing(
            state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}, customers={CUSTOMER: "Ringing"}, dialled=True
        )
    )
    assert call.take() == []
    call.customer_up(CUSTOMER)
    assert words(call.take()) == ["stop_play", "create_bridge", "join"]


def test_a_customer_who_answered_meanwhile_is_joined() -> None:
    call = make()
    call.sync(
        standing(
            state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}, customers={CUSTOMER: "Up"}, dialled=True
        )
    )
    assert words(call.take())[-2:] == ["create_bridge", "join"]


def test_one_who_was_dialled_and_is_gone_is_not_dialled_again_at_once() -> None:
    call = make()
    call.sync(standing(state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}, dialled=True))
    assert told(call.take()) == [ContactCallback(contact=CONTACT, failed="no_answer")]


def test_one_who_was_not_dialled_yet_is() -> None:
    call = make()
    call.sync(standing(state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}))
    assert words(call.take()) == ["create_bridge", "play", "originate"]


@pytest.mark.parametrize("legs", [{LEG: "Up"}, {}])
def test_a_conversation_that_ended_meanwhile_is_not_begun_again(legs: dict[str, str]) -> None:
    call = make()
    call.sync(
        standing(state="connected", offer="o-1", agent="a-1", legs=legs, joined=list(legs), bridged=True, dialled=True)
    )
    effects = call.take()
    assert told(effects) == [ContactAbandon(contact=CONTACT)]
    assert words(effects)[-2:] == ["destroy_bridge", "destroy_bridge"]


def test_a_conversation_goes_on() -> None:
    call = make()
    call.sync(
        standing(
            state="connected",
            offer="o-1",
            agent="a-1",
            legs={LEG: "Up"},
            customers={CUSTOMER: "Up"},
            joined=[CUSTOMER, LEG],
            bridged=True,
            dialled=True,
        )
    )
    assert call.take() == []
    assert call.talk.joined


def test_what_asterisk_lost_is_tried_again_or_lost() -> None:
    unreached, talked = dialling(), dialling()
    talked.customer_up(CUSTOMER)
    talked.take()
    gone = standing(state="connected", offer="o-1", agent="a-1", restarted=True)
    unreached.sync(gone)
    assert told(unreached.take()) == [ContactCallback(contact=CONTACT, failed="unreachable")]
    talked.customer_gone(CUSTOMER, "normal", lost=True)
    assert told(talked.take()) == [ContactComplete(contact=CONTACT, reason="lost")]


def test_what_is_left_of_an_earlier_attempt_is_taken_down() -> None:
    call = make()
    old = names.customer_of("o-0", CONTACT)
    call.sync(
        standing(state="offered", offers={"o-1": Offer("a-1", "PJSIP/12")}, customers={old: "Ringing"}, dialled=True)
    )
    effects = call.take()
    assert ask("hang_up", channel=old, reason="normal") in effects
    assert ask("destroy_bridge", bridge=names.dial_of(CONTACT)) in effects
    assert "originate" in words(effects)
