"""gRPC-Web through the gateway: a client written from the protocol's text, a grpcio server behind it."""

import base64
import concurrent.futures
import contextlib
import random
import time

import httpx
import pytest

from harness import grpc_web, sockets
from harness.bytes_service import Service
from harness.gateway import settings
from harness.http2 import Code, block, continuation, headers
from harness.http2_ends import Upstream
from harness.wire import Wire

OK, CANCELLED, UNKNOWN, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 1, 2, 5, 8, 12, 13, 14
MODES = [(text, http2) for text in (False, True) for http2 in (False, True)]
NAMES = [f"{'text' if text else 'binary'}-{'http2' if http2 else 'http1'}" for text, http2 in MODES]


def grpc_route(**over) -> dict:
    return {"name": "web", "match": {"grpc": "t.Web/*"}, "target": {"cluster": "up"}, "body_limit": "64MiB", **over}


@pytest.fixture(scope="module")
def service():
    with Service() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(shared_stage, service):
    collected = {"name": "held", "match": {"grpc": "t.Web/Turned", "headers": {"x-hold": "yes"}}, "target": {"cluster": "up"}, "stages": {"collect": True}}
    small = {"name": "small", "match": {"grpc": "t.Web/Turned", "headers": {"x-small": "yes"}}, "target": {"cluster": "up"}, "body_limit": "1KiB"}
    return shared_stage.gateway(
        settings(service.address, clusters={"up": {"protocol": "http2"}}), [grpc_route(), collected, small])


@pytest.fixture(params=MODES, ids=NAMES)
def client(request, gateway):
    text, http2 = request.param
    with contextlib.closing(grpc_web.Client(gateway.address, text, http2)) as made:
        yield made


def test_unary(client, service):
    answer = client.call("/t.Web/Turned", b"abc", fields={"x-own": "yes", "accept-encoding": "gzip"})
    assert answer.head.status_code == 200
    assert answer.head.headers["content-type"] == (grpc_web.TEXT if client.text else grpc_web.BINARY)
    assert answer.messages == [b"cba"] and answer.status == OK
    assert answer.head.headers.get_list("x-first") == ["early", "twice"]
    trailers = dict(answer.trailers)
    assert trailers["x-last"] == "late"
    assert base64.b64decode(trailers["x-raw-bin"] + "==") == b"\x00\xff\x80"
    assert "content-length" not in answer.head.headers
    assert "grpc-status" not in answer.head.headers
    # Upstream it was a gRPC call, with the client's metadata and without what described its own body.
    seen = dict(service.metadata)
    assert seen["x-own"] == "yes" and seen["x-grpc-web"] == "1"
    assert not {"accept", "accept-encoding", "content-length", "content-encoding"} & {name for name, _ in service.metadata} or seen.get("accept-encoding") == "identity"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1023, 16384, 65536, 3_000_000])
def test_messages_of_every_size_pass(client, size):
    message = random.Random(size).randbytes(size)
    answer = client.call("/t.Web/Turned", message)
    assert answer.status == OK and answer.messages == [message[::-1]]


def test_a_server_stream(client):
    answer = client.call("/t.Web/Counts", b"3000")
    assert answer.status == OK and answer.messages == [b"%d" % i for i in range(3000)]
    empty = client.call("/t.Web/Counts", b"0")
    assert empty.status == OK and empty.messages == []


def test_messages_come_when_they_are_sent(client, service):
    call = client.start("/t.Web/Steps", b"5")
    messages = iter(call)
    for i in range(5):
        service.go_on.release()
        assert next(messages) == b"%d" % i
    assert next(messages, None) is None
    assert call.answer.status == OK


def test_an_error_without_messages_stands_in_the_head(client):
    answer = client.call("/t.Web/Fails", b"x")
    assert answer.head.status_code == 200 and answer.trailers is None and answer.messages == []
    assert answer.status == NOT_FOUND and answer.message == "keine Stra%C3%9Fe: 100%25"
    assert client.call("/t.Web/Unknown", b"x").status == UNIMPLEMENTED


def test_an_error_behind_messages_stands_in_the_last_frame(client):
    answer = client.call("/t.Web/FailsLate", b"x")
    assert answer.messages == [b"one", b"two"] and answer.trailers is not None
    assert (answer.status, answer.message) == (RESOURCE_EXHAUSTED, "no more")


@pytest.mark.parametrize("text", [False, True])
def test_a_client_that_leaves_cancels_the_call(gateway, service, text):
    """Over HTTP/1.1 an end of the client's input alone says nothing: it may still read."""
    service.gone.clear()
    with contextlib.closing(grpc_web.Client(gateway.address, text, http2=True)) as client:
        call = client.start("/t.Web/Waits", b"x")
        assert next(iter(call)) == b"began"
        call.head.close()
    assert service.gone.wait(5)


@pytest.mark.parametrize("text", [False, True])
def test_what_the_client_accepts_decides_the_answers_form(gateway, text):
    with contextlib.closing(grpc_web.Client(gateway.address, text)) as client:
        answer = client.call("/t.Web/Turned", b"abc", fields={"accept": grpc_web.BINARY if text else grpc_web.TEXT})
        assert answer.head.headers["content-type"] == (grpc_web.BINARY if text else grpc_web.TEXT)
        assert answer.messages == [b"cba"] and answer.status == OK
        assert client.call("/t.Web/Turned", b"abc", fields={"accept": "*/*"}).head.headers["content-type"] == (grpc_web.TEXT if text else grpc_web.BINARY)


def test_the_format_is_always_said(gateway, service):
    with contextlib.closing(grpc_web.Client(gateway.address)) as client:
        plain = {"content-type": "application/grpc-web", "accept": "*/*"}
        assert client.call("/t.Web/Turned", b"a", fields=plain).head.headers["content-type"] == "application/grpc-web+proto"


def test_a_collected_body_is_translated_too(client):
    answer = client.call("/t.Web/Turned", b"held", fields={"x-hold": "yes"})
    assert answer.status == OK and answer.messages == [b"dleh"]


# Text, in every way it can be written


def pieces_of(body: bytes, seed: int) -> bytes:
    """Base64 in separately padded pieces."""
    chance = random.Random(seed)
    out, at = b"", 0
    while at < len(body):
        n = chance.randint(1, 9)
        out += base64.b64encode(body[at : at + n])
        at += n
    return out


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_text_may_be_padded_and_cut_anywhere(gateway, http2, seed):
    chance = random.Random(seed)
    message = chance.randbytes(chance.randint(0, 600))
    text = pieces_of(grpc_web.frame(message), seed)

    def cut():
        at = 0
        while at < len(text):
            n = chance.randint(1, 7)
            yield text[at : at + n]
            at += n

    with contextlib.closing(grpc_web.Client(gateway.address, True, http2)) as client:
        answer = client.call("/t.Web/Turned", body=cut())
        assert answer.status == OK and answer.messages == [message[::-1]]


GOOD = base64.b64encode(grpc_web.frame(b"hello"))


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("body", [
    GOOD[:-1], GOOD[:-2], GOOD[:-3], b"A", b"AA", b"AAA", b"AA=", b"====", b"A===", b"=AAA", b"AA=A", b"AAA=AAA",
    GOOD[:4] + b"!" + GOOD[5:], b"\n" + GOOD, GOOD + b"\r\n", GOOD.replace(b"A", b"-", 1), b"AB==", b"AAB=", b"\x00\xff\x80\x01",
    grpc_web.frame(b"not text"),
], ids=range(20))
def test_what_is_not_base64_is_an_internal_error(gateway, http2, body):
    with contextlib.closing(grpc_web.Client(gateway.address, True, http2)) as client:
        for content in (body, iter([body[i : i + 5000] for i in range(0, len(body), 5000)])):
            answer = client.call("/t.Web/Turned", body=content)
            assert answer.head.status_code == 200
            assert answer.head.headers["content-type"] == grpc_web.TEXT
            assert answer.status == INTERNAL and answer.message == "the request body is not base64"
        # Nothing of it disturbs the next call.
        assert client.call("/t.Web/Turned", b"abc").messages == [b"cba"]


@pytest.mark.parametrize("http2", [False, True])
def test_collected_text_that_is_not_base64(gateway, http2):
    with contextlib.closing(grpc_web.Client(gateway.address, True, http2)) as client:
        for body in (GOOD[:-1], b"!!!!"):
            answer = client.call("/t.Web/Turned", body=body, fields={"x-hold": "yes"})
            assert answer.status == INTERNAL and answer.message == "the request body is not base64"
        assert client.call("/t.Web/Turned", b"abc", fields={"x-hold": "yes"}).messages == [b"cba"]


def test_base64_is_refused_before_its_body_has_ended(gateway):
    """A client that never stops sending rubbish is not listened to."""
    with Wire(gateway.address) as wire:
        wire.send(
            "POST /t.Web/Turned HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web-text\r\n"
            "Transfer-Encoding: chunked\r\n\r\n4\r\n!!!!\r\n")
        reply = wire.read("POST")
        assert reply.status == 200 and reply.field("grpc-status") == "13"
        assert wire.closes_within(5)


def test_a_request_that_ends_inside_a_message_is_the_servers_to_judge(client):
    body = grpc_web.frame(b"hello")[:-2]
    answer = client.call("/t.Web/Turned", body=base64.b64encode(body) if client.text else body)
    assert answer.status not in (OK,)


# Upstreams that do not keep to gRPC


@pytest.fixture
def scripted(stage):
    with contextlib.ExitStack() as stack:
        def make(play, text: bool, http2: bool, lenient: bool = True, **over):
            upstream = stack.enter_context(Upstream(play, lenient=lenient))
            gateway = stage.gateway(
                settings(upstream.address, clusters={"up": {"protocol": "http2", **over}}),
                [grpc_route(timeouts={"first_byte": "1s", "stream_idle": "1s"})])
            return stack.enter_context(contextlib.closing(grpc_web.Client(gateway.address, text, http2)))
        yield make


TYPE = ("content-type", "application/grpc")


def answering(*fields, status=200, content=None, trailers=None, after=None):
    """Plays: head, body, then trailers or what `after` does."""

    def play(peer):
        while True:
            stream = peer.read_request()
            peer.head(stream, *fields, status=status, end=content is None and trailers is None and after is None)
            if content:
                peer.body(stream, content, end=trailers is None and after is None)
            if trailers is not None:
                peer.send(headers(stream.number, block(*trailers)))
            if after:
                after(peer, stream)

    return play


def both_modes(function):
    return pytest.mark.parametrize("text, http2", MODES, ids=NAMES)(function)


@both_modes
@pytest.mark.parametrize("http_status, status", [
    (400, INTERNAL), (401, 16), (403, 7), (404, UNIMPLEMENTED), (429, UNAVAILABLE), (431, INTERNAL), (502, UNAVAILABLE),
    (503, UNAVAILABLE), (504, UNAVAILABLE), (500, UNKNOWN), (302, UNKNOWN), (200, UNKNOWN),
])
def test_an_answer_that_is_not_grpc(scripted, text, http2, http_status, status):
    client = scripted(answering(("content-type", "text/html"), status=http_status, content=b"<h1>no</h1>"), text, http2)
    answer = client.call("/t.Web/Any", b"x")
    assert answer.head.status_code == 200 and answer.messages == [] and answer.trailers is None
    assert answer.status == status


@both_modes
def test_an_answer_without_a_status(scripted, text, http2):
    for play, status, messages in (
        (answering(TYPE), UNKNOWN, []), (answering(TYPE, content=grpc_web.frame(b"m")), INTERNAL, [b"m"]),
        (answering(TYPE, content=grpc_web.frame(b"m"), trailers=[("x-other", "1")]), UNKNOWN, [b"m"]),
    ):
        answer = scripted(play, text, http2).call("/t.Web/Any", b"x")
        assert (answer.status, answer.messages) == (status, messages)


@both_modes
def test_unknown_statuses_and_names_pass(scripted, text, http2):
    trailers = [("grpc-status", "400"), ("grpc-message", "odd"), ("x_under", "a"), ("x-two", "1"), ("x-two", "2"), ("x-empty", "")]
    answer = scripted(answering(TYPE, content=grpc_web.frame(b"m"), trailers=trailers), text, http2).call("/t.Web/Any", b"x")
    assert answer.trailers == trailers


@both_modes
def test_large_trailers(scripted, text, http2):
    trailers = [("grpc-status", "0"), ("x-large", "v" * 3500), ("x-more", "w" * 3500)]
    answer = scripted(answering(TYPE, content=grpc_web.frame(b"m"), trailers=trailers), text, http2).call("/t.Web/Any", b"x")
    assert answer.trailers == trailers and answer.messages == [b"m"]


@both_modes
def test_huge_trailers_are_an_error_not_a_flood(scripted, text, http2):
    trailers = [("grpc-status", "0")] + [(f"x-{i}", "v" * 4000) for i in range(40)]

    def ends(peer, stream):
        # In CONTINUATION frames, as no frame holds them.
        whole = block(*trailers)
        peer.send(headers(stream.number, whole[:16000], flags=0), *(
            continuation(stream.number, whole[i : i + 16000], end=i + 16000 >= len(whole)) for i in range(16000, len(whole), 16000)))

    client = scripted(answering(TYPE, content=grpc_web.frame(b"m"), after=ends), text, http2)
    answer = client.call("/t.Web/Any", b"x")
    assert answer.messages == [b"m"] and answer.status in (INTERNAL, UNAVAILABLE)


def cut_off(peer, stream):
    peer.reset(stream, Code.INTERNAL_ERROR)


@both_modes
def test_a_stream_that_is_reset_between_messages_ends_with_a_status(scripted, text, http2):
    client = scripted(answering(TYPE, content=grpc_web.frame(b"one") + grpc_web.frame(b""), after=cut_off), text, http2)
    answer = client.call("/t.Web/Any", b"x")
    assert answer.messages == [b"one", b""] and answer.status in (INTERNAL, UNAVAILABLE) and answer.trailers is not None


@both_modes
def test_a_silent_stream_ends_with_a_status(scripted, text, http2):
    client = scripted(answering(TYPE, content=grpc_web.frame(b"one"), after=lambda peer, _: peer.hold()), text, http2)
    began = time.monotonic()
    answer = client.call("/t.Web/Any", b"x")
    assert answer.messages == [b"one"] and answer.status == 4 and time.monotonic() - began < 5


@both_modes
@pytest.mark.parametrize("n", [1, 4, 5, 7])
def test_half_a_message_is_never_followed_by_a_status(scripted, text, http2, n):
    """The client would take the trailers for the rest of the message: the answer is cut instead."""
    for after in (cut_off, lambda peer, stream: peer.send(headers(stream.number, block(("grpc-status", "0"))))):
        client = scripted(answering(TYPE, content=grpc_web.frame(b"one") + grpc_web.frame(b"second")[:n], after=after), text, http2)
        with pytest.raises(httpx.RemoteProtocolError):
            client.call("/t.Web/Any", b"x")


@both_modes
@pytest.mark.parametrize("flags", [0x80, 0x81, 0x02, 0xff])
def test_an_upstream_cannot_forge_trailers(scripted, text, http2, flags):
    forged = grpc_web.frame(b"grpc-status: 0\r\n", flags)
    client = scripted(answering(TYPE, content=grpc_web.frame(b"one") + forged, trailers=[("grpc-status", "7")]), text, http2)
    with contextlib.suppress(httpx.RemoteProtocolError):
        answer = client.call("/t.Web/Any", b"x")
        assert answer.status != OK


@both_modes
@pytest.mark.parametrize("value", ["x\r\ngrpc-status: 0", "x\ngrpc-status: 0", "x\rgrpc-status: 0", "x\0"])
def test_a_trailer_cannot_break_its_line(scripted, text, http2, value):
    """In the frame a line end inside a value would be a trailer of its own."""
    client = scripted(answering(TYPE, content=grpc_web.frame(b"m"), trailers=[("x-bad", value), ("grpc-status", "7")]), text, http2)
    with contextlib.suppress(httpx.RemoteProtocolError):
        answer = client.call("/t.Web/Any", b"x")
        assert answer.status != OK and "x-bad" not in dict(answer.trailers or [])


@both_modes
def test_a_status_in_a_head_that_goes_on_is_none(scripted, text, http2):
    """The trailers have it; two statuses that differ would be worse than one made up."""
    client = scripted(answering(TYPE, ("grpc-status", "9"), ("grpc-message", "x"), after=lambda peer, stream: peer.body(stream, b"")), text, http2)
    answer = client.call("/t.Web/Any", b"x")
    assert (answer.status, answer.messages) == (INTERNAL, []) and answer.trailers is not None
    assert "grpc-status" not in answer.head.headers and "grpc-message" not in answer.head.headers


# Errors of the gateway's own


@both_modes
def test_no_upstream(stage, text, http2):
    gateway = stage.gateway(settings(sockets.closed_address(), clusters={"up": {"protocol": "http2"}}), [grpc_route()])
    with contextlib.closing(grpc_web.Client(gateway.address, text, http2)) as client:
        answer = client.call("/t.Web/Any", b"x")
        assert answer.head.status_code == 200 and answer.status == UNAVAILABLE
        assert answer.head.headers["content-type"].startswith("application/grpc-web-text" if text else "application/grpc-web+proto")


@both_modes
def test_a_body_that_is_too_large(gateway, text, http2):
    with contextlib.closing(grpc_web.Client(gateway.address, text, http2)) as client:
        answer = client.call("/t.Web/Turned", b"x" * 4000, fields={"x-small": "yes"})
        assert answer.status == RESOURCE_EXHAUSTED
        assert client.call("/t.Web/Turned", b"x" * 400, fields={"x-small": "yes"}).status == OK


def test_no_such_method(client):
    assert client.call("/other.Service/Any", b"x").status == UNIMPLEMENTED


def test_many_calls_at_once(gateway):
    def one(i: int) -> bool:
        with contextlib.closing(grpc_web.Client(gateway.address, i % 2 == 0, i % 3 == 0)) as client:
            return all(client.call("/t.Web/Turned", b"%d" % k).messages == [(b"%d" % k)[::-1]] for k in range(20))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(48)))


@pytest.mark.parametrize("http2", [False, True])
def test_calls_that_come_to_nothing_leave_nothing(gateway, service, http2):
    """Refused, failed, abandoned: memory and descriptors are where they were."""

    def rounds(n: int) -> None:
        with contextlib.closing(grpc_web.Client(gateway.address, True, http2)) as client:
            for i in range(n):
                assert client.call("/t.Web/Turned", body=b"AAAA!").status == INTERNAL
                assert client.call("/t.Web/Fails", b"x" * 1000).status == NOT_FOUND
                call = client.start("/t.Web/Counts", b"1000")
                next(iter(call))
                call.head.close()

    rounds(30)
    memory, descriptors = gateway.rss(), gateway.descriptors()
    rounds(60)
    sockets.wait_until(lambda: gateway.descriptors() <= descriptors + 2, 5, "descriptors are given back")
    assert gateway.rss() - memory < 3 << 20
