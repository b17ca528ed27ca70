"""A grpcio server whose methods take and give plain bytes, so that tests need no schema."""

import concurrent.futures
import os
import threading

# Its handlers would run in the forked child before that becomes the gateway.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import grpc  # noqa: E402


class Service(grpc.GenericRpcHandler):
    """`t.Web`: listens for the length of its `with`."""

    def __init__(self):
        self.metadata: list[tuple[str, str]] = []
        self.gone = threading.Event()
        self.go_on = threading.Semaphore(0)

    def service(self, details):
        def turned(request, context):
            self.metadata = list(context.invocation_metadata())
            context.send_initial_metadata((("x-first", "early"), ("x-first", "twice")))
            context.set_trailing_metadata((("x-last", "late"), ("x-raw-bin", b"\x00\xff\x80")))
            return request[::-1]

        def counts(request, context):
            for i in range(int(request)):
                yield b"%d" % i

        def steps(request, context):
            for i in range(int(request)):
                self.go_on.acquire(timeout=10)
                yield b"%d" % i

        def fails(request, context):
            context.abort(grpc.StatusCode.NOT_FOUND, "keine Straße: 100%")

        def fails_late(request, context):
            yield b"one"
            yield b"two"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more")

        def waits(request, context):
            context.add_callback(self.gone.set)
            yield b"began"
            self.gone.wait(10)

        return {
            "/t.Web/Turned": grpc.unary_unary_rpc_method_handler(turned),
            "/t.Web/Counts": grpc.unary_stream_rpc_method_handler(counts),
            "/t.Web/Steps": grpc.unary_stream_rpc_method_handler(steps),
            "/t.Web/Fails": grpc.unary_unary_rpc_method_handler(fails),
            "/t.Web/FailsLate": grpc.unary_stream_rpc_method_handler(fails_late),
            "/t.Web/Waits": grpc.unary_stream_rpc_method_handler(waits),
        }.get(details.method)

    def __enter__(self) -> "Service":
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=[self], options=options)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()
