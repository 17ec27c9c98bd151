"""How full the disk is, as metrics tell it."""

import asyncio
import shutil
from pathlib import Path
from urllib.request import urlopen

import pytest

from server.disk import size_and_room
from tests.support.server_process import ServerProcess
from tests.support.wait import patient


def test_the_disk_is_as_full_as_other_programs_say(tmp_path: Path) -> None:
    size, room = size_and_room(tmp_path)
    told = shutil.disk_usage(tmp_path)
    assert size - room == pytest.approx(told.used, rel=0.01)
    assert room == pytest.approx(told.free, rel=0.01)
    assert room < size <= told.total


async def test_a_server_tells_how_full_its_disk_is(tmp_path: Path) -> None:
    def scraped(port: int) -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=patient(10)) as answer:
            return str(answer.read().decode())

    async with ServerProcess(tmp_path) as server:
        text = await asyncio.to_thread(scraped, server.metrics_port)
    lines = dict(line.split() for line in text.splitlines() if line.startswith("acd_disk_"))
    size, room = size_and_room(tmp_path)
    assert float(lines["acd_disk_bytes"]) == pytest.approx(size, rel=0.01)
    assert float(lines["acd_disk_free_bytes"]) == pytest.approx(room, rel=0.1)
