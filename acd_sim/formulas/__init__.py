"""Exact results of queueing theory: what the simulator is measured against, and first guesses for planners.

| module | what it knows |
|---|---|
| `erlang` | one queue: Erlang B, C, A, with a limit of lines or without; agents needed |
| `patience` | one queue of which some callers are called back and so never give up |
| `shared_lines` | several queues of their own that share one group of lines |
| `product_form` | any small graph of skills under first come, first served and longest idle |
| `two_pools` | fast and slow agents: fastest first, slowest first, any order of idleness |
| `priority` | two classes of which one goes first |
| `reserve` | outbound work that keeps some agents free for inbound calls |
| `prediction` | how well announced waits can be |
| `day` | a day whose arrivals change by the half hour |
| `assignment` | what the best pairing of many with many is worth |

Rates are per unit of time, whichever the caller chooses, and all times come in the same unit. Every function raises
`ValueError` when what it is asked has no answer, such as the mean wait of a queue that grows without bound.
"""
