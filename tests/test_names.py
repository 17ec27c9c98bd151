"""Names are told apart and hashed by their letters, whatever their number and width."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_core._probe import same_letters, tag_of

LETTERS = bytes(range(1, 100))


@pytest.mark.parametrize("size", range(70))
def test_one_letter_makes_another_name(size: int) -> None:
    name = LETTERS[:size]
    assert same_letters(name, bytes(bytearray(name)))
    for place in range(size):
        other = bytearray(name)
        other[place] ^= 128
        assert not same_letters(name, bytes(other))
        assert tag_of(name.decode("latin-1")) != tag_of(bytes(other).decode("latin-1"))


@given(st.text(max_size=50), st.text(max_size=50))
def test_equal_names_have_one_tag(a: str, b: str) -> None:
    whole = a + b
    assert tag_of(whole) == tag_of(whole[: len(a)] + whole[len(a) :])
    assert 0 <= tag_of(whole) < 1 << 32


@pytest.mark.parametrize("form", ["c-{}", "{}", "{:036}", "contact {} of a tenant", "{0}é{0}", "中{}", "{:08}"])
def test_names_in_a_row_lie_apart(form: str) -> None:
    tags = [tag_of(form.format(number)) for number in range(65_536)]
    assert len(set(tags)) > 65_536 - 20
    for shift in (0, 8, 16, 24):
        counts = Counter(tag >> shift & 255 for tag in tags)
        assert len(counts) == 256
        assert all(128 < count < 512 for count in counts.values())


def test_tags_are_others_in_another_process() -> None:
    ask = "from acd_core._probe import tag_of; print(tag_of('anna'), tag_of('c-1'), tag_of(''))"
    told = [
        subprocess.check_output([sys.executable, "-c", ask], env=os.environ | {"PYTHONHASHSEED": seed})
        for seed in "123"
    ]
    assert len(set(told)) == 3
