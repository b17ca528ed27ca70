"""Allocations per request, counted inside the running process. Counts repeat; wall time does not."""

import pathlib
import shutil
import struct
import subprocess

import pytest

from harness import gateway as gateways
from harness.gateway import CARTS, route, settings
from harness.http2_origin import Origin
from harness.recorder import respond
from harness.wire import Wire, get, post

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "harness/allocations.c"
REQUESTS = 500


@pytest.fixture(scope="module")
def counter(tmp_path_factory) -> pathlib.Path:
    """The counting library, built for this run."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    if b"__asan_init" in pathlib.Path(gateways.binary()).read_bytes():
        pytest.skip("a sanitizer has its own allocator")
    library = tmp_path_factory.mktemp("allocations") / "allocations.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True, stdin=subprocess.DEVNULL)
    return library


def answer(peer) -> None:
    while True:
        peer.read_request()
        peer.send(respond("200 OK", b"x" * 1024))


@pytest.fixture
def measure(stage, counter, tmp_path):
    """Runs a gateway under the counter; gives allocations per request, after a warm-up."""
    file = tmp_path / "count"

    def read() -> int:
        return struct.unpack("=Q", file.read_bytes())[0]

    def run(routes: list, request: bytes, status: int) -> float:
        backend = stage.backend(answer)
        gateway = stage.gateway(
            settings(backend.address), routes, environment={"LD_PRELOAD": str(counter), "ALLOCATION_COUNT": str(file)}
        )
        assert read() > 100, "the counter does not count"
        with Wire(gateway.address) as wire:
            def serve(n: int) -> None:
                for _ in range(n):
                    assert wire.ask(request).status == status

            serve(100)
            before = read()
            serve(REQUESTS)
            return (read() - before) / REQUESTS

    return run


ADD = b'{"userId":"u","item":{"productId":"p","quantity":1}}'
FIXED = [{"name": "fixed", "match": {"path": "/{rest...}"}, "target": {"fixed": {"status": 200, "body": "x" * 64}}}]

# A rate, and what runs at once; both are told in the answer.
BUDGETED = [route(stages={"quota": ["queries", "websockets"]})]


# The bounds leave room for what other threads do once in a while, not for one more per request.
@pytest.mark.parametrize(
    "routes, request_bytes, status, most",
    [
        pytest.param([route()], get("/a/b?c=d", "X-A: b", "Cookie: c=d"), 200, 0.1, id="proxied"),
        pytest.param([route()], post("/a", b"x" * 512), 200, 0.1, id="proxied-with-body"),
        pytest.param(FIXED, get("/fixed"), 200, 0.1, id="fixed"),
        pytest.param(BUDGETED, get("/a/b", "X-Api-Key: mine"), 200, 0.1, id="proxied-with-budgets"),
        pytest.param(CARTS, get("/api/cart/nobody"), 200, 12.1, id="query"),
        pytest.param(CARTS, post("/api/cart/add", ADD, "Content-Type: application/json"), 202, 64, id="command"),
    ],
)
def test_allocations_per_request(measure, routes, request_bytes, status, most):
    found = measure(routes, request_bytes, status)
    print(f"{found:.2f} allocations a request")
    assert found <= most


def echo_in_whole(peer) -> None:
    while True:
        request = peer.request(60)
        peer.respond(request.stream, b"x" * 1024)


# What nghttp2 itself allocates for each stream: the stream, the frames on their way, copies of the fields.
@pytest.mark.parametrize("request_bytes", [get("/a/b?c=d", "X-A: b", "Cookie: c=d"), post("/a", b"x" * 512)], ids=["get", "post"])
def test_allocations_per_request_to_an_http2_upstream(stage, counter, tmp_path, request_bytes):
    file = tmp_path / "count"
    with Origin(echo_in_whole) as origin:
        gateway = stage.gateway(
            settings(origin.address, clusters={"up": {"protocol": "http2"}}),
            environment={"LD_PRELOAD": str(counter), "ALLOCATION_COUNT": str(file)})
        with Wire(gateway.address) as wire:
            def serve(n: int) -> None:
                for _ in range(n):
                    assert wire.ask(request_bytes).status == 200

            serve(100)
            before = struct.unpack("=Q", file.read_bytes())[0]
            serve(REQUESTS)
            found = (struct.unpack("=Q", file.read_bytes())[0] - before) / REQUESTS
    print(f"{found:.2f} allocations a request")
    assert found <= 6.1
