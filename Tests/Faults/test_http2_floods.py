"""Floods over HTTP/2: each ends with the right GOAWAY after few bytes, costs little, and others do not feel it.

The names: rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671), CONTINUATION flood (CVE-2024-27316 and its
kin), SETTINGS, PING, PRIORITY, empty-frame and unknown-frame floods (CVE-2019-9512 to 9518), HPACK bomb.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import threading
import time
from collections.abc import Callable

import pytest

from harness import procfs
from harness.gateway import listener, route, settings
from harness.http2 import ACK, PADDED, Code, Kind, Setting, block, continuation, data, frame, goaway, headers, integer, request_fields, rst, window_update
from harness.http2 import settings as settings_frame
from harness.http2_ends import Client
from harness.recorder import Peer, describe
from harness.wire import Wire, get

CALM = Code.ENHANCE_YOUR_CALM
SECTION = block(*request_fields("/hold"))
OPEN = block(*request_fields("/hold", method="POST"))
# A client that opens more streams than it was told it may.
TOO_MANY = (Code.PROTOCOL_ERROR, Code.REFUSED_STREAM)
EACH = 50  # streams or frames in one piece


def play(peer: Peer) -> None:
    while True:
        message = peer.read_request()
        if message.target.startswith("/hold"):
            return peer.hold(30)
        peer.send(describe(message))


@dataclasses.dataclass(frozen=True)
class Flood:
    """`piece(turn)` is sent again and again; `first` before it. `codes`: how the connection may be ended; none = by a close."""

    name: str
    piece: Callable[[int], bytes]
    codes: tuple[int | None, ...] = (CALM,)
    first: bytes = b""
    # Bytes taken when the flood ends, as this end counts them (what the kernel holds included).
    bytes_taken: int = 1 << 20

    def __str__(self) -> str:
        return self.name


def streams(each: Callable[[int], bytes], count: int = EACH) -> Callable[[int], bytes]:
    """`each(stream)` for the next streams."""
    return lambda turn: b"".join(each(1 + 2 * (turn * count + n)) for n in range(count))


def same(piece: bytes, count: int = EACH) -> Callable[[int], bytes]:
    whole = piece * count
    return lambda _: whole


def mine(name: str, after: Callable[[int], bytes], *codes: int, opened: bool = False) -> Flood:
    """MadeYouReset: a request, then something the server must answer with RST_STREAM (or the end of all)."""
    first = lambda stream: headers(stream, OPEN if opened else SECTION, not opened)  # noqa: E731
    return Flood(f"made-you-reset-{name}", streams(lambda stream: first(stream) + after(stream)), (CALM, *TOO_MANY, *codes))


REFERENCE = integer(62, 7, 0x80)
BOMB = block((":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")) + block(("x-bomb", "b" * 3900), indexed=True)

FLOODS = [
    Flood("rapid-reset", streams(lambda stream: headers(stream, SECTION) + rst(stream))),
    Flood("rapid-reset-no-error", streams(lambda stream: headers(stream, SECTION) + rst(stream, Code.NO_ERROR))),
    Flood("rapid-reset-uploads", streams(lambda stream: headers(stream, OPEN, False) + data(stream, b"x") + rst(stream))),
    Flood("request-and-leave", streams(lambda stream: headers(stream, SECTION)), (CALM, *TOO_MANY)),
    mine("window-0", lambda stream: window_update(stream, 0)),
    mine("window-overflow", lambda stream: window_update(stream, (1 << 31) - 1), Code.FLOW_CONTROL_ERROR),
    mine("data-after-end", lambda stream: data(stream, b"x", True), Code.STREAM_CLOSED),
    mine("headers-after-end", lambda stream: headers(stream, SECTION), Code.STREAM_CLOSED),
    mine("priority-size", lambda stream: frame(Kind.PRIORITY, 0, stream, b"\0\0\0\0"), Code.FRAME_SIZE_ERROR),
    mine("priority-self", lambda stream: frame(Kind.PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\x0f")),
    mine("trailers-bad", lambda stream: headers(stream, block(("X-Upper", "1"))), opened=True),
    Flood("made-you-reset-upper", streams(lambda stream: headers(stream, SECTION + block(("X-Upper", "1")))), (CALM, Code.PROTOCOL_ERROR)),
    Flood("made-you-reset-length", streams(lambda stream: headers(stream, OPEN + block(("content-length", "1")), False) + data(stream, b"xx", True)), (CALM, Code.PROTOCOL_ERROR)),
    Flood("continuation-bytes", same(continuation(1, b"\0\x01a\x01b")), first=headers(1, SECTION, flags=0)),
    Flood("continuation-empty", same(continuation(1)), first=headers(1, SECTION, flags=0)),
    Flood("continuation-large", same(continuation(1, block(("x-a", "a" * 4000)) * 4), 1), first=headers(1, SECTION, flags=0)),
    Flood("continuation-empty-streams", streams(lambda stream: headers(stream, SECTION, flags=0) + continuation(stream) * 20 + continuation(stream, b"", True))),
    Flood("settings", same(settings_frame())),
    Flood("settings-large", same(settings_frame(*[(Setting.INITIAL_WINDOW_SIZE, 65535)] * 100))),
    Flood("settings-ack", same(frame(Kind.SETTINGS, ACK)), (CALM, Code.PROTOCOL_ERROR)),
    Flood("ping", same(frame(Kind.PING, 0, 0, bytes(8)))),
    Flood("ping-ack", same(frame(Kind.PING, ACK, 0, bytes(8)))),
    Flood("priority-idle", lambda turn: b"".join(frame(Kind.PRIORITY, 0, 1 + 2 * (turn * EACH + n), b"\0\0\0\0\x0f") for n in range(EACH))),
    Flood("priority-one", same(frame(Kind.PRIORITY, 0, 1, b"\0\0\0\0\x0f")), first=headers(1, OPEN, False)),
    Flood("data-empty", same(data(1)), first=headers(1, OPEN, False)),
    Flood("data-only-padding", same(frame(Kind.DATA, PADDED, 1, b"\0")), (CALM, Code.FLOW_CONTROL_ERROR), first=headers(1, OPEN, False)),
    Flood("unknown", same(frame(0xBB, 0, 0, b""))),
    Flood("unknown-with-bytes", same(frame(0xBB, 0, 0, bytes(500)), 20)),
    Flood("window-update-connection", same(window_update(0, 1))),
    Flood("window-update-stream", same(window_update(1, 1)), first=headers(1, SECTION)),
    Flood("goaway", same(goaway(0)), (CALM, Code.NO_ERROR, None)),
    Flood("hpack-bomb", streams(lambda stream: headers(stream, (BOMB if stream == 1 else SECTION) + REFERENCE * 8000), 1), (CALM, Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR)),
    Flood("hpack-table-churn", streams(lambda stream: headers(stream, SECTION + block(*[(f"x-{n}", "v" * 500) for n in range(8)], indexed=True) * 3), 1), (CALM, Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR), bytes_taken=4 << 20),
    Flood("hpack-size-updates", streams(lambda stream: headers(stream, (b"\x20" + integer(4096, 5, 0x20)) * 4000 + SECTION), 1), (CALM, Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR), bytes_taken=4 << 20),
    Flood("names-empty", streams(lambda stream: headers(stream, SECTION + b"\0\0\0" * 5000), 1), (CALM, Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR)),
    Flood("names-empty-continued", same(continuation(1, b"\0\0\0" * 5000), 1), (CALM, Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR), first=headers(1, SECTION, flags=0)),
    Flood("cookie-crumbs", streams(lambda stream: headers(stream, SECTION + block(("cookie", "a")) * 1000), 1), (CALM, Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR)),
]


class Bystander:
    """A client on a connection of its own that asks all the time and keeps how long each answer took.

    The gateway answers it alone, so that the figure is the gateway's and not the test's own back end's.
    """

    def __init__(self, address: str):
        self.times: list[float] = []
        self.failures: list[str] = []
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with Wire(self._address, timeout=5) as wire:
            while not self._over.wait(0.002):
                start = time.monotonic()
                reply = wire.ask(get("/fixed"))
                self.times.append(time.monotonic() - start)
                if reply.status != 200:
                    self.failures.append(f"{reply.end} {reply.status}")
                    return

    @property
    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)] if self.times else 0.0

    def __enter__(self) -> "Bystander":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)


FIXED = {"name": "fixed", "match": {"path": "/fixed"}, "target": {"fixed": {"status": 200, "body": "ok"}}}


@pytest.fixture(scope="module")
def subject(shared_stage):
    backend = shared_stage.backend(play)
    gateway = shared_stage.gateway(settings(backend.address, listeners=[listener(timeouts={"linger": "200ms"})]), [FIXED, route(body_limit="64MiB", timeouts={"body": "20s"})])
    with Wire(gateway.address) as wire:
        for _ in range(200):
            assert wire.ask(get("/")).status == 200
    return gateway, backend


@pytest.mark.parametrize("flood", FLOODS, ids=str)
def test_flood(subject, flood, record_property):
    gateway, backend = subject
    requests, memory = len(backend.requests), gateway.rss()
    with Bystander(gateway.address) as bystander, Client(gateway.address) as client:
        client.settle()
        cpu, start = procfs.cpu_seconds(gateway.pid), time.monotonic()
        client.consume = False  # an attacker does not answer
        client.send(flood.first)
        taken = client.flood(flood.piece, 16 << 20, 3, pause=0.001)
        client.pump(lambda: bool(client.goaways), 2)
        ended = client.closes_within(3)
        took = time.monotonic() - start
        time.sleep(0.05)
    # The bystander's own work is part of what the process spent: its share is taken off at 50 µs a request.
    spent = max(0.0, procfs.cpu_seconds(gateway.pid) - cpu - 50e-6 * len(bystander.times))
    grown = gateway.rss() - memory
    code = client.goaway[1] if client.goaway else None
    numbers = (
        f"{flood}: ended by {Code(code).name if code is not None else 'nothing'} after {taken:,} bytes and {took:.2f} s, {spent * 1e3:.0f} ms CPU, "
        f"memory {grown >> 10:+,} KiB, {len(backend.requests) - requests} requests upstream, bystander p99 {bystander.p99 * 1e3:.1f} ms of {len(bystander.times)}"
    )
    print(numbers)
    record_property("numbers", numbers)
    gateway.assert_alive()
    assert code in flood.codes and ended, numbers
    assert taken <= flood.bytes_taken, numbers
    assert spent < 0.5 and grown < 16 << 20, numbers
    assert len(backend.requests) - requests <= 1000, numbers
    assert not bystander.failures and bystander.p99 < 0.25, (numbers, bystander.failures)


def attack(address: str, name: str, seconds: float) -> tuple[int, int]:
    """The flood again and again on new connections: how many, and the bytes they took. Runs in a process of its own."""
    os.nice(10)  # the figure is about the gateway's turns, not about who gets the processor
    flood = next(each for each in FLOODS if each.name == name)
    connections = taken = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), Client(address, 2) as client:
            client.consume = False
            client.settle()
            client.send(flood.first)
            connections += 1
            taken += client.flood(flood.piece, 4 << 20, 2)
    return connections, taken


SUSTAINED = ("rapid-reset", "made-you-reset-window-0", "continuation-bytes", "settings", "hpack-bomb", "names-empty")


def test_attackers_that_return_do_not_starve_a_bystander(subject, record_property):
    gateway, _ = subject
    lines = []
    with multiprocessing.get_context("spawn").Pool(2) as attackers:
        for name in SUSTAINED:
            cpu, memory = procfs.cpu_seconds(gateway.pid), gateway.rss()
            with Bystander(gateway.address) as bystander:
                done = attackers.starmap(attack, [(gateway.address, name, 0.7)] * 2)
            spent, grown = procfs.cpu_seconds(gateway.pid) - cpu, gateway.rss() - memory
            connections, taken = (sum(each[at] for each in done) for at in (0, 1))
            lines.append(f"{name}: {connections} connections, {taken:,} bytes, {spent:.2f} s CPU, memory {grown >> 10:+,} KiB, bystander p99 {bystander.p99 * 1e3:.1f} ms of {len(bystander.times)}")
            assert not bystander.failures and bystander.times and bystander.p99 < 0.25 and grown < 16 << 20, (lines, bystander.failures)
    print("\n".join(lines))
    record_property("numbers", "; ".join(lines))
    gateway.assert_alive()


def test_ordinary_use_is_no_flood(subject):
    """A browser that cancels now and then, pings, and asks a lot is not cut off."""
    gateway, _ = subject
    with Client(gateway.address) as client:
        for turn in range(300):
            assert client.ask(f"/{turn}").status == 200, f"turn {turn}: {client.goaway}"
            if turn % 10 == 0:
                stream = client.request("/hold")
                client.send(rst(stream.number), frame(Kind.PING, 0, 0, bytes(8)))
        assert not client.goaway and not client.violations


def test_a_window_opened_for_each_request_is_no_flood(stage):
    """As gRPC's clients do, whatever the answer: here one without a body, so that no DATA explains the frame."""
    gateway = stage.gateway(settings("127.0.0.1:1"), [route(path="/only/here")])
    with Client(gateway.address) as client:
        client.settle()
        for _ in range(60):
            asked = [client.request("/nowhere", method="HEAD") for _ in range(50)]
            client.send(*(window_update(stream.number, 1 << 16) for stream in asked))
            for stream in asked:
                assert client.finish(stream).end == "complete" and stream.status == 404
        assert not client.goaways
