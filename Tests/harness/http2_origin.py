"""A scripted HTTP/2 origin (h2c by prior knowledge). python-h2 keeps the rules; a test's `play(peer)` runs
on each connection's own thread and decides what is said, and may send raw frames besides."""

import collections
import contextlib
import dataclasses
import hashlib
import json
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import hyperframe.frame

from . import sockets


class Gone(Exception):
    """The other side ended the connection."""


@dataclasses.dataclass
class Request:
    stream: int
    fields: list[tuple[str, str]]
    body: bytearray = dataclasses.field(default_factory=bytearray)
    trailers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    complete: bool = False
    reset: int | None = None

    def field(self, name: str) -> str | None:
        found = [value for key, value in self.fields if key == name]
        assert len(found) < 2, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def path(self) -> str:
        return self.field(":path") or ""


class Peer:
    """One accepted connection."""

    def __init__(self, accepted: socket.socket, number: int, settings: dict | None, credit: bool):
        self.socket = accepted
        self.number = number
        self.credit = credit  # give back what DATA used
        self.requests: dict[int, Request] = {}
        self.events: list[h2.events.Event] = []
        self.received = bytearray()
        self._done: collections.deque[Request] = collections.deque()
        self._heads: collections.deque[Request] = collections.deque()
        self.ended = False
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        self.push()

    def push(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.raw(data)

    def raw(self, data: bytes) -> None:
        try:
            self.socket.settimeout(10)
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def frame(self, frame: hyperframe.frame.Frame) -> None:
        self.raw(frame.serialize())

    def pump(self, timeout: float | None = 10.0) -> bool:
        """Read once and take account of it; False = nothing in time."""
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(262144)
        except TimeoutError:
            return False
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("end")
        self.received += data
        for event in self.h2.receive_data(data):
            self.events.append(event)
            match event:
                case h2.events.RequestReceived():
                    request = Request(event.stream_id, [(str(n), str(v)) for n, v in event.headers])
                    self.requests[event.stream_id] = request
                    self._heads.append(request)
                case h2.events.DataReceived():
                    self.requests[event.stream_id].body += event.data
                    if self.credit and event.flow_controlled_length:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.TrailersReceived():
                    self.requests[event.stream_id].trailers = [(str(n), str(v)) for n, v in event.headers]
                case h2.events.StreamEnded():
                    self.requests[event.stream_id].complete = True
                    self._done.append(self.requests[event.stream_id])
                case h2.events.StreamReset():
                    if event.stream_id in self.requests:
                        self.requests[event.stream_id].reset = int(event.error_code)
                case h2.events.ConnectionTerminated():
                    self.goaway = event
        self.push()
        return True

    def request(self, timeout: float = 10.0) -> Request:
        """The next request that is whole."""
        return self._next(self._done, timeout)

    def head(self, timeout: float = 10.0) -> Request:
        """The next request whose head has come."""
        return self._next(self._heads, timeout)

    def _next(self, queue: collections.deque, timeout: float) -> Request:
        end = time.monotonic() + timeout
        while not queue:
            if not self.pump(max(0.01, end - time.monotonic())) and time.monotonic() > end:
                raise TimeoutError("no request")
        return queue.popleft()

    def start(self, stream: int, status: int = 200, *fields: tuple[str, str], end: bool = False) -> None:
        self.h2.send_headers(stream, [(":status", str(status)), *fields], end_stream=end)
        self.push()

    def send(self, stream: int, body: bytes, end: bool = False) -> None:
        """All of `body`, as windows allow; what is left when the stream has been reset stays unsaid."""
        at = 0
        while at < len(body):
            if self.requests[stream].reset is not None:
                return
            n = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body) - at)
            if n == 0:
                self.pump()
                continue
            self.h2.send_data(stream, bytes(body[at : at + n]))
            at += n
            self.push()
        if end:
            self.h2.end_stream(stream)
            self.push()

    def trailers(self, stream: int, *fields: tuple[str, str]) -> None:
        self.h2.send_headers(stream, list(fields), end_stream=True)
        self.push()

    def respond(self, stream: int, body: bytes = b"ok", status: int = 200, *fields: tuple[str, str]) -> None:
        self.start(stream, status, ("content-length", str(len(body))), *fields, end=not body)
        if body:
            self.send(stream, body, end=True)

    def reset(self, stream: int, code: int) -> None:
        self.h2.reset_stream(stream, code)
        self.push()

    def go_away(self, last: int, code: int = 0) -> None:
        """By hand: the peer goes on with what it has."""
        self.frame(hyperframe.frame.GoAwayFrame(0, last_stream_id=last, error_code=code))

    def hold(self, seconds: float = 30.0) -> None:
        """Listen until the other side ends the connection, or time is up."""
        end = time.monotonic() + seconds
        with contextlib.suppress(Gone):
            while time.monotonic() < end:
                self.pump(max(0.01, end - time.monotonic()))

    def close(self, reset: bool = False) -> None:
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def echo(peer: Peer) -> None:
    """Says in JSON what came, as it came."""
    while True:
        request = peer.request()
        said = {
            "connection": peer.number, "stream": request.stream, "fields": request.fields, "bytes": len(request.body),
            "sha256": hashlib.sha256(request.body).hexdigest(), "trailers": request.trailers,
        }
        body = b"" if request.field(":method") == "HEAD" else json.dumps(said).encode()
        peer.start(request.stream, 200, ("content-type", "application/json"))
        peer.send(request.stream, body, end=True)


class Origin:
    """Listens and plays; use as a context manager."""

    def __init__(self, play=echo, settings: dict | None = None, credit: bool = True):
        self.play, self.settings, self.credit = play, settings, credit
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self.listening = sockets.listen()
        self.address = sockets.address_of(self.listening)
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(accepted, len(self.peers)), daemon=True).start()

    def _serve(self, accepted: socket.socket, number: int) -> None:
        try:
            peer = Peer(accepted, number, self.settings, self.credit)
            self.peers.append(peer)
            self.play(peer)
        except (Gone, TimeoutError, OSError):
            pass
        except BaseException as error:  # noqa: BLE001: the test's own thread raises it
            if not self._closed:
                self.errors.append(error)
        finally:
            if self.peers[number:]:
                self.peers[number].ended = True
            accepted.close()

    def close(self) -> None:
        self._closed = True
        # Closing alone does not wake a thread inside accept.
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Origin":
        return self

    def __exit__(self, *_) -> None:
        self.close()
        if self.errors:
            raise self.errors[0]
