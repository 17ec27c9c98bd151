"""Who of several adapters of one name is active: a sign of life in a global variable of the Asterisk they serve.

The active adapter renews it three times in `lease_s`. A spare reads it as often, and takes over when it has not changed
for `lease_s`, or when the active one has given it back. The lease only decides *when* a spare comes; *that* there is
one adapter at a time is certain by other means: Asterisk and engine each talk to the newest connection of a name, and
tell the older one that it was replaced.
"""

import asyncio
import logging
import time

from acd_pbx.asterisk.ari import Ari, AriError

_log = logging.getLogger(__name__)

GIVEN_BACK = "given back"


class Lease:
    """The lease of the adapter `name`, held by `holder`."""

    def __init__(self, ari: Ari, name: str, holder: str, lease_s: float) -> None:
        self._ari = ari
        self._variable = f"ACD_LEASE_{name}"
        self._holder = holder
        self._lease_s = lease_s
        self._count = 0

    async def wait(self) -> None:
        """Return when nobody is active."""
        seen, since = await self._read(), time.monotonic()
        while seen != GIVEN_BACK:
            await asyncio.sleep(self._lease_s / 3)
            value = await self._read()
            if value is None:
                since = time.monotonic()  # Asterisk cannot be asked: that says nothing of the active adapter
            elif value != seen:
                seen, since = value, time.monotonic()
            elif time.monotonic() - since >= self._lease_s:
                return

    async def keep(self) -> None:
        """Give signs of life until cancelled."""
        while True:
            self._count += 1
            await self._write(f"{self._holder} {self._count}")
            await asyncio.sleep(self._lease_s / 3)

    async def give_back(self) -> None:
        """Let a spare take over at once."""
        await self._write(GIVEN_BACK)

    async def _read(self) -> str | None:
        try:
            answer = await self._ari.request("GET", "/asterisk/variable", {"variable": self._variable})
        except AriError:
            return None
        return str(answer.get("value") or "")

    async def _write(self, value: str) -> None:
        try:
            await self._ari.request("POST", "/asterisk/variable", {"variable": self._variable, "value": value})
        except AriError as problem:
            _log.debug("no sign of life could be given: %s", problem)
