"""Seeds that once found something: they are run again and again.

A seed is what it is only together with the plan that it is drawn into: after a change of workload or faults it is another
adventure. So each find has a test of its own beside the module that was wrong; the seeds are kept because what they
mixed was worth meeting.
"""

KEPT = {
    9: "records of a catch-up were older than the FENCE before them, and the journal refused itself at the next start",
    36: "likewise, after a SEAL",
    80: "a client whose `hello` came late gave up for good",
    2305: "events that waited while a client subscribed anew were never sent",
    2425: "what a failed flush had lost was read from the cache, built upon, and lost with the next power failure",
    323530: "a full disk stopped SQLite's log from being folded in half-way, and the log was lost with the next power failure",
    332153: "a server on a full disk told of events that a failed flush had lost, and the next power failure took them",
}


def kept_seeds() -> list[int]:
    """The seeds, in order."""
    return sorted(KEPT)
