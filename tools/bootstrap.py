"""Make `.venv`, install what the project needs into it, and build the extension modules.

`make` runs this before everything else, so a run with nothing to do must take no time and no network:

- `.venv/packages.json` says for which checkout, interpreter and requirements the environment was made. Another
  checkout or interpreter means a new environment, other requirements an installation. The file is written when all is
  in, so an environment without it is an unfinished one and is made anew.
- `build/extensions.json` says from which sources, in which mode and with which tools the modules were built, and how
  the results look. Whatever differs is built again.
- `.venv/checkout.json` says with which metadata the checkout itself was installed, as an editable package.
- `.wheels` keeps every package that was downloaded, so that a new environment needs no network, as when the checkout
  was moved. Packages can be put there by hand on a machine that has no network at all.

An interpreter that has all requirements already lends them to the environment, and nothing is installed.

Only the standard library is used, and only syntax that Python 3.6 reads: an old interpreter must get as far as saying
that it is too old.

Exit status: 0 all is there; 1 a build or an installation failed; 2 the machine lacks something, said in one sentence
for each thing.
"""

import fcntl
import hashlib
import importlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
PACKAGES_STAMP = VENV / "packages.json"
CHECKOUT_STAMP = VENV / "checkout.json"
PIP = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
WHEELS = ROOT / ".wheels"
BUILD = ROOT / "build"
BUILD_STAMP = BUILD / "extensions.json"
TRAINING = ROOT / "bench" / "training.py"  # what tuned modules are laid out by
OLDEST = (3, 11)

Json = Dict[str, Any]


class LackError(Exception):
    """The machine lacks something. The message has a sentence for each thing."""


class StepError(Exception):
    """A step went wrong. The message says which, and what to do."""


# What the machine must have


def lack_of_python(version: Tuple[int, ...]) -> Optional[str]:
    if version >= OLDEST:
        return None
    return (
        f"Python {dotted(version)} is too old, the ACD engine needs {dotted(OLDEST)} or newer: on Debian 12, "
        "Ubuntu 24.04 or later install the package python3, or name a newer interpreter, as in "
        "make run PYTHON=python3.12"
    )


def lack_of_compiler() -> Optional[str]:
    if find_compiler():
        return None
    named = os.environ.get("CC")
    if named:
        return (
            f"There is no C compiler {named!r}, which the environment variable CC names: unset CC, and on Debian and "
            "Ubuntu install the package gcc."
        )
    return "There is no C compiler: on Debian and Ubuntu install the package gcc."


def lack_of_headers() -> Optional[str]:
    directory = sysconfig.get_path("include")
    if Path(directory, "Python.h").is_file():
        return None
    return (
        f"The header file {directory}/Python.h of this Python is missing: on Debian and Ubuntu install the package "
        "python3-dev."
    )


def lack_of_venv() -> Optional[str]:
    if all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        return None
    return (
        "This Python cannot make virtual environments because its module ensurepip is missing: on Debian and Ubuntu "
        "install the package python3-venv."
    )


def check_machine() -> None:
    lacks = [lack for lack in (lack_of_compiler(), lack_of_headers(), lack_of_venv()) if lack]
    if lacks:
        raise LackError("\n".join(lacks))


def find_compiler() -> Optional[str]:
    """The C compiler's command: $CC, or else the one that built this Python, gcc or cc."""
    if os.environ.get("CC"):
        candidates = [os.environ["CC"]]
    else:
        candidates = [sysconfig.get_config_var("CC") or "gcc", "gcc", "cc"]
    for command in candidates:
        if shutil.which(shlex.split(command)[0]):
            return command
    return None


# What the project asks for


def read_project() -> Json:
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements_of(project: Json) -> List[str]:
    """All packages needed to build, run, test and check."""
    extras = project["project"]["optional-dependencies"]
    return [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(text for name in sorted(extras) for text in extras[name]),
    ]


def unmet(requirements: List[str]) -> List[str]:
    """Those requirements that the running interpreter does not meet: the package itself or one that it needs."""
    for name in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            parse = importlib.import_module(name).Requirement
        except ImportError:
            continue
        return [text for text in requirements if not is_met(parse, text, "", set())]
    return requirements


def is_met(parse: Any, text: str, extra: str, seen: Set[Tuple[str, str]]) -> bool:
    from importlib import metadata

    requirement = parse(text)
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        return True
    try:
        found = metadata.distribution(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    if not requirement.specifier.contains(found.version, prereleases=True):
        return False
    for wanted in ("", *requirement.extras):
        if (requirement.name, wanted) not in seen:
            seen.add((requirement.name, wanted))
            if not all(is_met(parse, inner, wanted, seen) for inner in found.requires or ()):
                return False
    return True


# The environment


def prepare_environment(project: Json) -> None:
    """Bring `.venv` to what the project asks for."""
    wanted = {
        "checkout": str(ROOT),
        "python": f"{sys.version} in {sys.base_prefix}",
        "requirements": requirements_of(project),
    }
    stamp = read_stamp(PACKAGES_STAMP) if VENV_PYTHON.exists() else {}
    if stamp == wanted:
        return
    check_machine()
    if stamp.get("checkout") == wanted["checkout"] and stamp.get("python") == wanted["python"]:
        PACKAGES_STAMP.unlink()
    else:
        say(f"creating .venv with Python {dotted(sys.version_info[:3])}{why_anew(stamp, wanted)}")
        # Without a pip of its own, which would bring a setuptools that hides the interpreter's.
        make_venv("--system-site-packages", "--without-pip")
    lacking = unmet_in_venv()
    if lacking and lends_packages():
        make_venv()
        lacking = unmet_in_venv()
    if lacking:
        say(f"installing {len(lacking)} packages")
        install(lacking)
    write_stamp(PACKAGES_STAMP, wanted)


def why_anew(stamp: Json, wanted: Json) -> str:
    if not VENV.exists():
        return ""
    if not stamp:
        return ", as the one that is there is unfinished or broken"
    if stamp.get("checkout") != wanted["checkout"]:
        return ", as this checkout was moved or copied"
    return ", as the one that is there was made with another Python"


def make_venv(*options: str) -> None:
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(str(VENV))
    interpreter = getattr(sys, "_base_executable", None) or sys.executable
    run([interpreter, "-m", "venv", *options, str(VENV)], "The environment .venv could not be made.")


def lends_packages() -> bool:
    return "include-system-site-packages = true" in (VENV / "pyvenv.cfg").read_text("utf-8")


def unmet_in_venv() -> List[str]:
    """What the environment's own interpreter answers to `unmet`."""
    answer = run([str(VENV_PYTHON), "-I", __file__, "unmet"], "The interpreter of .venv does not work.")
    lacking: List[str] = json.loads(answer)
    return lacking


def install(requirements: List[str]) -> None:
    """Install from `.wheels`, after downloading what is not there yet."""
    wheels = ["--find-links", WHEELS.name]
    from_wheels = [*PIP, "install", "--no-index", *wheels, *requirements]
    if WHEELS.is_dir() and try_run(from_wheels, ROOT)[0] == 0:
        return
    download = [*PIP, "wheel", "--retries", "2", "--wheel-dir", WHEELS.name, *wheels, *requirements]
    status, output = try_run(download, ROOT)
    if status == 0:
        status, output = try_run(from_wheels, ROOT)
    if status != 0:
        errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.splitlines()[-1:]
        names = [text.replace(">", " ").split()[0] for text in requirements]
        raise StepError(
            f"Packages are missing and could not be installed ({', '.join(names)}): connect this machine to a package "
            "index and run make again, or first put the wheels of these packages, and of those they need, into "
            f"{WHEELS}.\npip said: {' '.join(errors[-1:])}"
        )


def install_checkout(project: Json) -> None:
    """Put the checkout on the environment's path, with the command `acd` and the entry points."""
    wanted = {"metadata": [project["build-system"], project["project"], project["tool"]["setuptools"]]}
    if read_stamp(CHECKOUT_STAMP) == wanted:
        return
    say("installing the command acd into .venv")
    options = ["--no-index", "--no-deps", "--no-build-isolation"]
    run([*PIP, "install", *options, "--editable", "."], "The checkout could not be installed into .venv.")
    write_stamp(CHECKOUT_STAMP, wanted)


# The extension modules


def build_extensions(project: Json) -> None:
    """Build the modules in place, unless they and their sources are as the last build left them."""
    mode = os.environ.get("ACD_BUILD") or "release"
    packages = project["tool"]["acd"]["compiled"]
    sources = compiled_sources(project)
    modules = [path for path in sources if path.suffix == ".pyx"]
    remove_orphans(packages, modules)
    if not modules:
        return
    tools = [PACKAGES_STAMP.read_text("utf-8"), (ROOT / "setup.py").read_text("utf-8")]
    tools += [os.environ.get(name, "") for name in ("CC", "CFLAGS", "LDFLAGS")]
    wanted = {
        "mode": mode,
        "tools": digest(*tools),
        "sources": {
            str(path.relative_to(ROOT)): digest(path.read_text("utf-8"))
            for path in [*sources, *([TRAINING] if mode == "tuned" else [])]
        },
    }
    stamp = read_stamp(BUILD_STAMP)
    if stamp == dict(wanted, results=results_of(modules)):
        return
    check_machine()
    names = sorted({path.parent.relative_to(ROOT).as_posix() for path in modules})
    say(f"building {', '.join(names)} ({mode})")
    compile_modules(mode, wanted, stamp)
    write_stamp(BUILD_STAMP, dict(wanted, results=results_of(modules)))


def compiled_sources(project: Json) -> List[Path]:
    """What the extension modules are made of."""
    packages = project["tool"]["acd"]["compiled"]
    return sorted(path for package in packages for path in (ROOT / package).glob("*.p[xy][xd]"))


def compile_modules(mode: str, wanted: Json, stamp: Json) -> None:
    for directory in (BUILD / "c", BUILD / mode):  # in the first setup.py has what it translates for several modes
        tools = directory / "tools"
        if not tools.exists() or tools.read_text("utf-8") != wanted["tools"]:
            shutil.rmtree(str(directory), ignore_errors=True)
            directory.mkdir(parents=True)
            tools.write_text(wanted["tools"], "utf-8")
    if mode == "tuned":
        say("training: building modules that count what runs, and running them")
        train = [str(VENV_PYTHON), "-m", "tools.train"]
        run(train, "There is no profile to tune the modules by: build with ACD_BUILD=release.")
    command = [str(VENV_PYTHON), "setup.py", "--quiet", "build_ext", "--inplace"]
    if stamp and changed_behind_the_clock(wanted["sources"], stamp["sources"]):
        command.append("--force")
    if not os.environ.get("CC"):
        os.environ["CC"] = find_compiler() or ""
    output = run(command, "The extension modules could not be built: the lines above say where.")
    (BUILD / mode / "log").write_text(output, "utf-8")


def changed_behind_the_clock(sources: Dict[str, str], built: Dict[str, str]) -> bool:
    """Whether a source differs from what was built and is yet older than that build, so that times mislead."""
    build_time = BUILD_STAMP.stat().st_mtime
    changed = [name for name in sources if sources[name] != built.get(name)]
    return any((ROOT / name).stat().st_mtime <= build_time for name in changed)


def results_of(modules: List[Path]) -> Json:
    """Size and time of what was built from the modules' sources."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    results = {}
    for path in modules:
        result = path.with_suffix(suffix)
        if result.exists():
            results[str(result.relative_to(ROOT))] = [result.stat().st_size, result.stat().st_mtime_ns]
    return results


def remove_orphans(packages: List[str], modules: List[Path]) -> None:
    """Remove what was built from sources that are gone: Python would still import it."""
    known = {(path.parent.relative_to(ROOT).as_posix(), path.stem) for path in modules}
    for package in packages:
        for built in (ROOT / package).glob("*.so"):
            if (package, built.name.split(".")[0]) not in known:
                built.unlink()


# Helpers


def say(text: str) -> None:
    print(text, flush=True)


def dotted(version: Iterable[int]) -> str:
    return ".".join(str(part) for part in version)


def digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode("utf-8")).hexdigest()


def read_stamp(path: Path) -> Json:
    try:
        stamp: Json = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return stamp


def write_stamp(path: Path, stamp: Json) -> None:
    path.write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n", "utf-8")


def try_run(command: List[str], directory: Path, environment: Optional[Dict[str, str]] = None) -> Tuple[int, str]:
    done = subprocess.run(
        command,
        cwd=str(directory),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def run(
    command: List[str],
    complaint: str,
    directory: Optional[Path] = None,
    environment: Optional[Dict[str, str]] = None,
) -> str:
    """What the command prints, started in the checkout unless told otherwise; if it fails, that and the complaint."""
    status, output = try_run(command, directory or ROOT, environment)
    if status != 0:
        raise StepError(f"{output.rstrip()}\n{complaint}".lstrip())
    return output


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other make prepares the same checkout."""
    directory = os.open(str(ROOT), os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another make that builds here")
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def main(arguments: List[str]) -> int:
    lack = lack_of_python(tuple(sys.version_info[:3]))
    if lack:
        print(lack, file=sys.stderr)
        return 2
    if arguments == ["unmet"]:
        print(json.dumps(unmet([*requirements_of(read_project()), "pip"])))
        return 0
    try:
        with alone():
            project = read_project()
            prepare_environment(project)
            build_extensions(project)
            install_checkout(project)
    except LackError as lacks:
        print(lacks, file=sys.stderr)
        return 2
    except StepError as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"{error.filename} cannot be written: it belongs to another user. Remove .venv, .wheels and build as that "
            "user (sudo rm -rf .venv .wheels build), then run make again.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("stopped before it was done: the next make goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
