"""How much of it: little with the other tests, all of it with `make faults`."""

import os
from typing import TypeVar

T = TypeVar("T")

FULL = os.environ.get("ACD_FAULTS") == "full"


def full_or(full: T, short: T) -> T:
    """`full` for `make faults`, else `short`."""
    return full if FULL else short


def tell(sentence: str) -> None:
    """Say what was done, past pytest's hands, when somebody has asked for it."""
    if FULL:
        with open("/dev/stderr", "w", encoding="utf-8") as stream:
            print(f"\n  {sentence}", file=stream)
