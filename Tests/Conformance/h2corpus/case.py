"""The shape of one HTTP/2 case, and the words to write it with."""

import dataclasses
from collections.abc import Callable

from harness.http2 import block, data, headers, request_fields
from harness.http2_ends import Client

# What a malformed message (RFC 9113 section 8.1.1) may come to: never the back end's answer.
MALFORMED = "rst PROTOCOL_ERROR|400|goaway PROTOCOL_ERROR"
# A bad frame on a stream that may cost the stream or, being an error of the framing, everything.
SIZE = "goaway FRAME_SIZE_ERROR"
PROTOCOL = "goaway PROTOCOL_ERROR"
COMPRESSION = "goaway COMPRESSION_ERROR"
CLOSED = "rst STREAM_CLOSED|goaway STREAM_CLOSED"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nhost: shop.example\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Case:
    """After the greeting `send` goes out (bytes, or a script); `ends` is what may come of it.

    `ends`, separated by bars: a status (`200` = the back end's own answer on stream `on`), `rst CODE` on that
    stream, `goaway CODE` and the end of the connection, `closed` (no more than that), `alive` (nothing ended
    and a PING is answered). A request to `/c` that may not end in `200` must not reach the back end whole.
    """

    name: str
    rfc: str
    send: bytes | Callable[[Client], object]
    ends: str
    on: int = 1
    ours: tuple[tuple[int, int], ...] = ()
    greet: bool = True
    # A limit of this gateway's configuration, which other servers need not share.
    particular: bool = False

    @property
    def allowed(self) -> set[str]:
        return set(self.ends.split("|"))

    def __str__(self) -> str:
        return self.name


def get(*fields: tuple[str | bytes, str | bytes], stream: int = 1, path: str | bytes = "/c", **pseudo: str) -> bytes:
    """A GET with these regular fields."""
    return headers(stream, block(*request_fields(path, *fields, **pseudo)))


def section(*fields: tuple[str | bytes, str | bytes], end: bool = True, stream: int = 1) -> bytes:
    """HEADERS with exactly these fields."""
    return headers(stream, block(*fields), end)


def post(*pieces: bytes, fields=(), trailers=None, stream: int = 1, path: str = "/c") -> bytes:
    """A POST with each piece as a DATA frame, the last one (or the trailers) ending it."""
    out = headers(stream, block(*request_fields(path, *fields, method="POST")), end=False)
    for at, piece in enumerate(pieces, 1):
        out += data(stream, piece, end=trailers is None and at == len(pieces))
    return out + (headers(stream, block(*trailers)) if trailers is not None else b"")


def opened(stream: int = 1) -> bytes:
    """A POST that has not ended."""
    return headers(stream, block(*request_fields("/hold", method="POST")), end=False)


def held(stream: int = 1) -> bytes:
    """A GET that has ended and is answered late."""
    return get(stream=stream, path="/hold")
