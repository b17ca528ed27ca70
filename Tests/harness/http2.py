"""HTTP/2 by hand (RFC 9113): frames of any bytes, and one end of a connection that notes what it sees.

`Link` follows the rules itself (acknowledges, counts windows) unless told otherwise, judges strictly what
comes, and lets a test send what no library would. HPACK's tables are the `hpack` package's.
"""

import contextlib
import dataclasses
import enum
import re
import select
import socket
import ssl
import struct
import time

import hpack

from . import sockets

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Kind(enum.IntEnum):
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(enum.IntEnum):
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(enum.IntEnum):
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20


@dataclasses.dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    def __str__(self) -> str:
        name = Kind(self.kind).name if self.kind in list(Kind) else f"kind {self.kind}"
        return f"{name}(flags={self.flags:#x}, stream={self.stream}, {len(self.payload)} bytes)"


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None) -> bytes:
    """The bytes of a frame; `length` lies about the payload."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(Kind.SETTINGS, payload=b"".join(struct.pack(">HI", name, value) for name, value in pairs))


def window_update(stream: int, increment: int) -> bytes:
    return frame(Kind.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst(stream: int, code: int = Code.CANCEL) -> bytes:
    return frame(Kind.RST_STREAM, 0, stream, struct.pack(">I", code))


def goaway(last: int, code: int = Code.NO_ERROR, debug: bytes = b"") -> bytes:
    return frame(Kind.GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def data(stream: int, payload: bytes = b"", end: bool = False) -> bytes:
    return frame(Kind.DATA, END_STREAM if end else 0, stream, payload)


def headers(stream: int, block: bytes, end: bool = True, flags: int = END_HEADERS) -> bytes:
    return frame(Kind.HEADERS, flags | (END_STREAM if end else 0), stream, block)


def continuation(stream: int, block: bytes = b"", end: bool = False) -> bytes:
    return frame(Kind.CONTINUATION, END_HEADERS if end else 0, stream, block)


def raw(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def integer(value: int, prefix: int, first: int = 0) -> bytes:
    """An HPACK integer (RFC 7541 section 5.1) with `first` as the bits above the prefix."""
    top = (1 << prefix) - 1
    if value < top:
        return bytes([first | value])
    out, value = bytearray([first | top]), value - top
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + bytes([value]))


def block(*fields: tuple[str | bytes, str | bytes], indexed: bool = False) -> bytes:
    """A field block of literals: any bytes, no Huffman, the table untouched unless `indexed`."""
    out = b""
    for name, value in fields:
        out += b"\x40" if indexed else b"\0"
        out += integer(len(raw(name)), 7) + raw(name) + integer(len(raw(value)), 7) + raw(value)
    return out


def request_fields(path: str | bytes = "/", *fields: tuple[str | bytes, str | bytes], method: str = "GET", scheme: str = "http", authority: str = "shop.example"):
    """The field section of a plain request."""
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *fields]


TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
HOP = {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
PSEUDO = {"request": {b":method", b":scheme", b":authority", b":path"}, "answer": {b":status"}, "trailers": set()}


def malformed(fields: list[tuple[bytes, bytes]], kind: str) -> str | None:
    """Why a section (`request`, `answer` or `trailers`) is malformed by RFC 9113 section 8, or nothing."""
    seen: list[bytes] = []
    regular = False
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name in seen or name not in PSEUDO[kind]:
                return f"pseudo field {name!r} after regular ones, twice or not of this kind"
            seen.append(name)
        elif not TOKEN.fullmatch(name):
            return f"name {name!r}"
        else:
            regular = True
        if not VALUE.fullmatch(value):
            return f"value of {name!r}: {value[:80]!r}"
        if name in HOP or (name == b"te" and (value.lower() != b"trailers" or kind != "request")):
            return f"field of a connection: {name!r}: {value[:80]!r}"
    given = dict(fields)
    if kind == "answer" and not re.fullmatch(rb"[1-9][0-9]{2}", given.get(b":status", b"")):
        return f":status {given.get(b':status')!r}"
    if kind == "request":
        if not given.get(b":method") or given.get(b":scheme") not in (b"http", b"https"):
            return f"method or scheme: {fields[:4]!r}"
        if not re.fullmatch(rb"/[\x21\x22\x24-\x7e]*|\*", given.get(b":path", b"")):
            return f":path {given.get(b':path')!r}"
        if b"@" in given.get(b":authority", b"") or given.get(b"host", given.get(b":authority")) != given.get(b":authority", given.get(b"host")):
            return "authority with userinfo or another host"
    lengths = [value for name, value in fields if name == b"content-length"]
    if len(lengths) > 1 or (lengths and not re.fullmatch(rb"[0-9]{1,18}", lengths[0])):
        return f"content-length {lengths}"
    return None


@dataclasses.dataclass(repr=False)
class Stream:
    """One stream as this end sees it: the sections and the body that came, and how it ended."""

    number: int
    window: int  # bytes we may still send
    allowance: int  # bytes the other end may still send
    sections: list[list[tuple[bytes, bytes]]] = dataclasses.field(default_factory=list)
    body: bytearray = dataclasses.field(default_factory=bytearray)
    count: int = 0
    ended: bool = False
    reset: int | None = None
    end: str = "open"  # what `Client.finish` found
    method: str = "GET"
    sent_end: bool = False
    began: float = 0.0

    @property
    def _final(self) -> int | None:
        for at, section in enumerate(self.sections):
            status = dict(section).get(b":status", b"")
            if not (len(status) == 3 and status.startswith(b"1")):
                return at
        return None

    @property
    def head(self) -> list[tuple[bytes, bytes]]:
        """The request, or the final answer."""
        return [] if self._final is None else self.sections[self._final]

    @property
    def informational(self) -> list[list[tuple[bytes, bytes]]]:
        return self.sections[: self._final]

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        return [] if self._final is None else [field for section in self.sections[self._final + 1 :] for field in section]

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for field, value in self.head if field == name.encode()]

    def field(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} more than once: {values}"
        return values[0] if values else None

    @property
    def status(self) -> int:
        return int(self.field(":status") or 0)

    @property
    def path(self) -> str:
        return self.field(":path") or ""

    @property
    def complete(self) -> bool:
        """A final section and END_STREAM came. RST_STREAM may follow: NO_ERROR stops a client that still sends."""
        return self.ended and self._final is not None

    def __str__(self) -> str:
        return f"stream {self.number}: {self.end}, {self.status or 'no status'}, {self.count} bytes, reset {self.reset}"

    __repr__ = __str__


class Link:
    """One end of a connection. `consume` off: windows are never opened beyond the first."""

    kind = "answer"  # the kind of first section that comes

    def __init__(self, made: socket.socket, ours: dict[int, int], consume: bool, keep: bool = True):
        self.socket = made
        self.buffer = bytearray()
        self.ours = ours
        self.theirs: dict[int, int] = {}
        self.consume = consume
        self.keep = keep  # keep bodies; off: only count them
        self.initial = 65535  # the stream window they know of: ours binds them once they acknowledge it
        self.settled = False  # their first SETTINGS came
        self.acknowledged = 0
        self.streams: dict[int, Stream] = {}
        self.frames: list[Frame] = []
        self.goaways: list[tuple[int, int, bytes]] = []
        self.violations: list[str] = []
        self.ended: str | None = None
        self.sent = 0
        self.window = 65535
        self.allowance = 65535
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(1 << 20)
        self._open: tuple[int, int, bytes] | None = None

    # Sending

    def send(self, *pieces: bytes, timeout: float = 5.0) -> "Link":
        """Send exact bytes; an end that closes meanwhile is seen on reading, not here."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(timeout)
            for piece in pieces:
                self.socket.sendall(piece)
                self.sent += len(piece)
        return self

    def note(self, sent: bytes) -> None:
        """Keep account of frames made by hand: the streams they open and the windows they use."""
        at = 0
        while at + 9 <= len(sent):
            size, kind, number = int.from_bytes(sent[at : at + 3], "big"), sent[at + 3], int.from_bytes(sent[at + 5 : at + 9], "big") & 0x7FFFFFFF
            if kind == Kind.HEADERS:
                self.stream(number)
            elif kind == Kind.DATA and number in self.streams:
                self.streams[number].window -= size
                self.window -= size
            at += 9 + size

    def encode(self, fields) -> bytes:
        """A field block through the dynamic table."""
        return self.encoder.encode([(raw(name), raw(value)) for name, value in fields])

    def send_body(self, stream: Stream, body: bytes, end: bool = True, timeout: float = 20.0, piece: int = 16384) -> bool:
        """DATA within the windows; reads while it waits for them. False when the stream or the time ends first."""
        at = 0
        stuck = lambda: bool(stream.reset is not None or self.ended)  # noqa: E731
        while at < len(body):
            room = lambda: min(stream.window, self.window)  # noqa: E731
            if stuck() or not self.pump(lambda: room() > 0 or stuck(), timeout) or stuck():
                return False
            part = body[at : at + min(piece, room())]
            at += len(part)
            stream.window -= len(part)
            self.window -= len(part)
            self.send(data(stream.number, part, end and at == len(body)))
            self.pump(seconds=0)
        if end:
            if not body:
                self.send(data(stream.number, b"", True))
            stream.sent_end = True
        return True

    # Reading

    def _fill(self, timeout: float) -> bool:
        if self.ended:
            return False
        self.socket.settimeout(max(0.0, timeout))
        try:
            got = self.socket.recv(262144)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            return False
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            got = b""
        except OSError:
            self.ended = "reset"
            return False
        if not got:
            self.ended = "closed"
        self.buffer += got
        return bool(got)

    def _next(self) -> Frame | None:
        if len(self.buffer) < 9:
            return None
        size = int.from_bytes(self.buffer[:3], "big")
        if size > self.ours.get(Setting.MAX_FRAME_SIZE, 16384):
            self.violations.append(f"a frame of {size} bytes: {bytes(self.buffer[:40])!r}")
            self.ended = "garbage"
            return None
        if len(self.buffer) < 9 + size:
            return None
        kind, flags, stream = struct.unpack_from(">BBI", self.buffer, 3)
        made = Frame(kind, flags, stream & 0x7FFFFFFF, bytes(self.buffer[9 : 9 + size]))
        del self.buffer[: 9 + size]
        return made

    def pump(self, until=lambda: False, seconds: float = 5.0) -> bool:
        """Take frames in until the condition holds; whether it did in time."""
        deadline = time.monotonic() + seconds
        while not until():
            if self.ended == "garbage":
                return False
            made = self._next()
            if made:
                self._take(made)
            elif not self._fill(deadline - time.monotonic()) and (self.ended or time.monotonic() >= deadline):
                return until()
        return True

    def wrong(self, what: str) -> None:
        self.violations.append(what)

    def _take(self, made: Frame) -> None:
        if not self.settled and made.kind != Kind.SETTINGS:
            self.wrong(f"{made} before SETTINGS")
        if self._open and (made.kind != Kind.CONTINUATION or made.stream != self._open[0]):
            self.wrong(f"{made} inside a field block")
        self.frames.append(Frame(made.kind, made.flags, made.stream, b"") if made.kind == Kind.DATA and not self.keep else made)
        stream = self.streams.get(made.stream)
        if made.kind == Kind.SETTINGS:
            self._take_settings(made)
        elif made.kind == Kind.PING and not made.flags & ACK and self.consume:
            self.send(frame(Kind.PING, ACK, 0, made.payload))
        elif made.kind == Kind.GOAWAY:
            last, code = struct.unpack_from(">II", made.payload)
            self.goaways.append((last & 0x7FFFFFFF, code, made.payload[8:]))
        elif made.kind == Kind.WINDOW_UPDATE:
            step = struct.unpack(">I", made.payload)[0] & 0x7FFFFFFF
            if made.stream == 0:
                self.window += step
            elif stream:
                stream.window += step
            if step == 0 or self.window > 0x7FFFFFFF or (stream and stream.window > 0x7FFFFFFF):
                self.wrong(f"WINDOW_UPDATE by {step}")
        elif made.kind == Kind.RST_STREAM:
            if stream is None:
                self.wrong(f"{made} on an idle stream")
            elif stream.reset is None:
                stream.reset = struct.unpack(">I", made.payload)[0]
        elif made.kind == Kind.HEADERS:
            payload = self._without_padding(made)[5 if made.flags & PRIORITY_FLAG else 0 :]
            self._open = (made.stream, made.flags, payload)
            self._end_block(made.flags)
        elif made.kind == Kind.CONTINUATION and self._open:
            self._open = (self._open[0], self._open[1], self._open[2] + made.payload)
            self._end_block(made.flags)
        elif made.kind == Kind.DATA:
            self._take_data(made, stream)
        elif made.kind == Kind.PUSH_PROMISE:
            self.wrong("PUSH_PROMISE")

    @staticmethod
    def _without_padding(made: Frame) -> bytes:
        return made.payload[1 : len(made.payload) - made.payload[0]] if made.flags & PADDED else made.payload

    def _take_settings(self, made: Frame) -> None:
        if made.flags & ACK:
            if self.acknowledged == 0:
                ours = self.ours.get(Setting.INITIAL_WINDOW_SIZE, 65535)
                for stream in self.streams.values():
                    stream.allowance += ours - self.initial
                self.initial = ours
            self.acknowledged += 1
            return
        for at in range(0, len(made.payload), 6):
            name, value = struct.unpack_from(">HI", made.payload, at)
            if name == Setting.INITIAL_WINDOW_SIZE:
                for stream in self.streams.values():
                    stream.window += value - self.theirs.get(name, 65535)
            if name == Setting.HEADER_TABLE_SIZE:
                self.encoder.header_table_size = min(4096, value)
            self.theirs[name] = value
        self.settled = True
        if self.consume:
            self.send(frame(Kind.SETTINGS, ACK))

    def stream(self, number: int) -> Stream:
        """The stream's record, made on first use."""
        if number not in self.streams:
            self.streams[number] = Stream(number, self.theirs.get(Setting.INITIAL_WINDOW_SIZE, 65535), self.initial)
            self.streams[number].began = time.monotonic()
        return self.streams[number]

    def _end_block(self, flags: int) -> None:
        if not flags & END_HEADERS or self._open is None:
            return
        number, first, text = self._open
        self._open = None
        try:
            fields = [(bytes(field[0]), bytes(field[1])) for field in self.decoder.decode(text, raw=True)]
        except hpack.HPACKError as error:
            self.wrong(f"field block of stream {number}: {error!r}")
            return
        if self.kind == "answer" and number not in self.streams:
            self.wrong(f"HEADERS on idle stream {number}")
        stream = self.stream(number)
        if stream.ended:
            self.wrong(f"HEADERS after END_STREAM on stream {number}")
        why = malformed(fields, "trailers" if stream._final is not None else self.kind)
        if why:
            self.wrong(f"stream {number}: {why}")
        stream.sections.append(fields)
        if stream._final is not None and len(stream.sections) > stream._final + 1 and not first & END_STREAM:
            self.wrong(f"trailers without END_STREAM on stream {number}")
        if first & END_STREAM:
            self._finish(stream)

    def _take_data(self, made: Frame, stream: Stream | None) -> None:
        if stream is None or stream.ended or not stream.sections:
            return self.wrong(f"{made} where no body is expected")
        size = len(made.payload)
        stream.allowance -= size
        self.allowance -= size
        if stream.allowance < 0 or self.allowance < 0:
            self.wrong(f"{made} beyond the window: {stream.allowance} and {self.allowance}")
        piece = self._without_padding(made)
        stream.count += len(piece)
        if self.keep:
            stream.body += piece
        if size and self.consume:
            stream.allowance += size
            self.allowance += size
            self.send(window_update(0, size), b"" if made.flags & END_STREAM else window_update(made.stream, size))
        if made.flags & END_STREAM:
            self._finish(stream)

    def _finish(self, stream: Stream) -> None:
        stream.ended = True
        length = dict(stream.head).get(b"content-length")
        empty = stream.method == "HEAD" or stream.status == 304
        if stream._final is None:
            self.wrong(f"stream {stream.number} ended without a final section")
        elif length is not None and length.isdigit() and int(length) != stream.count and not (empty and stream.count == 0):
            self.wrong(f"stream {stream.number}: {stream.count} bytes of {int(length)} ended with END_STREAM")

    # Ends

    @property
    def goaway(self) -> tuple[int, int, bytes] | None:
        """The last GOAWAY that came."""
        return self.goaways[-1] if self.goaways else None

    @property
    def resets(self) -> list[int]:
        return [stream.reset for stream in self.streams.values() if stream.reset is not None]

    def closes_within(self, seconds: float = 2.0) -> bool:
        self.pump(seconds=seconds)
        return self.ended is not None

    def answers(self, seconds: float = 2.0) -> bool:
        """Whether a PING comes back: the connection lives, and everything sent before was read."""
        word = struct.pack(">Q", time.monotonic_ns())
        self.send(frame(Kind.PING, 0, 0, word))
        return self.pump(lambda: any(each.kind == Kind.PING and each.flags & ACK and each.payload == word for each in self.frames[-200:]), seconds)

    def readable(self) -> bool:
        return bool(select.select([self.socket], [], [], 0)[0])

    def abort(self) -> None:
        """TCP RST."""
        self.ended = self.ended or "aborted"
        sockets.reset(self.socket)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
