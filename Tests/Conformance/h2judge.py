"""Plays one HTTP/2 case against a server in front of a recording HTTP/1.1 back end, and finds what is wrong.

Two judgements, as for the HTTP/1.1 corpus. *Universal*: nothing ambiguous and nothing refused reaches the back
end, an error ends what the RFC says it ends, what is allowed is served. *Particular*: the very code and the
GOAWAY before the close, which the RFC only recommends.
"""

import dataclasses
import ssl
import time

from h2corpus.case import Case

from harness import strict
from harness.gateway import Gateway
from harness.http2 import Code, Frame, rst
from harness.http2_ends import Client, Service, Upstream
from harness.http2_ends import describe as told2
from harness.recorder import Gone, Peer, Recorder, describe

PATIENCE = 4.0


def full(head: strict.Message | None) -> None:
    """`/full` is not read beyond its head."""
    if head is not None and head.target.startswith("/full"):
        time.sleep(5)
        raise Gone("read no more")


def play_backend(peer: Peer) -> None:
    """Describes every request; what asks for `/hold` is not answered."""
    while True:
        message = peer.read_request(full)
        if message.target.startswith("/hold"):
            return peer.hold(20)
        reply = describe(message)
        peer.send(reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if message.method == "HEAD" else reply)


@dataclasses.dataclass
class Arrived:
    """A request at the HTTP/2 upstream, with the face of `strict.Message` that the judge needs."""

    target: str
    start: str
    fields: list[tuple[bytes, bytes]]

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for each, value in self.fields if each == name.encode()]


@dataclasses.dataclass
class Connection:
    number: int
    requests: list[Arrived]


class Upstream2(Upstream):
    """An HTTP/2 upstream that judges what it is sent, with the face of the recording back end."""

    def __init__(self):
        super().__init__(self._describe, lenient=True)

    @staticmethod
    def _describe(service: Service) -> None:
        done = 0
        while service.pump(lambda: len(service.requests) > done, 30):
            stream = service.requests[done]
            done += 1
            if not stream.path.startswith("/hold") and stream.reset is None:
                told = told2(stream)
                if stream.field(":method") == "HEAD":
                    service.head(stream, ("content-length", str(len(told))), end=True)
                else:
                    service.answer(stream, told)

    @property
    def peers(self) -> list[Connection]:
        return [Connection(link.number, [Arrived(stream.path, f"{stream.field(':method')} {stream.path}", stream.head) for stream in list(link.requests)]) for link in list(self.links)]


@dataclasses.dataclass
class Verdict:
    """`seen`: one of the words of `Case.ends`; `universal` and `particular` say what is wrong."""

    seen: str
    frames: list[Frame]
    universal: list[str]
    particular: list[str]


def revive(gateway: Gateway) -> None:
    """A crash is the failure of the case that made it, not of all that follow."""
    if not gateway.running:
        gateway.start()


def word(code: int) -> str:
    return Code(code).name if code in list(Code) else hex(code)


def outcome(case: Case, client: Client) -> str:
    """What came of it, in the words of `Case.ends`."""
    stream = client.stream(case.on)
    over = lambda: bool(client.ended or client.goaway or stream.reset is not None or stream.complete)  # noqa: E731
    if "alive" in case.allowed:
        alive = client.answers(PATIENCE)
        if alive and not client.goaway and stream.reset is None:
            return "alive"
    client.pump(over, PATIENCE)
    # An answer may be followed by the word that matters: give it the time of a round trip.
    if stream.complete and case.greet:
        client.answers(PATIENCE)
    if client.goaway and client.goaway[1] != Code.NO_ERROR:
        return f"goaway {word(client.goaway[1])}"
    if stream.complete:
        return str(stream.status)
    if stream.reset is not None:
        return f"rst {word(stream.reset)}"
    return "closed" if client.ended or client.goaway else "silent"


def play(case: Case, address: str, backend: Recorder | Upstream2, tls: ssl.SSLContext | None = None) -> Verdict:
    """Send the case and judge."""
    before = {peer.number: len(peer.requests) for peer in list(backend.peers)}
    violations = len(backend.violations)
    universal: list[str] = []
    particular: list[str] = []
    with Client(address, PATIENCE, ours=dict(case.ours), greet=case.greet, tls=tls) as client:
        if case.greet:
            client.settle()
        client.stream(case.on)
        if callable(case.send):
            case.send(client)
        else:
            client.note(case.send)
            client.send(case.send)
        seen = outcome(case, client)
        if seen.startswith("goaway") and not client.closes_within(2.0):
            universal.append(f"{seen}, and the connection stays open")
        if seen not in case.allowed:
            _judge(case, seen, universal, particular)
        if seen.startswith(("rst", "4")) and not client.goaway:
            client.send(*[rst(stream.number) for stream in client.streams.values() if not stream.ended and stream.reset is None])
            client.next = max(client.streams) + 2
            after = client.ask("/after", timeout=PATIENCE)
            if after.end != "complete" or after.status != 200:
                particular.append(f"after {seen} the connection serves no more: {after}")
        if seen not in ("closed", "silent"):
            universal += client.violations
        frames = client.frames
    time.sleep(0.002)
    arrived = [message for peer in list(backend.peers) for message in peer.requests[before.get(peer.number, 0) :]]
    forwarded = [message for message in arrived if message.target.startswith("/c")]
    if forwarded and not case.particular and not case.allowed & {"200", "alive"}:
        universal.append(f"forwarded: {forwarded[0].start!r} {forwarded[0].fields}")
    universal += [f"forwarded ambiguous: {why}" for why in backend.violations[violations:]]
    for message in arrived:
        if message.target.startswith("/smuggled") or message.all("x-injected"):
            universal.append(f"the smuggled request arrived: {message.start!r}")
    return Verdict(seen, frames, universal, particular)


def _judge(case: Case, seen: str, universal: list[str], particular: list[str]) -> None:
    """What is not among the allowed ends: wrong for everybody, or only not the recommended form."""
    ended = seen == "closed" or seen.startswith("goaway")
    refused = ended or seen.startswith(("rst", "4", "5"))
    connection_only = all(each.startswith("goaway") for each in case.allowed)
    wrong = f"{seen}, allowed {case.ends}"
    if case.particular:
        particular.append(wrong)
    elif case.allowed & {"200", "alive"}:
        universal.append(wrong)
    elif ended or (refused and not connection_only):
        particular.append(wrong)
    else:
        universal.append(wrong)
