"""A process that serves on a port of this machine, and what it costs: the server, or a reference in its place."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from acd_sim.load import usage

ROOT = Path(__file__).resolve().parent.parent
STOP_S = 30


class ServerProcess:
    """A process that listens.

    Attributes:
        port: where.
        pid: its number.
        metrics_port: where it tells its metrics; 0 for nowhere.
    """

    def __init__(self, pid: int, port: int, metrics_port: int = 0) -> None:
        self.pid = pid
        self.port = port
        self.metrics_port = metrics_port

    def cpu_ns(self) -> int:
        """CPU time of all its threads so far."""
        return usage.cpu_ns(self.pid)

    def loop_cpu_ns(self) -> int:
        """CPU time of its first thread, which runs the event loop."""
        return usage.thread_cpu_ns(self.pid, self.pid)


@contextlib.contextmanager
def acd_server(data: Path, *options: str) -> Iterator[ServerProcess]:
    """`acd serve` on free ports, with its journal in `data`, which a ballast would only fill up."""
    ports = ("--port", "0", "--metrics-port", "0", "--limit", "ballast_bytes=0")
    with started([sys.executable, "-m", "server", "serve", *ports, "--data", str(data), "--json", *options]) as server:
        yield server


@contextlib.contextmanager
def echo_server() -> Iterator[ServerProcess]:
    """The reference: sends back every line that it gets."""
    with started([sys.executable, "-m", "bench.echo_server"]) as server:
        yield server


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[ServerProcess]:
    """Run a server that writes JSON lines on standard error, one of which names its port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("{") and "port" in (entry := json.loads(line)):
                break
        else:
            raise RuntimeError(f"{command} did not start: {''.join(said)}")
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        reader.start()
        try:
            yield ServerProcess(process.pid, int(entry["port"]), int(entry.get("metrics_port", 0)))
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(STOP_S)
            reader.join()
        if status != 0:
            raise RuntimeError(f"{command} ended with status {status}: {''.join(said)}")
