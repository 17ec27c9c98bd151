"""The build as a newcomer meets it: what a machine may lack, what is built again, what a wheel holds."""

import ast
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.wait import patient
from tools import bootstrap, train, wheel

ROOT = Path(__file__).resolve().parent.parent


def load_setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("acd_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What a machine may lack


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing in it but the build, at a path with spaces."""
    root = tmp_path / "a checkout"
    (root / "tools").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "setup.py", "tools/bootstrap.py"):
        shutil.copy(ROOT / name, root / name)
    return root


def outcome(command: list[str], root: Path, **environment: str) -> tuple[int, list[str], list[str]]:
    """Exit status and lines on standard output and standard error; make's own last line is left out."""
    of_this_make = ("CC", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    kept = {name: value for name, value in os.environ.items() if name not in of_this_make}
    done = subprocess.run(
        command, cwd=root, env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=patient(60)
    )
    errors = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    return done.returncode, done.stdout.splitlines(), errors


def test_without_gcc_one_sentence_names_the_package(checkout: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    status, _, said = outcome([sys.executable, "tools/bootstrap.py"], checkout, PATH=str(empty))
    assert (status, said) == (2, ["There is no C compiler: on Debian and Ubuntu install the package gcc."])
    assert not (checkout / ".venv").exists()


def test_a_compiler_that_is_named_but_not_there_is_named_in_the_sentence(checkout: Path) -> None:
    status, _, said = outcome([sys.executable, "tools/bootstrap.py"], checkout, CC="no-such-cc -O2")
    assert status == 2
    assert len(said) == 1
    assert "'no-such-cc -O2'" in said[0]
    assert "package gcc" in said[0]


def test_without_python3_make_says_so(checkout: Path) -> None:
    status, _, said = outcome(["make", "run", "PYTHON=no-such-python"], checkout)
    assert status == 2
    assert said == ["There is no no-such-python: on Debian and Ubuntu install the package python3."]


def test_an_old_python_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "sys", SimpleNamespace(version_info=(3, 9, 2, "final", 0), stderr=sys.stderr))
    assert bootstrap.main([]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("Python 3.9.2 is too old, the ACD engine needs 3.11 or newer:")
    assert "package python3" in said


def test_the_oldest_python_is_the_one_that_the_metadata_asks_for() -> None:
    assert bootstrap.read_project()["project"]["requires-python"] == f">={bootstrap.dotted(bootstrap.OLDEST)}"


def test_an_old_python_gets_as_far_as_that_sentence() -> None:
    tree = ast.parse((ROOT / "tools" / "bootstrap.py").read_text("utf-8"), feature_version=(3, 6))
    imports = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    imports |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    new_since_3_6 = {
        "__future__",
        "contextvars",
        "dataclasses",
        "graphlib",
        "importlib.metadata",
        "tomllib",
        "zoneinfo",
    }
    assert not imports & new_since_3_6


def test_missing_headers_are_told_with_the_package_and_the_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert bootstrap.lack_of_headers() is None
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    said = bootstrap.lack_of_headers() or ""
    assert f"{tmp_path}/include/Python.h" in said
    assert said.endswith("install the package python3-dev.")


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find_spec(name))
    with pytest.raises(bootstrap.LackError) as raised:
        bootstrap.check_machine()
    packages = [line.rpartition(" the package ")[2] for line in str(raised.value).splitlines()]
    assert packages == ["gcc.", "python3-dev.", "python3-venv."]


def test_packages_that_cannot_be_had_are_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "WHEELS", tmp_path / ".wheels")
    output = "WARNING: Retrying\nERROR: No matching distribution found for rich>=13.9\n"
    monkeypatch.setattr(bootstrap, "try_run", lambda command, directory: (1, output))
    with pytest.raises(bootstrap.StepError) as raised:
        bootstrap.install(["rich>=13.9,<16", "uvloop>=0.21; sys_platform != 'win32'"])
    said = str(raised.value)
    assert said.startswith("Packages are missing and could not be installed (rich, uvloop): connect this machine")
    assert said.endswith("pip said: ERROR: No matching distribution found for rich>=13.9")
    assert str(tmp_path / ".wheels") in said


def test_unmet_requirements_are_found_by_version_marker_and_name() -> None:
    requirements = [
        "pytest>=8",
        "pytest<1",
        "no-such-package-anywhere>=1",
        "no-such-package-anywhere>=1; sys_platform == 'win32'",
        "hypothesis",
    ]
    assert bootstrap.unmet(requirements) == ["pytest<1", "no-such-package-anywhere>=1"]


def test_make_alone_lists_every_word_with_one_line(checkout: Path) -> None:
    makefile = (checkout / "Makefile").read_text("utf-8")
    (words,) = (line.split()[1:] for line in makefile.splitlines() if line.startswith(".PHONY:"))
    status, listed, _ = outcome(["make"], checkout)
    assert status == 0
    assert [line.split()[0] for line in listed] == words
    assert all(len(line.split()) > 1 for line in listed)


# What is built again


class Builder:
    """A small checkout whose extension modules are built as the bootstrap builds them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.source = root / "acd_core" / "stub.pyx"
        self.capsys = capsys
        (root / "acd_core").mkdir()
        (root / "acd_core" / "__init__.py").touch()
        (root / "README.md").touch()
        (root / "LICENSE").touch()
        (root / ".venv").mkdir()
        (root / ".venv" / "packages.json").write_text("{}")
        monkeypatch.setenv("ACD_BUILD", "debug")
        monkeypatch.setenv("CC", bootstrap.find_compiler() or "gcc")
        monkeypatch.setattr(bootstrap, "ROOT", root)
        monkeypatch.setattr(bootstrap, "PACKAGES_STAMP", root / ".venv" / "packages.json")
        monkeypatch.setattr(bootstrap, "VENV_PYTHON", Path(sys.executable))
        monkeypatch.setattr(bootstrap, "BUILD", root / "build")
        monkeypatch.setattr(bootstrap, "BUILD_STAMP", root / "build" / "extensions.json")
        self.project: dict[str, Any] = {"tool": {"acd": {"compiled": ["acd_core", "server"]}}}

    def write(self, answer: int) -> None:
        text = f"# cython: boundscheck=False\ndef answer(int at = 0):\n    cdef int[1] held = [{answer}]\n"
        text += "    cdef int[:] view = held\n    return view[at]\n"
        self.source.write_text(text)

    def build(self) -> str:
        """What the bootstrap says while it builds; nothing when there is nothing to do."""
        bootstrap.build_extensions(self.project)
        return self.capsys.readouterr().out.strip()

    def run(self, expression: str) -> str:
        command = [sys.executable, "-c", f"from acd_core.stub import answer; print({expression})"]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def builder(checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Builder:
    return Builder(checkout, monkeypatch, capsys)


def test_modules_are_built_when_something_changed_and_only_then(builder: Builder) -> None:
    builder.write(1)
    assert builder.build() == "building acd_core (debug)"
    assert builder.run("answer()") == "1"
    assert builder.build() == ""

    builder.write(2)
    os.utime(builder.source, (1e9, 1e9))  # as a copy that keeps its time has
    assert builder.build() == "building acd_core (debug)"
    assert builder.run("answer()") == "2"

    (built,) = builder.source.parent.glob("*.so")
    built.unlink()
    assert builder.build() == "building acd_core (debug)"
    assert builder.run("answer()") == "2"

    builder.source.unlink()
    assert builder.build() == ""
    assert not built.exists()


def test_debug_checks_bounds_even_where_a_module_switched_that_off(builder: Builder) -> None:
    builder.write(1)
    builder.build()
    assert builder.run("answer(7)") == "IndexError: Out of bounds on buffer access (axis 0)"


def test_a_source_that_does_not_translate_is_shown_without_a_traceback(builder: Builder) -> None:
    builder.source.write_text("def answer(:\n    return 1\n")
    with pytest.raises(bootstrap.StepError) as raised:
        builder.build()
    said = str(raised.value)
    assert "stub.pyx:1:11: " in said
    assert said.endswith("The extension modules could not be built: the lines above say where.")
    assert "Traceback" not in said


def test_an_unknown_build_mode_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACD_BUILD", "fast")
    with pytest.raises(SystemExit, match="ACD_BUILD=fast is not a build mode: use one of release, tuned, wheel"):
        load_setup().chosen_mode()


def test_the_test_doors_are_built_but_not_handed_out(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    for name in ("acd_core/engine.pyx", "acd_core/_probe.pyx", "server/session.pyx"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).touch()
    monkeypatch.chdir(checkout)
    setup = load_setup()
    names = {mode: sorted(found.name for found in setup.find_extensions(mode)) for mode in ("release", "wheel")}
    assert names["release"] == ["acd_core._probe", "acd_core.engine", "server.session"]
    assert names["wheel"] == ["acd_core.engine", "server.session"]


# What is laid out by a profile


def test_modules_are_laid_out_by_what_they_counted_also_where_they_are_built_elsewhere(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    builder.write(1)
    compiled = Path("build", "profile", "build", "c", "acd_core", "stub.o")
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]

    def hot(root: Path, mode: str) -> bool:
        bootstrap.run(build, "not built", root, {**os.environ, "ACD_BUILD": mode})
        return b".text.hot" in (root / compiled).read_bytes()

    assert not hot(builder.root, "wheel")  # there is no profile yet
    assert not hot(builder.root, "counting")
    assert builder.run("sum(answer() for _ in range(100_000))") == "100000"
    assert (builder.root / compiled).with_suffix(".gcda").exists()
    assert hot(builder.root, "tuned")
    assert builder.run("answer()") == "1"

    elsewhere = tmp_path / "unpacked"
    shutil.copytree(builder.root, elsewhere, ignore=shutil.ignore_patterns("build", "*.so"))
    assert not hot(elsewhere, "wheel")
    (elsewhere / compiled).unlink()
    (built,) = (elsewhere / "acd_core").glob("*.so")
    built.unlink()
    shutil.rmtree(elsewhere / "build")
    monkeypatch.setenv("ACD_PROFILE", str(builder.root / "build" / "profile"))
    assert hot(elsewhere, "wheel")


def test_a_profile_is_made_once_for_the_same_sources_and_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(train, "PROFILE", tmp_path / "profile")
    monkeypatch.setattr(train, "COUNTING", tmp_path / "counting")
    monkeypatch.setattr(train, "STAMP", tmp_path / "profile" / "made.json")
    done: list[Path] = []

    def run_training(lib: Path) -> None:
        done.append(lib)
        if len(done) > 1:
            train.PROFILE.mkdir()
            (train.PROFILE / "stub.gcda").touch()

    monkeypatch.setattr(train, "build_counting", lambda lib: None)
    monkeypatch.setattr(train, "run_training", run_training)
    assert train.main() == 1
    assert capsys.readouterr().err == (
        "The compiler's counts are not gcc's: build with gcc (CC=gcc), or without a profile.\n"
    )
    assert train.main() == 0
    assert train.main() == 0
    assert done == [train.COUNTING] * 2
    monkeypatch.setattr(train, "needed", lambda: {"compiler": "a later one"})
    assert train.main() == 0
    assert len(done) == 3


# What a wheel holds


def test_the_packages_hold_all_their_files_and_nothing_else_is_packed(tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", str(tmp_path)]
    command += ["build_py", "--build-lib", str(tmp_path / "lib")]
    environment = {**os.environ, "ACD_BUILD": "wheel"}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    packed = {path.relative_to(tmp_path / "lib").as_posix() for path in (tmp_path / "lib").rglob("*") if path.is_file()}
    compiled = {name for name in wheel.expected_files(ROOT) if not Path(name).suffix}
    assert "acd_core/py.typed" in packed
    assert "acd_core/engine.pxd" in packed
    assert "acd_core/engine" in compiled
    assert wheel.faults(packed | compiled, ROOT) == []


def test_what_is_missing_in_a_wheel_or_does_not_belong_there_is_told(tmp_path: Path) -> None:
    for name in ("acd_core/__init__.py", "acd_core/engine.pyx", "acd_core/engine.pyi", "acd_core/_probe.pyx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    right = ["acd_core/__init__.py", "acd_core/engine.pyi", "acd_core/engine.cpython-311-x86_64-linux-gnu.so"]
    assert wheel.faults([*right, "acd_engine-0.1.0.dist-info/METADATA"], tmp_path) == []
    assert wheel.faults(right[1:], tmp_path) == ["acd_core/__init__.py is missing"]
    assert wheel.faults([*right, "tests/test_x.py", "acd_core/_probe.cpython-311.so"], tmp_path) == [
        "acd_core/_probe does not belong there",
        "tests/test_x.py does not belong there",
    ]


def test_every_command_that_is_declared_can_be_loaded() -> None:
    declared = bootstrap.read_project()["project"]["entry-points"]["acd.commands"]
    found = {entry.name: entry for entry in importlib.metadata.entry_points(group="acd.commands")}
    assert set(found) >= set(declared)
    for name in declared:
        assert found[name].load() is not None
