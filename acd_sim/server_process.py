"""A server of its own, in its own process: started, watched and ended by whoever needs one.

The demo and `acd replay-calls --own-server` use it, and tests that kill a server. The process gets a session of
its own, so Ctrl-C in the terminal reaches only us, and we end the server in order; should we die without a word,
the kernel tells it to stop.
"""

import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 10.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_ROOT = Path(__file__).resolve().parent.parent
"""Where the packages lie, installed or not."""


class ServerStartError(Exception):
    """The server did not start. `str()` is what it said; `status` is the exit status to pass on."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class ServerProcess:
    """`acd serve` as a child process.

    Args:
        data: directory of its journal and of its log, `server.log`; None for a temporary one, which `close` removes.
        port, metrics_port: 0 for any free one. After the first start the ports stay, so that clients find the
            server again after a restart.
        clock_speed: how fast its engine's time runs.
    """

    def __init__(
        self, *, data: Path | None = None, port: int = 0, metrics_port: int = 0, clock_speed: float = 1
    ) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.metrics_port = metrics_port
        self.clock_speed = clock_speed
        self._temporary = data is None
        self.data = Path(tempfile.mkdtemp(prefix="acd-")) if data is None else data
        self._log = self.data / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running server; 0 when there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    @property
    def exit_status(self) -> int | None:
        """Of the server that ended; None while it runs, negative when a signal ended it."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            ServerStartError: it ended, or did not listen within a minute.
        """
        self.launch()
        self.await_listening()

    def launch(self) -> None:
        """Start it, and do not wait. Call this from a thread that lives as long as the server should."""
        self.data.mkdir(parents=True, exist_ok=True)
        # -P and PYTHONPATH: a directory that happens to be called "server" where the user stands must not be run.
        command = [sys.executable, "-P", "-m", "server", "serve", "--json", "--host", self.host]
        command += ["--port", str(self.port)]
        command += ["--metrics-port", str(self.metrics_port), "--data", str(self.data)]
        command += ["--clock-speed", f"{self.clock_speed:g}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=functools.partial(_end_with_parent, os.getpid()),  # noqa: PLW1509 - it takes no locks
            )

    def await_listening(self) -> None:
        """Wait until it listens; raises like `start`."""
        process = self._process
        assert process is not None, "launch() comes first"
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            status = process.poll()
            for line in self._log.read_bytes().split(b"\n")[:-1]:
                entry = json.loads(line) if line.startswith(b"{") else {}
                if "metrics_port" in entry:
                    self.port, self.metrics_port = entry["port"], entry["metrics_port"]
                    return
            if status is not None:
                raise ServerStartError(self.last_words() or "the server ended without a word", abs(status) or 1)
            time.sleep(0.01)
        self.kill()
        raise ServerStartError(f"the server did not listen within {START_SECONDS_MAX:.0f} seconds", 1)

    def last_words(self) -> str:
        """The last sentence in its log."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        if not lines:
            return ""
        if lines[-1].startswith("{"):
            return str(json.loads(lines[-1]).get("message", lines[-1]))
        return lines[-1].removeprefix("acd: ")

    def stop(self, wait_s: float = STOP_SECONDS_MAX) -> int:
        """Ask it to stop in order, and wait; gives its exit status. After `wait_s` it is killed."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self, wait_s: float = STOP_SECONDS_MAX) -> None:
        """Stop it as `stop` does, and remove its directory if that is a temporary one."""
        self.stop(wait_s)
        if self._temporary:
            shutil.rmtree(self.data, ignore_errors=True)


def _end_with_parent(parent: int) -> None:
    """In the child, before it becomes the server: have it stopped when its parent is gone (Linux only)."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
