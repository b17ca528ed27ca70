"""A raw HTTP/1.1 client: sends exact bytes and tells a complete answer from an aborted or missing one."""

import contextlib
import dataclasses
import socket

from . import sockets, strict


@dataclasses.dataclass
class Reply:
    """How one exchange ended for a client that reads strictly.

    `end`: `complete`; `aborted` (a head came, then the connection ended before the body did); `none`
    (closed without an answer); `silent` (nothing in time, still open); `ambiguous` (no single reading).
    """

    end: str
    message: strict.Message | None = None
    informational: list[strict.Message] = dataclasses.field(default_factory=list)
    raw: bytes = b""
    why: str = ""

    @property
    def status(self) -> int:
        return self.message.status if self.message else 0

    @property
    def body(self) -> bytes:
        return self.message.body if self.message else b""

    def field(self, name: str) -> str | None:
        return self.message.one(name) if self.message else None

    @property
    def complete(self) -> bool:
        return self.end == "complete"


class Wire:
    """One client connection."""

    def __init__(self, address: str, timeout: float = 5.0, source: str | None = None):
        self.timeout = timeout
        self.socket = sockets.connect(address, timeout, source)
        self.buffer = b""
        self.ended: str | None = None  # None | "closed" | "reset"

    def send(self, data: bytes | str) -> "Wire":
        """Send all; a peer that closes meanwhile is seen on reading, not here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.settimeout(self.timeout)
            self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def half_close(self) -> "Wire":
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def _fill(self, timeout: float) -> bool:
        """Read once; False when nothing came in time or the stream has ended."""
        if self.ended:
            return False
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(262144)
        except TimeoutError:
            return False
        except OSError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "closed"
            return False
        self.buffer += data
        return True

    def read(self, method: str = "GET", timeout: float | None = None) -> Reply:
        """The next final answer, with the informational ones before it."""
        informational: list[strict.Message] = []
        wait = self.timeout if timeout is None else timeout
        while True:
            partial, why = None, ""
            try:
                message, end = strict.answer(self.buffer, method, closed=self.ended == "closed")
                raw, self.buffer = self.buffer[:end], self.buffer[end:]
                if 100 <= message.status < 200 and message.status != 101:
                    informational.append(message)
                    continue
                return Reply("complete", message, informational, raw)
            except strict.Incomplete as incomplete:
                partial, why = incomplete.message, incomplete.stage
            except strict.Ambiguous as ambiguous:
                return Reply("ambiguous", None, informational, self.buffer, str(ambiguous))
            if self._fill(wait):
                continue
            if self.ended == "closed" and partial is not None and partial.framing == "close":
                continue
            if self.ended is None:
                return Reply("silent", partial, informational, self.buffer, why)
            return Reply("aborted" if self.buffer else "none", partial, informational, self.buffer, why)

    def ask(self, data: bytes | str, method: str | None = None, timeout: float | None = None) -> Reply:
        """Send one request and read its answer."""
        self.send(data)
        if method is None:
            method = (data if isinstance(data, str) else data.decode("latin-1")).split(" ", 1)[0]
        return self.read(method, timeout)

    def drain(self, sink, timeout: float = 30.0) -> Reply:
        """The next answer with its body given to `sink` piece by piece instead of kept: for large ones."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill(timeout):
                return Reply("none" if self.ended else "silent")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        # A head with an empty body in its own framing, to learn which framing it is.
        message = strict.Message(b"", [])
        with contextlib.suppress(strict.Incomplete):
            message, _ = strict.answer(head + b"\r\n\r\n", closed=True)
        chunked = b"\r\ntransfer-encoding: chunked" in head.lower()
        length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        left = int(length[0]) if length else 0
        inside = False
        while True:
            if chunked and not inside and b"\r\n" in self.buffer:
                line, _, self.buffer = self.buffer.partition(b"\r\n")
                left, inside = int(line.split(b";")[0], 16), True
                if left == 0:
                    while b"\r\n" not in self.buffer and self._fill(timeout):
                        pass
                    self.buffer = self.buffer.partition(b"\r\n")[2]
                    return Reply("complete", message)
                continue
            piece = self.buffer if not (chunked or length) else self.buffer[:left] if not chunked or inside else b""
            if piece:
                sink(piece)
                self.buffer, left = self.buffer[len(piece) :], left - len(piece)
                continue
            if length and left == 0:
                return Reply("complete", message)
            if chunked and inside and left == 0 and len(self.buffer) >= 2:
                if self.buffer[:2] != b"\r\n":
                    return Reply("ambiguous", message, why="no CRLF after chunk data")
                self.buffer, inside = self.buffer[2:], False
                continue
            if not self._fill(timeout):
                clean = self.ended == "closed" and not chunked and not length
                return Reply("complete" if clean else "aborted" if self.ended else "silent", message)

    def take(self, count: int, timeout: float | None = None) -> bytes:
        """Exactly `count` bytes past the answers read so far (a tunnel), or fewer if the stream ends."""
        while len(self.buffer) < count and self._fill(self.timeout if timeout is None else timeout):
            pass
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def closes_within(self, seconds: float = 2.0) -> bool:
        """Whether the other side ends the connection in time; what it sends meanwhile stays in `buffer`."""
        while self._fill(seconds):
            pass
        return self.ended is not None

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        sockets.reset(self.socket)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def get(target: str, *fields: str, host: str = "shop.example", method: str = "GET") -> bytes:
    """A plain request without a body."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode("latin-1")


def post(target: str, body: bytes, *fields: str, host: str = "shop.example", method: str = "POST") -> bytes:
    """A request with a body and its Content-Length."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def once(address: str, data: bytes | str, timeout: float = 5.0) -> Reply:
    """One request on a connection of its own."""
    with Wire(address, timeout) as wire:
        return wire.ask(data)


def is_refused(address: str) -> bool:
    """Whether a new connection is turned away: reset (as early as inside `connect`), closed or answered 503."""
    try:
        with Wire(address, timeout=1) as wire:
            reply = wire.ask(get("/"))
            return reply.end in ("none", "silent") or reply.status == 503
    except ConnectionResetError:
        return True
