"""The extension modules of the ACD engine, and the compiler flags that each build mode gives them.

The environment variable ACD_BUILD chooses the mode:

release   what `make run` and `make test` use: optimised, asserts compiled out, with the test doors of `_probe`
tuned     what is measured: like release, and laid out by the profile that tools/train.py makes
wheel     what is handed out: like tuned, without `_probe` and without `bench`; without a profile it is built all the same
counting  counts what runs, for that profile
debug     bounds and overflow checks, asserts, C line numbers that point into the .pyx
sanitize  like debug, under AddressSanitizer and UndefinedBehaviorSanitizer
coverage  every line is traced for coverage.py

A profile is the .gcda files in build/profile; ACD_PROFILE names a directory with others to take where there are none.

A module chooses its own directives, and they stand in release, tuned and wheel. In debug and sanitize bounds checks are on
over its head; a function that wants to wrap around, such as a hash, says `@cython.overflowcheck(False)` for itself.
"""

import os
import re
import shutil
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
    profiled: bool = False


CHECKED = ("-g", "-Og", "-UNDEBUG", "-fno-omit-frame-pointer")
CHECKS = (("boundscheck", True), ("initializedcheck", True), ("overflowcheck", True))
ASSERTS = (("ACD_DEBUG", "1"),)
TRACING = (("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"))
COUNTING = "-fprofile-generate"
# Where counting modules have their object files, and leave their counts, must have those that are laid out by these counts.
PROFILE = Path("build", "profile")
# Functions that the training did not reach are compiled as if there were no profile.
PROFILED = (
    *("-fprofile-use", "-fprofile-partial-training", "-fprofile-correction"),
    *("-Wno-coverage-mismatch", "-Wno-missing-profile"),
)
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")

MODES = {
    "release": Mode(("-O3", "-g0")),
    "tuned": Mode(("-O3", "-g0"), profiled=True),
    "wheel": Mode(("-O3", "-g0"), profiled=True),
    "counting": Mode(("-O3", "-g0", COUNTING), link_flags=(COUNTING,)),
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
    handed_out = [path for path in sources if path.stem != "_probe" and path.parts[0] != "bench"]
    return [
        Extension(".".join(path.with_suffix("").parts), [str(path)])
        for path in (handed_out if mode == "wheel" else sources)
    ]


def tell_compiler(extension: Extension, mode: Mode, counts: Path | None) -> None:
    """Have a module compiled as the mode says, and laid out by what the training counted in it.

    That is told after the translation: gcc knows functions again by file and line, and Cython writes the flags into the file.
    """
    extension.define_macros = list(mode.macros)
    extension.extra_compile_args = [*mode.flags, *(PROFILED if counts else ())]
    extension.extra_link_args = list(mode.link_flags)
    extension.depends = [*extension.depends, *([str(counts)] if counts else [])]


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


def translations_of(mode: str) -> str | None:
    """Where the C files of a mode are: modes that are translated alike share them, and thereby a profile."""
    if mode == "coverage":
        return None  # its plugin looks for them beside the source
    own = MODES[mode].directives or MODES[mode].checked
    return str(Path("build", mode, "c") if own else Path("build", "c"))


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
        if MODES[self.mode].profiled or self.mode == "counting":
            self.build_temp = str(PROFILE)

    def run(self) -> None:
        mode = MODES[self.mode]
        if mode.checked:
            stage_with_bounds_checks(self.extensions, self.base / "source")
        try:
            translated = cythonize(
                self.extensions,
                build_dir=translations_of(self.mode),
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

    def build_extension(self, ext: Extension) -> None:
        mode = MODES[self.mode]
        tell_compiler(ext, mode, self.counts_of(ext) if mode.profiled else None)
        super().build_extension(ext)

    def counts_of(self, ext: Extension) -> Path | None:
        """What the training counted in a module, beside its object file, where gcc looks; None if it did not reach it."""
        (compiled,) = self.compiler.object_filenames(ext.sources, output_dir=self.build_temp)
        counts = Path(compiled).with_suffix(".gcda")
        if "ACD_PROFILE" in os.environ:
            made = Path(os.environ["ACD_PROFILE"], counts.relative_to(PROFILE))
            if made.exists() and not counts.exists():
                counts.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(made, counts)
        return counts if counts.exists() else None

    def copy_extensions_to_source(self) -> None:
        self.force = True  # the files there may be newer, and from another mode
        super().copy_extensions_to_source()


if __name__ == "__main__":
    setup(ext_modules=find_extensions(chosen_mode()), cmdclass={"build_ext": BuildExtensions})
