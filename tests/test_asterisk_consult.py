"""The machine of one caller while his agent asks a colleague, and in a conference, driven by hand."""

from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.call import Call
from acd_pbx.asterisk.leg import Offer
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.picture import Held, question_of, read_picture, standing
from acd_pbx.asterisk.settings import AdapterSettings, Queue
from acd_pbx.asterisk.standing import Question, Standing
from acd_protocol.words import (
    ContactAbandon,
    ContactComplete,
    ContactConnected,
    ContactConsulted,
    ContactDrop,
    ContactEnded,
    ContactHeld,
    ContactHold,
    ContactLeft,
    ContactMerge,
    ContactMerged,
    ContactOffered,
    ContactQueued,
    ContactResumed,
    ContactUnhold,
    ContactWrapup,
    OfferAccept,
    OfferEnded,
    OfferReject,
)
from tests.support.effects import told, words

CONTACT, QUESTION = "pbx-1:77.1", "pbx-1:77.1/q"
CALLER = "77.1"
ANN, BOB = (names.leg_of(offer, CONTACT) for offer in ("o-1", "o-2"))
TALK, ASIDE = names.bridge_of(CONTACT), names.aside_of(CONTACT)
ABOUT: dict[str, Any] = {"seq": 1, "at": 1, "contact": CONTACT, "tenant": "acme", "queue": "support"}
ASKED: dict[str, Any] = {**ABOUT, "contact": QUESTION, "queue": "experts"}


def rooms(effects: list[Any]) -> list[tuple[str, str, str]]:
    """What is asked of bridges: word, bridge, channels."""
    return [
        (step.what, step.places["bridge"], step.params.get("channel", ""))
        for step in effects
        if isinstance(step, Ask) and step.what in ("join", "unjoin")
    ]


def talking(**queue: Any) -> Call:
    """The caller talks with Ann."""
    experts = Queue(**({"agent_announcement": queue.pop("experts_hear")} if "experts_hear" in queue else {}))
    settings = AdapterSettings(
        name="pbx-1",
        tenant="acme",
        defaults=Queue(**queue),
        queues={"experts": experts},
        engine_patience_s=0,
    )
    call = Call(settings, CONTACT, CALLER, "acme/support", number="4930", name="Cal")
    call.enter()
    call.hear(ContactQueued(**ABOUT, priority=0, position=1))
    call.hear(ContactOffered(**ABOUT, offer="o-1", agent="ann", address="P/1", expires_in=20, wait=0, attributes={}))
    call.leg_up(ANN)
    call.hear(ContactConnected(**ABOUT, offer="o-1", agent="ann", wait=1))
    call.take()
    return call


def asked(**queue: Any) -> Call:
    """Ann has asked, and Bob's phone is to ring."""
    call = talking(**queue)
    call.hear(ContactConsulted(**ABOUT, agent="ann", consult=QUESTION))
    call.hear(ContactQueued(**ASKED, priority=0, position=1))
    call.hear(
        ContactOffered(
            **ASKED, offer="o-2", agent="bob", address="P/2", expires_in=20, wait=0, attributes={}, consults=CONTACT
        )
    )
    return call


def aside(**queue: Any) -> Call:
    """Ann and Bob talk, and the caller waits."""
    call = asked(**queue)
    call.leg_up(BOB)
    call.hear(ContactConnected(**ASKED, offer="o-2", agent="bob", wait=1))
    call.take()
    return call


def merged() -> Call:
    """Caller, Ann and Bob talk."""
    call = aside()
    call.hear(ContactMerged(**ABOUT, agent="bob", consult=QUESTION, talking=2))
    call.hear(ContactEnded(**ASKED, agent="bob", reason="transferred", wait=1, talk=1))
    call.take()
    return call


def left(agent: str) -> ContactLeft:
    return ContactLeft(**ABOUT, agent=agent, talking=1)


def test_the_colleagues_phone_rings_while_the_agent_talks_on() -> None:
    call = asked()
    (ring,) = [step for step in call.take() if isinstance(step, Ask)]
    assert (ring.what, ring.places["channel"], ring.params["endpoint"]) == ("originate", BOB, "P/2")
    call.leg_up(BOB)
    effects = call.take()
    assert told(effects) == [OfferAccept(offer="o-2")]
    assert rooms(effects) == []
    assert call.talk.joined == [ANN]


def test_when_he_answers_the_two_talk_aside_and_the_caller_hears_music() -> None:
    call = asked()
    call.leg_up(BOB)
    call.take()
    call.hear(ContactConnected(**ASKED, offer="o-2", agent="bob", wait=1))
    effects = call.take()
    assert rooms(effects) == [("unjoin", TALK, CALLER), ("unjoin", TALK, ANN), ("join", ASIDE, f"{ANN},{BOB}")]
    assert ask("start_music", channel=CALLER, mohClass="default") in effects
    assert call.talk.joined == []


def test_he_hears_first_which_queue_is_asked() -> None:
    call = asked(experts_hear="sound:experts")
    call.leg_up(BOB)
    call.take()
    call.hear(ContactConnected(**ASKED, offer="o-2", agent="bob", wait=1))
    (play,) = [step for step in call.take() if isinstance(step, Ask)]
    assert (play.what, play.params["media"]) == ("play", "sound:experts")
    call.played(play.places["playback"])
    assert rooms(call.take())[-1] == ("join", ASIDE, f"{ANN},{BOB}")


def test_a_phone_that_is_busy_is_told_of_the_question() -> None:
    call = asked()
    call.take()
    call.leg_gone(BOB, "busy")
    assert told(call.take()) == [OfferReject(offer="o-2", cause="busy")]
    call.hear(OfferEnded(**ASKED, offer="o-2", agent="bob", outcome="rejected", cause="busy"))
    assert call.take() == []
    assert call.talk.joined == [ANN]


def test_a_question_that_is_given_up_stops_the_phone() -> None:
    call = asked()
    call.take()
    call.hear(OfferEnded(**ASKED, offer="o-2", agent="bob", outcome="withdrawn", cause="abandoned"))
    assert call.take() == [ask("hang_up", channel=BOB, reason="normal")]


def test_the_end_of_the_question_brings_the_agent_back() -> None:
    call = aside()
    call.hear(ContactEnded(**ASKED, agent="bob", reason="completed_agent", wait=1, talk=1))
    effects = call.take()
    assert rooms(effects)[-1] == ("join", TALK, f"{CALLER},{ANN}")
    assert words(effects)[0] == "hang_up"
    assert words(effects)[-1] == "destroy_bridge"
    assert ask("stop_music", channel=CALLER) in effects


def test_a_colleague_who_hangs_up_ends_the_question_once() -> None:
    call = aside()
    call.leg_gone(BOB, "normal")
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=QUESTION, reason="completed_agent")]
    assert rooms(effects)[-1] == ("join", TALK, f"{CALLER},{ANN}")
    call.verified(ANN, True)
    assert told(call.take()) == []


def test_an_agent_who_hangs_up_leaves_the_caller_to_his_colleague() -> None:
    call = aside()
    call.leg_gone(ANN, "normal")
    effects = call.take()
    assert told(effects) == [ContactMerge(contact=QUESTION, transfer=True)]
    assert "leave" not in words(effects)
    call.hear(ContactMerged(**ABOUT, agent="bob", consult=QUESTION, talking=2))
    call.hear(left("ann"))
    assert rooms(call.take()) == [("join", TALK, f"{CALLER},{BOB}")]
    # Her after-work begins, and says nothing about the caller.
    wrapup: dict[str, Any] = {"agent": "ann", "talk": 1, "expires_in": 5, "disposition_required": False}
    call.hear(ContactWrapup(**ABOUT, reason="transferred", **wrapup))
    assert call.take() == []
    call.leg_gone(BOB, "normal")
    assert told(call.take()) == [ContactComplete(contact=CONTACT, reason="completed_agent")]


def test_when_the_engine_does_not_let_him_take_over_the_call_is_over() -> None:
    call = aside()
    call.leg_gone(ANN, "normal")
    call.take()
    call.refused(ContactMerge(contact=QUESTION, transfer=True), "contact_unknown")
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=CONTACT, reason="completed_agent")]
    assert ask("hang_up", channel=BOB, reason="normal") in effects


def test_both_hang_up_at_once() -> None:
    call = aside()
    call.leg_gone(BOB, "normal")
    call.leg_gone(ANN, "normal")
    ends = [ContactComplete(contact=one, reason="completed_agent") for one in (QUESTION, CONTACT)]
    assert told(call.take()) == ends


def test_a_caller_who_hangs_up_ends_it_for_all() -> None:
    call = aside()
    call.caller_gone()
    effects = call.take()
    assert told(effects) == [ContactAbandon(contact=CONTACT)]
    assert [step for step in effects if isinstance(step, Ask)] == [
        ask("hang_up", channel=ANN, reason="normal"),
        ask("hang_up", channel=BOB, reason="normal"),
        ask("destroy_bridge", bridge=TALK),
        ask("destroy_bridge", bridge=ASIDE),
    ]


def test_a_conference_loses_one_after_the_other() -> None:
    call = merged()
    assert call.talk.joined == [ANN, BOB]
    call.leg_gone(ANN, "normal")
    assert told(call.take()) == [ContactDrop(contact=CONTACT, agent="ann")]
    call.hear(left("ann"))
    call.leg_gone(BOB, "normal")
    effects = call.take()
    assert told(effects) == [ContactComplete(contact=CONTACT, reason="completed_agent")]
    assert "leave" in words(effects)


def test_two_who_leave_a_conference_at_once_end_it() -> None:
    call = merged()
    call.leg_gone(ANN, "normal")
    call.leg_gone(BOB, "normal")
    ends = [ContactDrop(contact=CONTACT, agent="ann"), ContactComplete(contact=CONTACT, reason="completed_agent")]
    assert told(call.take()) == ends


def test_who_is_dropped_by_command_is_hung_up() -> None:
    call = merged()
    call.hear(left("bob"))
    assert ask("hang_up", channel=BOB, reason="normal") in call.take()
    assert call.talk.joined == [ANN]


def test_the_recording_goes_on_with_who_stays() -> None:
    call = aside(record="mixmonitor")
    call.hear(ContactMerged(**ABOUT, agent="bob", consult=QUESTION, talking=2))
    call.hear(left("ann"))
    effects = call.take()
    snoops = [step.places["snoop"] for step in effects if isinstance(step, Ask) and step.what == "snoop"]
    first, second = (names.recorder_of(offer, CONTACT) for offer in ("o-1", "o-2"))
    assert snoops == [first, second]
    assert effects.index(ask("hang_up", channel=first, reason="normal")) > 0


def test_hold_by_command_and_by_the_phone() -> None:
    call = talking()
    call.hear(ContactHeld(**ABOUT, agent="ann"))
    assert rooms(call.take()) == [("unjoin", TALK, CALLER)]
    call.hear(ContactResumed(**ABOUT, agent="ann"))
    assert rooms(call.take()) == [("join", TALK, CALLER)]
    # A phone that holds lets Asterisk play the music.
    call.phone_held(ANN, True)
    assert told(call.take()) == [ContactHold(contact=CONTACT)]
    call.hear(ContactHeld(**ABOUT, agent="ann"))
    assert call.take() == []
    call.phone_held(ANN, False)
    assert told(call.take()) == [ContactUnhold(contact=CONTACT)]


def test_a_phone_that_holds_in_a_conference_holds_nobody() -> None:
    call = merged()
    call.phone_held(BOB, True)
    call.phone_held(BOB, False)
    assert call.take() == []


def test_who_transfers_by_the_phone_while_he_asks_means_his_colleague() -> None:
    call = aside()
    call.leg_replaced(ANN, "local-1", "Local/1000@x-1;1")
    effects = call.take()
    assert told(effects) == [ContactMerge(contact=QUESTION, transfer=True)]
    gone = [step.places["channel"] for step in effects if isinstance(step, Ask) and step.what == "hang_up"]
    assert gone == ["local-1", ANN]


# A fresh picture


def look(question: Question | None, **fields: Any) -> Standing:
    return Standing(
        caller="Up",
        known=True,
        state="connected",
        queue="acme/support",
        legs={ANN: "Up", BOB: "Up"},
        question=question,
        bridged=True,
        **fields,
    )


def fresh() -> Call:
    settings = AdapterSettings(name="pbx-1", tenant="acme")
    return Call(settings, CONTACT, CALLER, "acme/support")


def test_who_talks_aside_goes_on_after_a_restart() -> None:
    question = Question(QUESTION, "ann", "acme/experts", "o-2", "bob")
    call = fresh()
    call.sync(look(question, talking={"o-1": "ann"}, aside=True, asking=[ANN, BOB]))
    assert [step.what for step in call.take() if isinstance(step, Ask)] == ["start_music"]
    call.leg_gone(BOB, "normal")
    assert told(call.take()) == [ContactComplete(contact=QUESTION, reason="completed_agent")]


def test_a_conference_goes_on_after_a_restart() -> None:
    call = fresh()
    call.sync(look(None, talking={"o-1": "ann", "o-2": "bob"}, joined=[CALLER, ANN, BOB]))
    assert call.take() == []
    assert call.talk.joined == [ANN, BOB]


def test_who_was_merged_while_no_adapter_was_there_is_joined() -> None:
    call = fresh()
    call.sync(look(None, talking={"o-1": "ann", "o-2": "bob"}, aside=True, asking=[ANN, BOB]))
    effects = call.take()
    assert rooms(effects) == [
        ("unjoin", ASIDE, ANN),
        ("unjoin", ASIDE, BOB),
        ("join", TALK, f"{CALLER},{ANN},{BOB}"),
    ]


def test_a_question_that_ended_while_no_adapter_was_there_is_over() -> None:
    call = fresh()
    call.sync(look(None, talking={"o-1": "ann"}, aside=True, asking=[ANN, BOB]))
    effects = call.take()
    assert effects[0] == ask("hang_up", channel=BOB, reason="normal")
    assert rooms(effects)[-1] == ("join", TALK, f"{CALLER},{ANN}")


def test_a_picture_tells_who_asks_whom() -> None:
    picture = read_picture("acd", {}, [], [{"id": TALK, "channels": []}, {"id": ASIDE, "channels": [ANN, BOB]}])
    view = {"contact": QUESTION, "tenant": "acme", "queue": "experts", "asked_by": "ann", "attributes": {"case": "1"}}
    offers = {"o-2": Offer("bob", "P/2")}
    rings = question_of({**view, "state": "offered", "agent": "bob", "offer": "o-2"}, Held(offers, {}))
    assert rings == Question(QUESTION, "ann", "acme/experts", "", "", offers, {"case": "1"})
    talks = question_of({**view, "state": "connected", "agent": "bob", "offer": "o-2"}, Held({}, {"o-2": "bob"}))
    assert (talks.offer, talks.agent, talks.offers) == ("o-2", "bob", {})
    contact = {"state": "connected", "offer": "o-1", "agent": "ann", "tenant": "acme", "queue": "support", "held": True}
    held = Held({}, {"o-1": "ann", "o-3": "carol"})
    now = standing(picture, CONTACT, CALLER, {**contact, "callback": None}, held, talks)
    assert (now.talking, now.held, now.aside, now.asking) == (held.talking, True, True, [ANN, BOB])
    assert now.question is talks
