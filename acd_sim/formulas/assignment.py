"""What the best pairing of n calls with n agents is worth when every pair has a cost of its own, at random."""

import math


def best(n: int) -> float:
    """Mean cost of the cheapest pairing when costs are independent and exponential with mean 1: sum of 1/i^2, i=1..n.

    Conjectured by Parisi 1998; proved by Linusson & Wästlund, Probability Theory and Related Fields 128, 2004, and by
    Nair, Prabhakar & Sharma, Random Structures & Algorithms 27, 2005.
    """
    return math.fsum(1 / i**2 for i in range(1, n + 1))


def first_come(n: int) -> float:
    """The same when calls choose one after the other, each the cheapest agent left: the harmonic number H_n.

    The minimum of k exponential costs has the mean 1/k, and the costs of later calls are untouched by earlier choices.
    """
    return math.fsum(1 / i for i in range(1, n + 1))
