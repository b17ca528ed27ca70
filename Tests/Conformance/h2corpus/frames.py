"""Frames (RFC 9113 sections 4 and 6): the preface, sizes, streams they may be on, values."""

import struct
import time

from harness.http2 import ACK, END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY_FLAG, Kind, Setting, block, data, frame, goaway, headers, request_fields, rst, settings, window_update

from .case import PROTOCOL, SIZE, Case, get, held, opened, post

SECTION = block(*request_fields("/c"))


def trickle(client) -> None:
    """The preface and a request, a byte at a time."""
    whole = PREFACE + settings() + get()
    for at in range(len(whole)):
        client.send(whole[at : at + 1])
        if at < 40:
            time.sleep(0.002)


PREFACES = [
    Case("preface-at-once", "3.4", PREFACE + settings() + get(), "200", greet=False),
    Case("preface-trickled", "3.4", trickle, "200", greet=False),
    Case("preface-wrong-end", "3.4", PREFACE[:-6] + b"SX\r\n\r\n" + settings() + get(), "closed|" + PROTOCOL, greet=False),
    Case("preface-without-settings", "3.4", PREFACE + frame(Kind.PING, payload=bytes(8)), PROTOCOL, greet=False),
    Case("preface-then-request", "3.4", PREFACE + get(), PROTOCOL, greet=False),
    Case("preface-settings-ack-first", "3.4", PREFACE + frame(Kind.SETTINGS, ACK) + get(), PROTOCOL, greet=False),
    Case("preface-twice", "3.4", PREFACE, "goaway FRAME_SIZE_ERROR|goaway PROTOCOL_ERROR"),
    Case("preface-http1-inside", "3.4", b"GET /c HTTP/1.1\r\nHost: shop.example\r\n\r\n" + bytes(4096), "goaway FRAME_SIZE_ERROR|goaway PROTOCOL_ERROR"),
]

UNKNOWN = [
    Case("unknown-on-connection", "4.1", frame(0xBB, 0, 0, b"12345678"), "alive"),
    Case("unknown-on-stream", "4.1", opened() + frame(0xBB, 0xFF, 1, b"12345678"), "alive"),
    # Section 4.1 says ignore, 5.1 says that nothing but HEADERS and PRIORITY may come on an idle stream.
    Case("unknown-on-idle", "4.1", frame(0x16, 0, 3, b"12345678"), "alive|" + PROTOCOL),
    Case("unknown-empty", "4.1", frame(0xFF), "alive"),
    Case("unknown-too-long", "4.2", frame(0xBB, 0, 0, bytes(16385)), SIZE),
    Case("unknown-inside-block", "4.3", headers(1, SECTION[:5], flags=0) + frame(0xBB, 0, 1, b"x") + frame(Kind.CONTINUATION, END_HEADERS, 1, SECTION[5:]), PROTOCOL),
    Case("reserved-bit", "4.1", frame(Kind.HEADERS, END_HEADERS | END_STREAM, 0x80000001, SECTION), "200"),
    Case("undefined-flags", "4.1", frame(Kind.HEADERS, 0xFF & ~PADDED & ~PRIORITY_FLAG, 1, SECTION), "200"),
    Case("longest-frame", "4.2", post(bytes(16384)), "200"),
]

DATA = [
    Case("data-on-connection", "6.1", frame(Kind.DATA, 0, 0, b"x"), PROTOCOL),
    Case("data-too-long", "4.2", opened() + data(1, bytes(16385)), SIZE + "|rst FRAME_SIZE_ERROR"),
    Case("data-empty-end", "6.1", post(b"hello", b""), "200"),
    Case("data-padded", "6.1", post() + frame(Kind.DATA, END_STREAM | PADDED, 1, b"\x05hello" + bytes(5)), "200"),
    Case("data-only-padding", "6.1", post() + frame(Kind.DATA, END_STREAM | PADDED, 1, b"\x05" + bytes(5)), "200"),
    Case("data-padding-of-everything", "6.1", opened() + frame(Kind.DATA, PADDED, 1, b"\x06" + bytes(5)), PROTOCOL),
    Case("data-padding-of-more", "6.1", opened() + frame(Kind.DATA, PADDED, 1, b"\xff" + bytes(5)), PROTOCOL),
    Case("data-padded-empty", "6.1", opened() + frame(Kind.DATA, PADDED, 1, b""), SIZE + "|" + PROTOCOL),
]

HEADERS = [
    Case("headers-on-connection", "6.2", frame(Kind.HEADERS, END_HEADERS | END_STREAM, 0, SECTION), PROTOCOL),
    Case("headers-too-long", "4.2", headers(1, SECTION + bytes(16385)), SIZE),
    Case("headers-padded", "6.2", frame(Kind.HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\x04" + SECTION + bytes(4)), "200"),
    Case("headers-padding-of-more", "6.2", frame(Kind.HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + SECTION), PROTOCOL),
    Case("headers-padded-empty", "6.2", frame(Kind.HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b""), SIZE + "|" + PROTOCOL),
    Case("headers-priority", "6.2", frame(Kind.HEADERS, END_HEADERS | END_STREAM | PRIORITY_FLAG, 1, struct.pack(">IB", 0, 15) + SECTION), "200"),
    Case("headers-priority-cut", "6.2", frame(Kind.HEADERS, END_HEADERS | END_STREAM | PRIORITY_FLAG, 1, b"\0\0"), SIZE + "|" + PROTOCOL),
    # RFC 7540 had this as an error, RFC 9113 no longer speaks of it: either is right, only not a crash.
    Case("headers-depend-on-self", "5.3", frame(Kind.HEADERS, END_HEADERS | END_STREAM | PRIORITY_FLAG, 1, struct.pack(">IB", 1, 15) + SECTION), "200|rst PROTOCOL_ERROR|" + PROTOCOL),
]

PRIORITY = [
    Case("priority", "6.3", opened() + frame(Kind.PRIORITY, 0, 1, struct.pack(">IB", 0, 15)), "alive"),
    Case("priority-on-idle", "5.1", frame(Kind.PRIORITY, 0, 7, struct.pack(">IB", 0, 15)) + get(), "200"),
    Case("priority-on-connection", "6.3", frame(Kind.PRIORITY, 0, 0, struct.pack(">IB", 1, 15)), PROTOCOL),
    Case("priority-short", "6.3", opened() + frame(Kind.PRIORITY, 0, 1, b"\0\0\0\0"), "rst FRAME_SIZE_ERROR|" + SIZE),
    Case("priority-depend-on-self", "5.3", opened() + frame(Kind.PRIORITY, 0, 1, struct.pack(">IB", 1, 15)), "alive|rst PROTOCOL_ERROR|" + PROTOCOL),
]

RESETS = [
    Case("rst-on-connection", "6.4", rst(0), PROTOCOL),
    Case("rst-on-idle", "6.4", rst(1), PROTOCOL),
    Case("rst-short", "6.4", opened() + frame(Kind.RST_STREAM, 0, 1, b"\0\0\0"), SIZE),
    Case("rst-unknown-code", "7", opened() + rst(1, 0xDEADBEEF), "alive"),
]

SETTINGS = [
    Case("settings-on-stream", "6.5", frame(Kind.SETTINGS, 0, 1), PROTOCOL),
    Case("settings-ack-with-payload", "6.5", frame(Kind.SETTINGS, ACK, 0, bytes(6)), SIZE),
    Case("settings-size-5", "6.5", frame(Kind.SETTINGS, 0, 0, bytes(5)), SIZE),
    Case("settings-push-2", "6.5.2", settings((Setting.ENABLE_PUSH, 2)), PROTOCOL),
    Case("settings-window-2-31", "6.5.2", settings((Setting.INITIAL_WINDOW_SIZE, 1 << 31)), "goaway FLOW_CONTROL_ERROR"),
    Case("settings-frame-16383", "6.5.2", settings((Setting.MAX_FRAME_SIZE, 16383)), PROTOCOL),
    Case("settings-frame-2-24", "6.5.2", settings((Setting.MAX_FRAME_SIZE, 1 << 24)), PROTOCOL),
    Case("settings-unknown", "6.5.2", settings((0x1234, 0xFFFFFFFF), (0, 0)), "alive"),
    Case("settings-largest", "6.5.2", settings((Setting.INITIAL_WINDOW_SIZE, (1 << 31) - 1), (Setting.MAX_FRAME_SIZE, (1 << 24) - 1), (Setting.HEADER_TABLE_SIZE, 0xFFFFFFFF), (Setting.MAX_HEADER_LIST_SIZE, 0xFFFFFFFF)) + get(), "200"),
    Case("settings-of-nothing", "6.5", settings(), "alive"),
    Case("settings-repeated", "6.5.3", settings(*[(Setting.INITIAL_WINDOW_SIZE, 1000 + n) for n in range(20)]) + get(), "200"),
]

OTHERS = [
    Case("push-promise", "8.4", opened() + frame(Kind.PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + SECTION), PROTOCOL),
    Case("ping-size-6", "6.7", frame(Kind.PING, 0, 0, bytes(6)), SIZE),
    Case("ping-on-stream", "6.7", frame(Kind.PING, 0, 1, bytes(8)), PROTOCOL),
    Case("ping-ack-unasked", "6.7", frame(Kind.PING, ACK, 0, bytes(8)), "alive"),
    Case("goaway-on-stream", "6.8", frame(Kind.GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    Case("goaway-short", "6.8", frame(Kind.GOAWAY, 0, 0, bytes(7)), SIZE),
    Case("goaway-then-the-answer", "6.8", get() + goaway(0), "200"),
]

WINDOWS = [
    Case("window-short", "6.9", frame(Kind.WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    Case("window-zero-connection", "6.9", window_update(0, 0), PROTOCOL),
    Case("window-zero-stream", "6.9", held() + window_update(1, 0), "rst PROTOCOL_ERROR|" + PROTOCOL),
    Case("window-on-idle", "5.1", window_update(1, 1), PROTOCOL),
    Case("window-overflow-connection", "6.9.1", window_update(0, (1 << 31) - 1), "goaway FLOW_CONTROL_ERROR"),
    Case("window-overflow-stream", "6.9.1", held() + window_update(1, (1 << 31) - 1), "rst FLOW_CONTROL_ERROR|goaway FLOW_CONTROL_ERROR"),
    Case("window-largest", "6.9.1", held() + window_update(1, (1 << 31) - 1 - 65535) + window_update(0, (1 << 31) - 1 - 65535), "alive"),
    # An error of the connection, not of the stream: section 6.9.2, last paragraph.
    Case("window-overflow-by-settings", "6.9.2", held() + window_update(1, (1 << 31) - 1 - 65535) + settings((Setting.INITIAL_WINDOW_SIZE, 65536)), "goaway FLOW_CONTROL_ERROR"),
    Case("window-reserved-bit", "6.9", held() + frame(Kind.WINDOW_UPDATE, 0, 1, struct.pack(">I", 0x80000001)), "alive"),
    Case("window-tiny", "6.9.2", get(), "200", ours=((Setting.INITIAL_WINDOW_SIZE, 3),)),
    Case("window-after-end", "5.1", lambda client: (client.send(get()), client.pump(lambda: client.stream(1).complete, 3), client.send(window_update(1, 100))), "200"),
    Case("priority-after-end", "5.1", lambda client: (client.send(get()), client.pump(lambda: client.stream(1).complete, 3), client.send(frame(Kind.PRIORITY, 0, 1, bytes(5)))), "200"),
]


def beyond_the_stream_window(client) -> None:
    """Fill what is between here and a back end that does not read; then more than the window that is left."""
    client.send(headers(1, block(*request_fields("/full", method="POST")), end=False))
    stream = client.stream(1)
    while client.pump(lambda: min(stream.window, client.window) > 0, 0.4) and not client.ended:
        room = min(stream.window, client.window, 16384)
        stream.window -= room
        client.window -= room
        client.send(data(1, bytes(room)))
        client.pump(seconds=0)
    client.send(data(1, bytes(16384)))


FLOW = [
    Case("data-beyond-the-window", "6.9.1", beyond_the_stream_window, "rst FLOW_CONTROL_ERROR|goaway FLOW_CONTROL_ERROR"),
]

CASES = PREFACES + UNKNOWN + DATA + HEADERS + PRIORITY + RESETS + SETTINGS + OTHERS + WINDOWS + FLOW
