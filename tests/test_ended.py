"""The memory of ended contacts against a dict in the order of their ends."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from acd_core._probe import Remembered

IDS = st.text(max_size=40) | st.text("ab", max_size=3) | st.integers(0, 400).map(lambda number: f"c-{number}")
CALLS = st.lists(
    st.tuples(IDS, st.integers(0, 11), st.sampled_from(("pbx", "ivr", "")), st.integers(0, 60)), max_size=200
)


@given(CALLS)
def test_it_is_a_dict_that_forgets_the_oldest(calls: list[tuple[str, int, str, int]]) -> None:
    memory, expected = Remembered(), dict[str, tuple[int, str]]()
    for contact, reason, client, most in calls:
        assert memory.get(contact) == expected.get(contact)
        assert (contact in memory) == (contact in expected)
        if contact in expected:
            memory.keep(most)
        else:
            memory.add(contact, reason, client, most)
            expected[contact] = (reason, client)
        while len(expected) > most:
            del expected[next(iter(expected))]
        assert len(memory) == len(expected)
        assert memory.items() == list(expected.items())


def test_thousands_come_and_go_with_ids_of_all_lengths_and_letters() -> None:
    rng = Random(1)
    memory, expected = Remembered(), dict[str, tuple[int, str]]()
    for number in range(20_000):
        contact = rng.choice("aé中😀") * rng.randrange(60) + str(number)
        most = 3_000 if number % 7_000 < 6_000 else 500
        memory.add(contact, number % 12, f"client-{number % 3}", most)
        expected[contact] = (number % 12, f"client-{number % 3}")
        while len(expected) > most:
            gone = next(iter(expected))
            del expected[gone]
            assert gone not in memory
        if number % 500 == 0:
            assert memory.items() == list(expected.items())
            assert all(memory.get(known) == told for known, told in expected.items())
            assert memory.get(contact + "!") is None
