"""What every benchmark shares: paths, the load generator, figures, and the machine described."""

import dataclasses
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tests"))

from harness import peers, procfs  # noqa: E402

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclasses.dataclass
class Load:
    """One run of wrk: counts, seconds, latencies in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(number) * UNITS[unit]


def wrk(url: str, seconds: float, connections: int, *, cpu: int | None = None, threads: int = 1, script: pathlib.Path | None = None, arguments: tuple[str, ...] = (), fields: tuple[str, ...] = ()) -> Load:
    """Closed-loop load with keep-alive. Non-2xx answers and socket errors are counted as errors."""
    command = [peers.tool("taskset"), "-c", str(cpu)] if cpu is not None else []
    command += [peers.tool("wrk"), "-t", str(threads), "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--latency"]
    command += ["-s", str(script)] if script else []
    for field in fields:
        command += ["-H", field]
    command += [url] + (["--", *arguments] if arguments else [])
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stderr}{done.stdout}")
    text = done.stdout
    requests, took = re.search(r"(\d+) requests in ([\d.]+\w+)", text).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Load(
        int(requests),
        _seconds(took),
        _seconds(re.search(r"\s50%\s+(\S+)", text).group(1)),
        _seconds(re.search(r"\s99%\s+(\S+)", text).group(1)),
        (int(bad.group(1)) if bad else 0) + (sum(map(int, sockets.groups())) if sockets else 0),
    )


class Meter:
    """CPU time of some processes between construction and `stop`: total and the kernel's share."""

    def __init__(self, pids: list[int]):
        self.pids = pids
        self._before = self._now()

    def _now(self) -> tuple[float, float, float]:
        ticks = [procfs.cpu_seconds_by_ticks(pid) for pid in self.pids]
        return sum(procfs.cpu_seconds(pid) for pid in self.pids), sum(user for user, _ in ticks), sum(system for _, system in ticks)

    def stop(self) -> tuple[float, float]:
        """(seconds of CPU, fraction of it in the kernel)."""
        after = self._now()
        total, user, system = (b - a for a, b in zip(self._before, after))
        return total, system / (user + system) if user + system else 0.0


class Instructions:
    """`perf stat` on processes for a while; the count is None where the machine has no such counter."""

    available: bool | None = None

    def __init__(self, pids: list[int], seconds: float):
        self._process = None
        if Instructions.probe():
            self._process = subprocess.Popen(
                [shutil.which("perf"), "stat", "-x,", "-e", "instructions:u,instructions:k", "-p", ",".join(map(str, pids)), "sleep", str(seconds)],
                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            )

    @classmethod
    def probe(cls) -> bool:
        if cls.available is None:
            perf = shutil.which("perf")
            done = subprocess.run([perf, "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True) if perf else None
            cls.available = bool(done) and done.returncode == 0 and bool(re.match(r"\d", done.stderr.strip()))
        return cls.available

    def stop(self) -> tuple[int, int] | None:
        """(user, kernel) instructions, or None."""
        if not self._process:
            return None
        counts = [int(line.split(",")[0]) for line in self._process.communicate()[1].splitlines() if re.match(r"\d", line)]
        return (counts[0], counts[1]) if len(counts) >= 2 else None


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict:
    """What the figures were measured on."""
    cpu = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) // (1 << 20)
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": memory, "kernel": platform.release(), "load": os.getloadavg()[0]}


def version(name: str) -> str:
    """The version a reference was measured at."""
    done = subprocess.run([peers.tool(name), "-v"], capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[0].strip()


def describe() -> str:
    facts = machine()
    return f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Linux {facts['kernel']}, load {facts['load']:.2f} before"


def publish(result: dict, path: str | None) -> None:
    """Write `result` as JSON when a path was asked for."""
    if path:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")


def workplace() -> tempfile.TemporaryDirectory:
    """A folder for configurations and logs that goes away."""
    return tempfile.TemporaryDirectory(prefix="nexus-bench-")
