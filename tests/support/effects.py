"""What the machine of a call asks for, in short."""

from typing import Any

from acd_pbx.asterisk.effects import Effect, Tell
from acd_pbx.asterisk.operations import Ask


def words(effects: list[Effect]) -> list[str]:
    """One word an effect: the request's, or the command's."""
    found = []
    for effect in effects:
        if isinstance(effect, Ask):
            found.append(effect.what)
        elif isinstance(effect, Tell):
            found.append(str(effect.command.__struct_config__.tag))
    return found


def told(effects: list[Effect]) -> list[Any]:
    """The commands among the effects."""
    return [effect.command for effect in effects if isinstance(effect, Tell)]
