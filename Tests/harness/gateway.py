"""The gateway as a process: a folder with its files, free ports, a clean end."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import threading
import time

from . import procfs, sockets

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary() -> str:
    """The gateway to test: `NEXUS_BINARY`, else the release build of this tree."""
    path = pathlib.Path(os.environ.get("NEXUS_BINARY", ROOT / ".build/release/nexus-gateway")).resolve()
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"no gateway at {path}: `swift build -c release`, or set NEXUS_BINARY")
    return str(path)


def merged(base: dict, over: dict) -> dict:
    """`over` laid upon `base`, mappings member by member."""
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def listener(name: str = "public", address: str = "127.0.0.1:0", **over) -> dict:
    """One entry of `listeners`."""
    return {"name": name, "address": address, **over}


def settings(*endpoints: str, **over) -> dict:
    """A small deterministic configuration: one worker, free ports, no log, cluster `up` with `endpoints`."""
    base = {
        "workers": 1,
        "listeners": [listener()],
        "admin": {"address": "127.0.0.1:0"},
        "routes": "routes",
        "drain": "2s",
        "clusters": {"up": {"endpoints": list(endpoints)}} if endpoints else {},
        "store": {"path": "data/events.db"},
        "contracts": {"event_schemas": str(ROOT / "contracts/events")},
        "access_log": "off",
    }
    return merged(base, over)


def route(name: str = "all", path: str = "/{rest...}", cluster: str = "up", **over) -> dict:
    """A route to a cluster; `match` and `target` in `over` are merged in."""
    base = {"name": name, "match": {"path": path}, "target": {"cluster": cluster}}
    if "target" in over:
        base["target"] = over.pop("target")
    return merged(base, over)


CARTS = [
    {"name": f"cart-{verb}", "match": {"method": "POST", "path": f"/api/cart/{verb}"}, "target": {"command": f"cart.{verb}"}}
    for verb in ("add", "remove", "update", "empty")
] + [{"name": "cart-get", "match": {"method": "GET", "path": "/api/cart/{userId}"}, "target": {"query": "cart.get"}}]

OPERATIONS = [
    {"name": name, "match": {"listener": ["public", "admin"], "method": "GET", "path": path}, "target": {"operation": operation}}
    for name, path, operation in (
        ("health-live", "/health/live", "live"),
        ("health-ready", "/health/ready", "ready"),
        ("actuator-liveness", "/actuator/health/liveness", "live"),
        ("actuator-readiness", "/actuator/health/readiness", "ready"),
    )
] + [{"name": "metrics", "match": {"listener": "admin", "method": "GET", "path": "/metrics"}, "target": {"operation": "metrics"}}] + [
    {"name": "upstreams", "match": {"listener": "admin", "method": "GET", "path": "/upstreams"}, "target": {"operation": "upstreams"}}
]


def open_routes(folder: pathlib.Path, *names: str) -> list[str]:
    """Copies of shipped route files (`orders`, `shop/gateway`; a folder such as `shop` means its files) that ask nobody who he
    is, count no orders and want no keys: for tests of what is behind that. The strict forms, as they are shipped, have
    tests of their own (EndToEnd/test_surface.py)."""
    made = []
    for name in names:
        shipped = ROOT / "routes" / name
        for path in sorted(shipped.glob("*.yaml")) if shipped.is_dir() else [shipped.with_suffix(".yaml")]:
            copy = folder / "open-routes" / path.relative_to(ROOT / "routes")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(re.sub(r"^    stages: \{.*$", _opened, path.read_text(), flags=re.MULTILINE))
            made.append(str(copy))
    return made


def _opened(line: re.Match) -> str:
    text = re.sub(r"(identify|authorize): [\w-]+(, )?|quota: \[orders-accepted\](, )?", "", line[0])
    return text.replace("replay: required", "replay: optional")


class Gateway:
    """A running `nexus-gateway run` in its own folder.

    Configuration is written as JSON, which is YAML; a test about positions passes text instead.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        config: dict | str,
        routes: list | str,
        *,
        environment: dict[str, str] | None = None,
        open_files: int | None = None,
        cpu: int | None = None,
    ):
        self.folder = pathlib.Path(folder)
        self.config_path = self.folder / "config/nexus.yaml"
        self.listeners: dict[str, str] = {}
        self.stderr: list[str] = []
        self.process: subprocess.Popen | None = None
        # Exit codes that are no crash: a clean end, and the test's own SIGKILL.
        self.endings = {0, -signal.SIGKILL}
        self._environment = environment or {}
        self._open_files = open_files
        self._cpu = cpu
        self._ready = threading.Event()
        self.write(config, routes)

    def write(self, config: dict | str | None = None, routes: list | str | None = None) -> None:
        """(Re)write the files; `reload` makes a running gateway read them."""
        for name in ("config", "routes", "data"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config, indent=2)
            self._replace(self.config_path, text + "\n")
        if routes is not None:
            text = routes if isinstance(routes, str) else json.dumps({"routes": routes}, indent=2)
            self._replace(self.folder / "routes/all.yaml", text + "\n")

    @staticmethod
    def _replace(path: pathlib.Path, text: str) -> None:
        # Whole or not at all: a reload must never see half a file because of the test itself.
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(path)

    def command(self, *words: str) -> list[str]:
        return [binary(), *words, "--config", str(self.config_path)]

    def start(self, wait: float = 60.0) -> "Gateway":
        """Start and wait for `ready`."""

        def limits() -> None:
            if self._open_files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self._open_files, self._open_files))
            if self._cpu is not None:
                os.sched_setaffinity(0, {self._cpu})

        self._ready.clear()
        self.listeners.clear()
        self.process = subprocess.Popen(
            self.command("run"),
            cwd=self.folder,
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "stdout.txt").open("ab"),
            stderr=subprocess.PIPE,
            preexec_fn=limits,
        )
        threading.Thread(target=self._listen_to_stderr, args=(self.process,), daemon=True).start()
        deadline = time.monotonic() + wait
        while not self._ready.wait(0.02):
            if self.process.poll() is not None:
                time.sleep(0.05)
                raise AssertionError(f"gateway ended with {self.process.returncode} before ready:\n{self.said()}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"gateway not ready in {wait} s:\n{self.said()}")
        return self

    def _listen_to_stderr(self, process: subprocess.Popen) -> None:
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            self.stderr.append(line)
            words = line.split(" ")
            if len(words) == 3 and words[0] == "listening":
                self.listeners[words[1]] = words[2]
            elif line == "ready":
                self._ready.set()

    def said(self) -> str:
        """Standard error so far."""
        return "\n".join(self.stderr[-60:])

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def address(self) -> str:
        """The listener `public`."""
        return self.listeners["public"]

    @property
    def admin(self) -> str:
        return self.listeners["admin"]

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def rss(self) -> int:
        return procfs.rss(self.pid)

    def descriptors(self) -> int:
        return procfs.descriptors(self.pid)

    def assert_alive(self) -> None:
        """The process has not crashed; says what it said otherwise."""
        assert self.running, f"gateway ended with {self.process and self.process.returncode}:\n{self.said()}"

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def reload(self, config: dict | str | None = None, routes: list | str | None = None, wait: float = 3.0) -> None:
        """Write new files, SIGHUP, and wait until the gateway has said something about it.

        The reload's line on standard error is the only sign that it is done, whichever way it went.
        """
        before = len(self.stderr)
        self.write(config, routes)
        self.signal(signal.SIGHUP)
        sockets.wait_until(lambda: len(self.stderr) > before or not self.running, wait, "a word about the reload")
        time.sleep(0.05)
        self.assert_alive()

    def wait(self, seconds: float) -> int:
        """The exit code, when it ends in time."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM and the exit code; kills and fails when it does not end."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"gateway still running {seconds} s after SIGTERM:\n{self.said()}") from None

    def kill(self) -> None:
        """SIGKILL this process, and reap it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def run(self, *words: str, timeout: float = 15.0) -> subprocess.CompletedProcess:
        """Another subcommand (`check`, `routes`, `explain …`) on the same files."""
        return subprocess.run(
            self.command(*words), cwd=self.folder, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
        )
