"""What a case of the conformance suite is, and the stage that it plays on.

Cases are functions `(scene, version)`; a failure is an exception. They share one broker, so topics and client identifiers
are their own. Numbers of statements are those of MQTT 5.0's appendix B, of 3.1.1 where `3.1.1:` stands before them.
"""

import dataclasses
from collections.abc import Callable

from harness.mqtt import Client, Type, unique
from harness.mqtt_packets import V3, V5

BOTH = (V3, V5)


class Scene:
    """A broker, as one case sees it; its connections end with the case."""

    def __init__(self, address: str):
        self.address = address
        self._clients: list[Client] = []

    def raw(self, version: int = V5) -> Client:
        """A connection on which nothing was said yet."""
        made = Client(self.address, version)
        self._clients.append(made)
        return made

    def client(self, version: int = V5, name: str | bytes | None = None, present: bool | None = None, **more) -> Client:
        """A client that was let in; `present` is what the CONNACK has to say of a session."""
        made = self.raw(version)
        answer = made.connect(name, **more)
        assert answer.reason == 0, f"CONNECT refused: {answer}"
        assert present is None or answer.session_present == present, f"session present {answer.session_present}"
        return made

    def watcher(self, version: int, *filters: str, qos: int = 2, **more) -> Client:
        """A client with subscriptions, all granted."""
        made = self.client(version)
        answer = made.subscribe(*filters, qos=qos, **more)
        assert all(reason == qos for reason in answer.reasons), answer
        return made

    def close(self) -> None:
        for client in self._clients:
            client.close()


def lasting(version: int, seconds: int = 600, clean: bool = False) -> dict:
    """What a CONNECT says for a session that outlives its connection."""
    return {"clean": clean} if version == V3 else {"clean": clean, "session_expiry": seconds}


def topic(word: str = "t") -> str:
    """A topic that no other case uses."""
    return f"{word}/{unique('n')}"


@dataclasses.dataclass(frozen=True)
class Case:
    norm: str
    name: str
    version: int
    play: Callable[[Scene, int], None]
    slow: bool = False

    def __str__(self) -> str:
        return f"MQTT-{self.norm} {self.name} {'v5' if self.version == V5 else 'v3.1.1'}"

    def run(self, address: str) -> None:
        scene = Scene(address)
        try:
            self.play(scene, self.version)
        finally:
            scene.close()


CASES: list[Case] = []


def add(norm: str, name: str, play: Callable[[Scene, int], None], versions=BOTH, slow: bool = False) -> None:
    for version in versions:
        CASES.append(Case(norm, name, version, play, slow))


def case(norm: str, versions=BOTH, slow: bool = False):
    """Registers a function as a case. `slow`: it mostly waits, so that it may wait beside others."""

    def register(play):
        add(norm, play.__name__, play, versions, slow)
        return play

    return register


def each(norm: str, values, versions=BOTH, slow: bool = False):
    """Registers a function `(scene, version, *value)` once for each value; the first of it names the case."""

    def register(play):
        for value in values:
            row = value if isinstance(value, tuple) else (value,)
            add(norm, f"{play.__name__} {row[0]}".strip(), lambda scene, version, row=row: play(scene, version, *row), versions, slow)
        return play

    return register


def refused(client: Client, *reasons: int, timeout: float = 3.0) -> None:
    """The server ends the connection, with MQTT 5 by one of these reasons in a DISCONNECT."""
    end = client.closed(timeout)
    if client.version == V5 and reasons:
        assert end.packet is not None and end.packet.type == Type.DISCONNECT, f"closed without a reason ({end})"
        assert end.packet.reason in reasons, f"closed with {end.packet.reason:#04x} instead of {', '.join(f'{each:#04x}' for each in reasons)}"


def turned_away(client: Client, *reasons: int) -> None:
    """The server does not let the client in: it may say why in a CONNACK, and closes."""
    end = client.closed()
    if end.packet is not None:
        assert end.packet.type == Type.CONNACK, f"{end.packet} before a CONNACK of success [MQTT-3.14.0-1]"
        assert end.packet.reason, "the server let it in"
        assert client.version != V5 or not reasons or end.packet.reason in reasons, f"refused with {end.packet.reason:#04x}"
