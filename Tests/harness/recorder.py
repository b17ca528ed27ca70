"""A back end that records exact bytes and answers with exact bytes, delays and resets.

Every connection runs its own thread through `play(peer)`. The default play reads strict requests and
answers each with 200; a test gives its own to misbehave.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable

from . import sockets, strict


class Gone(Exception):
    """The other side closed or reset."""


class Peer:
    """One accepted connection as the script sees it."""

    def __init__(self, accepted: socket.socket, number: int):
        self.socket = accepted
        self.number = number
        self.received = bytearray()  # all that ever came, exactly
        self.sent = 0
        self.requests: list[strict.Message] = []
        self.times: list[float] = []
        self.violation: str | None = None
        self.closed_by_client = False
        self._unread = bytearray()

    def more(self, timeout: float | None = None) -> bytes:
        """What comes next; empty at the end of the stream."""
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(262144)
        except TimeoutError:
            raise
        except OSError as error:
            self.closed_by_client = True
            raise Gone(str(error)) from error
        if not data:
            self.closed_by_client = True
        self.received += data
        self._unread += data
        return data

    def read_request(self, on_head: Callable[[strict.Message | None], None] | None = None) -> strict.Message:
        """The next request, strictly parsed. `Gone` when none comes; notes a violation if it has no one reading."""
        told = False
        while True:
            try:
                message, end = strict.request(bytes(self._unread))
                del self._unread[:end]
                self.requests.append(message)
                self.times.append(time.monotonic())
                return message
            except strict.Incomplete as incomplete:
                if incomplete.message is not None and not told and on_head:
                    told = True
                    on_head(incomplete.message)
                if not self.more():
                    raise Gone("end of stream") from None
            except strict.Ambiguous as ambiguous:
                self.violation = str(ambiguous)
                raise

    def read_head(self) -> bytes:
        """Only the head of the next request, as it came; the body stays unread."""
        while b"\r\n\r\n" not in self._unread:
            if not self.more():
                raise Gone("end of stream")
        head, _, rest = bytes(self._unread).partition(b"\r\n\r\n")
        self._unread = bytearray(rest)
        return head + b"\r\n\r\n"

    def take(self) -> bytes:
        """What came and no read consumed yet."""
        data, self._unread = bytes(self._unread), bytearray()
        return data

    def send(self, data: bytes) -> None:
        try:
            self.socket.settimeout(30)
            self.socket.sendall(data)
            self.sent += len(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def reset(self) -> None:
        sockets.reset(self.socket)

    def half_close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def hold(self, seconds: float = 30.0) -> None:
        """Keep the connection open, reading and saying nothing, until the other side leaves."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(Gone, TimeoutError):
            while time.monotonic() < deadline and self.more(timeout=max(0.01, deadline - time.monotonic())):
                pass


Play = Callable[[Peer], None]


def respond(status: str = "200 OK", body: bytes = b"", *fields: str) -> bytes:
    """A well-formed answer with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def describe(message: strict.Message) -> bytes:
    """An answer that tells the client what arrived."""
    told = {
        "start": message.start.decode("latin-1"),
        "fields": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in message.fields],
        "body": message.body.decode("latin-1") if len(message.body) < 65536 else f"<{len(message.body)} bytes>",
        "trailers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in message.trailers],
        "framing": message.framing,
    }
    return respond("200 OK", json.dumps(told).encode(), "Content-Type: application/json")


def echo(peer: Peer) -> None:
    """Answer every request with a description of it; the default."""
    while True:
        message = peer.read_request()
        reply = describe(message)
        peer.send(reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if message.method == "HEAD" else reply)


class Recorder:
    """The listening back end. `peers` holds every connection in order of arrival."""

    def __init__(self, play: Play = echo, address: str = "127.0.0.1:0", backlog: int = 1024):
        self.play = play
        self.peers: list[Peer] = []
        self.errors: list[Exception] = []
        self._listening = sockets.listen(address, backlog)
        self.address = sockets.address_of(self._listening)
        self._stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            if accepted.family != socket.AF_UNIX:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(accepted, len(self.peers))
            self.peers.append(peer)
            threading.Thread(target=self._run, args=(peer,), daemon=True).start()

    def _run(self, peer: Peer) -> None:
        try:
            self.play(peer)
        except (Gone, strict.Ambiguous, OSError):
            pass
        except Exception as error:  # a script's own assertion: the stage fails the test with it
            self.errors.append(error)
        peer.close()

    @property
    def requests(self) -> list[strict.Message]:
        return [message for peer in list(self.peers) for message in peer.requests]

    @property
    def violations(self) -> list[str]:
        return [peer.violation for peer in list(self.peers) if peer.violation]

    def close(self) -> None:
        """Stop listening and reset what is open."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for peer in list(self.peers):
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
