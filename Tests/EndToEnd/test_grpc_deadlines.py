"""`grpc-timeout`: read, told onwards less what has passed, and kept."""

import contextlib
import queue
import time

import pytest

from harness import sockets
from harness.gateway import settings
from harness.grpc_wire import begin, call, is_trailers_only, message, messages, status
from harness.http2 import Code
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer

DEADLINE, UNAVAILABLE = 4, 14


@pytest.fixture
def origin():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


def shared(*endpoints: str, **cluster) -> dict:
    return settings(*endpoints, clusters={"up": {"protocol": "http2", **cluster}})


def service(**over) -> dict:
    return {"name": "grpc", "match": {"grpc": "demo.S/*"}, "target": {"cluster": "up"}, **over}


def seconds(value: str) -> float:
    return int(value[:-1]) * {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}[value[-1]]


class Sleeper:
    """Takes calls and says no more than a test wants: a head, a message, nothing."""

    def __init__(self, origin, *, head: bool = False):
        self.head = head
        self.heads: queue.Queue = queue.Queue()
        self.requests: list = []
        self.origin = origin(self.play)
        self.address = self.origin.address

    def play(self, peer: Peer) -> None:
        while True:
            request = peer.head(30)
            self.requests.append(request)
            self.heads.put(request)
            if self.head:
                peer.start(request.stream, 200, ("content-type", "application/grpc"))
                peer.send(request.stream, message(b"first"))


def elapsed(client: Client, path: str, *fields, **more) -> tuple:
    before = time.monotonic()
    answer = call(client, path, *fields, **more)
    return answer, time.monotonic() - before


def test_the_rest_of_the_time_is_told_onwards(stage, origin):
    seen = []

    def play(peer: Peer):
        while True:
            request = peer.request()
            seen.append(request.field("grpc-timeout"))
            peer.start(request.stream, 200, ("content-type", "application/grpc"), ("grpc-status", "0"), end=True)

    gateway = stage.gateway(shared(origin(play).address), [service()])
    with Client(gateway.address) as client:
        for given in ("5S", "1500m", "2000000u", "99999999m", "99999999S", "99999999M", "99999999H", "3H"):
            assert status(call(client, "/demo.S/M", ("grpc-timeout", given)))[0] == 0
            told, asked = seconds(seen[-1]), seconds(given)
            assert len(seen[-1]) <= 9 and asked * 0.9 <= told <= asked * 1.0001 + 0.001, (given, seen[-1])
        call(client, "/demo.S/M")
        assert seen[-1] is None


def test_the_routes_own_bound_is_the_smaller_one(stage, origin):
    sleeper = Sleeper(origin)
    gateway = stage.gateway(shared(sleeper.address), [service(timeouts={"stream_max": "300ms"})])
    with Client(gateway.address) as client:
        answer, took = elapsed(client, "/demo.S/M", ("grpc-timeout", "9S"))
        assert status(answer)[0] == DEADLINE and 0.25 < took < 1.5
        assert seconds(sleeper.heads.get(timeout=5).field("grpc-timeout")) <= 0.3


@pytest.mark.parametrize("head", [False, True], ids=["before the head", "after a message"])
def test_the_deadline_ends_the_call_on_both_sides(stage, origin, head):
    sleeper = Sleeper(origin, head=head)
    gateway = stage.gateway(shared(sleeper.address), [service()])
    with Client(gateway.address) as client:
        answer, took = elapsed(client, "/demo.S/M", ("grpc-timeout", "300m"))
        assert status(answer) == (DEADLINE, "the upstream did not answer in time") and 0.25 < took < 1.5
        assert is_trailers_only(answer) != head
        assert messages(bytes(answer.body)) == ([b"first"] if head else [])
        request = sleeper.heads.get(timeout=5)
        sockets.wait_until(lambda: request.reset == Code.CANCEL, 3, "CANCEL upstream")
        # An upload that is still open ends as well, and the connection goes on.
        open_call = client.finish(begin(client, "/demo.S/M", ("grpc-timeout", "200m")))
        assert status(open_call)[0] == DEADLINE
        request = sleeper.heads.get(timeout=5)
        sockets.wait_until(lambda: request.reset == Code.CANCEL, 3, "CANCEL upstream")
        assert client.answers() and not client.violations


def test_waiting_for_a_connection_is_no_excuse(stage, origin):
    sleeper = Sleeper(origin)
    gateway = stage.gateway(
        shared(sleeper.address, pool={"connections": 1}, http2={"max_concurrent_streams": 1}), [service(timeouts={"queue": "20s"})])
    with Client(gateway.address) as client:
        first = begin(client, "/demo.S/M", body=message(b""))
        sleeper.heads.get(timeout=5)
        answers = [begin(client, "/demo.S/M", ("grpc-timeout", f"{each}m"), body=message(b"")) for each in (600, 200, 400)]
        before = time.monotonic()
        took = {}
        for each in (200, 400, 600):
            stream = answers[[600, 200, 400].index(each)]
            assert status(client.finish(stream))[0] == DEADLINE
            took[each] = time.monotonic() - before
        assert all(each / 1000 - 0.1 < took[each] < each / 1000 + 0.5 for each in took), took
        assert first.reset is None and sleeper.heads.empty()


def test_waiting_for_a_bulkhead_is_no_excuse(stage, origin):
    sleeper = Sleeper(origin)
    gateway = stage.gateway(shared(sleeper.address, bulkhead={"concurrent": 1, "wait": "20s"}), [service()])
    with Client(gateway.address) as client:
        begin(client, "/demo.S/M", body=message(b""))
        sleeper.heads.get(timeout=5)
        answer, took = elapsed(client, "/demo.S/M", ("grpc-timeout", "300m"))
        assert status(answer)[0] == DEADLINE and 0.25 < took < 1.5


def test_waiting_for_a_retry_is_no_excuse(stage):
    nobody = sockets.free_port()
    slow = {"attempts": 6, "on": ["connect"], "backoff": "20s", "max_backoff": "20s"}
    gateway = stage.gateway(shared(f"127.0.0.1:{nobody}"), [service(retry=slow)])
    with Client(gateway.address) as client:
        answer, took = elapsed(client, "/demo.S/M", ("grpc-timeout", "300m"))
        # No retry is begun whose wait might outlast the call.
        assert status(answer)[0] in (DEADLINE, UNAVAILABLE) and took < 1.5


def test_a_connection_that_does_not_come_about(stage):
    # Listens, and never greets.
    silent = sockets.listen()
    gateway = stage.gateway(shared(sockets.address_of(silent)), [service(timeouts={"connect": "20s"})])
    with Client(gateway.address) as client:
        answer, took = elapsed(client, "/demo.S/M", ("grpc-timeout", "300m"))
        assert status(answer)[0] == DEADLINE and 0.25 < took < 1.5
    silent.close()


def test_no_deadline_means_no_deadline(stage, origin):
    """A silent stream of a gRPC route is not cut by what bounds plain answers."""
    sleeper = Sleeper(origin, head=True)
    gateway = stage.gateway(shared(sleeper.address), [service()])
    with Client(gateway.address) as client:
        stream = begin(client, "/demo.S/M")
        assert client.pump(lambda: stream.count > 0)
        assert not client.pump(lambda: stream.ended or stream.reset is not None, 7)
