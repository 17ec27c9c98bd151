"""What holds in every centre, whatever is configured and whatever happens; and that each rule notices who breaks it.

Hypothesis draws configurations (tests/support/centres.py) and commands; a watcher who knows the rules looks at model and
engine after every deadline and every command (tests/support/watcher.py).
"""

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from acd_core import Engine, Machine, Outcome, requirement
from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentOutside,
    AgentPause,
    AgentQueues,
    AgentReady,
    AgentUpdate,
    AgentWrapupDone,
    ClientAway,
    ClientBack,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactCallback,
    ContactComplete,
    ContactConsult,
    ContactDrop,
    ContactEnqueue,
    ContactMerge,
    ContactTransfer,
    ContactUpdate,
    ContactWithdraw,
    OfferAccept,
    OfferReject,
)
from acd_core.config import Agent, Channel, Config, Queue, Settings, Tenant
from acd_core.model import Model
from acd_core.model.rows import AgentRow, ContactRow, LegRow, RestClock
from acd_core.views import AgentView
from tests.support.centres import REQUIREMENTS, SKILL_LEVELS, centres
from tests.support.watcher import NS_PER_S, Watcher

PICKS = st.integers(0, 5)
START_NS = 1_700_000_000 * NS_PER_S
CALM_NS = 400 * NS_PER_S
"""Longer than anything transient lasts in these centres."""


PRESENT = st.lists(st.just(True) | st.booleans(), min_size=4, max_size=4)
"""Which agents are there from the beginning."""


class Centre(RuleBasedStateMachine):
    """A centre in which anything may be done at any time."""

    machine_type: ClassVar[type[Machine]]

    def begin(self, config: Config, present: list[bool]) -> None:
        self.now = START_NS
        self.machine = self.machine_type()
        assert ConfigApply(config=config).apply(self.machine, self.now, "tests") == Outcome.OK
        self.config = config
        self.agents = [agent.agent for agent in config.agents]
        self.contacts = 0
        self.watcher = Watcher(self.machine, config)
        for agent, there in zip(self.agents, present, strict=False):
            if there:
                self.do(AgentLogin(agent=agent, ready=True))

    open = initialize(config=centres(), present=PRESENT)(begin)

    def do(self, command: Command) -> int:
        outcome = command.apply(self.machine, self.now, "tests")
        self.watcher.look()
        return outcome

    def pass_time(self, until: int) -> None:
        """Let time pass, and look after every instant at which something came due."""
        while 0 < self.machine.next_deadline() <= until:
            self.machine.advance(self.machine.next_deadline())
            self.watcher.look()
        self.machine.advance(until)
        self.now = until

    def agent(self, pick: int) -> str:
        return self.agents[pick % len(self.agents)]

    def contact(self, pick: int, *states: str) -> str:
        found = [c.contact for c in self.machine.contacts() if not states or c.state in states]
        return found[pick % len(found)] if found else "nobody"

    # -- what happens -------------------------------------------------------------------------------------------

    @rule(
        pick=PICKS,
        priority=st.sampled_from((0, 0, 1, 4)),
        require=st.just("") | REQUIREMENTS,
        caller=st.sampled_from(("", "eva")),
        age_s=st.sampled_from((0, 0, 3)),
    )
    def enqueue(self, pick: int, priority: int, require: str, caller: str, age_s: float) -> None:
        self.contacts += 1
        queue = self.config.queues[pick % len(self.config.queues)]
        contact = f"c-{self.contacts}"
        self.watcher.asked[contact] = requirement.parse(require)
        self.do(
            ContactEnqueue(
                contact=contact,
                tenant=queue.tenant,
                queue=queue.name,
                priority=priority,
                require=require,
                caller=caller,
                age_s=age_s,
            )
        )

    @precondition(lambda self: self.watcher.open)
    @rule(pick=PICKS, accepted=st.just(True) | st.booleans())
    def answer(self, pick: int, accepted: bool) -> None:
        offer = list(self.watcher.open)[pick % len(self.watcher.open)]
        self.do(OfferAccept(offer=offer) if accepted else OfferReject(offer=offer))

    @rule(pick=PICKS)
    def complete(self, pick: int) -> None:
        self.do(ContactComplete(contact=self.contact(pick, "connected")))

    @rule(pick=PICKS, what=st.sampled_from(("finish", "ready", "login", "pause", "logout")))
    def change(self, pick: int, what: str) -> None:
        agent = self.agent(pick)
        commands: dict[str, Command] = {
            "finish": AgentWrapupDone(agent=agent, disposition="sold"),
            "ready": AgentReady(agent=agent),
            "login": AgentLogin(agent=agent, ready=True),
            "pause": AgentPause(agent=agent),
            "logout": AgentLogout(agent=agent),
        }
        self.do(commands[what])

    @rule(pick=PICKS, skills=SKILL_LEVELS)
    def learn(self, pick: int, skills: dict[str, int]) -> None:
        agent = self.agent(pick)
        self.watcher.skills[agent] = skills
        self.do(AgentUpdate(agent=agent, skills=skills))

    @rule(pick=PICKS, to=PICKS, what=st.sampled_from(("leave", "join", "all")))
    def choose(self, pick: int, to: int, what: str) -> None:
        agent = self.config.agents[pick % len(self.config.agents)]
        queue = self.config.queues[to % len(self.config.queues)]
        path, his = f"{queue.tenant}/{queue.name}", self.queues_of(agent)
        before = self.watcher.chosen.get(agent.agent, set())
        view = self.machine.agent(agent.agent)
        assert view is not None
        match what:
            case "all":
                command, chosen = AgentQueues(agent=agent.agent), set[str]()
            case "join":
                command, chosen = AgentQueues(agent=agent.agent, join=(path,)), before | {path} if before else before
            case _:
                command, chosen = AgentQueues(agent=agent.agent, leave=(path,)), (before or his) - {path}
        if view.presence == "logged_out":
            assert self.do(command) == Outcome.AGENT_LOGGED_OUT
        elif what != "all" and path not in his:
            assert self.do(command) == Outcome.QUEUE_NOT_SERVED
        elif what == "leave" and not chosen:
            assert self.do(command) == Outcome.QUEUES_INVALID
        else:
            self.watcher.chosen[agent.agent] = chosen
            assert self.do(command) in {Outcome.OK, Outcome.DUPLICATE}

    def queues_of(self, agent: Agent) -> set[str]:
        return {f"{q.tenant}/{q.name}" for q in self.config.queues if not agent.tenants or q.tenant in agent.tenants}

    @rule(pick=PICKS, to=PICKS, contacts=st.sampled_from((1, 0)))
    def call_from_elsewhere(self, pick: int, to: int, contacts: int) -> None:
        channel = self.config.queues[to % len(self.config.queues)].channel
        self.do(AgentOutside(agent=self.agent(pick), channel=channel, contacts=contacts, for_s=20))

    @rule(pick=PICKS, what=st.sampled_from(("abandon", "withdraw", "urgent", "callback", "unreached")), number=PICKS)
    def turn(self, pick: int, what: str, number: int) -> None:
        match what:
            case "abandon":
                self.do(ContactAbandon(contact=self.contact(pick)))
            case "withdraw":
                self.do(ContactWithdraw(contact=self.contact(pick, "queued", "offered", "parked")))
            case "urgent":
                self.do(ContactUpdate(contact=self.contact(pick, "queued", "offered"), priority=number))
            case "callback":
                self.do(ContactCallback(contact=self.contact(pick, "queued", "offered"), number=f"+{number % 2}"))
            case "unreached":
                self.do(ContactCallback(contact=self.contact(pick, "connected"), failed="no_answer"))

    @rule(pick=PICKS, to=PICKS, agent=st.none() | PICKS, keep_age=st.booleans(), require=st.none() | REQUIREMENTS)
    def transfer(self, pick: int, to: int, agent: int | None, keep_age: bool, require: str | None) -> None:
        contact = self.contact(pick, "queued", "offered", "connected")
        live = self.machine.contact(contact)
        queues = [queue.name for queue in self.config.queues if live is None or queue.tenant == live.tenant]
        only = None if agent is None else self.agent(agent)
        asked = self.watcher.asked.get(contact, ()) if require is None else requirement.parse(require)
        queue = queues[to % len(queues)]
        command = ContactTransfer(contact=contact, queue=queue, agent=only, keep_age=keep_age, require=require)
        if command.apply(self.machine, self.now, "tests") == Outcome.OK:
            self.watcher.asked[contact] = requirement.for_agent(asked, only)
        self.watcher.look()

    @rule(pick=PICKS, to=PICKS, what=st.sampled_from(("ask", "merge", "drop")))
    def confer(self, pick: int, to: int, what: str) -> None:
        contact = self.contact(pick, "connected")
        live = self.machine.contact(contact)
        match what:
            case "ask" if live is not None:
                self.contacts += 1
                consult = f"c-{self.contacts}"
                queues = [queue.name for queue in self.config.queues if queue.tenant == live.tenant]
                self.watcher.asked[consult] = requirement.for_others((), live.agents)
                self.do(ContactConsult(contact=contact, consult=consult, queue=queues[to % len(queues)]))
            case "merge":
                self.do(ContactMerge(contact=contact, transfer=to == 1))
            case "drop":
                self.do(ContactDrop(contact=contact, agent=self.agent(to)))

    @rule(back=st.booleans())
    def cut_line(self, back: bool) -> None:
        self.do(ClientBack() if back else ClientAway())

    @rule(seconds=st.sampled_from((1, 0.5, 3, 10, 30)))
    def wait(self, seconds: float) -> None:
        self.pass_time(self.now + int(seconds * NS_PER_S))

    # -- the end ------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Nothing transient outlasts its time."""
        if not hasattr(self, "watcher") or self.watcher.complained:
            return
        there = self.transient()
        self.pass_time(self.now + CALM_NS)
        left = there & self.transient()
        assert not left, f"without end: {sorted(left)}"

    def transient(self) -> set[tuple[Any, ...]]:
        """What must not stay as it is."""
        found: set[tuple[Any, ...]] = set()
        for agent in self.machine.agents():
            found.update((agent.agent, leg.state, leg.offer) for leg in agent.legs)
            if agent.rest_until_ns:
                found.add((agent.agent, "cooldown", agent.rest_timer))
            if agent.logging_out:
                found.add((agent.agent, "logging out"))
        for contact in self.machine.contacts():
            limited = self.watcher.queue_of(contact).max_wait_s
            if contact.state in {"connected", "wrapup", "parked"} or limited or contact.callback:
                found.add((contact.contact, "live"))
        return found


def run(kind: type[RuleBasedStateMachine], examples: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=phases or tuple(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_engine_keeps_the_rules() -> None:
    run(type("CentreOfEngine", (Centre,), {"machine_type": Engine}), 80)


def test_model_keeps_the_rules() -> None:
    run(type("CentreOfModel", (Centre,), {"machine_type": Model}), 20)


@pytest.mark.parametrize("kind", [Engine, Model])
def test_who_is_rung_while_he_wraps_up_is_occupied_all_the_time(kind: type[Engine | Model]) -> None:
    chat = Queue(tenant="acme", name="chat", channel="chat", wrapup_s=9, disposition_required=True, max_wait_s=0)
    config = Config(
        settings=Settings(occupancy_half_life_s=10, occupancy_max=20),
        channels=(Channel(name="voice", units=2), Channel(name="chat", units=1, most_at_once=2)),
        tenants=(Tenant(name="acme"),),
        queues=(chat,),
        agents=(Agent(agent="a-0"),),
    )
    centre = type("CentreOfOne", (Centre,), {"machine_type": kind})()
    centre.begin(config=config, present=[True])
    centre.enqueue(age_s=0, caller="", pick=0, priority=0, require="")
    centre.answer(accepted=True, pick=0)
    centre.complete(pick=0)
    centre.wait(seconds=1)
    centre.enqueue(age_s=0, caller="", pick=0, priority=0, require="")
    assert [agent.activity for agent in centre.machine.agents()] == ["offered"]
    centre.wait(seconds=3)
    assert [agent.resting for agent in centre.machine.agents()] == [True]


def small_centre(**queue: Any) -> Config:
    """Four agents of three ranks for one queue, where every fault shows soon."""
    return Config(
        tenants=(Tenant(name="acme"),),
        skills=("billing", "spanish"),
        queues=(
            Queue(
                tenant="acme",
                name="support",
                require="billing",
                offer_timeout_s=2,
                max_wait_s=30,
                max_talk_s=60,
                wrapup_s=3,
                **queue,
            ),
        ),
        agents=tuple(
            Agent(agent=f"a-{number}", skills=skills, ranks={"acme/support": rank} if rank else {})
            for number, (rank, skills) in enumerate(
                ((2, {"billing": 9}), (0, {"billing": 1}), (0, {}), (1, {"billing": 3}))
            )
        ),
    )


def two_queues() -> Config:
    """One agent for two queues, which ask nothing."""
    config = small_centre()
    support = replace(config.queues[0], require="")
    return replace(config, queues=(support, replace(support, name="sales")), agents=config.agents[:1])


def tiring() -> Config:
    """The same where a little work is too much."""
    return replace(small_centre(), settings=Settings(occupancy_max=20, occupancy_half_life_s=10))


class RingsTwo(Model):
    def _serve_contact(self, contact: ContactRow) -> None:
        super()._serve_contact(contact)
        another = self._best_agent(contact)
        if contact.state == "offered" and another is not None:
            self._offer(contact, another)


class AsksNothing(Model):
    def _eligible(self, agent: AgentRow, contact: ContactRow) -> bool:
        return True


class LeavesIdle(Model):
    def _serve_agent(self, agent: AgentRow) -> None:
        pass


class TakesTheLast(Model):
    def _best_contact(self, agent: AgentRow) -> ContactRow | None:
        first = super()._best_contact(agent)
        waiting = [
            c for c in self._contacts.values() if c.in_line and self._open(agent, c) and self._eligible(agent, c)
        ]
        return first and max(waiting, key=self._order)


class TakesTheWorst(Model):
    def _best_agent(self, contact: ContactRow) -> AgentRow | None:
        first = super()._best_agent(contact)
        free = [a for a in self._agents.values() if self._open(a, contact) and self._eligible(a, contact)]
        path = contact.queue.path
        return first and max(free, key=lambda agent: (agent.rank(path), self._precedence(agent, contact)))


class LosesPlaces(Model):
    def _requeue(self, contact: ContactRow) -> None:
        contact.enqueued = self.now
        super()._requeue(contact)


class Overloads(Model):
    def _has_room(self, agent: AgentRow, channel: Any, names: list[str]) -> bool:
        return super()._has_room(agent, channel, names) or len(names) == 1


class IgnoresLimits(Model):
    def _limit(self, contact: ContactRow) -> Any:
        return ""


class KeepsThemBack(Model):
    def _withheld(self) -> list[AgentRow]:
        return list(self._agents.values())


class ForgetsTheChoice(Model):
    def _eligible(self, agent: AgentRow, contact: ContactRow) -> bool:
        chosen, agent.queues = agent.queues, ()
        eligible = super()._eligible(agent, contact)
        agent.queues = chosen
        return eligible


class HidesWhatWasChosen(Model):
    def _agent_view(self, agent: AgentRow) -> AgentView:
        return replace(super()._agent_view(agent), queues=())


class NeverRests(Model):
    def _mind_rest(self, agent: AgentRow) -> None:
        pass


class RestsForEver(Model):
    def _rest_due(self, clock: RestClock) -> bool:
        clock.agent.rest_clock = None
        clock.agent.resting = True
        return False


class WrapsUpForEver(Model):
    def _arm(self, owner: Any, deadline: int) -> None:
        super()._arm(owner, deadline)
        if isinstance(owner, LegRow) and owner.state == "wrapup":
            owner.timer = None


class CountsOnce(Model):
    def _offer_missed(self, leg: LegRow) -> None:
        super()._offer_missed(leg)
        leg.queue.failed["timed_out"] = 1


@pytest.mark.parametrize(
    ("broken", "config", "complaint"),
    [
        (RingsTwo, small_centre(), "agents at once"),
        (AsksNothing, small_centre(), "which asks"),
        (LeavesIdle, small_centre(), "is idle while"),
        (TakesTheLast, small_centre(), "before"),
        (TakesTheWorst, small_centre(), "before"),
        (LosesPlaces, small_centre(), "lost its place"),
        (Overloads, small_centre(), "has no room|too many"),
        (IgnoresLimits, small_centre(max_in_conversation=1), "over its limit"),
        (KeepsThemBack, small_centre(), "is idle while"),
        (ForgetsTheChoice, two_queues(), "which asks"),
        (HidesWhatWasChosen, two_queues(), "not {'not_joined'}"),
        (NeverRests, tiring(), "works at"),
        (RestsForEver, tiring(), "rests at"),
        (WrapsUpForEver, small_centre(), "without end"),
        (CountsOnce, small_centre(), "told were"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_rule_notices_who_breaks_it(broken: type[Model], config: Config, complaint: str) -> None:
    begin = initialize(config=st.just(config), present=PRESENT)(Centre.begin)
    with pytest.raises(AssertionError, match=complaint):
        run(
            type(f"CentreOf{broken.__name__}", (Centre,), {"machine_type": broken, "open": begin}),
            5_000,
            Phase.generate,
        )
