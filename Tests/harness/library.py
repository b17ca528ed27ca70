"""`test.library.v1.Library`: an independent gRPC server (grpcio) behind transcoding tests."""

import concurrent.futures
import contextlib
import pathlib
import subprocess
import sys
import time

from .grpc_stubs import compiled

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks
from google.protobuf import any_pb2  # noqa: E402

PROTO = pathlib.Path(__file__).resolve().parents[1] / "EndToEnd/grpc"
pb, rpc = compiled(PROTO, "library")
CODES = {code.value[0]: code for code in grpc.StatusCode}


def descriptors(folder: pathlib.Path) -> str:
    """The path of the compiled contracts, made in `folder`."""
    import grpc_tools

    path = folder / "library.binpb"
    if not path.exists():
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{well_known}", "--include_imports",
             f"--descriptor_set_out={path}", "library.proto"], check=True)
    return str(path)


class Library(rpc.LibraryServicer):
    def __init__(self):
        self.metadata: list[list[tuple[str, str]]] = []
        self.created: list = []
        self.deadlines: list[float | None] = []

    def _begin(self, context) -> None:
        self.metadata.append([(key, value) for key, value in context.invocation_metadata()])
        self.deadlines.append(context.time_remaining())

    def GetBook(self, request, context):
        self._begin(context)
        time.sleep(min(request.wait_ms, 5_000) / 1000)
        context.send_initial_metadata([("shelf-mark", "A 7")])
        if request.status:
            if request.with_details:
                context.set_trailing_metadata([("grpc-status-details-bin", details(request))])
            context.abort(CODES[request.status], request.message)
        return pb.Book(
            name=request.name, title="The Müller Papers", copies=9_007_199_254_740_993, kind=pb.NOVEL,
            author=pb.Author(full_name="A. Müller", birth_year=1950), tags=["a", "b"], cover=b"\x00\xff\xfe",
            shelves={"x": 1}, price=12.5, room="east", lent=False,
            published={"seconds": 1_700_000_000, "nanos": 120_000_000}, loan={"seconds": 3, "nanos": 500_000_000})

    def CreateBook(self, request, context):
        self._begin(context)
        self.created.append(request)
        return request.book

    def SearchBooks(self, request, context):
        self._begin(context)
        return pb.Books(books=[pb.Book(name="1"), pb.Book(name="2")], asked=request)

    def ListBooks(self, request, context):
        self._begin(context)
        for i in range(request.count):
            yield pb.Book(name=str(i + 1), copies=i)
            time.sleep(request.wait_ms / 1000)
        if request.status:
            context.abort(CODES[request.status], request.message)

    def ImportBooks(self, requests, context):
        self._begin(context)
        names = [book.name for book in requests]
        return pb.ImportResult(count=len(names), names=names)

    def Discuss(self, requests, context):
        self._begin(context)
        for note in requests:
            yield pb.Note(text=note.text.upper())

    def Forget(self, request, context):
        self._begin(context)
        from google.protobuf import empty_pb2

        return empty_pb2.Empty()


def details(request) -> bytes:
    """A google.rpc.Status with a BadRequest, put together by hand: no generated code for it is at hand."""

    def field(number: int, value: bytes) -> bytes:
        assert len(value) < 128
        return bytes([number << 3 | 2, len(value)]) + value

    violation = field(1, b"name") + field(2, b"is not a name")
    wrapped = any_pb2.Any(type_url="type.googleapis.com/google.rpc.BadRequest", value=field(1, violation))
    any_bytes = wrapped.SerializeToString()
    return bytes([8, request.status]) + field(2, request.message.encode()) + field(3, any_bytes)


@contextlib.contextmanager
def serving():
    """`(service, address)` of a library on a free port."""
    service = Library()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=16))
    rpc.add_LibraryServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield service, f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
