"""The machine of one caller, driven by hand: what it asks of Asterisk and tells the engine, and what it does not."""

from typing import Any

import pytest

from acd_pbx.asterisk import names, recording
from acd_pbx.asterisk.call import Call, Stage
from acd_pbx.asterisk.effects import Locate, Verify, Wake
from acd_pbx.asterisk.hearing import filled
from acd_pbx.asterisk.leg import Offer, cause_of, dialled
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings, Phones, Queue
from acd_pbx.asterisk.standing import Standing
from acd_protocol.words import (
    ContactAbandon,
    ContactComplete,
    ContactConnected,
    ContactEnded,
    ContactEnqueue,
    ContactOffered,
    ContactQueued,
    ContactTransferred,
    ContactWithdraw,
    ContactWrapup,
    OfferAccept,
    OfferEnded,
    OfferReject,
)
from tests.support.effects import told, words

CONTACT = "pbx-1:77.1"
LEG = names.leg_of("o-1", CONTACT)
ABOUT: dict[str, Any] = {"seq": 1, "at": 1, "contact": CONTACT, "tenant": "acme", "queue": "support"}


def make(**queue: Any) -> Call:
    settings = AdapterSettings(name="pbx-1", tenant="acme", defaults=Queue(**queue), engine_patience_s=0)
    return Call(settings, CONTACT, "77.1", "acme/support", number="4930", name="Ann", attributes={"crm": "x"})


def queued() -> ContactQueued:
    return ContactQueued(**ABOUT, priority=0, position=1)


def offered(offer: str = "o-1", address: str = "PJSIP/12") -> ContactOffered:
    return ContactOffered(
        **ABOUT, offer=offer, agent="a-1", address=address, expires_in=20, wait=0, attributes={"crm": "x"}
    )


def offer_ended(outcome: Any = "timed_out", offer: str = "o-1") -> OfferEnded:
    return OfferEnded(**ABOUT, offer=offer, agent="a-1", outcome=outcome, cause="")


def connected(offer: str = "o-1") -> ContactConnected:
    return ContactConnected(**ABOUT, offer=offer, agent="a-1", wait=1)


def ended(reason: Any) -> ContactEnded:
    return ContactEnded(**ABOUT, agent="", reason=reason, wait=1, talk=0)


def waiting(**queue: Any) -> Call:
    call = make(**queue)
    call.enter()
    call.hear(queued())
    call.take()
    return call


def ringing(**queue: Any) -> Call:
    call = waiting(**queue)
    call.hear(offered())
    call.take()
    call.leg_ringing(LEG)
    return call


def talking(**queue: Any) -> Call:
    call = ringing(**queue)
    call.leg_up(LEG)
    call.hear(connected())
    call.take()
    return call


def standing(**fields: Any) -> Standing:
    return Standing(**{"caller": "Up", "known": True, "state": "queued", "queue": "acme/support", **fields})


# A call that goes well


def test_a_new_caller_is_answered_hears_music_and_is_enqueued() -> None:
    call = make()
    call.enter()
    effects = call.take()
    assert words(effects) == ["answer", "start_music", "contact.enqueue"]
    (enqueue,) = told(effects)
    assert enqueue == ContactEnqueue(
        contact=CONTACT, tenant="acme", queue="support", attributes={"crm": "x"}, caller="4930"
    )


def test_a_caller_who_shall_pay_nothing_hears_ringing() -> None:
    call = make(answer=False)
    call.enter()
    assert words(call.take()) == ["ring_back", "contact.enqueue"]


def test_an_offer_rings_the_agent_who_sees_who_calls() -> None:
    call = waiting(caller_name="{queue}: {name} {crm}", headers={"X-CRM": "{crm}"})
    call.hear(offered())
    (effect,) = [each for each in call.take() if isinstance(each, Ask)]
    assert effect.what == "originate"
    assert effect.path == f"/channels/{names.quoted(LEG)}"
    assert effect.params["endpoint"] == "PJSIP/12"
    assert effect.params["callerId"] == '"support: Ann x" <4930>'
    assert effect.params["timeout"] == "23"
    assert effect.params["appArgs"] == "leg,o-1"
    assert effect.body == {"variables": {"PJSIP_HEADER(add,X-CRM)": "x", "ACD_CONTACT": CONTACT}}


def test_nobody_is_joined_before_the_engine_has_said_so() -> None:
    call = ringing()
    call.leg_up(LEG)
    effects = call.take()
    assert told(effects) == [OfferAccept(offer="o-1")]
    assert "join" not in words(effects)
    call.hear(connected())
    assert words(call.take()) == ["stop_music", "join"]
    assert call.talk.joined


def test_a_caller_who_was_not_answered_yet_is_answered_for_the_agent() -> None:
    call = ringing(answer=False)
    call.leg_up(LEG)
    call.take()
    call.hear(connected())
    assert words(call.take()) == ["answer", "stop_ring_back", "join"]


def test_the_agent_hears_which_queue_it_is_before_the_caller() -> None:
    call = ringing(agent_announcement="sound:support")
    call.leg_up(LEG)
    call.take()
    call.hear(connected())
    (play,) = [each for each in call.take() if isinstance(each, Ask)]
    assert (play.what, play.places["channel"]) == ("play", LEG)
    call.played(play.places["playback"])
    assert words(call.take()) == ["stop_music", "join"]


def test_a_recorded_conversation_has_the_contact_in_its_name() -> None:
    call = ringing(record=True)
    call.leg_up(LEG)
    call.take()
    call.hear(connected())
    record = call.take()[-1]
    assert isinstance(record, Ask)
    assert (record.what, record.params["name"]) == ("record", "pbx-1_77.1")


def test_mixmonitor_listens_by_a_channel_of_its_own_as_long_as_the_two_talk() -> None:
    call = ringing(record="mixmonitor")
    call.leg_up(LEG)
    call.take()
    call.hear(connected())
    snoop = call.take()[-1]
    assert isinstance(snoop, Ask)
    assert (snoop.what, snoop.places["channel"], snoop.params["spy"]) == ("snoop", LEG, "both")
    assert snoop.params["appArgs"] == "recorder,pbx-1_77.1"
    recorder = snoop.places["snoop"]
    assert [step.what for step in recording.hand_over(recorder, "pbx-1_77.1")] == ["set_variable", "leave"]
    call.hear(ContactQueued(**{**ABOUT, "queue": "sales"}, priority=0, position=1))
    assert ask("hang_up", channel=recorder, reason="normal") in call.take()


# Ends


def test_the_caller_hangs_up_and_the_phone_is_freed_at_once() -> None:
    call = talking()
    call.caller_gone()
    effects = call.take()
    assert told(effects) == [ContactAbandon(contact=CONTACT)]
    assert words(effects) == ["hang_up", "contact.abandon", "destroy_bridge"]
    call.hear(ended("completed_caller"))
    call.leg_gone(LEG, "normal")
    assert call.take() == []
    assert call.closed


def test_the_agent_hangs_up_and_the_caller_is_let_go_without_waiting_for_the_engine() -> None:
    call = talking()
    call.leg_gone(LEG, "normal")
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=CONTACT, reason="completed_agent")]
    assert words(effects) == ["contact.complete", "set_variable", "leave", "destroy_bridge"]
    assert not call.closed
    call.caller_gone()
    call.hear(ended("completed_agent"))
    assert call.take() == []
    assert call.closed


@pytest.mark.parametrize("reason", ["max_wait", "withdrawn", "queue_full"])
def test_what_ends_in_the_engine_goes_on_in_the_dialplan(reason: str) -> None:
    call = waiting()
    call.hear(ended(reason))
    effects = call.take()
    assert words(effects) == ["stop_music", "set_variable", "leave"]
    assert effects[1] == ask("set_variable", channel="77.1", variable="ACD_RESULT", value=reason)
    assert call.closed


def test_a_conversation_that_the_engine_gives_up_is_not_cut() -> None:
    call = talking()
    call.hear(ended("lost"))
    assert call.take() == []
    call.leg_gone(LEG, "normal")
    assert words(call.take()) == ["set_variable", "leave", "destroy_bridge"]


def test_a_caller_whom_the_engine_refuses_goes_on_in_the_dialplan() -> None:
    call = make()
    call.enter()
    (enqueue,) = told(call.take())
    call.refused(enqueue, "queue_unknown")
    assert ask("set_variable", channel="77.1", variable="ACD_RESULT", value="queue_unknown") in call.take()


def test_a_caller_who_leaves_while_his_agent_rings_stops_the_phone() -> None:
    call = ringing()
    call.caller_gone()
    assert words(call.take()) == ["hang_up", "contact.abandon"]


def test_a_caller_of_whom_the_engine_says_nothing_leaves_after_a_while() -> None:
    settings = AdapterSettings(tenant="acme", engine_patience_s=5)
    call = Call(settings, CONTACT, "77.1", "acme/support")
    call.enter()
    assert Wake(5, "engine") in call.take()
    call.woke("engine")
    effects = call.take()
    assert ask("set_variable", channel="77.1", variable="ACD_RESULT", value="engine_away") in effects
    assert told(effects) == [ContactAbandon(contact=CONTACT)]


def test_patience_does_not_end_a_call_that_the_engine_knows() -> None:
    call = waiting()
    call.woke("engine")
    assert call.take() == []


# Offers that fail


@pytest.mark.parametrize(("cause", "rang"), [("busy", True), ("declined", True), ("no_answer", True)])
def test_a_phone_that_does_not_take_the_call_rejects_with_its_cause(cause: str, rang: bool) -> None:
    call = ringing()
    call.leg_gone(LEG, cause)
    assert told(call.take()) == [OfferReject(offer="o-1", cause=cause)]
    call.hear(offer_ended("rejected"))
    assert call.stage is Stage.QUEUED
    assert call.take() == []


def test_a_phone_that_never_rang_is_unreachable() -> None:
    call = waiting()
    call.hear(offered())
    call.take()
    call.leg_gone(LEG, "no_answer")
    assert told(call.take()) == [OfferReject(offer="o-1", cause="unreachable")]


def test_a_phone_that_does_not_begin_to_ring_is_given_up() -> None:
    call = waiting()
    call.hear(offered())
    assert Wake(10, f"ring {LEG}") in call.take()
    call.woke(f"ring {LEG}")
    effects = call.take()
    assert words(effects) == ["hang_up", "offer.reject"]
    call.leg_gone(LEG, "normal")
    assert call.take() == []


def test_a_phone_that_rings_is_not_given_up() -> None:
    call = ringing()
    call.woke(f"ring {LEG}")
    assert call.take() == []


def test_an_unregistered_phone_is_known_from_the_refusal() -> None:
    call = waiting()
    call.hear(offered())
    originate = next(each for each in call.take() if isinstance(each, Ask))
    call.failed(originate, 500)
    assert told(call.take()) == [OfferReject(offer="o-1", cause="not_registered")]


def test_an_offer_without_an_address_is_rejected() -> None:
    call = waiting()
    call.hear(offered(address=""))
    assert told(call.take()) == [OfferReject(offer="o-1", cause="invalid_address")]


def test_when_time_is_up_the_phone_stops_and_the_next_one_rings() -> None:
    call = ringing()
    call.hear(offer_ended())
    assert words(call.take()) == ["hang_up"]
    call.hear(offered("o-2"))
    assert words(call.take()) == ["originate"]
    call.leg_up(LEG)
    assert told(call.take()) == []


def test_an_answer_that_comes_too_late_joins_nobody() -> None:
    call = ringing()
    call.leg_up(LEG)
    (accept,) = told(call.take())
    call.refused(accept, "offer_gone")
    assert words(call.take()) == ["hang_up"]
    assert not call.talk.joined


def test_several_agents_ring_and_the_first_who_answers_stops_the_others() -> None:
    call = waiting()
    call.hear(offered("o-1"))
    call.hear(offered("o-2"))
    assert words(call.take()) == ["originate", "originate"]
    second = names.leg_of("o-2", CONTACT)
    call.leg_up(second)
    assert told(call.take()) == [OfferAccept(offer="o-2")]
    call.hear(connected("o-2"))
    effects = call.take()
    assert words(effects) == ["hang_up", "stop_music", "join"]
    assert effects[0] == ask("hang_up", channel=LEG, reason="normal")


def test_one_of_several_phones_that_is_busy_leaves_the_others_ringing() -> None:
    call = waiting()
    call.hear(offered("o-1"))
    call.hear(offered("o-2"))
    call.take()
    call.leg_gone(LEG, "busy")
    assert told(call.take()) == [OfferReject(offer="o-1", cause="busy")]
    call.hear(offer_ended("rejected", "o-1"))
    assert call.take() == []
    assert call.stage is Stage.OFFERED


# Transfers, keys, announcements


def test_a_blind_transfer_ends_the_contact_and_leaves_the_caller_where_he_is() -> None:
    call = talking()
    call.leg_replaced(LEG, "local;1")
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=CONTACT, reason="transferred")]
    assert [each.places["channel"] for each in effects if isinstance(each, Ask)] == [LEG]
    call.hear(ended("transferred"))
    assert call.take() == []
    assert call.talk.joined
    call.caller_gone()
    assert words(call.take()) == ["hang_up", "destroy_bridge"]
    call.leg_gone("local;1", "normal")
    assert call.closed


def test_when_the_target_of_a_transfer_hangs_up_the_caller_is_let_go() -> None:
    call = talking()
    call.leg_replaced(LEG, "local;1")
    call.hear(ended("transferred"))
    call.take()
    call.leg_gone("local;1", "normal")
    assert words(call.take()) == ["set_variable", "leave", "destroy_bridge"]


def test_a_contact_that_the_engine_moves_to_another_queue_waits_again() -> None:
    call = talking()
    call.hear(ContactQueued(**{**ABOUT, "queue": "sales"}, priority=0, position=1))
    assert words(call.take()) == ["hang_up", "unjoin", "start_music"]
    assert call.queue == "acme/sales"


def test_who_handed_a_caller_on_wraps_up_without_ending_the_call() -> None:
    call = talking()
    wrapup = ContactWrapup(**ABOUT, agent="a-1", reason="transferred", talk=3, expires_in=10)
    call.hear(ContactQueued(**{**ABOUT, "queue": "sales"}, priority=0, position=1))
    call.hear(wrapup)
    assert call.stage is Stage.QUEUED
    assert words(call.take()) == ["hang_up", "unjoin", "start_music"]
    call.hear(offered("o-2", "PJSIP/13"))
    call.hear(wrapup)
    assert words(call.take()) == ["originate"]


def test_a_caller_who_is_sent_outside_goes_there_by_the_dialplan() -> None:
    call = talking()
    call.hear(ContactTransferred(**ABOUT, to="", outside="PJSIP/9@out", agent="a-1", only_agent=""))
    assert call.take() == []
    call.hear(ended("transferred"))
    effects = call.take()
    assert ask("set_variable", channel="77.1", variable="ACD_OUTSIDE", value="PJSIP/9@out") in effects
    assert ask("leave", channel="77.1", context="acd-outside", extension="s", priority="1") in effects
    assert ask("hang_up", channel=LEG, reason="normal") in effects
    assert call.transfer == ("blind", "PJSIP/9@out", "acd-outside")


def test_a_key_takes_the_caller_out_of_the_queue() -> None:
    call = waiting(keys={"1": "leave"})
    call.digit("2")
    assert call.take() == []
    call.digit("1")
    call.digit("1")
    assert told(call.take()) == [ContactWithdraw(contact=CONTACT)]
    call.hear(ended("withdrawn"))
    assert ask("set_variable", channel="77.1", variable="ACD_KEY", value="1") in call.take()


def test_announcements_say_the_position_and_give_the_music_back() -> None:
    call = make(announcements=("sound:there-are", "number:{position}", "sound:eta-{eta}"), announce_every_s=30)
    call.enter()
    call.hear(queued())
    assert Wake(30, "announce") in call.take()
    call.woke("announce")
    assert call.take() == [Locate()]
    call.announce(3, None, 61)
    effects = call.take()
    assert words(effects) == ["stop_music", "play"]
    play = effects[-1]
    assert isinstance(play, Ask)
    assert play.params == {"media": "sound:there-are,number:3"}
    call.played(play.places["playback"])
    assert words(call.take()) == ["start_music"]


def test_an_agent_who_answers_cuts_an_announcement_short() -> None:
    call = ringing(announcements=("sound:x",), announce_every_s=30)
    call.hear(offer_ended())
    call.take()
    call.announce(1, None, 0)
    call.hear(offered("o-2"))
    leg = names.leg_of("o-2", CONTACT)
    call.leg_up(leg)
    call.take()
    call.hear(connected("o-2"))
    assert words(call.take()) == ["stop_play", "join"]


# A fresh picture of both sides


def test_an_adapter_that_starts_leaves_a_conversation_alone() -> None:
    call = make()
    call.sync(standing(state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}, joined=["77.1", LEG]))
    assert call.take() == []
    assert call.talk.joined


def test_what_was_accepted_but_not_joined_is_joined() -> None:
    call = make()
    call.sync(standing(state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}))
    assert words(call.take()) == ["create_bridge", "join"]


def test_an_agent_who_left_meanwhile_ends_the_conversation_as_his() -> None:
    call = make()
    call.sync(standing(state="connected", offer="o-1", agent="a-1", joined=["77.1"]))
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=CONTACT, reason="completed_agent")]
    assert "leave" in words(effects)


def test_a_caller_who_left_meanwhile_ends_it_as_his() -> None:
    call = make()
    call.sync(standing(caller="", state="connected", offer="o-1", agent="a-1", legs={LEG: "Up"}, joined=[LEG]))
    effects = call.take()
    assert told(effects) == [ContactAbandon(contact=CONTACT)]
    assert words(effects) == ["hang_up", "contact.abandon", "destroy_bridge"]


def test_what_asterisk_lost_is_lost_and_not_abandoned() -> None:
    talk, wait = make(), make()
    talk.sync(standing(caller="", state="connected", offer="o-1", agent="a-1", restarted=True))
    wait.sync(standing(caller="", restarted=True))
    assert told(talk.take()) == [ContactComplete(contact=CONTACT, reason="lost")]
    assert told(wait.take()) == [ContactWithdraw(contact=CONTACT)]


def test_a_phone_that_rings_goes_on_ringing() -> None:
    call = make()
    call.sync(standing(state="offered", offers={"o-1": Offer("a-1", "PJSIP/12")}, legs={LEG: "Ringing"}))
    assert words(call.take()) == ["start_music"]
    call.leg_up(LEG)
    assert told(call.take()) == [OfferAccept(offer="o-1")]


def test_an_offer_that_nobody_rings_yet_is_rung() -> None:
    call = make()
    call.sync(standing(state="offered", offers={"o-1": Offer("a-1", "PJSIP/12")}))
    assert words(call.take()) == ["start_music", "originate"]


def test_a_phone_of_an_older_offer_is_stopped() -> None:
    call = make()
    old = names.leg_of("o-0", CONTACT)
    call.sync(standing(legs={old: "Ringing"}))
    assert words(call.take()) == ["hang_up", "start_music"]


def test_a_caller_whom_the_engine_does_not_know_is_enqueued_again() -> None:
    call = waiting()
    call.sync(standing(known=False))
    assert "contact.enqueue" in words(call.take())


def test_a_conversation_that_the_engine_does_not_know_goes_on() -> None:
    call = talking()
    call.sync(standing(known=False, legs={LEG: "Up"}, joined=["77.1", LEG]))
    assert call.take() == []
    assert call.talk.joined


def test_a_transfer_that_nobody_saw_is_known_from_who_is_in_the_bridge() -> None:
    call = make()
    call.sync(standing(state="connected", offer="o-1", agent="a-1", others=["local;1"], joined=["77.1", "local;1"]))
    assert told(call.take()) == [ContactComplete(contact=CONTACT, reason="transferred")]


def test_what_was_asked_for_and_did_not_come_about_is_asked_for_again() -> None:
    call = ringing()
    call.leg_up(LEG)
    assert told(call.take()) == [OfferAccept(offer="o-1")]
    now = standing(state="offered", offers={"o-1": Offer("a-1", "PJSIP/12")}, legs={LEG: "Up"})
    call.sync(now)
    assert OfferAccept(offer="o-1") in told(call.take())


# Asterisk does not do what was asked


def test_a_join_that_fails_is_looked_into_and_tried_again() -> None:
    call = ringing()
    call.leg_up(LEG)
    call.hear(connected())
    join = next(each for each in call.take() if isinstance(each, Ask) and each.what == "join")
    call.failed(join, 400)
    effects = call.take()
    assert [each for each in effects if isinstance(each, Verify)] == [Verify("77.1"), Verify(LEG)]
    call.verified("77.1", True)
    call.verified(LEG, True)
    assert words(call.take()) == ["join"]


def test_a_join_that_fails_because_the_agent_is_gone_ends_it() -> None:
    call = talking()
    call.failed(ask("join", bridge="b", channel=f"77.1,{LEG}"), 400)
    call.take()
    call.verified(LEG, False)
    assert told(call.take()) == [ContactComplete(contact=CONTACT, reason="completed_agent")]


# Small things


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("PJSIP/12", "PJSIP/12"),
        ("pbx-1:PJSIP/12", "PJSIP/12"),
        ("pbx-2:PJSIP/12", "PJSIP/12@to-2"),
        ("pbx-3:PJSIP/12", ""),
        ("PJSIP/12/sip:x@1.2.3.4:5060", "PJSIP/12/sip:x@1.2.3.4:5060"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_an_address_may_name_the_asterisk_where_the_phone_is(address: str, expected: str) -> None:
    settings = AdapterSettings(name="pbx-1", phones=Phones(trunks={"pbx-2": "PJSIP/{user}@to-2"}))
    assert dialled(address, settings) == expected


def test_a_text_with_an_unknown_field_is_left_out_or_filled_with_nothing() -> None:
    assert filled("number:{position}", {"position": 3}) == "number:3"
    assert filled("number:{position}", {}) is None
    assert filled("{a} {b}", {"a": 1}, "") == "1 "


@pytest.mark.parametrize(
    ("code", "tech", "word"),
    [(17, 486, "busy"), (21, 603, "declined"), (19, 480, "no_answer"), (16, 0, "normal"), (99, 0, "failed")],
)
def test_causes_have_words(code: int, tech: int, word: str) -> None:
    assert cause_of(code, tech) == word
