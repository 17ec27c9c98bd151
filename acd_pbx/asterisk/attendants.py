"""Agents and supervisors who dial a code: log in, pause, listen to a conversation.

An agent is known by his phone: he is the one whose address is the phone that dials; when he logs in he may also name
himself. A supervisor names the agent; he listens or whispers through a snoop channel on the agent's leg, in a bridge
of their own, or joins the conversation's bridge. He is let go when either side ends.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.ari import Ari, AriError
from acd_pbx.asterisk.call import Call
from acd_pbx.asterisk.names import Channel
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings
from acd_protocol.client import Client, ClientError, Refused
from acd_protocol.messages import Command
from acd_protocol.words import AgentLogin, AgentLogout, AgentPause, AgentReady, AgentWrapupDone

_log = logging.getLogger(__name__)

ANSWER_S = 3.0
"""So long the engine may take to answer a code."""
SOUND_S = 10.0
ROWS_MAX = 10_000
MODES = {"listen": "none", "whisper": "out", "barge": ""}
"""What the agent hears of the supervisor, by what the supervisor wants; for `barge` there is no snoop channel."""


@dataclass
class Supervision:
    """A supervisor, the conversation that he is at, and the snoop channel if there is one."""

    channel: str
    contact: str
    snoop: str = ""

    @property
    def bridge(self) -> str:
        """Of supervisor and snoop channel."""
        return f"{names.SNOOP}/{self.channel}"


class Attendants:
    """See the module. `calls` gives the calls that are there.

    Attributes:
        addresses: of the phones that are dialling a code now.
    """

    def __init__(
        self, settings: AdapterSettings, ari: Ari, client: Client, calls: Callable[[], Iterable[Call]]
    ) -> None:
        self._settings = settings
        self._ari = ari
        self._client = client
        self._calls = calls
        self.addresses: set[str] = set()
        self._supervisions: dict[str, Supervision] = {}
        self._sounds: dict[str, asyncio.Future[None]] = {}

    async def attend(self, channel: Channel) -> None:
        """Do what a channel in the application wants, and let it go."""
        kind, word, argument = (*channel.arguments, "", "")[:3]
        self.addresses.add(channel.address)
        try:
            if kind == names.SUPERVISE_WORD:
                result = await self._supervise(channel, word, argument)
                if not result:
                    return
            else:
                result = await self._perform(channel, word, argument)
            sound = self._settings.phones.sounds.get(word if result == "ok" else "refused", "")
            if sound:
                await self._play(channel.id, sound)
            await self._let_go(channel.id, result)
        except AriError as problem:
            _log.info("%s hung up during %s %s: %s", channel.name, kind, word, problem)
        finally:
            self.addresses.discard(channel.address)

    async def _perform(self, channel: Channel, word: str, argument: str) -> str:
        """Carry out an agent's code; gives `ok` or why not."""
        try:
            async with asyncio.timeout(ANSWER_S):
                agent = argument if word == "login" and argument else await self._agent_at(channel.address)
                if not agent:
                    _log.warning("%s dials %r, and is the address of no agent", channel.address, word)
                    return "agent_unknown"
                command = self._command(word, agent, argument, channel.address)
                if command is None:
                    _log.warning("the dialplan asks for %r, which is no code", word)
                    return "word_unknown"
                await self._client.call(command)
        except Refused as refused:
            return refused.code
        except (ClientError, TimeoutError):
            return "engine_away"
        return "ok"

    def _command(self, word: str, agent: str, argument: str, address: str) -> Command | None:
        phones = self._settings.phones
        if phones.trunks:
            address = f"{self._settings.name}:{address}"
        match word:
            case "login":
                return AgentLogin(agent=agent, address=address, ready=phones.ready_on_login)
            case "logout":
                return AgentLogout(agent=agent)
            case "ready":
                return AgentReady(agent=agent)
            case "pause":
                return AgentPause(agent=agent, reason=argument[:64])
            case "wrapup_done":
                return AgentWrapupDone(agent=agent)
        return None

    async def _agent_at(self, address: str) -> str:
        """The agent whose phone this is."""
        ours = {address, f"{self._settings.name}:{address}"}
        agents = await self._client.listing("agents", limit=ROWS_MAX)
        found = [agent for agent in agents if agent["address"] in ours]
        found.sort(key=lambda agent: agent["presence"] == "logged_out")
        return str(found[0]["agent"]) if found else ""

    # Supervisors

    async def _supervise(self, channel: Channel, mode: str, agent: str) -> str:
        """Begin to listen; gives why not, or nothing."""
        call = next((call for call in self._calls() if call.talk.phone_of(agent)), None)
        if mode not in MODES:
            return "word_unknown"
        if call is None:
            return "agent_not_talking"
        supervision = Supervision(channel.id, call.contact)
        self._supervisions[channel.id] = supervision
        await self._ari.carry_out(ask("answer", channel=channel.id))
        if mode == "barge":
            await self._ari.carry_out(ask("join", bridge=names.bridge_of(call.contact), channel=channel.id))
            return ""
        supervision.snoop = f"{names.SNOOP}/{mode}/{channel.id}"
        for step in (
            ask("create_bridge", bridge=supervision.bridge, type="mixing"),
            ask("join", bridge=supervision.bridge, channel=channel.id),
            ask(
                "snoop",
                channel=call.talk.phone_of(agent),
                snoop=supervision.snoop,
                spy="both",
                whisper=MODES[mode],
                app=self._settings.ari.app,
                appArgs=f"{names.SNOOP_WORD},{channel.id}",
            ),
        ):
            await self._ari.carry_out(step)
        return ""

    def snoop_started(self, snoop: Channel) -> Ask | None:
        """A snoop channel is in the application: what is to be asked for now."""
        supervision = self._supervisions.get(snoop.arguments[1] if len(snoop.arguments) > 1 else "")
        if supervision is None:
            return ask("hang_up", channel=snoop.id, reason="normal")
        return ask("join", bridge=supervision.bridge, channel=snoop.id)

    def gone(self, channel: str) -> list[Ask]:
        """A supervisor, or the snoop channel of one, is gone: what is to be asked for now."""
        supervision = self._supervisions.pop(channel, None)
        if supervision is None:
            supervision = next((each for each in self._supervisions.values() if each.snoop == channel), None)
            return [] if supervision is None else self._end(supervision)
        return self._end(supervision)

    def call_over(self, contact: str) -> list[Ask]:
        """A conversation is over: supervisors at it are let go."""
        return [
            step
            for supervision in list(self._supervisions.values())
            if supervision.contact == contact
            for step in self._end(supervision)
        ]

    def _end(self, supervision: Supervision) -> list[Ask]:
        self._supervisions.pop(supervision.channel, None)
        steps = [ask("leave", channel=supervision.channel)]
        if supervision.snoop:
            steps.append(ask("destroy_bridge", bridge=supervision.bridge))
            steps.append(ask("hang_up", channel=supervision.snoop, reason="normal"))
        return steps

    def knows(self, channel: str) -> bool:
        """Whether this is a supervisor at a conversation, or the snoop channel of one."""
        return channel in self._supervisions or any(each.snoop == channel for each in self._supervisions.values())

    # Sounds

    def played(self, playback: str) -> None:
        """A sound is over."""
        waiting = self._sounds.pop(playback, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _play(self, channel: str, media: str) -> None:
        playback = f"{names.PLAYBACK}/code/{channel}"
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sounds[playback] = over
        try:
            await self._ari.carry_out(ask("answer", channel=channel))
            await self._ari.carry_out(ask("play", channel=channel, playback=playback, media=media))
            async with asyncio.timeout(SOUND_S):
                await over
        except TimeoutError:
            pass
        finally:
            self._sounds.pop(playback, None)

    async def _let_go(self, channel: str, result: str) -> None:
        await self._ari.carry_out(ask("set_variable", channel=channel, variable="ACD_RESULT", value=result))
        await self._ari.carry_out(ask("leave", channel=channel))


def strays(channels: Iterable[Any], attendants: Attendants) -> list[Ask]:
    """What lets go of attendants whom an earlier life of the adapter has left in the application."""
    return [ask("leave", channel=channel.id) for channel in channels if not attendants.knows(channel.id)]
