"""`acd serve` with a disk that can be made slow: while the file `slow` lies in the data directory, appends take longer.

The drill starts it in a process of its own; everything but the wait is the real server.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from server import log
from server.cli import serve
from server.journal.contract import Batch
from server.journal.sqlite import SqliteJournal
from server.options import settings_from
from server.service import running

APPEND_S = 0.3


class SlowJournal(SqliteJournal):
    """Waits before each append while it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._told = directory / "slow"

    def append(self, epoch: int, seq: int, batch: Batch) -> None:
        """As it is, later."""
        if self._told.exists():
            time.sleep(APPEND_S)
        super().append(epoch, seq, batch)


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    args = parser.parse_args()
    log.configure(json=True)
    async with running(settings_from(args, os.environ), SlowJournal):
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
