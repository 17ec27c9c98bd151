"""A server within the test's own event loop, its journal in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.config import Limits, Settings
from server.service import Service, running
from server.session import Session
from tests.support import centre
from tests.support.journals import MemoryJournal
from tests.support.line_client import LineClient


@asynccontextmanager
async def serving(
    tmp_path: Path, token: str = "", journal: MemoryJournal | None = None, **limits: Any
) -> AsyncIterator[Service]:
    """A server with a small contact centre."""
    settings = Settings(port=0, metrics_port=0, data=tmp_path / "data", token=token, limits=Limits(**limits))
    kept = journal or MemoryJournal()
    async with running(settings, lambda _: kept) as service:
        admin = await LineClient.connect(service.port, "admin", token=token)
        assert (await admin.ask("config.apply", config=centre.config()))["type"] == "ok"
        await admin.close()
        yield service


def sessions_of(service: Service) -> list[Session]:
    return [session for session in service.sequencer.router.receivers.values() if isinstance(session, Session)]
