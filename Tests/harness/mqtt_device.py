"""A device that does what the standard says when its connection is lost: it comes back to its session and sends again."""

import json
import random
import select
import threading
import time

from .mqtt import Client, Closed, Silent
from .mqtt_packets import V3, V5, Type, acknowledge, publish


class Device(threading.Thread):
    """Publishes `count` reports of one piece each, up to `window` at once, until all are acknowledged.

    `ids`: each report has an id of its own, as people do who do not trust DUP."""

    def __init__(self, address: str, name: str, topic: str, count: int, *, qos: int, version: int = V5, ids: bool = False, window: int = 10, seconds: float = 120):
        super().__init__(daemon=True)
        self.address, self.label, self.topic, self.count, self.qos, self.version = address, name, topic, count, qos, version
        self.ids, self.window, self._deadline = ids, window, time.monotonic() + seconds
        self.acknowledged, self.reconnects, self.resent = 0, 0, 0
        self.wrong: list[str] = []
        self._next = 0
        # What the client's part of the session is: messages without an answer, and identifiers between PUBREC and PUBCOMP, in order.
        self._open: dict[int, int] = {}
        self._released: dict[int, int] = {}
        self._again: set[int] = set()
        self._known = False

    def run(self) -> None:
        while self.acknowledged < self.count and not self.wrong:
            if time.monotonic() > self._deadline:
                self.wrong.append(f"only {self.acknowledged} of {self.count} in time")
                return
            try:
                self._connection()
            except (Closed, OSError, Silent):
                self.reconnects += 1
                time.sleep(0.02 + random.random() * 0.05)
            except AssertionError as error:
                self.wrong.append(f"{type(error).__name__}: {error}")

    def _connection(self) -> None:
        with Client(self.address, self.version, timeout=8) as client:
            keep = {} if self.version == V3 else {"session_expiry": 3600}
            answer = client.connect(self.label, clean=False, **keep)
            assert answer.reason == 0, f"refused: {answer}"
            assert answer.session_present or not self._known, "the session was forgotten"
            self._known = True
            for number in self._open:
                self.resent += 1
                client.send(self._packet(number, True))
            self._again = set(self._released)
            client.send(*(acknowledge(Type.PUBREL, number) for number in self._released))
            while self.acknowledged < self.count:
                while self._next < self.count and len(self._open) + len(self._released) < self.window:
                    number = 1 + self._next % 65535
                    self._open[number] = self._next
                    self._next += 1
                    client.send(self._packet(number, False))
                self._take(client, client.receive())
            client.disconnect()

    def _packet(self, number: int, dup: bool) -> bytes:
        report = {"delta": 1, "reason": "load"} | ({"eventId": f"{self.label}-{self._open[number]}"} if self.ids else {})
        return publish(self.topic, json.dumps(report).encode(), self.qos, number, version=self.version, dup=dup)

    def _take(self, client: Client, answer) -> None:
        if answer.type == Type.DISCONNECT:
            raise client.ended
        # 0x92 to a PUBREL that was sent again: the first one was heard, its PUBCOMP was not.
        assert answer.reason < 0x80 or (answer.reason == 0x92 and answer.packet_id in self._again), f"refused: {answer}"
        self._again.discard(answer.packet_id)
        match answer.type:
            case Type.PUBACK if self.qos == 1:
                assert answer.packet_id in self._open, f"{answer} of nothing"
                del self._open[answer.packet_id]
                self.acknowledged += 1
            case Type.PUBREC if self.qos == 2:
                assert answer.packet_id in self._open, f"{answer} of nothing"
                self._released[answer.packet_id] = self._open.pop(answer.packet_id)
                client.send(acknowledge(Type.PUBREL, answer.packet_id))
            case Type.PUBCOMP if self.qos == 2:
                assert answer.packet_id in self._released, f"{answer} of nothing"
                del self._released[answer.packet_id]
                self.acknowledged += 1
            case _:
                raise AssertionError(f"{answer} is no answer")


class Flood(threading.Thread):
    """Writes one device's packets as fast as the server reads them, until told to stop; what comes back is thrown away."""

    def __init__(self, client: Client, make):
        super().__init__(daemon=True)
        self.client, self.make, self.count = client, make, 0
        self.stopped = threading.Event()

    def run(self) -> None:
        handle, burst = self.client.socket, memoryview(b"")
        handle.setblocking(False)
        try:
            while not self.stopped.is_set():
                if not burst:
                    burst = memoryview(b"".join(self.make(self.count + number) for number in range(50)))
                    self.count += 50
                readable, writable, _ = select.select([handle], [handle], [], 0.05)
                if readable and not handle.recv(1 << 16):
                    return
                if writable:
                    burst = burst[handle.send(burst) :]
        except OSError:
            return

    def stop(self) -> None:
        self.stopped.set()
        self.join(5)
