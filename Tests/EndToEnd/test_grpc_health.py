"""`grpc.health.v1.Health` answered by the gateway: grpcio's client, and raw frames for what that cannot send."""

import contextlib
import signal
import threading
import time

import harness.grpc_stubs  # noqa: F401, I001: settles how grpcio forks

import grpc
import pytest
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc as rpc

from harness import sockets
from harness.gateway import listener, settings
from harness.grpc_wire import begin, call, message, messages, status
from harness.http2 import data
from harness.http2_ends import Client

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
HEALTH = {"name": "health", "match": {"grpc": "grpc.health.v1.Health/*"}, "target": {"operation": "grpc_health"}}
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"


def service(name: str, method: str) -> dict:
    return {"name": name, "match": {"grpc": method}, "target": {"cluster": "up"}}


def configured(**over) -> dict:
    return settings("127.0.0.1:9", clusters={"up": {"protocol": "http2"}}, **over)


@pytest.fixture
def gateway(stage):
    return stage.gateway(configured(), [HEALTH, service("cart", "shop.Cart/*"), service("one", "shop.pay.Payment/Charge")])


@pytest.fixture
def stub(gateway):
    with contextlib.closing(grpc.insecure_channel(gateway.address)) as channel:
        yield rpc.HealthStub(channel)


def ask(name: str = ""):
    return pb.HealthCheckRequest(service=name)


@pytest.mark.parametrize("name", ["", "shop.Cart", "shop.pay.Payment", "grpc.health.v1.Health"])
def test_known_services_serve(stub, name):
    assert stub.Check(ask(name), timeout=5).status == SERVING
    watch = stub.Watch(ask(name), timeout=5)
    assert next(iter(watch)).status == SERVING
    watch.cancel()


@pytest.mark.parametrize("name", ["shop.Cart/AddItem", "shop", "Cart", "shop.cart", "x" * 4000, "ü"])
def test_others_are_not_found(stub, name):
    with pytest.raises(grpc.RpcError) as failed:
        stub.Check(ask(name), timeout=5)
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(ask(name), timeout=5)
    assert next(iter(watch)).status == SERVICE_UNKNOWN
    watch.cancel()


def test_watches_hear_of_new_routes_and_of_the_drain(gateway, stub):
    seen: dict[str, list[int]] = {"": [], "shop.Later": []}
    ended: dict[str, grpc.StatusCode] = {}

    def watch(name: str) -> None:
        try:
            for each in stub.Watch(ask(name), timeout=20):
                seen[name].append(each.status)
        except grpc.RpcError as error:
            ended[name] = error.code()

    threads = [threading.Thread(target=watch, args=(name,), daemon=True) for name in seen]
    for each in threads:
        each.start()
    sockets.wait_until(lambda: seen == {"": [SERVING], "shop.Later": [SERVICE_UNKNOWN]}, 5, "the first words")
    gateway.reload(routes=[HEALTH, service("later", "shop.Later/*")])
    sockets.wait_until(lambda: seen["shop.Later"] == [SERVICE_UNKNOWN, SERVING], 5, "the new route")
    assert seen[""] == [SERVING]
    before = time.monotonic()
    gateway.signal(signal.SIGTERM)
    for each in threads:
        each.join(5)
    assert seen == {"": [SERVING, NOT_SERVING], "shop.Later": [SERVICE_UNKNOWN, SERVING, NOT_SERVING]}
    assert ended == {name: grpc.StatusCode.UNAVAILABLE for name in seen}
    # Watches do not hold the drain up.
    assert gateway.wait(5) == 0 and time.monotonic() - before < 3


def test_not_serving_while_draining(stage):
    made = stage.gateway(configured(drain="3s"), [HEALTH])
    with Client(made.address) as client:
        assert messages(bytes(call(client, CHECK).body)) == [b"\x08\x01"]
        hold = begin(client, CHECK)  # keeps the connection in the drain
        made.signal(signal.SIGTERM)
        time.sleep(0.3)
        answer = call(client, CHECK)
        assert messages(bytes(answer.body)) == [b"\x08\x02"] and status(answer)[0] == 0
        client.send(data(hold.number, message(b""), True))
        assert messages(bytes(client.finish(hold).body)) == [b"\x08\x02"]


NAMED = message(b"\x0a\x09shop.Cart")


@pytest.mark.parametrize(("body", "expected"), [
    (NAMED, 0), (message(b"\x0a\x03foo" + b"\x0a\x09shop.Cart"), 0), (message(b"\x10\x05\x1d\0\0\0\0\x21" + b"\0" * 8 + b"\x0a\x09shop.Cart"), 0),
    (b"", 13), (NAMED + NAMED, 13), (NAMED[:-1], 13), (b"\0\0\0", 13), (message(b"\x0a\xff"), 13), (message(b"\x0a"), 13), (message(b"\x07"), 13),
    (message(b"\x00"), 13), (message(b"x" * 9000), 8), (b"\0\xff\xff\xff\xff", 8), (b"\x02\0\0\0\0", 13), (b"\x01\0\0\0\0", 13),
], ids=str)
def test_every_request_has_an_answer(gateway, body, expected):
    with Client(gateway.address) as client:
        for path in (CHECK, WATCH):
            stream = begin(client, path, body=body)
            if expected == 0 and path == WATCH:
                assert client.pump(lambda: stream.count > 0) and bytes(stream.body) == message(b"\x08\x01")
                continue
            client.finish(stream)
            assert status(stream)[0] == expected, stream.sections
        # Byte by byte is the same.
        stream = begin(client, CHECK)
        for at in range(len(body)):
            client.send(data(stream.number, body[at : at + 1]))
        client.send(data(stream.number, b"", True))
        assert status(client.finish(stream))[0] == expected
        assert client.answers() and not client.violations


def test_compressed_requests_are_said_to_be_unknown(gateway):
    with Client(gateway.address) as client:
        answer = call(client, CHECK, ("grpc-encoding", "gzip"), body=message(b"zzz", 1))
        assert status(answer) == (12, "compressed messages are not taken here")


def test_other_methods_are_unimplemented(gateway):
    with Client(gateway.address) as client:
        assert status(call(client, "/grpc.health.v1.Health/List"))[0] == 12


def test_deadlines_of_watches(gateway):
    with Client(gateway.address) as client:
        before = time.monotonic()
        answer = call(client, WATCH, ("grpc-timeout", "300m"))
        assert status(answer)[0] == 4 and 0.25 < time.monotonic() - before < 1.5
        assert messages(bytes(answer.body)) == [b"\x08\x01"]


def test_watches_leave_nothing_behind(stage):
    public = listener(http2={"resets": {"burst": 100_000, "per_second": 10_000}})
    made = stage.gateway(configured(listeners=[public]), [HEALTH])
    from harness.http2 import rst

    def rounds(n: int) -> None:
        with Client(made.address) as client:
            for _ in range(n):
                streams = [begin(client, WATCH, body=message(b"")) for _ in range(50)]
                assert client.pump(lambda: all(each.count for each in streams))
                client.send(*(rst(each.number) for each in streams))
            assert client.answers()

    rounds(20)
    before = made.rss()
    rounds(60)
    assert made.rss() - before < 4 << 20


def test_operations_and_matches_fit(stage):
    for wrong, said in (
        ({"name": "a", "match": {"path": "/x"}, "target": {"operation": "grpc_health"}}, "operation grpc_health answers gRPC calls: match 'grpc'"),
        ({"name": "a", "match": {"grpc": "a.B/c"}, "target": {"operation": "metrics"}}, "operation metrics does not answer gRPC calls"),
    ):
        checked = stage.files(configured(), [wrong]).run("check")
        assert checked.returncode != 0 and said in checked.stderr + checked.stdout
