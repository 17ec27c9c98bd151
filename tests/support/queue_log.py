"""What readers of a queue_log rely on, checked on a whole file."""

from collections import Counter
from pathlib import Path

ENDS = {
    "COMPLETEAGENT",
    "COMPLETECALLER",
    "BLINDTRANSFER",
    "ATTENDEDTRANSFER",
    "ABANDON",
    "EXITWITHTIMEOUT",
    "EXITWITHKEY",
    "EXITEMPTY",
    "WITHDRAW",
}
AFTER_CONNECT = {"COMPLETEAGENT", "COMPLETECALLER", "BLINDTRANSFER", "ATTENDEDTRANSFER"}
FIELDS = {
    "ENTERQUEUE": 3,
    "CONNECT": 3,
    "COMPLETEAGENT": 3,
    "COMPLETECALLER": 3,
    "BLINDTRANSFER": 5,
    "ATTENDEDTRANSFER": 6,
    "ABANDON": 3,
    "EXITWITHTIMEOUT": 3,
    "EXITWITHKEY": 4,
    "EXITEMPTY": 3,
    "WITHDRAW": 4,
    "RINGNOANSWER": 1,
    "RINGCANCELED": 1,
    "AGENTLOGOFF": 2,
}


def check_queue_log(text: str) -> Counter[str]:
    """Assert the invariants; gives how many lines of each kind there are."""
    counts: Counter[str] = Counter()
    open_stints: dict[str, str] = {}
    connected: set[str] = set()
    time = 0
    for line in text.splitlines():
        at, callid, queue, agent, word, *data = line.split("|")
        assert int(at) >= time, line
        time = int(at)
        counts[word] += 1
        fields = FIELDS.get(word, 1) - (data[0] == "BRIDGE")
        assert len(data) == fields, line
        if word == "ENTERQUEUE":
            assert callid not in open_stints, line
            open_stints[callid] = queue
            assert int(data[2]) >= 1, line
        elif word == "CONNECT":
            assert open_stints.get(callid) == queue, line
            assert callid not in connected, line
            assert agent != "NONE", line
            connected.add(callid)
        elif word in ENDS:
            assert open_stints.pop(callid, None) == queue, line
            assert (callid in connected) == (word in AFTER_CONNECT), line
            connected.discard(callid)
        elif word in ("RINGNOANSWER", "RINGCANCELED"):
            assert callid in open_stints, line
            assert callid not in connected or word == "RINGCANCELED", line
    assert not open_stints, f"without an end: {open_stints}"
    return counts


def check_queue_log_file(path: Path) -> Counter[str]:
    """As `check_queue_log`."""
    return check_queue_log(path.read_text())
