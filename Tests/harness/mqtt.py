"""A raw MQTT client for tests: it sends exactly what it is told, reads strictly and acknowledges nothing by itself."""

import contextlib
import itertools
import os
import pathlib
import socket
import ssl
import time

from . import peers, sockets
from .mqtt_packets import V5, Packet, Type, Violation, acknowledge, connect, disconnect, options, publish, read, subscribe, unsubscribe
from .mqtt_packets import PINGREQ

_names = itertools.count(1)


def unique(word: str = "c") -> str:
    """A client identifier or topic that nobody else has."""
    return f"{word}{os.getpid():x}x{next(_names):x}"


class Closed(ConnectionError):
    """The server has ended the connection. `packet`: its DISCONNECT, if it sent one."""

    def __init__(self, why: str, packet: Packet | None = None):
        super().__init__(why)
        self.packet = packet


class Silent(AssertionError):
    """Nothing came in time."""


class Client:
    """One connection. `version` says how packets are written and read."""

    def __init__(self, address: str, version: int = V5, *, timeout: float = 3.0, tls: ssl.SSLContext | None = None, server_name: str = "localhost", source: str | None = None):
        self.version, self.timeout = version, timeout
        self.socket = sockets.connect(address, timeout, source)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self._bytes = bytearray()
        self._ids = itertools.cycle(range(1, 65536))
        self._waiting: list[Packet] = []
        self.connack: Packet | None = None
        self.client_id = ""
        self.ended: Closed | None = None

    # Sending.

    def send(self, *packets: bytes) -> "Client":
        """As they are; a server that closes meanwhile is noticed when reading."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.socket.settimeout(self.timeout)
            self.socket.sendall(b"".join(packets))
        return self

    def next_id(self) -> int:
        return next(self._ids)

    def connect(self, client: str | bytes | None = None, **more) -> Packet:
        """CONNECT, and its CONNACK whatever it says."""
        self.client_id = unique() if client is None else client
        self.send(connect(self.client_id, self.version, **more))
        self.connack = self.expect(Type.CONNACK)
        if isinstance(self.client_id, str) and not self.client_id:
            self.client_id = self.connack.properties.get("assigned_client_id", "")
        return self.connack

    def publish(self, topic: str | bytes, payload: bytes = b"", qos: int = 0, packet_id: int | None = None, **more) -> Packet | None:
        """PUBLISH and its whole flow. Returns PUBACK, PUBCOMP, or a PUBREC that refuses; nothing for QoS 0."""
        number = (self.next_id() if packet_id is None else packet_id) if qos else 0
        self.send(publish(topic, payload, qos, number, version=self.version, **more))
        if not qos:
            return None
        answer = self.answer(Type.PUBACK if qos == 1 else Type.PUBREC, number)
        if qos == 2 and answer.reason < 0x80:
            answer = self.release(number)
        return answer

    def release(self, packet_id: int) -> Packet:
        """PUBREL and its PUBCOMP."""
        self.send(acknowledge(Type.PUBREL, packet_id))
        return self.answer(Type.PUBCOMP, packet_id)

    def subscribe(self, *filters: str | tuple, qos: int = 0, props: dict | None = None, **more) -> Packet:
        """SUBSCRIBE and its SUBACK. A filter alone has the options given beside it."""
        lines = [each if isinstance(each, tuple) else (each, options(qos, **more)) for each in filters]
        number = self.next_id()
        self.send(subscribe(number, *lines, version=self.version, props=props))
        return self.answer(Type.SUBACK, number)

    def unsubscribe(self, *filters: str) -> Packet:
        number = self.next_id()
        self.send(unsubscribe(number, *filters, version=self.version))
        return self.answer(Type.UNSUBACK, number)

    def ping(self) -> Packet:
        self.send(PINGREQ)
        return self.answer(Type.PINGRESP)

    # Receiving.

    def receive(self, timeout: float | None = None) -> Packet:
        """The next packet. `Silent` when none comes in time, `Closed` at the end, `Violation` when it is a wrong one."""
        if self._waiting:
            return self._waiting.pop(0)
        return self._receive(time.monotonic() + (self.timeout if timeout is None else timeout))

    def _receive(self, deadline: float) -> Packet:
        while (cut := self._cut()) is None:
            if self.ended:
                raise self.ended
            left = deadline - time.monotonic()
            if left <= 0:
                raise Silent(f"no packet in time{f', {bytes(self._bytes[:16])} begun' if self._bytes else ''}")
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 16)
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError as error:
                self.ended = Closed(f"reset: {error}")
                continue
            if not more:
                self.ended = Closed("closed")
            self._bytes += more
        if cut.type == Type.DISCONNECT:
            self.ended = Closed(f"DISCONNECT {cut.reason:#04x} {cut.properties.get('reason_string', '')}", cut)
            if self._bytes:
                raise Violation("bytes after DISCONNECT [MQTT-3.14.4-1]")
        return cut

    def _cut(self) -> Packet | None:
        length = shift = 0
        for place in range(1, 5):
            if place >= len(self._bytes):
                return None
            length |= (self._bytes[place] & 0x7F) << shift
            shift += 7
            if not self._bytes[place] & 0x80:
                break
        else:
            raise Violation("a remaining length of five bytes")
        start = place + 1
        if len(self._bytes) < start + length:
            return None
        first, body = self._bytes[0], bytes(self._bytes[start : start + length])
        del self._bytes[: start + length]
        return read(first, body, self.version)

    def expect(self, kind: Type, packet_id: int | None = None, timeout: float | None = None) -> Packet:
        """The next packet, which must be of this type."""
        found = self.receive(timeout)
        if found.type == Type.DISCONNECT and kind != Type.DISCONNECT:
            raise self.ended
        assert found.type == kind, f"{found} instead of {kind.name}"
        assert packet_id is None or found.packet_id == packet_id, f"{found} instead of id {packet_id}"
        return found

    def answer(self, kind: Type, packet_id: int = 0) -> Packet:
        """The answer to a request: messages that come before it are kept for `receive`."""
        deadline = time.monotonic() + self.timeout
        while True:
            found = self._receive(deadline)
            if found.type == kind and found.packet_id == packet_id:
                return found
            if found.type == Type.DISCONNECT:
                raise self.ended
            assert found.type in (Type.PUBLISH, Type.PUBREL), f"{found} instead of {kind.name} {packet_id}"
            self._waiting.append(found)

    def message(self, timeout: float | None = None, acknowledge_it: bool = True) -> Packet:
        """The next PUBLISH, with its flow completed unless told otherwise."""
        found = self.expect(Type.PUBLISH, timeout=timeout)
        if acknowledge_it:
            self.complete(found)
        return found

    def complete(self, message: Packet) -> None:
        """The receiver's part of a message's flow."""
        if message.qos == 1:
            self.send(acknowledge(Type.PUBACK, message.packet_id))
        elif message.qos == 2:
            self.send(acknowledge(Type.PUBREC, message.packet_id))
            deadline, before = time.monotonic() + self.timeout, []
            while (found := self._receive(deadline)).type != Type.PUBREL or found.packet_id != message.packet_id:
                before.append(found)
            self._waiting += before
            self.send(acknowledge(Type.PUBCOMP, message.packet_id))

    def messages(self, count: int, timeout: float | None = None) -> list[Packet]:
        return [self.message(timeout) for _ in range(count)]

    def settled(self, seconds: float = 0.15) -> list[Packet]:
        """What comes within a while in which nothing may come, or everything has to."""
        found, deadline = [], time.monotonic() + seconds
        while True:
            try:
                found.append(self.receive(max(0.001, deadline - time.monotonic())))
            except Silent:
                return found

    def nothing(self, seconds: float = 0.15) -> None:
        """Nothing comes."""
        found = self.settled(seconds)
        assert not found, f"came: {', '.join(map(str, found))}"

    def closed(self, timeout: float | None = None) -> Closed:
        """The server ends the connection; says how. What it sends before is let by, except CONNACKs of success."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        last = None
        try:
            while True:
                found = self._receive(deadline)
                last = found if found.type in (Type.DISCONNECT, Type.CONNACK) else last
                if found.type == Type.DISCONNECT:
                    # DISCONNECT alone is not the end: the connection must be closed too [MQTT-3.14.4-2].
                    announced, self.ended = self.ended, None
                    with contextlib.suppress(Closed):
                        self._receive(deadline)
                        raise Violation("packets after DISCONNECT [MQTT-3.14.4-1]")
                    self.ended = announced
                    return announced
        except Closed as end:
            if last is not None and last.type == Type.CONNACK:
                end.packet = last
            return end

    # Ending.

    def disconnect(self, reason: int | None = None, **props) -> None:
        """DISCONNECT, and wait for the server's end of the connection."""
        self.send(disconnect(self.version, reason, props or None))
        with contextlib.suppress(Closed):
            deadline = time.monotonic() + self.timeout
            while True:
                self._receive(deadline)
        self.close()

    def drop(self) -> None:
        """Gone without a word, as if the network had failed."""
        sockets.reset(self.socket)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Mosquitto:
    """A real broker on a free port of loopback. `store`: it keeps sessions in a file, which survives `restart`."""

    def __init__(self, folder: pathlib.Path, *lines: str, store: bool = False, cpu: int | None = None):
        self.folder, self._cpu = pathlib.Path(folder), cpu
        self.folder.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{sockets.free_port()}"
        text = [f"listener {self.address.rpartition(':')[2]} 127.0.0.1", "allow_anonymous true", "sys_interval 0", "user root", *lines]
        text += ["persistence true", f"persistence_location {self.folder}/", "autosave_interval 1800"] if store else ["persistence false"]
        self.config = self.folder / "mosquitto.conf"
        self.config.write_text("\n".join(text) + "\n")
        self.start()

    def start(self) -> "Mosquitto":
        self._process = peers.Process([peers.tool("mosquitto"), "-c", str(self.config)], self.address, self._cpu, self.folder)
        return self

    @property
    def pid(self) -> int:
        return self._process.process.pid

    def stop(self) -> None:
        self._process.stop()

    def __enter__(self) -> "Mosquitto":
        return self

    def __exit__(self, *_) -> None:
        self.stop()


