"""Build the wheel, look at what is in it, install it into an empty environment, start `acd` there, and let its engine and the
model decide the same random commands: the compiler lays the modules of a wheel out by a profile, see tools/train.py.

Run by `make wheel` with the interpreter of `.venv`, after the bootstrap. The wheel is left in build/dist, the
environment in build/wheel-env.
"""

import os
import shutil
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tools import train
from tools.bootstrap import BUILD, ROOT, WHEELS, StepError, lends_packages, run

DIST = BUILD / "dist"
ENVIRONMENT = BUILD / "wheel-env"

STEPS = 20_000

# What a package shows to Python, to type checkers and to other Cython modules.
SHIPPED = {".py", ".pyi", ".pxd", ".typed"}


def expected_files(root: Path) -> set[str]:
    """The files that a wheel of this tree must have, extension modules without their suffix."""
    packages = [path.parent for path in root.glob("*/__init__.py") if path.parent.name not in ("tests", "bench")]
    files = [path for package in packages for path in package.rglob("*") if path.stem != "_probe"]
    shipped = {path.relative_to(root).as_posix() for path in files if path.suffix in SHIPPED}
    compiled = {path.relative_to(root).with_suffix("").as_posix() for path in files if path.suffix == ".pyx"}
    return shipped | compiled


def faults(names: Iterable[str], root: Path) -> list[str]:
    """What is wrong with a wheel of this tree that holds files of these names."""
    held = {name.split(".")[0] if name.endswith(".so") else name for name in names if ".dist-info/" not in name}
    expected = expected_files(root)
    missing = [f"{name} is missing" for name in sorted(expected - held)]
    return missing + [f"{name} does not belong there" for name in sorted(held - expected)]


def build() -> Path:
    shutil.rmtree(DIST, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), "."]
    environment = {**os.environ, "ACD_BUILD": "wheel", "ACD_PROFILE": str(train.PROFILE)}
    run(command, "The wheel could not be built.", environment=environment)
    (wheel,) = DIST.glob("*.whl")
    return wheel


def inspect(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = faults(archive.namelist(), ROOT)
    if found:
        raise StepError("\n".join([f"{wheel.name} is not what it should be:", *found]))


def install(wheel: Path) -> None:
    """Install without network from the packages that the bootstrap kept, or beside those that the system lends."""
    lent = lends_packages()
    make = [sys.executable, "-m", "venv", "--clear", *(["--system-site-packages"] if lent else []), str(ENVIRONMENT)]
    run(make, "The empty environment could not be made.")
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = ["--no-deps"] if lent else ["--find-links", WHEELS.name]
    run([*pip, "install", "--no-index", *source, str(wheel)], "The wheel could not be installed.")


def without_checkout() -> dict[str, str]:
    """The variables of what runs in the empty environment."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def try_out() -> str:
    """The first line that `acd --help` prints, started where the sources cannot be imported by accident."""
    command = [str(ENVIRONMENT / "bin" / "acd"), "--help"]
    return run(command, "acd --help failed.", ENVIRONMENT, without_checkout()).strip().splitlines()[0]


def agree() -> None:
    """Lockstep of model and engine, as they were installed; of the checkout only the tests are used."""
    place = ENVIRONMENT / "checks"
    shutil.copytree(ROOT / "tests" / "support", place / "tests" / "support")
    for name in ("__init__.py", "lockstep.py"):
        shutil.copy(ROOT / "tests" / name, place / "tests")
    lockstep = ["-m", "tests.lockstep", "--steps", str(STEPS), "--compare-every", "500"]
    command = [str(ENVIRONMENT / "bin" / "python"), *lockstep]
    run(command, "The engine of the wheel does not do what the model does.", place, without_checkout())


def main() -> int:
    try:
        print("training, then building the wheel", flush=True)
        if train.main():
            print("there is no profile, so the wheel is built without one", flush=True)
        wheel = build()
        inspect(wheel)
        print(f"{wheel.relative_to(ROOT)}: {wheel.stat().st_size // 1024} KiB", flush=True)
        install(wheel)
        print(f"acd --help in an empty environment: {try_out()}", flush=True)
        agree()
        print(f"its engine and the model agree in {STEPS:,} random commands")
    except StepError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
