"""The extension modules of the ACD engine, and the compiler flags that each build mode gives them.

The environment variable ACD_BUILD chooses the mode:

release   what `make run` and `make test` use: optimised, asserts compiled out, with the test doors of `_probe`
wheel     what is handed out: like release, a little smaller, without `_probe` and without `bench`
debug     bounds and overflow checks, asserts, C line numbers that point into the .pyx
sanitize  like debug, under AddressSanitizer and UndefinedBehaviorSanitizer
coverage  every line is traced for coverage.py

A module chooses its own directives, and they stand in release and wheel. In debug and sanitize bounds checks are on
over its head; a function that wants to wrap around, such as a hash, says `@cython.overflowcheck(False)` for itself.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from Cython.Build import cythonize
from Cython.Compiler.Errors import CompileError
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class Mode(NamedTuple):
    """How one build mode translates and compiles."""

    flags: tuple[str, ...]
    macros: tuple[tuple[str, str], ...] = (("ACD_DEBUG", "0"), ("CYTHON_WITHOUT_ASSERTIONS", "1"))
    directives: tuple[tuple[str, bool], ...] = ()
    link_flags: tuple[str, ...] = ()
    checked: bool = False


CHECKED = ("-g", "-Og", "-UNDEBUG", "-fno-omit-frame-pointer")
CHECKS = (("boundscheck", True), ("initializedcheck", True), ("overflowcheck", True))
ASSERTS = (("ACD_DEBUG", "1"),)
TRACING = (("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"))
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")

MODES = {
    "release": Mode(("-O3", "-g0")),
    "wheel": Mode(("-O2", "-g0")),
    "debug": Mode(CHECKED, ASSERTS, CHECKS, checked=True),
    "sanitize": Mode((*CHECKED, *SANITIZERS), ASSERTS, CHECKS, SANITIZERS, checked=True),
    "coverage": Mode(CHECKED, ASSERTS + TRACING, (("linetrace", True),)),
}


def chosen_mode() -> str:
    """The build mode that the environment names."""
    name = os.environ.get("ACD_BUILD") or "release"
    if name not in MODES:
        raise SystemExit(f"ACD_BUILD={name} is not a build mode: use one of {', '.join(MODES)}.")
    return name


def find_extensions(mode: str) -> list[Extension]:
    """One extension module for each .pyx of the packages that pyproject.toml names as compiled."""
    packages = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["acd"]["compiled"]
    sources = [path for package in packages for path in sorted(Path(package).glob("*.pyx"))]
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            define_macros=list(MODES[mode].macros),
            extra_compile_args=list(MODES[mode].flags),
            extra_link_args=list(MODES[mode].link_flags),
        )
        for path in sources
        if not (mode == "wheel" and (path.stem == "_probe" or path.parts[0] == "bench"))
    ]


def stage_with_bounds_checks(extensions: list[Extension], stage: Path) -> None:
    """Translate from copies in which nobody switches bounds checks off: a module's word outranks cythonize's."""
    for package in {Path(extension.sources[0]).parent for extension in extensions}:
        (stage / package).mkdir(parents=True, exist_ok=True)
        doors = [parent / "__init__.py" for parent in (package, *package.parents) if parent.name]
        for path in [*doors, *package.glob("*.p[xy][xd]")]:
            text = re.sub(r"\b(boundscheck\s*[=(]\s*)False\b", r"\1True", path.read_text("utf-8"))
            copy = stage / path
            if not copy.exists() or copy.read_text("utf-8") != text:
                copy.write_text(text, "utf-8")
    for extension in extensions:
        extension.sources = [str(stage / extension.sources[0])]


class BuildExtensions(build_ext):
    """Translates just before compiling, and gives each mode a directory of its own, so that changing modes is cheap."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.mode = chosen_mode()
        self.base = Path("build", self.mode)
        self.parallel = self.parallel or os.cpu_count()
        if self.inplace:
            self.build_lib = str(self.base / "lib")
            self.build_temp = str(self.base / "temp")

    def run(self) -> None:
        mode = MODES[self.mode]
        if mode.checked:
            stage_with_bounds_checks(self.extensions, self.base / "source")
        try:
            translated = cythonize(
                self.extensions,
                # The plugin of coverage.py looks for the C file beside the source.
                build_dir=None if self.mode == "coverage" else str(self.base / "c"),
                compiler_directives={"language_level": 3, **dict(mode.directives)},
                emit_linenums=mode.checked,
                force=self.force,
            )
        except CompileError as error:
            raise SystemExit(f"Cython could not translate {error}.") from error
        sources = {extension.name: extension.sources for extension in translated}
        for extension in self.extensions:
            extension.sources = sources[extension.name]
        super().run()

    def copy_extensions_to_source(self) -> None:
        self.force = True  # the files there may be newer, and from another mode
        super().copy_extensions_to_source()


if __name__ == "__main__":
    setup(ext_modules=find_extensions(chosen_mode()), cmdclass={"build_ext": BuildExtensions})
