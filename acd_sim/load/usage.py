"""What a process on this machine uses, as the kernel tells it (Linux)."""

import os
from pathlib import Path


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process so far; to the nanosecond where the kernel tells it."""
    return sum(thread_cpu_ns(pid, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir())


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
