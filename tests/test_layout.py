"""Guards who may use whom.

The sources are read as text, `.py` through `ast`, `.pyx` and `.pxd` through regular expressions, because linters of
imports see `.py` only. Every import and every dotted name that starts at an import is a reference, such as
`acd_core.engine.Engine` or `time.monotonic_ns`; each rule looks at one reference and says what is wrong with it.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# For each package the others that it may import.
MAY_IMPORT = {
    "acd_core": set[str](),
    "acd_protocol": {"acd_core"},
    "acd_pbx": {"acd_protocol"},
    "server": {"acd_core", "acd_protocol"},
    "acd_sim": {"acd_core", "acd_protocol"},
    "bench": {"acd_core", "acd_protocol", "acd_pbx", "server", "acd_sim"},
    "tests": {"acd_core", "acd_protocol", "acd_pbx", "server", "acd_sim", "bench"},
}

# The compiled modules of the core, the lowest first. A module may use those below its own row, and all that are in no
# row: commands, events, views and their like, which use none of these.
CORE_ROWS = [
    {"types", "standing", "fixed_point", "json_text", "memory", "names"},
    {"brought", "containers", "draws", "occupancy", "totals"},
    {"clients", "columns", "ids"},
    {"ended", "tables", "timers", "windows"},
    {"gates", "live", "measures", "roster"},
    {"lines", "idle", "legs", "route"},
    {"order", "watches"},
    {"pace"},
    {"state"},
    {"event_lines", "shown"},
    {"rests"},
    {"pauses"},
    {"configured"},
    {"decisions"},
    {"preferences"},
    {"conditions"},
    {"places"},
    {"trails"},
    {"transitions"},
    {"outside"},
    {"callbacks"},
    {"consults"},
    {"reconfigured"},
    {"dump"},
    {"engine"},
]
CORE_ROW = {module: number for number, row in enumerate(CORE_ROWS) for module in row}
FOR_TESTS_ONLY = {"model", "_probe"}
NOT_IN_CORE = {"asyncio", "datetime", "libc.time", "logging", "os", "random", "secrets", "socket", "threading", "time"}

DRIVES_AN_ENGINE = re.compile(
    r"server/(sequencer|recovery|past)\.py|server/((sequencer|session)_core|wall)\.p(yx|xd|yi)|server/journal(/.*)?\.py|(acd_core|acd_sim|bench|tests)/.*"
)
READS_THE_CLOCK = re.compile(
    r"(posix\.)?time\.(time|monotonic|perf_counter|clock_gettime)(_ns)?|datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today"
)


class Reference(NamedTuple):
    """One use of a module or of something in it."""

    path: str
    line: int
    target: str

    @property
    def package(self) -> str:
        return self.path.split("/")[0]

    @property
    def module(self) -> str:
        """The module inside the package that refers; of a package within it, that package."""
        return self.path.split("/")[1].split(".")[0]

    def starts_with(self, module: str) -> bool:
        return self.target == module or self.target.startswith(module + ".")

    @property
    def core_target(self) -> str:
        """The module of the core that is referred to, or a name that the core's door shows; else empty."""
        parts = self.target.split(".")
        return parts[1] if parts[0] == "acd_core" and len(parts) > 1 else ""


# Reading


def references(root: Path) -> Iterator[Reference]:
    for package in MAY_IMPORT:
        for path in sorted((root / package).rglob("*.p[xy]*")):
            if path.suffix in (".py", ".pyi", ".pyx", ".pxd"):
                name = path.relative_to(root).as_posix()
                read = python_references if path.suffix in (".py", ".pyi") else cython_references
                yield from (Reference(name, line, target) for line, target in read(path.read_text("utf-8"), name))


def absolute(module: str, path: str) -> str:
    """The full name of a module that the file at `path` calls `module`, which may start with dots."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    if not dots:
        return name
    return ".".join([*path.split("/")[:-dots], *([name] if name else [])])


def python_references(text: str, path: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(text)
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                origins[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = absolute("." * node.level + (node.module or ""), path)
            for alias in node.names:
                origins[alias.asname or alias.name] = f"{module}.{alias.name}"
                yield node.lineno, f"{module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            if first in origins and rest.replace(".", "").isidentifier():
                yield node.lineno, origins[first] + dot + rest


STRING_OR_COMMENT = re.compile(
    r'("""|\'\'\')(?:\\.|(?!\1).)*\1|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*', re.DOTALL
)
FROM_IMPORT = re.compile(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n;]+)", re.MULTILINE)
PLAIN_IMPORT = re.compile(r"^[ \t]*c?import[ \t]+([^\n;]+)", re.MULTILINE)
DOTTED_NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)+)")


def cython_references(text: str, path: str) -> Iterator[tuple[int, str]]:
    text = STRING_OR_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    origins: dict[str, str] = {}
    for found in FROM_IMPORT.finditer(text):
        module = absolute(found[1], path)
        for name, alias in imported_names(found[2].strip("()")):
            origins[alias or name] = f"{module}.{name}"
            yield line_of(found), f"{module}.{name}"
    for found in PLAIN_IMPORT.finditer(text):
        for name, alias in imported_names(found[1]):
            origins[alias or name.split(".")[0]] = name if alias else name.split(".")[0]
            yield line_of(found), name
    for found in DOTTED_NAME.finditer(text):
        if found[1] in origins:
            yield line_of(found), origins[found[1]] + found[2]


def imported_names(text: str) -> Iterator[tuple[str, str]]:
    """Name and alias of each part of what stands behind `import`."""
    for part in text.split(","):
        name, _, alias = part.strip().partition(" as ")
        if name:
            yield name.strip(), alias.strip()


def line_of(found: re.Match[str]) -> int:
    return found.string.count("\n", 0, found.start() + len(found[0]) - len(found[0].lstrip())) + 1


# Rules


def packages_point_one_way(use: Reference) -> str | None:
    target = use.target.split(".")[0]
    if target in MAY_IMPORT and target != use.package and target not in MAY_IMPORT[use.package]:
        return f"{use.package} must not know {target}"
    return None


def core_rows_point_down(use: Reference) -> str | None:
    if use.package != "acd_core" or use.module in {"__init__", *FOR_TESTS_ONLY} or use.module == use.core_target:
        return None
    if CORE_ROW.get(use.core_target, -1) >= CORE_ROW.get(use.module, 0):
        if use.module not in CORE_ROW:
            return f"{use.module} is in no row of CORE_ROWS, so it must not use {use.core_target}, which is in one"
        return f"{use.core_target} is not below {use.module}"
    return None


def model_and_probe_are_for_tests(use: Reference) -> str | None:
    if use.package in ("tests", "bench") or (use.package == "acd_core" and use.module in FOR_TESTS_ONLY):
        return None
    return f"{use.core_target} is for tests and bench" if use.core_target in FOR_TESTS_ONLY else None


def few_drive_an_engine(use: Reference) -> str | None:
    if use.core_target in ("Engine", "engine") and not DRIVES_AN_ENGINE.fullmatch(use.path):
        return (
            "only server/sequencer.py, server/recovery.py, server/past.py, server/journal and acd_sim drive an Engine"
        )
    return None


def core_is_deterministic(use: Reference) -> str | None:
    if use.package == "acd_core":
        for module in NOT_IN_CORE:
            if use.starts_with(module):
                return f"the core is a function of state, command and time: no {module} in it"
    return None


def server_asks_one_clock(use: Reference) -> str | None:
    if use.package == "server" and use.path != "server/clock.pyx" and READS_THE_CLOCK.fullmatch(use.target):
        return "only server/clock.pyx asks the machine for time"
    return None


RULES: list[Callable[[Reference], str | None]] = [
    packages_point_one_way,
    core_rows_point_down,
    model_and_probe_are_for_tests,
    few_drive_an_engine,
    core_is_deterministic,
    server_asks_one_clock,
]


def complaints(root: Path) -> list[str]:
    found = {(use, complaint) for use in references(root) for rule in RULES if (complaint := rule(use))}
    return [f"{use.path}:{use.line}: {use.target}: {complaint}" for use, complaint in sorted(found)]


# The project itself


def test_all_arrows_of_the_project_point_one_way() -> None:
    assert complaints(ROOT) == []


def test_the_project_is_seen() -> None:
    seen = {(use.path, use.core_target) for use in references(ROOT)}
    assert ("acd_core/lines.pyx", "tables") in seen
    assert ("acd_core/lines.pxd", "types") in seen
    assert ("server/recovery.py", "Engine") in seen


# The rules, on small trees


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


TURNED_ROUND = [
    ("acd_core/config.py", "import server.clock", "acd_core must not know server"),
    ("acd_core/engine.pyx", "from acd_protocol cimport framing", "acd_core must not know acd_protocol"),
    ("acd_protocol/client.py", "def f():\n    from server import clock", "acd_protocol must not know server"),
    ("acd_pbx/ari.py", "from acd_core.commands import Command", "acd_pbx must not know acd_core"),
    ("acd_pbx/esl/link.py", "import acd_sim", "acd_pbx must not know acd_sim"),
    ("acd_sim/centre.py", "import server", "acd_sim must not know server"),
    ("server/session.pyx", "import os, acd_pbx as pbx", "server must not know acd_pbx"),
    ("server/cli/serve.py", "from acd_sim.cli import demo", "server must not know acd_sim"),
    ("bench/bench_core.py", "from tests import support", "bench must not know tests"),
    ("acd_core/containers.pxd", "from acd_core.tables cimport Tables", "tables is not below containers"),
    ("acd_core/idle.pyx", "from acd_core cimport (\n    types,\n    lines,\n)", "lines is not below idle"),
    ("acd_core/timers.pyx", "from . cimport engine", "engine is not below timers"),
    ("acd_core/configured.pyx", "cimport acd_core.engine as e", "engine is not below configured"),
    ("acd_core/lines.pyx", "cimport acd_core\ncdef acd_core.engine.Engine e", "engine is not below lines"),
    ("acd_core/commands.py", "from acd_core.tables import Tables", "must not use tables"),
    ("acd_core/new.pyx", "from acd_core.types cimport Agent", "new is in no row of CORE_ROWS"),
    ("acd_core/model.py", "import time", "no time in it"),
    ("acd_core/engine.pyx", "from libc.time cimport clock", "no libc.time in it"),
    ("acd_core/config.py", "import os.path", "no os in it"),
    ("acd_core/views.py", "from random import Random", "no random in it"),
    ("acd_core/__init__.py", "from acd_core.model import Model", "model is for tests"),
    ("acd_core/engine.pyx", "from acd_core import _probe", "_probe is for tests"),
    ("acd_sim/centre.py", "from acd_core import model", "model is for tests"),
    ("server/answers.py", "from acd_core import Engine", "drive an Engine"),
    ("server/cli/serve.py", "import acd_core\nengine = acd_core.Engine()", "drive an Engine"),
    ("acd_protocol/client.py", "from acd_core.engine import Engine", "drive an Engine"),
    ("server/log.py", "import time\nstart = time.time()", "only server/clock.pyx asks"),
    ("server/log.py", "from time import perf_counter_ns", "only server/clock.pyx asks"),
    ("server/session.pyx", "import time as t\nstart = t.monotonic()", "only server/clock.pyx asks"),
    ("server/session_core.pyx", "from posix.time cimport clock_gettime", "only server/clock.pyx asks"),
    ("server/journal/sqlite.py", "import datetime\ndatetime.datetime.now()", "only server/clock.pyx asks"),
    ("server/metrics.py", "from datetime import UTC, datetime\nnow = datetime.now(UTC)", "only server/clock.pyx asks"),
]


@pytest.mark.parametrize(("path", "text", "complaint"), TURNED_ROUND)
def test_an_arrow_that_turns_round_is_reported_once_with_its_place(
    path: str, text: str, complaint: str, tmp_path: Path
) -> None:
    found = complaints(write_tree(tmp_path, {path: text}))
    assert found
    assert all(complaint in line for line in found)
    assert found[0].startswith(f"{path}:")


def test_a_complaint_names_the_line(tmp_path: Path) -> None:
    text = '"""Doc."""\n\ncdef int x\n\nfrom libc.stdint cimport (\n    int32_t,\n)\nfrom server cimport session\n'
    (found,) = complaints(write_tree(tmp_path, {"acd_core/lines.pyx": text}))
    assert found.startswith("acd_core/lines.pyx:8: server.session: ")


RIGHT = [
    ("acd_core/lines.pyx", "from acd_core.tables cimport Tables\nfrom acd_core import events"),
    ("acd_core/lines.pyx", '"""\nimport server\n"""\n# import time\ncdef str s = "import os"'),
    ("acd_core/__init__.py", "from acd_core.engine import Engine"),
    ("acd_core/_probe.pyx", "from acd_core.containers cimport IntMap\nfrom acd_core.engine cimport Engine"),
    ("acd_core/config.py", "from acd_core import requirement"),
    ("acd_core/timers.pyx", "cdef int64_t time\nself.timers.time = 3"),
    ("acd_protocol/client.py", "import time, random\nfrom acd_core.commands import Command\ntime.monotonic()"),
    ("server/clock.pyx", "import time\ntime.time_ns()"),
    ("server/session.py", "import asyncio, time\nasyncio.get_running_loop().time()\ntime.sleep(1)"),
    ("server/recovery.py", "from acd_core import Engine"),
    ("server/journal/replay.py", "from acd_core.engine import Engine"),
    ("acd_sim/study.py", "from acd_core import Engine\nimport time\ntime.monotonic()"),
    ("bench/workload.py", "from acd_core import _probe, model\nimport server.clock"),
    ("tests/test_engine.py", "from acd_core import model\nimport bench.workload\nimport acd_sim"),
]


@pytest.mark.parametrize(("path", "text"), RIGHT)
def test_an_arrow_that_points_the_right_way_is_not_reported(path: str, text: str, tmp_path: Path) -> None:
    assert complaints(write_tree(tmp_path, {path: text})) == []


def test_values_of_c_enums_are_numbers_and_nothing_to_be_worked_out() -> None:
    """With overflow checks, as in the builds `debug` and `sanitize`, Cython cannot translate a product or shift there."""
    found = []
    for path in [*ROOT.glob("*/*.p[yx][xd]"), *ROOT.glob("acd_sim/*/*.p[yx][xd]")]:
        for enum in re.findall(r"^cdef enum\b[^\n]*:[^\n]*\n((?:[ ]{4}[^\n]*\n)+)", path.read_text(), re.MULTILINE):
            values = re.findall(r"^ {4}(\w+) = ([^#\n]*)", enum, re.MULTILINE)
            found += [f"{path.name}: {name} = {value}" for name, value in values if re.search(r"[*+<]", value)]
    assert found == []
