"""gRPC by hand over the raw HTTP/2 client: calls, frames, statuses, and the details of errors."""

import base64
import struct
import urllib.parse

from .http2 import Stream
from .http2_ends import Client

CALL = (("content-type", "application/grpc"), ("te", "trailers"))


def message(body: bytes, flags: int = 0) -> bytes:
    """One message with its prefix."""
    return struct.pack(">BI", flags, len(body)) + body


def messages(body: bytes) -> list[bytes]:
    """The messages of a body; it must end with one."""
    found = []
    while body:
        flags, size = struct.unpack_from(">BI", body)
        assert flags == 0 and len(body) >= 5 + size, body[:60]
        found.append(body[5 : 5 + size])
        body = body[5 + size :]
    return found


def begin(client: Client, path: str, *fields, body: bytes | None = None, type: str = "application/grpc") -> Stream:
    """A call; without a body its request stays open."""
    kept = [("content-type", type), ("te", "trailers"), *fields]
    return client.request(path, *kept, method="POST", body=body) if body is not None else client.open(
        [(":method", "POST"), (":scheme", "http"), (":authority", "shop.example"), (":path", path), *kept], False, "POST")


def call(client: Client, path: str, *fields, body: bytes = message(b""), **more) -> Stream:
    """A whole call, and its answer."""
    return client.finish(begin(client, path, *fields, body=body, **more))


def ending(stream: Stream) -> dict[str, str]:
    """Trailers, or the head of an answer that has nothing else, which must be gRPC's."""
    assert stream.complete, stream
    assert stream.status == 200 and stream.field("content-type").lower().startswith("application/grpc"), stream.sections
    fields = stream.trailers or stream.head
    found = {name.decode(): value.decode() for name, value in fields}
    assert "grpc-status" in found, fields
    return found


def status(stream: Stream) -> tuple[int, str]:
    """The call's status and message."""
    fields = ending(stream)
    return int(fields["grpc-status"]), urllib.parse.unquote(fields.get("grpc-message", ""))


def is_trailers_only(stream: Stream) -> bool:
    return stream.count == 0 and len(stream.sections) == 1


def parse(text: bytes) -> list[tuple[int, int | bytes]]:
    """A protobuf message's fields, in order: varints and length-delimited ones."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = text[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(text):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        else:
            assert key & 7 == 2, key
            size = varint()
            assert at + size <= len(text)
            found.append((key >> 3, text[at : at + size]))
            at += size
    return found


def details(stream: Stream) -> dict[str, list[tuple[int, int | bytes]]]:
    """The details in `grpc-status-details-bin` by the last word of their type; `Status` is the whole itself."""
    value = ending(stream)["grpc-status-details-bin"]
    fields = parse(base64.b64decode(value + "=" * (-len(value) % 4), validate=True))
    found: dict[str, list] = {"Status": [(number, value) for number, value in fields if number != 3]}
    for number, value in fields:
        if number == 3:
            any_fields = dict(parse(value))
            kind = any_fields[1].decode()
            assert kind.startswith("type.googleapis.com/google.rpc."), kind
            found[kind.rpartition(".")[2]] = parse(any_fields[2])
    return found
