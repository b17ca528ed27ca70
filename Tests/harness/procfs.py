"""What the kernel says about a process: memory, descriptors, CPU time, children."""

import os
import pathlib

TICK = 1.0 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def _stat(pid: int) -> list[str]:
    # The command name may hold spaces and parentheses: everything after the last `)` is plain.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def state(pid: int) -> str:
    """`R`, `S`, `Z` …, or an empty string when there is no such process."""
    try:
        return _stat(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def rss(pid: int) -> int:
    """Resident bytes of one process. With `NEXUS_SANITIZED` none: they are the sanitizer's own, and tests of how memory grows
    look at everything else."""
    if "NEXUS_SANITIZED" in os.environ:
        return 0
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def private(pid: int) -> int:
    """Resident bytes that belong to this process alone (no shared library pages)."""
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1]) * 1024
    return total


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> list[int]:
    """Thread ids."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def children(pid: int) -> list[int]:
    """Direct children, e.g. the workers of an nginx master."""
    found: list[int] = []
    for thread in threads(pid):
        found += [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far, in seconds, at nanosecond grain.

    `/proc/PID/schedstat` counts run time exactly; `/proc/PID/stat` counts 10 ms ticks. The process
    total is the sum over the threads alive (servers measured here keep their threads).
    """
    total = 0
    for thread in threads(pid):
        try:
            total += int(pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9


def cpu_seconds_by_ticks(pid: int) -> tuple[float, float]:
    """(user, system) seconds from `/proc/PID/stat`: the figure of record, in steps of one tick."""
    fields = _stat(pid)
    return int(fields[11]) * TICK, int(fields[12]) * TICK
