"""Open offers of one contact: their agents' phones ring, and the engine is told what comes of it."""

from collections.abc import Mapping
from typing import Any

from acd_pbx.asterisk import names
from acd_pbx.asterisk.effects import Effect, Wake
from acd_pbx.asterisk.leg import Leg, Offer, dialled, ring_agent
from acd_pbx.asterisk.legs import Legs
from acd_pbx.asterisk.report import Report
from acd_pbx.asterisk.settings import AdapterSettings, Queue


class Ringing:
    """See the module. What is to be asked of Asterisk goes to `effects`.

    Attributes:
        offers: those that are open, by id.
    """

    def __init__(
        self, contact: str, settings: AdapterSettings, legs: Legs, report: Report, effects: list[Effect]
    ) -> None:
        self.offers: dict[str, Offer] = {}
        self._contact = contact
        self._settings = settings
        self._legs = legs
        self._report = report
        self._effects = effects

    def ring(self, rules: Queue, values: Mapping[str, Any], originator: str) -> bool:
        """Ring whoever is not rung yet, and tell who has answered and who cannot be reached.

        Args:
            rules: of the queue.
            values: what the phone shows is filled in from these.
            originator: the channel for which they are rung, empty when there is none.

        Returns:
            Whether somebody has answered.
        """
        answered = False
        for number, offer in self.offers.items():
            channel = names.leg_of(number, self._contact)
            leg = self._legs.get(channel)
            if leg is None:
                self._begin(channel, number, offer, rules, values, originator)
            elif leg.state == "gone":
                self._report.reject(leg.offer, leg.cause)
            elif leg.state == "up":
                self._report.accept(number)
                answered = True
        return answered

    def too_silent(self, channel: str) -> None:
        """By now a phone should ring: if it does not, it has vanished."""
        leg = self._legs.get(channel)
        if leg is not None and leg.state == "asked" and leg.offer in self.offers:
            leg.cause = "unreachable"
            self._legs.drop(leg)
            self._report.reject(leg.offer, leg.cause)

    def _begin(
        self, channel: str, number: str, offer: Offer, rules: Queue, values: Mapping[str, Any], originator: str
    ) -> None:
        leg = self._legs[channel] = Leg(channel, number, offer.agent)
        endpoint = dialled(offer.address, self._settings)
        if not endpoint:
            leg.state, leg.cause = "gone", "invalid_address"
            self._report.reject(leg.offer, leg.cause)
            return
        self._effects.append(ring_agent(leg, endpoint, offer.expires_s, rules, values, self._settings, originator))
        if self._settings.phones.ring_within_s:
            self._effects.append(Wake(self._settings.phones.ring_within_s, f"ring {channel}"))
