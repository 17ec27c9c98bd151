"""One example of every message, for the protocol page: the story of one call."""

from typing import Any

from msgspec import Struct

from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentOutside,
    AgentPause,
    AgentReady,
    AgentUpdate,
    AgentWrapupDone,
    AgentWrapupExtend,
    ClientAway,
    ClientBack,
    ConfigApply,
    ContactAbandon,
    ContactCallback,
    ContactComplete,
    ContactEnqueue,
    ContactHold,
    ContactTransfer,
    ContactUnhold,
    ContactUpdate,
    ContactWithdraw,
    HoursSet,
    OfferAccept,
    OfferReject,
    QueueClose,
    QueueOpen,
)
from acd_core.config import Agent, Config, Queue, Step, Tenant
from acd_core.events import (
    AgentChanged,
    AgentPauseUsedUp,
    AgentUpdated,
    ConfigApplied,
    ContactCallbackChanged,
    ContactConnected,
    ContactDisposed,
    ContactEnded,
    ContactHeld,
    ContactOffered,
    ContactOverflowed,
    ContactQueued,
    ContactRelaxed,
    ContactResumed,
    ContactStepped,
    ContactTransferred,
    ContactUpdated,
    ContactWrapup,
    ContactWrapupExtended,
    HoursUpdated,
    OfferEnded,
    QueueClosed,
    QueueOpened,
    WaitEstimate,
)
from acd_core.refusals import Outcome
from acd_protocol.framing import error
from acd_protocol.messages import (
    PROTOCOL_VERSION,
    Draining,
    Estimate,
    Explain,
    Gap,
    Hello,
    List,
    Ok,
    Ping,
    Replaced,
    Stats,
    Subscribe,
    Welcome,
)

_AT = 1_795_295_000_000_000_000
_CALL: dict[str, Any] = {"contact": "c-77", "tenant": "acme", "queue": "support"}
_TALK: dict[str, Any] = {**_CALL, "agent": "a-12"}

EXAMPLES: tuple[Struct, ...] = (
    ContactEnqueue(**_CALL, id=1, priority=5, require="spanish>=50", attributes={"ani": "+34911222333", "vip": True}),
    ContactUpdate(id=2, contact="c-77", priority=9, steps=(Step(after_s=60, rank_max=1),)),
    ContactAbandon(id=3, contact="c-77"),
    ContactWithdraw(id=4, contact="c-77"),
    ContactComplete(id=5, contact="c-77", reason="completed_caller"),
    ContactTransfer(id=28, contact="c-77", queue="second-line", require="expert>=50"),
    ContactCallback(id=29, contact="c-77", number="+34911222333"),
    ContactHold(id=6, contact="c-77"),
    ContactUnhold(id=7, contact="c-77"),
    OfferAccept(id=8, offer="o-5"),
    OfferReject(id=9, offer="o-5", cause="busy"),
    AgentLogin(id=10, agent="a-12", address="PJSIP/1012", ready=True),
    AgentReady(id=11, agent="a-12"),
    AgentPause(id=12, agent="a-12", reason="lunch"),
    AgentLogout(id=13, agent="a-12"),
    AgentOutside(id=30, agent="a-12", for_s=3600),
    AgentUpdate(id=14, agent="a-12", skills={"billing": 60, "spanish": 80}),
    AgentWrapupDone(id=15, agent="a-12", disposition="sold"),
    AgentWrapupExtend(id=15, agent="a-12", by_s=30),
    ClientAway(id=17),
    ClientBack(id=18),
    QueueClose(id=25, tenant="acme", queue="support", reason="fire alarm"),
    QueueOpen(id=26, tenant="acme", queue="support"),
    HoursSet(id=27, calendar="office", open=False, changes=(1_795_305_600_000, 1_795_334_400_000)),
    ConfigApply(
        id=16,
        config=Config(
            tenants=(Tenant(name="acme"),),
            queues=(Queue(tenant="acme", name="support", require="billing>=30 & spanish", wrapup_s=30),),
            agents=(Agent(agent="a-12", address="PJSIP/1012", skills={"billing": 60, "spanish": 80}),),
        ),
    ),
    Hello(version=PROTOCOL_VERSION, client="pbx-1", token="secret", resume=8123),
    Ping(id=20),
    Subscribe(id=21, topics=("contact", "agent"), tenant="acme"),
    List(id=22, what="contacts", tenant="acme", limit=100),
    Stats(id=23, tenant="acme"),
    Estimate(id=25, contact="c-77"),
    Explain(id=24, contact="c-77"),
    Welcome(version=PROTOCOL_VERSION, seq=8123, node="acd-1", time=_AT, oldest_seq=4027),
    Ok(seq=8124, id=1, position=4, wait_estimate=WaitEstimate(p50=35, p90=80)),
    error(Outcome.QUEUE_UNKNOWN, request_id=1),
    Replaced(),
    Gap(first_seq=4027),
    Draining(),
    ContactQueued(seq=8124, at=_AT, **_CALL, priority=5, position=4, wait_estimate=WaitEstimate(p50=35, p90=80)),
    ContactOffered(
        seq=8130,
        at=_AT + 12_000_000_000,
        offer="o-5",
        **_TALK,
        address="PJSIP/1012",
        expires_in=20,
        wait=12,
        attributes={"ani": "+34911222333", "vip": True},
    ),
    OfferEnded(seq=8132, at=_AT + 15_000_000_000, offer="o-5", **_TALK, outcome="rejected", cause="busy"),
    ContactStepped(seq=8130, at=_AT + 10_000_000_000, **_CALL, step=1),
    ContactOverflowed(seq=8131, at=_AT + 60_000_000_000, **_CALL, to="night", cause="step", wait=60),
    ContactRelaxed(seq=8132, at=_AT + 14_000_000_000, **_CALL),
    ContactConnected(seq=8132, at=_AT + 15_000_000_000, **_TALK, offer="o-5", wait=15),
    ContactCallbackChanged(seq=8139, at=_AT + 40_000_000_000, **_CALL, agent="", next_in=0),
    ContactTransferred(seq=8139, at=_AT + 60_000_000_000, **_TALK, to="second-line", outside="", only_agent=""),
    ContactHeld(seq=8140, at=_AT + 60_000_000_000, **_TALK),
    ContactResumed(seq=8143, at=_AT + 75_500_000_000, **_TALK),
    ContactUpdated(seq=8126, at=_AT + 4_000_000_000, **_CALL, priority=9),
    ContactWrapup(seq=8160, at=_AT + 195_000_000_000, **_TALK, reason="completed_caller", talk=180, expires_in=30),
    ContactWrapupExtended(seq=8161, at=_AT + 200_000_000_000, **_TALK, expires_in=55),
    ContactDisposed(seq=8162, at=_AT + 210_000_000_000, **_TALK, disposition="sold"),
    ContactEnded(seq=8171, at=_AT + 225_000_000_000, **_TALK, reason="completed_caller", wait=15, talk=180),
    AgentChanged(seq=8131, at=_AT + 12_000_000_000, agent="a-12", state="offered", expires_in=20),
    AgentPauseUsedUp(seq=8164, at=_AT + 2_700_000_000_000, agent="a-12", reason="lunch", used=2700, allowance=2700),
    AgentUpdated(seq=8180, at=_AT + 300_000_000_000, agent="a-12"),
    QueueClosed(
        seq=8185, at=_AT + 350_000_000_000, tenant="acme", queue="support", cause="emergency", reason="fire alarm"
    ),
    QueueOpened(seq=8186, at=_AT + 360_000_000_000, tenant="acme", queue="support"),
    HoursUpdated(seq=8187, at=_AT + 370_000_000_000, calendar="office", open=False, changes=2),
    ConfigApplied(seq=8190, at=_AT + 400_000_000_000, tenants=1, queues=1, agents=1),
)

_BY_TYPE = {type(message): message for message in EXAMPLES}


def example_of(kind: type[Struct]) -> Struct:
    """The example of a message type. Raises `KeyError` when it is missing here."""
    return _BY_TYPE[kind]


SESSION: tuple[Struct, ...] = (
    Hello(version=PROTOCOL_VERSION, client="pbx-1", token="secret"),
    Welcome(version=PROTOCOL_VERSION, seq=8120, node="acd-1", time=_AT),
    AgentLogin(id=1, agent="a-12", address="PJSIP/1012", ready=True),
    Ok(seq=8121, id=1),
    AgentChanged(seq=8121, at=_AT, agent="a-12", state="ready"),
    ContactEnqueue(**_CALL, id=2, priority=5, require="billing>=30 & spanish", attributes={"ani": "+34911222333"}),
    Ok(seq=8124, id=2, position=1),
    ContactQueued(seq=8122, at=_AT + 1_000_000_000, **_CALL, priority=5, position=1),
    ContactOffered(
        seq=8123,
        at=_AT + 1_000_000_000,
        offer="o-5",
        **_TALK,
        address="PJSIP/1012",
        expires_in=20,
        wait=0,
        attributes={"ani": "+34911222333"},
    ),
    AgentChanged(seq=8124, at=_AT + 1_000_000_000, agent="a-12", state="offered", expires_in=20),
    OfferAccept(id=3, offer="o-5"),
    Ok(seq=8126, id=3),
    ContactConnected(seq=8125, at=_AT + 4_000_000_000, **_TALK, offer="o-5", wait=3),
    AgentChanged(seq=8126, at=_AT + 4_000_000_000, agent="a-12", state="busy"),
    ContactComplete(id=4, contact="c-77", reason="completed_caller"),
    Ok(seq=8128, id=4),
    ContactEnded(seq=8127, at=_AT + 184_000_000_000, **_TALK, reason="completed_caller", wait=3, talk=180),
    AgentChanged(seq=8128, at=_AT + 184_000_000_000, agent="a-12", state="ready"),
)
"""A whole session, in the order of the wire."""
