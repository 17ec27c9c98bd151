"""What the pages show is true: commands parse, files and links are there, words of `make` exist."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from acd_core.toml import read_toml
from server import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [page.name for page in PAGES]


def shown_commands(page: Path) -> list[str]:
    """The `acd` commands of a page: lines of consoles, and whole words in back-quotes."""
    text = page.read_text()
    lines = re.findall(r"^\$ (?:\.venv/bin/)?acd (.+?)(?: > \S+)?(?:\s+#.*)?$", text, re.MULTILINE)
    inline = re.findall(r"`acd ([a-z][^`]*)`", text.replace("\n", " "))
    return [line for line in lines + inline if line.split()[0] != "COMMAND"]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_shown_is_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in shown_commands(page):
        words = shlex.split(line)
        parser = argparse.ArgumentParser(prog="acd")
        cli.load(words[0]).add_to(parser.add_subparsers())
        status: str | int | None = 0
        try:
            parser.parse_args(words)
        except SystemExit as stop:
            status = stop.code
        told = capsys.readouterr().err
        only_named = len(words) == 1 and "required" in told  # such as `acd replay-calls`, in running text
        assert status == 0 or only_named, f"acd {line}: {told}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_named_is_there(page: Path) -> None:
    for name in re.findall(
        r"`((?:acd_core|acd_protocol|acd_sim|server|tests|examples|docs|bench)/[\w./*-]+)`", page.read_text()
    ):
        assert list(ROOT.glob(name.rstrip("/"))), name


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_word_of_make_exists(page: Path) -> None:
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)", page.read_text())
    assert not set(shown) - words


CONFIGURED = [page for page in PAGES if page.name != "simulation.md"]  # its scenarios are for tests/test_scenario.py


@pytest.mark.parametrize("page", CONFIGURED, ids=[page.name for page in CONFIGURED])
def test_every_configuration_shown_is_valid(page: Path) -> None:
    for number, text in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)):
        assert read_toml(text, f"{page.name}, configuration {number + 1}").tenants


@pytest.mark.parametrize("story", sorted((ROOT / "tests" / "scenarios").glob("as_*.txt")), ids=lambda path: path.stem)
def test_stories_of_other_engines_run_with_the_configurations_shown(story: Path) -> None:
    shown = {
        name: read_toml(text, name)
        for name, text in re.findall(
            r"Story: `tests/scenarios/(as_\w+)\.txt`\.\n\n```toml\n(.*?)^```",
            (ROOT / "docs" / "routing.md").read_text(),
            re.MULTILINE | re.DOTALL,
        )
    }
    told, _, _ = story.read_text().partition("\n----\n")
    assert shown[story.stem] == read_toml(told, story.name)
    assert len(shown) == 7


def test_every_test_that_backs_a_promise_exists() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "guarantees.md").read_text()))
    assert len(named) > 15
    assert {name for name in named if f"def {name}(" not in tests} == set()
