"""What an upstream may send, and how it must end for the client (RFC 9112 sections 6 to 8, RFC 9110 section 15).

The rule: before the head is out, 502 or 504; after it, a visible abort; never an answer that looks
complete and is not; never bytes of one exchange in another.
"""

import dataclasses
from collections.abc import Callable

from harness.recorder import Peer

OK = b"HTTP/1.1 200 OK\r\n"


@dataclasses.dataclass(frozen=True)
class Answer:
    """After one request the back end sends `raw`, then does `then`; `ends` is what the client may see.

    `ends`: statuses of the gateway (`502`), `pass` (complete, with `body`), `abort` (after the head).
    """

    name: str
    raw: bytes | Callable[[Peer], None]
    ends: str
    then: str = "close"  # close | hold | reset | keep
    body: bytes | None = None
    status: int = 200
    method: str = "GET"
    absent: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def play(self, peer: Peer) -> None:
        """The back end's side, after the request was read."""
        if callable(self.raw):
            self.raw(peer)
        else:
            peer.send(self.raw)
        if self.then == "hold":
            peer.hold()
        elif self.then == "reset":
            peer.reset()


def head(name: str, raw: bytes, ends: str = "502", **more) -> Answer:
    """A head that is no HTTP/1.1 head."""
    return Answer(f"head-{name}", raw, ends, **more)


def field(name: str, line: bytes, ends: str = "502") -> Answer:
    return Answer(f"field-{name}", OK + b"Content-Length: 2\r\n" + line + b"\r\n\r\nok", ends, then="keep", body=b"ok")


def length(name: str, *lines: bytes, ends: str = "502", body: bytes = b"hello", then: str = "close") -> Answer:
    return Answer(f"length-{name}", OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body, ends, then=then, body=body)


def chunks(name: str, body: bytes, ends: str = "abort|502", then: str = "close", data: bytes = b"hello") -> Answer:
    return Answer(f"chunks-{name}", OK + b"Transfer-Encoding: chunked\r\n\r\n" + body, ends, then=then, body=data)


def flood(peer: Peer) -> None:
    """1xx without end: the gateway must give up, not relay for ever."""
    for _ in range(100_000):
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)


def endless_field(peer: Peer) -> None:
    """A head that never ends."""
    peer.send(OK + b"X-A: ")
    for _ in range(2_000):
        peer.send(b"a" * 65536)


def endless_fields(peer: Peer) -> None:
    peer.send(OK)
    for _ in range(20_000):
        peer.send(b"X-A: aaaaaaaaaaaaaaaaaaaa\r\n" * 100)


ANSWERS = [
    # Proper answers, to see that the table itself passes what it must.
    length("plain", b"Content-Length: 5", ends="pass", then="keep"),
    length("zero", b"Content-Length: 0", ends="pass", body=b"", then="keep"),
    Answer("close-delimited", OK + b"\r\nhello", "pass", body=b"hello"),
    Answer("close-delimited-1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", "pass", body=b"hello"),
    chunks("plain", b"5\r\nhello\r\n0\r\n\r\n", "pass", "keep"),
    chunks("trailer", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "pass", "keep"),
    head("no-reason", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "pass", body=b"", then="keep"),
    head("no-reason-no-space", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "pass|502", body=b"", then="keep"),
    head("odd-status", b"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", "pass", body=b"", status=299, then="keep"),
    # Status lines.
    head("nothing", b""),
    head("nothing-reset", b"", then="reset"),
    head("empty-line", b"\r\n\r\n"),
    head("garbage", b"\x00\x01\x02\x03\r\n\r\n"),
    head("text", b"hello world\r\n\r\n"),
    head("html", b"<html>not http</html>"),
    head("http-0.9", b"hello"),
    head("request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    head("version-2", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    head("version-2-short", b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n"),
    head("version-word", b"HTTP/x.y 200 OK\r\nContent-Length: 0\r\n\r\n"),
    head("version-lower", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    head("icy", b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-two-digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-four-digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-word", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-zero", b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-099", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-minus", b"HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-plus", b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-missing", b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    head("status-double-space", b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
    head("status-tab", b"HTTP/1.1\t200\tOK\r\nContent-Length: 0\r\n\r\n"),
    head("reason-nul", b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"),
    head("reason-bare-cr", b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n"),
    head("lf-everywhere", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    head("crlf-before", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "502|pass", body=b""),
    head("truncated-line", b"HTTP/1.1 20"),
    head("truncated-fields", OK + b"Content-Length: 0\r\n"),
    head("truncated-reset", OK + b"Content-Len", then="reset"),
    head("stall-before", b"", "504", then="hold"),
    head("stall-in-line", b"HTTP/1.1 20", "504", then="hold"),
    head("stall-in-fields", OK + b"X-A: b\r\n", "504", then="hold"),
    Answer("head-endless-field", endless_field, "502"),
    Answer("head-endless-fields", endless_fields, "502"),
    head("fields-300", OK + b"Content-Length: 0\r\n" + b"X-A: b\r\n" * 300 + b"\r\n"),
    head("field-40k", OK + b"Content-Length: 0\r\nX-A: " + b"b" * 40_000 + b"\r\n\r\n"),
    # Fields.
    field("space-before-colon", b"X-A : b"),
    field("no-colon", b"X-A b"),
    field("empty-name", b": b"),
    field("bad-name", b"X(A): b"),
    field("nul", b"X-A: b\0c"),
    field("bare-cr", b"X-A: b\rc"),
    field("bare-lf", b"X-A: b\nX-B: c"),
    field("obs-fold", b"X-A: b\r\n c", "502|pass"),
    Answer("field-cl-space-colon", OK + b"Content-Length : 2\r\n\r\nok", "502"),
    # Lengths.
    length("twice-differ", b"Content-Length: 5", b"Content-Length: 4"),
    length("twice-same", b"Content-Length: 5", b"Content-Length: 5", ends="502|pass"),
    length("list-differ", b"Content-Length: 5, 4"),
    length("list-same", b"Content-Length: 5, 5", ends="502|pass"),
    length("minus", b"Content-Length: -5"),
    length("plus", b"Content-Length: +5"),
    length("word", b"Content-Length: five"),
    length("hex", b"Content-Length: 0x5"),
    length("empty", b"Content-Length:"),
    length("overflow", b"Content-Length: 18446744073709551621"),
    length("nul", b"Content-Length: 5\0"),
    length("with-chunked", b"Content-Length: 15", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    length("with-chunked-reversed", b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"5\r\nhello\r\n0\r\n\r\n"),
    length("coding-gzip", b"Transfer-Encoding: gzip"),
    length("coding-xchunked", b"Transfer-Encoding: xchunked"),
    length("coding-chunked-twice", b"Transfer-Encoding: chunked, chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    length("coding-not-last", b"Transfer-Encoding: chunked, gzip", body=b"5\r\nhello\r\n0\r\n\r\n"),
    length("coding-vertical-tab", b"Transfer-Encoding: \x0bchunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    length("coding-identity", b"Transfer-Encoding: identity", b"Content-Length: 5"),
    Answer("length-coding-1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "502"),
    # Bodies that end before they should.
    length("short", b"Content-Length: 10", ends="abort|502"),
    length("short-reset", b"Content-Length: 10", ends="abort|502", then="reset"),
    length("none-of-it", b"Content-Length: 10", ends="abort|502", body=b""),
    length("short-stall", b"Content-Length: 10", ends="abort|504|502", then="hold"),
    Answer("close-delimited-reset", OK + b"\r\nhello", "abort|502", then="reset", body=b"hello"),
    chunks("no-last", b"5\r\nhello\r\n"),
    chunks("no-last-reset", b"5\r\nhello\r\n", then="reset"),
    chunks("nothing", b""),
    chunks("half-a-chunk", b"a\r\nhello"),
    chunks("half-a-size", b"5\r\nhello\r\n5"),
    chunks("half-an-end", b"5\r\nhello\r\n0\r\n"),
    chunks("stall", b"5\r\nhello\r\n", "abort|504|502", "hold"),
    # Chunks that are none.
    chunks("bad-size", b"5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n"),
    chunks("bad-first-size", b"zz\r\nhello\r\n0\r\n\r\n"),
    chunks("minus", b"-5\r\nhello\r\n0\r\n\r\n"),
    chunks("0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    chunks("overflow", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    chunks("lf-after-size", b"5\nhello\r\n0\r\n\r\n"),
    chunks("lf-after-data", b"5\r\nhello\n0\r\n\r\n"),
    chunks("space-after-size", b"5 \r\nhello\r\n0\r\n\r\n", "abort|502|pass"),
    chunks("no-crlf-after-data", b"5\r\nhello0\r\n\r\n"),
    chunks("nul-in-line", b"5;\0\r\nhello\r\n0\r\n\r\n"),
    chunks("huge-extension", b"5;" + b"a" * 70_000 + b"\r\nhello\r\n0\r\n\r\n"),
    chunks("bad-trailer", b"5\r\nhello\r\n0\r\nX-Sum 1\r\n\r\n"),
    chunks("trailer-framing", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", "abort|502|pass", "keep"),
    chunks("huge-trailers", b"5\r\nhello\r\n0\r\n" + b"X-Sum: 1\r\n" * 20_000 + b"\r\n"),
    # Bytes after the answer: never part of the next one.
    Answer("extra-bytes", OK + b"Content-Length: 5\r\n\r\nhelloEXTRA", "pass|502", then="keep", body=b"hello"),
    Answer("extra-answer", (OK + b"Content-Length: 5\r\n\r\nhello") * 2, "pass|502", then="keep", body=b"hello"),
    Answer("extra-after-chunked", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nEXTRA", "pass|502", then="keep", body=b"hello"),
    # Answers without bodies.
    Answer("204-plain", b"HTTP/1.1 204 No Content\r\n\r\n", "pass", then="keep", status=204, body=b""),
    Answer("204-length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "pass|502", then="keep", status=204, body=b""),
    Answer("204-chunked", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "pass|502", then="keep", status=204, body=b""),
    Answer("204-body", b"HTTP/1.1 204 No Content\r\n\r\nhello", "pass|502", then="keep", status=204, body=b""),
    Answer("304-plain", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', "pass", then="keep", status=304, body=b""),
    Answer("304-length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "pass", then="keep", status=304, body=b""),
    Answer("304-body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "pass|502", then="keep", status=304, body=b""),
    Answer("head-length", OK + b"Content-Length: 5\r\n\r\n", "pass", then="keep", body=b"", method="HEAD"),
    Answer("head-chunked", OK + b"Transfer-Encoding: chunked\r\n\r\n", "pass", then="keep", body=b"", method="HEAD"),
    Answer("head-body", OK + b"Content-Length: 5\r\n\r\nhello", "pass|502", then="keep", body=b"", method="HEAD"),
    Answer("head-no-length", OK + b"\r\n", "pass", then="keep", body=b"", method="HEAD"),
    # Informational answers.
    Answer("1xx-early-hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello", "pass", then="keep", body=b"hello"),
    Answer("1xx-continue-unasked", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello", "pass", then="keep", body=b"hello"),
    Answer("1xx-with-length", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello", "pass|502", then="keep", body=b"hello"),
    Answer("1xx-only", b"HTTP/1.1 103 Early Hints\r\n\r\n", "502"),
    Answer("1xx-then-stall", b"HTTP/1.1 103 Early Hints\r\n\r\n", "504", then="hold"),
    Answer("1xx-twenty", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + OK + b"Content-Length: 5\r\n\r\nhello", "502"),
    Answer("1xx-flood", flood, "502"),
    Answer("1xx-101-unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbytes", "502"),
    # Fields of the upstream's hop.
    Answer("hop-connection-named", OK + b"Content-Length: 5\r\nConnection: x-secret\r\nX-Secret: 1\r\n\r\nhello", "pass", then="keep", body=b"hello", absent=("x-secret",)),
    Answer("hop-keep-alive", OK + b"Content-Length: 5\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\nhello", "pass", then="keep", body=b"hello", absent=("keep-alive",)),
    Answer("hop-proxy-connection", OK + b"Content-Length: 5\r\nProxy-Connection: close\r\n\r\nhello", "pass", then="keep", body=b"hello", absent=("proxy-connection",)),
    Answer("hop-upgrade", OK + b"Content-Length: 5\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nhello", "pass", then="keep", body=b"hello", absent=("upgrade",)),
    Answer("hop-protect-length", OK + b"Connection: content-length\r\nContent-Length: 5\r\n\r\nhello", "pass|502", then="keep", body=b"hello"),
    Answer("hop-close", OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", "pass", body=b"hello"),
]
