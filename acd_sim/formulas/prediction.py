"""How well the wait of a caller can be told when he comes, in mean squares over those who wait and are answered.

Ibrahim & Whitt, "Real-time delay estimation based on delay history", M&SOM 11(3), 2009, and "... in overloaded
multiserver queues with abandonments", Management Science 55(10), 2009. A caller who finds q waiting is told

    QL:  (q+1) / (s mu)                     as if nobody gave up
    QLm: sum over i=0..q of 1/(s mu + i theta)

That he is answered at all says that he waited a short time: given that, his wait is a sum of exponential times with
rates s mu + (i+1) theta. LES, the wait of the last who was answered, and HOL, the wait so far of the first in line,
have about twice the mean square of the best when arrivals are Poisson; there is no exact formula for them.
"""

import math
from typing import NamedTuple


class Errors(NamedTuple):
    """Mean squared errors of three announcements, and the mean wait, all over calls that wait and are answered.

    Attributes:
        mean_wait: of those calls.
        queue_length: of QL.
        markov: of QLm.
        nothing: of telling everybody `mean_wait`.
    """

    mean_wait: float
    queue_length: float
    markov: float
    nothing: float


def queue_length(waiting: int, agents: int, service: float) -> float:
    """QL: what a caller who finds so many waiting is told."""
    return (waiting + 1) / (agents * service)


def markov(waiting: int, agents: int, service: float, patience: float) -> float:
    """QLm: the same, reckoning with those before him who will give up, at rate `patience` each."""
    return math.fsum(1 / (agents * service + i * patience) for i in range(waiting + 1))


def errors(arrivals: float, service: float, agents: int, patience: float = 0.0) -> Errors:
    """The errors in M/M/s+M, or M/M/s when `patience` is 0.

    There QL = QLm with 1/((1-rho)(s mu)^2), and telling the mean has 1/((1-rho) s mu)^2.
    """
    capacity = agents * service
    if not patience and arrivals >= capacity:
        raise ValueError("the queue grows for ever: more agents are needed")
    weight = 1.0  # of finding k waiting, among those who wait
    answered = weights = mean = square = of_queue_length = of_markov = 0.0
    wait = spread = told = 0.0  # mean and variance of the wait of one who finds k and is answered; QLm
    k = 0
    while True:
        rate = capacity + (k + 1) * patience
        wait += 1 / rate
        spread += 1 / rate**2
        told += 1 / (capacity + k * patience)
        share = weight * capacity / rate  # of those who find k, so many are answered
        answered += share
        mean += share * wait
        square += share * (spread + wait**2)
        of_queue_length += share * (spread + (wait - (k + 1) / capacity) ** 2)
        of_markov += share * (spread + (wait - told) ** 2)
        weights += weight
        weight *= arrivals / rate
        k += 1
        if weight < 1e-18 * weights and arrivals < rate:
            break
    mean /= answered
    return Errors(mean, of_queue_length / answered, of_markov / answered, square / answered - mean**2)
