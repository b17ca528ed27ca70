"""gRPC with independent ends: grpcio's client and server. Every case runs against the server itself,
which proves the test, and then through the gateway, which must make no difference."""

import contextlib
import threading
import time

from harness.grpc_service import CODES, UNLIMITED, Server, pb, rpc

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest

from harness import procfs, sockets
from harness.gateway import OPERATIONS, listener, settings

MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    with Server() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(shared_stage, server):
    # Many calls on one connection, and many of them cancelled, are everyday for gRPC.
    public = listener(http2={
        "max_concurrent_streams": 1000, "resets": {"burst": 2000, "per_second": 500}, "control": {"burst": 5000, "per_second": 2000}})
    config = settings(
        server.address, listeners=[public],
        clusters={"up": {"protocol": "http2", "http2": {"max_concurrent_streams": 1000}}})
    calls = {
        "name": "interop", "match": {"grpc": "nexus.interop.Interop/*"}, "target": {"cluster": "up"}, "body_limit": "unlimited",
        "timeouts": {"first_byte": "30s"}}
    return shared_stage.gateway(config, [*OPERATIONS, calls])


@pytest.fixture(params=["direct", "gateway"])
def channel(request, server):
    address = server.address if request.param == "direct" else request.getfixturevalue("gateway").address
    server.interop.forget()
    with contextlib.closing(grpc.insecure_channel(address, options=[*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)])) as made:
        yield made


@pytest.fixture
def stub(channel):
    return rpc.InteropStub(channel)


def failure(call) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details()


class Talk:
    """One duplex call, a message at a time."""

    def __init__(self, stub, timeout: float = 20, metadata=()):
        self._asks: list = []
        self._more = threading.Condition()
        self._shut = False
        self.call = stub.Duplex(self._outgoing(), timeout=timeout, metadata=metadata)

    def _outgoing(self):
        while True:
            with self._more:
                self._more.wait_for(lambda: self._asks or self._shut)
                if not self._asks:
                    return
                ask = self._asks.pop(0)
            yield ask

    def say(self, **fields) -> None:
        with self._more:
            self._asks.append(pb.Ask(**fields))
            self._more.notify()

    def shut(self) -> None:
        with self._more:
            self._shut = True
            self._more.notify()

    def ask(self, **fields):
        self.say(**fields)
        return next(self.call)


def test_empty_unary(stub):
    answer, call = stub.Unary.with_call(pb.Ask(), timeout=5)
    assert answer.payload == b"" and call.code() == grpc.StatusCode.OK and call.details() == ""


def test_large_unary(stub):
    answer = stub.Unary(pb.Ask(payload=b"\1" * 271_828, sizes=[314_159]), timeout=10)
    assert answer.received == 271_828 and answer.payload == b"\0" * 314_159


def test_client_streaming(stub):
    sizes = (27_182, 8, 1_828, 45_904)
    assert stub.Input((pb.Ask(payload=b"x" * size) for size in sizes), timeout=5).received == sum(sizes)


def test_client_streaming_of_nothing(stub):
    assert stub.Input(iter(()), timeout=5).received == 0


def test_server_streaming(stub):
    sizes = [31_415, 9, 2_653, 58_979]
    assert [len(answer.payload) for answer in stub.Output(pb.Ask(sizes=sizes), timeout=5)] == sizes


def test_server_streaming_of_nothing(stub):
    assert list(stub.Output(pb.Ask(), timeout=5)) == []


def test_many_small_messages(stub):
    assert sum(1 for _ in stub.Output(pb.Ask(sizes=[1] * 5000), timeout=20)) == 5000


def test_ping_pong(stub):
    talk = Talk(stub)
    for asked, size in ((27_182, 31_415), (8, 9), (1_828, 2_653), (45_904, 58_979)):
        assert len(talk.ask(payload=b"x" * asked, sizes=[size]).payload) == size
    talk.shut()
    assert list(talk.call) == [] and talk.call.code() == grpc.StatusCode.OK


def test_empty_stream(stub):
    call = stub.Duplex(iter(()), timeout=5)
    assert list(call) == [] and call.code() == grpc.StatusCode.OK


def test_cancel_after_begin(stub, server):
    held = threading.Event()

    def nothing():
        held.wait(10)
        yield from ()

    call = stub.Input.future(nothing())
    assert server.interop.begun.acquire(timeout=5)
    call.cancel()
    assert call.code() == grpc.StatusCode.CANCELLED
    assert server.interop.cancelled.acquire(timeout=5), "the server was not told"
    held.set()


def test_cancel_after_first_response(stub, server):
    talk = Talk(stub)
    assert len(talk.ask(payload=b"x" * 27_182, sizes=[31_415]).payload) == 31_415
    talk.call.cancel()
    assert failure(lambda: next(talk.call))[0] == grpc.StatusCode.CANCELLED
    assert server.interop.cancelled.acquire(timeout=5), "the server was not told"
    talk.shut()


def test_cancel_of_a_waiting_unary_call(stub, server):
    call = stub.Unary.future(pb.Ask(wait_ms=10_000))
    assert server.interop.begun.acquire(timeout=5)
    call.cancel()
    assert server.interop.cancelled.acquire(timeout=5), "the server was not told"


@pytest.mark.parametrize("seconds", [0.001, 0.3])
def test_timeout_on_sleeping_server(stub, server, seconds):
    began = time.monotonic()
    code, _ = failure(lambda: list(stub.Duplex(iter([pb.Ask(payload=b"x" * 27_182, sizes=[1], wait_ms=10_000)]), timeout=seconds)))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - began < 5
    if seconds > 0.1:
        assert server.interop.cancelled.acquire(timeout=3), "the server was not told"


def test_the_deadline_reaches_the_server(stub):
    assert 5000 < stub.Unary(pb.Ask(), timeout=7).milliseconds_left <= 7100  # grpcio rounds up what it sends
    assert stub.Unary(pb.Ask()).milliseconds_left == 0


def test_custom_metadata(stub):
    metadata = [("echo-initial", "test_initial_metadata_value"), ("echo-trailing-bin", b"\xab\xab\xab")]
    _, call = stub.Unary.with_call(pb.Ask(), metadata=metadata, timeout=5)
    assert ("echo-initial", "test_initial_metadata_value") in list(call.initial_metadata())
    assert ("echo-trailing-bin", b"\xab\xab\xab") in list(call.trailing_metadata())
    talk = Talk(stub, metadata=metadata)
    talk.ask(sizes=[1])
    talk.shut()
    assert list(talk.call) == []
    assert ("echo-initial", "test_initial_metadata_value") in list(talk.call.initial_metadata())
    assert ("echo-trailing-bin", b"\xab\xab\xab") in list(talk.call.trailing_metadata())


def test_any_bytes_in_binary_metadata(stub):
    values = [bytes(range(256)), b"", b"\0", b"a", b"ab", b"abc,def"]
    answer, call = stub.Unary.with_call(pb.Ask(), metadata=[("echo-trailing-bin", value) for value in values], timeout=5)
    assert [entry.value for entry in answer.metadata if entry.key == "echo-trailing-bin"] == values
    assert [value for key, value in call.trailing_metadata() if key == "echo-trailing-bin"] == values


def test_repeated_metadata_stays_apart(stub):
    sent = [("echo-initial", "one"), ("echo-initial", "two, three"), ("echo-initial", "one"), ("echo-trailing-many", "a"), ("echo-trailing-many", "b")]
    answer, call = stub.Unary.with_call(pb.Ask(), metadata=sent, timeout=5)
    seen = [(entry.key, entry.value.decode()) for entry in answer.metadata]
    assert [value for key, value in seen if key == "echo-initial"] == ["one", "two, three", "one"]
    assert [value for key, value in call.initial_metadata() if key == "echo-initial"] == ["one", "two, three", "one"]
    assert [value for key, value in call.trailing_metadata() if key == "echo-trailing-many"] == ["a", "b"]


def test_names_with_underscores_survive(stub):
    answer, call = stub.Unary.with_call(pb.Ask(), metadata=[("echo_initial", "kept"), ("x.dotted_name", "too")], timeout=5)
    seen = {entry.key: entry.value for entry in answer.metadata}
    assert seen["echo_initial"] == b"kept" and seen["x.dotted_name"] == b"too"
    assert dict(call.initial_metadata())["echo_initial"] == "kept"


@pytest.mark.parametrize("number", sorted(number for number in CODES if number))
def test_every_status_and_its_message(stub, number):
    asked = pb.Ask(status=number, message=f"test status message {number}")
    expected = (CODES[number], asked.message)
    assert failure(lambda: stub.Unary(asked, timeout=5)) == expected
    assert failure(lambda: list(stub.Duplex(iter([asked]), timeout=5))) == expected


@pytest.mark.parametrize(
    "text", ["\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n", "100% of 50%25 and %zz, 40%", "", "m" * 4000])
def test_special_status_messages(stub, text):
    assert failure(lambda: stub.Unary(pb.Ask(status=2, message=text), timeout=5)) == (grpc.StatusCode.UNKNOWN, text)


def test_messages_before_a_failure_arrive(stub):
    call = stub.Output(pb.Ask(sizes=[10, 20, 30], status=10, message="enough"), timeout=5)
    assert [len(next(call).payload) for _ in range(3)] == [10, 20, 30]
    assert failure(lambda: next(call)) == (grpc.StatusCode.ABORTED, "enough")


def test_unimplemented_method(stub):
    assert failure(lambda: stub.Missing(pb.Ask(), timeout=5))[0] == grpc.StatusCode.UNIMPLEMENTED


def test_unimplemented_service(channel):
    assert failure(lambda: rpc.AbsentStub(channel).Unary(pb.Ask(), timeout=5))[0] == grpc.StatusCode.UNIMPLEMENTED


def test_compressed_messages_pass(stub):
    payload = b"compressible " * 20_000
    answer = stub.Unary(pb.Ask(payload=payload, sizes=[300_000], gzip=True), timeout=5, compression=grpc.Compression.Gzip)
    assert answer.received == len(payload) and answer.payload == b"\0" * 300_000
    asks = (pb.Ask(payload=payload) for _ in range(5))
    assert stub.Input(asks, timeout=5, compression=grpc.Compression.Deflate).received == 5 * len(payload)


def test_eighty_open_streams_on_one_connection(stub):
    talks = [Talk(stub, timeout=30) for _ in range(80)]
    for turn in range(2):  # the second turn while all are open
        for talk in talks:
            talk.say(payload=b"x", sizes=[100 + turn])
        assert [len(next(talk.call).payload) for talk in talks] == [100 + turn] * 80
    for talk in talks:
        talk.shut()
    assert all(list(talk.call) == [] for talk in talks)


def test_two_hundred_calls_at_once_on_one_connection(stub):
    calls = [stub.Unary.future(pb.Ask(payload=b"x", together=200), timeout=25) for _ in range(200)]
    assert sum(call.result().received for call in calls) == 200


@pytest.fixture
def memory(request):
    """`memory()`: bytes the gateway has grown by since the test began; 0 when there is none in between."""
    if "gateway" not in request.node.callspec.params.values():
        return lambda: 0
    pid = request.getfixturevalue("gateway").pid
    before = procfs.rss(pid)
    return lambda: procfs.rss(pid) - before


def test_messages_of_24_mib_stream_through_and_memory_does_not_grow(stub, memory):
    size = 24 * MIB
    answer = stub.Unary(pb.Ask(payload=bytes(size), sizes=[size]), timeout=60)
    assert answer.received == size and len(answer.payload) == size
    assert memory() < 8 * MIB


def test_back_pressure_of_a_slow_reader(stub, memory):
    call = stub.Output(pb.Ask(sizes=[4 * MIB] * 12), timeout=60)
    time.sleep(1)
    assert memory() < 8 * MIB
    assert sum(len(answer.payload) for answer in call) == 48 * MIB
    assert memory() < 8 * MIB


def test_an_answer_before_the_upload_ends_arrives_whole(stub):
    def upload():
        yield pb.Ask(payload=b"x" * 1000, at_once=True, sizes=[2 * MIB])
        for _ in range(200):  # nobody reads these
            yield pb.Ask(payload=b"y" * 65_536)

    for _ in range(5):
        answer = stub.Input(upload(), timeout=20)
        assert answer.received == 1000 and len(answer.payload) == 2 * MIB


def test_a_failure_before_the_upload_ends_arrives(stub):
    def upload():
        yield pb.Ask(payload=b"x" * 1000, status=9, message="seen enough")
        for _ in range(200):
            yield pb.Ask(payload=b"y" * 65_536)

    for _ in range(5):
        assert failure(lambda: stub.Input(upload(), timeout=20)) == (grpc.StatusCode.FAILED_PRECONDITION, "seen enough")


def test_a_thousand_cancelled_calls_leave_the_connection_well(request, stub, server):
    for _ in range(5):
        calls = [stub.Unary.future(pb.Ask(wait_ms=10_000)) for _ in range(200)]
        for _ in calls:
            assert server.interop.begun.acquire(timeout=10)
        for call in calls:
            call.cancel()
        for _ in calls:
            assert server.interop.cancelled.acquire(timeout=10), "the server was not told"
    assert stub.Unary(pb.Ask(payload=b"still here"), timeout=5).received == 10
    if "gateway" in request.node.callspec.params.values():
        measured = metrics(request.getfixturevalue("gateway"))
        assert measured["nexus_http2_goaways_total"] == 0
        sockets.wait_until(lambda: metrics(request.getfixturevalue("gateway"))["nexus_streams_open"] == 1, 5, "every exchange to end")


def metrics(gateway) -> dict[str, float]:
    """The gateway's series without labels. The request for them is itself an open stream."""
    lines = httpx.get(f"http://{gateway.admin}/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.partition(" ") for line in lines if "{" not in line and not line.startswith("#"))}
