"""The examples of the protocol page, against a real server."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acd_core.toml import read_toml
from acd_protocol import Client
from tests.support.server_process import ROOT, ServerProcess
from tests.support.wait import patient

EXAMPLES = ROOT / "examples"
CODE_LINES_MAX = 30

NC = """#!/bin/bash
# What the script needs of nc, for machines that have none.
exec 3<>"/dev/tcp/$1/$2"
cat <&3 &
trap 'kill $!' EXIT
cat >&3
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path / "data", "--config", str(EXAMPLES / "first.toml"), "--json") as server:
        yield server


async def run(*command: str, path: str = os.environ["PATH"]) -> str:
    """Run a program to its end, which must be good; gives what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patient(30)):
            printed, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{printed.decode()}\n{complained.decode()}"
    return printed.decode()


async def reasons_of_ends(server: ServerProcess) -> dict[str, int]:
    """How contacts ended, as the server counts it."""
    async with Client("127.0.0.1", server.port, name="test", events_max=0) as client:
        [queue] = (await client.stats())["queues"]
        [agent] = await client.listing("agents")
        assert agent["state"] == "logged_out"
        return {reason: count for reason, count in queue["ended"].items() if count}


async def test_the_adapter_in_python(server: ServerProcess) -> None:
    for _ in range(2):
        printed = await run(sys.executable, str(EXAMPLES / "adapter.py"), "127.0.0.1", str(server.port))
        ring, talk, over = printed.splitlines()
        assert ring == "ring PJSIP/1012 for at most 20 s"
        assert talk.startswith("a-12 talks with the caller, who waited 0")
        assert over == "over: completed_caller"
    assert await reasons_of_ends(server) == {"completed_caller": 2}


@pytest.mark.parametrize("nc", ["installed", "made of bash"])
async def test_the_adapter_by_hand(server: ServerProcess, tmp_path: Path, nc: str) -> None:
    path = os.environ["PATH"]
    if nc == "made of bash":
        tool = tmp_path / "bin" / "nc"
        tool.parent.mkdir()
        tool.write_text(NC)
        tool.chmod(0o755)
        path = f"{tool.parent}:{path}"
    elif shutil.which("nc") is None:
        pytest.skip("nc is not installed; 'apt install netcat-openbsd' brings it")
    for _ in range(2):
        printed = await run("bash", str(EXAMPLES / "adapter_nc.sh"), "127.0.0.1", str(server.port), path=path)
        assert '"reason":"completed_caller"' in printed
    assert await reasons_of_ends(server) == {"completed_caller": 2}


def test_the_python_example_is_as_short_as_the_page_says() -> None:
    lines = (EXAMPLES / "adapter.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(code) <= CODE_LINES_MAX


def test_every_configuration_among_the_examples_is_valid() -> None:
    files = sorted(EXAMPLES.glob("*.toml"))
    assert EXAMPLES / "first.toml" in files
    for file in files:
        assert read_toml(file.read_text(), file.name).agents
