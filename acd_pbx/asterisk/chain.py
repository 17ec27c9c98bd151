"""The requests of one call, one after the other: the music must be off before the bridge is entered.

Different calls do not wait for each other. When Asterisk is away the rest is dropped, since the picture that is taken
when it is back tells what is lacking then.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from acd_pbx.asterisk.ari import Ari, AriAway, AriRefused
from acd_pbx.asterisk.operations import Ask

_log = logging.getLogger(__name__)


class Chain:
    """See the module. `on_refused(ask, status, message)` is told what Asterisk would not do."""

    def __init__(self, ari: Ari, on_refused: Callable[[Ask, int, str], None]) -> None:
        self._ari = ari
        self._on_refused = on_refused
        self._asks: deque[Ask] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether everything was made."""
        return self._task is None

    def add(self, ask: Ask) -> None:
        """Make this request after those before it."""
        self._asks.append(ask)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def drop(self) -> None:
        """Forget what was not begun."""
        self._asks.clear()

    async def done(self) -> None:
        """Wait until everything was made."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._asks:
                ask = self._asks.popleft()
                try:
                    await self._ari.carry_out(ask)
                    _log.debug("done: %s %s %s", ask.what, ask.places, ask.params)
                except AriRefused as refused:
                    _log.debug("%s", refused)
                    self._on_refused(ask, refused.status, refused.message)
                except AriAway as away:
                    _log.debug("%s", away)
                    self._asks.clear()
        finally:
            self._task = None
