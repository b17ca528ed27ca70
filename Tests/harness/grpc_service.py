"""An independent gRPC server (grpcio) for interoperability tests: does what the request says, and
remembers which calls it saw end early."""

import concurrent.futures
import pathlib
import threading

from .grpc_stubs import compiled

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks

pb, rpc = compiled(pathlib.Path(__file__).resolve().parents[1] / "Conformance/grpc", "interop")

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Interop(rpc.InteropServicer):
    """`nexus.interop.Interop`. Metadata `echo-initial` and `echo-trailing-bin` come back as they came."""

    def __init__(self):
        self.cancelled = threading.Semaphore(0)  # once for each call that ended before it was answered
        self.begun = threading.Semaphore(0)
        self._here = 0
        self._gathered = threading.Condition()

    def _begin(self, context) -> None:
        done, ended = [], threading.Event()

        def terminated() -> None:
            ended.set()
            if not done:
                self.cancelled.release()

        context.add_callback(terminated)
        context.finished, context.ended = done, ended
        self.begun.release()
        seen = context.invocation_metadata()
        if initial := [(key, value) for key, value in seen if key in ("echo-initial", "echo_initial")]:
            context.send_initial_metadata(initial)
        context.set_trailing_metadata([(key, value) for key, value in seen if key.startswith("echo-trailing")])

    @staticmethod
    def _answer(context, ask, size: int, received: int):
        context.ended.wait(min(ask.wait_ms, 10_000) / 1000)
        left = context.time_remaining()
        return pb.Answer(
            payload=b"\0" * size, received=received, milliseconds_left=int(left * 1000) if left is not None and left < 1e6 else 0,
            metadata=[pb.Entry(key=key, value=value if isinstance(value, bytes) else value.encode()) for key, value in context.invocation_metadata()])

    @staticmethod
    def _end(context, ask) -> None:
        if ask.status:
            context.finished.append(True)
            context.abort(CODES[ask.status], ask.message)

    @staticmethod
    def _finish(context) -> None:
        """For a moment, a cancelled call looks to grpcio like one whose requests have ended."""
        if not context.ended.wait(0.1):
            context.finished.append(True)

    def Unary(self, request, context):
        self._begin(context)
        self._end(context, request)
        if request.gzip:
            context.set_compression(grpc.Compression.Gzip)
        if request.together:
            self._gather(request.together)
        answer = self._answer(context, request, sum(request.sizes), len(request.payload))
        context.finished.append(True)
        return answer

    def _gather(self, number: int) -> None:
        with self._gathered:
            self._here += 1
            self._gathered.notify_all()
            if not self._gathered.wait_for(lambda: self._here % number == 0, 20):
                raise AssertionError(f"{self._here} of {number} calls came")

    def Output(self, request, context):
        self._begin(context)
        for size in request.sizes:
            yield self._answer(context, request, size, len(request.payload))
        self._end(context, request)
        context.finished.append(True)

    def Input(self, requests, context):
        self._begin(context)
        received, request = 0, pb.Ask()
        for request in requests:
            received += len(request.payload)
            self._end(context, request)
            if request.at_once:
                break
        answer = self._answer(context, request, sum(request.sizes), received)
        self._finish(context)
        return answer

    def Duplex(self, requests, context):
        self._begin(context)
        received = 0
        for request in requests:
            received += len(request.payload)
            for size in request.sizes:
                yield self._answer(context, request, size, received)
            self._end(context, request)
        self._finish(context)

    def forget(self) -> None:
        """Start counting anew."""
        for each in (self.cancelled, self.begun):
            while each.acquire(blocking=False):
                pass


class Server:
    """Interop on a port of its own; ends with its `with`."""

    def __init__(self):
        self.interop = Interop()
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(400), options=[*UNLIMITED, ("grpc.max_concurrent_streams", 1000)])
        rpc.add_InteropServicer_to_server(self.interop, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()
