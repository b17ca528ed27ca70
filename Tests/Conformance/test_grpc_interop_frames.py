"""gRPC's frames as they are on the wire, where a library would hide them: each case between a raw client
and a raw upstream directly, which proves the test, and then with the gateway in between."""

import contextlib
import gzip
import struct
import time

import pytest

from harness import procfs, sockets
from harness.gateway import listener, settings
from harness.http2 import Code, Kind, Setting, data, headers, request_fields, rst
from harness.http2_ends import Client, Service, Upstream

CALL = (("content-type", "application/grpc"), ("te", "trailers"))
ANSWER = ("content-type", "application/grpc")
MIB = 1 << 20


def message(payload: bytes = b"", compressed: bool = False) -> bytes:
    """A length-prefixed message."""
    return struct.pack(">BI", compressed, len(payload)) + payload


@pytest.fixture(params=["direct", "gateway"])
def ends(request, stage):
    """`ends(play, **client)` → a client, and the upstream that plays; `ends.gateway` when there is one."""
    with contextlib.ExitStack() as stack:
        def start(play, **options):
            upstream = stack.enter_context(Upstream(play, ours={Setting.MAX_CONCURRENT_STREAMS: 1000}))
            start.gateway, address = None, upstream.address
            if request.param == "gateway":
                config = settings(upstream.address, listeners=[listener()], clusters={"up": {"protocol": "http2"}})
                calls = {"name": "calls", "match": {"grpc": "p.Service/*"}, "target": {"cluster": "up"}, "body_limit": "unlimited"}
                start.gateway = stage.gateway(config, [calls])
                address = start.gateway.address
            client = stack.enter_context(Client(address, **options)).settle()
            stack.callback(lambda: client.violations and pytest.fail(f"the client was sent what is malformed: {client.violations[:3]}"))
            return client, upstream

        yield start


def call(client: Client, *fields, body: bytes | None = message(b"ask"), path: str = "/p.Service/Method"):
    """A call; without a body its requests go on."""
    stream = client.open(request_fields(path, *CALL, *fields, method="POST"), False, "POST")
    if body is not None:
        client.send_body(stream, body)
    return stream


def test_a_status_of_no_enumeration_passes_in_trailers(ends):
    def play(service: Service):
        service.answer(service.read_request(), message(b"a"), ANSWER, trailers=(("grpc-status", "400"), ("grpc-message", "Credit%20card%C3%BC is invalid 100%")))

    client, _ = ends(play)
    stream = client.finish(call(client))
    assert stream.status == 200 and stream.body == message(b"a")
    assert dict(stream.trailers) == {b"grpc-status": b"400", b"grpc-message": b"Credit%20card%C3%BC is invalid 100%"}


def test_a_trailers_only_answer_stays_one(ends):
    def play(service: Service):
        stream = service.read_request()
        service.head(stream, ANSWER, ("grpc-status", "400"), ("grpc-message", "no"), ("own-bin", "q6ur"), end=True)

    client, _ = ends(play)
    stream = client.finish(call(client))
    assert stream.end == "complete" and stream.status == 200 and len(stream.sections) == 1 and stream.count == 0
    assert stream.field("grpc-status") == "400" and stream.field("grpc-message") == "no" and stream.field("own-bin") == "q6ur"
    assert stream.field("content-type") == "application/grpc"
    # One frame: a client that looks for END_STREAM there takes the status from it.
    assert not [each for each in client.frames if each.kind == Kind.DATA]


def test_success_has_its_status_in_trailers_too(ends):
    def play(service: Service):
        service.answer(service.read_request(), message(), ANSWER, trailers=(("grpc-status", "0"),))

    client, _ = ends(play)
    stream = client.finish(call(client))
    assert stream.trailers == [(b"grpc-status", b"0")] and stream.field("grpc-status") is None and stream.field("content-length") is None


def test_fields_stay_apart_and_keep_their_names(ends):
    many = [("own", "one"), ("own", "two, three"), ("under_score", "kept"), ("own-bin", "q6ur"), ("own-bin", "q6s"), ("dotted.name", "kept")]

    def play(service: Service):
        stream = service.read_request()
        service.head(stream, ANSWER, *many)
        service.body(stream, message(), end=False)
        service.send(headers(stream.number, service.encode([("grpc-status", "0"), *many])))

    client, upstream = ends(play)
    stream = client.finish(call(client, *many))
    expected = [(name.encode(), value.encode()) for name, value in many]
    names = {name for name, _ in expected}
    for section in (upstream.heads[0].head, stream.head, stream.trailers):
        assert [field for field in section if field[0] in names] == expected


def test_what_a_call_says_of_itself_reaches_the_upstream(ends):
    def play(service: Service):
        service.answer(service.read_request(), message(), ANSWER, trailers=(("grpc-status", "0"),))

    client, upstream = ends(play)
    client.finish(call(client, ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip"), ("grpc-timeout", "5S"), ("user-agent", "own/1")))
    seen = upstream.heads[0]
    assert bool(seen.field("via")) == bool(ends.gateway)
    assert seen.field(":method") == "POST" and seen.path == "/p.Service/Method"
    assert seen.field("te") == "trailers" and seen.field("content-type") == "application/grpc" and seen.field("user-agent") == "own/1"
    assert seen.field("grpc-encoding") == "gzip" and seen.field("grpc-accept-encoding") == "gzip"
    timeout = seen.field("grpc-timeout")
    left = int(timeout[:-1]) * {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}[timeout[-1]]
    assert len(timeout) <= 9 and 4 < left <= 5


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+json"])
def test_every_content_type_of_grpc_passes(ends, kind):
    def play(service: Service):
        service.answer(service.read_request(), message(), ("content-type", kind), trailers=(("grpc-status", "0"),))

    client, upstream = ends(play)
    stream = client.open(request_fields("/p.Service/Method", ("content-type", kind), ("te", "trailers"), method="POST"), False, "POST")
    client.send_body(stream, message())
    assert client.finish(stream).field("content-type") == kind and upstream.heads[0].field("content-type") == kind


def test_compressed_messages_pass_as_they_are(ends):
    asked, answered = message(gzip.compress(b"ask" * 1000), True), message(gzip.compress(b"answer" * 1000), True) + message(b"plain")

    def play(service: Service):
        stream = service.read_request()
        service.answer(stream, answered, ANSWER, ("grpc-encoding", "gzip"), trailers=(("grpc-status", "0"),))

    client, upstream = ends(play)
    stream = client.finish(call(client, ("grpc-encoding", "gzip"), body=asked))
    assert upstream.requests[0].body == asked and stream.body == answered and stream.field("grpc-encoding") == "gzip"


def test_pieces_of_a_message_are_not_held_back(ends):
    """A reader may begin before the message is there, and each piece is as small as it comes."""
    whole = message(b"in many pieces")

    def play(service: Service):
        stream = service.read_head()
        for at in range(1, len(whole) + 1):
            assert service.pump(lambda: len(stream.body) >= at), f"only {len(stream.body)} bytes came"
            if at == 1:
                service.head(stream, ANSWER)
            service.send(data(stream.number, whole[at - 1 : at]))
        service.send(headers(stream.number, service.encode([("grpc-status", "0")])))

    client, _ = ends(play)
    stream = call(client, body=None)
    for at in range(len(whole)):
        client.send(data(stream.number, whole[at : at + 1]))
        assert client.pump(lambda: len(stream.body) == at + 1), "the piece did not come back"
    client.finish(stream)
    assert stream.body == whole and stream.trailers == [(b"grpc-status", b"0")]


def test_empty_streams_of_each_direction(ends):
    def play(service: Service):
        for _ in range(2):
            stream = service.read_request()
            service.head(stream, ANSWER)
            service.send(headers(stream.number, service.encode([("grpc-status", "0")])))

    client, upstream = ends(play)
    for body in (b"", message()):
        stream = client.finish(call(client, body=body))
        assert stream.end == "complete" and stream.body == b"" and stream.trailers == [(b"grpc-status", b"0")]
    assert [bytes(each.body) for each in upstream.requests] == [b"", message()]


@pytest.mark.parametrize("afterwards", ["nothing", "reset"])
def test_an_answer_before_the_upload_ends_arrives_whole(ends, afterwards):
    """gRPC allows the server to end a call while its client still sends; the answer counts."""
    answer = message(b"a" * MIB)

    def play(service: Service):
        stream = service.read_head()
        service.pump(lambda: stream.count > 0)
        service.head(stream, ANSWER)
        service.body(stream, answer, end=False)
        service.send(headers(stream.number, service.encode([("grpc-status", "11"), ("grpc-message", "enough")])))
        if afterwards == "reset":
            service.reset(stream, Code.NO_ERROR)
        service.hold(2)

    client, _ = ends(play)
    stream = call(client, body=None)
    client.send_body(stream, message(b"u" * 100_000), end=False, timeout=1)
    client.finish(stream, 10)
    assert stream.end == "complete" and len(stream.body) == len(answer)
    assert dict(stream.trailers) == {b"grpc-status": b"11", b"grpc-message": b"enough"}
    assert stream.reset in (None, Code.NO_ERROR)
    # The connection is none the worse for it.
    assert client.answers()


def test_a_cancelled_call_is_cancelled_upstream(ends):
    def play(service: Service):
        stream = service.read_head()
        service.pump(lambda: stream.reset is not None, 5)

    client, upstream = ends(play)
    stream = call(client, body=None)
    client.send(data(stream.number, message(b"begun")))
    sockets.wait_until(lambda: upstream.heads and upstream.heads[0].count, 5, "the call to arrive")
    began = time.monotonic()
    client.send(rst(stream.number, Code.CANCEL))
    sockets.wait_until(lambda: upstream.heads[0].reset is not None, 5, "the reset to arrive")
    assert upstream.heads[0].reset == Code.CANCEL and time.monotonic() - began < 1
    assert client.answers()


@pytest.mark.parametrize("begun", [False, True])
def test_a_call_cut_by_the_upstream_never_looks_whole(ends, begun):
    """Before the head: a failure as status or reset. After it: a reset or a status that is no success."""
    def play(service: Service):
        stream = service.read_head()
        if begun:
            service.head(stream, ANSWER)
            service.send(data(stream.number, message(b"first")))
            time.sleep(0.2)
        service.reset(stream, Code.CANCEL)
        service.hold(2)

    client, _ = ends(play)
    began = time.monotonic()
    stream = client.finish(call(client, body=None), 5)
    assert time.monotonic() - began < 2
    status = dict([*stream.head, *stream.trailers]).get(b"grpc-status")
    assert stream.reset is not None or (stream.status == 200 and status not in (None, b"0")), str(stream)
    if begun:
        assert stream.body == message(b"first")


def test_settings_nobody_knows_and_large_windows_are_no_matter(ends):
    """As clients of the shop greet: a window of 4 MiB, and ids no list of settings has."""
    def play(service: Service):
        service.answer(service.read_request(), message(b"a" * 3 * MIB), ANSWER, trailers=(("grpc-status", "0"),))

    client, _ = ends(play, ours={Setting.INITIAL_WINDOW_SIZE: 4 * MIB, 0xFE03: 1, 0xFE5A: 77, Setting.MAX_FRAME_SIZE: 4 * MIB})
    stream = client.finish(call(client), 10)
    assert len(stream.body) == 3 * MIB + 5 and stream.trailers == [(b"grpc-status", b"0")]


def test_seventy_streams_are_open_at_once(ends):
    """The seventieth gets its first message while none has ended, and then all go on."""
    def play(service: Service):
        begun = []
        for _ in range(70):
            stream = service.read_head()
            service.head(stream, ANSWER)
            service.send(data(stream.number, message(b"first")))
            begun.append(stream)
        for stream in begun:
            assert service.pump(lambda: stream.ended, 10)
            service.send(data(stream.number, bytes(stream.body)))
            service.send(headers(stream.number, service.encode([("grpc-status", "0")])))

    client, upstream = ends(play)
    streams = [call(client, body=None) for _ in range(70)]
    assert client.pump(lambda: all(stream.body == message(b"first") for stream in streams), 10)
    for stream in streams:
        client.send(data(stream.number, message(b"%d" % stream.number), True))
    for stream in streams:
        assert client.finish(stream, 10).body == message(b"first") + message(b"%d" % stream.number)
        assert stream.trailers == [(b"grpc-status", b"0")]
    assert len(upstream.links) == 1


def test_back_pressure_of_an_upload_nobody_reads(ends):
    """A message of 32 MiB whose reader sleeps: what lies in between is bounded by the windows."""
    def play(service: Service):
        service.read_head()
        service.consume = False
        time.sleep(3)

    client, _ = ends(play)
    stream = call(client, body=None)
    before = procfs.rss(ends.gateway.pid) if ends.gateway else 0
    assert not client.send_body(stream, message(bytes(32 * MIB)), timeout=1)
    sent = client.sent
    assert sent < 4 * MIB
    if ends.gateway:
        assert procfs.rss(ends.gateway.pid) - before < 4 * MIB
