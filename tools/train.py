"""Make the profile by which the modules of the tuned build and of the wheel are laid out: `python -m tools.train`.

The engine is some 40 KB of code that runs once for each contact, among ten times as much that hardly ever runs: more than
the nearest cache of a processor holds. So the modules are built to count what runs (ACD_BUILD=counting), do for a while what
a server does (`bench.training`), and leave their counts to gcc, which then lays what runs side by side and the rest far away.

The counting modules stand apart from the checkout, in build/counting; the counts are in build/profile, a file for each module,
where setup.py finds them. They hold for the sources, the compiler and the Python that they were made with: when one of these
is another, they are made anew.

Exit status: 0 there is a profile; 1 it could not be made, and why.
"""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tools.bootstrap import (
    BUILD,
    ROOT,
    TRAINING,
    StepError,
    compiled_sources,
    digest,
    find_compiler,
    read_project,
    read_stamp,
    run,
    write_stamp,
)

PROFILE = BUILD / "profile"
COUNTING = BUILD / "counting"
STAMP = PROFILE / "made.json"


def needed() -> dict[str, str]:
    """What a profile holds for."""
    sources = [*compiled_sources(read_project()), TRAINING]
    compiler = find_compiler() or "gcc"
    version = subprocess.run([*compiler.split(), "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "python": sys.version,
        "compiler": version,
        "cython": metadata.version("cython"),
        "setup": digest((ROOT / "setup.py").read_text("utf-8")),
        "sources": digest(*(path.read_text("utf-8") for path in sources)),
    }


def build_counting(lib: Path) -> None:
    """The modules that count, with the rest of their packages beside them."""
    environment = {**os.environ, "ACD_BUILD": "counting", "CC": find_compiler() or "gcc"}
    command = [sys.executable, "setup.py", "--quiet", "build_ext", f"--build-lib={lib}"]
    run(command, "The modules that count could not be built: the lines above say where.", environment=environment)
    for door in ROOT.glob("*/__init__.py"):
        package = door.parent
        if package.name != "tests":
            rest = shutil.ignore_patterns("__pycache__", "*.so", "*.pyx", "*.pxd")
            shutil.copytree(package, lib / package.name, ignore=rest, dirs_exist_ok=True)


def run_training(lib: Path) -> None:
    """Let the modules that count do what a server does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GCOV")}
    environment["PYTHONPATH"] = str(lib)
    run([sys.executable, "-m", "bench.training"], "The training failed.", lib, environment)


def main() -> int:
    """See the module."""
    wanted = needed()
    if read_stamp(STAMP) == wanted:
        return 0
    try:
        for former in (COUNTING, PROFILE):
            shutil.rmtree(former, ignore_errors=True)
        build_counting(COUNTING)
        run_training(COUNTING)
        if not any(PROFILE.rglob("*.gcda")):
            raise StepError("The compiler's counts are not gcc's: build with gcc (CC=gcc), or without a profile.")
    except StepError as error:
        print(error, file=sys.stderr)
        return 1
    write_stamp(STAMP, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
