"""The bridge of one contact, in which caller and agent talk, and the recording of what is said there."""

from acd_pbx.asterisk import names, recording
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.leg import Leg
from acd_pbx.asterisk.operations import ask
from acd_pbx.asterisk.settings import AdapterSettings, RecordBy
from acd_pbx.asterisk.standing import Standing


class Conversation:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        there: whether the bridge is.
        partner: the channel with which the caller is joined, empty for none.
    """

    def __init__(self, contact: str, settings: AdapterSettings, effects: list[Effect]) -> None:
        self.there = False
        self.partner = ""
        self._contact = contact
        self._bridge = names.bridge_of(contact)
        self._settings = settings
        self._effects = effects
        self._recorded: tuple[RecordBy, str] = (False, "")

    def prepare(self) -> None:
        """Create the bridge, so that joining takes one request."""
        if not self.there:
            self.there = True
            self._effects.append(ask("create_bridge", bridge=self._bridge, type="mixing", name=self._contact))

    def join(self, caller: str, leg: Leg, record: RecordBy) -> None:
        """Join the two."""
        self.prepare()
        self._effects.append(ask("join", bridge=self._bridge, channel=f"{caller},{leg.channel}"))
        self.partner = leg.channel
        self._recorded = (record, leg.offer)
        self._effects += recording.begin(record, self._contact, leg.offer, leg.channel, self._settings)

    def unjoin(self, caller: str) -> None:
        """Take the caller out of the bridge, if he is in it."""
        if self.partner:
            self._effects.append(ask("unjoin", bridge=self._bridge, channel=caller))
            self._over()

    def destroy(self) -> None:
        """Take it down."""
        self._over()
        if self.there:
            self.there = False
            self._effects.append(ask("destroy_bridge", bridge=self._bridge))

    def sync(self, now: Standing, caller: str, record: RecordBy) -> None:
        """Take over a fresh picture."""
        self.there = now.bridged or bool(now.joined) or (self.there and not now.restarted)
        self.partner = ""
        if caller in now.joined:
            self.partner = next((channel for channel in now.joined if channel != caller), "")
            self._recorded = (record, now.offer)

    def _over(self) -> None:
        if self.partner:
            how, offer = self._recorded
            self._effects += recording.end(how, self._contact, offer)
        self.partner = ""
