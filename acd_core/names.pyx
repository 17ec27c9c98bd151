# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Names of contacts and agents: hashes by which tables find them, and whether two are equal.

Each command brings a name or two that were never hashed before. Python's own hash takes some hundred instructions for one, ours
a quarter of that: its letters are multiplied eight by eight, as wyhash does. The factors come from Python's hash of a
constant, which is another in each process, so nobody can choose names that collide; and nothing that can be seen follows from
where a name stands in a table. Where a name says `size`, bytes are meant: equal texts have letters of equal width.
"""

from libc.stdint cimport uint64_t

one_key = <uint64_t>hash("the one key of names") | 1
other_key = <uint64_t>hash("the other key of names")
