"""Fuzz all targets, or one, for a while: `make fuzz SECONDS=60`, `make fuzz SECONDS=600 ARGS=machine`."""

import argparse
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = Path(__file__).with_name("corpus")
BUILD = ROOT / "build" / "fuzz"
INSTRUMENTED = ["acd_core", "acd_protocol", "server"]
INPUT_BYTES_MAX = 2048
KEPT_BYTES_MAX = 512
"""Longer inputs are not kept: what they reach shorter ones mostly do, and all that is kept is tried with the tests."""


def fuzz(target: str, arguments: list[str]) -> None:
    """Hand this process over to the fuzzer, which ends it. What it is to see must not be imported before."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS
    # Merging, the fuzzer starts itself again through a shell, by its own name: that is what would start this again.
    itself = shlex.join([sys.executable, "-m", "tests.fuzz", "--child", target])
    atheris.Setup([itself, *arguments], TARGETS[target])
    atheris.Fuzz()


class Report(msgspec.Struct):
    """What came of one target.

    Attributes:
        runs: inputs tried; edges: branches reached; kept: inputs in the corpus that the next run begins with.
        failed: file of the input that a target did not stand; empty if there is none.
    """

    target: str
    runs: int
    edges: int
    kept: int
    seconds: float
    failed: str
    said: str = ""


def attend(target: str, seconds: int) -> Report:
    """Fuzz one target in a process of its own."""
    corpus = BUILD / "corpus" / target
    found = BUILD / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    kept = KEPT / target
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "--child",
        target,
        str(corpus),
        *([str(kept)] if kept.exists() else []),
    ]
    command += [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", "-timeout=30", "-rss_limit_mb=4096"]
    command += [f"-artifact_prefix={found}/{target}-", "-print_final_stats=1"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    said = done.stderr
    runs = re.findall(r"stat::number_of_executed_units: *(\d+)|^#(\d+)", said, re.MULTILINE)
    edges = re.findall(r"cov: (\d+)", said)
    new = sorted(path for path in set(found.iterdir()) - before if path.name.startswith(f"{target}-"))
    failed = str(new[0]) if new else ("it ended by itself" if done.returncode else "")
    return Report(
        target,
        max((int(first or second) for first, second in runs), default=0),
        max(map(int, edges), default=0),
        len(list(corpus.iterdir())),
        round(time.monotonic() - started, 1),
        failed,
        _reason(said) if failed else "",
    )


def _reason(said: str) -> str:
    """The last traceback in what a fuzzer said."""
    start = said.rfind("=== Uncaught Python exception")
    return said[start if start >= 0 else -3000 :][:4000]


def keep(target: str) -> int:
    """Add the small inputs of the build's corpus that reach something new to the kept ones; gives how many those are then.

    Raises `RuntimeError` if the fuzzer could not merge them; what is kept stays as it is.
    """
    kept = KEPT / target
    small = BUILD / "small" / target
    for directory in (small, kept):
        directory.mkdir(parents=True, exist_ok=True)
    for path in (BUILD / "corpus" / target).iterdir():
        if path.stat().st_size <= KEPT_BYTES_MAX:
            shutil.copy(path, small)
    before = set(kept.iterdir())
    command = [sys.executable, "-m", "tests.fuzz", "--child", target, "-merge=1", str(kept), str(small)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or "new files with" not in done.stderr or "not found" in done.stderr:
        raise RuntimeError(f"the corpus of {target} could not be merged:\n{done.stderr[-2000:]}")
    for path in set(kept.iterdir()) - before:
        path.rename(kept / path.name[:16])
    return len(list(kept.iterdir()))


def main() -> int:
    """See the module."""
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return 0
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, epilog="example: python -m tests.fuzz --seconds 60 session"
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all when left out")
    parser.add_argument("--seconds", type=int, default=60, help="how long all of it may take (default 60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time (default: cores)")
    parser.add_argument("--keep", action="store_true", help="put what adds something into the kept corpora")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    targets = options.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: make fuzz does it, on Pythons that it has a wheel for", file=sys.stderr)
        return 2
    each = max(1, options.seconds * min(options.jobs, len(targets)) // len(targets))
    with ThreadPoolExecutor(options.jobs) as pool:
        reports = list(pool.map(lambda target: attend(target, each), targets))
    if options.json:
        print(msgspec.json.encode(reports).decode())
    for report in reports if not options.json else []:
        print(
            f"{report.target:15} {report.runs:>11,} inputs in {report.seconds:.0f} s, {report.edges:,} branches, "
            f"corpus {report.kept:,}{f'; FAILED: {report.failed}' if report.failed else ''}"
        )
    for report in reports:
        if report.failed:
            print(f"\n{report.target}: {report.failed}\n{report.said}", file=sys.stderr)
    if options.keep:
        for target in targets:
            print(f"{target:15} {keep(target):,} inputs kept")
    return 1 if any(report.failed for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
