"""Waiting for something to become true, with an end.

All deadlines of tests go through `patient`: a build that is made to find faults, such as `make sanitize`, takes many times
as long for the same work, and says in the environment variable ACD_PATIENCE how many.
"""

import asyncio
import os
from collections.abc import Callable

PATIENCE = float(os.environ.get("ACD_PATIENCE", "1"))


def patient(seconds: float) -> float:
    """How long a test waits here for what takes less than `seconds` in an ordinary build on a busy machine."""
    return seconds * PATIENCE


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Return as soon as `condition()` is true; fail when it is not in time."""
    async with asyncio.timeout(patient(timeout_s)):
        while not condition():
            await asyncio.sleep(0.002)
