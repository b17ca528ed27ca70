"""What an HTTP/2 upstream may send, and how it must end for the client (RFC 9113 sections 5 to 8).

The rule is that of HTTP/1.1 upstreams: before the head is out, 502 or 504; after it, a visible abort; never
an answer that looks complete and is not; never a malformed field passed on.
"""

import dataclasses
from collections.abc import Callable

from harness.http2 import END_HEADERS, END_STREAM, PADDED, Code, Kind, Setting, block, continuation, data, frame, goaway, headers, rst, settings, window_update
from harness.http2_ends import Client, Service
from harness.wire import Wire, get

OK = (":status", "200")


@dataclasses.dataclass(frozen=True)
class Answer:
    """After one request the upstream sends `script(stream number)`, then holds or closes.

    `ends`: statuses of the gateway (`502`), `pass` (complete: `status`, `body`), `abort` (after the head).
    """

    name: str
    script: Callable[[int], bytes]
    ends: str
    body: bytes = b"hello"
    status: int = 200
    method: str = "GET"
    then: str = "hold"  # hold | close | reset
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    informational: int = 0
    # Fields the client gets as they are.
    present: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name

    def play(self, service: Service, number: int) -> None:
        script = self.script(number)
        service.note(script)
        service.send(script)
        if self.then == "reset":
            service.abort()


def head(*fields, status: str = "200", end: bool = False, **more):
    """The bytes of an answer's head, of any stream."""
    return lambda stream: headers(stream, block((":status", status), *fields), end)


def whole(*fields, body: bytes = b"hello", status: str = "200"):
    return lambda stream: headers(stream, block((":status", status), *fields), False) + data(stream, body, True)


def only(*fields):
    """HEADERS with exactly these fields, and a body."""
    return lambda stream: headers(stream, block(*fields), False) + data(stream, b"hello", True)


def then(first, *frames: Callable[[int], bytes]):
    return lambda stream: first(stream) + b"".join(each(stream) for each in frames)


def trailing(*fields, end: bool = True):
    return then(head(), lambda stream: data(stream, b"hello") + headers(stream, block(*fields), end))


HELLO = lambda stream: data(stream, b"hello", True)  # noqa: E731

GOOD = [
    Answer("ok", whole(("content-length", "5"), ("x-kept", "1")), "pass", present=(("x-kept", "1"),)),
    Answer("ok-no-length", whole(), "pass"),
    Answer("ok-pieces", then(head(), lambda stream: b"".join(data(stream, bytes([byte])) for byte in b"hello") + data(stream, b"", True)), "pass"),
    Answer("ok-padded", then(head(), lambda stream: frame(Kind.DATA, END_STREAM | PADDED, stream, b"\x03hello\0\0\0")), "pass"),
    Answer("ok-empty", head(end=True), "pass", body=b""),
    Answer("ok-empty-length", head(("content-length", "0"), end=True), "pass", body=b""),
    Answer("ok-204", head(status="204", end=True), "pass", body=b"", status=204),
    Answer("ok-304-length", head(("content-length", "5"), status="304", end=True), "pass", body=b"", status=304),
    Answer("ok-head-length", head(("content-length", "5"), end=True), "pass", body=b"", method="HEAD"),
    Answer("ok-trailers", trailing(("x-end", "1")), "pass", trailers=((b"x-end", b"1"),)),
    Answer("ok-trailers-only-length", then(head(("content-length", "5")), lambda stream: data(stream, b"hello") + headers(stream, block(("x-end", "1")))), "pass"),
    Answer("ok-hints", then(head(("link", "</a>"), status="103"), whole()), "pass", informational=1),
    Answer("ok-hints-twice", then(head(("link", "</a>"), status="103"), head(("link", "</b>"), status="103"), whole()), "pass", informational=2),
    Answer("ok-continue-unasked", then(head(status="100"), whole()), "pass"),
    Answer("ok-continuation", lambda stream: headers(stream, block(OK)[:4], False, 0) + continuation(stream, block(OK)[4:], True) + data(stream, b"hello", True), "pass"),
    Answer("ok-obs-text", whole(("x-a", "\xe9")), "pass", present=(("x-a", "\xe9"),)),
    Answer("ok-set-cookies", whole(("set-cookie", "a=1"), ("set-cookie", "b=2, c")), "pass", present=(("set-cookie", "a=1"), ("set-cookie", "b=2, c"))),
    Answer("ok-unknown-frame", then(head(), lambda stream: frame(0xBB, 0, stream, b"x"), HELLO), "pass"),
    Answer("ok-goaway-after", then(head(), lambda stream: goaway(stream), HELLO), "pass"),
    Answer("ok-goaway-first", then(lambda stream: goaway(stream), whole()), "pass"),
    Answer("ok-goaway-twice", then(lambda stream: goaway((1 << 31) - 1) + goaway(stream), whole()), "pass"),
    Answer("ok-reset-after-end", then(whole(), lambda stream: rst(stream, Code.NO_ERROR)), "pass"),
    Answer("ok-close-after-end", whole(), "pass", then="close"),
    Answer("ok-dynamic-table", lambda stream: headers(stream, b"\x88" + block(("x-a", "1"), indexed=True) + b"\xbe", False) + data(stream, b"hello", True), "pass"),
    Answer("ok-504-of-its-own", whole(status="500"), "pass", status=500),
]

LENGTHS = [
    Answer("length-too-large", whole(("content-length", "50"), body=b"hel"), "abort|502", body=b"hel"),
    Answer("length-too-small", whole(("content-length", "3")), "abort|502", body=b"hel"),
    Answer("length-too-small-in-pieces", then(head(("content-length", "3")), lambda stream: data(stream, b"he") + data(stream, b"llo", True)), "abort|502"),
    Answer("length-and-no-body", head(("content-length", "5"), end=True), "502|abort", body=b""),
    Answer("length-too-large-trailers", then(head(("content-length", "50")), lambda stream: data(stream, b"hello") + headers(stream, block(("x-end", "1")))), "abort|502"),
    Answer("length-twice", whole(("content-length", "5"), ("content-length", "6")), "502"),
    Answer("length-letters", whole(("content-length", "5a")), "502"),
    Answer("length-plus", whole(("content-length", "+5")), "502"),
    Answer("length-huge", whole(("content-length", "18446744073709551621")), "502"),
]

SPLIT = "x\r\nset-cookie: evil=1\r\n\r\nHTTP/1.1 200 OK\r\n"
FIELDS = (
    [
        Answer(f"field-{label}", whole((name, value)), "502")
        for label, name, value in (
            ("upper", "X-Upper", "1"), ("name-empty", "", "1"), ("name-space", "x a", "1"), ("name-colon", "x:a", "1"), ("name-crlf", "x-a\r\nx-b", "1"), ("name-nul", "x\0", "1"),
            ("value-crlf", "x-a", SPLIT), ("value-cr", "x-a", "a\rb"), ("value-lf", "x-a", "a\nb"), ("value-nul", "x-a", "a\0b"), ("value-control", "x-a", "a\x01"),
            ("value-leading-space", "x-a", " a"), ("value-trailing-space", "x-a", "a "), ("value-trailing-tab", "x-a", "a\t"), ("connection", "connection", "close"), ("connection-named", "connection", "x-a"),
            ("keep-alive", "keep-alive", "timeout=5"), ("transfer-encoding", "transfer-encoding", "chunked"), ("upgrade", "upgrade", "h2c"), ("proxy-connection", "proxy-connection", "close"),
        )
    ]
    + [
        Answer("status-missing", only(("x-a", "1")), "502"),
        Answer("status-twice", only(OK, OK), "502"),
        Answer("status-late", only(("x-a", "1"), OK), "502"),
        Answer("status-short", only((":status", "20")), "502"),
        Answer("status-long", only((":status", "2000")), "502"),
        Answer("status-letters", only((":status", "abc")), "502"),
        Answer("status-zero", only((":status", "000")), "502"),
        Answer("status-plus", only((":status", "+20")), "502"),
        Answer("status-phrase", only((":status", "200 OK")), "502"),
        Answer("status-101", head(status="101", end=False), "502"),
        Answer("pseudo-of-requests", only(OK, (":path", "/")), "502"),
        Answer("pseudo-unknown", only(OK, (":foo", "1")), "502"),
        Answer("fields-none", only(), "502"),
    ]
)

TRAILERS = [
    Answer("trailers-pseudo", trailing((":status", "200")), "abort|502"),
    Answer("trailers-upper", trailing(("X-End", "1")), "abort|502"),
    Answer("trailers-connection", trailing(("connection", "close")), "abort|502"),
    Answer("trailers-crlf", trailing(("x-end", SPLIT)), "abort|502"),
    Answer("trailers-space", trailing(("x-end", "1 ")), "abort|502"),
    Answer("trailers-not-the-end", trailing(("x-end", "1"), end=False), "abort|502"),
]

STATES = [
    Answer("data-first", lambda stream: data(stream, b"hello", True), "502"),
    Answer("data-after-end", then(whole(), HELLO), "pass"),
    Answer("hints-end", head(status="103", end=True), "502"),
    Answer("hints-only-then-close", head(status="103"), "502", then="close"),
    Answer("hints-only-then-stall", head(status="103"), "504"),
    Answer("hints-flood", then(*[head(status="103") for _ in range(40)], whole()), "502"),
    Answer("push", then(head(), lambda stream: frame(Kind.PUSH_PROMISE, END_HEADERS, stream, b"\0\0\0\2" + block((":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")))), "abort|502"),
    Answer("hpack-bad", lambda stream: headers(stream, b"\x88\xff\xff\xff\xff\xff\xff\xff\xff\xff", False) + data(stream, b"hello", True), "502"),
    Answer("frame-too-long", then(head(), lambda stream: data(stream, bytes(16385), True)), "abort|502", body=bytes(16385)),
    Answer("head-too-large", whole(*[(f"x-{n}", "a" * 4000) for n in range(3)], *[(f"y-{n}", "a" * 7000) for n in range(4)]), "502"),
    Answer("fields-too-many", whole(*[(f"x-{n}", "1") for n in range(201)]), "502"),
    Answer("continuations-endless", lambda stream: headers(stream, block(OK), False, 0) + continuation(stream) * 1000, "502"),
    Answer("continuations-large", lambda stream: headers(stream, block(OK), False, 0) + continuation(stream, block(("x-a", "a" * 16000))) * 100, "502"),
    Answer("interleaved", lambda stream: headers(stream, block(OK), False, 0) + data(stream, b"hello", True), "502"),
    Answer("window-zero", lambda stream: window_update(stream, 0), "502"),
    Answer("window-overflow", lambda stream: window_update(0, (1 << 31) - 1), "502"),
    Answer("settings-bad", lambda stream: settings((Setting.INITIAL_WINDOW_SIZE, 1 << 31)), "502"),
    Answer("settings-push-on", lambda stream: settings((Setting.ENABLE_PUSH, 1)), "502"),
    Answer("even-stream", lambda stream: headers(2, block(OK), False) + data(2, b"hello", True), "502"),
]

ENDS = [
    Answer("reset-internal", lambda stream: rst(stream, Code.INTERNAL_ERROR), "502"),
    Answer("reset-no-error", lambda stream: rst(stream, Code.NO_ERROR), "502"),
    Answer("reset-unknown", lambda stream: rst(stream, 0xDEADBEEF), "502"),
    Answer("reset-after-head", then(head(), lambda stream: rst(stream, Code.INTERNAL_ERROR)), "abort|502"),
    Answer("reset-in-body", then(head(("content-length", "50")), lambda stream: data(stream, b"hel") + rst(stream, Code.INTERNAL_ERROR)), "abort|502"),
    Answer("reset-no-error-in-body", then(head(), lambda stream: data(stream, b"hel") + rst(stream, Code.NO_ERROR)), "abort|502"),
    Answer("close-before", lambda stream: b"", "502", then="close"),
    Answer("close-after-head", head(), "abort|502", then="close"),
    Answer("close-in-body", then(head(), lambda stream: data(stream, b"hel")), "abort|502", then="close"),
    Answer("close-in-frame", then(head(), lambda stream: data(stream, b"hello", True)[:-2]), "abort|502", then="close"),
    Answer("close-in-head", lambda stream: headers(stream, block(OK), True)[:-2], "502", then="close"),
    Answer("abort-before", lambda stream: b"", "502", then="reset"),
    Answer("goaway-below", lambda stream: goaway(0, Code.INTERNAL_ERROR), "502|503", then="close"),
    Answer("goaway-error", lambda stream: goaway(stream, Code.INTERNAL_ERROR), "502", then="close"),
    Answer("stall-before", lambda stream: b"", "504"),
    Answer("stall-after-head", head(), "abort|504"),
    Answer("stall-in-body", then(head(), lambda stream: data(stream, b"hel")), "abort|504"),
]

ANSWERS = GOOD + LENGTHS + FIELDS + TRAILERS + STATES + ENDS
BY_NAME = {str(answer): answer for answer in ANSWERS}


def play(service: Service) -> None:
    """Answers `/a/NAME` as the table says, and anything else properly with its own target."""
    while True:
        stream = service.read_head()
        name = stream.path.removeprefix("/a/")
        if name not in BY_NAME:
            service.answer(stream, stream.path.encode())
            continue
        BY_NAME[name].play(service, stream.number)
        if BY_NAME[name].then != "hold":
            return


@dataclasses.dataclass
class Seen:
    """What a client got."""

    end: str  # a word of `Answer.ends`, or how else it ended
    status: int
    body: bytes
    fields: list[tuple[bytes, bytes]]
    trailers: list[tuple[bytes, bytes]]
    informational: int
    violations: list[str] = dataclasses.field(default_factory=list)

    def wrong(self, answer: Answer) -> list[str]:
        """How this differs from what the answer may come to."""
        wrong = list(self.violations)
        if self.end not in answer.ends.split("|"):
            wrong.append(f"{self.end}, allowed {answer.ends}")
        elif self.end == "pass":
            if (self.status, self.body) != (answer.status, answer.body):
                wrong.append(f"{self.status} {self.body[:80]!r}, not {answer.status} {answer.body[:80]!r}")
            if self.informational < answer.informational:
                wrong.append(f"{self.informational} informational answers of {answer.informational}")
            wrong += [f"trailer {each} is missing" for each in answer.trailers if each not in self.trailers]
            for name in sorted({name for name, _ in answer.present}):
                want = [value.encode("latin-1") for each, value in answer.present if each == name]
                if [value for each, value in self.fields if each == name.encode()] != want:
                    wrong.append(f"{name} is not {want}")
        elif self.end == "abort" and not answer.body.startswith(self.body):
            wrong.append(f"no prefix of what was sent: {self.body[:80]!r}")
        wrong += ["a split answer" for _, value in self.fields if b"evil" in value]
        return wrong


def over_http1(address: str, answer: Answer) -> Seen:
    with Wire(address, timeout=5) as wire:
        reply = wire.ask(get(f"/a/{answer}", "TE: trailers", method=answer.method))
        end = "abort" if reply.end == "aborted" else reply.end
        if reply.end == "complete":
            end = "pass" if reply.status == answer.status else str(reply.status)
        message = reply.message
        return Seen(end, reply.status, reply.body, message.fields if message else [], message.trailers if message else [], len(reply.informational))


def over_http2(address: str, answer: Answer) -> Seen:
    with Client(address) as client:
        stream = client.ask(f"/a/{answer}", method=answer.method)
        end = "abort" if stream.end.startswith("reset") else stream.end
        if stream.end == "complete":
            end = "pass" if stream.status == answer.status else str(stream.status)
        if client.goaway:
            client.wrong(f"an upstream's fault ended the client's connection: {client.goaway}")
        return Seen(end, stream.status, bytes(stream.body), stream.head, stream.trailers, len(stream.informational), client.violations)
