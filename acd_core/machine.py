"""The contract that the readable model and the compiled engine both keep."""

from collections.abc import Sequence
from typing import Any, Protocol

from acd_core.config import Config, Step, StepsMode
from acd_core.credits import Credit
from acd_core.events import Addressed, AttemptCause
from acd_core.views import (
    AgentView,
    CalendarView,
    ClientView,
    ContactView,
    Decision,
    Direction,
    DomainView,
    Estimate,
    PaceView,
    Place,
    QueueView,
    Standing,
)
from acd_core.wishes import NO_WISHES, Wishes


class Line(Protocol):
    """An event as it is sent; see `acd_core.event_lines.EventLine`."""

    @property
    def seq(self) -> int: ...
    @property
    def line(self) -> bytes: ...
    @property
    def contact_client(self) -> str: ...
    @property
    def agent_client(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def agent(self) -> str: ...


class Machine(Protocol):
    """A deterministic state machine: the same calls give the same outcomes, events and digest, anywhere.

    Time is an argument, in nanoseconds since 1970, and never goes back: an earlier time is taken as the latest
    seen. Every method first fires the deadlines that have passed, each at its own instant, so it does not matter
    how often `advance` is called. Methods give an `Outcome` number; from 100 on nothing was changed, except that
    deadlines fired.

    Attributes:
        seq: number of the latest event.
        now: latest engine time seen.
        last_position: position that the latest accepted `enqueue_contact` gave; 0 if the contact ended at once.
        last_estimate: forecast that it gave; None if there was none.
    """

    @property
    def seq(self) -> int: ...
    @property
    def now(self) -> int: ...
    @property
    def last_position(self) -> int: ...
    @property
    def last_estimate(self) -> Estimate | None: ...

    def advance(self, now: int, limit: int = 0) -> None:
        """Fire all deadlines up to and including `now`, in their order.

        With a `limit` it stops after so many, and those of the same instant as the last: then `self.now` is that
        instant, so that `advance(self.now)` in another machine does the same.
        """
        ...

    def next_deadline(self) -> int:
        """When `advance` next has something to do; 0 for never."""
        ...

    def take_events(self) -> list[Addressed]:
        """The events since the last call, in order. They must be taken after each command or batch."""
        ...

    def take_lines(self) -> Sequence[Line]:
        """The same, in its place, as lines that can be sent."""
        ...

    def apply_config(self, now: int, config: Config) -> int: ...
    def enqueue_contact(
        self,
        now: int,
        client: str,
        contact: str,
        tenant: str,
        queue: str,
        priority: int,
        require: str,
        attributes: dict[str, Any],
        direction: Direction = "inbound",
        wishes: Wishes = NO_WISHES,
    ) -> int: ...
    def update_contact(
        self,
        now: int,
        contact: str,
        priority: int | None,
        attributes: dict[str, Any] | None,
        steps: tuple[Step, ...] | None = None,
        steps_mode: StepsMode = "add",
        place: Place | None = None,
        other: str | None = None,
    ) -> int: ...
    def abandon_contact(self, now: int, contact: str) -> int: ...
    def withdraw_contact(self, now: int, contact: str) -> int: ...
    def complete_contact(self, now: int, contact: str, reason: str) -> int: ...
    def transfer_contact(
        self,
        now: int,
        contact: str,
        queue: str | None,
        agent: str | None,
        outside: str | None,
        keep_age: bool,
        require: str | None,
        priority: int | None,
    ) -> int: ...
    def consult_contact(
        self,
        now: int,
        client: str,
        contact: str,
        consult: str,
        queue: str | None,
        agent: str | None,
        asked_by: str | None,
        priority: int,
        require: str,
        attributes: dict[str, Any],
    ) -> int: ...
    def merge_contact(self, now: int, contact: str, transfer: bool) -> int: ...
    def drop_contact(self, now: int, contact: str, agent: str) -> int: ...
    def callback_contact(self, now: int, contact: str, number: str, failed: AttemptCause | None) -> int: ...
    def hold_contact(self, now: int, contact: str, held: bool) -> int: ...
    def accept_offer(self, now: int, offer: str) -> int: ...
    def reject_offer(self, now: int, offer: str, cause: str) -> int: ...
    def login_agent(
        self,
        now: int,
        client: str,
        agent: str,
        address: str | None,
        ready: bool,
        queues: tuple[str, ...] | None = None,
    ) -> int: ...
    def choose_queues(
        self, now: int, agent: str, queues: tuple[str, ...] | None, join: tuple[str, ...], leave: tuple[str, ...]
    ) -> int: ...
    def ready_agent(self, now: int, agent: str) -> int: ...
    def pause_agent(self, now: int, agent: str, reason: str) -> int: ...
    def logout_agent(self, now: int, agent: str) -> int: ...
    def update_agent(
        self,
        now: int,
        agent: str,
        address: str | None,
        skills: dict[str, int] | None,
        attributes: dict[str, str | int] | None,
    ) -> int: ...
    def report_outside(self, now: int, agent: str, channel: str, contacts: int, for_ns: int) -> int: ...
    def end_wrapup(self, now: int, agent: str, disposition: str = "", contact: str | None = None) -> int: ...
    def extend_wrapup(self, now: int, agent: str, by_ns: int, contact: str | None = None) -> int: ...
    def leave_client(self, now: int, client: str) -> int: ...
    def return_client(self, now: int, client: str) -> int: ...
    def close_queue(self, now: int, tenant: str, queue: str, reason: str) -> int: ...
    def open_queue(self, now: int, tenant: str, queue: str) -> int: ...
    def set_hours(self, now: int, calendar: str, is_open: bool, changes_ns: list[int]) -> int: ...

    def config(self) -> Config:
        """The configuration that holds."""
        ...

    def domain(self) -> DomainView:
        """Counts over everything, in constant time."""
        ...

    def clients(self) -> list[ClientView]:
        """The clients that own agents logged in or live contacts, by name. Looks at each agent and contact."""
        ...

    def queue(self, tenant: str, queue: str) -> QueueView | None: ...
    def calendars(self) -> list[CalendarView]:
        """All calendars, in the order of the configuration."""
        ...

    def queues(self) -> list[QueueView]:
        """All queues, in the order of the configuration."""
        ...

    def agent(self, agent: str) -> AgentView | None: ...
    def agents(self, tenant: str = "", state: str = "", limit: int = 0) -> list[AgentView]:
        """Configured agents in the order of the configuration: all, those who serve a tenant, those seen in a state
        (`AGENT_STATES`); at most `limit` if not 0.
        """
        ...

    def contact(self, contact: str) -> ContactView | None:
        """A live contact, or None."""
        ...

    def contacts(self, tenant: str = "", queue: str = "", limit: int = 0, state: str = "") -> list[ContactView]:
        """Live contacts in order of arrival: all, of one tenant, of one queue, in one state (`CONTACT_STATES`); at most
        `limit` if above 0. Takes some nanoseconds for each contact that there was at the busiest time, however few are wanted.
        """
        ...

    def contact_owner(self, contact: str) -> tuple[str, str, tuple[str, ...]] | None:
        """Client and tenant of a live contact, and the agents who are offered it, talk with it or wrap it up; of one
        that ended the client alone, while it is remembered; else None. Cheap.
        """
        ...

    def offer_owner(self, offer: str) -> tuple[str, str] | None:
        """Tenant and agent of an offer that is open, in conversation or in wrap-up; else None. Cheap."""
        ...

    def standing(self, contact: str) -> Standing | None:
        """Where a waiting contact stands now, in logarithmic time; None when no such contact waits."""
        ...

    def credits(self) -> list[Credit]:
        """Who was not answered and may come back, the earliest first."""
        ...

    def paces(self) -> list[PaceView]:
        """What was measured of each line that ever had somebody waiting: by queue, in the order of their making."""
        ...

    def ended_reason(self, contact: str) -> str:
        """How a contact ended, while it is remembered; else the empty text."""
        ...

    def watch_offer(self, offer: str) -> None:
        """Keep the decision that makes this offer, which is still to come, in `witnessed`. Not part of the state.

        Raises:
            ValueError: that is no offer's id.
        """
        ...

    @property
    def witnessed(self) -> Decision | None:
        """The decision that was watched for, once it was made."""
        ...

    def digest(self) -> str:
        """Fingerprint of the whole state, equal in model and engine."""
        ...

    def check(self) -> None:
        """Walk all invariants; raises AssertionError with the one that is broken. Slow, for tests."""
        ...
