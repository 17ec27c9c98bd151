"""A mixing bridge of ours, and who is in it."""

from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.operations import ask


class Room:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        bridge: its id.
        there: whether it is.
        members: the channels in it, the longest first.
    """

    def __init__(self, bridge: str, contact: str, effects: list[Effect]) -> None:
        self.bridge = bridge
        self.there = False
        self.members: list[str] = []
        self._contact = contact
        self._effects = effects

    def prepare(self) -> None:
        """Create it, so that joining takes one request."""
        if not self.there:
            self.there = True
            self._effects.append(ask("create_bridge", bridge=self.bridge, type="mixing", name=self._contact))

    def arrange(self, wanted: list[str]) -> None:
        """Let these channels be in it, and no others."""
        for channel in [channel for channel in self.members if channel not in wanted]:
            self.members.remove(channel)
            self._effects.append(ask("unjoin", bridge=self.bridge, channel=channel))
        new = [channel for channel in wanted if channel not in self.members]
        if new:
            self.prepare()
            self._effects.append(ask("join", bridge=self.bridge, channel=",".join(new)))
            self.members += new

    def left(self, channel: str) -> None:
        """A channel is in it no more, without our doing."""
        if channel in self.members:
            self.members.remove(channel)

    def replaced(self, channel: str, by: str) -> None:
        """Another channel stands in the place of one that was in it."""
        self.members = [by if member == channel else member for member in self.members]

    def destroy(self) -> None:
        """Take it down."""
        self.members.clear()
        if self.there:
            self.there = False
            self._effects.append(ask("destroy_bridge", bridge=self.bridge))
