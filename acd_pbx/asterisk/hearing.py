"""What one caller hears while he waits: music or ringing, and now and then an announcement."""

import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.operations import ask
from acd_protocol.words import WaitEstimate

CALLER, AGENT, LAST_WORDS = "caller", "agent", "last"
"""Who hears a playback; `last` is a caller who is let go after it."""


class Heard(Enum):
    """What the caller hears."""

    NOTHING = "nothing"
    MUSIC = "music"
    RINGING = "ringing"
    ANNOUNCEMENT = "announcement"


class Hearing:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        heard: what he hears now.
    """

    def __init__(self, contact: str, effects: list[Effect]) -> None:
        self.heard = Heard.NOTHING
        self._contact = contact
        self._effects = effects
        self._count = 0
        self._playback = ""

    def hear(self, channel: str, what: Heard, music: str = "") -> None:
        """Let the caller at `channel` hear this from now on."""
        if self.heard is what:
            return
        match self.heard:
            case Heard.MUSIC:
                self._effects.append(ask("stop_music", channel=channel))
            case Heard.RINGING:
                self._effects.append(ask("stop_ring_back", channel=channel))
            case Heard.ANNOUNCEMENT:
                self._effects.append(ask("stop_play", playback=self._playback))
        match what:
            case Heard.MUSIC:
                self._effects.append(ask("start_music", channel=channel, mohClass=music))
            case Heard.RINGING:
                self._effects.append(ask("ring_back", channel=channel))
        self.heard = what

    def announce(self, channel: str, media: Iterable[str], who: str = CALLER) -> None:
        """Play an announcement to the caller, in the place of what he hears."""
        self.hear(channel, Heard.NOTHING)
        self._playback = self._play(who, channel, media)
        self.heard = Heard.ANNOUNCEMENT

    def tell_agent(self, channel: str, media: Iterable[str]) -> None:
        """Play something to an agent."""
        self._play(AGENT, channel, media)

    def played(self, playback: str) -> str:
        """A playback is over: who heard it, empty for one that was cut short before."""
        who = playback.split("/")[1]
        if who == AGENT:
            return who
        if playback != self._playback or self.heard is not Heard.ANNOUNCEMENT:
            return ""
        self.heard = Heard.NOTHING
        return who

    def _play(self, who: str, channel: str, media: Iterable[str]) -> str:
        self._count += 1
        playback = f"{names.PLAYBACK}/{who}/{self._count}/{self._contact}"
        self._effects.append(ask("play", channel=channel, playback=playback, media=",".join(media)))
        return playback


def announcement(
    parts: Iterable[str | tuple[str, ...]], position: int, estimate: WaitEstimate | None, waited_s: float
) -> list[str]:
    """The media of an announcement; what needs a value that is not known is left out.

    Args:
        parts: as `announcements` of the settings.
        position: in the order of service; 0 when it is not known.
        estimate: how much longer it will take.
        waited_s: so far.
    """
    values: dict[str, Any] = {"waited_min": int(waited_s // 60)}
    if position:
        values["position"] = position
    if estimate is not None:
        values["wait_min"] = max(1, math.ceil(estimate.p50 / 60))
        values["wait_max_min"] = max(1, math.ceil(estimate.p90 / 60))
    media: list[str] = []
    for part in parts:
        texts = [filled(text, values) for text in ((part,) if isinstance(part, str) else part)]
        known = [text for text in texts if text is not None]
        if len(known) == len(texts):
            media += known
    return media


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
