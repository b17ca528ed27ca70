"""Fixtures of the over-the-wire tests. The gateway is a real process; nothing is mocked.

`NEXUS_BINARY` names the gateway (default: the release build). `NEXUS_LONG=1` runs the long forms.
"""

import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import cards  # noqa: E402
from harness import gateway as gateways  # noqa: E402
from harness import peers  # noqa: E402
from harness.recorder import Recorder, echo  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: only with NEXUS_LONG=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("NEXUS_LONG") != "1":
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long form: set NEXUS_LONG=1"))


# Every gateway that was on a stage in this run.
_seen: list[gateways.Gateway] = []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """No card number may be left in anything that a gateway of this run has written (SPEC 24). Not looked at: the tests' own
    configuration and routes, and the logs of the stand-in services, which are the other side of the wire."""
    found = [each for gateway in _seen for each in cards.left_by(gateway.folder, gateway.stderr)]
    given = getattr(session.config, "workeroutput", None)
    if given is not None:
        given["cards"] = found  # the process that distributes the tests has the last word
        return
    found += session.config.stash.get(_FOUND, [])
    if found:
        session.config.stash[_FOUND] = found
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_FOUND = pytest.StashKey[list[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """A process of a parallel run has ended: what it found is ours."""
    found = node.config.stash.setdefault(_FOUND, [])
    found += getattr(node, "workeroutput", {}).get("cards", [])


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    for line in config.stash.get(_FOUND, []):
        terminalreporter.write_line(f"CARD DATA {line}", red=True)


class Stage:
    """What a test has on stage: it starts things here, and they end with it."""

    def __init__(self, folder: pathlib.Path, stack: contextlib.ExitStack):
        self.folder = folder
        self._stack = stack
        self._count = 0
        self._gateways: list[gateways.Gateway] = []
        self._backends: list[Recorder] = []

    def _place(self, name: str) -> pathlib.Path:
        self._count += 1
        place = self.folder / f"{name}{self._count}"
        place.mkdir(parents=True)
        return place

    def files(self, config: dict | str, routes: list | str) -> gateways.Gateway:
        """A gateway's folder without a process: for `check`, `routes`, `explain`."""
        return gateways.Gateway(self._place("gateway"), config, routes)

    def gateway(self, config: dict | str, routes: list | str | None = None, **options) -> gateways.Gateway:
        """A running gateway. At the end of the test it must be alive and end cleanly on SIGTERM."""
        made = gateways.Gateway(self._place("gateway"), config, [gateways.route()] if routes is None else routes, **options)
        _seen.append(made)
        made.start()
        self._gateways.append(made)
        self._stack.callback(made.kill)
        return made

    def backend(self, play=echo, address: str = "127.0.0.1:0") -> Recorder:
        """A recording raw back end."""
        made = self._stack.enter_context(Recorder(play, address))
        self._backends.append(made)
        return made

    def nginx(self, address: str, body: bytes = b'{"ok":true}', files: pathlib.Path | None = None) -> peers.Process:
        """A real origin."""
        made = peers.nginx_origin(self._place("nginx"), address, body, files)
        self._stack.callback(made.stop)
        return made

    def finish(self) -> None:
        """Every gateway left running is well and ends well; every back end saw only what it should."""
        for each in self._gateways:
            if each.running:
                code = each.stop()
                assert code == 0, f"gateway ended with {code} on SIGTERM:\n{each.said()}"
            else:
                code = each.process.returncode
                assert code in each.endings, f"gateway crashed with {code}:\n{each.said()}"
        for backend in self._backends:
            assert not backend.violations, f"forwarded ambiguous: {backend.violations[:3]}"
            if backend.errors:
                raise backend.errors[0]


@contextlib.contextmanager
def _stage(folder: pathlib.Path):
    with contextlib.ExitStack() as stack:
        made = Stage(folder, stack)
        yield made
        made.finish()


@pytest.fixture
def stage(tmp_path: pathlib.Path):
    """A stage for one test."""
    with _stage(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_stage(tmp_path_factory: pytest.TempPathFactory):
    """A stage for all tests of one file: they must not disturb each other."""
    with _stage(tmp_path_factory.mktemp("stage")) as made:
        yield made
