"""The bridge of one contact, in which caller and agents talk, and the recording of what is said there."""

from acd_pbx.asterisk import names, recording
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.leg import Leg
from acd_pbx.asterisk.operations import ask
from acd_pbx.asterisk.room import Room
from acd_pbx.asterisk.settings import AdapterSettings, RecordBy
from acd_pbx.asterisk.standing import Standing


class Conversation:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        room: the bridge.
        caller: the caller's channel while he is in it, else empty.
    """

    def __init__(self, contact: str, settings: AdapterSettings, effects: list[Effect]) -> None:
        self.room = Room(names.bridge_of(contact), contact, effects)
        self.caller = ""
        self._contact = contact
        self._settings = settings
        self._effects = effects
        self._record: RecordBy = False
        self._recorded: tuple[str, str] | None = None

    @property
    def partners(self) -> list[str]:
        """The channels with which the caller is joined, the longest first; none while he talks with nobody."""
        return [channel for channel in self.room.members if channel != self.caller] if self.caller else []

    def arrange(self, caller: str, legs: list[Leg], record: RecordBy) -> None:
        """Let these be in the bridge and nobody else; `caller` is empty when he stays outside.

        What he says with the first of them is recorded, as `record` has it, and when that one leaves, with the next.
        """
        self.caller = caller
        if self._recorded is not None and (not caller or self._recorded[0] not in [leg.channel for leg in legs]):
            self._end_recording()
        self.room.arrange([*([caller] if caller else []), *(leg.channel for leg in legs)])
        if caller and legs and self._recorded is None:
            first = legs[0]
            self._record, self._recorded = record, (first.channel, first.offer)
            self._effects += recording.begin(record, self._contact, first.offer, first.channel, self._settings)

    def unjoin(self, caller: str) -> None:
        """Take the caller out of the bridge, if he talks there. Whose phones are hung up leave it by that."""
        if self.partners:
            self._effects.append(ask("unjoin", bridge=self.room.bridge, channel=caller))
            self._end_recording()
        self.caller = ""
        self.room.members.clear()

    def replaced(self, channel: str, by: str) -> None:
        """A transfer has put another channel in the place of one that was in it."""
        self.caller = by if self.caller == channel else self.caller
        self.room.replaced(channel, by)

    def left(self, channel: str) -> None:
        """A channel is in it no more, without our doing."""
        self.room.left(channel)
        if channel == self.caller:
            self.caller = ""

    def destroy(self) -> None:
        """Take it down."""
        self._end_recording()
        self.caller = ""
        self.room.destroy()

    def sync(self, now: Standing, caller: str, record: RecordBy) -> None:
        """Take over a fresh picture."""
        self.room.there = now.bridged or bool(now.joined) or (self.room.there and not now.restarted)
        self.room.members = list(now.joined)
        self.caller = caller if caller in now.joined else ""
        self._recorded = None
        for channel in self.partners[:1]:
            parts = names.leg_parts(channel)
            self._record, self._recorded = record, (channel, parts[0] if parts else now.offer)

    def _end_recording(self) -> None:
        if self._recorded is not None:
            self._effects += recording.end(self._record, self._contact, self._recorded[1])
        self._recorded = None
