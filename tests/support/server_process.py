"""A real server in a process of its own, to be stopped, killed and starved."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.support.wait import patient

ROOT = Path(__file__).resolve().parent.parent.parent


class ServerProcess:
    """`acd serve` on free ports.

    Attributes:
        program: the module that is run, with its first arguments.
        port, metrics_port: where it listens, once started.
        log: the entries that it has written so far.
    """

    program: tuple[str, ...] = ("server", "serve")

    def __init__(self, data: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.port = 0
        self.metrics_port = 0
        self.log: list[dict[str, Any]] = []
        self.stderr = ""
        self._options = options
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._serving = asyncio.Event()

    async def launch(self, prepare: Callable[[], None] | None = None) -> Self:
        """Start the process; `prepare` runs in it before the server does."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self.program,
            *("--port", "0", "--metrics-port", "0", "--data", str(self.data)),
            *(() if any("ballast" in option for option in self._options) else ("--limit", "ballast_bytes=0")),
            *self._options,
            cwd=ROOT,
            env=inherited | self._environment,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=prepare,
        )
        self._reading = asyncio.create_task(self._read_log())
        return self

    async def start(self, prepare: Callable[[], None] | None = None) -> Self:
        """Start the process, and wait until it serves."""
        await self.launch(prepare)
        async with asyncio.timeout(patient(30)):
            await self._serving.wait()
        assert self.port, f"the server did not start: {self.stderr}"
        return self

    async def _read_log(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            text = line.decode()
            self.stderr += text
            if text.startswith("{"):
                entry = json.loads(text)
                self.log.append(entry)
                if entry.get("metrics_port") and entry["port"]:
                    self.port, self.metrics_port = entry["port"], entry["metrics_port"]
                    self._serving.set()
        self._serving.set()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to this process, and no other."""
        assert self._process is not None
        self._process.send_signal(number)

    async def exit_status(self) -> int:
        """Wait for the end."""
        assert self._process is not None
        assert self._reading is not None
        async with asyncio.timeout(patient(30)):
            await self._reading
            return await self._process.wait()

    async def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self.exit_status()

    async def stop(self) -> int:
        """Ask it to stop; gives its exit status."""
        self.send_signal(signal.SIGTERM)
        return await self.exit_status()

    def said(self, words: str) -> bool:
        """Whether an entry of the log has `words` in its sentence."""
        return any(words in entry["message"] for entry in self.log)

    async def __aenter__(self) -> Self:
        """Start, and wait until it serves."""
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        await self.kill()
