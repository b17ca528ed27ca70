"""gRPC through the gateway with independent ends: grpcio as client and as server, HTTP/2 on both sides."""

import concurrent.futures
import contextlib
import os
import threading

# Its handlers would run in the forked child before that becomes the gateway.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import grpc  # noqa: E402
import pytest  # noqa: E402

from harness.gateway import route, settings  # noqa: E402


class Bytes(grpc.GenericRpcHandler):
    """Four methods over plain bytes, one of each kind, and one that fails."""

    def service(self, details):
        def unary(request, context):
            context.set_trailing_metadata((("x-seen", dict(context.invocation_metadata()).get("x-own", "-")),))
            return request[::-1]

        def server_stream(request, context):
            for i in range(int(request)):
                yield b"%d" % i

        def client_stream(requests, context):
            return b"%d" % sum(len(r) for r in requests)

        def both(requests, context):
            for request in requests:
                yield request.upper()

        def fails(request, context):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

        def waits(request, context):
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait(10)
            self.cancelled.set()
            return b""

        return {
            "/t.Bytes/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/t.Bytes/ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
            "/t.Bytes/ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
            "/t.Bytes/Both": grpc.stream_stream_rpc_method_handler(both),
            "/t.Bytes/Fails": grpc.unary_unary_rpc_method_handler(fails),
            "/t.Bytes/Waits": grpc.unary_unary_rpc_method_handler(waits),
        }.get(details.method)

    def __init__(self):
        self.cancelled = threading.Event()


@pytest.fixture
def service():
    handler = Bytes()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.address = f"127.0.0.1:{port}"
    yield handler
    server.stop(0).wait()


@pytest.fixture
def channel(stage, service):
    gateway = stage.gateway(
        settings(service.address, clusters={"up": {"protocol": "http2"}}), [route(body_limit="unlimited", timeouts={"first_byte": "10s"})])
    with contextlib.closing(grpc.insecure_channel(gateway.address)) as made:
        yield made


def test_unary(channel):
    call = channel.unary_unary("/t.Bytes/Unary")
    answer, info = call.with_call(b"abc", metadata=(("x-own", "yes"),), timeout=5)
    assert answer == b"cba"
    assert dict(info.trailing_metadata())["x-seen"] == "yes"
    large = bytes(range(256)) * 4096
    assert call(large, timeout=10) == large[::-1]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert list(pool.map(lambda i: call(b"%d" % i, timeout=10), range(500))) == [(b"%d" % i)[::-1] for i in range(500)]


def test_streams_of_each_kind(channel):
    assert [int(x) for x in channel.unary_stream("/t.Bytes/ServerStream")(b"2000", timeout=10)] == list(range(2000))
    assert channel.stream_unary("/t.Bytes/ClientStream")((b"x" * 1000 for _ in range(500)), timeout=10) == b"500000"
    # One message each way in turn: nothing is held back until the stream ends.
    turn = threading.Semaphore(1)

    def asks():
        for i in range(20):
            assert turn.acquire(timeout=5)
            yield b"m%d" % i

    for i, answer in enumerate(channel.stream_stream("/t.Bytes/Both")(asks(), timeout=10)):
        assert answer == b"M%d" % i
        turn.release()


def test_errors_pass(channel):
    for method in ("Fails", "Unknown"):
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(f"/t.Bytes/{method}")(b"", timeout=5)
        expected = (grpc.StatusCode.NOT_FOUND, "no such thing") if method == "Fails" else (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        assert (failed.value.code(), failed.value.details()) == expected


def test_a_cancelled_call_is_cancelled_at_the_service(channel, service):
    call = channel.unary_unary("/t.Bytes/Waits").future(b"")
    with pytest.raises(grpc.FutureTimeoutError):
        call.result(timeout=0.3)
    call.cancel()
    assert service.cancelled.wait(5)
