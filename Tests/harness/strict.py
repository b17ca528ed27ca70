"""An independent, strict HTTP/1.1 parser (RFC 9112) for what the gateway sends: one reading or none.

It shares no code and no leniency with the gateway. Anything two servers could read differently is
`Ambiguous`, with the reason.
"""

import dataclasses
import re

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
TARGET = re.compile(rb"[\x21-\x7e]+")
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+;=]*)(?::[0-9]*)?")
HEX = re.compile(rb"[0-9A-Fa-f]+")
QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
EXTENSIONS = re.compile(rb"(?:;" + TOKEN.pattern + rb"(?:=(?:" + TOKEN.pattern + rb"|" + QUOTED + rb"))?)*")
FRAMING = {b"content-length", b"transfer-encoding", b"host", b"connection", b"trailer", b"te", b"authorization", b"upgrade"}


class Ambiguous(Exception):
    """The bytes have no single reading."""


class Incomplete(Exception):
    """The bytes so far are a proper prefix; `stage` says of what."""

    def __init__(self, stage: str, message: "Message | None" = None):
        super().__init__(stage)
        self.stage = stage
        self.message = message


@dataclasses.dataclass
class Message:
    """One request or answer. Field names are lower case; order and repetition are kept."""

    start: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)
    framing: str = "none"  # none | length | chunked | close
    length: int | None = None
    chunks: int = 0

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for field, value in self.fields if field == name.lower().encode()]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        if len(values) > 1:
            raise Ambiguous(f"{name} more than once: {values}")
        return values[0] if values else None

    @property
    def method(self) -> str:
        return self.start.split(b" ")[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.start.split(b" ")[1].decode("latin-1")

    @property
    def status(self) -> int:
        return int(self.start[9:12])


def _lines(data: bytes, at: int, stage: str) -> tuple[list[bytes], int]:
    """CRLF lines up to the empty one; (lines, offset after it)."""
    lines = []
    while True:
        end = data.find(b"\r\n", at)
        line = data[at : end if end >= 0 else len(data)]
        bare = line[:-1] if end < 0 and line.endswith(b"\r") else line
        if b"\n" in bare or b"\r" in bare or b"\0" in bare:
            raise Ambiguous(f"bare LF, CR or NUL in {stage}: {bare[:80]!r}")
        if end < 0:
            raise Incomplete(stage)
        at = end + 2
        if not line:
            return lines, at
        lines.append(line)


def _fields(lines: list[bytes], where: str) -> list[tuple[bytes, bytes]]:
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name):
            raise Ambiguous(f"bad field name in {where}: {line[:80]!r}")
        value = value.strip(b" \t")
        if not VALUE.fullmatch(value):
            raise Ambiguous(f"control character in {where}: {line[:80]!r}")
        fields.append((name.lower(), value))
    return fields


def _framing(message: Message, http11: bool) -> None:
    codings = [value for name, value in message.fields if name == b"transfer-encoding"]
    lengths = [value for name, value in message.fields if name == b"content-length"]
    if codings and lengths:
        raise Ambiguous(f"Transfer-Encoding {codings} with Content-Length {lengths}")
    if len(codings) > 1 or len(lengths) > 1:
        raise Ambiguous(f"framing field repeated: {codings or lengths}")
    if codings:
        if codings[0].lower() != b"chunked":
            raise Ambiguous(f"Transfer-Encoding {codings[0]!r}")
        if not http11:
            raise Ambiguous("Transfer-Encoding on HTTP/1.0")
        message.framing = "chunked"
    elif lengths:
        if not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
            raise Ambiguous(f"Content-Length {lengths[0]!r}")
        message.framing, message.length = "length", int(lengths[0])


def _chunks(data: bytes, at: int, message: Message) -> int:
    body = bytearray()
    while True:
        end = data.find(b"\r\n", at)
        line = data[at : end if end >= 0 else len(data)]
        if end < 0:
            if b"\n" in line or b"\0" in line:
                raise Ambiguous(f"bare LF or NUL in a chunk line: {line[:80]!r}")
            message.body = bytes(body)
            raise Incomplete("chunk line", message)
        size = HEX.match(line)
        if not size or len(size.group()) > 15 or not EXTENSIONS.fullmatch(line[size.end() :]):
            raise Ambiguous(f"chunk line {line[:80]!r}")
        at, count = end + 2, int(size.group(), 16)
        if count == 0:
            break
        message.chunks += 1
        body += data[at : at + count]
        if len(data) < at + count + 2:
            if data[at + count : at + count + 1] not in (b"", b"\r"):
                raise Ambiguous("no CRLF after chunk data")
            message.body = bytes(body)
            raise Incomplete("chunk data", message)
        if data[at + count : at + count + 2] != b"\r\n":
            raise Ambiguous("no CRLF after chunk data")
        at += count + 2
    message.body = bytes(body)
    try:
        lines, at = _lines(data, at, "trailers")
    except Incomplete as incomplete:
        raise Incomplete(incomplete.stage, message) from None
    message.trailers = _fields(lines, "trailers")
    for name, _ in message.trailers:
        if name in FRAMING:
            raise Ambiguous(f"{name.decode()} in the trailers")
    return at


def _body(data: bytes, at: int, message: Message) -> int:
    if message.framing == "chunked":
        return _chunks(data, at, message)
    wanted = message.length or 0
    message.body = data[at : at + wanted]
    if len(message.body) < wanted:
        raise Incomplete("body", message)
    return at + wanted


def request(data: bytes) -> tuple[Message, int]:
    """The first request in `data` and where it ends. Raises `Ambiguous` or `Incomplete`."""
    lines, at = _lines(data, 0, "request head")
    if not lines:
        raise Ambiguous("empty line before the request")
    parts = lines[0].split(b" ")
    if len(parts) != 3 or not TOKEN.fullmatch(parts[0]) or not TARGET.fullmatch(parts[1]):
        raise Ambiguous(f"request line {lines[0][:80]!r}")
    if parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or b"#" in parts[1]:
        raise Ambiguous(f"request line {lines[0][:80]!r}")
    message = Message(lines[0], _fields(lines[1:], "request head"))
    hosts = [value for name, value in message.fields if name == b"host"]
    if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        raise Ambiguous(f"Host {hosts}")
    _framing(message, parts[2] == b"HTTP/1.1")
    return message, _body(data, at, message)


def answer(data: bytes, method: str = "GET", closed: bool = False) -> tuple[Message, int]:
    """The first answer in `data` (1xx count as answers of their own) and where it ends.

    `closed` says that the sender closed cleanly after `data`, which ends a body without a length.
    """
    lines, at = _lines(data, 0, "answer head")
    if not lines or not re.fullmatch(rb"HTTP/1\.[01] [1-9][0-9]{2} [\t\x20-\x7e\x80-\xff]*", lines[0]):
        raise Ambiguous(f"status line {lines[:1]}")
    message = Message(lines[0], _fields(lines[1:], "answer head"))
    _framing(message, lines[0].startswith(b"HTTP/1.1"))
    status = message.status
    if 100 <= status < 200 or status == 204:
        if message.framing != "none":
            raise Ambiguous(f"{status} with a body's length")
        return message, at
    if method == "HEAD" or status == 304 or (method == "CONNECT" and status < 300):
        return message, at
    if message.framing == "none":
        message.framing, message.body = "close", data[at:]
        if not closed:
            raise Incomplete("body to the close", message)
        return message, len(data)
    return message, _body(data, at, message)
