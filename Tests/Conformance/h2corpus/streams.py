"""Streams (RFC 9113 section 5), field blocks over several frames (section 4.3, 6.10) and HPACK (RFC 7541)."""

from harness.http2 import Kind, Setting, block, continuation, data, frame, headers, integer, request_fields, rst, settings

from .case import CLOSED, COMPRESSION, PROTOCOL, Case, get, held, opened, post, section

FIELDS = request_fields("/c")
SECTION = block(*FIELDS)
FIRST = request_fields("/first")


def too_many(client) -> None:
    """One stream more than the server said it would have."""
    for number in range(client.theirs.get(Setting.MAX_CONCURRENT_STREAMS, 100) + 1):
        client.send(held(1 + 2 * number))
        client.stream(1 + 2 * number)


STATES = [
    Case("id-even", "5.1.1", get(stream=2), PROTOCOL),
    Case("id-decreasing", "5.1.1", get(stream=5, path="/first") + get(stream=3), PROTOCOL + "|goaway STREAM_CLOSED"),
    Case("id-skipped", "5.1.1", get(stream=77), "200", on=77),
    Case("id-largest", "5.1.1", get(stream=(1 << 31) - 1), "200", on=(1 << 31) - 1),
    Case("idle-data", "5.1", data(1, b"x", True), PROTOCOL),
    Case("idle-data-after-use", "5.1", get(path="/first") + data(9, b"x", True), PROTOCOL),
    Case("idle-even-data", "5.1", data(2, b"x"), PROTOCOL),
    Case("half-closed-data", "5.1", held() + data(1, b"x", True), CLOSED),
    Case("half-closed-headers", "5.1", held() + section(("x-late", "1")), CLOSED + "|" + PROTOCOL),
    Case("half-closed-empty-data", "5.1", held() + data(1, b""), CLOSED),
    Case("reset-then-data", "5.1", opened() + rst(1) + data(1, b"x"), CLOSED + "|alive"),
    Case("reset-then-headers", "5.1", opened() + rst(1) + get(), CLOSED + "|" + PROTOCOL + "|alive"),
    Case("reset-twice", "5.1", opened() + rst(1) + rst(1), "alive|goaway STREAM_CLOSED"),
    Case("too-many", "5.1.2", too_many, "rst REFUSED_STREAM|rst PROTOCOL_ERROR|goaway PROTOCOL_ERROR|goaway REFUSED_STREAM", on=201, particular=True),
]

BLOCKS = [
    Case("continuation-three", "6.10", headers(1, SECTION[:7], flags=0) + continuation(1, SECTION[7:20]) + continuation(1, SECTION[20:], True), "200"),
    Case("continuation-after-empty-headers", "6.10", headers(1, b"", flags=0) + continuation(1, SECTION, True), "200"),
    Case("continuation-ping-between", "6.10", headers(1, SECTION[:7], flags=0) + frame(Kind.PING, payload=bytes(8)) + continuation(1, SECTION[7:], True), PROTOCOL),
    Case("continuation-data-between", "6.10", headers(1, SECTION[:7], end=False, flags=0) + data(1, b"x") + continuation(1, SECTION[7:], True), PROTOCOL),
    Case("continuation-settings-between", "6.10", headers(1, SECTION[:7], flags=0) + settings() + continuation(1, SECTION[7:], True), PROTOCOL),
    Case("continuation-headers-between", "6.10", headers(1, SECTION[:7], flags=0) + get(stream=3) + continuation(1, SECTION[7:], True), PROTOCOL),
    Case("continuation-of-another", "6.10", headers(1, SECTION[:7], flags=0) + continuation(3, SECTION[7:], True), PROTOCOL),
    Case("continuation-alone", "6.10", continuation(1, SECTION, True), PROTOCOL),
    Case("continuation-after-end", "6.10", held() + continuation(1, SECTION, True), PROTOCOL),
    Case("continuation-on-connection", "6.10", headers(1, SECTION[:7], flags=0) + continuation(0, SECTION[7:], True), PROTOCOL),
    Case("continuation-after-data", "6.10", opened() + data(1, b"x") + continuation(1, SECTION, True), PROTOCOL),
]

HUFFMAN_A = b"\x1f"  # `a` is 00011 and three bits of padding


def field(text: bytes) -> bytes:
    """A request with these bytes behind its block."""
    return headers(1, SECTION + text)


HPACK = [
    Case("hpack-index-0", "7541 6.1", field(b"\x80"), COMPRESSION),
    Case("hpack-index-absent", "7541 2.3.3", field(integer(62, 7, 0x80)), COMPRESSION),
    Case("hpack-index-huge", "7541 5.1", field(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), COMPRESSION),
    Case("hpack-name-index-absent", "7541 2.3.3", field(integer(99, 6, 0x40) + b"\x01a"), COMPRESSION),
    Case("hpack-size-update-too-large", "7541 6.3", headers(1, integer(1 << 20, 5, 0x20) + SECTION), COMPRESSION),
    Case("hpack-size-update-late", "7541 4.2", field(b"\x20"), COMPRESSION),
    Case("hpack-size-update-first", "7541 4.2", headers(1, b"\x20" + integer(4096, 5, 0x20) + SECTION), "200"),
    Case("hpack-string-cut", "7541 5.2", field(b"\0\x05ab"), COMPRESSION),
    Case("hpack-no-value", "7541 6.2", field(b"\0\x01a"), COMPRESSION),
    Case("hpack-integer-cut", "7541 5.1", field(b"\0\x7f"), COMPRESSION),
    Case("hpack-huffman", "7541 5.2", field(b"\0\x01a\x81" + HUFFMAN_A), "200"),
    Case("hpack-huffman-zero-padding", "7541 5.2", field(b"\0\x01a\x81\x18"), COMPRESSION),
    Case("hpack-huffman-long-padding", "7541 5.2", field(b"\0\x01a\x82" + HUFFMAN_A + b"\xff"), COMPRESSION),
    Case("hpack-huffman-eos", "7541 5.2", field(b"\0\x01a\x84\xff\xff\xff\xff"), COMPRESSION),
    Case("hpack-never-indexed", "7541 6.2.3", field(b"\x10\x01a\x01b"), "200"),
    Case("hpack-dynamic", "7541 2.3.2", headers(1, block(*FIRST, indexed=True)) + headers(3, b"".join(integer(at, 7, 0x80) for at in (65, 64, 63, 62))), "200", on=3),
    Case("hpack-evicted", "7541 4.4", headers(1, block(*FIRST, indexed=True)) + headers(3, b"\x20" + integer(62, 7, 0x80)), COMPRESSION),
    Case("hpack-entry-larger-than-table", "7541 4.4", headers(1, block(*FIRST) + block(("x-big", "b" * 4100), indexed=True)) + headers(3, SECTION + integer(62, 7, 0x80)), COMPRESSION),
    Case("hpack-table-off", "7541 4.2", settings((Setting.HEADER_TABLE_SIZE, 0)) + get(), "200"),
    Case("hpack-in-trailers", "4.3", post() + data(1, b"hello") + headers(1, b"\x80"), COMPRESSION),
    Case("hpack-kept-after-refusal", "4.3", headers(1, block(*FIELDS, ("X-Upper", "1"), indexed=True)) + headers(3, b"".join(integer(at, 7, 0x80) for at in (66, 65, 64, 63))), "200|goaway PROTOCOL_ERROR", on=3),
]

CASES = STATES + BLOCKS + HPACK
