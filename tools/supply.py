"""What the server is made of: the lock files of the container, the bill of materials, and known holes in any of it.

    python -m tools.supply lock             write deploy/container/*.lock anew, after a dependency changed
    python -m tools.supply bom              write build/sbom.cdx.json, CycloneDX
    python -m tools.supply vulnerabilities  ask the public database; exit 1 for a hole that is known

The tools for it (pip-tools, cyclonedx-bom, pip-audit) live in an environment of their own, build/supply, since nothing
else needs them. A database that cannot be reached is told, and is no failure, unless --strict is given: a build must not
depend on somebody else's server.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "supply"
TOOLS = ("pip-tools>=7.5,<8", "cyclonedx-bom>=7,<8", "pip-audit>=2.9,<3")
RUNTIME = ROOT / "deploy" / "container" / "requirements.lock"
BUILD = ROOT / "deploy" / "container" / "build.lock"
BOM = ROOT / "build" / "sbom.cdx.json"
HEAD = "# Written by 'make lock' from pyproject.toml. pip checks every file against these hashes.\n"
EXTRAS = ("asterisk",)
"""Of the optional dependencies, those of programs that run in the container too."""


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def runtime_requirements() -> list[str]:
    """What the container needs to run."""
    declared = project()["project"]
    extras = declared.get("optional-dependencies", {})
    return [*declared["dependencies"], *(row for extra in EXTRAS for row in extras.get(extra, ()))]


def build_requirements() -> list[str]:
    """What it needs to build, and to train what it builds."""
    described = project()
    training = described["project"]["optional-dependencies"]["simulate"]
    return [*described["build-system"]["requires"], *described["project"]["dependencies"], *training]


def tool(name: str) -> str:
    """The path of a tool, installed first where it is missing."""
    stamp = VENV / "tools.txt"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8").splitlines() != list(TOOLS):
        print("installing", ", ".join(TOOLS), file=sys.stderr)
        venv.create(VENV, with_pip=True, clear=True)
        pip = [str(VENV / "bin" / "pip"), "--quiet", "--disable-pip-version-check", "install", *TOOLS]
        subprocess.run(pip, check=True)
        stamp.write_text("\n".join(TOOLS), encoding="utf-8")
    return str(VENV / "bin" / name)


def lock() -> int:
    """Write both lock files."""
    for path, requirements in ((RUNTIME, runtime_requirements()), (BUILD, build_requirements())):
        with tempfile.TemporaryDirectory() as directory:
            wanted = Path(directory, "requirements.in")
            wanted.write_text("\n".join(requirements), encoding="utf-8")
            command = [
                tool("pip-compile"),
                "--quiet",
                "--generate-hashes",
                "--strip-extras",
                "--no-header",
                "--upgrade",
            ]
            command += ["--no-annotate", "--allow-unsafe", "--no-emit-index-url", "--no-emit-trusted-host"]
            command += ["--no-emit-find-links", "--output-file", str(Path(directory, "lock")), str(wanted)]
            subprocess.run(command, check=True, cwd=directory)
            path.write_text(HEAD + Path(directory, "lock").read_text(encoding="utf-8").lstrip(), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


def bom() -> int:
    """Write the bill of materials."""
    BOM.parent.mkdir(exist_ok=True)
    command = [tool("cyclonedx-py"), "requirements", str(RUNTIME), "--pyproject", str(ROOT / "pyproject.toml")]
    command += [
        "--mc-type",
        "application",
        "--output-reproducible",
        "--output-format",
        "JSON",
        "--output-file",
        str(BOM),
    ]
    subprocess.run(command, check=True)
    parts = json.loads(BOM.read_text(encoding="utf-8"))["components"]
    print(f"wrote {BOM.relative_to(ROOT)}: {len(parts)} components")
    return 0


def vulnerabilities(strict: bool) -> int:
    """Ask the database of known holes."""
    command = [tool("pip-audit"), "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    asked = subprocess.run(
        [*command, "--requirement", str(RUNTIME)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
        check=False,
    )
    return judge(asked.stdout, strict)


def judge(report: str, strict: bool) -> int:
    """Tell what the report of pip-audit says; gives the exit status."""
    try:
        rows: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        rows = []
    holes = [(row, hole) for row in rows for hole in row.get("vulns", ())]
    asked = [row for row in rows if "skip_reason" not in row]
    for row, hole in holes:
        repaired = ", ".join(hole.get("fix_versions", ())) or "no version yet"
        print(f"{row['name']} {row['version']}: {hole['id']}, repaired in {repaired}")
    if holes:
        print(f"{len(holes)} known holes: raise the versions in pyproject.toml, then 'make lock'")
        return 1
    if len(asked) < len(rows) or not rows:
        count = len(rows) - len(asked) if rows else "any"
        print(
            f"NOT AUDITED: the public database could not be asked about {count} of the packages, so nothing is known of holes in "
            f"them; {'that fails because of --strict' if strict else 'that fails with ARGS=--strict only'}"
        )
        return 1 if strict else 0
    print(f"no holes are known in {len(asked)} packages")
    return 0


def main() -> int:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.supply", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("lock", "bom", "vulnerabilities"))
    parser.add_argument("--strict", action="store_true", help="fail when the database cannot be reached")
    args = parser.parse_args()
    if args.what == "vulnerabilities":
        return vulnerabilities(args.strict)
    return lock() if args.what == "lock" else bom()


def run() -> int:
    """`main`; tools that cannot be had are like a database that cannot be reached."""
    try:
        return main()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        print(f"{error}: is there a network?", file=sys.stderr)
        return 0 if "vulnerabilities" in sys.argv and "--strict" not in sys.argv else 1


if __name__ == "__main__":
    sys.exit(run())
