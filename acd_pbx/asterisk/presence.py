"""What agents' phones do beside our calls: a phone that cannot be rung takes no offers.

Asterisk tells each change of a device's state. An agent whose phone is not registered is paused as `phone_unavailable`;
when it is there again, so is he, unless something else has paused him meanwhile. A phone that rings or talks with
somebody else is reported by agent.outside: it takes room, as a call from here does. The report is made again from time
to time and is void without that, so that nobody stays busy for ever because an adapter has died for good. While a call of
the engine's is at the phone, which another adapter may have made, its state says nothing new.

The other way round, each agent's state can be shown as the state of the device `Stasis:acd-AGENT`, for lamps.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from acd_pbx.asterisk.ari import Ari, AriError
from acd_pbx.asterisk.leg import dialled
from acd_pbx.asterisk.names import quoted
from acd_pbx.asterisk.operations import ask
from acd_pbx.asterisk.settings import AdapterSettings
from acd_protocol.client import Client, ClientError
from acd_protocol.messages import Command
from acd_protocol.words import AgentChanged, AgentOutside, AgentPause, AgentReady, ConfigApplied, Event

_log = logging.getLogger(__name__)

SETTLE_S = 0.3
"""A state that lasts for less is none: Asterisk tells of devices a moment later than of channels."""
ROWS_MAX = 10_000
OUTSIDE_FOR_S = 900.0
"""So long a report of a call that is not ours holds; it is made anew three times as often."""
AWAY = ("UNAVAILABLE", "INVALID")
AWAY_REASON = "phone_unavailable"
IN_USE = ("INUSE", "BUSY", "RINGING", "RINGINUSE", "ONHOLD")
CHANNEL = "voice"
OUTSIDE = "outside"
"""Why an agent is busy who talks about nothing that came from the engine."""
LAMPS = {
    "logged_out": "UNAVAILABLE",
    "paused": "ONHOLD",
    "ready": "NOT_INUSE",
    "offered": "RINGING",
    "busy": "INUSE",
    "wrapup": "BUSY",
    "cooldown": "BUSY",
}
NO_PHONES = ("Local",)
"""Technologies whose devices say nothing of a person's phone."""


class Presence:
    """See the module.

    Args:
        engaged: tells whether one of our calls is at an agent's phone, whose device is the second argument.
    """

    def __init__(
        self, settings: AdapterSettings, ari: Ari, client: Client, engaged: Callable[[str, str], bool]
    ) -> None:
        self._settings = settings
        self._ari = ari
        self._client = client
        self._engaged = engaged
        self._agents: dict[str, str] = {}
        self._devices: dict[str, str] = {}
        self._elsewhere: set[str] = set()
        self._states: dict[str, str] = {}
        self._said: dict[str, tuple[str, str]] = {}
        self._outside: set[str] = set()
        self._refresh = asyncio.Event()

    @property
    def wanted(self) -> bool:
        """Whether the settings ask for any of this."""
        phones = self._settings.phones
        return phones.presence or phones.device_states

    def here(self, agent: str) -> bool:
        """Whether the agent's phone is at this Asterisk, as far as one knows."""
        return agent not in self._elsewhere

    async def run(self) -> None:
        """Keep up with who has which phone, until cancelled. To be started anew when Asterisk has taken us again."""
        self._states.clear()
        subscribed: set[str] = set()
        while True:
            self._refresh.clear()
            try:
                await self._look(subscribed)
            except (AriError, ClientError) as problem:
                _log.debug("phones could not be looked at: %s", problem)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OUTSIDE_FOR_S / 3):
                    await self._refresh.wait()
                    await asyncio.sleep(SETTLE_S)

    async def _look(self, subscribed: set[str]) -> None:
        views = await self._client.listing("agents", limit=ROWS_MAX)
        self._agents.clear()
        self._devices.clear()
        self._elsewhere.clear()
        for view in views:
            home, colon, _ = view["address"].partition(":")
            if colon and "/" not in home and home != self._settings.name:
                self._elsewhere.add(view["agent"])
                continue
            device = "/".join(dialled(view["address"], self._settings).split("/")[:2])
            if device and not device.startswith(NO_PHONES) and view["presence"] != "logged_out":
                self._agents[device] = view["agent"]
                self._devices[view["agent"]] = device
            self._said[view["agent"]] = (_state(view), _outside(view) or view["pause_reason"])
            if view["outside"].get(CHANNEL):
                self._outside.add(view["agent"])
            else:
                self._outside.discard(view["agent"])
            await self._show(view["agent"])
        if not self._settings.phones.presence:
            return
        app = self._settings.ari.app
        for device in self._agents.keys() - subscribed:
            await self._ari.request(
                "POST", f"/applications/{app}/subscription", {"eventSource": f"deviceState:{device}"}
            )
            subscribed.add(device)
            answer = await self._ari.request("GET", f"/deviceStates/{quoted(device)}")
            self._states[device] = str(answer["state"])
        for device in self._agents:
            self._judge(device, again=True)

    def device_changed(self, device: str, state: str) -> None:
        """Asterisk says so."""
        self._states[device] = state
        if device in self._agents:
            asyncio.get_running_loop().call_later(SETTLE_S, self._judge, device)

    def hear(self, event: Event) -> None:
        """An event of the engine."""
        if isinstance(event, AgentChanged):
            before = self._said.get(event.agent, ("logged_out", ""))
            self._said[event.agent] = (event.state, event.reason)
            if before[0] == "logged_out" or event.state == "logged_out":
                self._refresh.set()
            elif event.agent in self._devices:
                device = self._devices[event.agent]
                asyncio.get_running_loop().call_later(SETTLE_S, self._judge, device)
            if self._settings.phones.device_states:
                self._spawn_show(event.agent)
        elif isinstance(event, ConfigApplied):
            self._refresh.set()

    def _judge(self, device: str, again: bool = False) -> None:
        """Tell the engine what the state of this device means for its agent; `again` what it has been told already."""
        agent = self._agents.get(device)
        if agent is None or self._engaged(agent, device):
            return
        state = self._states.get(device, "")
        presence, reason = self._said.get(agent, ("", ""))
        if presence == "offered" or (presence == "busy" and reason != OUTSIDE):
            return
        self._report_use(agent, state in IN_USE, again)
        if state in AWAY and presence == "ready":
            self._tell(AgentPause(agent=agent, reason=AWAY_REASON))
        elif state not in AWAY and presence == "paused" and reason == AWAY_REASON:
            self._tell(AgentReady(agent=agent))

    def _report_use(self, agent: str, used: bool, again: bool) -> None:
        if used and (again or agent not in self._outside):
            self._outside.add(agent)
            self._tell(AgentOutside(agent=agent, channel=CHANNEL, contacts=1, for_s=OUTSIDE_FOR_S))
        elif not used and agent in self._outside:
            self._outside.discard(agent)
            self._tell(AgentOutside(agent=agent, channel=CHANNEL, contacts=0))

    def _tell(self, command: Command) -> None:
        try:
            self._client.send(command).add_done_callback(_heard)
        except ClientError as problem:
            _log.debug("%s was not sent: %s", command, problem)

    # Lamps

    def _spawn_show(self, agent: str) -> None:
        task = asyncio.get_running_loop().create_task(self._show(agent))
        _shows.add(task)
        task.add_done_callback(_shows.discard)

    async def _show(self, agent: str) -> None:
        if not self._settings.phones.device_states:
            return
        state = LAMPS.get(self._said.get(agent, ("logged_out", ""))[0], "UNKNOWN")
        try:
            await self._ari.carry_out(ask("device_state", device=f"Stasis:acd-{agent}", deviceState=state))
        except AriError as problem:
            _log.debug("the lamp of %s could not be set: %s", agent, problem)


_shows: set["asyncio.Task[None]"] = set()
"""Tasks that nobody waits for must be held, or they may vanish before they are done."""


def _state(view: dict[str, Any]) -> str:
    """The one word for what an agent does, as events say it."""
    return str(view["presence"] if view["activity"] == "none" else view["activity"])


def _outside(view: dict[str, Any]) -> str:
    """The reason of an agent who is busy, as events say it."""
    talks = any(leg["state"] == "connected" for leg in view["legs"])
    return OUTSIDE if view["activity"] == "busy" and not talks else ""


def _heard(answer: "asyncio.Future[Any]") -> None:
    """A refusal means that the agent has gone on meanwhile; the next change is judged anew."""
    if not answer.cancelled():
        answer.exception()
