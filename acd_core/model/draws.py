"""Chance for the core, which has none of its own: draws that follow from a seed and the number of the offer.

Each offer of a queue that chooses at random has a number, and the agents have places in the configuration; seed, number and
place are mixed into 64 bits (by the finalizer of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014). So a replay draws the same, and draws of different offers have nothing to do with each other.
"""

from acd_core.model.fixed_point import LOG_BITS, ONE_BITS, log2

MASK = 2**64 - 1


def mixed(bits: int) -> int:
    bits = (bits + 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def draw(seed: int, offer: int, place: int) -> int:
    """A number of 63 bits, any as likely as any other."""
    return mixed(mixed(mixed(seed) ^ offer) ^ place) >> 1


def weighted(drawn: int, weight: int) -> int:
    """Of several agents who each draw, the one for whom this is lowest: any of them by the share of his weight.

    It is an exponential variate of rate `weight`: -log2(u) / weight for an even u in 0..1 (Efraimidis and Spirakis,
    "Weighted random sampling with a reservoir", 2006).
    """
    even = (drawn >> (63 - ONE_BITS)) + 1
    return (((ONE_BITS << LOG_BITS) - log2(even)) << 20) // weight
