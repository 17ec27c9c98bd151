"""The real Asterisk of these checks: one for all of a worker's, started when the first needs it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.asterisk.lab import Lab, installed
from tests.asterisk.rig import Rig


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running Asterisk."""
    assert installed(), "there is no Asterisk: `make test-asterisk` installs it"
    with Lab("checks") as lab:
        yield lab


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """An Asterisk that a check may kill."""
    assert installed(), "there is no Asterisk: `make test-asterisk` installs it"
    with Lab("own") as lab:
        yield lab


@pytest.fixture
async def rig(lab: Lab, tmp_path: Path) -> AsyncIterator[Rig]:
    """A fresh engine and an adapter, beside that Asterisk."""
    if not lab.running:
        lab.start()
    async with Rig(lab, tmp_path) as rig:
        yield rig
        print(rig.story())  # shown when a check fails
