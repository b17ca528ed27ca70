"""The two ends that tests play: a raw HTTP/2 client, and an upstream that answers by script."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable

from . import sockets
from .http2 import END_HEADERS, PREFACE, Code, Kind, Link, Stream, block, frame, goaway, headers, request_fields, rst, settings
from .recorder import Gone


class Client(Link):
    """A client connection. It greets at once; `greet` off sends nothing at all."""

    kind = "answer"

    def __init__(
        self, address: str, timeout: float = 5.0, *, ours: dict[int, int] | None = None, consume: bool = True, keep: bool = True,
        greet: bool = True, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None,
    ):
        made = sockets.connect(address, timeout)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if tls:
            made = tls.wrap_socket(made, server_hostname="shop.example")
        super().__init__(made, ours or {}, consume, keep)
        self.timeout = timeout
        self.next = 1
        if greet:
            self.send(PREFACE, settings(*(ours or {}).items()))

    def settle(self) -> "Client":
        """Wait for the server's SETTINGS and its acknowledgement of ours."""
        self.pump(lambda: self.settled and self.acknowledged > 0, self.timeout)
        return self

    def open(self, fields, end: bool = True, method: str = "GET") -> Stream:
        """HEADERS on the next stream. `fields` as pairs (encoded through the table) or as a block of bytes."""
        stream = self.stream(self.next)
        self.next += 2
        stream.method, stream.sent_end = method, end
        text = fields if isinstance(fields, bytes) else self.encode(fields)
        pieces = [text[at : at + 16384] for at in range(0, len(text), 16384)] or [b""]
        self.send(headers(stream.number, pieces[0], end, END_HEADERS if len(pieces) == 1 else 0))
        for at, piece in enumerate(pieces[1:], 2):
            self.send(frame(Kind.CONTINUATION, END_HEADERS if at == len(pieces) else 0, stream.number, piece))
        return stream

    def request(self, path: str = "/", *fields, method: str = "GET", body: bytes | None = None, trailers=(), **more) -> Stream:
        """Send a whole request; the answer is read by `finish`."""
        stream = self.open(request_fields(path, *fields, method=method, **more), body is None and not trailers, method)
        if body is not None:
            self.send_body(stream, body, not trailers)
        if trailers:
            self.send(headers(stream.number, self.encode(trailers)))
        return stream

    def ask(self, path: str = "/", *fields, timeout: float | None = None, **more) -> Stream:
        """A request and its end."""
        return self.finish(self.request(path, *fields, **more), timeout)

    def finish(self, stream: Stream, timeout: float | None = None) -> Stream:
        """Wait for the stream's end and name it: `complete`, `reset CODE`, `refused` (GOAWAY below it), `closed`, `silent`."""
        beyond = lambda: any(last < stream.number for last, _, _ in self.goaways)  # noqa: E731
        self.pump(lambda: stream.complete or stream.reset is not None or beyond(), self.timeout if timeout is None else timeout)
        if stream.complete:
            stream.end = "complete"
        elif stream.reset is not None:
            stream.end = f"reset {Code(stream.reset).name}" if stream.reset in list(Code) else f"reset {stream.reset}"
        else:
            stream.end = "refused" if beyond() else "closed" if self.ended else "silent"
        return stream

    def flood(self, piece: bytes | Callable[[int], bytes], limit: int, seconds: float = 10.0, pause: float = 0.0) -> int:
        """Send `piece` again and again until the connection is ended by the other side; bytes it took.

        What comes back is read meanwhile, so that neither side waits for the other. `pause` gives the end time
        to arrive after each piece: without it the count is mostly what the kernel's buffers hold.
        """
        before, turn = self.sent, 0
        deadline = time.monotonic() + seconds
        while self.sent - before < limit and time.monotonic() < deadline:
            self.send(piece if isinstance(piece, bytes) else piece(turn), timeout=0.5)
            turn += 1
            self.pump(lambda: bool(self.goaways), pause)
            if self.goaways or self.ended:
                break
        return self.sent - before


class Service(Link):
    """One accepted connection as the upstream's script sees it."""

    kind = "request"

    def __init__(self, made: socket.socket, number: int, ours: dict[int, int], consume: bool, greet: bool, keep: bool):
        super().__init__(made, ours, consume, keep)
        self.number = number
        self.taken = 0
        self.heads: list[Stream] = []
        self.requests: list[Stream] = []
        self.received = b""
        if greet:
            self.greet()

    def greet(self) -> None:
        self.send(settings(*self.ours.items()))

    def _next(self):
        if not self.taken:
            if len(self.buffer) < len(PREFACE):
                return None
            if not self.buffer.startswith(PREFACE):
                self.wrong(f"no preface: {bytes(self.buffer[:60])!r}")
                self.ended = "garbage"
                return None
            del self.buffer[: len(PREFACE)]
            self.taken = 1
        return super()._next()

    def _end_block(self, flags: int) -> None:
        known = set(self.streams)
        super()._end_block(flags)
        self.heads += [stream for number, stream in self.streams.items() if number not in known]

    def _finish(self, stream: Stream) -> None:
        super()._finish(stream)
        self.requests.append(stream)

    def read_head(self, seconds: float = 30.0) -> Stream:
        """The next request as soon as its head is there. `Gone` when none comes."""
        if not self.pump(lambda: self.heads, seconds):
            raise Gone("no more requests")
        return self.heads.pop(0)

    def read_request(self, seconds: float = 30.0) -> Stream:
        """The next request, whole. `Gone` when none comes or it was cut."""
        stream = self.read_head(seconds)
        if not self.pump(lambda: stream.ended or stream.reset is not None, seconds) or stream.reset is not None:
            raise Gone("cut request")
        return stream

    def head(self, stream: Stream, *fields, status: int | str = 200, end: bool = False) -> None:
        """A section of literals: any bytes."""
        self.send(headers(stream.number, block((":status", str(status)), *fields), end))

    def body(self, stream: Stream, content: bytes, end: bool = True) -> bool:
        return self.send_body(stream, content, end)

    def answer(self, stream: Stream, content: bytes = b"", *fields, status: int = 200, trailers=()) -> None:
        """A proper answer, its head through the dynamic table."""
        section = [(":status", str(status)), *fields]
        if not trailers:  # a length would leave no place for trailers on the way to an HTTP/1.1 client
            section.insert(1, ("content-length", str(len(content))))
        self.send(headers(stream.number, self.encode(section), not content and not trailers))
        if content:
            self.send_body(stream, content, not trailers)
        if trailers:
            self.send(headers(stream.number, self.encode(trailers)))

    def reset(self, stream: Stream, code: int = Code.INTERNAL_ERROR) -> None:
        self.send(rst(stream.number, code))

    def leave(self, last: int, code: int = Code.NO_ERROR) -> None:
        self.send(goaway(last, code))

    def hold(self, seconds: float = 30.0) -> None:
        """Read and follow the protocol, say nothing else, until the other side leaves."""
        self.pump(seconds=seconds)


def describe(stream: Stream) -> bytes:
    """What arrived, as JSON."""
    text = lambda fields: [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]  # noqa: E731
    shown = stream.body.decode("latin-1") if stream.count < 65536 else f"<{stream.count} bytes>"
    return json.dumps({"fields": text(stream.head), "body": shown, "trailers": text(stream.trailers), "framing": "http2"}).encode()


def echo(service: Service) -> None:
    """Answer every request with a description of it; the default."""
    while True:
        stream = service.read_request()
        if stream.field(":method") == "HEAD":
            service.head(stream, ("content-length", str(len(describe(stream)))), end=True)
        else:
            service.answer(stream, describe(stream), ("content-type", "application/json"))


class Upstream:
    """A listening HTTP/2 upstream. On leaving its `with`, what it saw must have been sound."""

    def __init__(
        self, play: Callable[[Service], None] = echo, address: str = "127.0.0.1:0", *, ours: dict[int, int] | None = None,
        consume: bool = True, greet: bool = True, keep: bool = True, tls: ssl.SSLContext | None = None, lenient: bool = False,
    ):
        self.play, self.tls, self.lenient = play, tls, lenient
        self._options = (ours or {}, consume, greet, keep)
        self.links: list[Service] = []
        self.errors: list[Exception] = []
        self._listening = sockets.listen(address)
        self.address = sockets.address_of(self._listening)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._run, args=(accepted,), daemon=True).start()

    def _run(self, accepted: socket.socket) -> None:
        with contextlib.closing(accepted):
            try:
                made = self.tls.wrap_socket(accepted, server_side=True) if self.tls else accepted
                link = Service(made, len(self.links), *self._options)
                self.links.append(link)
                self.play(link)
            except (Gone, OSError):
                pass
            except Exception as error:  # a script's own assertion
                self.errors.append(error)
            else:
                link.pump(seconds=0.2)  # what is on its way must not turn a close into a reset
        with contextlib.suppress(OSError, UnboundLocalError):
            made.close()

    @property
    def heads(self) -> list[Stream]:
        """Every request whose head came."""
        return [stream for link in list(self.links) for stream in list(link.streams.values())]

    @property
    def requests(self) -> list[Stream]:
        """Every request that came whole."""
        return [stream for link in list(self.links) for stream in list(link.requests)]

    @property
    def violations(self) -> list[str]:
        return [each for link in list(self.links) for each in link.violations]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for link in list(self.links):
            with contextlib.suppress(OSError):
                link.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, kind, *_: object) -> None:
        self.close()
        if kind is None:
            assert self.lenient or not self.violations, f"the upstream was sent what is malformed: {self.violations[:3]}"
            if self.errors:
                raise self.errors[0]

