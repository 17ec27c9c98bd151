"""How occupied an agent is: the share of his time on contacts, the latest counting most.

Of two moments a half-life apart the earlier counts half. While he is on a contact or in wrap-up his occupancy rises
towards 1, while he is free, only rung, resting or logged out it falls towards 0, each by half of the way in a half-life; a
pause is no working time and leaves it as it is. The occupancy of all who are free falls alike, and what those who are
occupied lack of 1 falls alike, so neither order changes, and one number for each, his `order_key`, tells his place until
he is occupied in another way. Who has a contact in hand, and room for another, comes after all who have none.
"""

from typing import Literal

from acd_core.model.fixed_point import LOG_BITS, ONE, ONE_BITS, halved, log2

Use = Literal["free", "occupied", "paused"]
"""What the present does to the occupancy."""
IN_HAND = 2**61
"""What puts those who are occupied behind those who are free."""
NEVER = -(2**62)
"""The `free_key` of one who was not occupied as far as can be counted."""


def later(occupancy: int, use: Use, elapsed_us: int, half_life_us: int) -> int:
    """What becomes of an occupancy, in units of 1/ONE, after a time."""
    match use:
        case "free":
            return occupancy * halved(elapsed_us, half_life_us) >> ONE_BITS
        case "occupied":
            return ONE - ((ONE - occupancy) * halved(elapsed_us, half_life_us) >> ONE_BITS)
    return occupancy


def free_key(occupancy: int, now_us: int, half_life_us: int) -> int:
    """Orders those who are free by occupancy: until when, in microseconds, one would have been wholly occupied who has
    been free since then and is as occupied as this.
    """
    if not occupancy:
        return NEVER
    return now_us + ((log2(occupancy) - (ONE_BITS << LOG_BITS)) * half_life_us >> LOG_BITS)


def time_until(occupancy: int, use: Use, level: int, half_life_us: int) -> int:
    """In how many microseconds an occupancy comes to a level that it is on its way to, true to a millionth of a half-life."""
    left, there = (occupancy, level) if use == "free" else (ONE - occupancy, ONE - level)
    return max(0, -((log2(there) - log2(left)) * half_life_us >> LOG_BITS))


def order_key(occupancy: int, use: Use, now_us: int, half_life_us: int) -> int:
    """Orders agents by occupancy, the least occupied first; 0 for one who is paused."""
    match use:
        case "free":
            return free_key(occupancy, now_us, half_life_us)
        case "occupied":
            return IN_HAND - free_key(ONE - occupancy, now_us, half_life_us)
    return 0
