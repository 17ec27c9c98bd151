"""The agents' side of one call: whose phones ring for it, and who has answered."""

from acd_pbx.asterisk import names
from acd_pbx.asterisk.effects import Effect
from acd_pbx.asterisk.leg import Leg
from acd_pbx.asterisk.operations import ask
from acd_pbx.asterisk.standing import Standing


class Legs(dict[str, Leg]):
    """Legs by channel. What is to be asked of Asterisk goes to `effects`."""

    def __init__(self, effects: list[Effect]) -> None:
        super().__init__()
        self._effects = effects

    @property
    def live(self) -> list[Leg]:
        """Those that may be there."""
        return [leg for leg in self.values() if leg.live]

    def of_offer(self, offer: str) -> Leg | None:
        """The leg of an offer, whether it is still there or not."""
        return next((leg for leg in self.values() if leg.offer == offer), None)

    def up(self, channel: str, name: str) -> bool:
        """An agent has answered; tells whether that is news."""
        leg = self.get(channel)
        if leg is None or not leg.live or leg.state == "up":
            return False
        leg.state = "up"
        leg.rang = True
        leg.name = name
        return True

    def gone(self, channel: str, cause: str) -> bool:
        """A channel is gone; tells whether that is news."""
        leg = self.get(channel)
        if leg is None or not leg.live:
            return False
        leg.state = "gone"
        leg.cause = "no_answer" if cause == "normal" else cause
        if cause == "no_answer" and not leg.rang:
            leg.cause = "unreachable"
        return True

    def replace(self, channel: str, by: str) -> bool:
        """Another channel stands where an agent's stood, which is of no more use."""
        leg = self.pop(channel, None)
        if leg is None:
            return False
        self[by] = Leg(by, leg.offer, leg.agent, "up", True, name=leg.name)
        self._effects.append(ask("hang_up", channel=channel, reason="normal"))
        return True

    def heard(self) -> None:
        """Whoever has answered has heard what he was told."""
        for leg in self.values():
            leg.announced = leg.announced or leg.state == "up"

    def drop(self, leg: Leg | None) -> None:
        """Hang up, once."""
        if leg is not None and leg.live and not leg.unwanted:
            leg.unwanted = True
            self._effects.append(ask("hang_up", channel=leg.channel, reason="normal"))

    def drop_others(self, wanted: set[str], kept: list[str]) -> None:
        """Hang up all but those of the offers `wanted`, and the channels `kept`."""
        for leg in self.live:
            if leg.offer not in wanted and leg.channel not in kept:
                self.drop(leg)

    def sync(self, now: Standing) -> bool:
        """Take over a fresh picture; tells whether a transfer has put somebody else in an agent's place."""
        for leg in self.values():
            if leg.live and leg.channel not in now.legs and leg.channel not in now.others:
                leg.state, leg.cause = "gone", leg.cause or "lost"
            leg.unwanted = False
        for channel, state in now.legs.items():
            parts = names.leg_parts(channel)
            leg = self.setdefault(channel, Leg(channel, parts[0] if parts else "", now.agent))
            leg.see(state)
        strangers = [channel for channel in now.others if channel not in self]
        for channel in strangers:
            self[channel] = Leg(channel, now.offer, now.agent, "up", True)
        return bool(strangers)
