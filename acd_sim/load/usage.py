"""What a process on this machine uses, as the kernel tells it (Linux)."""

import os
import time
from pathlib import Path

_OF_A_PROCESS = 2
"""In the number of a clock, beside that of a process: CPUCLOCK_SCHED of Linux, as `clock_getcpuclockid` puts them together."""


def cpu_ns(pid: int) -> int:
    """CPU time of a process so far, of all its threads, also of those that have ended."""
    return time.clock_gettime_ns(~pid << 3 | _OF_A_PROCESS)


def thread_cpu_ns(pid: int, thread: int) -> int:
    """CPU time of one thread; the first one has the number of the process."""
    task = Path(f"/proc/{pid}/task/{thread}")
    try:
        return int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError:
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Memory of a process that is in use and in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
