"""Where the server's time goes, and what a contact costs beside time: for the page on performance."""

import contextlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.figures.path import CONNECTIONS, acd_site, folder, load_apart, site_of
from bench.figures.samples import Figures
from bench.figures.scale import Scale
from bench.server_process import acd_server
from bench.site import Site

DEPTH = 64
START_S = 60.0
SYMBOLS = 25
ROOT = Path(__file__).resolve().parents[2]


def parts() -> list[tuple[str, str]]:
    """Parts of the program, and what the files are called that they are in."""
    ours = {
        name: "|".join(path.stem for package in packages for path in (ROOT / package).glob("*.pyx"))
        for name, packages in (("core", ("acd_core",)), ("others", ("acd_protocol", "server")))
    }
    return [
        ("kernel: TCP, epoll, wake-ups", r"^\[kernel|^\[vdso"),
        ("our compiled core", rf"^({ours['core']})\.cpython"),
        *([("our compiled path", rf"^({ours['others']})\.cpython")] if ours["others"] else []),
        ("msgspec", r"^_core\.cpython"),
        ("event loop (uvloop)", r"^loop\.cpython|uvloop"),
        ("SQLite", r"sqlite"),
        ("interpreter (Python code of the server)", r"python3"),
        ("C library", r"^libc\b|^ld-|libpthread"),
    ]


def profile(figures: Figures, scale: Scale) -> None:
    """Shares of CPU samples by part of the program, with 64 contacts in flight, not durable; and the hottest symbols.

    Raises:
        FileNotFoundError: there is no `perf`.
        RuntimeError: it may not sample here.
    """
    if shutil.which("perf") is None:
        raise FileNotFoundError("perf")
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        site = acd_site(stack, scale.centre, CONNECTIONS, durable=False)
        sender = site.sender(CONNECTIONS)
        site.closed_loop(sender, DEPTH, scale.lifecycles)
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "perf.data"
        command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-o", str(path), "-p", str(site.process.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as recorder:
            time.sleep(0.3)
            site.closed_loop(sender, DEPTH, 4 * scale.lifecycles)
            recorder.terminate()
            _, said = recorder.communicate()
        if not path.exists() or not path.stat().st_size:
            raise RuntimeError(f"perf may not sample here: {said.strip()[-200:]}")
        left = 100.0
        for share, name in _report(path, "dso"):
            part = next((part for part, pattern in parts() if re.search(pattern, name)), None)
            if part is not None:
                figures.values.setdefault(f"profile.{part}", [0.0])[0] += share
                figures.units[f"profile.{part}"] = "%"
                left -= share
        figures.add("profile.the rest", [max(0.0, left)], "%")
        figures.notes["symbols"] = "\n".join(
            f"{share:5.1f} %  {name}" for share, name in _report(path, "dso,symbol")[:SYMBOLS]
        )


def _report(path: Path, sort: str) -> list[tuple[float, str]]:
    """(share, name) of what perf found, the largest first."""
    command = ["perf", "report", "-i", str(path), "--stdio", "-g", "none", "--sort", sort, "--percent-limit", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = re.findall(r"^\s+([\d.]+)%\s+(.+?)\s*$", done.stdout, re.MULTILINE)
    return [(float(share), re.sub(r"( -)+$", "", re.sub(r"\s+", " ", name))) for share, name in rows]


def costs(figures: Figures, scale: Scale) -> None:
    """Bytes in the journal and on the wire for each contact, and how long a restart takes for each."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(load_apart())
        data = folder(stack, durable=False) / "data"
        empty = _start_ns(data)
        count = 5 * scale.lifecycles
        with acd_server(data) as process, contextlib.ExitStack() as connected:
            site = site_of(connected, process, scale.centre, CONNECTIONS)
            site.log_in()
            before = _size(data)
            sender = site.sender(CONNECTIONS)
            site.closed_loop(sender, DEPTH, count)
            figures.add("cost.wire", [(sender.counts["bytes_in"] + sender.counts["bytes_out"]) / count], "bytes")
            figures.add("cost.rss", [_peak(site)], "MB")
        figures.add("cost.journal", [(_size(data) - before) / count], "bytes")
        figures.add("cost.recovery", [(_start_ns(data) - empty) / count], "ns")


def _size(data: Path) -> int:
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


def _peak(site: Site) -> float:
    status = Path(f"/proc/{site.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else 0.0


def _start_ns(data: Path) -> float:
    """CPU time that a server needs until it accepts commands, with the journal that is there."""
    deadline = time.monotonic() + START_S
    with acd_server(data) as process:
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # not yet: 503
                urllib.request.urlopen(f"http://127.0.0.1:{process.metrics_port}/readyz", timeout=5).close()
                return float(process.cpu_ns())
            time.sleep(0.005)
    raise RuntimeError("the server was not ready in time")
