"""What a call leaves to be done by the adapter: an `Ask` of Asterisk, or one of these."""

from typing import NamedTuple

from acd_pbx.asterisk.operations import Ask
from acd_protocol.messages import Command


class Tell(NamedTuple):
    """A command for the engine."""

    command: Command


class Wake(NamedTuple):
    """Call `woke(word)` after so many seconds."""

    after_s: float
    word: str


class Locate(NamedTuple):
    """Find out where the contact stands and how long it will wait, and call `announce` with it."""


class Verify(NamedTuple):
    """Look whether this channel is still there, because Asterisk did not do what was asked; then call `verified`."""

    channel: str


Effect = Ask | Tell | Wake | Locate | Verify
